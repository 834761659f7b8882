//! What the gateway takes from the peer that it runs in.

use std::sync::Arc;

use fabric_msp::policy::SignedData;
use fabric_protos::common::Block;
use fabric_protos::peer::{ProposalResponse, SignedProposal};
use futures::future::BoxFuture;
use tokio::sync::watch;
use tonic::Status;

use crate::directory::{PeerInfo, RemoteEndpoint};
use crate::discovery::Facts;

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

    pub(super) fn of(peer: &PeerInfo) -> Self {
        Self {
            msp_id: peer.msp_id.clone(),
            endpoint: peer.endpoint.clone(),
            ledger_height: peer.ledger_height,
        }
    }
}

/// The peer that the gateway runs in.
pub trait GatewayHost: Send + Sync + 'static {
    /// The peer itself.
    fn node(&self) -> &Node;

    /// Runs the peer's own endorser, with the checks that a remote caller would meet. An error is a refusal of the
    /// proposal; with the code `Unavailable` it is the peer that cannot take it, and another one may. Failures of the
    /// chaincode stand in the response.
    fn process_proposal(&self, proposal: SignedProposal) -> BoxFuture<'_, Result<ProposalResponse, Status>>;

    /// A channel that the peer has joined.
    fn channel(&self, name: &str) -> Option<Arc<dyn GatewayChannel>>;
}

/// A channel of the peer, with what its state says about endorsement.
pub trait GatewayChannel: Facts {
    /// The peers of the channel, this one among them; as they were a moment ago, or `fresh`.
    fn peers(&self, fresh: bool) -> Arc<Vec<PeerInfo>>;

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
