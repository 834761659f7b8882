//! Requests for keys.

use fabric_protos::peer;
use fabric_protos::peer::chaincode_message::Type;
use fabric_protos::peer::write_record;
use prost::Message;

use crate::resolver::{Capabilities, CollectionPermission};
use crate::testing::bench::Bench;
use crate::testing::ledger::FakeLedger;

fn get(collection: &str, key: &str) -> Vec<u8> {
    peer::GetState {
        key: key.into(),
        collection: collection.into(),
    }
    .encode_to_vec()
}

fn put(collection: &str, key: &str) -> Vec<u8> {
    peer::PutState {
        key: key.into(),
        value: b"v".to_vec(),
        collection: collection.into(),
    }
    .encode_to_vec()
}

fn delete(collection: &str, key: &str) -> Vec<u8> {
    peer::DelState {
        key: key.into(),
        collection: collection.into(),
    }
    .encode_to_vec()
}

/// Runs one request on this bench and returns the reply's type and payload as text.
async fn request_on(bench: Bench, init: bool, kind: Type, payload: Vec<u8>) -> (Type, String, Vec<String>) {
    let mut bench = bench.chaincode("cc", move |mut call| {
        let payload = payload.clone();
        async move {
            call.send(kind, &payload).await;
            let reply = call.reply().await;
            assert_eq!((reply.txid.as_str(), reply.channel_id.as_str()), ("tx", "ch"));
            call.complete([&[reply.r#type as u8], reply.payload.as_slice()].concat())
                .await;
        }
    });
    if init {
        bench
            .resolver()
            .definitions
            .get_mut("cc")
            .expect("defined")
            .init_required = true;
    }
    let mut execution = bench.execution("cc", &[]);
    execution.input.is_init = init;
    let payload = bench
        .host
        .execute(execution)
        .await
        .expect("executes")
        .response
        .payload;
    let kind = Type::try_from(i32::from(payload[0])).expect("a type");
    (
        kind,
        String::from_utf8_lossy(&payload[1..]).into_owned(),
        bench.ledger.log(),
    )
}

async fn request(kind: Type, payload: Vec<u8>) -> (Type, String, Vec<String>) {
    let ledger = FakeLedger::default()
        .with("cc", "k", b"public")
        .with("cc$coll", "k", b"private")
        .with_metadata("cc", "k", "VALIDATION_PARAMETER", b"policy");
    request_on(Bench::new().ledger(ledger), false, kind, payload).await
}

#[tokio::test]
async fn reads_answer_with_the_committed_value_or_nothing() {
    let cases = [
        (Type::GetState, get("", "k"), "public"),
        (Type::GetState, get("", "absent"), ""),
        (Type::GetState, get("coll", "k"), "private"),
        (Type::GetPrivateDataHash, get("coll", "k"), "hash of private"),
    ];
    for (kind, payload, value) in cases {
        let (answer, text, log) = request(kind, payload).await;
        assert_eq!((answer, text.as_str(), log.len()), (Type::Response, value, 0));
    }
}

#[tokio::test]
async fn writes_reach_the_ledger_under_the_chaincodes_name() {
    let metadata = |collection: &str| {
        let entry = peer::StateMetadata {
            metakey: "m".into(),
            value: vec![7],
        };
        peer::PutStateMetadata {
            key: "k".into(),
            collection: collection.into(),
            metadata: Some(entry),
        }
        .encode_to_vec()
    };
    let cases = [
        (Type::PutState, put("", "k"), "put cc k=v"),
        (Type::PutState, put("coll", "k"), "put cc$coll k=v"),
        (Type::DelState, delete("", "k"), "delete cc k"),
        (Type::DelState, delete("coll", "k"), "delete cc$coll k"),
        (Type::PurgePrivateData, delete("coll", "k"), "purge cc$coll k"),
        (
            Type::PutStateMetadata,
            metadata(""),
            r#"metadata cc k {"m": [7]}"#,
        ),
        (
            Type::PutStateMetadata,
            metadata("coll"),
            r#"metadata cc$coll k {"m": [7]}"#,
        ),
    ];
    for (kind, payload, written) in cases {
        let (answer, text, log) = request(kind, payload).await;
        assert_eq!((answer, text.as_str()), (Type::Response, ""));
        assert_eq!(log, [written]);
    }
}

#[tokio::test]
async fn metadata_comes_back_as_entries() {
    let payload = peer::GetStateMetadata {
        key: "k".into(),
        ..Default::default()
    }
    .encode_to_vec();
    let (answer, text, _) = request(Type::GetStateMetadata, payload).await;
    let result = peer::StateMetadataResult::decode(text.as_bytes()).expect("a result");
    assert_eq!(answer, Type::Response);
    let entry = peer::StateMetadata {
        metakey: "VALIDATION_PARAMETER".into(),
        value: b"policy".to_vec(),
    };
    assert_eq!(result.entries, [entry]);
}

#[tokio::test]
async fn several_keys_come_back_in_their_order() {
    for (collection, value) in [("", "public"), ("coll", "private")] {
        let request_payload = peer::GetStateMultiple {
            keys: vec!["absent".into(), "k".into()],
            collection: collection.into(),
        };
        let (_, text, _) = request(Type::GetStateMultiple, request_payload.encode_to_vec()).await;
        let result = peer::GetStateMultipleResult::decode(text.as_bytes()).expect("a result");
        assert_eq!(result.values, [b"".to_vec(), value.as_bytes().to_vec()]);
    }
}

fn record(kind: write_record::Type, key: &str, collection: &str) -> peer::WriteRecord {
    peer::WriteRecord {
        key: key.into(),
        value: b"v".to_vec(),
        collection: collection.into(),
        metadata: Some(peer::StateMetadata {
            metakey: "m".into(),
            value: vec![7],
        }),
        r#type: kind as i32,
    }
}

#[tokio::test]
async fn a_batch_writes_in_order() {
    use write_record::Type as Record;
    let batch = peer::WriteBatchState {
        rec: vec![
            record(Record::PutState, "a", ""),
            record(Record::DelState, "b", ""),
            record(Record::PutState, "c", "coll"),
            record(Record::PurgePrivateData, "d", "coll"),
            record(Record::PutStateMetadata, "e", ""),
        ],
    };
    let (answer, text, log) = request(Type::WriteBatchState, batch.encode_to_vec()).await;
    assert_eq!((answer, text.as_str()), (Type::Response, ""));
    assert_eq!(
        log,
        [
            "put cc a=v",
            "delete cc b",
            "put cc$coll c=v",
            "purge cc$coll d",
            r#"metadata cc e {"m": [7]}"#
        ]
    );
}

#[tokio::test]
async fn a_batch_ends_at_its_first_bad_record() {
    use write_record::Type as Record;
    let batch = peer::WriteBatchState {
        rec: vec![
            record(Record::PutState, "a", ""),
            record(Record::Undefined, "b", ""),
            record(Record::PutState, "c", ""),
        ],
    };
    let (answer, text, log) = request(Type::WriteBatchState, batch.encode_to_vec()).await;
    assert_eq!(answer, Type::Error);
    assert_eq!(
        text,
        "WRITE_BATCH_STATE failed: transaction ID: tx: unknown operation type"
    );
    assert_eq!(log, ["put cc a=v"]);
}

#[tokio::test]
async fn refusals_have_fabrics_texts() {
    let cases = [
        (
            Type::GetState,
            get("", "broken"),
            "GET_STATE failed: transaction ID: tx: the disk is on fire",
        ),
        (
            Type::GetState,
            get("unknown", "k"),
            "GET_STATE failed: transaction ID: tx: collection unknown is not defined",
        ),
        (
            Type::PurgePrivateData,
            delete("", "k"),
            "PURGE_PRIVATE_DATA failed: transaction ID: tx: only applicable for private data",
        ),
    ];
    for (kind, payload, text) in cases {
        let (answer, refusal, log) = request(kind, payload).await;
        assert_eq!((answer, refusal.as_str(), log.len()), (Type::Error, text, 0));
    }
    let (answer, refusal, _) = request(Type::PutState, vec![0xff]).await;
    assert_eq!(answer, Type::Error);
    assert!(
        refusal.starts_with("PUT_STATE failed: transaction ID: tx: unmarshal failed: "),
        "{refusal}"
    );
}

#[tokio::test]
async fn private_data_is_refused_in_init() {
    let range = peer::GetStateByRange {
        collection: "coll".into(),
        ..Default::default()
    }
    .encode_to_vec();
    let query = peer::GetQueryResult {
        collection: "coll".into(),
        ..Default::default()
    }
    .encode_to_vec();
    let batch = peer::WriteBatchState {
        rec: vec![record(write_record::Type::PutState, "k", "coll")],
    }
    .encode_to_vec();
    let keys = peer::GetStateMultiple {
        collection: "coll".into(),
        ..Default::default()
    }
    .encode_to_vec();
    let metadata = peer::GetStateMetadata {
        collection: "coll".into(),
        ..Default::default()
    }
    .encode_to_vec();
    let cases = [
        (Type::GetState, get("coll", "k")),
        (Type::GetStateMultiple, keys),
        (Type::GetPrivateDataHash, get("coll", "k")),
        (Type::GetStateMetadata, metadata),
        (Type::PutState, put("coll", "k")),
        (Type::DelState, delete("coll", "k")),
        (Type::PurgePrivateData, delete("coll", "k")),
        (Type::WriteBatchState, batch),
        (Type::GetStateByRange, range),
        (Type::GetQueryResult, query),
    ];
    for (kind, payload) in cases {
        let (answer, refusal, log) = request_on(Bench::new(), true, kind, payload).await;
        let expected = format!(
            "{} failed: transaction ID: tx: private data APIs are not allowed in chaincode Init()",
            kind.as_str_name()
        );
        assert_eq!((answer, refusal), (Type::Error, expected));
        assert_eq!(
            log,
            ["put cc \u{0}\u{10FFFF}initialized=1.0"],
            "only the marker is written"
        );
    }
    let (answer, _, _) = request_on(Bench::new(), true, Type::PutState, put("", "k")).await;
    assert_eq!(answer, Type::Response, "public data is allowed");
}

#[tokio::test]
async fn clients_without_access_to_the_collection_are_refused() {
    let cases = [
        (Type::GetState, get("coll", "k"), "read"),
        (Type::PutState, put("coll", "k"), "write"),
        (Type::DelState, delete("coll", "k"), "write"),
        (Type::PurgePrivateData, delete("coll", "k"), "write"),
    ];
    for (kind, payload, what) in cases {
        let mut bench = Bench::new();
        bench.resolver().permission = CollectionPermission {
            read: what != "read",
            write: what != "write",
        };
        let (_, refusal, log) = request_on(bench, false, kind, payload).await;
        let expected = format!(
            "{} failed: transaction ID: tx: tx creator does not have {what} access permission on privatedata in \
             chaincodeName:cc collectionName: coll",
            kind.as_str_name()
        );
        assert_eq!((refusal, log.len()), (expected, 0));
    }
}

#[tokio::test]
async fn capabilities_gate_metadata_and_purge() {
    let cases = [
        (
            Type::PurgePrivateData,
            delete("coll", "k"),
            "PURGE_PRIVATE_DATA failed: transaction ID: tx: purge private data is not enabled, channel application \
             capability of V2_5 or later is required",
        ),
        (
            Type::GetStateMetadata,
            Vec::new(),
            "GET_STATE_METADATA failed: transaction ID: tx: key level endorsement is not enabled, channel \
             application capability of V1_3 or later is required",
        ),
    ];
    for (kind, payload, text) in cases {
        let mut bench = Bench::new();
        bench.resolver().capabilities = Capabilities {
            key_level_endorsement: false,
            purge_private_data: false,
        };
        let (answer, refusal, _) = request_on(bench, false, kind, payload).await;
        assert_eq!((answer, refusal.as_str()), (Type::Error, text));
    }
}
