//! Clients of a running network.

use fabric_gateway_sdk::{
    ChaincodeDefinition, ChaincodePackage, CollectionConfig, Contract, Deployer, Endpoint, Gateway,
    PeerAdmin, deploy,
};
use fabric_msp::SigningIdentity;
use fabric_node::{Network, NetworkConfig, PeerSummary};
use fabric_protos::common::{Envelope, Status};
use fabric_protos::orderer::BroadcastResponse;
use fabric_protos::orderer::atomic_broadcast_client::AtomicBroadcastClient;

use crate::chaincode::notes;

/// The health consortium on free ports with the chaincode `notes` registered, not deployed.
pub fn health() -> NetworkConfig {
    NetworkConfig::health()
        .with_free_ports()
        .with_chaincode("notes", notes())
}

/// A TLS connection to a member's first peer.
pub async fn connect(network: &Network, msp_id: &str) -> tonic::transport::Channel {
    let member = network.summary().organisation(msp_id).expect("a member");
    connect_to(&member.peers[0]).await
}

async fn connect_to(peer: &PeerSummary) -> tonic::transport::Channel {
    let endpoint = Endpoint::tls_ca_file(peer.endpoint.to_string(), &peer.tls_ca).expect("the CA's file");
    endpoint
        .server_name(&peer.host)
        .connect()
        .await
        .expect("connects")
}

/// A gateway client of a member's user at its own peer.
pub async fn gateway(network: &Network, msp_id: &str, user: &str) -> Gateway {
    let identity = network.user(msp_id, user).expect("a user");
    Gateway::builder(connect(network, msp_id).await)
        .identity(identity)
        .connect()
}

/// The contract for a member's `User1`.
pub async fn contract(network: &Network, msp_id: &str) -> Contract {
    gateway(network, msp_id, "User1")
        .await
        .network(network.channel())
        .contract("notes")
}

/// Deploys `notes` on all members' peers; `secrets` belongs to hospital and regulator.
pub async fn deploy_notes(network: &Network) {
    let package = ChaincodePackage::in_process("notes_1", "notes").expect("a package");
    let secrets = CollectionConfig::new("secrets", ["HospitalMSP", "RegulatorMSP"])
        .endorsement_policy("OR('HospitalMSP.peer', 'RegulatorMSP.peer')");
    let definition = ChaincodeDefinition::new("notes", "1")
        .collection(&secrets)
        .expect("a definition");
    let mut deployers = Vec::new();
    for member in &network.summary().organisations {
        let admin = network.user(&member.msp_id, "Admin").expect("an administrator");
        let mut deployer = Deployer::new(gateway(network, &member.msp_id, "Admin").await, package.clone());
        for peer in &member.peers[1..] {
            let gateway = Gateway::builder(connect_to(peer).await).identity(admin.clone());
            deployer = deployer.also_on(PeerAdmin::new(gateway.connect()));
        }
        deployers.push(deployer);
    }
    deploy(network.channel(), &definition, &deployers)
        .await
        .expect("deployed");
}

/// One message to the orderer, over TLS.
pub async fn broadcast(network: &Network, message: Envelope) -> BroadcastResponse {
    let orderer = &network.summary().orderer;
    let endpoint =
        Endpoint::tls_ca_file(orderer.endpoint.to_string(), &orderer.tls_ca).expect("the CA's file");
    let channel = endpoint
        .server_name(&orderer.host)
        .connect()
        .await
        .expect("connects");
    let mut client =
        AtomicBroadcastClient::new(channel).max_encoding_message_size(fabric_protos::MAX_MESSAGE_SIZE);
    let mut answers = client
        .broadcast(futures::stream::iter([message]))
        .await
        .expect("a stream")
        .into_inner();
    answers.message().await.expect("an answer").expect("open")
}

/// A message of `signer` that the orderer orders without looking into it.
pub fn message(channel_id: &str, signer: &SigningIdentity) -> Envelope {
    sized_message(channel_id, signer, 0)
}

/// The same with so many bytes in it.
pub fn sized_message(channel_id: &str, signer: &SigningIdentity, bytes: usize) -> Envelope {
    use fabric_protos::common::{ChannelHeader, Header, HeaderType, Payload, SignatureHeader};
    use prost::Message;
    let channel_header = ChannelHeader {
        r#type: HeaderType::EndorserTransaction as i32,
        channel_id: channel_id.to_owned(),
        timestamp: Some(std::time::SystemTime::now().into()),
        ..ChannelHeader::default()
    };
    let signature_header = SignatureHeader {
        creator: signer.serialized().to_vec(),
        nonce: vec![1; 24],
    };
    let header = Header {
        channel_header: channel_header.encode_to_vec(),
        signature_header: signature_header.encode_to_vec(),
    };
    let payload = Payload {
        header: Some(header),
        data: vec![0; bytes],
    }
    .encode_to_vec();
    let signature = signer.sign(&payload).expect("signature");
    Envelope { payload, signature }
}

/// The status of a broadcast answer.
pub fn status(answer: &BroadcastResponse) -> Status {
    Status::try_from(answer.status).expect("a known status")
}

/// Waits until a member's first peer has `height` blocks or more.
pub async fn height(network: &Network, msp_id: &str, height: u64) {
    height_at(network, msp_id, 0, height).await;
}

/// Waits until one of a member's peers has `height` blocks or more.
pub async fn height_at(network: &Network, msp_id: &str, index: usize, height: u64) {
    let channel = network
        .peer_at(msp_id, index)
        .expect("a peer")
        .channel(network.channel())
        .expect("the channel");
    let mut heights = channel.heights();
    let reached = heights.wait_for(|now| *now >= height);
    tokio::time::timeout(std::time::Duration::from_secs(60), reached)
        .await
        .expect("in time")
        .expect("runs");
}
