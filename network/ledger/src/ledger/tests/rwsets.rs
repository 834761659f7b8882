//! Read-write sets as bytes, and the rules of simulation.

use std::collections::{BTreeMap, BTreeSet};

use fabric_protos::kvrwset::{
    HashedRwSet, KvMetadataEntry, KvMetadataWrite, KvMetadataWriteHash, KvRead, KvReadHash, KvWrite,
    KvWriteHash, KvrwSet, QueryReads, RangeQueryInfo, Version as ProtoVersion, range_query_info::ReadsInfo,
};
use fabric_protos::rwset::{CollectionHashedReadWriteSet, NsReadWriteSet, TxReadWriteSet};
use prost::Message as _;

use crate::rwset::sha256;
use crate::testing::*;
use crate::{CursorItem, LedgerError, LedgerOptions, Simulator};

fn ledger() -> (tempfile::TempDir, crate::Ledger) {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = new_ledger(temp.path(), LedgerOptions::default());
    (temp, ledger)
}

fn version(block_num: u64, tx_num: u64) -> Option<ProtoVersion> {
    Some(ProtoVersion { block_num, tx_num })
}

/// Calls in a confusing order; the message is put together here from Fabric's rules, not with the builder.
#[test]
fn public_sets_are_sorted_and_keep_the_order_of_range_queries() {
    let (_temp, ledger) = ledger();
    for key in ["a", "b"] {
        put(&ledger, key, key, "1");
    }
    let tx = simulate(&ledger, "t", |s| {
        let drain = |s: &mut Simulator, start: &str, end: &str, most: usize| {
            let cursor = s.open_range(NS, start, end).expect("opens");
            for _ in 0..most {
                s.next(cursor).expect("reads");
            }
        };
        drain(s, "b", "z", 9);
        drain(s, "a", "z", 1);
        drain(s, "b", "z", 9);
        drain(s, "x", "y", 0);
        s.put_state("zz", "only", b"w".to_vec()).expect("puts");
        s.state("aa", "missing").expect("reads");
        s.put_state(NS, "n", b"2".to_vec()).expect("puts");
        s.put_state(NS, "m", Vec::new()).expect("puts");
        s.put_state(NS, "n", b"3".to_vec()).expect("puts again");
        assert_eq!(s.state(NS, "n").expect("reads"), None, "own writes do not show");
        s.state(NS, "b").expect("reads");
        let metadata = BTreeMap::from([("y".to_owned(), vec![1]), ("x".to_owned(), vec![2])]);
        s.put_metadata(NS, "b", metadata).expect("puts");
    });
    let read = |key: &str, version| KvRead {
        key: key.into(),
        version,
    };
    let query = |start: &str, end: &str, itr_exhausted, reads: Vec<KvRead>| RangeQueryInfo {
        start_key: start.into(),
        end_key: end.into(),
        itr_exhausted,
        reads_info: (!reads.is_empty()).then_some(ReadsInfo::RawReads(QueryReads { kv_reads: reads })),
    };
    let entry = |name: &str, value: u8| KvMetadataEntry {
        name: name.into(),
        value: vec![value],
    };
    let cc = KvrwSet {
        reads: vec![read("b", version(2, 0)), read("n", None)],
        range_queries_info: vec![
            query("b", "z", true, vec![read("b", version(2, 0))]),
            query("a", "a", false, vec![read("a", version(1, 0))]),
            query("x", "", false, Vec::new()),
        ],
        writes: vec![
            KvWrite {
                key: "m".into(),
                is_delete: true,
                value: Vec::new(),
            },
            KvWrite {
                key: "n".into(),
                is_delete: false,
                value: b"3".to_vec(),
            },
        ],
        metadata_writes: vec![KvMetadataWrite {
            key: "b".into(),
            entries: vec![entry("x", 2), entry("y", 1)],
        }],
    };
    let aa = KvrwSet {
        reads: vec![read("missing", None)],
        ..KvrwSet::default()
    };
    let zz = KvrwSet {
        writes: vec![KvWrite {
            key: "only".into(),
            is_delete: false,
            value: b"w".to_vec(),
        }],
        ..KvrwSet::default()
    };
    let namespace = |name: &str, set: &KvrwSet| NsReadWriteSet {
        namespace: name.into(),
        rwset: set.encode_to_vec(),
        collection_hashed_rwset: Vec::new(),
    };
    let expected = TxReadWriteSet {
        data_model: 0,
        ns_rwset: vec![namespace("aa", &aa), namespace(NS, &cc), namespace("zz", &zz)],
    };
    assert_eq!(tx.results.public_set, expected);
    assert_eq!(tx.results.public, expected.encode_to_vec());
    assert_eq!(tx.results.private, None);
}

#[test]
fn hashed_sets_are_sorted_by_the_clear_key() {
    let (_temp, ledger) = ledger();
    run(&ledger, "t1", |s| {
        s.put_private(NS, COLL, "k2", b"old".to_vec()).expect("puts")
    });
    let tx = simulate(&ledger, "t2", |s| {
        s.private(NS, COLL, "k2").expect("reads");
        s.private_hash(NS, COLL, "k1").expect("reads");
        s.put_private(NS, COLL, "k2", b"new".to_vec()).expect("puts");
        s.delete_private(NS, COLL, "k1").expect("deletes");
        s.purge_private(NS, COLL, "k3").expect("purges");
        s.put_private_metadata(NS, COLL, "k2", BTreeMap::from([("n".to_owned(), vec![5])]))
            .expect("puts");
        s.private_hash(NS, "other", "k").expect("reads");
    });
    let hash = |text: &str| sha256(text.as_bytes()).to_vec();
    let write = |key: &str, value: &[u8]| KvWrite {
        key: key.into(),
        is_delete: value.is_empty(),
        value: value.to_vec(),
    };
    let private = KvrwSet {
        writes: vec![write("k1", b""), write("k2", b"new"), write("k3", b"")],
        metadata_writes: vec![KvMetadataWrite {
            key: "k2".into(),
            entries: Vec::new(),
        }],
        ..KvrwSet::default()
    }
    .encode_to_vec();
    let hashed_write = |key: &str, value_hash: Vec<u8>, is_purge| KvWriteHash {
        key_hash: hash(key),
        is_delete: value_hash.is_empty(),
        value_hash,
        is_purge,
    };
    let coll = HashedRwSet {
        hashed_reads: vec![
            KvReadHash {
                key_hash: hash("k1"),
                version: None,
            },
            KvReadHash {
                key_hash: hash("k2"),
                version: version(1, 0),
            },
        ],
        hashed_writes: vec![
            hashed_write("k1", Vec::new(), false),
            hashed_write("k2", hash("new"), false),
            hashed_write("k3", Vec::new(), true),
        ],
        metadata_writes: vec![KvMetadataWriteHash {
            key_hash: hash("k2"),
            entries: vec![KvMetadataEntry {
                name: "n".into(),
                value: vec![5],
            }],
        }],
    };
    let other = HashedRwSet {
        hashed_reads: vec![KvReadHash {
            key_hash: hash("k"),
            version: None,
        }],
        ..HashedRwSet::default()
    };
    let collection = |name: &str, set: &HashedRwSet, pvt_rwset_hash| CollectionHashedReadWriteSet {
        collection_name: name.into(),
        hashed_rwset: set.encode_to_vec(),
        pvt_rwset_hash,
    };
    let expected = NsReadWriteSet {
        namespace: NS.into(),
        rwset: Vec::new(),
        collection_hashed_rwset: vec![
            collection(COLL, &coll, sha256(&private).to_vec()),
            collection("other", &other, Vec::new()),
        ],
    };
    assert_eq!(tx.results.public_set.ns_rwset, [expected]);
    let sets = tx.results.private.as_ref().expect("private set");
    assert_eq!(sets.ns_pvt_rwset[0].collection_pvt_rwset[0].rwset, private);
    assert_eq!(
        tx.results.private_reads,
        BTreeMap::from([(NS.to_owned(), BTreeSet::from([COLL.to_owned()]))])
    );
    assert_eq!(
        tx.results.written[NS][COLL].keys().collect::<Vec<_>>(),
        ["k1", "k2", "k3"]
    );
}

#[test]
fn queries_that_are_read_only_refuse_writes_in_fabrics_words() {
    let (_temp, ledger) = ledger();
    put(&ledger, "t1", "k", "v");
    let text = |result: Result<(), LedgerError>| result.expect_err("refused").to_string();
    let prefix = "txid [t2]: unsuppored transaction. ";

    let mut s = ledger.simulator("t2");
    s.open_private_range(NS, COLL, "", "").expect("opens");
    let expected = "Transaction has already performed queries on pvt data. Writes are not allowed";
    assert_eq!(
        text(s.put_state(NS, "k", b"x".to_vec())),
        format!("{prefix}{expected}")
    );

    let mut s = ledger.simulator("t2");
    s.range_page(NS, "", "", 1).expect("pages");
    let expected = "Transaction has already performed a paginated query. Writes are not allowed";
    assert_eq!(
        text(s.put_private(NS, COLL, "k", b"x".to_vec())),
        format!("{prefix}{expected}")
    );

    let mut s = ledger.simulator("t2");
    s.put_state(NS, "k", b"x".to_vec()).expect("puts");
    let expected = "Queries on pvt data is supported only in a read-only transaction";
    assert_eq!(
        text(s.open_private_range(NS, COLL, "", "").map(|_| ())),
        format!("{prefix}{expected}")
    );
    let expected = "Paginated queries are supported only in a read-only transaction";
    assert_eq!(
        text(s.range_page(NS, "", "", 1).map(|_| ())),
        format!("{prefix}{expected}")
    );
    assert!(matches!(s.open_query(NS, "{}"), Err(LedgerError::RichQuery)));

    s.finish().expect("results");
    assert!(matches!(s.finish(), Err(LedgerError::AlreadyFinished)));
    assert!(matches!(s.state(NS, "k"), Err(LedgerError::Done)));
    assert!(matches!(s.put_state(NS, "k", Vec::new()), Err(LedgerError::Done)));
}

#[test]
fn pages_end_with_the_key_of_the_next() {
    let (_temp, ledger) = ledger();
    for key in ["a", "b", "c"] {
        put(&ledger, key, key, "1");
    }
    let mut s = ledger.simulator("t");
    let first = s.range_page(NS, "", "", 2).expect("pages");
    let keys = |page: &crate::Page| {
        page.entries
            .iter()
            .map(|found| found.key.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (keys(&first), first.bookmark.as_str()),
        (vec!["a".to_owned(), "b".to_owned()], "c")
    );
    let second = s.range_page(NS, &first.bookmark, "", 2).expect("pages");
    assert_eq!(
        (keys(&second), second.bookmark.as_str()),
        (vec!["c".to_owned()], "")
    );
    assert_eq!(ledger.query().range_page(NS, "", "", 2).expect("pages"), first);
}

#[test]
fn cursors_are_independent_and_close() {
    let (_temp, ledger) = ledger();
    for key in ["a", "b"] {
        put(&ledger, key, key, "1");
    }
    let mut s = ledger.simulator("t");
    let (one, two) = (
        s.open_range(NS, "", "").expect("opens"),
        s.open_history(NS, "a").expect("opens"),
    );
    let key = |item: Option<CursorItem>| match item {
        Some(CursorItem::State(found)) => found.key,
        other => panic!("{other:?}"),
    };
    assert_eq!(key(s.next(one).expect("reads")), "a");
    assert!(matches!(
        s.next(two).expect("reads"),
        Some(CursorItem::History(_))
    ));
    assert_eq!(key(s.next(one).expect("reads")), "b");
    s.close(one);
    assert!(matches!(s.next(one), Err(LedgerError::NoCursor(_))));
    assert_eq!(s.next(two).expect("reads"), None);
}

#[test]
fn a_key_that_the_database_can_not_hold_is_refused_and_invalid() {
    let (_temp, ledger) = ledger();
    let long = "k".repeat(70_000);
    let mut s = ledger.simulator("t");
    assert!(matches!(
        s.put_state(NS, &long, b"v".to_vec()),
        Err(LedgerError::KeyTooLong { .. })
    ));
    let mut tx = simulate(&ledger, "t", |s| {
        s.put_state(NS, "k", b"v".to_vec()).expect("puts")
    });
    let set = KvrwSet {
        writes: vec![KvWrite {
            key: long,
            is_delete: false,
            value: vec![1],
        }],
        ..KvrwSet::default()
    };
    tx.results.public_set.ns_rwset[0].rwset = set.encode_to_vec();
    tx.results.public = tx.results.public_set.encode_to_vec();
    assert_eq!(commit(&ledger, &[tx]).codes, [24]);
    let longest = "k".repeat(65_000);
    put(&ledger, "t2", &longest, "v");
    assert_eq!(ledger.query().history(NS, &longest).count(), 1);
}

/// Anybody may ask for any key, and a set of reads may name any: the database itself would stop the program.
#[test]
fn nothing_is_under_a_key_that_is_too_long() {
    let (_temp, ledger) = ledger();
    let long = "k".repeat(70_000);
    put(&ledger, "t", "kk", "v");
    put(&ledger, "t2", "l", "v");
    let query = ledger.query();
    assert_eq!(query.state(NS, &long).expect("reads"), None);
    assert!(query.metadata(NS, &long).expect("reads").is_empty());
    assert_eq!(query.history(NS, &long).count(), 0);
    assert!(!ledger.tx_exists(&long).expect("reads"));
    assert!(ledger.transaction_status(&long).expect("reads").is_none());
    let keys = |start: &str, end: &str| -> Vec<_> {
        let found = query.range(NS, start, end);
        found.map(|entry| entry.expect("reads").key).collect()
    };
    // All k's: after "kk", before "l".
    assert_eq!(keys(&long, ""), ["l"]);
    assert_eq!(keys("", &long), ["kk"]);
    assert_eq!(keys("kk", &long), ["kk"]);

    let mut tx = simulate(&ledger, "t3", |s| {
        assert_eq!(s.state(NS, &long).expect("reads"), None);
        s.put_state(NS, "m", b"v".to_vec()).expect("puts");
    });
    assert_eq!(commit(&ledger, &[tx.clone()]).codes, [0]);
    let set = KvrwSet {
        reads: vec![KvRead {
            key: long.clone(),
            version: Some(ProtoVersion::default()),
        }],
        range_queries_info: vec![RangeQueryInfo {
            start_key: long,
            itr_exhausted: true,
            ..RangeQueryInfo::default()
        }],
        ..KvrwSet::default()
    };
    tx.results.public_set.ns_rwset[0].rwset = set.encode_to_vec();
    tx.results.public = tx.results.public_set.encode_to_vec();
    assert_eq!(commit(&ledger, &[tx]).codes, [11]);
}
