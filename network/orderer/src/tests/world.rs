//! A channel of one member, its users, and an orderer for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fabric_channel::{ChannelSpec, ConsenterSpec, OrdererSpec, OrgSpec, genesis_block};
use fabric_deliver::Chain;
use fabric_msp::SigningIdentity;
use fabric_msp::cryptogen::{self, OrgSpec as Tree, Organization, UserSpec};
use fabric_protos::common::{Block, ChannelHeader, Envelope, Header, HeaderType, Payload, SignatureHeader};
use prost::Message;
use tempfile::TempDir;

use crate::{Cutting, Orderer, OrdererConfig};

pub(super) const CHANNEL: &str = "health";

pub(super) struct World {
    temp: TempDir,
    pub(super) genesis: Block,
    pub(super) member: Organization,
    pub(super) orderer: Organization,
    pub(super) user: SigningIdentity,
    pub(super) stranger: SigningIdentity,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut ChannelSpec)) -> Self {
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
        let certificate = trees[1].node_tls("orderer").expect("TLS").certificate_pem;
        let consenter = ConsenterSpec {
            host: "orderer.example.com".into(),
            port: 7050,
            client_tls_certificate: certificate.clone(),
            server_tls_certificate: certificate,
        };
        let member = OrgSpec::new(trees[0].msp_config().expect("MSP"));
        let orderer = OrdererSpec::new(trees[1].msp_config().expect("MSP"), Vec::new(), vec![consenter]);
        let mut spec = ChannelSpec::new(CHANNEL, vec![member], orderer);
        change(&mut spec);
        Self {
            genesis: genesis_block(&spec).expect("genesis block"),
            user: trees[0].user_identity("User1").expect("user"),
            stranger: trees[2].user_identity("User1").expect("stranger"),
            member: trees[0].clone(),
            orderer: trees[1].clone(),
            temp,
        }
    }

    pub(super) fn dir(&self) -> PathBuf {
        self.temp.path().join("orderer")
    }

    pub(super) fn config(&self, cutting: Cutting) -> OrdererConfig {
        let signer = self.orderer.node_identity("orderer").expect("orderer's identity");
        OrdererConfig {
            cutting,
            ..OrdererConfig::new(self.dir(), signer)
        }
    }

    /// An orderer that has joined the channel.
    pub(super) fn start(&self) -> Arc<Orderer> {
        self.start_with(Cutting::Immediate)
    }

    pub(super) fn start_with(&self, cutting: Cutting) -> Arc<Orderer> {
        let orderer = Orderer::open(self.config(cutting)).expect("opens");
        orderer.join(&self.genesis).expect("joins");
        orderer
    }

    /// A message of the member's user with this content.
    pub(super) fn message(&self, data: &[u8]) -> Envelope {
        envelope(HeaderType::EndorserTransaction, CHANNEL, data, &self.user)
    }
}

pub(super) fn envelope(
    kind: HeaderType,
    channel_id: &str,
    data: &[u8],
    signer: &SigningIdentity,
) -> Envelope {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs() as i64;
    let channel_header = ChannelHeader {
        r#type: kind as i32,
        channel_id: channel_id.to_owned(),
        timestamp: Some(prost_types::Timestamp {
            seconds: now,
            nanos: 0,
        }),
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
        data: data.to_vec(),
    }
    .encode_to_vec();
    let signature = signer.sign(&payload).expect("signature");
    Envelope { payload, signature }
}

/// Waits until the channel has `height` blocks or more.
pub(super) async fn height(orderer: &Orderer, height: u64) {
    let chain = orderer.chain(CHANNEL).expect("the channel");
    let mut heights = chain.height();
    let reached = heights.wait_for(|now| *now >= height);
    tokio::time::timeout(Duration::from_secs(60), reached)
        .await
        .expect("in time")
        .expect("the chain runs");
}

pub(super) fn block(orderer: &Orderer, number: u64) -> Arc<Block> {
    orderer
        .chain(CHANNEL)
        .expect("the channel")
        .read(number)
        .expect("the block")
}

/// The content of each message of a block.
pub(super) fn contents(block: &Block) -> Vec<Vec<u8>> {
    let data = block.data.as_ref().expect("data");
    let content = |bytes: &Vec<u8>| {
        let envelope = Envelope::decode(bytes.as_slice()).expect("an envelope");
        Payload::decode(envelope.payload.as_slice())
            .expect("a payload")
            .data
    };
    data.data.iter().map(content).collect()
}
