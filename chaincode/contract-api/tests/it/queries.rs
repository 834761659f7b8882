//! Ranges, pages, histories: results in parts.

use fabric_contract_api::Chaincode;
use fabric_protos::peer;
use fabric_protos::peer::chaincode_message::Type;
use fabric_protos::peer::{QueryResponse, QueryResponseMetadata, QueryResultBytes};
use fabric_protos::queryresult::{KeyModification, Kv};
use prost::Message;

use crate::peer::{Peer, batching};
use crate::transactions::chaincode;

fn part(keys: &[&str], id: &str, has_more: bool) -> Vec<u8> {
    let row = |key: &&str| {
        let row = Kv {
            namespace: "cc".into(),
            key: (*key).into(),
            value: b"v".to_vec(),
        };
        QueryResultBytes {
            result_bytes: row.encode_to_vec(),
        }
    };
    let response = QueryResponse {
        results: keys.iter().map(row).collect(),
        has_more,
        id: id.into(),
        metadata: QueryResponseMetadata {
            fetched_records_count: 2,
            bookmark: "next".into(),
        }
        .encode_to_vec(),
    };
    response.encode_to_vec()
}

fn take(count: usize) -> Chaincode {
    chaincode(move |ledger, _| {
        let keys: Vec<String> = ledger
            .range("a", "z")?
            .take(count)
            .map(|entry| entry.map(|entry| entry.key))
            .collect::<Result<_, _>>()?;
        Ok(keys.join(",").into_bytes())
    })
}

#[tokio::test]
async fn a_range_is_read_part_by_part() {
    let mut peer = Peer::start(take(usize::MAX), batching()).await;
    peer.invoke("tx", &["f"]).await;
    let range: peer::GetStateByRange = peer
        .answer(Type::GetStateByRange, part(&["a", "b"], "q", true))
        .await;
    assert_eq!(
        (
            range.start_key.as_str(),
            range.end_key.as_str(),
            range.metadata.len()
        ),
        ("a", "z", 0)
    );
    let next: peer::QueryStateNext = peer.answer(Type::QueryStateNext, part(&["c"], "q", false)).await;
    assert_eq!(next.id, "q");
    assert_eq!(peer.completed().await.payload, b"a,b,c");
}

#[tokio::test]
async fn a_range_that_is_left_early_is_closed() {
    let mut peer = Peer::start(take(1), batching()).await;
    peer.invoke("tx", &["f"]).await;
    let _: peer::GetStateByRange = peer
        .answer(Type::GetStateByRange, part(&["a", "b"], "q", true))
        .await;
    let close: peer::QueryStateClose = peer.answer(Type::QueryStateClose, Vec::new()).await;
    assert_eq!(close.id, "q");
    assert_eq!(peer.completed().await.payload, b"a");
}

#[tokio::test]
async fn a_failed_part_ends_the_range_with_its_error() {
    let mut peer = Peer::start(take(usize::MAX), batching()).await;
    peer.invoke("tx", &["f"]).await;
    let _: peer::GetStateByRange = peer.answer(Type::GetStateByRange, part(&["a"], "q", true)).await;
    peer.expect(Type::QueryStateNext).await;
    peer.send("tx", Type::Error, b"gone".to_vec()).await;
    assert_eq!(peer.completed().await.message, "the peer refused: gone");
}

#[tokio::test]
async fn a_page_has_its_size_and_bookmark() {
    let chaincode = chaincode(|ledger, _| {
        let page = ledger.range_paged("a", "z", 2, "from")?;
        let keys: Vec<_> = page.items.into_iter().map(|entry| entry.key).collect();
        Ok(format!("{} {}", keys.join(","), page.bookmark).into_bytes())
    });
    let mut peer = Peer::start(chaincode, batching()).await;
    peer.invoke("tx", &["f"]).await;
    let range: peer::GetStateByRange = peer
        .answer(Type::GetStateByRange, part(&["a", "b"], "q", false))
        .await;
    let metadata = peer::QueryMetadata::decode(range.metadata.as_slice()).unwrap();
    assert_eq!((metadata.page_size, metadata.bookmark.as_str()), (2, "from"));
    assert_eq!(peer.completed().await.payload, b"a,b next");
}

#[tokio::test]
async fn a_history_knows_deletions_and_times() {
    let chaincode = chaincode(|ledger, _| {
        let changes: Vec<_> = ledger.history("k")?.collect::<Result<_, _>>()?;
        assert_eq!((changes[0].is_delete, &changes[0].value), (true, &None));
        assert_eq!(
            (changes[1].timestamp.seconds, changes[1].value.as_deref()),
            (9, Some(&b"v"[..]))
        );
        Ok(Vec::new())
    });
    let mut peer = Peer::start(chaincode, batching()).await;
    peer.invoke("tx", &["f"]).await;
    let timestamp = Some(prost_types::Timestamp { seconds: 9, nanos: 0 });
    let deleted = KeyModification {
        tx_id: "2".into(),
        is_delete: true,
        ..KeyModification::default()
    };
    let written = KeyModification {
        tx_id: "1".into(),
        value: b"v".to_vec(),
        timestamp,
        is_delete: false,
    };
    let results = [deleted, written].map(|row| QueryResultBytes {
        result_bytes: row.encode_to_vec(),
    });
    let response = QueryResponse {
        results: results.into(),
        ..QueryResponse::default()
    };
    let _: peer::GetHistoryForKey = peer
        .answer(Type::GetHistoryForKey, response.encode_to_vec())
        .await;
    let completed = peer.completed().await;
    assert_eq!(completed.status, 200, "{}", completed.message);
}
