//! Who settles with whom, and through whose peer.

use careledger_api::consortium::OrganisationRole;
use careledger_api::contracts::claims::ClaimView;
use careledger_api::ids::ClaimId;
use careledger_api::roles::Role;
use careledger_sdk::HealthClient;
use fabric_contract_core::Committed;
use serde_json::{Value, json};

use super::args::BetweenArgs;
use super::reaching;
use super::reviewing::is_regulator;
use crate::Result;
use crate::output::Output;
use crate::site::Site;

/// A payer and a provider, and which of them acts.
#[derive(Debug)]
pub(super) struct Parties {
    /// The network.
    pub(super) site: Site,
    /// The payer, by MSP id.
    pub(super) payer: String,
    /// The provider, by MSP id.
    pub(super) provider: String,
    /// Whose act it is.
    own: Side,
    client: HealthClient,
}

/// A side of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Who pays.
    Payer,
    /// Who is paid.
    Provider,
}

impl Side {
    fn role(self) -> Role {
        match self {
            Self::Payer => Role::Payer,
            Self::Provider => Role::ProviderBilling,
        }
    }
}

/// Fails, in words for whoever has another part in claims, unless an organisation pays or bills them.
pub(super) fn require_party(site: &Site, msp_id: &str) -> Result<()> {
    site.require_member(msp_id)?;
    let consortium = site.consortium();
    let payers = consortium.with_role(OrganisationRole::Payer);
    let providers = consortium.with_role(OrganisationRole::Custodian);
    if payers.contains(&msp_id) || providers.contains(&msp_id) {
        return Ok(());
    }
    let reviewer = match is_regulator(consortium, msp_id) {
        true => {
            "; a regulator's reviewer finds the appeals of the last level with `careledger claim waiting`, and has `show`, `explain` and `decide` for them"
        }
        false => "",
    };
    Err(format!(
        "{msp_id} neither pays nor bills claims; payers are {}, providers {}{reviewer}",
        payers.join(", "),
        providers.join(", ")
    )
    .into())
}

impl Parties {
    /// Finds out who is who, and connects to the acting one's own peer.
    pub(super) async fn open(args: &BetweenArgs) -> Result<Self> {
        let site = Site::open(&args.dir)?;
        require_party(&site, &args.own)?;
        require_party(&site, &args.other)?;
        let payers = site.consortium().with_role(OrganisationRole::Payer);
        let is_payer = |msp_id: &String| payers.contains(&msp_id.as_str());
        let own = match (is_payer(&args.own), is_payer(&args.other)) {
            (true, false) => Side::Payer,
            (false, true) => Side::Provider,
            _ => {
                return Err(format!(
                    "one of {} and {} has to be a payer, and only one; payers are {}",
                    args.own,
                    args.other,
                    payers.join(", ")
                )
                .into());
            }
        };
        let (payer, provider) = match own {
            Side::Payer => (args.own.clone(), args.other.clone()),
            Side::Provider => (args.other.clone(), args.own.clone()),
        };
        let client = match &args.user {
            None => site.client(&args.own, own.role()).await?,
            Some(name) => site.client_named(&args.own, name).await?,
        };
        Ok(Self {
            site,
            payer,
            provider,
            own,
            client,
        })
    }

    /// Fails unless the acting one is that side.
    pub(super) fn require(&self, side: Side) -> Result<()> {
        if self.own == side {
            return Ok(());
        }
        let (wanted, msp_id, other) = match side {
            Side::Payer => ("payer", &self.payer, &self.provider),
            Side::Provider => ("provider", &self.provider, &self.payer),
        };
        Err(format!("this is the {wanted}'s act: --as {msp_id} --with {other}").into())
    }

    /// The acting one's client.
    pub(super) fn client(&self) -> &HealthClient {
        &self.client
    }

    /// The acting one, by MSP id: whose peer is asked, since it need not be the other side's question.
    pub(super) fn own(&self) -> &str {
        match self.own {
            Side::Payer => &self.payer,
            Side::Provider => &self.provider,
        }
    }

    /// A claim as the acting one's own peer has it.
    pub(super) async fn claim(&self, claim: ClaimId) -> Result<ClaimView> {
        let claims = self.client.claims();
        let view = claims
            .claim(self.payer.clone(), self.provider.clone(), claim)
            .endorsed_by([self.own()])
            .send()
            .await
            .map_err(reaching::told)?;
        Ok(view)
    }

    /// Both sides have a transaction before the command ends, as far as they answer: the next step may be the other's.
    pub(super) async fn settle<T>(&self, done: &Committed<T>) {
        let both = [self.payer.as_str(), self.provider.as_str()];
        self.site.settle_at(both, &done.tx_id).await;
    }

    /// Ends a command: both sides have its transaction, which is told with what it did.
    pub(super) async fn finish<T>(
        &self,
        done: &Committed<T>,
        did: &str,
        mut document: Value,
        output: &Output,
    ) {
        self.settle(done).await;
        output.line(did);
        output.committed(&done.tx_id, done.block_number);
        document["tx"] = json!(done.tx_id);
        document["block"] = json!(done.block_number);
        output.document(&document);
    }
}
