//! Transactions as an attacker would make them: taken apart, altered, signed again, and sent past the gateway.

use fabric_gateway_sdk::{Endpoint, Gateway, SigningIdentity, Transaction};
use fabric_node::NetworkSummary;
use fabric_protos::common::{Envelope, Payload, SignatureHeader, Status};
use fabric_protos::gateway::PreparedTransaction;
use fabric_protos::orderer::atomic_broadcast_client::AtomicBroadcastClient;
use fabric_protos::peer;
use prost::Message;
use tokio_stream::StreamExt;
use tonic::transport::Channel;

/// What an orderer answers to what it cannot take.
pub const BAD_REQUEST: i32 = Status::BadRequest as i32;
/// What an orderer answers to those who may not write.
pub const FORBIDDEN: i32 = Status::Forbidden as i32;

/// The transaction with its endorsed action altered. The client signs it when it is submitted: what is tampered with is what others signed.
pub fn with_action(
    gateway: &Gateway,
    transaction: &Transaction,
    edit: &dyn Fn(&mut peer::ChaincodeEndorsedAction),
) -> Transaction {
    let mut payload = Payload::decode(transaction.message()).expect("a payload");
    let mut inner = peer::Transaction::decode(payload.data.as_slice()).expect("a transaction");
    let mut action =
        peer::ChaincodeActionPayload::decode(inner.actions[0].payload.as_slice()).expect("an action");
    edit(action.action.as_mut().expect("an endorsed action"));
    inner.actions[0].payload = action.encode_to_vec();
    payload.data = inner.encode_to_vec();
    let envelope = Envelope {
        payload: payload.encode_to_vec(),
        signature: Vec::new(),
    };
    let prepared = PreparedTransaction {
        transaction_id: transaction.transaction_id().to_owned(),
        envelope: Some(envelope),
    };
    gateway
        .transaction(&prepared.encode_to_vec())
        .expect("still a transaction")
}

/// The envelope with another creator in its header, signed by that creator.
pub fn signed_by(envelope: &Envelope, identity: &SigningIdentity) -> Envelope {
    let mut payload = Payload::decode(envelope.payload.as_slice()).expect("a payload");
    let header = payload.header.as_mut().expect("a header");
    let mut signature_header =
        SignatureHeader::decode(header.signature_header.as_slice()).expect("a signature header");
    signature_header.creator = identity.serialized().to_vec();
    header.signature_header = signature_header.encode_to_vec();
    let payload = payload.encode_to_vec();
    let signature = identity.sign(&payload).expect("a signature");
    Envelope { payload, signature }
}

/// `bytes` with the one occurrence of `from` replaced by `to`, which is as long.
pub fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes
        .windows(from.len())
        .position(|window| window == from)
        .expect("the bytes are there");
    let mut bytes = bytes.to_vec();
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

/// A connection to the ordering node.
pub async fn orderer(summary: &NetworkSummary) -> Channel {
    let orderer = &summary.orderer;
    let endpoint =
        Endpoint::tls_ca_file(orderer.endpoint.to_string(), &orderer.tls_ca).expect("the CA's file");
    endpoint
        .server_name(orderer.host.clone())
        .connect()
        .await
        .expect("the orderer answers")
}

/// Sends an envelope to the ordering node and gives its status and text.
pub async fn broadcast(summary: &NetworkSummary, envelope: Envelope) -> (i32, String) {
    let mut client = AtomicBroadcastClient::new(orderer(summary).await);
    let mut answers = client
        .broadcast(tokio_stream::once(envelope))
        .await
        .expect("a stream")
        .into_inner();
    let answer = answers.next().await.expect("an answer").expect("a status");
    (answer.status, answer.info)
}
