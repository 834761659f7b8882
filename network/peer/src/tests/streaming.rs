//! Over the wire: blocks come from an orderer's stream and go out on deliver streams.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fabric_msp::SigningIdentity;
use fabric_protos::common::{
    Block, ChannelHeader, Envelope, Header, HeaderType, Payload, SignatureHeader, Status as BlockStatus,
};
use fabric_protos::orderer::atomic_broadcast_server::{AtomicBroadcast, AtomicBroadcastServer};
use fabric_protos::orderer::{
    BroadcastResponse, DeliverResponse, SeekInfo, SeekPosition, SeekSpecified, deliver_response,
    seek_position,
};
use fabric_protos::peer::deliver_client::DeliverClient;
use fabric_protos::peer::deliver_response::Type;
use fabric_protos::peer::endorser_client::EndorserClient;
use fabric_protos::peer::filtered_transaction::Data;
use futures::{Stream, StreamExt, stream};
use prost::Message;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::{Request as Rpc, Response, Status, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::testing::{CHANNEL, Net, Request, collections, edited, payload, transient};
use crate::{DeliverService, EndorserService, Peer, PeerConfig, RemoteEndpoint, health_server};

/// An orderer that has some blocks and breaks off after every second one.
#[derive(Clone)]
struct Orderer(Arc<Vec<Block>>);

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl AtomicBroadcast for Orderer {
    type BroadcastStream = Answers<BroadcastResponse>;
    type DeliverStream = Answers<DeliverResponse>;

    async fn broadcast(
        &self,
        _: Rpc<Streaming<Envelope>>,
    ) -> Result<Response<Self::BroadcastStream>, Status> {
        Err(Status::unimplemented("this one only delivers"))
    }

    async fn deliver(
        &self,
        request: Rpc<Streaming<Envelope>>,
    ) -> Result<Response<Self::DeliverStream>, Status> {
        let envelope = request.into_inner().message().await?.expect("a request");
        let payload = Payload::decode(envelope.payload.as_slice()).expect("decodes");
        let seek = SeekInfo::decode(payload.data.as_slice()).expect("decodes");
        let Some(seek_position::Type::Specified(start)) = seek.start.and_then(|start| start.r#type) else {
            panic!("a number")
        };
        let from = usize::try_from(start.number).expect("fits");
        let blocks: Vec<_> = self.0.iter().skip(from).take(2).cloned().collect();
        let answers = blocks.into_iter().map(deliver_response::Type::Block);
        let answers = answers.map(|block| Ok(DeliverResponse { r#type: Some(block) }));
        Ok(Response::new(stream::iter(answers.collect::<Vec<_>>()).boxed()))
    }
}

async fn listen(router: tonic::transport::server::Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    tokio::spawn(router.serve_with_incoming(incoming));
    address
}

async fn serve(peer: &Arc<Peer>) -> tonic::transport::Channel {
    let router = Server::builder()
        .add_service(EndorserService::server(Arc::clone(peer)))
        .add_service(DeliverService::new(peer).server())
        .add_service(health_server());
    let address = listen(router).await;
    RemoteEndpoint {
        address,
        ..RemoteEndpoint::default()
    }
    .connect(Duration::from_secs(30))
    .expect("an address")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_pulls_all_blocks_however_often_the_stream_breaks() {
    let net = Net::deployed(collections(&[])).await;
    for value in ["1", "2", "3"] {
        let envelope = net.endorsed(&["put", "k", value], &[0, 1]).await;
        assert_eq!(net.order([envelope]).await, [0]);
    }
    let blocks: Vec<_> = net
        .channel(0)
        .ledger()
        .iter_from(0)
        .map(|block| block.expect("reads"))
        .collect();
    let blocks = blocks.iter().map(|block| {
        let mut block = Block::clone(block);
        // An orderer knows nothing of codes and commit hashes.
        let slots = &mut block.metadata.as_mut().expect("has metadata").metadata;
        slots.iter_mut().skip(1).for_each(Vec::clear);
        block
    });
    let orderer = Orderer(Arc::new(blocks.collect()));
    let height = orderer.0.len() as u64;
    let address = listen(Server::builder().add_service(AtomicBroadcastServer::new(orderer))).await;

    // Another peer of the first organisation, which first asks an orderer that is not there.
    let config = PeerConfig {
        dir: net.dir.path().join("late"),
        endpoint: RemoteEndpoint {
            address: "late.org1.example.com:7051".into(),
            ..RemoteEndpoint::default()
        },
        orderers: ["127.0.0.1:1".to_owned(), address]
            .map(|address| RemoteEndpoint {
                address,
                ..RemoteEndpoint::default()
            })
            .to_vec(),
        ..net.peers[0].config().clone()
    };
    let config = PeerConfig {
        chaincode: fabric_chaincode_host::HostOptions::new(config.dir.join("packages")),
        ..config
    };
    let late = Peer::open(config, net.network.clone(), net.network.clone()).expect("opens");
    let channel = late.join(&net.genesis).expect("joins");
    channel
        .heights()
        .wait_for(|reached| *reached == height)
        .await
        .expect("is alive");
    assert_eq!(
        channel.ledger().commit_hash(),
        net.channel(0).ledger().commit_hash()
    );
    late.shutdown();
}

fn seek(signer: &SigningIdentity, start: u64, stop: u64) -> Envelope {
    let position = |number| {
        Some(SeekPosition {
            r#type: Some(seek_position::Type::Specified(SeekSpecified { number })),
        })
    };
    let seek = SeekInfo {
        start: position(start),
        stop: position(stop),
        ..SeekInfo::default()
    };
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let channel = ChannelHeader {
        r#type: HeaderType::DeliverSeekInfo as i32,
        channel_id: CHANNEL.to_owned(),
        timestamp: Some(prost_types::Timestamp {
            seconds: i64::try_from(now).expect("fits"),
            nanos: 0,
        }),
        ..ChannelHeader::default()
    };
    let signature = SignatureHeader {
        creator: signer.serialized().to_vec(),
        nonce: vec![1; 24],
    };
    let header = Header {
        channel_header: channel.encode_to_vec(),
        signature_header: signature.encode_to_vec(),
    };
    let payload = Payload {
        header: Some(header),
        data: seek.encode_to_vec(),
    }
    .encode_to_vec();
    Envelope {
        signature: signer.sign(&payload).expect("signs"),
        payload,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deliver_streams_give_each_caller_what_it_may_have() {
    let net = Net::deployed(collections(&[("pair", &["Org1MSP", "Org2MSP"], 1, 1)])).await;
    let event = net.endorsed(&["event", "happened"], &[0, 1]).await;
    let secret = Request::chaincode(&["putp", "pair", "k"]).with(transient("value", "secret value"));
    let secret = secret.endorsed(&net.client(0), &net.peers[..2]).await;
    let number = net.channel(0).height();
    assert_eq!(net.order([event, secret]).await, [0, 0]);
    let mut client = DeliverClient::new(serve(&net.peers[0]).await);

    let request = stream::iter([seek(&net.client(2), number, number)]);
    let mut answers = client.deliver(request).await.expect("is answered").into_inner();
    let Some(Type::Block(block)) = answers.message().await.expect("answers").expect("a block").r#type else {
        panic!("a block")
    };
    assert_eq!(block.header.expect("has a header").number, number);
    let status = answers
        .message()
        .await
        .expect("answers")
        .expect("a status")
        .r#type;
    assert_eq!(status, Some(Type::Status(BlockStatus::Success as i32)));

    let request = stream::iter([seek(&net.client(2), number, number)]);
    let mut answers = client
        .deliver_filtered(request)
        .await
        .expect("is answered")
        .into_inner();
    let Some(Type::FilteredBlock(block)) = answers.message().await.expect("answers").expect("a block").r#type
    else {
        panic!("a filtered block")
    };
    assert_eq!(
        (
            block.channel_id.as_str(),
            block.number,
            block.filtered_transactions.len()
        ),
        (CHANNEL, number, 2)
    );
    let Some(Data::TransactionActions(actions)) = &block.filtered_transactions[0].data else {
        panic!("actions")
    };
    let event = actions.chaincode_actions[0]
        .chaincode_event
        .as_ref()
        .expect("an event");
    assert_eq!((event.event_name.as_str(), event.payload.len()), ("happened", 0));

    for (org, expected) in [(0, 1), (1, 1), (2, 0)] {
        let request = stream::iter([seek(&net.client(org), number, number)]);
        let mut answers = client
            .deliver_with_private_data(request)
            .await
            .expect("is answered")
            .into_inner();
        let answer = answers.message().await.expect("answers").expect("a block").r#type;
        let Some(Type::BlockAndPrivateData(answer)) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(answer.private_data_map.len(), expected, "organisation {org}");
        assert!(answer.block.is_some());
    }

    let request = stream::iter([seek(&net.orderer, number, number)]);
    let mut answers = client.deliver(request).await.expect("is answered").into_inner();
    let status = answers
        .message()
        .await
        .expect("answers")
        .expect("a status")
        .r#type;
    assert_eq!(status, Some(Type::Status(BlockStatus::Forbidden as i32)));
}

#[tokio::test(flavor = "multi_thread")]
async fn proposals_and_health_over_the_wire() {
    let net = Net::deployed(collections(&[])).await;
    let connection = serve(&net.peers[0]).await;
    let mut endorser = EndorserClient::new(connection.clone());
    let signed = Request::chaincode(&["put", "k", "v"]).signed(&net.client(1));
    let response = endorser
        .process_proposal(signed.clone())
        .await
        .expect("is not refused")
        .into_inner();
    assert!(payload(&response).is_empty() && response.endorsement.is_some());
    let mut late = Request::chaincode(&["put", "k", "v"]);
    late.ahead = -3_600;
    let refused = endorser
        .process_proposal(late.signed(&net.client(1)))
        .await
        .expect_err("is refused");
    assert_eq!(refused.code(), tonic::Code::Unknown);
    assert!(
        refused.message().contains("incorrect timestamp"),
        "{}",
        refused.message()
    );
    let health = HealthClient::new(connection)
        .check(HealthCheckRequest::default())
        .await
        .expect("answers");
    assert_eq!(health.into_inner().status, 1);
}

/// What a client gets of a block's private data: the names of the collections.
async fn delivered(
    net: &Net,
    client: &mut DeliverClient<tonic::transport::Channel>,
    org: usize,
    block: u64,
) -> Vec<String> {
    let request = stream::iter([seek(&net.client(org), block, block)]);
    let answers = client
        .deliver_with_private_data(request)
        .await
        .expect("is answered");
    let answer = answers
        .into_inner()
        .message()
        .await
        .expect("answers")
        .expect("a block");
    let Some(Type::BlockAndPrivateData(answer)) = answer.r#type else {
        panic!("{answer:?}")
    };
    assert!(answer.block.is_some(), "everyone gets the block");
    let namespaces = answer.private_data_map.values().flat_map(|set| &set.ns_pvt_rwset);
    let collections = namespaces.flat_map(|namespace| &namespace.collection_pvt_rwset);
    collections
        .map(|collection| collection.collection_name.clone())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn private_data_is_delivered_to_the_members_of_its_time() {
    // Open to reads through the chaincode, which can refuse; the stream does not ask it.
    let open = |members: &[&str]| {
        edited(collections(&[("pair", members, 0, 2)]), |collection| {
            collection.member_only_read = false
        })
    };
    let net = Net::deployed(open(&["Org1MSP", "Org2MSP"])).await;
    let write = async |value: &str| {
        let block = net.channel(0).height();
        let request = Request::chaincode(&["putp", "pair", "k"]).with(transient("value", value));
        let peers = [net.peers[0].clone(), net.peers[1].clone()];
        assert_eq!(
            net.order([request.endorsed(&net.client(0), &peers).await]).await,
            [0]
        );
        block
    };
    let before = write("before").await;
    net.deploy(2, open(&["Org1MSP", "Org3MSP"])).await;
    let after = write("after").await;
    let mut client = DeliverClient::new(serve(&net.peers[0]).await);
    let mut got = Vec::new();
    for org in 0..3 {
        let (before, after) = (
            delivered(&net, &mut client, org, before).await,
            delivered(&net, &mut client, org, after).await,
        );
        got.push((before.len(), after.len()));
    }
    assert_eq!(got, [(1, 1), (1, 0), (0, 1)]);
    // An organisation's own collection, in the block of its own approval.
    let block = (1..net.channel(0).height())
        .find(|block| {
            !net.channel(0)
                .ledger()
                .private_data(*block)
                .expect("reads")
                .is_empty()
        })
        .expect("the first organisation approved");
    assert_eq!(
        delivered(&net, &mut client, 0, block).await,
        ["_implicit_org_Org1MSP"]
    );
    assert_eq!(delivered(&net, &mut client, 1, block).await, [""; 0]);
}
