//! Chaincode on the real ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric_ledger::{Ledger, LedgerOptions, ParsedTx, StateDatabase, block_data_hash};
use fabric_protos::common::{self, HeaderType};
use fabric_protos::peer::chaincode_message::Type;
use fabric_protos::queryresult::{KeyModification, Kv};
use fabric_protos::{kvrwset, peer};
use prost::Message;

use crate::execution::Execution;
use crate::ledger::TransactionLedger;
use crate::simulator::SimulatorLedger;
use crate::testing::bench::Bench;

fn envelope(kind: HeaderType, tx_id: &str, data: Vec<u8>) -> Vec<u8> {
    let header = common::ChannelHeader {
        r#type: kind as i32,
        tx_id: tx_id.into(),
        channel_id: "ch".into(),
        ..Default::default()
    };
    let header = common::Header {
        channel_header: header.encode_to_vec(),
        signature_header: vec![1],
    };
    let payload = common::Payload {
        header: Some(header),
        data,
    }
    .encode_to_vec();
    common::Envelope {
        payload,
        signature: vec![1],
    }
    .encode_to_vec()
}

fn endorsed(tx_id: &str, results: Vec<u8>) -> Vec<u8> {
    let extension = peer::ChaincodeAction {
        results,
        ..Default::default()
    }
    .encode_to_vec();
    let response = peer::ProposalResponsePayload {
        proposal_hash: vec![7; 32],
        extension,
    };
    let action = peer::ChaincodeEndorsedAction {
        proposal_response_payload: response.encode_to_vec(),
        endorsements: Vec::new(),
    };
    let payload = peer::ChaincodeActionPayload {
        action: Some(action),
        ..Default::default()
    }
    .encode_to_vec();
    let transaction = peer::Transaction {
        actions: vec![peer::TransactionAction {
            header: vec![],
            payload,
        }],
    };
    envelope(
        HeaderType::EndorserTransaction,
        tx_id,
        transaction.encode_to_vec(),
    )
}

fn block(number: u64, previous_hash: Vec<u8>, envelope: Vec<u8>) -> common::Block {
    let data = common::BlockData { data: vec![envelope] };
    let header = common::BlockHeader {
        number,
        previous_hash,
        data_hash: block_data_hash(&data).to_vec(),
    };
    let metadata = common::BlockMetadata {
        metadata: vec![vec![], vec![], vec![0]],
    };
    common::Block {
        header: Some(header),
        data: Some(data),
        metadata: Some(metadata),
    }
}

fn ledger(dir: &std::path::Path) -> Ledger {
    ledger_with(dir, StateDatabase::default())
}

fn ledger_with(dir: &std::path::Path, state_database: StateDatabase) -> Ledger {
    let genesis = block(
        0,
        Vec::new(),
        envelope(HeaderType::Config, "", b"config".to_vec()),
    );
    let options = LedgerOptions {
        state_database,
        ..LedgerOptions::default()
    };
    Ledger::create(dir, &genesis, options).expect("a ledger")
}

fn commit(ledger: &Ledger, tx_id: &str, simulated: &SimulatorLedger) {
    let results = simulated.finish().expect("results");
    let envelope = endorsed(tx_id, results.public);
    let parsed = ParsedTx::from_envelope(&envelope);
    let private = results.private.map(|private| (0, private)).into_iter().collect();
    let block = block(ledger.height(), ledger.last_hash(), envelope);
    let committed = ledger.commit(block, vec![parsed], private).expect("commits");
    assert_eq!(committed.codes, [0]);
}

#[test]
fn the_adapter_reads_what_was_committed() {
    let dir = tempfile::tempdir().expect("temp dir");
    let ledger = ledger(dir.path());
    let first = SimulatorLedger::new(ledger.simulator("t1"));
    for key in ["a", "b", "c"] {
        first
            .put_state("cc", key, key.as_bytes().to_vec())
            .expect("writes");
    }
    let policy = BTreeMap::from([("VALIDATION_PARAMETER".to_owned(), vec![1])]);
    first.put_metadata("cc", "a", policy.clone()).expect("writes");
    first
        .put_private("cc", "coll", "p", b"secret".to_vec())
        .expect("writes");
    commit(&ledger, "t1", &first);
    let second = SimulatorLedger::new(ledger.simulator("t2"));
    second.delete_state("cc", "b").expect("writes");
    commit(&ledger, "t2", &second);

    let reader = SimulatorLedger::new(ledger.simulator("t3"));
    assert_eq!(reader.state("cc", "a").expect("reads"), Some(b"a".to_vec()));
    let keys = ["b".to_owned(), "c".to_owned()];
    assert_eq!(
        reader.states("cc", &keys).expect("reads"),
        [None, Some(b"c".to_vec())]
    );
    assert_eq!(reader.metadata("cc", "a").expect("reads"), policy);
    assert_eq!(
        reader.private("cc", "coll", "p").expect("reads"),
        Some(b"secret".to_vec())
    );
    assert_eq!(
        reader
            .privates("cc", "coll", &["p".into(), "q".into()])
            .expect("reads")
            .len(),
        2
    );
    let hash = reader
        .private_hash("cc", "coll", "p")
        .expect("reads")
        .expect("a hash");
    assert_eq!(hash.len(), 32);

    let mut rows = reader.range("cc", "", "").expect("opens");
    let row = rows.next_row().expect("reads").expect("a row");
    let row = Kv::decode(row.as_slice()).expect("a row");
    assert_eq!(
        (row.namespace.as_str(), row.key.as_str(), row.value),
        ("cc", "a", b"a".to_vec())
    );
    rows.next_row().expect("reads").expect("c");
    assert_eq!(rows.next_row().expect("reads"), None);

    let mut page = reader.range_page("cc", "", "", 1).expect("opens");
    page.next_row().expect("reads").expect("a");
    assert_eq!(page.next_row().expect("reads"), None);
    assert_eq!(page.bookmark(), "c");

    let mut history = reader.history("cc", "b").expect("opens");
    let newest = history.next_row().expect("reads").expect("the deletion");
    let newest = KeyModification::decode(newest.as_slice()).expect("a change");
    assert_eq!((newest.tx_id.as_str(), newest.is_delete), ("t2", true));
    let oldest = history.next_row().expect("reads").expect("the write");
    let oldest = KeyModification::decode(oldest.as_slice()).expect("a change");
    assert_eq!((oldest.tx_id.as_str(), oldest.value), ("t1", b"b".to_vec()));
}

#[test]
fn after_the_end_nothing_is_written_any_more() {
    let dir = tempfile::tempdir().expect("temp dir");
    let ledger = ledger(dir.path());
    let simulated = SimulatorLedger::new(ledger.simulator("t1"));
    let late = simulated.clone();
    simulated.finish().expect("results");
    late.put_state("cc", "k", vec![1]).expect_err("too late");
    late.state("cc", "k").expect_err("too late");
}

#[tokio::test]
async fn writes_of_chaincode_end_up_in_the_write_set() {
    let dir = tempfile::tempdir().expect("temp dir");
    let ledger = ledger(dir.path());
    let bench = Bench::new().chaincode("cc", |mut call| async move {
        let get = peer::GetState {
            key: "k".into(),
            ..Default::default()
        };
        call.ask(Type::GetState, &get).await;
        let put = peer::PutState {
            key: "k".into(),
            value: b"v".to_vec(),
            ..Default::default()
        };
        call.ask(Type::PutState, &put).await;
        // A transaction never sees its own writes.
        let again = call.ask(Type::GetState, &get).await;
        call.complete(again.payload).await;
    });
    let simulated = SimulatorLedger::new(ledger.simulator("tx"));
    let execution = Execution {
        ledger: Some(Arc::new(simulated.clone())),
        ..bench.execution("cc", &[])
    };
    let executed = bench.host.execute(execution).await.expect("executes");
    assert!(executed.response.payload.is_empty());
    let results = simulated.finish().expect("results");
    let set = results.public_set.ns_rwset.first().expect("a namespace");
    assert_eq!(set.namespace, "cc");
    let set = kvrwset::KvrwSet::decode(set.rwset.as_slice()).expect("a set");
    assert_eq!(
        set.reads,
        [kvrwset::KvRead {
            key: "k".into(),
            version: None
        }]
    );
    assert_eq!(
        set.writes,
        [kvrwset::KvWrite {
            key: "k".into(),
            is_delete: false,
            value: b"v".to_vec()
        }]
    );
}

#[tokio::test]
async fn rich_queries_come_from_the_ledger_in_batches_and_pages() {
    let dir = tempfile::tempdir().expect("temp dir");
    let ledger = ledger_with(dir.path(), StateDatabase::CouchDb);
    let filled = SimulatorLedger::new(ledger.simulator("fill"));
    for n in 0..120 {
        let value = format!(r#"{{"n":{n}}}"#).into_bytes();
        filled
            .put_state("cc", &format!("k{n:03}"), value)
            .expect("writes");
    }
    commit(&ledger, "fill", &filled);
    let bench = Bench::new().chaincode("cc", |mut call| async move {
        let query = |page_size, bookmark: &str| peer::GetQueryResult {
            query: r#"{"selector":{"n":{"$gte":10}}}"#.into(),
            collection: String::new(),
            metadata: peer::QueryMetadata {
                page_size,
                bookmark: bookmark.into(),
            }
            .encode_to_vec(),
        };
        let answer = |reply: peer::ChaincodeMessage| {
            peer::QueryResponse::decode(reply.payload.as_slice()).expect("rows")
        };
        let batch = answer(call.ask(Type::GetQueryResult, &query(0, "")).await);
        let page = |answer: &peer::QueryResponse| {
            peer::QueryResponseMetadata::decode(answer.metadata.as_slice()).expect("a page")
        };
        let first = page(&answer(call.ask(Type::GetQueryResult, &query(60, "")).await));
        let second = answer(call.ask(Type::GetQueryResult, &query(60, &first.bookmark)).await);
        let row = Kv::decode(second.results[0].result_bytes.as_slice()).expect("a row");
        let refused = call.ask(Type::PutState, &peer::PutState::default()).await;
        let text = format!(
            "{} {} | {} | {} {} {} | {}",
            batch.results.len(),
            batch.has_more,
            first.fetched_records_count,
            row.key,
            page(&second).fetched_records_count,
            page(&second).bookmark == first.bookmark,
            String::from_utf8_lossy(&refused.payload)
        );
        call.complete(text).await;
    });
    let simulated = SimulatorLedger::new(ledger.simulator("tx"));
    let execution = Execution {
        ledger: Some(Arc::new(simulated)),
        ..bench.execution("cc", &[])
    };
    let executed = bench.host.execute(execution).await.expect("executes");
    assert_eq!(
        String::from_utf8(executed.response.payload).expect("text"),
        "100 true | 60 | k070 50 false | PUT_STATE failed: transaction ID: tx: txid [tx]: unsuppored transaction. \
         Transaction has already performed a paginated query. Writes are not allowed"
    );
}
