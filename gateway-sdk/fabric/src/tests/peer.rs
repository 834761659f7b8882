//! A peer that checks what the SDK sends and answers by the name of the function.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use fabric_msp::SigningIdentity;
use fabric_msp::ca::{Ca, IssueRequest, Kind};
use fabric_protos::common::{self, ChannelHeader, Envelope, Header, Payload, SignatureHeader};
use fabric_protos::gateway::gateway_server::{Gateway as GatewayRpc, GatewayServer};
use fabric_protos::gateway::{
    ChaincodeEventsRequest, ChaincodeEventsResponse, CommitStatusRequest, CommitStatusResponse,
    EndorseRequest, EndorseResponse, ErrorDetail, EvaluateRequest, EvaluateResponse,
    SignedChaincodeEventsRequest, SignedCommitStatusRequest, SubmitRequest, SubmitResponse,
};
use fabric_protos::orderer::SeekInfo;
use fabric_protos::peer::deliver_response::Type as Answer;
use fabric_protos::peer::deliver_server::{Deliver, DeliverServer};
use fabric_protos::peer::endorser_server::{Endorser, EndorserServer};
use fabric_protos::peer::{
    self, BlockAndPrivateData, ChaincodeAction, ChaincodeActionPayload, ChaincodeEndorsedAction,
    ChaincodeEvent, ChaincodeInvocationSpec, ChaincodeProposalPayload, DeliverResponse, FilteredBlock,
    ProposalResponse, ProposalResponsePayload, Response as ChaincodeResponse, SignedProposal, Transaction,
    TransactionAction,
};
use futures::{Stream, StreamExt, stream};
use prost::Message;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status, Streaming};

use crate::proposal::transaction_id;
use crate::status::{ERROR_DETAIL_TYPE, RpcStatus};
use crate::{Endpoint, Gateway, GatewayBuilder};

/// What was asked, for tests to look at.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) transaction_id: String,
    pub(super) args: Vec<String>,
    pub(super) transient: Vec<String>,
    pub(super) organizations: Vec<String>,
    pub(super) chaincode: String,
    pub(super) channel: String,
}

#[derive(Default)]
struct State {
    endorsed: Vec<Call>,
    evaluated: Vec<Call>,
    events: Vec<ChaincodeEventsRequest>,
    installed: Vec<String>,
    submitted: Vec<Envelope>,
}

/// A running peer and who may call it.
#[derive(Clone)]
pub(super) struct Peer {
    state: Arc<Mutex<State>>,
    pub(super) identity: SigningIdentity,
    pub(super) endpoint: Endpoint,
}

impl Peer {
    /// Starts a peer that demands TLS client certificates.
    pub(super) async fn start() -> Self {
        let tls_ca = Ca::new("tlsca", "example", None).expect("a CA");
        let request = IssueRequest {
            common_name: "peer0.org1.example.com".to_owned(),
            kind: Kind::Tls,
            sans: vec!["peer0.org1.example.com".to_owned()],
            ..Default::default()
        };
        let tls = tls_ca.issue(&request).expect("issued");
        let ca_pem = tls_ca.certificate_pem();
        let ca = Ca::new("ca", "example", None).expect("a CA");
        let user = IssueRequest {
            common_name: "user".to_owned(),
            ..Default::default()
        };
        let user = ca.issue(&user).expect("issued");
        let identity = SigningIdentity::from_pem(
            "Org1MSP",
            user.certificate_pem.as_bytes(),
            user.key_pem.as_bytes(),
        )
        .expect("an identity");

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("an address").to_string();
        let endpoint = Endpoint::tls(address, ca_pem.clone())
            .server_name("peer0.org1.example.com")
            .client_certificate(tls.certificate_pem.clone(), tls.key_pem.clone());
        let peer = Self {
            state: Arc::default(),
            identity,
            endpoint,
        };
        let config = ServerTlsConfig::new()
            .identity(Identity::from_pem(tls.certificate_pem, tls.key_pem))
            .client_ca_root(Certificate::from_pem(ca_pem));
        let router = Server::builder()
            .tls_config(config)
            .expect("a TLS configuration")
            .add_service(GatewayServer::new(peer.clone()))
            .add_service(DeliverServer::new(peer.clone()))
            .add_service(EndorserServer::new(peer.clone()));
        tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
        peer
    }

    pub(super) fn builder(&self) -> GatewayBuilder {
        let channel = self.endpoint.connect_lazy().expect("an endpoint");
        let hash = self.endpoint.client_certificate_hash().expect("a hash");
        Gateway::builder(channel)
            .identity(self.identity.clone())
            .tls_certificate_hash(hash)
    }

    pub(super) fn gateway(&self) -> Gateway {
        self.builder().connect()
    }

    pub(super) fn endorsed(&self) -> Vec<Call> {
        self.state.lock().expect("no panic").endorsed.clone()
    }

    pub(super) fn evaluated(&self) -> Vec<Call> {
        self.state.lock().expect("no panic").evaluated.clone()
    }

    pub(super) fn event_requests(&self) -> Vec<ChaincodeEventsRequest> {
        self.state.lock().expect("no panic").events.clone()
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Status> {
        let verified = self.identity.identity().verify(message, signature);
        verified.map_err(|error| Status::permission_denied(error.to_string()))
    }

    /// Reads a proposal and checks everything that an endorser would.
    fn unpack(
        &self,
        signed: &SignedProposal,
        organizations: Vec<String>,
    ) -> Result<(Call, Header, Vec<u8>), Status> {
        let broken = |error: prost::DecodeError| Status::invalid_argument(error.to_string());
        self.verify(&signed.proposal_bytes, &signed.signature)?;
        let proposal = peer::Proposal::decode(signed.proposal_bytes.as_slice()).map_err(broken)?;
        let header = Header::decode(proposal.header.as_slice()).map_err(broken)?;
        let channel = ChannelHeader::decode(header.channel_header.as_slice()).map_err(broken)?;
        let signature = SignatureHeader::decode(header.signature_header.as_slice()).map_err(broken)?;
        if signature.creator != self.identity.serialized() || signature.nonce.len() != 24 {
            return Err(Status::invalid_argument("creator or nonce"));
        }
        if channel.tx_id != transaction_id(&signature.nonce, &signature.creator) || channel.r#type != 3 {
            return Err(Status::invalid_argument("transaction id or type"));
        }
        let payload = ChaincodeProposalPayload::decode(proposal.payload.as_slice()).map_err(broken)?;
        let spec = ChaincodeInvocationSpec::decode(payload.input.as_slice()).map_err(broken)?;
        let spec = spec
            .chaincode_spec
            .ok_or_else(|| Status::invalid_argument("no spec"))?;
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        let call = Call {
            transaction_id: channel.tx_id,
            args: spec.input.unwrap_or_default().args.iter().map(text).collect(),
            transient: payload.transient_map.into_keys().collect(),
            organizations,
            chaincode: spec.chaincode_id.unwrap_or_default().name,
            channel: channel.channel_id,
        };
        Ok((call, header, payload.input))
    }
}

fn refused(code: Code, text: &str, detail: &str) -> Status {
    let detail = ErrorDetail {
        address: "peer0.org2.example.com:9051".to_owned(),
        msp_id: "Org2MSP".to_owned(),
        message: detail.to_owned(),
    };
    let any = prost_types::Any {
        type_url: format!("type.googleapis.com/{ERROR_DETAIL_TYPE}"),
        value: detail.encode_to_vec(),
    };
    let status = RpcStatus {
        code: code as i32,
        message: text.to_owned(),
        details: vec![any],
    };
    Status::with_details(code, text, status.encode_to_vec().into())
}

const CHAINCODE_REFUSAL: &str =
    r#"chaincode response 409, {"code":"TAKEN","retryable":false,"message":"it is taken","detail":"Taken"}"#;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl GatewayRpc for Peer {
    async fn evaluate(
        &self,
        request: Request<EvaluateRequest>,
    ) -> Result<Response<EvaluateResponse>, Status> {
        let request = request.into_inner();
        let signed = request.proposed_transaction.unwrap_or_default();
        let (call, ..) = self.unpack(&signed, request.target_organizations)?;
        let function = call.args.first().cloned().unwrap_or_default();
        let payload = call.args.join("|");
        self.state.lock().expect("no panic").evaluated.push(call);
        match function.as_str() {
            "never" => std::future::pending().await,
            "refuse" => {
                let text = format!("evaluate call to endorser returned error: {CHAINCODE_REFUSAL}");
                Err(refused(Code::Unknown, &text, CHAINCODE_REFUSAL))
            }
            "QueryChaincodeDefinition" => Err(refused(
                Code::Unknown,
                "evaluate call to endorser returned error",
                "chaincode response 404, namespace cc is not defined",
            )),
            "CheckCommitReadiness" => {
                let approvals = [("Org1MSP".to_owned(), false), ("Org2MSP".to_owned(), true)];
                let result = fabric_protos::lifecycle::CheckCommitReadinessResult {
                    approvals: approvals.into_iter().collect(),
                    ..Default::default()
                };
                let result = ChaincodeResponse {
                    status: 200,
                    payload: result.encode_to_vec(),
                    ..Default::default()
                };
                Ok(Response::new(EvaluateResponse { result: Some(result) }))
            }
            "GetBlockByNumber" => {
                let block = super::blocks::block(5);
                let result = ChaincodeResponse {
                    status: 200,
                    payload: block.encode_to_vec(),
                    ..Default::default()
                };
                Ok(Response::new(EvaluateResponse { result: Some(result) }))
            }
            "nothing" => Ok(Response::new(EvaluateResponse { result: None })),
            _ => {
                let result = ChaincodeResponse {
                    status: 200,
                    payload: payload.into_bytes(),
                    ..Default::default()
                };
                Ok(Response::new(EvaluateResponse { result: Some(result) }))
            }
        }
    }

    async fn endorse(&self, request: Request<EndorseRequest>) -> Result<Response<EndorseResponse>, Status> {
        if !request.metadata().contains_key("grpc-timeout") {
            return Err(Status::invalid_argument("a call without a deadline"));
        }
        let request = request.into_inner();
        let signed = request.proposed_transaction.unwrap_or_default();
        let (call, header, input) = self.unpack(&signed, request.endorsing_organizations)?;
        let function = call.args.first().cloned().unwrap_or_default();
        let result = call.args.get(1).cloned().unwrap_or_default();
        self.state.lock().expect("no panic").endorsed.push(call);
        if function == "refuse" {
            return Err(refused(
                Code::Aborted,
                "failed to endorse transaction",
                CHAINCODE_REFUSAL,
            ));
        }
        let response = ChaincodeResponse {
            status: 200,
            payload: result.into_bytes(),
            ..Default::default()
        };
        let action = ChaincodeAction {
            response: Some(response),
            ..Default::default()
        };
        let endorsed = ProposalResponsePayload {
            proposal_hash: vec![1],
            extension: action.encode_to_vec(),
        };
        let action = ChaincodeActionPayload {
            chaincode_proposal_payload: ChaincodeProposalPayload {
                input,
                ..Default::default()
            }
            .encode_to_vec(),
            action: Some(ChaincodeEndorsedAction {
                proposal_response_payload: endorsed.encode_to_vec(),
                endorsements: Vec::new(),
            }),
        };
        let action = TransactionAction {
            header: header.signature_header.clone(),
            payload: action.encode_to_vec(),
        };
        let data = Transaction {
            actions: vec![action],
        }
        .encode_to_vec();
        let payload = Payload {
            header: Some(header),
            data,
        }
        .encode_to_vec();
        let envelope = Envelope {
            payload,
            signature: Vec::new(),
        };
        Ok(Response::new(EndorseResponse {
            prepared_transaction: Some(envelope),
        }))
    }

    async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        let envelope = request.into_inner().prepared_transaction.unwrap_or_default();
        self.verify(&envelope.payload, &envelope.signature)?;
        let mut state = self.state.lock().expect("no panic");
        state.submitted.push(envelope);
        let function = state
            .endorsed
            .last()
            .and_then(|call| call.args.first())
            .cloned()
            .unwrap_or_default();
        if function == "no-orderer" {
            return Err(Status::unavailable(
                "no orderers could successfully process transaction",
            ));
        }
        Ok(Response::new(SubmitResponse {}))
    }

    /// `conflict` is valid from the third transaction on.
    async fn commit_status(
        &self,
        request: Request<SignedCommitStatusRequest>,
    ) -> Result<Response<CommitStatusResponse>, Status> {
        let signed = request.into_inner();
        self.verify(&signed.request, &signed.signature)?;
        let question = CommitStatusRequest::decode(signed.request.as_slice())
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        if question.identity != self.identity.serialized() {
            return Err(Status::permission_denied("another identity"));
        }
        let state = self.state.lock().expect("no panic");
        let call = state
            .endorsed
            .iter()
            .find(|call| call.transaction_id == question.transaction_id);
        let function = call
            .and_then(|call| call.args.first())
            .cloned()
            .unwrap_or_default();
        let result = match function.as_str() {
            "conflict" if state.endorsed.len() < 3 => 11,
            "policy" => 10,
            "strange" => 77,
            _ => 0,
        };
        Ok(Response::new(CommitStatusResponse {
            result,
            block_number: 42,
        }))
    }

    type ChaincodeEventsStream = Answers<ChaincodeEventsResponse>;

    /// Two blocks of events; the chaincode `breaking` loses its first connection after the first block.
    async fn chaincode_events(
        &self,
        request: Request<SignedChaincodeEventsRequest>,
    ) -> Result<Response<Self::ChaincodeEventsStream>, Status> {
        let signed = request.into_inner();
        self.verify(&signed.request, &signed.signature)?;
        let request = ChaincodeEventsRequest::decode(signed.request.as_slice())
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let chaincode = request.chaincode_id.clone();
        let mut state = self.state.lock().expect("no panic");
        state.events.push(request);
        let first = state.events.len() == 1;
        drop(state);
        let event = |id: &str| ChaincodeEvent {
            chaincode_id: chaincode.clone(),
            tx_id: id.to_owned(),
            event_name: "happened".to_owned(),
            payload: id.as_bytes().to_vec(),
        };
        let one = ChaincodeEventsResponse {
            events: vec![event("a"), event("b")],
            block_number: 3,
        };
        let two = ChaincodeEventsResponse {
            events: vec![event("c")],
            block_number: 5,
        };
        let items = match (chaincode.as_str(), first) {
            ("breaking", true) => vec![Ok(one), Err(Status::unavailable("the connection was lost"))],
            ("breaking", false) => vec![Ok(two)],
            ("forbidden", _) => return Err(Status::permission_denied("not a reader")),
            _ => vec![Ok(one), Ok(two), Err(Status::internal("broken"))],
        };
        let items = stream::iter(items);
        Ok(Response::new(if chaincode == "breaking" && !first {
            items.chain(stream::pending()).boxed()
        } else {
            items.boxed()
        }))
    }
}

impl Peer {
    /// Blocks from the start to 7, in the given form, then `SUCCESS`; a channel named `secret` is forbidden.
    async fn blocks(
        &self,
        request: Request<Streaming<Envelope>>,
        form: fn(u64) -> Answer,
    ) -> Result<Response<Answers<DeliverResponse>>, Status> {
        let mut envelopes = request.into_inner();
        let envelope = envelopes.message().await?.unwrap_or_default();
        self.verify(&envelope.payload, &envelope.signature)?;
        let broken = |error: prost::DecodeError| Status::invalid_argument(error.to_string());
        let payload = Payload::decode(envelope.payload.as_slice()).map_err(broken)?;
        let header = payload.header.unwrap_or_default();
        let header = ChannelHeader::decode(header.channel_header.as_slice()).map_err(broken)?;
        let seek = SeekInfo::decode(payload.data.as_slice()).map_err(broken)?;
        let own = self.endpoint.client_certificate_hash().expect("a hash");
        if header.tls_cert_hash != own || header.r#type != 5 {
            return Err(Status::invalid_argument("not bound to the connection"));
        }
        let answer = |answer| Ok(DeliverResponse { r#type: Some(answer) });
        if header.channel_id == "secret" {
            let items = stream::iter([answer(Answer::Status(common::Status::Forbidden.into()))]);
            return Ok(Response::new(items.boxed()));
        }
        let start = match seek.start.and_then(|position| position.r#type) {
            Some(fabric_protos::orderer::seek_position::Type::Specified(specified)) => specified.number,
            _ => 7,
        };
        let mut items: Vec<_> = (start..=7).map(form).map(answer).collect();
        items.push(answer(Answer::Status(common::Status::Success.into())));
        Ok(Response::new(stream::iter(items).boxed()))
    }
}

#[tonic::async_trait]
impl Deliver for Peer {
    type DeliverStream = Answers<DeliverResponse>;
    async fn deliver(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::DeliverStream>, Status> {
        self.blocks(request, |number| Answer::Block(super::blocks::block(number)))
            .await
    }

    type DeliverFilteredStream = Answers<DeliverResponse>;
    async fn deliver_filtered(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::DeliverFilteredStream>, Status> {
        self.blocks(request, |number| {
            Answer::FilteredBlock(FilteredBlock {
                number,
                ..Default::default()
            })
        })
        .await
    }

    type DeliverWithPrivateDataStream = Answers<DeliverResponse>;
    async fn deliver_with_private_data(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::DeliverWithPrivateDataStream>, Status> {
        self.blocks(request, |number| {
            let block = Some(super::blocks::block(number));
            Answer::BlockAndPrivateData(BlockAndPrivateData {
                block,
                ..Default::default()
            })
        })
        .await
    }
}

#[tonic::async_trait]
impl Endorser for Peer {
    async fn process_proposal(
        &self,
        request: Request<SignedProposal>,
    ) -> Result<Response<ProposalResponse>, Status> {
        let (call, ..) = self.unpack(request.get_ref(), Vec::new())?;
        if !call.channel.is_empty() {
            return Err(Status::invalid_argument("a channel"));
        }
        let mut state = self.state.lock().expect("no panic");
        let answer = |status, message: &str, payload| {
            let response = ChaincodeResponse {
                status,
                message: message.to_owned(),
                payload,
            };
            Ok(Response::new(ProposalResponse {
                response: Some(response),
                ..Default::default()
            }))
        };
        match call.args.first().map(String::as_str) {
            Some("InstallChaincode") if state.installed.is_empty() => {
                state.installed.push(call.transaction_id);
                let result = fabric_protos::lifecycle::InstallChaincodeResult {
                    package_id: "from-the-peer".to_owned(),
                    label: "l".to_owned(),
                };
                answer(200, "", result.encode_to_vec())
            }
            Some("InstallChaincode") => answer(
                500,
                "failed to invoke backing implementation of 'InstallChaincode': chaincode already successfully installed",
                Vec::new(),
            ),
            Some("GetChannels") => {
                let channels = ["a", "b"].map(|name| peer::ChannelInfo {
                    channel_id: name.to_owned(),
                });
                answer(
                    200,
                    "",
                    peer::ChannelQueryResponse {
                        channels: channels.into(),
                    }
                    .encode_to_vec(),
                )
            }
            _ => answer(500, "access denied", Vec::new()),
        }
    }
}
