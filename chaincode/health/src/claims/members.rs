//! Plans, members' keys, providers' standing.

use super::coverage;
use super::desk::Own;
use super::store::{plan_key, published_key};
use crate::caller::Caller;
use crate::state::{done, registered, tx_id};
use careledger_api::adjudication::{Coverage, Plan, Standing, npi_is_valid};
use careledger_api::consortium::OrganisationRole;
use careledger_api::contracts::claims::{MAX_BILLING, MemberKey, PlanBody, StandingBody};
use careledger_api::event::EventKind;
use careledger_api::ids::{CoverageId, Hash, PlanId, TxId};
use careledger_api::keys::PublicKey;
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The public value of `plan~I`: who publishes it and its newest version.
#[derive(Serialize, Deserialize)]
struct PublishedPlan {
    payer: String,
    version: u32,
    commitment: Hash,
    tx: TxId,
}

pub(super) fn publish_plan(
    ctx: &Context<'_>,
    plan: PlanId,
    version: u32,
    commitment: Hash,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    caller.require_in(&consortium, OrganisationRole::Payer, &[Role::Payer])?;
    let current: Option<PublishedPlan> = ctx.get_json(&published_key(&plan))?;
    if current.as_ref().is_some_and(|p| p.payer != caller.organisation) {
        return Err(HealthError::Forbidden(
            "another organisation publishes this plan".into(),
        ));
    }
    if current.map_or(0, |p| p.version).checked_add(1) != Some(version) {
        return Err(HealthError::ConflictState(
            "the next version of the plan is expected, beginning with 1".into(),
        ));
    }
    let published = PublishedPlan {
        payer: caller.organisation,
        version,
        commitment,
        tx: tx_id(ctx)?,
    };
    ctx.put_json(&published_key(&plan), &published)?;
    ctx.put_json(&plan_key(&plan, version), &published)?;
    done(ctx, EventKind::Registry, None)
}

pub(super) fn load_plan(ctx: &Context<'_>, payer: &str, plan: PlanBody) -> Result<Receipt, HealthError> {
    let own = Own::for_payer(ctx, payer)?;
    plan.salt.require_drawn()?;
    plan.plan.validate()?;
    let (id, version) = (plan.plan.id, plan.plan.version);
    let published: Option<PublishedPlan> = ctx.get_json(&plan_key(&id, version))?;
    let published = published
        .filter(|p| p.payer == payer)
        .ok_or(HealthError::NotFound)?;
    if plan.commitment()? != published.commitment {
        return Err(HealthError::ConflictState(
            "these rules with this salt are not what was published for this version: other rules, or the salt of another copy; load what was kept when it was published".into(),
        ));
    }
    own.put(ctx, &rules_key(&own, &id, version), &plan)?;
    done(ctx, EventKind::Registry, Some(&own.collection))
}

pub(super) fn set_member_key(ctx: &Context<'_>, payer: &str, key: MemberKey) -> Result<Receipt, HealthError> {
    let own = Own::for_payer(ctx, payer)?;
    key.salt.require_drawn()?;
    if !coverage::exists(ctx, &own, &key.coverage)? {
        return Err(HealthError::NotFound);
    }
    own.put(ctx, &member_key_key(&own, &key.coverage), &key)?;
    done(ctx, EventKind::Claim, Some(&own.collection))
}

/// The key with which a coverage's member asks, if there is one.
pub(super) fn member_key(
    ctx: &ReadContext<'_>,
    own: &Own,
    coverage: &CoverageId,
) -> Result<Option<PublicKey>, HealthError> {
    let found: Option<MemberKey> = own.get(ctx, &member_key_key(own, coverage))?;
    Ok(found.and_then(|found| found.key))
}

pub(super) fn set_standing(
    ctx: &Context<'_>,
    payer: &str,
    standing: StandingBody,
) -> Result<Receipt, HealthError> {
    let own = Own::for_payer(ctx, payer)?;
    standing.salt.require_drawn()?;
    if !npi_is_valid(&standing.npi) {
        return Err(HealthError::InvalidCode(
            "an NPI has ten digits, begins with 1 or 2 and ends with its check digit".into(),
        ));
    }
    if standing.bills_for.len() > MAX_BILLING {
        return Err(HealthError::Limit(format!(
            "at most {MAX_BILLING} organisations bill under a number"
        )));
    }
    let consortium = registered(ctx)?.consortium;
    if standing
        .bills_for
        .iter()
        .any(|provider| consortium.pair(payer, provider).is_none())
    {
        return Err(HealthError::InvalidCode(
            "one that bills under the number sends this payer no claims: name custodians of the consortium by their MSP ids".into(),
        ));
    }
    let key = standing_key(&own, &standing.npi);
    own.put(ctx, &key, &standing)?;
    done(ctx, EventKind::Claim, Some(&own.collection))
}

/// Whether the rules of a coverage's plan are loaded.
pub(super) fn is_loaded(ctx: &ReadContext<'_>, own: &Own, coverage: &Coverage) -> Result<bool, HealthError> {
    let key = rules_key(own, &coverage.plan, coverage.plan_version);
    own.collection.exists(ctx, &key)
}

/// The rules that a coverage is under; `NOT_FOUND` if they are not loaded.
pub(super) fn plan(ctx: &ReadContext<'_>, own: &Own, coverage: &Coverage) -> Result<Plan, HealthError> {
    let body: Option<PlanBody> = own.get(ctx, &rules_key(own, &coverage.plan, coverage.plan_version))?;
    Ok(body.ok_or(HealthError::NotFound)?.plan)
}

/// How the number that bills a claim and those who performed stand, as far as the payer said so, and whether it knows the former as one under which others
/// bill, and not that organisation.
pub(super) fn standings<'a>(
    ctx: &ReadContext<'_>,
    own: &Own,
    (billing, provider): (&'a str, &str),
    performers: impl Iterator<Item = &'a str>,
) -> Result<(BTreeMap<String, Standing>, bool), HealthError> {
    let (mut found, mut bills_for_others) = (BTreeMap::new(), false);
    for npi in performers.chain([billing]).collect::<BTreeSet<_>>() {
        let Some(body) = stands(ctx, own, npi)? else {
            continue;
        };
        let names = &body.bills_for;
        bills_for_others |= npi == billing && !names.is_empty() && !names.contains(provider);
        found.insert(npi.to_owned(), body.standing);
    }
    Ok((found, bills_for_others))
}

/// How a provider stands, if the payer said so.
pub(super) fn standing(ctx: &ReadContext<'_>, own: &Own, npi: &str) -> Result<Option<Standing>, HealthError> {
    Ok(stands(ctx, own, npi)?.map(|body| body.standing))
}

fn stands(ctx: &ReadContext<'_>, own: &Own, npi: &str) -> Result<Option<StandingBody>, HealthError> {
    own.get(ctx, &standing_key(own, npi))
}

fn member_key_key(own: &Own, coverage: &CoverageId) -> String {
    own.key("memkey", &[coverage.as_bytes()])
}

fn standing_key(own: &Own, npi: &str) -> String {
    format!("prov~{}", own.hash("npi", &[npi.as_bytes()]))
}

/// A plan's id is public: the key of its rules, which every adjudication under it reads, is not to be guessed from it.
fn rules_key(own: &Own, plan: &PlanId, version: u32) -> String {
    own.key("rules", &[plan.as_bytes(), &version.to_be_bytes()])
}
