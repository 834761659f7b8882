//! On whose peers each function runs.

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
