//! Ledgers to be audited: a network with valid transactions, conflicts and failures in its blocks, and where its files are.

use std::fs;
use std::path::{Path, PathBuf};

use fabric_gateway_sdk::ValidationCode;
use fabric_ledger::block_header_bytes;
use fabric_node::{NetworkConfig, NetworkSummary};
use fabric_protos::common::Block;
use futures::future::join_all;
use prost::Message;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::members::{Members, start};

/// A stopped network's directory, and what is known of it.
#[derive(Debug)]
pub struct Stopped {
    _temp: TempDir,
    /// The network's directory.
    pub dir: PathBuf,
    /// Its nodes and files.
    pub summary: NetworkSummary,
}

/// Sends valid transactions, rivals that conflict, and under-endorsed ones; gives the ids of a valid and a conflicting one.
pub async fn traffic(members: &Members, one_by_one: usize, rounds: usize) -> (String, String) {
    let kv = members.kv("Org1MSP");
    let mut valid = String::new();
    for number in 0..one_by_one {
        let key = format!("key{number}");
        let put = kv.submit("put", [key.as_str(), "value"]).await;
        valid = put.expect("the network takes transactions").transaction_id;
    }
    let mut conflicting = String::new();
    for _ in 0..rounds {
        let rivals = join_all((0..3).map(|_| kv.submit("add", ["counter"]))).await;
        for error in rivals.into_iter().filter_map(Result::err) {
            assert_eq!(
                error.validation_code(),
                Some(ValidationCode::MVCC_READ_CONFLICT),
                "{error}"
            );
            conflicting = error.transaction_id().to_owned();
        }
        // The next ones are endorsed by several peers, which have to be of one mind about the counter.
        members.level().await;
        let private = kv.proposal("putPrivate").arg("secret");
        let private = private
            .transient("value", "\"hidden\"")
            .endorsing_organizations(["Org1MSP"]);
        private.submit().await.expect("the collection's own policy holds");
        let alone = kv.proposal("put").args(["alone", "value"]);
        let alone = alone.endorsing_organizations(["Org1MSP"]).submit().await;
        alone.expect_err("one endorsement of two");
    }
    (valid, conflicting)
}

/// A network that had some traffic and was stopped.
pub async fn stopped(one_by_one: usize, rounds: usize) -> Stopped {
    let temp = tempfile::tempdir().expect("a temporary directory");
    let dir = temp.path().join("network");
    let (network, members) = start(NetworkConfig::test_network().with_dir(&dir)).await;
    traffic(&members, one_by_one, rounds).await;
    members.settle().await;
    let summary = network.summary().clone();
    network.stop().await;
    Stopped {
        _temp: temp,
        dir,
        summary,
    }
}

/// The hash of the block in a file, hex.
pub fn genesis_hash(file: &Path) -> String {
    let block = Block::decode(fs::read(file).expect("a genesis block").as_slice()).expect("a block");
    let header = block_header_bytes(&block.header.expect("a header"));
    hex::encode(Sha256::digest(header))
}

/// The ledger of an organisation's first peer.
pub fn ledger(dir: &Path, summary: &NetworkSummary, organisation: usize) -> PathBuf {
    let host = &summary.organisations[organisation].host;
    dir.join("peers")
        .join(host)
        .join("channels")
        .join(&summary.channel)
}
