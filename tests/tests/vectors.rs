//! What real Fabric did, done again by ours: its blocks through our validator and ledger, its proposals through our endorser.
//! `tests/vectors/fabric/README.md` says what was recorded and how.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use careledger_tests::beside::recording::{Recording, Values};
use careledger_tests::beside::{ORGS, Refused, Tally};
use careledger_tests::script;
use fabric_gateway_sdk::SigningIdentity;
use fabric_msp::Msp;
use fabric_peer::replay::{AuditError, audit};
use fabric_peer::{
    InProcessNetwork, Member, NetworkError, Peer, PeerConfig, PrivateDataNetwork, Pull, Push, RemoteEndpoint,
};
use fabric_protos::rwset::TxPvtReadWriteSet;
use futures::FutureExt;
use futures::future::BoxFuture;

/// Where a recorded address says so, the port of this test's chaincode is put in.
const PORTS: [&str; 2] = ["first", "second"];

#[test]
fn blocks_have_the_codes_and_commit_hashes_that_fabric_gave_them() {
    let recording = recording();
    let genesis = recording.blocks[0].clone();
    let scratch = tempfile::tempdir().expect("a directory");
    let blocks = recording
        .blocks
        .iter()
        .cloned()
        .map(|block| Ok::<_, AuditError>(Arc::new(block)));
    let report = audit(&genesis, blocks, scratch.path()).expect("readable");
    assert!(report.is_ok(), "{:?}", report.wrong);
    assert_eq!(report.blocks, recording.blocks.len() as u64);
    assert!(
        report.codes.len() >= 5,
        "the chain is no easy one: {:?}",
        report.codes
    );
}

#[test]
fn a_code_that_fabric_did_not_give_is_found() {
    let recording = recording();
    let genesis = recording.blocks[0].clone();
    let mut blocks = recording.blocks;
    let last = blocks.last_mut().and_then(|block| block.metadata.as_mut());
    last.expect("metadata").metadata[2][0] ^= 1;
    let scratch = tempfile::tempdir().expect("a directory");
    let count = blocks.len() as u64;
    let blocks = blocks
        .into_iter()
        .map(|block| Ok::<_, AuditError>(Arc::new(block)));
    let report = audit(&genesis, blocks, scratch.path()).expect("readable");
    assert_eq!(report.wrong.expect("something is wrong").block, count - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proposals_get_the_answers_and_read_write_sets_that_fabric_gave() {
    let recording = Arc::new(recording());
    let mut ports = Vec::new();
    for package in &recording.packages {
        let parsed = fabric_chaincode_host::Package::parse(package).expect("a package");
        let id = fabric_chaincode_host::package_id(&parsed.label, package);
        let free: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        ports.push(script::serve(free, &id).await.port().to_string());
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut tally = Tally::default();
    for msp_id in ORGS {
        let peer = peer(&dir.path().join(msp_id), msp_id, &recording, &ports);
        let channel = peer.join(&recording.blocks[0]).expect("joins");
        for package in &recording.packages {
            peer.chaincode().packages().install(package).expect("installs");
        }
        for block in recording.blocks.iter().skip(1).map(Some).chain([None]) {
            let height = channel.height();
            let now = recording
                .simulated
                .iter()
                .filter(|simulated| simulated.height == height && simulated.msp_id == msp_id);
            for simulated in now {
                let signed = simulated.signed.clone().expect("a proposal");
                // Over gRPC, Fabric's endorser calls every refusal "unknown".
                let ours = peer.process_proposal(signed).await.map_err(|error| Refused {
                    code: tonic::Code::Unknown,
                    message: error.to_string(),
                    details: Vec::new(),
                });
                tally.answers(&simulated.case, &simulated.answer(), &ours);
            }
            if let Some(block) = block {
                peer.commit(&channel, block.clone()).await.expect("commits");
            }
        }
    }
    let (made, _) = tally.total();
    assert!(made > 1000, "only {made} comparisons");
    assert!(tally.unaccepted().is_empty(), "{}", tally.report());
}

fn peer(dir: &Path, msp_id: &str, recording: &Arc<Recording>, ports: &[String]) -> Arc<Peer> {
    let material = vectors().join("material").join(msp_id);
    let signer = SigningIdentity::from_msp_dir(material.join("peer"), msp_id).expect("an identity");
    let msp = Msp::from_dir(material.join("msp"), msp_id).expect("an MSP");
    let endpoint = RemoteEndpoint {
        address: format!("{msp_id}:1"),
        ..RemoteEndpoint::default()
    };
    let mut config = PeerConfig::new(dir, signer, Arc::new(msp), endpoint);
    // The proposals were made long ago.
    config.time_window = Duration::from_secs(100 * 365 * 24 * 3600);
    config.chaincode.connection_variables = PORTS
        .iter()
        .zip(ports)
        .map(|(name, port)| ((*name).to_owned(), port.clone()))
        .collect();
    // Values come from a member of every collection.
    let other = if msp_id == ORGS[0] { ORGS[1] } else { ORGS[0] };
    let other = SigningIdentity::from_msp_dir(vectors().join("material").join(other).join("peer"), other);
    let network = Arc::new(Recorded {
        values: recording.values.clone(),
        identity: other.expect("an identity").serialized().to_vec(),
    });
    Peer::open(config, network, Arc::new(InProcessNetwork::new())).expect("opens")
}

/// The private values that the recorded peers had, as if another peer had them all: a peer asks only for what it may have.
struct Recorded {
    values: Vec<Values>,
    identity: Vec<u8>,
}

impl PrivateDataNetwork for Recorded {
    fn members(&self, _: &str) -> Vec<Member> {
        vec![Member {
            address: "recorded".to_owned(),
            identity: self.identity.clone(),
        }]
    }

    fn push<'a>(&'a self, _: &'a str, _: Push) -> BoxFuture<'a, Result<(), NetworkError>> {
        futures::future::ready(Ok(())).boxed()
    }

    fn pull<'a>(&'a self, _: &'a str, pull: Pull) -> BoxFuture<'a, Result<TxPvtReadWriteSet, NetworkError>> {
        let mut values = TxPvtReadWriteSet::default();
        for found in &self.values {
            if (found.block, found.index) == (pull.block, pull.index) {
                let found = found.values.clone().unwrap_or_default();
                values.ns_pvt_rwset.extend(found.ns_pvt_rwset);
            }
        }
        futures::future::ready(Ok(values)).boxed()
    }
}

fn recording() -> Recording {
    Recording::read(&vectors().join("recording.bin.gz"))
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/fabric")
}
