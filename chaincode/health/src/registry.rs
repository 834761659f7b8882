//! The registry contract.

mod moving;

use crate::caller::Caller;
use crate::state::{CONSORTIUM_KEY, Collection, SECRET_KEY, Secret, done, registered, stored};
use careledger_api::consortium::Consortium;
use careledger_api::contracts::registry::{
    MovedBodies, MovedEntry, Origin, OriginView, Registered, Registry,
};
use careledger_api::event::EventKind;
use careledger_api::ids::{Hash, Salt};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};

pub(crate) struct RegistryRules;

impl Registry for RegistryRules {
    fn establish(&self, ctx: &Context<'_>, consortium: Consortium) -> Result<Receipt, HealthError> {
        consortium.validate()?;
        Caller::of(ctx)?.require_admin(&consortium)?;
        if consortium.channel != ctx.channel_id() || consortium.chaincode != ctx.chaincode() {
            return Err(HealthError::InvalidCode(
                "the consortium names another channel or chaincode than the ones this transaction runs on"
                    .into(),
            ));
        }
        if ctx.get_state(CONSORTIUM_KEY)?.is_some() {
            return Err(HealthError::Duplicate(
                "the consortium is established; amend it".into(),
            ));
        }
        ctx.put_json(
            CONSORTIUM_KEY,
            &Registered {
                version: 1,
                consortium,
                moved_from: None,
            },
        )?;
        done(ctx, EventKind::Registry, None)
    }

    fn amend(&self, ctx: &Context<'_>, version: u32, consortium: Consortium) -> Result<Receipt, HealthError> {
        consortium.validate()?;
        let current = stored(ctx)?;
        Caller::of(ctx)?.require_admin(&current.consortium)?;
        if current.version != version {
            return Err(HealthError::PolicyVersion(format!(
                "version {} is in force",
                current.version
            )));
        }
        let (old, new) = (&current.consortium, &consortium);
        if (&old.id, &old.channel, &old.chaincode) != (&new.id, &new.channel, &new.chaincode) {
            return Err(HealthError::InvalidCode(
                "the names of consortium, channel and chaincode stay".into(),
            ));
        }
        ctx.put_json(
            CONSORTIUM_KEY,
            &Registered {
                version: version.saturating_add(1),
                consortium,
                moved_from: current.moved_from,
            },
        )?;
        done(ctx, EventKind::Registry, None)
    }

    fn open_collection(
        &self,
        ctx: &Context<'_>,
        collection: String,
        secret: Salt,
    ) -> Result<Receipt, HealthError> {
        let consortium = registered(ctx)?.consortium;
        let caller = Caller::of(ctx)?;
        caller.require_role(
            &consortium,
            &[Role::Custodian, Role::Payer, Role::ProviderBilling],
        )?;
        let collection = Collection::declared(&consortium, &collection)?;
        if !collection.has_member(&caller.organisation) {
            return Err(HealthError::Forbidden(
                "only a member of the collection opens it".into(),
            ));
        }
        secret.require_drawn()?;
        if !collection.write_once(ctx, SECRET_KEY, &Secret { secret })? {
            return Err(HealthError::Duplicate("the collection has its secret".into()));
        }
        done(ctx, EventKind::Registry, Some(&collection))
    }

    fn declare_origin(&self, ctx: &Context<'_>, origin: Origin) -> Result<Receipt, HealthError> {
        moving::declare(ctx, &origin)
    }

    fn take_over(
        &self,
        ctx: &Context<'_>,
        part: u32,
        entries: Vec<MovedEntry>,
    ) -> Result<Receipt, HealthError> {
        moving::take_over(ctx, part, &entries)
    }

    fn take_over_bodies(
        &self,
        ctx: &Context<'_>,
        collection: String,
        part: u32,
        bodies: MovedBodies,
    ) -> Result<Receipt, HealthError> {
        moving::take_over_bodies(ctx, &collection, part, &bodies)
    }

    fn settle(&self, ctx: &Context<'_>) -> Result<Receipt, HealthError> {
        moving::settle(ctx)
    }

    fn origin(&self, ctx: &ReadContext<'_>, origin: Hash) -> Result<OriginView, HealthError> {
        moving::view(ctx, &origin)
    }

    fn consortium(&self, ctx: &ReadContext<'_>) -> Result<Registered, HealthError> {
        stored(ctx)
    }
}
