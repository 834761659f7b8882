//! Whole calls: real certificates, a real configuration, a chain in memory.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fabric_channel::{Bundle, ChannelSpec, ConsenterSpec, OrdererSpec, OrgSpec, genesis_block};
use fabric_msp::SigningIdentity;
use fabric_msp::cryptogen::{self, OrgSpec as Tree, UserSpec};
use fabric_protos::common::{
    Block, BlockData, BlockHeader, ChannelHeader, Envelope, Header, HeaderType, Payload, SignatureHeader,
    Status,
};
use fabric_protos::orderer::seek_info::{SeekBehavior, SeekContentType};
use fabric_protos::orderer::seek_position::Type;
use fabric_protos::orderer::{SeekInfo, SeekNewest, SeekOldest, SeekPosition, SeekSpecified};
use futures::StreamExt;
use prost::Message;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use crate::{Chain, ChainError, Chains, Deliver, DeliverOptions, Delivery, Responder, ResponseStream};

const CHANNEL: &str = "health";

/// What a test's responder answers.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Block {
        number: u64,
        transactions: Option<usize>,
    },
    Status(Status),
}

struct Plain(&'static str);

impl Responder for Plain {
    type Response = Answer;

    fn policy(&self, _: &Bundle) -> String {
        self.0.to_owned()
    }

    fn status(&self, status: Status) -> Answer {
        Answer::Status(status)
    }

    fn block(&self, delivery: Delivery<'_>) -> Result<Answer, tonic::Status> {
        let number = delivery.block.header.as_ref().expect("a header").number;
        if number == 666 {
            return Err(tonic::Status::data_loss("the caller's own check failed"));
        }
        Ok(Answer::Block {
            number,
            transactions: delivery.block.data.as_ref().map(|data| data.data.len()),
        })
    }
}

#[derive(Debug)]
struct Memory {
    bundle: Mutex<Arc<Bundle>>,
    genesis: Arc<Block>,
    height: watch::Sender<u64>,
}

impl Chain for Memory {
    fn bundle(&self) -> Arc<Bundle> {
        Arc::clone(&self.bundle.lock().expect("not poisoned"))
    }

    fn height(&self) -> watch::Receiver<u64> {
        self.height.subscribe()
    }

    fn read(&self, number: u64) -> Result<Arc<Block>, ChainError> {
        match number {
            0 => Ok(Arc::clone(&self.genesis)),
            13 => Err(ChainError {
                number,
                source: "the disk is gone".into(),
            }),
            _ => Ok(Arc::new(Block {
                header: Some(BlockHeader {
                    number,
                    ..BlockHeader::default()
                }),
                data: Some(BlockData {
                    data: vec![vec![1, 2, 3]; 2],
                }),
                metadata: None,
            })),
        }
    }
}

struct One(Arc<Memory>);

impl Chains for One {
    fn chain(&self, channel_id: &str) -> Option<Arc<dyn Chain>> {
        (channel_id == CHANNEL).then(|| Arc::clone(&self.0) as Arc<dyn Chain>)
    }
}

struct World {
    chain: Arc<Memory>,
    deliver: Deliver,
    user: SigningIdentity,
    expired: SigningIdentity,
    stranger: SigningIdentity,
    genesis_without_clients: Bundle,
}

/// A channel of one organisation with `height` blocks.
fn world(height: u64) -> World {
    world_with(height, DeliverOptions::default())
}

fn world_with(height: u64, options: DeliverOptions) -> World {
    let temp = tempfile::tempdir().expect("temporary directory");
    let mut org = Tree::peers("a.example.com", "AMSP");
    let mut old = UserSpec::client("old@a.example.com");
    (old.not_before, old.not_after) = (Some(1_600_000_000), Some(1_600_086_400));
    org.users.push(old);
    let specs = [
        org,
        Tree::orderers("example.com", "OrdererMSP"),
        Tree::peers("b.example.com", "BMSP"),
    ];
    let trees = cryptogen::generate(temp.path(), &specs, None).expect("material");

    let spec = |readers: Option<&str>| {
        let certificate = trees[1].node_tls("orderer").expect("TLS").certificate_pem;
        let consenter = ConsenterSpec {
            host: "orderer.example.com".into(),
            port: 7050,
            client_tls_certificate: certificate.clone(),
            server_tls_certificate: certificate,
        };
        let mut member = OrgSpec::new(trees[0].msp_config().expect("MSP"));
        member
            .policies
            .extend(readers.map(|text| ("Readers".to_owned(), text.to_owned())));
        let orderer = OrdererSpec::new(trees[1].msp_config().expect("MSP"), Vec::new(), vec![consenter]);
        genesis_block(&ChannelSpec::new(CHANNEL, vec![member], orderer)).expect("genesis block")
    };
    let genesis = spec(None);
    let bundle = Arc::new(Bundle::from_block(&genesis).expect("bundle"));
    let peers_only = spec(Some("OR('AMSP.peer')"));
    let mut config = Bundle::from_block(&peers_only).expect("bundle").config().clone();
    config.sequence = 1;

    let height = watch::Sender::new(height);
    let chain = Arc::new(Memory {
        bundle: Mutex::new(bundle),
        genesis: Arc::new(genesis),
        height,
    });
    World {
        deliver: Deliver::new(Arc::new(One(Arc::clone(&chain))), options),
        chain,
        user: trees[0].user_identity("User1").expect("user"),
        expired: trees[0].user_identity("old").expect("expired user"),
        stranger: trees[2].user_identity("User1").expect("stranger"),
        genesis_without_clients: Bundle::from_config(CHANNEL, config).expect("bundle"),
    }
}

fn at(number: u64) -> Type {
    Type::Specified(SeekSpecified { number })
}

fn seek(start: Type, stop: Type) -> SeekInfo {
    let position = |kind| Some(SeekPosition { r#type: Some(kind) });
    SeekInfo {
        start: position(start),
        stop: position(stop),
        ..SeekInfo::default()
    }
}

fn request(info: &SeekInfo, signer: &SigningIdentity) -> Envelope {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs() as i64;
    request_at(info, signer, CHANNEL, Some(now), Vec::new())
}

fn request_at(
    info: &SeekInfo,
    signer: &SigningIdentity,
    channel_id: &str,
    seconds: Option<i64>,
    tls_cert_hash: Vec<u8>,
) -> Envelope {
    let channel_header = ChannelHeader {
        r#type: HeaderType::DeliverSeekInfo as i32,
        channel_id: channel_id.to_owned(),
        timestamp: seconds.map(|seconds| prost_types::Timestamp { seconds, nanos: 0 }),
        tls_cert_hash,
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
        data: info.encode_to_vec(),
    }
    .encode_to_vec();
    let signature = signer.sign(&payload).expect("signature");
    Envelope { payload, signature }
}

impl World {
    /// A call that stays open after these requests.
    fn call(
        &self,
        requests: Vec<Envelope>,
    ) -> (
        ResponseStream<Answer>,
        mpsc::Sender<Result<Envelope, tonic::Status>>,
    ) {
        let (sender, receiver) = mpsc::channel(8);
        for request in requests {
            sender.try_send(Ok(request)).expect("room");
        }
        (
            self.deliver
                .serve(Plain("/Channel/Readers"), ReceiverStream::new(receiver), None),
            sender,
        )
    }

    /// All answers to one request.
    async fn all(&self, request: Envelope) -> Vec<Answer> {
        let (stream, sender) = self.call(vec![request]);
        drop(sender);
        stream.map(|answer| answer.expect("no error")).collect().await
    }

    async fn refusal(&self, request: Envelope) -> Status {
        match self.all(request).await.as_slice() {
            [Answer::Status(status)] => *status,
            other => panic!("expected one status, got {other:?}"),
        }
    }
}

fn block(number: u64) -> Answer {
    Answer::Block {
        number,
        transactions: Some(if number == 0 { 1 } else { 2 }),
    }
}

#[tokio::test]
async fn blocks_then_a_status_then_the_next_request() {
    let world = world(5);
    let first = request(&seek(at(1), at(3)), &world.user);
    let second = request(
        &seek(Type::Newest(SeekNewest {}), Type::Newest(SeekNewest {})),
        &world.user,
    );
    let (stream, sender) = world.call(vec![first, second]);
    drop(sender);
    let answers: Vec<_> = stream.map(|answer| answer.expect("no error")).collect().await;
    let success = || Answer::Status(Status::Success);
    assert_eq!(
        answers,
        [block(1), block(2), block(3), success(), block(4), success()]
    );
}

#[tokio::test]
async fn waits_for_blocks_to_come() {
    let world = world(1);
    let (mut stream, _sender) = world.call(vec![request(
        &seek(Type::Oldest(SeekOldest {}), at(u64::MAX)),
        &world.user,
    )]);
    assert_eq!(stream.next().await.expect("open").expect("a block"), block(0));
    world.chain.height.send_replace(3);
    assert_eq!(stream.next().await.expect("open").expect("a block"), block(1));
    assert_eq!(stream.next().await.expect("open").expect("a block"), block(2));
}

#[tokio::test]
async fn may_be_told_not_to_wait() {
    let world = world(2);
    let info = SeekInfo {
        behavior: SeekBehavior::FailIfNotReady as i32,
        ..seek(at(1), at(2))
    };
    let answers = world.all(request(&info, &world.user)).await;
    assert_eq!(answers, [block(1), Answer::Status(Status::NotFound)]);
}

#[tokio::test]
async fn headers_come_without_data_but_for_configurations() {
    let world = world(2);
    let info = SeekInfo {
        content_type: SeekContentType::HeaderWithSig as i32,
        ..seek(at(0), at(1))
    };
    let answers = world.all(request(&info, &world.user)).await;
    let bare = Answer::Block {
        number: 1,
        transactions: None,
    };
    assert_eq!(answers, [block(0), bare, Answer::Status(Status::Success)]);
}

#[tokio::test]
async fn malformed_requests_are_bad() {
    let world = world(2);
    let info = seek(at(0), at(1));
    let bad = [
        Envelope {
            payload: vec![0xff; 9],
            signature: Vec::new(),
        },
        Envelope::default(),
        request_at(&info, &world.user, CHANNEL, None, Vec::new()),
        request(&seek(at(1), at(0)), &world.user),
        request(&SeekInfo::default(), &world.user),
    ];
    for request in bad {
        assert_eq!(world.refusal(request).await, Status::BadRequest);
    }
}

#[tokio::test]
async fn the_clock_must_agree() {
    let world = world(1);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs() as i64;
    let info = seek(at(0), at(0));
    for (offset, within) in [(-800, true), (800, true), (-1_000, false), (1_000, false)] {
        let request = request_at(&info, &world.user, CHANNEL, Some(now + offset), Vec::new());
        assert_eq!(
            world.all(request).await.len(),
            if within { 2 } else { 1 },
            "{offset}"
        );
    }
    for seconds in [i64::MIN, i64::MAX] {
        let request = request_at(&info, &world.user, CHANNEL, Some(seconds), Vec::new());
        assert_eq!(world.refusal(request).await, Status::BadRequest);
    }
}

#[tokio::test]
async fn other_channels_are_not_found_before_anything_is_checked() {
    let world = world(1);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs() as i64;
    let request = request_at(
        &seek(at(0), at(0)),
        &world.stranger,
        "other",
        Some(now),
        Vec::new(),
    );
    assert_eq!(world.refusal(request).await, Status::NotFound);
}

#[tokio::test]
async fn strangers_forgers_and_the_expired_are_forbidden() {
    let world = world(1);
    let info = seek(at(0), at(0));
    assert_eq!(
        world.refusal(request(&info, &world.stranger)).await,
        Status::Forbidden
    );
    assert_eq!(
        world.refusal(request(&info, &world.expired)).await,
        Status::Forbidden
    );
    let mut forged = request(&info, &world.user);
    forged.signature = world.stranger.sign(&forged.payload).expect("signature");
    assert_eq!(world.refusal(forged).await, Status::Forbidden);
}

#[tokio::test]
async fn a_new_configuration_is_obeyed_between_blocks() {
    let world = world(1);
    let (mut stream, _sender) = world.call(vec![request(&seek(at(0), at(9)), &world.user)]);
    assert_eq!(stream.next().await.expect("open").expect("a block"), block(0));
    let peers_only =
        Bundle::from_config(CHANNEL, world.genesis_without_clients.config().clone()).expect("bundle");
    *world.chain.bundle.lock().expect("not poisoned") = Arc::new(peers_only);
    world.chain.height.send_replace(2);
    let next = stream.next().await.expect("open").expect("an answer");
    assert_eq!(next, Answer::Status(Status::Forbidden));
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn mutual_tls_binds_the_request_to_the_certificate() {
    let world = world_with(
        1,
        DeliverOptions {
            mutual_tls: true,
            ..DeliverOptions::default()
        },
    );
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs() as i64;
    let mut answers = Vec::new();
    for (claimed, actual) in [
        (vec![7], Some(vec![7])),
        (vec![7], Some(vec![8])),
        (vec![7], None),
        (vec![], Some(vec![7])),
    ] {
        let request = request_at(&seek(at(0), at(0)), &world.user, CHANNEL, Some(now), claimed);
        let requests = futures::stream::iter([Ok(request)]);
        let stream = world.deliver.serve(Plain("/Channel/Readers"), requests, actual);
        answers.push(
            stream
                .map(|answer| answer.expect("no error"))
                .collect::<Vec<_>>()
                .await,
        );
    }
    assert_eq!(answers[0], [block(0), Answer::Status(Status::Success)]);
    for refused in &answers[1..] {
        assert_eq!(*refused, [Answer::Status(Status::BadRequest)]);
    }
}

#[tokio::test]
async fn trouble_ends_the_call_with_its_reason() {
    let world = world(1_000);
    assert_eq!(
        world.all(request(&seek(at(12), at(14)), &world.user)).await,
        [block(12), Answer::Status(Status::InternalServerError)]
    );
    let (mut stream, _sender) = world.call(vec![request(&seek(at(666), at(666)), &world.user)]);
    assert_eq!(
        stream.next().await.expect("open").expect_err("an error").code(),
        tonic::Code::DataLoss
    );
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn closing_ends_calls_and_lets_go_of_the_chain() {
    let world = world(1);
    let (mut stream, _sender) = world.call(vec![request(&seek(at(0), at(9)), &world.user)]);
    assert_eq!(stream.next().await.expect("open").expect("a block"), block(0));
    tokio::time::timeout(Duration::from_secs(30), world.deliver.close())
        .await
        .expect("closes");
    assert_eq!(
        stream.next().await.expect("open").expect_err("an error").code(),
        tonic::Code::Unavailable
    );
    // The world and the server's table of channels hold one each.
    assert_eq!(Arc::strong_count(&world.chain), 2);
}

#[tokio::test]
async fn a_missing_policy_forbids() {
    let world = world(1);
    let requests = futures::stream::iter([Ok(request(&seek(at(0), at(0)), &world.user))]);
    let stream = world
        .deliver
        .serve(Plain("/Channel/NoSuchPolicy"), requests, None);
    let answers: Vec<_> = stream.map(|answer| answer.expect("no error")).collect().await;
    assert_eq!(answers, [Answer::Status(Status::Forbidden)]);
}
