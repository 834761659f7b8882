//! What is refused, with which status and words, and the service over a socket.

use std::time::Duration;

use fabric_protos::common::{Envelope, HeaderType, Status};
use fabric_protos::orderer::atomic_broadcast_client::AtomicBroadcastClient;
use fabric_protos::orderer::deliver_response::Type;
use fabric_protos::orderer::seek_position::Type as Position;
use fabric_protos::orderer::{SeekInfo, SeekOldest, SeekPosition, SeekSpecified};
use prost::Message;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Endpoint, Server};

use super::world::{CHANNEL, World, contents, envelope, height};
use crate::Rejection;

async fn refusal(world: &World, message: Envelope) -> (Status, String) {
    let orderer = world.start();
    let rejection = orderer.broadcast(message).await.expect_err("refused");
    assert_eq!(orderer.channels()[0].height, 1, "nothing was ordered");
    orderer.close().await;
    std::fs::remove_dir_all(world.dir()).expect("removed");
    (rejection.status(), rejection.to_string())
}

#[tokio::test]
async fn status_and_words_are_fabrics() {
    let world = World::new();
    let bad = |text: &str| (Status::BadRequest, text.to_owned());
    let of = |kind, channel| envelope(kind, channel, b"x", &world.user);
    let empty = Envelope::default();
    assert_eq!(
        refusal(&world, empty).await,
        bad("could not determine channel ID: header not set")
    );
    let other = of(HeaderType::EndorserTransaction, "other");
    assert_eq!(refusal(&world, other).await, bad("channel does not exist"));
    let config = of(HeaderType::Config, CHANNEL);
    assert_eq!(
        refusal(&world, config).await,
        bad("message is of type that cannot be processed directly")
    );
    let old = of(HeaderType::OrdererTransaction, CHANNEL);
    assert_eq!(
        refusal(&world, old).await,
        bad("message is of type that is no longer supported")
    );

    let (status, text) = refusal(
        &world,
        Envelope {
            payload: vec![0xff; 3],
            signature: Vec::new(),
        },
    )
    .await;
    assert_eq!(status, Status::BadRequest);
    assert!(
        text.starts_with("could not determine channel ID: error unmarshalling Payload"),
        "{text}"
    );
}

#[tokio::test]
async fn strangers_forgers_and_the_expired_are_refused() {
    let world = World::new();
    let stranger = envelope(HeaderType::EndorserTransaction, CHANNEL, b"x", &world.stranger);
    let (status, text) = refusal(&world, stranger).await;
    assert_eq!(status, Status::Forbidden);
    assert!(text.ends_with(": permission denied"), "{text}");

    let mut forged = world.message(b"x");
    forged.signature = world.stranger.sign(&forged.payload).expect("signature");
    assert_eq!(refusal(&world, forged).await.0, Status::Forbidden);

    let old = world.member.user_identity("old").expect("expired user");
    let late = envelope(HeaderType::EndorserTransaction, CHANNEL, b"x", &old);
    assert_eq!(
        refusal(&world, late).await,
        (Status::BadRequest, "broadcast client identity expired".to_owned())
    );

    // A peer may read a channel but not write to it.
    let peer = world.member.node_identity("peer0").expect("peer");
    let from_peer = envelope(HeaderType::EndorserTransaction, CHANNEL, b"x", &peer);
    assert_eq!(refusal(&world, from_peer).await.0, Status::Forbidden);
}

#[tokio::test]
async fn the_absolute_limit_is_to_the_byte() {
    let base = World::new().message(b"").encoded_len();
    let world = World::with(|spec| {
        spec.orderer.batch_size.absolute_max_bytes = u32::try_from(base).expect("small") + 200;
        spec.orderer.batch_size.preferred_max_bytes = 1;
    });
    let (status, text) = refusal(&world, world.message(&vec![0; 400])).await;
    assert_eq!(status, Status::BadRequest);
    assert!(
        text.starts_with("message payload is ") && text.contains("exceeds maximum allowed"),
        "{text}"
    );
    let orderer = world.start();
    orderer.broadcast(world.message(&[0; 100])).await.expect("fits");
}

#[test]
fn a_stopped_chain_is_unavailable() {
    assert_eq!(
        Rejection::Stopped(CHANNEL.into()).status(),
        Status::ServiceUnavailable
    );
    assert_eq!(Rejection::Maintenance.status(), Status::ServiceUnavailable);
}

#[tokio::test]
async fn over_a_socket() {
    let world = World::new();
    let orderer = world.start();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(
        Server::builder()
            .add_service(orderer.service())
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let channel = Endpoint::from_shared(format!("http://{address}"))
        .expect("an address")
        .connect()
        .await
        .expect("connects");
    let mut client = AtomicBroadcastClient::new(channel);

    // Two good ones, a bad one, and one that is not looked at any more.
    let mut bad = world.message(b"bad");
    bad.signature.clear();
    let messages = vec![
        world.message(b"one"),
        world.message(b"two"),
        bad,
        world.message(b"three"),
    ];
    let mut answers = client
        .broadcast(futures::stream::iter(messages))
        .await
        .expect("a stream")
        .into_inner();
    let mut statuses = Vec::new();
    while let Some(answer) = answers.message().await.expect("an answer") {
        statuses.push(answer.status());
    }
    assert_eq!(statuses, [Status::Success, Status::Success, Status::Forbidden]);

    let position = |kind| Some(SeekPosition { r#type: Some(kind) });
    let seek = SeekInfo {
        start: position(Position::Oldest(SeekOldest {})),
        stop: position(Position::Specified(SeekSpecified { number: u64::MAX })),
        ..SeekInfo::default()
    };
    let request = envelope(
        HeaderType::DeliverSeekInfo,
        CHANNEL,
        &seek.encode_to_vec(),
        &world.user,
    );
    let open =
        futures::stream::StreamExt::chain(futures::stream::iter([request]), futures::stream::pending());
    let mut blocks = client.deliver(open).await.expect("a stream").into_inner();
    let mut seen = Vec::new();
    let mut number = 0;
    while seen.len() < 2 {
        let Some(Type::Block(block)) = blocks.message().await.expect("an answer").expect("open").r#type
        else {
            panic!("a block");
        };
        assert_eq!(block.header.as_ref().expect("a header").number, number);
        if number > 0 {
            seen.extend(contents(&block));
        }
        number += 1;
    }
    assert_eq!(seen, [b"one", b"two"]);
    tokio::time::timeout(Duration::from_secs(30), orderer.close())
        .await
        .expect("closes with open streams");
    assert_eq!(
        blocks.message().await.expect_err("ended").code(),
        tonic::Code::Unavailable
    );
}

#[tokio::test]
async fn deliver_is_for_readers() {
    let world = World::new();
    let orderer = world.start();
    orderer.broadcast(world.message(b"x")).await.expect("taken");
    height(&orderer, 2).await;
    let service = orderer.service();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(
        Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let channel = Endpoint::from_shared(format!("http://{address}"))
        .expect("an address")
        .connect_lazy();
    let position = |kind| Some(SeekPosition { r#type: Some(kind) });
    let seek = SeekInfo {
        start: position(Position::Oldest(SeekOldest {})),
        stop: position(Position::Oldest(SeekOldest {})),
        ..SeekInfo::default()
    };
    let request = envelope(
        HeaderType::DeliverSeekInfo,
        CHANNEL,
        &seek.encode_to_vec(),
        &world.stranger,
    );
    let mut client = AtomicBroadcastClient::new(channel);
    let mut answers = client
        .deliver(futures::stream::iter([request]))
        .await
        .expect("a stream")
        .into_inner();
    let answer = answers.message().await.expect("an answer").expect("open");
    assert_eq!(answer.r#type, Some(Type::Status(Status::Forbidden as i32)));
    assert_eq!(answers.message().await.expect("the end"), None);
}
