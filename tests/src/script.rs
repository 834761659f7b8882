//! A chaincode that does what its arguments say, message by message: whatever the chaincode stream can carry, a test can send.
//!
//! Each argument after the first is a `ChaincodeMessage`, of which type and payload (and event) count. They are sent in turn, and every answer of the peer goes into
//! the response, so that even a refusal's text becomes part of what is endorsed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;

use fabric_chaincode_host::InProcess;
use fabric_protos::MAX_MESSAGE_SIZE;
use fabric_protos::peer::chaincode_message::Type;
use fabric_protos::peer::chaincode_server::{Chaincode, ChaincodeServer};
use fabric_protos::peer::{self, ChaincodeMessage};
use futures::{FutureExt, Stream, StreamExt};
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

/// Messages that may wait on a stream.
const BUFFER: usize = 64;

/// One argument: a message of this kind.
pub fn step(kind: Type, message: &impl Message) -> Vec<u8> {
    let message = ChaincodeMessage {
        r#type: kind.into(),
        payload: message.encode_to_vec(),
        ..ChaincodeMessage::default()
    };
    message.encode_to_vec()
}

/// The last argument, where the transaction shall end with another status than 200, with a text or with an event.
pub fn ending(status: i32, message: &str, event: Option<(&str, &[u8])>) -> Vec<u8> {
    let response = peer::Response {
        status,
        message: message.to_owned(),
        payload: Vec::new(),
    };
    let event = event.map(|(name, payload)| peer::ChaincodeEvent {
        event_name: name.to_owned(),
        payload: payload.to_vec(),
        ..peer::ChaincodeEvent::default()
    });
    let message = ChaincodeMessage {
        r#type: Type::Completed.into(),
        payload: response.encode_to_vec(),
        chaincode_event: event,
        ..ChaincodeMessage::default()
    };
    message.encode_to_vec()
}

/// The last argument, where the chaincode shall break off with ERROR.
pub fn failing(text: &str) -> Vec<u8> {
    let message = ChaincodeMessage {
        r#type: Type::Error.into(),
        payload: text.as_bytes().to_vec(),
        ..ChaincodeMessage::default()
    };
    message.encode_to_vec()
}

/// The peer's answers in a response's payload.
pub fn answers(mut payload: &[u8]) -> Vec<ChaincodeMessage> {
    std::iter::from_fn(|| {
        (!payload.is_empty())
            .then(|| ChaincodeMessage::decode_length_delimited(&mut payload).expect("an answer"))
    })
    .collect()
}

/// The chaincode for the peers of this process.
pub fn in_process() -> InProcess {
    InProcess::new(|from_peer, to_peer| {
        session(
            "script".to_owned(),
            ReceiverStream::new(from_peer).map(Ok),
            to_peer,
        )
        .boxed()
    })
}

/// Serves the chaincode, under the id that a package has, to all peers that connect; until the runtime ends.
pub async fn serve(address: SocketAddr, package_id: &str) -> SocketAddr {
    let listener = TcpListener::bind(address)
        .await
        .expect("the chaincode's port is free");
    let bound = listener.local_addr().expect("it has an address");
    let service = ChaincodeServer::new(Service(package_id.to_owned()))
        .max_decoding_message_size(MAX_MESSAGE_SIZE)
        .max_encoding_message_size(MAX_MESSAGE_SIZE);
    let server = tonic::transport::Server::builder()
        .add_service(service)
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
    tokio::spawn(server);
    bound
}

struct Service(String);

#[tonic::async_trait]
impl Chaincode for Service {
    type ConnectStream = Pin<Box<dyn Stream<Item = Result<ChaincodeMessage, Status>> + Send>>;

    async fn connect(
        &self,
        request: Request<Streaming<ChaincodeMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let (outbound, to_peer) = mpsc::channel(BUFFER);
        tokio::spawn(session(self.0.clone(), request.into_inner(), outbound));
        Ok(Response::new(Box::pin(ReceiverStream::new(to_peer).map(Ok))))
    }
}

/// One stream to its end.
async fn session(
    package_id: String,
    mut inbound: impl Stream<Item = Result<ChaincodeMessage, Status>> + Unpin,
    outbound: mpsc::Sender<ChaincodeMessage>,
) {
    let name = peer::ChaincodeId {
        name: package_id,
        ..peer::ChaincodeId::default()
    };
    let register = ChaincodeMessage {
        r#type: Type::Register.into(),
        payload: name.encode_to_vec(),
        ..ChaincodeMessage::default()
    };
    if outbound.send(register).await.is_err() {
        return;
    }
    let mut running: BTreeMap<(String, String), mpsc::Sender<ChaincodeMessage>> = BTreeMap::new();
    while let Some(Ok(message)) = inbound.next().await {
        let key = (message.channel_id.clone(), message.txid.clone());
        match message.r#type() {
            Type::Init | Type::Transaction => {
                let (to_transaction, answers) = mpsc::channel(BUFFER);
                running.insert(key, to_transaction);
                tokio::spawn(play(message, answers, outbound.clone()));
            }
            Type::Response | Type::Error => {
                if let Some(transaction) = running.get(&key) {
                    // A transaction that is over takes no more answers.
                    let _ = transaction.send(message).await;
                }
            }
            _ => {}
        }
    }
}

/// One transaction.
async fn play(
    call: ChaincodeMessage,
    mut from_peer: mpsc::Receiver<ChaincodeMessage>,
    outbound: mpsc::Sender<ChaincodeMessage>,
) {
    let input = peer::ChaincodeInput::decode(call.payload.as_slice()).unwrap_or_default();
    let mut recorded = Vec::new();
    let mut iterator = String::new();
    let mut end = None;
    for arg in input.args.iter().skip(1) {
        let Ok(mut step) = ChaincodeMessage::decode(arg.as_slice()) else {
            end = ChaincodeMessage::decode(failing("an argument is no message").as_slice()).ok();
            break;
        };
        let kind = step.r#type();
        if matches!(kind, Type::Completed | Type::Error) {
            end = Some(step);
            break;
        }
        if matches!(kind, Type::QueryStateNext | Type::QueryStateClose) && step.payload.is_empty() {
            step.payload = peer::QueryStateNext { id: iterator.clone() }.encode_to_vec();
        }
        step.txid.clone_from(&call.txid);
        step.channel_id.clone_from(&call.channel_id);
        if outbound.send(step).await.is_err() {
            return;
        }
        let Some(answer) = from_peer.recv().await else {
            return;
        };
        without_id(kind, answer, &mut iterator)
            .encode_length_delimited(&mut recorded)
            .expect("a vector grows");
    }
    let success = ending(200, "", None);
    let mut end = end.unwrap_or_else(|| ChaincodeMessage::decode(success.as_slice()).expect("just encoded"));
    if end.r#type() == Type::Completed {
        let mut response = peer::Response::decode(end.payload.as_slice()).unwrap_or_default();
        response.payload = recorded;
        end.payload = response.encode_to_vec();
    }
    end.txid = call.txid;
    end.channel_id = call.channel_id;
    // If nobody waits any more, nobody misses it.
    let _ = outbound.send(end).await;
}

/// Type and payload of an answer; without a query's id, which every peer draws by lot.
fn without_id(asked: Type, answer: ChaincodeMessage, iterator: &mut String) -> ChaincodeMessage {
    let mut payload = answer.payload;
    let query = matches!(
        asked,
        Type::GetStateByRange
            | Type::GetQueryResult
            | Type::GetHistoryForKey
            | Type::QueryStateNext
            | Type::QueryStateClose
    );
    if query
        && answer.r#type == i32::from(Type::Response)
        && let Ok(mut response) = peer::QueryResponse::decode(payload.as_slice())
    {
        *iterator = std::mem::take(&mut response.id);
        payload = response.encode_to_vec();
    }
    ChaincodeMessage {
        r#type: answer.r#type,
        payload,
        ..ChaincodeMessage::default()
    }
}
