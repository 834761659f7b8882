//! Collections' names, and what a chaincode definition says of one.

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
    pub(super) fn new(name: String, members: &[&str]) -> Self {
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
