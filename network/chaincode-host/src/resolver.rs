//! What the host must know of channels, definitions and access; the peer answers.

use std::sync::Arc;

use fabric_protos::peer;
use futures::future::BoxFuture;

use crate::ledger::{AccessError, TransactionLedger};

/// A peer's knowledge of its channels. Error texts go to the client or the chaincode as they are.
pub trait ChaincodeResolver: Send + Sync {
    /// The committed definition of `chaincode` on `channel` and the package that this peer's organisation
    /// approved for it. Reads that the endorsement depends on (the definition's sequence) go through `ledger`.
    fn definition(
        &self,
        channel: &str,
        chaincode: &str,
        ledger: Option<&dyn TransactionLedger>,
    ) -> Result<ChaincodeDefinition, AccessError>;

    /// True for system chaincode, which the peer runs itself.
    fn is_system(&self, chaincode: &str) -> bool;

    /// Runs a system chaincode.
    fn invoke_system(&self, call: SystemCall) -> BoxFuture<'_, Result<SystemReply, AccessError>>;

    /// Checks that the client behind `proposal` may call chaincode on `channel` from chaincode
    /// (resource `peer/ChaincodeToChaincode`).
    fn check_chaincode_to_chaincode(
        &self,
        channel: &str,
        proposal: &peer::SignedProposal,
    ) -> Result<(), AccessError>;

    /// A simulator on another channel for a call from chaincode; its writes are thrown away. `None` when the
    /// peer has not joined that channel.
    fn other_channel(
        &self,
        channel: &str,
        tx_id: &str,
    ) -> Result<Option<Arc<dyn TransactionLedger>>, AccessError>;

    /// What the client behind `proposal` may do with a collection.
    fn collection_permission(
        &self,
        channel: &str,
        chaincode: &str,
        collection: &str,
        proposal: Option<&peer::SignedProposal>,
        ledger: &dyn TransactionLedger,
    ) -> Result<CollectionPermission, AccessError>;

    /// Capabilities of `channel`, or `None` when the peer has not joined it.
    fn capabilities(&self, channel: &str) -> Option<Capabilities>;
}

/// What the host needs of a committed chaincode definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChaincodeDefinition {
    /// Version of the definition.
    pub version: String,
    /// Whether a call with `is_init` must come first.
    pub init_required: bool,
    /// Package to run, `label:sha256`.
    pub package_id: String,
}

/// A call of a system chaincode, from chaincode or as a proposal.
#[derive(Clone)]
pub struct SystemCall {
    /// Channel, empty for none.
    pub channel_id: String,
    /// Transaction id.
    pub tx_id: String,
    /// Name of the system chaincode.
    pub chaincode: String,
    /// Arguments; the first is the function.
    pub args: Vec<Vec<u8>>,
    /// The client's proposal.
    pub proposal: Option<peer::SignedProposal>,
    /// Simulator of the channel, when there is a channel.
    pub ledger: Option<Arc<dyn TransactionLedger>>,
}

impl std::fmt::Debug for SystemCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SystemCall")
            .field("channel_id", &self.channel_id)
            .field("tx_id", &self.tx_id)
            .field("chaincode", &self.chaincode)
            .finish_non_exhaustive()
    }
}

/// What a system chaincode answered.
#[derive(Debug, Clone, PartialEq)]
pub struct SystemReply {
    /// Status, message and payload.
    pub response: peer::Response,
    /// Event, if it set one.
    pub event: Option<peer::ChaincodeEvent>,
}

/// Access of one client to one collection (`memberOnlyRead`, `memberOnlyWrite`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectionPermission {
    /// May read clear values.
    pub read: bool,
    /// May write.
    pub write: bool,
}

/// Application capabilities of a channel that the stream depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Key metadata, from V1_3.
    pub key_level_endorsement: bool,
    /// Purging private data, from V2_5.
    pub purge_private_data: bool,
}
