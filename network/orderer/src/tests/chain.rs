//! Blocks: how they are cut, linked, signed, kept.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric_ledger::files::OsFiles;
use fabric_ledger::{BlockStore, block_data_hash, block_header_bytes, block_header_hash};
use fabric_protos::common::{
    BlockMetadataIndex, LastConfig, Metadata, OrdererBlockMetadata, SignatureHeader, Status,
};
use fabric_protos::etcdraft;
use prost::Message;

use super::world::{CHANNEL, World, block, contents, height};
use crate::{Cutting, Orderer, OrdererError};

#[tokio::test]
async fn an_idle_chain_cuts_at_once_and_blocks_are_linked() {
    let world = World::new();
    let orderer = world.start();
    for number in 1..=3u8 {
        orderer.broadcast(world.message(&[number])).await.expect("taken");
        height(&orderer, u64::from(number) + 1).await;
    }
    for number in 1..=3u64 {
        let (before, block) = (block(&orderer, number - 1), block(&orderer, number));
        let header = block.header.as_ref().expect("a header");
        assert_eq!(header.number, number);
        assert_eq!(
            header.previous_hash,
            block_header_hash(before.header.as_ref().expect("a header"))
        );
        assert_eq!(
            header.data_hash,
            block_data_hash(block.data.as_ref().expect("data"))
        );
        assert_eq!(contents(&block), [[number as u8]]);
    }
}

#[tokio::test]
async fn metadata_is_signed_by_the_orderer() {
    let world = World::new();
    let orderer = world.start();
    orderer.broadcast(world.message(b"x")).await.expect("taken");
    height(&orderer, 2).await;
    let block = block(&orderer, 1);
    let slots = &block.metadata.as_ref().expect("metadata").metadata;
    assert_eq!(slots.len(), 5);

    let slot =
        Metadata::decode(slots[BlockMetadataIndex::Signatures as usize].as_slice()).expect("signatures");
    let value = OrdererBlockMetadata::decode(slot.value.as_slice()).expect("orderer's metadata");
    assert_eq!(value.last_config, Some(LastConfig { index: 0 }));
    let consenter = Metadata::decode(value.consenter_metadata.as_slice()).expect("consenter's metadata");
    let raft = etcdraft::BlockMetadata::decode(consenter.value.as_slice()).expect("raft's metadata");
    assert_eq!((raft.consenter_ids.as_slice(), raft.raft_index), (&[1][..], 1));

    let [signature] = slot.signatures.as_slice() else {
        panic!("one signature")
    };
    let header = SignatureHeader::decode(signature.signature_header.as_slice()).expect("a header");
    let signer = world.orderer.node_identity("orderer").expect("orderer");
    assert_eq!(header.creator, signer.serialized());
    assert_eq!(header.nonce.len(), 24);
    let header_bytes = block_header_bytes(block.header.as_ref().expect("a header"));
    let signed = [slot.value.as_slice(), &signature.signature_header, &header_bytes].concat();
    signer
        .identity()
        .verify(&signed, &signature.signature)
        .expect("the signature verifies");

    let last =
        Metadata::decode(slots[BlockMetadataIndex::LastConfig as usize].as_slice()).expect("last config");
    assert_eq!(
        LastConfig::decode(last.value.as_slice()),
        Ok(LastConfig { index: 0 })
    );
    assert!(slots[BlockMetadataIndex::TransactionsFilter as usize].is_empty());
}

#[tokio::test]
async fn a_busy_chain_collects_and_keeps_the_order() {
    let world = World::with(|spec| spec.orderer.batch_size.max_message_count = 10);
    let orderer = world.start();
    let messages: Vec<_> = (0..200u8).map(|number| world.message(&[number])).collect();
    for message in messages {
        orderer.broadcast(message).await.expect("taken");
    }
    let (mut number, mut seen) = (1, Vec::new());
    while seen.len() < 200 {
        height(&orderer, number + 1).await;
        let contents = contents(&block(&orderer, number));
        assert!((1..=10).contains(&contents.len()));
        seen.extend(contents);
        number += 1;
    }
    assert!(seen.iter().map(|content| content[0]).eq(0..200u8));
}

#[tokio::test]
async fn a_timer_fills_blocks_and_then_cuts_them() {
    // Long enough for five messages on a busy machine.
    const TIMEOUT: Duration = Duration::from_secs(5);
    let world = World::with(|spec| {
        spec.orderer.batch_size.max_message_count = 3;
        spec.orderer.batch_timeout = TIMEOUT;
    });
    let orderer = world.start_with(Cutting::Timer);
    let begin = Instant::now();
    for number in 0..5u8 {
        orderer.broadcast(world.message(&[number])).await.expect("taken");
    }
    height(&orderer, 3).await;
    assert!(begin.elapsed() >= TIMEOUT, "the second block was not full");
    assert_eq!(contents(&block(&orderer, 1)), [[0], [1], [2]]);
    assert_eq!(contents(&block(&orderer, 2)), [[3], [4]]);
}

#[tokio::test]
async fn a_message_above_the_preferred_size_is_alone() {
    let world = World::with(|spec| {
        spec.orderer.batch_size.preferred_max_bytes = 4096;
        spec.orderer.batch_timeout = Duration::from_secs(60);
    });
    let orderer = world.start_with(Cutting::Timer);
    for size in [1, 5000, 2] {
        orderer
            .broadcast(world.message(&vec![7; size]))
            .await
            .expect("taken");
    }
    height(&orderer, 3).await;
    assert_eq!(contents(&block(&orderer, 1)), [[7]]);
    assert_eq!(contents(&block(&orderer, 2)), [vec![7; 5000]]);
}

#[tokio::test]
async fn a_restart_continues_the_chain() {
    let world = World::new();
    let orderer = world.start();
    orderer.broadcast(world.message(b"before")).await.expect("taken");
    // Closing writes what is queued.
    orderer.close().await;
    let rejected = orderer
        .broadcast(world.message(b"late"))
        .await
        .expect_err("closed");
    assert_eq!(rejected.status(), Status::BadRequest);
    drop(orderer);

    let orderer = Orderer::open(world.config(Cutting::Immediate)).expect("opens again");
    assert_eq!(orderer.channels()[0].height, 2);
    assert!(matches!(
        orderer.join(&world.genesis),
        Err(OrdererError::ChannelExists)
    ));
    orderer.broadcast(world.message(b"after")).await.expect("taken");
    height(&orderer, 3).await;
    let (before, after) = (block(&orderer, 1), block(&orderer, 2));
    assert_eq!(contents(&before), [b"before"]);
    assert_eq!(contents(&after), [b"after"]);
    let hash = block_header_hash(before.header.as_ref().expect("a header"));
    assert_eq!(after.header.as_ref().expect("a header").previous_hash, hash);
}

#[tokio::test]
async fn one_orderer_at_a_time() {
    let world = World::new();
    let orderer = world.start();
    assert!(matches!(
        Orderer::open(world.config(Cutting::Immediate)),
        Err(OrdererError::Ledger(_))
    ));
    orderer.close().await;
    Orderer::open(world.config(Cutting::Immediate)).expect("free again");
}

#[tokio::test]
async fn a_removed_channel_is_gone_and_may_be_joined_again() {
    let world = World::new();
    let orderer = world.start();
    orderer.broadcast(world.message(b"x")).await.expect("taken");
    let removing = orderer.clone();
    let removed = tokio::task::spawn_blocking(move || removing.remove(CHANNEL))
        .await
        .expect("runs");
    removed.expect("removed");
    assert!(orderer.channels().is_empty());
    assert_eq!(orderer.join(&world.genesis).expect("joins").height, 1);
    let names: BTreeSet<_> = orderer.channels().into_iter().map(|info| info.name).collect();
    assert_eq!(names, BTreeSet::from([CHANNEL.to_owned()]));
}

#[tokio::test]
async fn joining_that_was_cut_short_is_repeated() {
    let world = World::new();
    let empty = world.dir().join("chains").join(CHANNEL);
    drop(BlockStore::open(&empty, Arc::new(OsFiles)).expect("a store without blocks"));
    let orderer = world.start();
    assert_eq!(orderer.channels()[0].height, 1);
}
