//! The Gateway service: what a client asks of one peer so that it need not know the others.
//!
//! ```text
//! Endorse ──▶ first endorser (ours) ─interest─▶ discovery's layouts ─▶ Plan ─▶ other endorsers ─▶ transaction
//! Submit  ──▶ Broadcaster: streams to the orderer that stay open, many transactions in flight
//! CommitStatus ──▶ the peer's own ledger, or the notice of its next blocks
//! Evaluate ─▶ one endorser            ChaincodeEvents ─▶ the peer's own blocks
//! ```
//!
//! Follows `internal/pkg/gateway` in the choice of endorsers, in status codes, texts and details. It differs in this:
//! - A peer that satisfies several principals of a policy is asked once, and counts for one of them. Of the layouts with
//!   the first endorser those that need the fewest peers are tried first.
//! - When peers answer with different results, which happens when one of them has not committed the latest block yet,
//!   the endorsements are collected anew a few times before the client sees the difference.
//! - Transactions share Broadcast streams. An orderer ends a stream after a refusal; what followed on it is sent again.
//! - An orderer that answers with a server's error is named in the details.
//! - Only crash fault tolerant ordering: one orderer's answer is enough.

mod adapter;
mod broadcast;
mod commit_status;
mod connections;
mod deadline;
mod endorse;
mod evaluate;
mod events;
mod host;
mod plan;
mod proposal;
mod status;
mod submit;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fabric_protos::gateway::gateway_server::{Gateway, GatewayServer};
use fabric_protos::gateway::{
    ChaincodeEventsResponse, CommitStatusResponse, EndorseRequest, EndorseResponse, EvaluateRequest,
    EvaluateResponse, SignedChaincodeEventsRequest, SignedCommitStatusRequest, SubmitRequest, SubmitResponse,
};
use fabric_protos::{MAX_MESSAGE_SIZE, peer};
use futures::Stream;
use rand::seq::SliceRandom;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::directory::PeerInfo;
use crate::{Peer, is_system_chaincode};

pub use host::{GatewayChannel, GatewayHost, Node};

use adapter::PeerHost;
use connections::Connections;
use deadline::Deadline;

/// How long the gateway waits for other nodes (`peer.gateway` of Fabric's `core.yaml`).
#[derive(Clone, Copy, Debug)]
pub struct GatewayOptions {
    /// For the endorsement of another peer; 10 seconds if not given.
    pub endorsement_timeout: Duration,
    /// For an orderer's answer; 10 seconds if not given.
    pub broadcast_timeout: Duration,
    /// For a connection to stand; 30 seconds if not given.
    pub dial_timeout: Duration,
}

impl Default for GatewayOptions {
    fn default() -> Self {
        Self {
            endorsement_timeout: Duration::from_secs(10),
            broadcast_timeout: Duration::from_secs(10),
            dial_timeout: Duration::from_secs(30),
        }
    }
}

/// The Gateway service of one peer. Cheap to clone.
#[derive(Clone)]
pub struct GatewayService {
    host: Arc<dyn GatewayHost>,
    connections: Arc<Connections>,
    options: GatewayOptions,
    closed: Arc<watch::Sender<bool>>,
}

impl GatewayService {
    /// The gateway of `peer`. It does not keep the peer alive.
    #[must_use]
    pub fn new(peer: &Arc<Peer>, options: GatewayOptions) -> Self {
        Self::with_host(Arc::new(PeerHost::new(peer)), options)
    }

    /// The gateway of any `host`.
    #[must_use]
    pub fn with_host(host: Arc<dyn GatewayHost>, options: GatewayOptions) -> Self {
        let connections = Arc::new(Connections::new(options.dial_timeout));
        Self {
            host,
            connections,
            options,
            closed: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Ends all event streams and answers all who wait for a commit, now and in future, so that a server can stop.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Waits until the gateway closes.
    fn closing(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut closed = self.closed.subscribe();
        async move {
            // The sender's end means the same.
            let _ = closed.wait_for(|closed| *closed).await;
        }
    }

    /// The gRPC service, with Fabric's limit on messages.
    #[must_use]
    pub fn into_server(self) -> GatewayServer<Self> {
        GatewayServer::new(self)
            .max_decoding_message_size(MAX_MESSAGE_SIZE)
            .max_encoding_message_size(MAX_MESSAGE_SIZE)
    }

    fn is_local(&self, node: &Node) -> bool {
        node.address() == self.host.node().address()
    }

    /// Asks one peer to endorse, and judges its answer.
    async fn process(&self, node: &Node, proposal: peer::SignedProposal) -> status::Answer {
        if self.is_local(node) {
            // The chaincode's own time limit counts here.
            return status::judge(self.host.process_proposal(proposal).await, true);
        }
        let call = async {
            let mut client = self.connections.endorser(&node.endpoint)?;
            client.process_proposal(proposal).await.map(Response::into_inner)
        };
        let answer = match tokio::time::timeout(self.options.endorsement_timeout, call).await {
            Ok(result) => status::judge(result, false),
            Err(_) => status::Answer::timed_out(),
        };
        if answer.is_unreachable() {
            self.connections.forget(&node.endpoint);
        }
        answer
    }

    /// The peers that run `chaincode`, in the order in which they are asked.
    fn endorsers(&self, channel: &dyn GatewayChannel, chaincode: &str) -> Vec<Node> {
        let runs =
            |peer: &&PeerInfo| is_system_chaincode(chaincode) || peer.chaincodes.contains_key(chaincode);
        let mut peers = channel.peers(false);
        if !peers.iter().all(|peer| runs(&peer)) {
            // While a chaincode is not everywhere, it may come to a peer at any moment.
            peers = channel.peers(true);
        }
        self.in_order(peers.iter().filter(runs).map(Node::of).collect())
    }

    /// Most blocks first, and of equals this peer first, the rest at random.
    fn in_order(&self, mut peers: Vec<Node>) -> Vec<Node> {
        peers.shuffle(&mut rand::rng());
        peers.sort_by_key(|peer| (Reverse(peer.ledger_height), !self.is_local(peer)));
        peers
    }

    fn channel(&self, name: &str) -> Result<Arc<dyn GatewayChannel>, String> {
        self.host.channel(name).ok_or_else(|| {
            format!("failed to get config for channel [{name}]: could not get last config for channel {name}")
        })
    }
}

impl std::fmt::Debug for GatewayService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayService")
            .field("node", self.host.node())
            .finish_non_exhaustive()
    }
}

#[tonic::async_trait]
impl Gateway for GatewayService {
    async fn endorse(&self, request: Request<EndorseRequest>) -> Result<Response<EndorseResponse>, Status> {
        let deadline = Deadline::of(request.metadata());
        Self::endorse(self, request.into_inner(), deadline)
            .await
            .map(Response::new)
    }

    async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        let deadline = Deadline::of(request.metadata());
        let expired = "submit timeout expired while broadcasting to ordering service";
        let submitted = Self::submit(self, request.into_inner());
        deadline.bound(submitted, expired).await?.map(Response::new)
    }

    async fn commit_status(
        &self,
        request: Request<SignedCommitStatusRequest>,
    ) -> Result<Response<CommitStatusResponse>, Status> {
        let deadline = Deadline::of(request.metadata());
        let status = Self::commit_status(self, request.into_inner());
        deadline
            .bound(status, "context deadline exceeded")
            .await?
            .map(Response::new)
    }

    async fn evaluate(
        &self,
        request: Request<EvaluateRequest>,
    ) -> Result<Response<EvaluateResponse>, Status> {
        let deadline = Deadline::of(request.metadata());
        let evaluated = Self::evaluate(self, request.into_inner());
        deadline
            .bound(evaluated, "evaluate timeout expired")
            .await?
            .map(Response::new)
    }

    type ChaincodeEventsStream = Pin<Box<dyn Stream<Item = Result<ChaincodeEventsResponse, Status>> + Send>>;

    async fn chaincode_events(
        &self,
        request: Request<SignedChaincodeEventsRequest>,
    ) -> Result<Response<Self::ChaincodeEventsStream>, Status> {
        Self::chaincode_events(self, request.into_inner())
            .await
            .map(Response::new)
    }
}
