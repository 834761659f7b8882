//! The consortium: organisations with roles, the collections that follow from them, and who endorses which function.
//!
//! | collection | members | endorsed by |
//! |---|---|---|
//! | `care_<custodian>` | that custodian, every regulator | either |
//! | `pair_<payer>_<provider>` | both | either, then key-level policies per step of a claim |
//! | `payer_<payer>` | that payer | it |
//! | `log` | all | any one |

mod collection;
mod placement;
mod policy;
#[cfg(test)]
mod tests;

pub use collection::{CollectionSpec, LOG_COLLECTION, care_collection, pair_collection, payer_collection};
pub use placement::{Endorsers, Parties, Placement, placement};
pub use policy::Policy;

use crate::HealthError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

crate::codes::code_enum! {
    /// What an organisation is in the consortium.
    OrganisationRole {
        /// Keeps records and provides care; bills payers.
        Custodian = "custodian",
        /// Pays claims.
        Payer = "payer",
        /// Oversees; holds a copy of what custodians hold about consents and accesses.
        Regulator = "regulator",
    }
}

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organisation {
    /// Its MSP id: letters, digits, `-` and `.`, at most 64. No underscore, which separates the parts of a collection's name.
    pub msp_id: String,
    /// What it is; may be several.
    pub roles: BTreeSet<OrganisationRole>,
}

/// The consortium. Public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consortium {
    /// Its name for ever; signed intents cover it.
    pub id: String,
    /// The channel.
    pub channel: String,
    /// The name under which the health chaincode is committed.
    pub chaincode: String,
    /// The organisations.
    pub organisations: Vec<Organisation>,
    /// Rules for all patients.
    #[serde(default)]
    pub policy: Policy,
}

/// Upper bound for organisations of one consortium.
pub const MAX_ORGANISATIONS: usize = 256;

impl Consortium {
    /// Checks names, that no organisation is listed twice, and that there is a regulator wherever there is a custodian (write-once keys need
    /// two organisations that hold the body). `INVALID_CODE` says what is wrong.
    pub fn validate(&self) -> Result<(), HealthError> {
        let invalid = |reason: &str| Err(HealthError::InvalidCode(reason.to_owned()));
        let name = |text: &str| {
            (1..=64).contains(&text.len())
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
        };
        if ![&self.id, &self.channel].into_iter().all(|n| name(n)) || !self.chaincode.split('_').all(name) {
            return invalid("consortium, channel and chaincode names have 1 to 64 letters, digits, - or .");
        }
        if !(1..=MAX_ORGANISATIONS).contains(&self.organisations.len()) {
            return invalid("a consortium has 1 to 256 organisations");
        }
        let mut seen = BTreeSet::new();
        for organisation in &self.organisations {
            if !name(&organisation.msp_id) {
                return invalid("an MSP id has 1 to 64 letters, digits, - or .");
            }
            if !seen.insert(&organisation.msp_id) {
                return invalid("an organisation is listed twice");
            }
        }
        // The regulator must be another organisation than the custodian, else a write-once key has only one guardian.
        let regulators = self.with_role(OrganisationRole::Regulator);
        if self
            .with_role(OrganisationRole::Custodian)
            .iter()
            .any(|c| regulators.iter().all(|r| r == c))
        {
            return invalid("every custodian needs a regulator beside it");
        }
        self.policy.validate()
    }

    /// MSP ids of all organisations with a role, in the consortium's order.
    pub fn with_role(&self, role: OrganisationRole) -> Vec<&str> {
        self.organisations
            .iter()
            .filter(|o| o.roles.contains(&role))
            .map(|o| o.msp_id.as_str())
            .collect()
    }

    /// Whether an organisation has a role.
    pub fn has_role(&self, msp_id: &str, role: OrganisationRole) -> bool {
        self.organisations
            .iter()
            .any(|o| o.msp_id == msp_id && o.roles.contains(&role))
    }

    /// Whether an organisation is a member.
    pub fn contains(&self, msp_id: &str) -> bool {
        self.organisations.iter().any(|o| o.msp_id == msp_id)
    }

    /// Every collection of the health chaincode, sorted by name.
    pub fn collections(&self) -> Vec<CollectionSpec> {
        let custodians = self.with_role(OrganisationRole::Custodian);
        let payers = self.with_role(OrganisationRole::Payer);
        let mut all: Vec<CollectionSpec> = custodians
            .iter()
            .filter_map(|custodian| self.care(custodian))
            .collect();
        for payer in &payers {
            all.extend(self.payer(payer));
            all.extend(
                custodians
                    .iter()
                    .filter_map(|provider| self.pair(payer, provider)),
            );
        }
        all.push(self.log());
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The organisations to send a function to, best first: those whose peers can run it and whose signature counts. `any` of them (or
    /// `all`, see [`Endorsers`]) must endorse a submit; for an evaluate the first that answers serves. `INVALID_CODE` for an unknown
    /// function, or parties without the roles it needs.
    pub fn endorsers(
        &self,
        contract: &str,
        function: &str,
        parties: &Parties<'_>,
    ) -> Result<Endorsers, HealthError> {
        let placement = placement(contract, function)
            .ok_or_else(|| HealthError::InvalidCode("no such function of the health chaincode".into()))?;
        let missing =
            |role| HealthError::InvalidCode(format!("the call needs an organisation with the role {role}"));
        let care = || {
            parties
                .custodian
                .and_then(|c| self.care(c))
                .ok_or_else(|| missing(OrganisationRole::Custodian))
        };
        let party = |party: Option<&str>, role: OrganisationRole| {
            party
                .filter(|p| self.has_role(p, role))
                .map(str::to_owned)
                .ok_or_else(|| missing(role))
        };
        let provider = || party(parties.provider, OrganisationRole::Custodian);
        let payer = || party(parties.payer, OrganisationRole::Payer);
        Ok(match placement {
            Placement::Public => Endorsers::ChannelPolicy,
            Placement::AnyPeer => Endorsers::AnyPeer,
            Placement::Custodian => Endorsers::Any(care()?.members),
            Placement::CustodianAlone => Endorsers::Any(care()?.members.into_iter().take(1).collect()),
            Placement::CustodianAndRegulator => Endorsers::All(care()?.members.into_iter().take(2).collect()),
            Placement::Provider => Endorsers::Any(vec![provider()?, payer()?]),
            Placement::ProviderAlone => Endorsers::Any(vec![provider()?]),
            Placement::Payer => Endorsers::Any(vec![payer()?]),
            Placement::Regulator => {
                Endorsers::Any(vec![party(parties.regulator, OrganisationRole::Regulator)?])
            }
            Placement::Members => match parties.collection.and_then(|name| self.collection(name)) {
                Some(collection) => Endorsers::Any(collection.members),
                None => {
                    return Err(HealthError::InvalidCode(
                        "the consortium has no such collection".into(),
                    ));
                }
            },
        })
    }

    /// The collection of that name.
    pub fn collection(&self, name: &str) -> Option<CollectionSpec> {
        match name.split_once('_') {
            Some(("care", custodian)) => self.care(custodian),
            Some(("payer", payer)) => self.payer(payer),
            Some(("pair", pair)) => pair
                .split_once('_')
                .and_then(|(payer, provider)| self.pair(payer, provider)),
            _ if name == LOG_COLLECTION => Some(self.log()),
            _ => None,
        }
    }

    /// A custodian's collection; `None` if the organisation is no custodian.
    pub fn care(&self, custodian: &str) -> Option<CollectionSpec> {
        self.has_role(custodian, OrganisationRole::Custodian).then(|| {
            let mut members = vec![custodian];
            members.extend(
                self.with_role(OrganisationRole::Regulator)
                    .into_iter()
                    .filter(|r| *r != custodian),
            );
            CollectionSpec::new(care_collection(custodian), &members)
        })
    }

    /// The collection of a payer and a provider; `None` if they are not that, or the same organisation.
    pub fn pair(&self, payer: &str, provider: &str) -> Option<CollectionSpec> {
        let roles = self.has_role(payer, OrganisationRole::Payer)
            && self.has_role(provider, OrganisationRole::Custodian);
        (roles && payer != provider)
            .then(|| CollectionSpec::new(pair_collection(payer, provider), &[payer, provider]))
    }

    /// A payer's own collection; `None` if the organisation is no payer.
    pub fn payer(&self, payer: &str) -> Option<CollectionSpec> {
        self.has_role(payer, OrganisationRole::Payer)
            .then(|| CollectionSpec::new(payer_collection(payer), &[payer]))
    }

    fn log(&self) -> CollectionSpec {
        let everybody: Vec<&str> = self.organisations.iter().map(|o| o.msp_id.as_str()).collect();
        CollectionSpec::new(LOG_COLLECTION.to_owned(), &everybody)
    }
}
