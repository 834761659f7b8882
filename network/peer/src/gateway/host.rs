//! What the gateway takes from the peer that it runs in.

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric_msp::policy::SignedData;
use fabric_protos::common::{Block, SignaturePolicyEnvelope};
use fabric_protos::peer::{ChaincodeCall, ProposalResponse, SignedProposal};
use futures::future::BoxFuture;
use tokio::sync::watch;
use tonic::Status;

use crate::directory::RemoteEndpoint;

/// A peer or an orderer, as the gateway sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The MSP id of its organisation.
    pub msp_id: String,
    /// Its listener.
    pub endpoint: RemoteEndpoint,
    /// How many blocks a peer has, as far as is known.
    pub ledger_height: u64,
}

impl Node {
    pub(super) fn address(&self) -> &str {
        &self.endpoint.address
    }
}

/// The peer that the gateway runs in.
pub trait GatewayHost: Send + Sync + 'static {
    /// The peer itself.
    fn node(&self) -> &Node;

    /// Runs the peer's own endorser, with the checks that a remote caller would meet. An error is a refusal of the
    /// proposal, unless its code is `Unavailable`; failures of the chaincode stand in the response.
    fn process_proposal(&self, proposal: SignedProposal) -> BoxFuture<'_, Result<ProposalResponse, Status>>;

    /// A channel that the peer has joined.
    fn channel(&self, name: &str) -> Option<Arc<dyn GatewayChannel>>;
}

/// A channel of the peer.
pub trait GatewayChannel: Send + Sync {
    /// The policies of the called chaincode's definition and of the collections that the call names, or `None` if there
    /// is no definition. Collections that are not there are left out.
    ///
    /// # Errors
    /// A text if the definition or a policy that it names cannot be used.
    fn policies(&self, call: &ChaincodeCall) -> Result<Option<ChaincodePolicies>, String>;

    /// The peers of the channel that run `chaincode`, as far as is known, this one among them if it does.
    fn endorsers(&self, chaincode: &str) -> Vec<Node>;

    /// The orderers of the channel.
    fn orderers(&self) -> Vec<Node>;

    /// Whether the signer may use `resource` (a name of Fabric's ACL table).
    ///
    /// # Errors
    /// Why not.
    fn check_acl(&self, resource: &'static str, signed: SignedData) -> BoxFuture<'_, Result<(), String>>;

    /// Waits until the peer has committed a transaction, and gives its block and validation code.
    ///
    /// # Errors
    /// A text if the ledger cannot be read or the peer stops.
    fn committed(&self, transaction_id: &str) -> BoxFuture<'_, Result<(u64, i32), String>>;

    /// The number of blocks, as it grows.
    fn height(&self) -> watch::Receiver<u64>;

    /// A block, or `None` beyond the height.
    ///
    /// # Errors
    /// A text if the ledger cannot be read.
    fn block(&self, number: u64) -> BoxFuture<'_, Result<Option<Arc<Block>>, String>>;

    /// The number of the block that holds a transaction.
    fn block_of(&self, transaction_id: &str) -> BoxFuture<'_, Option<u64>>;
}

/// Who must endorse what a chaincode writes.
#[derive(Clone, Debug)]
pub struct ChaincodePolicies {
    /// For public keys, and for collections without their own policy.
    pub endorsement: SignaturePolicyEnvelope,
    /// By collection.
    pub collections: BTreeMap<String, CollectionPolicies>,
}

/// Who may hold a collection, and who must endorse what is written to it.
#[derive(Clone, Debug)]
pub struct CollectionPolicies {
    /// Any of its principals may hold it.
    pub members: SignaturePolicyEnvelope,
    /// In place of the chaincode's policy.
    pub endorsement: Option<SignaturePolicyEnvelope>,
}
