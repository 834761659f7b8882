//! The gateway's view of our own [`Peer`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use fabric_channel::Bundle;
use fabric_ledger::QueryExecutor;
use fabric_msp::policy::SignedData;
use fabric_protos::common::{Block, SignaturePolicyEnvelope};
use fabric_protos::peer::{
    ApplicationPolicy, ChaincodeCall, ProposalResponse, SignedProposal, application_policy,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use prost::Message;
use tokio::sync::watch;
use tonic::Status;

use super::host::{ChaincodePolicies, CollectionPolicies, GatewayChannel, GatewayHost, Node};
use crate::lifecycle::{PolicySource, members_policy};
use crate::{Channel, Peer, PeerInfo, is_system_chaincode};

/// How long the peers of a channel are remembered while all of them run the chaincode that is asked for. Their
/// heights may be that old: a peer that lags is found out by its different result.
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
            peer.process_proposal(proposal)
                .await
                .map_err(|error| Status::unknown(error.to_string()))
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

    /// The peers of the channel. While a chaincode is not everywhere, it may come to a peer at any moment, so then the
    /// directory is asked each time.
    fn peers(&self, chaincode: &str) -> Arc<Vec<PeerInfo>> {
        let remembered = self.remembered().clone();
        if let Some((as_of, peers)) = remembered
            && as_of.elapsed() < REMEMBERED
            && peers.iter().all(|peer| runs(peer, chaincode))
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

    fn remembered(&self) -> MutexGuard<'_, Option<(Instant, Arc<Vec<PeerInfo>>)>> {
        // Every change is one whole replacement, so a panic elsewhere leaves it usable.
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GatewayChannel for PeerChannel {
    fn policies(&self, call: &ChaincodeCall) -> Result<Option<ChaincodePolicies>, String> {
        let channel = self.channel()?;
        let bundle = channel.bundle();
        let state = channel.ledger().query();
        let chaincode = &call.name;
        let policy = channel
            .definitions()
            .validation_policy(chaincode, &bundle, &state);
        let Some(policy) = policy.map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        let mut policies = ChaincodePolicies {
            endorsement: resolve(&policy, &bundle)?,
            collections: BTreeMap::new(),
        };
        for collection in &call.collection_names {
            if let Some(found) = collection_policies(&channel, &bundle, &state, chaincode, collection)? {
                policies.collections.insert(collection.clone(), found);
            }
        }
        Ok(Some(policies))
    }

    fn endorsers(&self, chaincode: &str) -> Vec<Node> {
        let peers = self.peers(chaincode);
        let able = peers.iter().filter(|peer| runs(peer, chaincode));
        able.map(|peer| Node {
            msp_id: peer.msp_id.clone(),
            endpoint: peer.endpoint.clone(),
            ledger_height: peer.ledger_height,
        })
        .collect()
    }

    fn orderers(&self) -> Vec<Node> {
        let (Some(peer), Some(channel)) = (self.peer.upgrade(), self.channel.upgrade()) else {
            return Vec::new();
        };
        let bundle = channel.bundle();
        let organizations = &bundle.orderer_config().organizations;
        let msp_id = |address: &String| {
            let named = organizations
                .iter()
                .find(|organization| organization.endpoints.contains(address));
            named
                .or_else(|| organizations.first())
                .map_or_else(String::new, |found| found.msp_id.clone())
        };
        let orderers = peer.config().orderers.iter();
        orderers
            .map(|endpoint| Node {
                msp_id: msp_id(&endpoint.address),
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
                format!("Failed evaluating policy on signed data during check policy [{path}]: [{why}]")
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

fn runs(peer: &PeerInfo, chaincode: &str) -> bool {
    is_system_chaincode(chaincode) || peer.chaincodes.contains_key(chaincode)
}

/// `None` for a collection that is not there.
fn collection_policies(
    channel: &Channel,
    bundle: &Bundle,
    state: &QueryExecutor,
    chaincode: &str,
    collection: &str,
) -> Result<Option<CollectionPolicies>, String> {
    let unreadable = |error: fabric_ledger::LedgerError| error.to_string();
    let definitions = channel.definitions();
    let config = definitions
        .collection_config(chaincode, collection, state)
        .map_err(unreadable)?;
    let Some(members) = config.as_ref().and_then(members_policy) else {
        return Ok(None);
    };
    let source = definitions
        .collection_policy(chaincode, collection, bundle, state)
        .map_err(unreadable)?;
    let endorsement = match source {
        PolicySource::Own(policy) => Some(resolve(&policy, bundle)?),
        PolicySource::Chaincode | PolicySource::Missing => None,
    };
    Ok(Some(CollectionPolicies {
        members: members.clone(),
        endorsement,
    }))
}

/// A marshalled `ApplicationPolicy` as one signature policy.
fn resolve(policy: &[u8], bundle: &Bundle) -> Result<SignaturePolicyEnvelope, String> {
    let policy =
        ApplicationPolicy::decode(policy).map_err(|error| format!("not an ApplicationPolicy: {error}"))?;
    match policy.r#type {
        Some(application_policy::Type::SignaturePolicy(envelope)) => Ok(envelope),
        Some(application_policy::Type::ChannelConfigPolicyReference(path)) => {
            let policy = bundle
                .policy(&path)
                .ok_or_else(|| format!("there is no policy {path}"))?;
            policy.to_signature_policy().map_err(|error| error.to_string())
        }
        None => Err("an ApplicationPolicy without content".to_owned()),
    }
}
