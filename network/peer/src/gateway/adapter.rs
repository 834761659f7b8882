//! The gateway's view of our own [`Peer`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use fabric_msp::policy::SignedData;
use fabric_protos::common::{Block, MspPrincipal};
use fabric_protos::peer::{ChaincodeCall, ProposalResponse, SignedProposal};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tonic::Status;

use super::host::{GatewayChannel, GatewayHost, Node};
use crate::directory::{PeerInfo, RemoteEndpoint};
use crate::discovery::{ChaincodePolicies, ChannelFacts, Facts, satisfies};
use crate::{Channel, Peer, ProposalError};

/// How long the peers of a channel are remembered. Their heights may be that old: a peer that lags is found out by its
/// different result.
const REMEMBERED: Duration = Duration::from_millis(250);

const SHUTTING_DOWN: &str = "the peer is shutting down: ask another one";

/// A peer as a gateway's host. It does not keep the peer alive.
pub(super) struct PeerHost {
    peer: Weak<Peer>,
    node: Node,
    known: Mutex<BTreeMap<String, Arc<PeerChannel>>>,
}

impl PeerHost {
    pub(super) fn new(peer: &Arc<Peer>) -> Self {
        let node = Node {
            msp_id: peer.msp_id().to_owned(),
            endpoint: peer.endpoint().clone(),
            ledger_height: 0,
        };
        Self {
            peer: Arc::downgrade(peer),
            node,
            known: Mutex::default(),
        }
    }
}

impl GatewayHost for PeerHost {
    fn node(&self) -> &Node {
        &self.node
    }

    fn process_proposal(&self, proposal: SignedProposal) -> BoxFuture<'_, Result<ProposalResponse, Status>> {
        async move {
            let peer = self
                .peer
                .upgrade()
                .ok_or_else(|| Status::unavailable(SHUTTING_DOWN))?;
            // What the filters before Fabric's endorser refuse looks to its gateway like a peer that does not answer.
            peer.process_proposal(proposal)
                .await
                .map_err(|error| match error {
                    ProposalError::Expired | ProposalError::Window { .. } => {
                        Status::unavailable(error.to_string())
                    }
                    error => Status::unknown(error.to_string()),
                })
        }
        .boxed()
    }

    fn channel(&self, name: &str) -> Option<Arc<dyn GatewayChannel>> {
        let channel = self.peer.upgrade()?.channel(name)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(PeerChannel {
                peer: self.peer.clone(),
                channel: Arc::downgrade(&channel),
                heights: channel.heights(),
                remembered: Mutex::default(),
            })
        });
        Some(Arc::clone(known) as Arc<dyn GatewayChannel>)
    }
}

/// A channel of the peer.
struct PeerChannel {
    peer: Weak<Peer>,
    channel: Weak<Channel>,
    heights: watch::Receiver<u64>,
    remembered: Mutex<Option<(Instant, Arc<Vec<PeerInfo>>)>>,
}

impl PeerChannel {
    fn channel(&self) -> Result<Arc<Channel>, String> {
        self.channel.upgrade().ok_or_else(|| SHUTTING_DOWN.to_owned())
    }

    fn remembered(&self) -> MutexGuard<'_, Option<(Instant, Arc<Vec<PeerInfo>>)>> {
        // Every change is one whole replacement, so a panic elsewhere leaves it usable.
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts for PeerChannel {
    fn policies(&self, call: &ChaincodeCall) -> Result<Option<ChaincodePolicies>, String> {
        ChannelFacts::new(self.channel()?).policies(call)
    }

    fn satisfies(&self, peer: &PeerInfo, principal: &MspPrincipal) -> bool {
        let satisfied = self.channel.upgrade().map(|channel| {
            let bundle = channel.bundle();
            satisfies(&bundle, peer, principal)
        });
        satisfied.unwrap_or(false)
    }
}

impl GatewayChannel for PeerChannel {
    fn peers(&self, fresh: bool) -> Arc<Vec<PeerInfo>> {
        let remembered = self.remembered().clone();
        if let Some((as_of, peers)) = remembered
            && !fresh
            && as_of.elapsed() < REMEMBERED
        {
            return peers;
        }
        let (Some(peer), Some(channel)) = (self.peer.upgrade(), self.channel.upgrade()) else {
            return Arc::default();
        };
        let peers = Arc::new(peer.directory().peers(channel.id()));
        *self.remembered() = Some((Instant::now(), Arc::clone(&peers)));
        peers
    }

    fn orderers(&self) -> Vec<Node> {
        let (Some(peer), Some(channel)) = (self.peer.upgrade(), self.channel.upgrade()) else {
            return Vec::new();
        };
        let bundle = channel.bundle();
        let organizations = &bundle.orderer_config().organizations;
        let msp_id = |endpoint: &RemoteEndpoint| {
            let address = endpoint.external_address();
            let named = organizations
                .iter()
                .find(|organization| organization.endpoints.contains(&address));
            named
                .or_else(|| organizations.first())
                .map_or_else(String::new, |found| found.msp_id.clone())
        };
        let orderers = peer.config().orderers.iter();
        orderers
            .map(|endpoint| Node {
                msp_id: msp_id(endpoint),
                endpoint: endpoint.clone(),
                ledger_height: 0,
            })
            .collect()
    }

    fn check_acl(&self, resource: &'static str, signed: SignedData) -> BoxFuture<'_, Result<(), String>> {
        let checked = self.channel().and_then(|channel| {
            let bundle = channel.bundle();
            let path = bundle
                .acl(resource)
                .ok_or_else(|| format!("Unmapped policy for {resource}"))?;
            let refused = |why: String| {
                format!("failed evaluating policy on signed data during check policy [{path}]: [{why}]")
            };
            let policy = bundle
                .policy(path)
                .ok_or_else(|| refused("there is no such policy".to_owned()))?;
            policy
                .evaluate_signed(&[signed])
                .map_err(|error| refused(error.to_string()))
        });
        std::future::ready(checked).boxed()
    }

    fn committed(&self, transaction_id: &str) -> BoxFuture<'_, Result<(u64, i32), String>> {
        let transaction_id = transaction_id.to_owned();
        async move {
            let channel = self.channel()?;
            let status = channel
                .commit_status(&transaction_id)
                .await
                .map_err(|error| error.to_string())?;
            let status = status.ok_or_else(|| SHUTTING_DOWN.to_owned())?;
            Ok((status.block, status.code.into()))
        }
        .boxed()
    }

    fn height(&self) -> watch::Receiver<u64> {
        self.heights.clone()
    }

    fn block(&self, number: u64) -> BoxFuture<'_, Result<Option<Arc<Block>>, String>> {
        async move {
            let channel = self.channel()?;
            if let Some(block) = channel.ledger().recent_block(number) {
                return Ok(Some(block));
            }
            let read = tokio::task::spawn_blocking(move || channel.ledger().block(number));
            read.await
                .map_err(|_| SHUTTING_DOWN.to_owned())?
                .map_err(|error| error.to_string())
        }
        .boxed()
    }

    fn block_of(&self, transaction_id: &str) -> BoxFuture<'_, Option<u64>> {
        let transaction_id = transaction_id.to_owned();
        async move {
            let channel = self.channel().ok()?;
            let read =
                tokio::task::spawn_blocking(move || channel.ledger().transaction_status(&transaction_id));
            read.await.ok()?.ok()?.map(|(block, _, _)| block)
        }
        .boxed()
    }
}
