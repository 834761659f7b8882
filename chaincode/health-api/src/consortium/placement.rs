//! On whose peers each function runs.

/// Whose peers a function runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Public state: whatever the channel's policy asks.
    Public,
    /// A question about public state, or about what lies with every organisation: any peer.
    AnyPeer,
    /// `care_<custodian>`: one member, the custodian first.
    Custodian,
    /// A question about `care_<custodian>`: the custodian's own peer.
    CustodianAlone,
    /// `care_<custodian>`, changing a write-once key: the custodian and a regulator.
    CustodianAndRegulator,
    /// `pair_<payer>_<provider>`: one of both, the provider first.
    Provider,
    /// The pair's collection, by the provider alone: its own word, or what rests on what only it holds.
    ProviderAlone,
    /// The payer's peer: it alone holds what the function reads.
    Payer,
    /// The regulator that the call names.
    Regulator,
    /// Any member of the collection the call names.
    Members,
}

/// Whose peers each function runs on; `function` is the name on the wire. `None` for an unknown one.
pub fn placement(contract: &str, function: &str) -> Option<Placement> {
    Some(match (contract, function) {
        ("registry", "establish" | "amend" | "declareOrigin" | "takeOver" | "settle") => Placement::Public,
        ("registry", "openCollection" | "takeOverBodies") => Placement::Members,
        ("registry", "consortium" | "origin") => Placement::AnyPeer,
        ("identity", "enrol" | "revokeKey" | "freeze" | "vetoRecovery" | "remindGuardians") => {
            Placement::Custodian
        }
        (
            "identity",
            "addKey"
            | "rotateKey"
            | "unfreeze"
            | "unfreezeByGuardians"
            | "chooseGuardians"
            | "renewGuardians"
            | "cancelChoice"
            | "beginDelay"
            | "initRecovery"
            | "approveRecovery"
            | "attestRecovery"
            | "executeRecovery"
            | "pruneNonces",
        ) => Placement::CustodianAndRegulator,
        ("identity", "myAccount") => Placement::Custodian,
        ("identity", "keys" | "account" | "lapsing" | "notice") => Placement::CustodianAlone,
        (
            "consent",
            "grant"
            | "revoke"
            | "access"
            | "accessOwn"
            | "breakGlass"
            | "breakGlassFull"
            | "backfill"
            | "review"
            | "escalate"
            | "recordDisclosure"
            | "ackNotification"
            | "chooseNotifications"
            | "dispute"
            | "answerDispute"
            | "registerCode"
            | "revokeCode"
            | "find"
            | "logFind"
            | "logAlert",
        ) => Placement::Custodian,
        (
            "consent",
            "decide" | "outcome" | "release" | "offlineOpening" | "notice" | "notifications" | "myLog"
            | "accounting" | "myConsents" | "openReviews" | "escalated" | "breakGlassCounts" | "findRecord"
            | "codeHolder",
        ) => Placement::CustodianAlone,
        (
            "consent",
            "requestAccess" | "withdrawRequest" | "respond" | "amend" | "delegate" | "undelegate" | "assent"
            | "proposeAct",
        ) => Placement::Custodian,
        ("consent", "confirmAct") => Placement::CustodianAndRegulator,
        ("consent", "myRequests" | "myAuthorities" | "myReceipt" | "openActs") => Placement::CustodianAlone,
        (
            "record",
            "anchor" | "anchorMany" | "anchorBatch" | "unfold" | "addVersion" | "redact" | "supersede"
            | "markError" | "attest" | "setRetention" | "placeHold" | "releaseHold" | "openErasure"
            | "approveErasure" | "refuseErasure" | "executeErasure" | "offerCustody" | "acceptCustody"
            | "anchorReport",
        ) => Placement::Public,
        (
            "record",
            "describe"
            | "chooseEmergency"
            | "publishSummary"
            | "detail"
            | "explain"
            | "requestErasure"
            | "confirmErasure"
            | "registerReplica"
            | "probeReplica"
            | "link"
            | "unlink"
            | "reportDuplicateOrder"
            | "requestCorrection"
            | "respondCorrection",
        ) => Placement::Custodian,
        ("record", "purgeErased") => Placement::CustodianAndRegulator,
        (
            "record",
            "verify" | "verifyChunk" | "head" | "version" | "batch" | "standing" | "attested" | "reports",
        ) => Placement::AnyPeer,
        (
            "record",
            "locate" | "index" | "priorResults" | "avoidedOrders" | "attestations" | "links" | "corrections"
            | "myLinks" | "myCorrections" | "myErasureReceipt",
        ) => Placement::CustodianAlone,
        ("record", "explanation" | "erasureRequests" | "erasureReceipt" | "replicas" | "inventory") => {
            Placement::Custodian
        }
        ("credential", "issue" | "renew" | "suspend" | "reinstate" | "revoke") => Placement::Public,
        ("credential", "file" | "check") => Placement::Custodian,
        ("credential", "status") => Placement::AnyPeer,
        ("claims", "publishPlan" | "announceFingerprints") => Placement::Public,
        ("claims", "openFingerprints" | "closeFingerprints") => Placement::Regulator,
        ("claims", "fingerprintKey") => Placement::AnyPeer,
        (
            "claims",
            "loadPlan"
            | "enrolMember"
            | "amendCoverage"
            | "endCoverage"
            | "setStanding"
            | "setMemberKey"
            | "myClaims"
            | "myExplanation"
            | "decideAuthorisation"
            | "acknowledge"
            | "flag"
            | "clearFlag"
            | "feedback"
            | "serviceReport"
            | "waiting"
            | "adjudicate"
            | "proposeRuling"
            | "confirmRuling"
            | "decideAppeal"
            | "remit"
            | "pay"
            | "payRemittance"
            | "recover"
            | "reverse"
            | "declineReversal"
            | "outdatedClaims"
            | "foldAccumulators"
            | "eligibility"
            | "answerEligibility"
            | "dropAnswers"
            | "book",
        ) => Placement::Payer,
        (
            "claims",
            "submitAttachment"
            | "externalAppeals"
            | "takeUpAppeal"
            | "claim"
            | "explanation"
            | "remittance"
            | "remitted"
            | "remittanceMoney"
            | "authorisation"
            | "listClaims"
            | "remittances"
            | "eligibilityAnswer"
            | "eligibilityQuestions"
            | "eligibilityOver",
        ) => Placement::Provider,
        (
            "claims",
            "submitClaim"
            | "replaceClaim"
            | "requestAuthorisation"
            | "answerAuthorisation"
            | "askEligibility"
            | "dropQuestions"
            | "recordConsent"
            | "provideInformation"
            | "appeal"
            | "withdrawAppeal"
            | "requestReversal"
            | "confirm"
            | "confirmRemittance",
        ) => Placement::ProviderAlone,
        ("claims", "restrictPayer") => Placement::Custodian,
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
    /// Regulator that opens and closes quarters for fingerprints.
    pub regulator: Option<&'a str>,
    /// Collection by name (`openCollection`, `takeOverBodies`).
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
