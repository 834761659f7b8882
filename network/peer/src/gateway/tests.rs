//! The service against scripted peers and an orderer on real TLS sockets.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fabric_msp::ca::{Ca, IssueRequest, Kind};
use fabric_msp::policy::{SignedData, parse};
use fabric_protos::common::{
    Block, BlockData, BlockHeader, BlockMetadata, ChannelHeader, Envelope, Header, HeaderType, Payload,
    SignatureHeader, Status as OrdererStatus,
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
use super::{
    ChaincodePolicies, CollectionPolicies, GatewayChannel, GatewayHost, GatewayOptions, GatewayService, Node,
};
use crate::directory::RemoteEndpoint;

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
    endorsers: Vec<Node>,
    orderers: Vec<Node>,
    blocks: Mutex<BTreeMap<u64, Arc<Block>>>,
    height: watch::Sender<u64>,
}

impl GatewayHost for Host {
    fn node(&self) -> &Node {
        &self.node
    }

    fn process_proposal(&self, proposal: SignedProposal) -> BoxFuture<'_, Result<ProposalResponse, Status>> {
        async move { self.local.answer(&proposal) }.boxed()
    }

    fn channel(&self, name: &str) -> Option<Arc<dyn GatewayChannel>> {
        (name == "health").then(|| Arc::clone(&self.channel) as Arc<dyn GatewayChannel>)
    }
}

impl GatewayChannel for Channel {
    fn policies(&self, call: &ChaincodeCall) -> Result<Option<ChaincodePolicies>, String> {
        Ok((call.name == "cc").then(|| self.policies.clone()))
    }

    fn endorsers(&self, chaincode: &str) -> Vec<Node> {
        if chaincode == "cc" {
            self.endorsers.clone()
        } else {
            Vec::new()
        }
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
}

impl Setup {
    fn new(policy: &'static str, local: Peer, remote: Vec<(&'static str, Peer)>) -> Self {
        Self {
            policy,
            collection: None,
            local,
            remote,
            dead: Vec::new(),
        }
    }

    async fn start(self) -> (GatewayService, Arc<Channel>) {
        let ca = Ca::new("tlsca", "example", None).expect("a CA");
        let local = node("A", "127.0.0.1:1".to_owned(), &ca);
        let mut endorsers = vec![local.clone()];
        for (msp_id, peer) in self.remote {
            let address = serve(&ca, |server| server.add_service(EndorserServer::new(peer))).await;
            endorsers.push(node(msp_id, address, &ca));
        }
        for msp_id in self.dead {
            endorsers.push(node(msp_id, format!("127.0.0.1:{}", endorsers.len() + 1), &ca));
        }
        let orderer = serve(&ca, |server| {
            server.add_service(AtomicBroadcastServer::new(Orderer))
        })
        .await;
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
                endorsement: policy(self.policy),
                collections: collections.into_iter().collect(),
            },
            endorsers,
            orderers: vec![node("OrdererMSP", orderer, &ca)],
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
        channel_id: "health".to_owned(),
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

#[tokio::test]
async fn a_majority_endorses_and_the_transient_data_stays_out_of_the_transaction() {
    let (b, c) = (Peer::endorsing("b"), Peer::endorsing("c"));
    let setup = Setup::new(
        "OutOf(2, 'A.peer', 'B.peer', 'C.peer')",
        Peer::endorsing("a"),
        vec![("B", b.clone()), ("C", c.clone())],
    );
    let (gateway, _) = setup.start().await;
    let response = gateway.endorse(endorse(true, &[])).await.expect("endorsed");
    let envelope = response.prepared_transaction.expect("a transaction");
    assert_eq!(endorsers(&envelope).len(), 2);
    assert_eq!(endorsers(&envelope)[0], "a");
    assert_eq!(b.calls() + c.calls(), 1, "no more than needed");
    assert!(
        !envelope.payload.windows(20).any(|window| window == [9; 20]),
        "transient data in a transaction"
    );
    assert!(envelope.signature.is_empty());
}

#[tokio::test]
async fn a_peer_that_is_down_is_replaced_by_another_organisation() {
    let c = Peer::endorsing("c");
    let mut setup = Setup::new(
        "OutOf(2, 'A.peer', 'B.peer', 'C.peer')",
        Peer::endorsing("a"),
        vec![("C", c.clone())],
    );
    setup.dead = vec!["B"];
    let (gateway, _) = setup.start().await;
    for _ in 0..4 {
        let response = gateway.endorse(endorse(false, &[])).await.expect("endorsed");
        assert_eq!(
            endorsers(&response.prepared_transaction.expect("a transaction")),
            ["a", "c"]
        );
    }
    assert_eq!(c.calls(), 4);
}

#[tokio::test]
async fn named_organisations_are_asked_and_no_others() {
    let (b, c) = (Peer::endorsing("b"), Peer::endorsing("c"));
    let local = Peer::endorsing("a");
    let setup = Setup::new(
        "OR('A.peer')",
        local.clone(),
        vec![("B", b.clone()), ("C", c.clone())],
    );
    let (gateway, _) = setup.start().await;
    let response = gateway
        .endorse(endorse(true, &["C", "B"]))
        .await
        .expect("endorsed");
    assert_eq!(
        endorsers(&response.prepared_transaction.expect("a transaction")),
        ["b", "c"]
    );
    assert_eq!(local.calls(), 0);
    let error = gateway
        .endorse(endorse(false, &["B", "X", "Y"]))
        .await
        .expect_err("refused");
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(
        error.message(),
        "failed to find any endorsing peers for org(s): X, Y"
    );
}

#[tokio::test]
async fn the_chaincodes_refusal_comes_back_as_a_detail() {
    let local = Peer::new(|_| Ok(refusal(409, r#"{"code":"TAKEN"}"#)));
    let (gateway, _) = Setup::new("OR('A.peer')", local, Vec::new()).start().await;
    let error = gateway.endorse(endorse(false, &[])).await.expect_err("refused");
    assert_eq!(error.code(), Code::Aborted);
    assert_eq!(
        error.message(),
        "failed to endorse transaction, see attached details for more info"
    );
    assert_eq!(
        details(&error),
        [(
            "A".to_owned(),
            r#"chaincode response 409, {"code":"TAKEN"}"#.to_owned()
        )]
    );
    let error = gateway
        .endorse(endorse(false, &["A"]))
        .await
        .expect_err("refused");
    assert_eq!(
        error.message(),
        "failed to collect enough transaction endorsements, see attached details for more info"
    );
}

#[tokio::test]
async fn a_peer_that_lags_is_asked_again_until_the_results_agree() {
    let late = Peer::new(|call| Ok(endorsement("b", if call < 2 { "old" } else { "result" }, None)));
    let (gateway, _) = Setup::new(
        "AND('A.peer', 'B.peer')",
        Peer::endorsing("a"),
        vec![("B", late.clone())],
    )
    .start()
    .await;
    let response = gateway.endorse(endorse(false, &[])).await.expect("endorsed");
    assert_eq!(
        endorsers(&response.prepared_transaction.expect("a transaction")),
        ["a", "b"]
    );
    assert_eq!(late.calls(), 3);
}

#[tokio::test]
async fn results_that_never_agree_are_an_error() {
    let other = Peer::new(|_| Ok(endorsement("b", "other", None)));
    let (gateway, _) = Setup::new(
        "AND('A.peer', 'B.peer')",
        Peer::endorsing("a"),
        vec![("B", other)],
    )
    .start()
    .await;
    let error = gateway.endorse(endorse(false, &[])).await.expect_err("refused");
    assert_eq!(error.code(), Code::Aborted);
    assert_eq!(
        details(&error),
        [("B".to_owned(), "ProposalResponsePayloads do not match".to_owned())]
    );
}

#[tokio::test]
async fn transient_data_goes_to_members_of_the_collection_only() {
    let (b, c) = (Peer::endorsing("b"), Peer::endorsing("c"));
    let local = Peer::new(|_| Ok(endorsement("a", "result", Some(collection("pair")))));
    let mut setup = Setup::new(
        "OutOf(2, 'A.peer', 'B.peer', 'C.peer')",
        local.clone(),
        vec![("B", b.clone()), ("C", c.clone())],
    );
    setup.collection = Some(("pair", "OR('A.member', 'B.member')"));
    let (gateway, _) = setup.start().await;
    for _ in 0..6 {
        let response = gateway.endorse(endorse(true, &[])).await.expect("endorsed");
        assert_eq!(
            endorsers(&response.prepared_transaction.expect("a transaction")),
            ["a", "b"]
        );
    }
    assert_eq!(c.calls(), 0);
    // Without transient data there is nothing to protect: anybody may endorse a blind write.
    let mut calls = 0;
    while c.calls() == 0 && calls < 50 {
        gateway.endorse(endorse(false, &[])).await.expect("endorsed");
        calls += 1;
    }
    assert!(c.calls() > 0);
}

#[tokio::test]
async fn a_policy_beyond_the_collection_says_so() {
    let b = Peer::endorsing("b");
    let local = Peer::new(|_| Ok(endorsement("a", "result", Some(collection("own")))));
    let mut setup = Setup::new("AND('A.peer', 'B.peer')", local, vec![("B", b.clone())]);
    setup.collection = Some(("own", "OR('A.member')"));
    let (gateway, _) = setup.start().await;
    let error = gateway.endorse(endorse(true, &[])).await.expect_err("refused");
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(
        error.message().contains("private data collection(s): [own]"),
        "{}",
        error.message()
    );
    assert_eq!(b.calls(), 0);
}

#[tokio::test]
async fn requests_that_are_none_are_refused() {
    let (gateway, _) = Setup::new("OR('A.peer')", Peer::endorsing("a"), Vec::new())
        .start()
        .await;
    let code = |result: Result<_, Status>| result.map(drop).expect_err("refused").code();
    assert_eq!(
        code(gateway.endorse(EndorseRequest::default()).await),
        Code::InvalidArgument
    );
    let mut garbage = endorse(false, &[]);
    garbage.proposed_transaction = Some(SignedProposal {
        proposal_bytes: vec![0xff; 30],
        signature: Vec::new(),
    });
    assert_eq!(
        code(gateway.endorse(garbage.clone()).await),
        Code::InvalidArgument
    );
    let request = EvaluateRequest {
        proposed_transaction: garbage.proposed_transaction,
        ..Default::default()
    };
    assert_eq!(
        gateway.evaluate(request).await.expect_err("refused").code(),
        Code::InvalidArgument
    );
    let unsigned = SubmitRequest {
        channel_id: "health".to_owned(),
        prepared_transaction: Some(Envelope {
            payload: vec![1],
            signature: Vec::new(),
        }),
        ..Default::default()
    };
    let error = gateway.submit(unsigned).await.expect_err("refused");
    assert_eq!(error.message(), "prepared transaction must be signed");
    let error = gateway
        .commit_status(SignedCommitStatusRequest::default())
        .await
        .expect_err("refused");
    assert_eq!(error.code(), Code::InvalidArgument);
}

fn evaluate(targets: &[&str]) -> EvaluateRequest {
    EvaluateRequest {
        transaction_id: "t".to_owned(),
        channel_id: "health".to_owned(),
        proposed_transaction: Some(proposal(false)),
        target_organizations: targets.iter().map(|msp_id| (*msp_id).to_owned()).collect(),
    }
}

#[tokio::test]
async fn an_evaluation_prefers_the_own_peer_and_obeys_targets() {
    let b = Peer::new(|_| Ok(endorsement("b", "from b", None)));
    let (gateway, _) = Setup::new("OR('A.peer')", Peer::endorsing("a"), vec![("B", b)])
        .start()
        .await;
    let result =
        |response: fabric_protos::gateway::EvaluateResponse| response.result.expect("a result").payload;
    assert_eq!(
        result(gateway.evaluate(evaluate(&[])).await.expect("evaluated")),
        b"result"
    );
    assert_eq!(
        result(gateway.evaluate(evaluate(&["B"])).await.expect("evaluated")),
        b"from b"
    );
    let error = gateway.evaluate(evaluate(&["X"])).await.expect_err("refused");
    assert_eq!(error.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn an_evaluation_goes_on_to_the_next_peer_unless_the_chaincode_refused() {
    let b = Peer::endorsing("b");
    let local = Peer::new(|call| Ok(refusal(if call == 0 { 500 } else { 404 }, "no")));
    let (gateway, _) = Setup::new("OR('A.peer')", local, vec![("B", b.clone())])
        .start()
        .await;
    gateway
        .evaluate(evaluate(&[]))
        .await
        .expect("evaluated by the other peer");
    assert_eq!(b.calls(), 1);
    let error = gateway.evaluate(evaluate(&[])).await.expect_err("refused");
    assert_eq!(error.code(), Code::Unknown);
    assert_eq!(
        error.message(),
        "evaluate call to endorser returned error: chaincode response 404, no"
    );
    assert_eq!(
        details(&error),
        [("A".to_owned(), "chaincode response 404, no".to_owned())]
    );
    assert_eq!(b.calls(), 1);
}

#[tokio::test]
async fn the_orderers_answer_decides_a_submission() {
    let (gateway, _) = Setup::new("OR('A.peer')", Peer::endorsing("a"), Vec::new())
        .start()
        .await;
    let submit = |payload: &str, channel: &str| {
        gateway.submit(SubmitRequest {
            transaction_id: "t".to_owned(),
            channel_id: channel.to_owned(),
            prepared_transaction: Some(Envelope {
                payload: payload.as_bytes().to_vec(),
                signature: vec![1],
            }),
        })
    };
    submit("good", "health").await.expect("taken");
    let error = submit("bad", "health").await.expect_err("refused");
    assert_eq!(error.code(), Code::Aborted);
    assert_eq!(
        error.message(),
        "received unsuccessful response from orderer: status=FORBIDDEN, info=so it is"
    );
    let error = submit("busy", "health").await.expect_err("refused");
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(details(&error)[0].0, "OrdererMSP");
    assert_eq!(
        submit("good", "other").await.expect_err("refused").code(),
        Code::FailedPrecondition
    );
}

#[tokio::test]
async fn only_readers_learn_a_commit_status() {
    let (gateway, _) = Setup::new("OR('A.peer')", Peer::endorsing("a"), Vec::new())
        .start()
        .await;
    let ask = |transaction_id: &str, identity: &str| {
        let request = CommitStatusRequest {
            transaction_id: transaction_id.to_owned(),
            channel_id: "health".to_owned(),
            identity: identity.as_bytes().to_vec(),
        };
        gateway.commit_status(SignedCommitStatusRequest {
            request: request.encode_to_vec(),
            signature: b"signed".to_vec(),
        })
    };
    let status = ask("t", "reader").await.expect("answered");
    assert_eq!((status.result, status.block_number), (0, 7));
    assert_eq!(ask("rival", "reader").await.expect("answered").result, 11);
    assert_eq!(
        ask("t", "stranger").await.expect_err("refused").code(),
        Code::PermissionDenied
    );
    assert_eq!(
        ask("", "reader").await.expect_err("refused").code(),
        Code::InvalidArgument
    );
}

/// A block whose transactions set events: id, chaincode, validation code.
fn block(number: u64, transactions: &[(&str, &str, u8)]) -> Block {
    let envelope = |(id, chaincode, _): &(&str, &str, u8)| {
        let event = ChaincodeEvent {
            chaincode_id: (*chaincode).to_owned(),
            tx_id: (*id).to_owned(),
            event_name: "e".to_owned(),
            payload: Vec::new(),
        };
        let action = ChaincodeAction {
            events: event.encode_to_vec(),
            ..Default::default()
        };
        let payload = ProposalResponsePayload {
            extension: action.encode_to_vec(),
            ..Default::default()
        };
        let action = ChaincodeEndorsedAction {
            proposal_response_payload: payload.encode_to_vec(),
            ..Default::default()
        };
        let payload = ChaincodeActionPayload {
            action: Some(action),
            ..Default::default()
        };
        let action = TransactionAction {
            payload: payload.encode_to_vec(),
            ..Default::default()
        };
        let channel_header = ChannelHeader {
            r#type: HeaderType::EndorserTransaction.into(),
            ..Default::default()
        };
        let payload = Payload {
            header: Some(Header {
                channel_header: channel_header.encode_to_vec(),
                ..Default::default()
            }),
            data: Transaction {
                actions: vec![action],
            }
            .encode_to_vec(),
        };
        Envelope {
            payload: payload.encode_to_vec(),
            signature: Vec::new(),
        }
        .encode_to_vec()
    };
    let codes = transactions.iter().map(|(_, _, code)| *code).collect();
    Block {
        header: Some(BlockHeader {
            number,
            ..Default::default()
        }),
        data: Some(BlockData {
            data: transactions.iter().map(envelope).collect(),
        }),
        metadata: Some(BlockMetadata {
            metadata: vec![Vec::new(), Vec::new(), codes],
        }),
    }
}

impl Channel {
    fn commit(&self, block: Block) {
        let number = block.header.as_ref().expect("a header").number;
        self.blocks
            .lock()
            .expect("no panic")
            .insert(number, Arc::new(block));
        self.height.send_replace(number + 1);
    }
}

fn events_request(start: Option<u64>, after: &str) -> SignedChaincodeEventsRequest {
    let request = ChaincodeEventsRequest {
        channel_id: "health".to_owned(),
        chaincode_id: "cc".to_owned(),
        identity: b"reader".to_vec(),
        start_position: start.map(|number| SeekPosition {
            r#type: Some(seek_position::Type::Specified(SeekSpecified { number })),
        }),
        after_transaction_id: after.to_owned(),
    };
    SignedChaincodeEventsRequest {
        request: request.encode_to_vec(),
        signature: b"signed".to_vec(),
    }
}

#[tokio::test]
async fn events_of_valid_transactions_come_in_order_and_blocks_without_any_are_passed_over() {
    let (gateway, channel) = Setup::new("OR('A.peer')", Peer::endorsing("a"), Vec::new())
        .start()
        .await;
    channel.commit(block(0, &[("t0", "cc", 0)]));
    let mut live = gateway
        .chaincode_events(events_request(None, ""))
        .await
        .expect("a stream");
    let mut all = gateway
        .chaincode_events(events_request(Some(0), ""))
        .await
        .expect("a stream");
    channel.commit(block(1, &[("t1", "cc", 11), ("t2", "other", 0)]));
    channel.commit(block(2, &[("t3", "cc", 0), ("t4", "cc", 0)]));

    let first = live.next().await.expect("an item").expect("events");
    assert_eq!(first.block_number, 2);
    assert_eq!(
        first
            .events
            .iter()
            .map(|event| event.tx_id.as_str())
            .collect::<Vec<_>>(),
        ["t3", "t4"]
    );
    assert_eq!(
        all.next().await.expect("an item").expect("events").block_number,
        0
    );
    assert_eq!(
        all.next().await.expect("an item").expect("events").block_number,
        2
    );
    assert!(all.next().now_or_never().is_none(), "waits for the next block");
}

#[tokio::test]
async fn events_go_on_after_a_transaction() {
    let (gateway, channel) = Setup::new("OR('A.peer')", Peer::endorsing("a"), Vec::new())
        .start()
        .await;
    for number in 0..3 {
        let before = format!("before-{number}");
        channel.commit(block(
            number,
            &[
                (&before, "cc", 0),
                (&format!("in-{number}"), "cc", 0),
                ("t", "cc", 0),
            ],
        ));
    }
    let mut events = gateway
        .chaincode_events(events_request(None, "in-1"))
        .await
        .expect("a stream");
    let first = events.next().await.expect("an item").expect("events");
    assert_eq!((first.block_number, first.events.len()), (1, 1));
    assert_eq!(
        events
            .next()
            .await
            .expect("an item")
            .expect("events")
            .events
            .len(),
        3
    );
    let mut request = events_request(None, "");
    request.signature = b"forged".to_vec();
    let error = gateway.chaincode_events(request).await.err().expect("refused");
    assert_eq!(error.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_gateway_that_closes_ends_streams_and_waits() {
    let (gateway, _) = Setup::new("OR('A.peer')", Peer::endorsing("a"), Vec::new())
        .start()
        .await;
    let mut events = gateway
        .chaincode_events(events_request(None, ""))
        .await
        .expect("a stream");
    assert!(events.next().now_or_never().is_none());
    let request = CommitStatusRequest {
        transaction_id: "never".to_owned(),
        channel_id: "health".to_owned(),
        identity: b"reader".to_vec(),
    };
    let request = SignedCommitStatusRequest {
        request: request.encode_to_vec(),
        signature: b"signed".to_vec(),
    };
    let waiting = tokio::spawn({
        let gateway = gateway.clone();
        async move { gateway.commit_status(request).await }
    });
    gateway.close();
    assert!(events.next().await.is_none());
    assert_eq!(
        waiting.await.expect("no panic").expect_err("refused").code(),
        Code::Unavailable
    );
}
