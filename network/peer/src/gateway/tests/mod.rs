//! The service against scripted peers and an orderer on real TLS sockets.

mod endorse;
mod events;
mod unary;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fabric_msp::ca::{Ca, IssueRequest, Kind};
use fabric_msp::policy::{SignedData, parse};
use fabric_protos::common::msp_role::MspRoleType;
use fabric_protos::common::{
    Block, BlockData, BlockHeader, BlockMetadata, ChannelHeader, Envelope, Header, HeaderType, MspPrincipal,
    MspRole, Payload, SignatureHeader, Status as OrdererStatus,
};
use fabric_protos::gateway::{
    ChaincodeEventsRequest, CommitStatusRequest, EndorseRequest, ErrorDetail, EvaluateRequest,
    SignedChaincodeEventsRequest, SignedCommitStatusRequest, SubmitRequest,
};
use fabric_protos::orderer::atomic_broadcast_server::{AtomicBroadcast, AtomicBroadcastServer};
use fabric_protos::orderer::{
    BroadcastResponse, DeliverResponse, SeekPosition, SeekSpecified, seek_position,
};
use fabric_protos::peer::endorser_server::{Endorser, EndorserServer};
use fabric_protos::peer::{
    self, ChaincodeAction, ChaincodeActionPayload, ChaincodeCall, ChaincodeEndorsedAction, ChaincodeEvent,
    ChaincodeId, ChaincodeInput, ChaincodeInterest, ChaincodeInvocationSpec, ChaincodeProposalPayload,
    ChaincodeSpec, Endorsement, ProposalResponse, ProposalResponsePayload, Response as ChaincodeResponse,
    SignedProposal, Transaction, TransactionAction,
};
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};
use prost::Message;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status, Streaming};

use super::status::RpcStatus;
use super::{GatewayChannel, GatewayHost, GatewayOptions, GatewayService, Node};
use crate::directory::{PeerInfo, RemoteEndpoint};
use crate::discovery::{ChaincodePolicies, CollectionPolicies, Facts};

type Script = Arc<dyn Fn(usize) -> Result<ProposalResponse, Status> + Send + Sync>;

/// A peer that answers as its script says, by the number of the call.
#[derive(Clone)]
struct Peer {
    calls: Arc<AtomicUsize>,
    script: Script,
}

impl Peer {
    fn new(script: impl Fn(usize) -> Result<ProposalResponse, Status> + Send + Sync + 'static) -> Self {
        Self {
            calls: Arc::default(),
            script: Arc::new(script),
        }
    }

    fn endorsing(name: &'static str) -> Self {
        Self::new(move |_| Ok(endorsement(name, "result", None)))
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn answer(&self, _: &SignedProposal) -> Result<ProposalResponse, Status> {
        (self.script)(self.calls.fetch_add(1, Ordering::SeqCst))
    }
}

#[tonic::async_trait]
impl Endorser for Peer {
    async fn process_proposal(
        &self,
        request: Request<SignedProposal>,
    ) -> Result<Response<ProposalResponse>, Status> {
        self.answer(request.get_ref()).map(Response::new)
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// An orderer that takes everything but the payload "bad".
struct Orderer;

#[tonic::async_trait]
impl AtomicBroadcast for Orderer {
    type BroadcastStream = Answers<BroadcastResponse>;
    async fn broadcast(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::BroadcastStream>, Status> {
        let answers = request.into_inner().map(|envelope| {
            let status = match envelope?.payload.as_slice() {
                b"bad" => OrdererStatus::Forbidden,
                b"busy" => OrdererStatus::ServiceUnavailable,
                _ => OrdererStatus::Success,
            };
            Ok(BroadcastResponse {
                status: status.into(),
                info: "so it is".to_owned(),
            })
        });
        Ok(Response::new(answers.boxed()))
    }

    type DeliverStream = Answers<DeliverResponse>;
    async fn deliver(
        &self,
        _: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::DeliverStream>, Status> {
        Err(Status::unimplemented("no blocks"))
    }
}

/// The peer of organisation A with a scripted channel.
struct Host {
    node: Node,
    local: Peer,
    channel: Arc<Channel>,
}

struct Channel {
    policies: ChaincodePolicies,
    peers: Mutex<Arc<Vec<PeerInfo>>>,
    orderers: Vec<Node>,
    blocks: Mutex<BTreeMap<u64, Arc<Block>>>,
    height: watch::Sender<u64>,
}

impl Channel {
    /// Changes what is known of the peers: this one is the first.
    fn change(&self, change: impl FnOnce(&mut Vec<PeerInfo>)) {
        let mut known = self.peers.lock().expect("no panic");
        change(Arc::make_mut(&mut known));
    }
}

impl GatewayHost for Host {
    fn node(&self) -> &Node {
        &self.node
    }

    fn process_proposal(&self, proposal: SignedProposal) -> BoxFuture<'_, Result<ProposalResponse, Status>> {
        async move {
            match self.local.answer(&proposal) {
                // Stands for an answer that never comes.
                Err(status) if status.code() == Code::Cancelled => std::future::pending().await,
                answer => answer,
            }
        }
        .boxed()
    }

    fn channel(&self, name: &str) -> Option<Arc<dyn GatewayChannel>> {
        (name == "health").then(|| Arc::clone(&self.channel) as Arc<dyn GatewayChannel>)
    }
}

impl Facts for Channel {
    fn policies(&self, call: &ChaincodeCall) -> Result<Option<ChaincodePolicies>, String> {
        Ok((call.name == "cc").then(|| self.policies.clone()))
    }

    /// Everybody is a member and a peer of its organisation.
    fn satisfies(&self, peer: &PeerInfo, principal: &MspPrincipal) -> bool {
        let role = MspRole::decode(principal.principal.as_slice()).expect("a role");
        role.msp_identifier == peer.msp_id && matches!(role.role(), MspRoleType::Member | MspRoleType::Peer)
    }
}

impl GatewayChannel for Channel {
    fn peers(&self, _fresh: bool) -> Arc<Vec<PeerInfo>> {
        Arc::clone(&self.peers.lock().expect("no panic"))
    }

    fn orderers(&self) -> Vec<Node> {
        self.orderers.clone()
    }

    fn check_acl(&self, _: &'static str, signed: SignedData) -> BoxFuture<'_, Result<(), String>> {
        let allowed = signed.identity == b"reader" && signed.signature == b"signed";
        async move {
            if allowed {
                Ok(())
            } else {
                Err("access denied".to_owned())
            }
        }
        .boxed()
    }

    fn committed(&self, transaction_id: &str) -> BoxFuture<'_, Result<(u64, i32), String>> {
        let code = if transaction_id == "rival" { 11 } else { 0 };
        if transaction_id == "never" {
            return std::future::pending().boxed();
        }
        async move { Ok((7, code)) }.boxed()
    }

    fn height(&self) -> watch::Receiver<u64> {
        self.height.subscribe()
    }

    fn block(&self, number: u64) -> BoxFuture<'_, Result<Option<Arc<Block>>, String>> {
        let block = self.blocks.lock().expect("no panic").get(&number).cloned();
        async move { Ok(block) }.boxed()
    }

    fn block_of(&self, transaction_id: &str) -> BoxFuture<'_, Option<u64>> {
        let number = transaction_id
            .strip_prefix("in-")
            .and_then(|number| number.parse().ok());
        async move { number }.boxed()
    }
}

/// What a test starts from: organisation A is ours, the others' peers listen on TLS sockets.
struct Setup {
    policy: &'static str,
    collection: Option<(&'static str, &'static str)>,
    local: Peer,
    remote: Vec<(&'static str, Peer)>,
    dead: Vec<&'static str>,
    /// Orderers that nobody reaches, besides the one that answers.
    dead_orderers: u16,
    orderer: bool,
}

impl Setup {
    fn new(policy: &'static str, local: Peer, remote: Vec<(&'static str, Peer)>) -> Self {
        Self {
            policy,
            collection: None,
            local,
            remote,
            dead: Vec::new(),
            dead_orderers: 0,
            orderer: true,
        }
    }

    fn with_dead_orderers(mut self, count: u16) -> Self {
        self.dead_orderers = count;
        self
    }

    fn without_orderer(mut self) -> Self {
        self.orderer = false;
        self
    }

    async fn start(self) -> (GatewayService, Arc<Channel>) {
        let ca = Ca::new("tlsca", "example", None).expect("a CA");
        let local = node("A", "127.0.0.1:1".to_owned(), &ca);
        let mut peers = vec![info(&local)];
        for (msp_id, peer) in self.remote {
            let address = serve(&ca, |server| server.add_service(EndorserServer::new(peer))).await;
            peers.push(info(&node(msp_id, address, &ca)));
        }
        for msp_id in self.dead {
            peers.push(info(&node(msp_id, format!("127.0.0.1:{}", peers.len() + 1), &ca)));
        }
        let orderer = serve(&ca, |server| {
            server.add_service(AtomicBroadcastServer::new(Orderer))
        })
        .await;
        let dead = (0..self.dead_orderers).map(|number| format!("127.0.0.1:{}", number + 1));
        let alive = self.orderer.then_some(orderer);
        let orderers = dead
            .chain(alive)
            .map(|address| node("OrdererMSP", address, &ca))
            .collect();
        let policy = |text: &str| parse(text).expect("a policy");
        let collections = self.collection.map(|(name, members)| {
            (
                name.to_owned(),
                CollectionPolicies {
                    members: policy(members),
                    endorsement: None,
                },
            )
        });
        let channel = Arc::new(Channel {
            policies: ChaincodePolicies {
                sequence: 1,
                endorsement: policy(self.policy),
                collections: collections.into_iter().collect(),
            },
            peers: Mutex::new(Arc::new(peers)),
            orderers,
            blocks: Mutex::default(),
            height: watch::Sender::new(0),
        });
        let host = Host {
            node: local,
            local: self.local,
            channel: Arc::clone(&channel),
        };
        (
            GatewayService::with_host(Arc::new(host), GatewayOptions::default()),
            channel,
        )
    }
}

fn node(msp_id: &str, address: String, ca: &Ca) -> Node {
    let endpoint = RemoteEndpoint {
        address,
        tls_roots_pem: ca.certificate_pem().into_bytes(),
        server_name: Some("node.example".to_owned()),
    };
    Node {
        msp_id: msp_id.to_owned(),
        endpoint,
        ledger_height: 1,
    }
}

/// A peer that runs `cc`.
fn info(node: &Node) -> PeerInfo {
    PeerInfo {
        msp_id: node.msp_id.clone(),
        endpoint: node.endpoint.clone(),
        identity: Vec::new(),
        ledger_height: node.ledger_height,
        chaincodes: BTreeMap::from([("cc".to_owned(), "1".to_owned())]),
    }
}

async fn serve(ca: &Ca, add: impl FnOnce(&mut Server) -> tonic::transport::server::Router) -> String {
    let request = IssueRequest {
        common_name: "node.example".to_owned(),
        kind: Kind::Tls,
        sans: vec!["node.example".to_owned()],
        ..Default::default()
    };
    let issued = ca.issue(&request).expect("issued");
    let identity = Identity::from_pem(issued.certificate_pem, issued.key_pem);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address").to_string();
    let mut server = Server::builder()
        .tls_config(ServerTlsConfig::new().identity(identity))
        .expect("a TLS configuration");
    tokio::spawn(add(&mut server).serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

fn endorsement(endorser: &str, result: &str, interest: Option<ChaincodeCall>) -> ProposalResponse {
    let response = ChaincodeResponse {
        status: 200,
        message: String::new(),
        payload: result.as_bytes().to_vec(),
    };
    let action = ChaincodeAction {
        response: Some(response.clone()),
        ..Default::default()
    };
    let payload = ProposalResponsePayload {
        proposal_hash: vec![1],
        extension: action.encode_to_vec(),
    };
    ProposalResponse {
        version: 1,
        response: Some(response),
        payload: payload.encode_to_vec(),
        endorsement: Some(Endorsement {
            endorser: endorser.as_bytes().to_vec(),
            signature: vec![2],
        }),
        interest: interest.map(|call| ChaincodeInterest {
            chaincodes: vec![call],
        }),
        ..Default::default()
    }
}

fn refusal(status: i32, message: &str) -> ProposalResponse {
    ProposalResponse {
        response: Some(ChaincodeResponse {
            status,
            message: message.to_owned(),
            payload: Vec::new(),
        }),
        ..Default::default()
    }
}

fn collection(name: &str) -> ChaincodeCall {
    ChaincodeCall {
        name: "cc".to_owned(),
        collection_names: vec![name.to_owned()],
        no_private_reads: true,
        ..Default::default()
    }
}

fn proposal(transient: bool) -> SignedProposal {
    proposal_on("health", transient)
}

fn proposal_on(channel: &str, transient: bool) -> SignedProposal {
    let spec = ChaincodeInvocationSpec {
        chaincode_spec: Some(ChaincodeSpec {
            chaincode_id: Some(ChaincodeId {
                name: "cc".to_owned(),
                ..Default::default()
            }),
            input: Some(ChaincodeInput {
                args: vec![b"put".to_vec()],
                ..Default::default()
            }),
            ..Default::default()
        }),
    };
    let transient_map = if transient {
        BTreeMap::from([("secret".to_owned(), vec![9; 20])])
    } else {
        BTreeMap::new()
    };
    let payload = ChaincodeProposalPayload {
        input: spec.encode_to_vec(),
        transient_map,
    };
    let channel_header = ChannelHeader {
        r#type: HeaderType::EndorserTransaction.into(),
        channel_id: channel.to_owned(),
        tx_id: "t".to_owned(),
        ..Default::default()
    };
    let header = Header {
        channel_header: channel_header.encode_to_vec(),
        signature_header: SignatureHeader {
            creator: vec![1],
            nonce: vec![2],
        }
        .encode_to_vec(),
    };
    let proposal = peer::Proposal {
        header: header.encode_to_vec(),
        payload: payload.encode_to_vec(),
        extension: Vec::new(),
    };
    SignedProposal {
        proposal_bytes: proposal.encode_to_vec(),
        signature: vec![3],
    }
}

fn endorse(transient: bool, organisations: &[&str]) -> EndorseRequest {
    EndorseRequest {
        transaction_id: "t".to_owned(),
        channel_id: "health".to_owned(),
        proposed_transaction: Some(proposal(transient)),
        endorsing_organizations: organisations.iter().map(|msp_id| (*msp_id).to_owned()).collect(),
    }
}

/// The endorsers of a prepared transaction, sorted, and its marshalled payload.
fn endorsers(envelope: &Envelope) -> Vec<String> {
    let payload = Payload::decode(envelope.payload.as_slice()).expect("a payload");
    let transaction = Transaction::decode(payload.data.as_slice()).expect("a transaction");
    let action =
        ChaincodeActionPayload::decode(transaction.actions[0].payload.as_slice()).expect("an action");
    let endorsements = action.action.expect("endorsed").endorsements;
    let mut names: Vec<String> = endorsements
        .into_iter()
        .map(|found| String::from_utf8(found.endorser).expect("text"))
        .collect();
    names.sort();
    names
}

fn details(status: &Status) -> Vec<(String, String)> {
    let decoded = RpcStatus::decode(status.details()).expect("details");
    let detail = |any: &prost_types::Any| ErrorDetail::decode(any.value.as_slice()).expect("a detail");
    let mut found: Vec<_> = decoded
        .details
        .iter()
        .map(detail)
        .map(|detail| (detail.msp_id, detail.message))
        .collect();
    found.sort();
    found
}
