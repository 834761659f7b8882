//! Rows in batches and pages.

use fabric_protos::peer;
use fabric_protos::peer::chaincode_message::Type;
use fabric_protos::queryresult::{KeyModification, Kv};
use prost::Message;

use crate::testing::bench::Bench;
use crate::testing::chaincode::Call;
use crate::testing::ledger::FakeLedger;

fn rows(namespace: &str, count: usize) -> FakeLedger {
    (0..count).fold(FakeLedger::default(), |ledger, row| {
        ledger.with(namespace, &format!("k{row:04}"), b"v")
    })
}

fn range(collection: &str, page_size: i32, bookmark: &str) -> peer::GetStateByRange {
    let page = peer::QueryMetadata {
        page_size,
        bookmark: bookmark.into(),
    };
    peer::GetStateByRange {
        start_key: "k".into(),
        end_key: String::new(),
        collection: collection.into(),
        metadata: page.encode_to_vec(),
    }
}

async fn ask(call: &mut Call, kind: Type, payload: &impl Message) -> peer::QueryResponse {
    let reply = call.ask(kind, payload).await;
    assert_eq!(
        reply.r#type(),
        Type::Response,
        "{}",
        String::from_utf8_lossy(&reply.payload)
    );
    peer::QueryResponse::decode(reply.payload.as_slice()).expect("a query response")
}

fn first_key(response: &peer::QueryResponse) -> String {
    let row = response.results.first().expect("a row");
    Kv::decode(row.result_bytes.as_slice()).expect("a row").key
}

fn page(response: &peer::QueryResponse) -> peer::QueryResponseMetadata {
    peer::QueryResponseMetadata::decode(response.metadata.as_slice()).expect("metadata")
}

#[tokio::test]
async fn a_long_range_comes_in_batches_of_a_hundred() {
    for (collection, namespace) in [("", "cc"), ("coll", "cc$coll")] {
        let bench = Bench::new()
            .ledger(rows(namespace, 250))
            .chaincode("cc", move |mut call| async move {
                let first = ask(&mut call, Type::GetStateByRange, &range(collection, 0, "")).await;
                let next = peer::QueryStateNext { id: first.id.clone() };
                let second = ask(&mut call, Type::QueryStateNext, &next).await;
                let third = ask(&mut call, Type::QueryStateNext, &next).await;
                let after = call.ask(Type::QueryStateNext, &next).await;
                let batches = [first, second, third]
                    .map(|batch| format!("{}+{} {}", first_key(&batch), batch.results.len(), batch.has_more));
                call.complete(format!(
                    "{}; {}",
                    batches.join(", "),
                    String::from_utf8_lossy(&after.payload)
                ))
                .await;
            });
        assert_eq!(
            bench.payload("cc", &[]).await,
            "k0000+100 true, k0100+100 true, k0200+50 false; \
             QUERY_STATE_NEXT failed: transaction ID: tx: query iterator not found"
        );
    }
}

#[tokio::test]
async fn exactly_one_batch_has_no_more() {
    let bench = Bench::new()
        .ledger(rows("cc", 100))
        .chaincode("cc", |mut call| async move {
            let all = ask(&mut call, Type::GetStateByRange, &range("", 0, "")).await;
            call.complete(format!("{} {}", all.results.len(), all.has_more))
                .await;
        });
    assert_eq!(bench.payload("cc", &[]).await, "100 false");
}

#[tokio::test]
async fn an_empty_range_is_empty() {
    let bench = Bench::new().chaincode("cc", |mut call| async move {
        let all = ask(&mut call, Type::GetStateByRange, &range("", 0, "")).await;
        call.complete(format!(
            "{} {} {}",
            all.results.len(),
            all.has_more,
            all.metadata.len()
        ))
        .await;
    });
    assert_eq!(bench.payload("cc", &[]).await, "0 false 0");
}

#[tokio::test]
async fn a_page_comes_whole_with_count_and_bookmark() {
    let bench = Bench::new()
        .ledger(rows("cc", 250))
        .chaincode("cc", |mut call| async move {
            let first = ask(&mut call, Type::GetStateByRange, &range("", 150, "")).await;
            let bookmark = page(&first).bookmark;
            let second = ask(&mut call, Type::GetStateByRange, &range("", 150, &bookmark)).await;
            let pages = [first, second].map(|response| {
                let metadata = page(&response);
                format!(
                    "{}+{} {} {} '{}'",
                    first_key(&response),
                    response.results.len(),
                    response.has_more,
                    metadata.fetched_records_count,
                    metadata.bookmark
                )
            });
            call.complete(pages.join(", ")).await;
        });
    assert_eq!(
        bench.payload("cc", &[]).await,
        "k0000+150 false 150 'k0150', k0150+100 false 100 ''"
    );
}

#[tokio::test]
async fn rich_queries_have_batches_and_pages_too() {
    let bench = Bench::new()
        .ledger(rows("cc", 120))
        .chaincode("cc", |mut call| async move {
            let query = |page_size| peer::GetQueryResult {
                query: "k".into(),
                collection: String::new(),
                metadata: peer::QueryMetadata {
                    page_size,
                    bookmark: String::new(),
                }
                .encode_to_vec(),
            };
            let batch = ask(&mut call, Type::GetQueryResult, &query(0)).await;
            let paged = ask(&mut call, Type::GetQueryResult, &query(110)).await;
            assert_ne!(batch.id, paged.id);
            let text = format!(
                "{} {}, {}",
                batch.results.len(),
                batch.has_more,
                page(&paged).bookmark
            );
            call.complete(text).await;
        });
    assert_eq!(bench.payload("cc", &[]).await, "100 true, k0110");
}

#[tokio::test]
async fn the_total_limit_cuts_a_query_short() {
    let bench = Bench::with_options(|options| options.total_query_limit = 150);
    let bench = bench
        .ledger(rows("cc", 250))
        .chaincode("cc", |mut call| async move {
            let first = ask(&mut call, Type::GetStateByRange, &range("", 0, "")).await;
            let second = ask(
                &mut call,
                Type::QueryStateNext,
                &peer::QueryStateNext { id: first.id },
            )
            .await;
            call.complete(format!(
                "{} {} {}",
                first.results.len(),
                second.results.len(),
                second.has_more
            ))
            .await;
        });
    assert_eq!(bench.payload("cc", &[]).await, "100 50 false");
}

#[tokio::test]
async fn a_closed_query_is_gone_and_closing_twice_is_fine() {
    let bench = Bench::new()
        .ledger(rows("cc", 250))
        .chaincode("cc", |mut call| async move {
            let id = ask(&mut call, Type::GetStateByRange, &range("", 0, "")).await.id;
            let close = peer::QueryStateClose { id: id.clone() };
            assert_eq!(ask(&mut call, Type::QueryStateClose, &close).await.id, id);
            ask(&mut call, Type::QueryStateClose, &close).await;
            let after = call.ask(Type::QueryStateNext, &peer::QueryStateNext { id }).await;
            call.complete(after.payload).await;
        });
    assert_eq!(
        bench.payload("cc", &[]).await,
        "QUERY_STATE_NEXT failed: transaction ID: tx: query iterator not found"
    );
}

#[tokio::test]
async fn queries_end_with_their_transaction() {
    let bench = Bench::new()
        .ledger(rows("cc", 250))
        .chaincode("cc", |mut call| async move {
            let payload = if call.args() == ["open"] {
                ask(&mut call, Type::GetStateByRange, &range("", 0, ""))
                    .await
                    .id
                    .into_bytes()
            } else {
                let id = call.args().join("");
                call.ask(Type::QueryStateNext, &peer::QueryStateNext { id })
                    .await
                    .payload
            };
            call.complete(payload).await;
        });
    let id = bench.payload("cc", &["open"]).await;
    assert_eq!(
        bench.payload("cc", &[&id]).await,
        "QUERY_STATE_NEXT failed: transaction ID: tx: query iterator not found"
    );
}

#[tokio::test]
async fn a_query_that_breaks_off_is_an_error() {
    let bench = Bench::new().chaincode("cc", |mut call| async move {
        let query = peer::GetQueryResult {
            query: "breaks off".into(),
            ..Default::default()
        };
        let reply = call.ask(Type::GetQueryResult, &query).await;
        call.complete(reply.payload).await;
    });
    assert_eq!(
        bench.payload("cc", &[]).await,
        "GET_QUERY_RESULT failed: transaction ID: tx: ExecuteQuery broke off"
    );
}

#[tokio::test]
async fn history_is_of_the_chaincodes_key() {
    let bench = Bench::new().chaincode("cc", |mut call| async move {
        let history = ask(
            &mut call,
            Type::GetHistoryForKey,
            &peer::GetHistoryForKey { key: "k".into() },
        )
        .await;
        let change = KeyModification::decode(history.results[0].result_bytes.as_slice()).expect("a change");
        call.complete(format!("{} {}", change.tx_id, change.is_delete))
            .await;
    });
    assert_eq!(bench.payload("cc", &[]).await, "cc/k true");
}
