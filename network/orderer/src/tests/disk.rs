//! Disks that are full, or fail, or stop with the machine: what was acknowledged is there, and what can not be written is
//! not acknowledged.

use std::sync::Arc;
use std::time::Duration;

use fabric_ledger::BlockStore;
use fabric_ledger::files::faulty::{Fault, FaultyFiles, Loss, Random};
use fabric_protos::common::Status;

use super::world::{CHANNEL, World, block, contents, height};
use crate::{Cutting, Orderer, OrdererConfig};

fn config(world: &World, files: &FaultyFiles) -> OrdererConfig {
    OrdererConfig {
        files: Arc::new(files.clone()),
        ..world.config(Cutting::Immediate)
    }
}

fn used(files: &FaultyFiles) -> u64 {
    files.contents().iter().map(|(_, length)| length).sum()
}

/// Long enough for a block, were there room.
const A_WHILE: Duration = Duration::from_millis(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_survived() {
    let world = World::new();
    let files = FaultyFiles::default();
    let orderer = Orderer::open(config(&world, &files)).expect("opens");
    orderer.join(&world.genesis).expect("joins");
    let first = orderer.submit(world.message(&[1])).await.expect("taken");
    first.written().await.expect("acknowledged");

    files.set_quota(Some(used(&files) + 40));
    let before = files.operations();
    let second = orderer.submit(world.message(&[2])).await.expect("taken");
    while files.operations() == before {
        tokio::task::yield_now().await;
    }
    let mut second = Box::pin(second.written());
    assert!(
        tokio::time::timeout(A_WHILE, &mut second).await.is_err(),
        "nobody is told that it is written"
    );
    let refused = orderer.submit(world.message(&[3])).await.expect_err("no room");
    assert_eq!(refused.status(), Status::ServiceUnavailable);
    assert!(refused.to_string().contains("could not write"), "{refused}");
    assert_eq!(orderer.channels()[0].height, 2);

    files.set_quota(None);
    second.await.expect("acknowledged once there is room");
    let third = orderer.submit(world.message(&[4])).await.expect("taken again");
    third.written().await.expect("acknowledged");
    height(&orderer, 4).await;
    let found = (1..4).map(|number| contents(&block(&orderer, number)));
    assert_eq!(found.flatten().collect::<Vec<_>>(), [[1], [2], [4]]);
    orderer.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderer_that_stops_on_a_full_disk_acknowledges_nothing_and_starts_again() {
    let world = World::new();
    let files = FaultyFiles::default();
    let orderer = Orderer::open(config(&world, &files)).expect("opens");
    orderer.join(&world.genesis).expect("joins");
    files.set_quota(Some(used(&files) + 40));
    let receipt = orderer.submit(world.message(&[1])).await.expect("taken");
    orderer.close().await;
    let refused = receipt.written().await.expect_err("never written");
    assert_eq!(refused.status(), Status::ServiceUnavailable);
    drop(orderer);
    files.set_quota(None);
    let orderer = Orderer::open(config(&world, &files)).expect("opens");
    assert_eq!(orderer.channels()[0].height, 1);
    let receipt = orderer.submit(world.message(&[2])).await.expect("taken");
    receipt.written().await.expect("acknowledged");
    orderer.close().await;
}

/// The machine stops at every operation in turn, in the middle of the bytes of an append.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_messages_survive_a_power_failure_at_any_operation() {
    let world = World::new();
    let mut lost_something = false;
    for (operation, torn) in (1..9).flat_map(|operation| [0, 700].map(|torn| (operation, torn))) {
        let files = FaultyFiles::default();
        let orderer = Orderer::open(config(&world, &files)).expect("opens");
        orderer.join(&world.genesis).expect("joins");
        files.inject(files.operations() + operation, Fault::Crash { torn });
        let mut acknowledged = Vec::new();
        for number in 0..4u8 {
            let Ok(receipt) = orderer.submit(world.message(&[number])).await else {
                break;
            };
            match tokio::time::timeout(A_WHILE, receipt.written()).await {
                Ok(Ok(())) => acknowledged.push(vec![number]),
                _ => break,
            }
        }
        lost_something |= acknowledged.len() < 4;
        orderer.close().await;
        drop(orderer);
        let after = files.after_crash(Loss::Power, &mut Random::new(operation));
        let dir = world.config(Cutting::Immediate).dir;
        let chain = dir.join("chains").join(CHANNEL);
        let store = BlockStore::open(&chain, Arc::new(after)).expect("opens");
        let found: Vec<Vec<u8>> = store
            .iter_from(1)
            .flat_map(|block| contents(&block.expect("reads")))
            .collect();
        assert!(
            found.starts_with(&acknowledged),
            "operation {operation}: {acknowledged:?} were acknowledged, {found:?} are there"
        );
        drop(store);
        std::fs::remove_dir_all(dir).expect("removes");
    }
    assert!(lost_something, "no crash hit a message");
}
