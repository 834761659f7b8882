//! Who may use which resource of a peer (core/aclmgmt/defaultaclprovider.go).

use std::collections::BTreeMap;

const READERS: &str = "/Channel/Application/Readers";
const WRITERS: &str = "/Channel/Application/Writers";
/// The resource of a peer's whole blocks, with and without private data.
pub(crate) const BLOCKS: &str = "event/Block";
/// Name of the policy that nothing satisfies.
pub(crate) const NOBODY: &str = "Nobody";

/// Resources of a channel and the policy that guards each by default.
const CHANNEL_DEFAULTS: &[(&str, &str)] = &[
    ("_lifecycle/CheckCommitReadiness", WRITERS),
    ("_lifecycle/CommitChaincodeDefinition", WRITERS),
    ("_lifecycle/QueryChaincodeDefinition", WRITERS),
    ("_lifecycle/QueryChaincodeDefinitions", WRITERS),
    ("cscc/GetChannelConfig", READERS),
    ("cscc/GetConfigBlock", READERS),
    (BLOCKS, READERS),
    ("event/FilteredBlock", READERS),
    ("gateway/ChaincodeEvents", READERS),
    ("gateway/CommitStatus", READERS),
    ("lscc/ChaincodeExists", READERS),
    ("lscc/GetChaincodeData", READERS),
    ("lscc/GetCollectionsConfig", READERS),
    ("lscc/GetDeploymentSpec", READERS),
    ("lscc/GetInstantiatedChaincodes", READERS),
    ("peer/ChaincodeToChaincode", WRITERS),
    ("peer/Propose", WRITERS),
    ("qscc/GetBlockByHash", READERS),
    ("qscc/GetBlockByNumber", READERS),
    ("qscc/GetBlockByTxID", READERS),
    ("qscc/GetChainInfo", READERS),
    ("qscc/GetTransactionByID", READERS),
];

/// Resources of the peer itself, guarded by its own MSP whatever a channel says.
const LOCAL: &[(&str, LocalRole)] = &[
    ("_lifecycle/ApproveChaincodeDefinitionForMyOrg", LocalRole::Admin),
    ("_lifecycle/GetInstalledChaincodePackage", LocalRole::Admin),
    ("_lifecycle/InstallChaincode", LocalRole::Admin),
    ("_lifecycle/QueryApprovedChaincodeDefinition", LocalRole::Admin),
    ("_lifecycle/QueryApprovedChaincodeDefinitions", LocalRole::Admin),
    ("_lifecycle/QueryInstalledChaincode", LocalRole::Admin),
    ("_lifecycle/QueryInstalledChaincodes", LocalRole::Admin),
    ("cscc/GetChannels", LocalRole::Member),
    ("cscc/JoinBySnapshotStatus", LocalRole::Admin),
    ("cscc/JoinChain", LocalRole::Admin),
    ("cscc/JoinChainBySnapshot", LocalRole::Admin),
    ("lscc/GetInstalledChaincodes", LocalRole::Admin),
    ("lscc/Install", LocalRole::Admin),
    ("snapshot/cancelrequest", LocalRole::Admin),
    ("snapshot/listpending", LocalRole::Admin),
    ("snapshot/submitrequest", LocalRole::Admin),
];

/// What the creator must be in the peer's own organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalRole {
    /// Any valid member.
    Member,
    /// An admin.
    Admin,
}

/// The role that a resource of the peer itself asks for; `None` for resources of a channel and unknown ones.
pub fn local_role(resource: &str) -> Option<LocalRole> {
    LOCAL
        .iter()
        .find(|(name, _)| *name == resource)
        .map(|(_, role)| *role)
}

/// The policy that guards a resource of a channel unless the channel says otherwise.
pub(crate) fn default_policy(resource: &str) -> Option<&'static str> {
    CHANNEL_DEFAULTS
        .iter()
        .find(|(name, _)| *name == resource)
        .map(|(_, policy)| *policy)
}

/// All defaults of resources of a channel: what a new channel writes down, so that everybody can read the rules.
pub fn channel_defaults() -> BTreeMap<String, String> {
    CHANNEL_DEFAULTS
        .iter()
        .map(|(resource, policy)| ((*resource).to_owned(), (*policy).to_owned()))
        .collect()
}
