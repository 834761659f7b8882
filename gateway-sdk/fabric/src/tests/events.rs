use std::time::Duration;

use fabric_protos::orderer::seek_position::Type;
use futures::StreamExt;

use super::peer::Peer;
use crate::{Checkpointer, EventError, MemoryCheckpointer};

#[tokio::test]
async fn events_are_flattened_and_an_error_reaches_the_reader() {
    let peer = Peer::start().await;
    let network = peer.gateway().network("health");
    let mut events = network
        .chaincode_events("care")
        .start_block(2)
        .after_transaction("x")
        .stream()
        .await
        .expect("a stream");
    let mut seen = Vec::new();
    for _ in 0..3 {
        let event = events.next().await.expect("an item").expect("an event");
        assert_eq!(
            (event.chaincode.as_str(), event.event_name.as_str()),
            ("care", "happened")
        );
        seen.push((event.block_number, event.transaction_id));
    }
    assert_eq!(
        seen,
        [(3, "a".to_owned()), (3, "b".to_owned()), (5, "c".to_owned())]
    );
    let error = events.next().await.expect("an item").expect_err("broken");
    assert!(error.to_string().contains("broken"), "{error}");
    assert!(events.next().await.is_none());

    let request = &peer.event_requests()[0];
    assert_eq!(request.after_transaction_id, "x");
    let start = request
        .start_position
        .as_ref()
        .and_then(|position| position.r#type);
    assert!(matches!(start, Some(Type::Specified(specified)) if specified.number == 2));
}

#[tokio::test]
async fn a_lost_connection_is_made_again_after_the_last_event() {
    let peer = Peer::start().await;
    let network = peer.gateway().network("health");
    let request = network.chaincode_events("breaking");
    let mut events = request
        .resuming_stream(Duration::from_millis(1))
        .await
        .expect("a stream");
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(
            events
                .next()
                .await
                .expect("an item")
                .expect("an event")
                .transaction_id,
        );
    }
    assert_eq!(seen, ["a", "b", "c"]);
    let requests = peer.event_requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].after_transaction_id, "b");
    let start = requests[1]
        .start_position
        .as_ref()
        .and_then(|position| position.r#type);
    assert!(matches!(start, Some(Type::Specified(specified)) if specified.number == 3));
}

#[tokio::test]
async fn a_checkpoint_says_where_to_go_on() {
    let peer = Peer::start().await;
    let network = peer.gateway().network("health");
    let mut kept = MemoryCheckpointer::default();
    let mut events = network
        .chaincode_events("care")
        .checkpoint(kept.checkpoint())
        .stream()
        .await
        .expect("a stream");
    let event = events.next().await.expect("an item").expect("an event");
    kept.acknowledge(&event).expect("kept");
    network
        .chaincode_events("care")
        .checkpoint(kept.checkpoint())
        .stream()
        .await
        .expect("a stream");
    let requests = peer.event_requests();
    let first = requests[0]
        .start_position
        .as_ref()
        .and_then(|position| position.r#type);
    assert!(matches!(first, Some(Type::NextCommit(_))));
    assert_eq!(requests[1].after_transaction_id, "a");
}

#[tokio::test]
async fn who_may_not_read_learns_so() {
    let peer = Peer::start().await;
    let network = peer.gateway().network("health");
    let error = network
        .chaincode_events("forbidden")
        .stream()
        .await
        .expect_err("refused");
    assert!(!error.is_retryable());
    let mut blocks = peer
        .gateway()
        .network("secret")
        .block_events()
        .start_block(0)
        .stream()
        .await
        .expect("a stream");
    let error = blocks.next().await.expect("an item").expect_err("refused");
    assert!(matches!(error, EventError::Ended("FORBIDDEN")), "{error}");
    assert!(blocks.next().await.is_none());
}

#[tokio::test]
async fn blocks_come_in_three_forms() {
    let peer = Peer::start().await;
    let network = peer.gateway().network("health");
    let blocks = network
        .block_events()
        .start_block(5)
        .stop_block(7)
        .stream()
        .await
        .expect("a stream");
    let numbers: Vec<u64> = blocks
        .map(|block| block.expect("a block").header.expect("a header").number)
        .collect()
        .await;
    assert_eq!(numbers, [5, 6, 7]);
    let blocks = network.filtered_block_events().stream().await.expect("a stream");
    let numbers: Vec<u64> = blocks.map(|block| block.expect("a block").number).collect().await;
    assert_eq!(numbers, [7]);
    let mut blocks = network
        .block_and_private_data_events()
        .start_block(6)
        .stream()
        .await
        .expect("a stream");
    let first = blocks.next().await.expect("an item").expect("a block");
    assert_eq!(
        first
            .block
            .and_then(|block| block.header)
            .map(|header| header.number),
        Some(6)
    );
}

#[tokio::test]
async fn requests_for_events_can_be_signed_elsewhere() {
    let peer = Peer::start().await;
    let gateway = peer.gateway();
    let network = gateway.network("health");
    let stored = network.chaincode_events("care").build().to_bytes();
    let request = gateway.chaincode_events_request(&stored).expect("a request");
    let forged = request.clone().with_signature(b"nonsense".to_vec());
    assert!(forged.stream().await.is_err());
    let signed = request
        .clone()
        .with_signature(peer.identity.sign(request.message()).expect("signed"));
    assert!(signed.stream().await.expect("a stream").next().await.is_some());

    let stored = network.block_events().start_block(7).build().to_bytes();
    let request = gateway
        .block_events_request::<crate::Blocks>(&stored)
        .expect("a request");
    let signed = request
        .clone()
        .with_signature(peer.identity.sign(request.message()).expect("signed"));
    assert!(
        signed
            .stream()
            .await
            .expect("a stream")
            .next()
            .await
            .expect("an item")
            .is_ok()
    );
}
