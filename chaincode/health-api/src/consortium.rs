//! The consortium: organisations with roles, the collections that follow from them, and who endorses which function.
//!
//! | collection | members | endorsed by |
//! |---|---|---|
//! | `care_<custodian>` | that custodian, every regulator | either |
//! | `pair_<payer>_<provider>` | both | either, then key-level policies per step of a claim |
//! | `payer_<payer>` | that payer | it |
//! | `log` | all | any one |

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
        Ok(())
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

/// Collection of what a custodian's patients decided and who accessed what.
pub fn care_collection(custodian: &str) -> String {
    format!("care_{custodian}")
}

/// Collection of claims between a payer and a provider.
pub fn pair_collection(payer: &str, provider: &str) -> String {
    format!("pair_{payer}_{provider}")
}

/// Collection of a payer's rules, coverage and totals.
pub fn payer_collection(payer: &str) -> String {
    format!("payer_{payer}")
}

/// Collection of what every organisation may see.
pub const LOG_COLLECTION: &str = "log";

/// A private data collection, to be rendered into a chaincode definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionSpec {
    /// Name.
    pub name: String,
    /// MSP ids of the members, the owner first. Any one member's peer endorses (the collection's endorsement policy).
    pub members: Vec<String>,
    /// How many other peers must have the data before endorsement. 0: nobody's outage stops a revocation or an emergency.
    pub required_peer_count: u32,
    /// To how many other peers the data is pushed.
    pub max_peer_count: u32,
    /// Blocks until the data is purged; 0 means never.
    pub block_to_live: u64,
    /// Whether only members' clients may read. False: requesters of other organisations call these functions, which check them themselves.
    pub member_only_read: bool,
    /// Whether only members' clients may write. False for the same reason.
    pub member_only_write: bool,
}

impl CollectionSpec {
    fn new(name: String, members: &[&str]) -> Self {
        let members: Vec<String> = members.iter().map(|m| (*m).to_owned()).collect();
        Self {
            name,
            members,
            required_peer_count: 0,
            max_peer_count: 16,
            block_to_live: 0,
            member_only_read: false,
            member_only_write: false,
        }
    }

    /// Signature policy of membership: `OR('A.member','B.member')`.
    pub fn member_policy(&self) -> String {
        self.any_of("member")
    }

    /// Signature policy of endorsement: `OR('A.peer','B.peer')`.
    pub fn endorsement_policy(&self) -> String {
        self.any_of("peer")
    }

    /// The object that `peer lifecycle chaincode --collections-config` takes, in its field names.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "name": self.name,
            "policy": self.member_policy(),
            "requiredPeerCount": self.required_peer_count,
            "maxPeerCount": self.max_peer_count,
            "blockToLive": self.block_to_live,
            "memberOnlyRead": self.member_only_read,
            "memberOnlyWrite": self.member_only_write,
            "endorsementPolicy": { "signaturePolicy": self.endorsement_policy() },
        })
    }

    fn any_of(&self, role: &str) -> String {
        let principals: Vec<String> = self.members.iter().map(|m| format!("'{m}.{role}'")).collect();
        format!("OR({})", principals.join(","))
    }
}

/// Whose peers a function runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Public state: whatever the channel's policy asks.
    Public,
    /// A question about public state: any peer.
    AnyPeer,
    /// `care_<custodian>`: one member, the custodian first.
    Custodian,
    /// A question about `care_<custodian>`: the custodian's own peer.
    CustodianAlone,
    /// `care_<custodian>`, changing a write-once key: the custodian and a regulator.
    CustodianAndRegulator,
    /// `pair_<payer>_<provider>`: one of both, the provider first.
    Provider,
    /// A question about the pair's collection: the provider's or the payer's peer.
    ProviderAlone,
    /// The payer's peer: it alone holds what the function reads.
    Payer,
    /// Any member of the collection the call names.
    Members,
}

/// Whose peers each function runs on; `function` is the name on the wire. `None` for an unknown one.
pub fn placement(contract: &str, function: &str) -> Option<Placement> {
    Some(match (contract, function) {
        ("registry", "establish" | "amend") => Placement::Public,
        ("registry", "openCollection") => Placement::Members,
        ("registry", "consortium") => Placement::AnyPeer,
        ("identity", "enrol" | "addKey" | "revokeKey") => Placement::Custodian,
        ("identity", "pruneNonces") => Placement::CustodianAndRegulator,
        ("identity", "keys") => Placement::CustodianAlone,
        ("consent", "grant" | "revoke" | "access" | "breakGlass" | "review") => Placement::Custodian,
        (
            "consent",
            "decide" | "outcome" | "release" | "notifications" | "myNotifications" | "myConsents"
            | "openReviews",
        ) => Placement::CustodianAlone,
        ("record", "anchor" | "anchorMany" | "addVersion" | "mark") => Placement::Public,
        ("record", "describe" | "chooseEmergency") => Placement::Custodian,
        ("record", "verify" | "head" | "version") => Placement::AnyPeer,
        ("record", "locate") => Placement::CustodianAlone,
        ("claims", "publishPlan") => Placement::Public,
        ("claims", "loadPlan" | "enrolMember" | "adjudicate" | "pay" | "eligibility") => Placement::Payer,
        ("claims", "submitClaim") => Placement::Provider,
        ("claims", "confirm") => Placement::ProviderAlone,
        ("claims", "claim") => Placement::Provider,
        _ => return None,
    })
}

/// The organisations a call is about, by MSP id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parties<'a> {
    /// Keeper of the records.
    pub custodian: Option<&'a str>,
    /// Payer of a claim.
    pub payer: Option<&'a str>,
    /// Provider of a claim.
    pub provider: Option<&'a str>,
    /// Collection by name (`openCollection`).
    pub collection: Option<&'a str>,
}

/// Who must run a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endorsers {
    /// As the channel's policy says: leave the choice to the gateway.
    ChannelPolicy,
    /// Any peer: leave the choice to the gateway.
    AnyPeer,
    /// One of these MSP ids, best first.
    Any(Vec<String>),
    /// All of these MSP ids.
    All(Vec<String>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use OrganisationRole::{Custodian, Payer, Regulator};

    fn organisation(msp_id: &str, roles: &[OrganisationRole]) -> Organisation {
        Organisation {
            msp_id: msp_id.into(),
            roles: roles.iter().copied().collect(),
        }
    }

    fn health() -> Consortium {
        Consortium {
            id: "careledger".into(),
            channel: "health".into(),
            chaincode: "careledger".into(),
            organisations: vec![
                organisation("HospitalMSP", &[Custodian]),
                organisation("ClinicMSP", &[Custodian]),
                organisation("InsurerMSP", &[Payer]),
                organisation("RegulatorMSP", &[Regulator]),
            ],
        }
    }

    #[test]
    fn renders_the_declared_collections() {
        let names: Vec<String> = health().collections().into_iter().map(|c| c.name).collect();
        assert_eq!(
            names,
            [
                "care_ClinicMSP",
                "care_HospitalMSP",
                "log",
                "pair_InsurerMSP_ClinicMSP",
                "pair_InsurerMSP_HospitalMSP",
                "payer_InsurerMSP"
            ]
        );
        let care = health().collection("care_HospitalMSP").unwrap().to_json();
        assert_eq!(care["policy"], "OR('HospitalMSP.member','RegulatorMSP.member')");
        assert_eq!(
            care["endorsementPolicy"]["signaturePolicy"],
            "OR('HospitalMSP.peer','RegulatorMSP.peer')"
        );
        assert_eq!(
            (
                care["memberOnlyRead"].as_bool(),
                care["requiredPeerCount"].as_u64()
            ),
            (Some(false), Some(0))
        );
    }

    #[test]
    fn refuses_what_cannot_guard_a_write_once_key() {
        assert_eq!(health().validate(), Ok(()));
        let mut alone = health();
        alone.organisations.retain(|o| o.msp_id != "RegulatorMSP");
        assert!(alone.validate().is_err());
        alone.organisations[0].roles.insert(Regulator);
        assert!(alone.validate().is_err(), "the hospital would guard its own keys");
        let mut twice = health();
        twice.organisations.push(organisation("ClinicMSP", &[Payer]));
        assert!(twice.validate().is_err());
        let mut underscore = health();
        underscore.organisations[0].msp_id = "Hospital_MSP".into();
        assert!(underscore.validate().is_err());
    }

    #[test]
    fn says_who_endorses() {
        let consortium = health();
        let care = Parties {
            custodian: Some("HospitalMSP"),
            ..Parties::default()
        };
        let pair = Parties {
            payer: Some("InsurerMSP"),
            provider: Some("HospitalMSP"),
            ..Parties::default()
        };
        let any = |list: &[&str]| Endorsers::Any(list.iter().map(|s| (*s).to_owned()).collect());
        assert_eq!(
            consortium.endorsers("consent", "access", &care).unwrap(),
            any(&["HospitalMSP", "RegulatorMSP"])
        );
        assert_eq!(
            consortium.endorsers("consent", "release", &care).unwrap(),
            any(&["HospitalMSP"])
        );
        assert_eq!(
            consortium.endorsers("claims", "submitClaim", &pair).unwrap(),
            any(&["HospitalMSP", "InsurerMSP"])
        );
        assert_eq!(
            consortium.endorsers("claims", "adjudicate", &pair).unwrap(),
            any(&["InsurerMSP"])
        );
        assert_eq!(
            consortium.endorsers("record", "anchor", &care).unwrap(),
            Endorsers::ChannelPolicy
        );
        assert!(consortium.endorsers("consent", "access", &pair).is_err());
        assert!(consortium.endorsers("consent", "nothing", &care).is_err());
        let insurer = Parties {
            custodian: Some("InsurerMSP"),
            ..Parties::default()
        };
        assert!(consortium.endorsers("consent", "access", &insurer).is_err());
    }
}
