//! What every state database does, run against each: LevelDB's behaviour, CouchDB's, and CouchDB's with indexes over the
//! keys that are written.

use std::collections::BTreeMap;
use std::path::Path;

use super::private::options;
use crate::testing::{COLL, MVCC, NS, PHANTOM, VALID, commit, genesis, run, simulate};
use crate::{
    Committed, CursorItem, IndexFile, KeyValue, Ledger, LedgerError, LedgerOptions, QueryExecutor, Simulator,
    StateDatabase,
};

/// A state database under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backend {
    Level,
    Couch,
    /// With indexes over public and private values.
    IndexedCouch,
}

impl Backend {
    fn database(self) -> StateDatabase {
        match self {
            Self::Level => StateDatabase::GoLevelDb,
            Self::Couch | Self::IndexedCouch => StateDatabase::CouchDb,
        }
    }

    fn options(self) -> LedgerOptions {
        LedgerOptions {
            state_database: self.database(),
            ..options()
        }
    }

    fn create(self, dir: &Path) -> Ledger {
        self.indexed(Ledger::create(dir, &genesis(), self.options()).expect("creates"))
    }

    fn open(self, dir: &Path) -> Ledger {
        self.indexed(Ledger::open(dir, self.options()).expect("opens"))
    }

    fn indexed(self, ledger: Ledger) -> Ledger {
        if self == Self::IndexedCouch {
            let file = |collection: Option<&str>| IndexFile {
                collection: collection.map(str::to_owned),
                name: "v.json".into(),
                content: br#"{"index": {"fields": ["v"]}, "ddoc": "v", "name": "v"}"#.to_vec(),
            };
            let files = [file(None), file(Some(COLL))];
            ledger.define_indexes(NS, &files).expect("defines");
        }
        ledger
    }

    /// The bookmark behind the last page of a range.
    fn last_bookmark(self, end: &str) -> &str {
        if self == Self::Level { "" } else { end }
    }
}

/// One test for each behaviour and backend.
macro_rules! every_backend {
    ($($behaviour:ident)*) => {
        mod leveldb { $(#[test] fn $behaviour() { super::$behaviour(super::Backend::Level) })* }
        mod couchdb { $(#[test] fn $behaviour() { super::$behaviour(super::Backend::Couch) })* }
        mod indexed_couchdb { $(#[test] fn $behaviour() { super::$behaviour(super::Backend::IndexedCouch) })* }
    };
}

every_backend! {
    values_are_written_replaced_and_deleted
    ranges_are_in_byte_order
    pages_follow_each_other
    history_is_newest_first_and_as_written
    metadata_stays_with_its_key
    snapshots_do_not_change
    conflicts_are_found
    private_values_and_ranges
    reading_queries_forbid_writes
    a_lost_database_is_built_again
    the_commit_hash_is_the_same
}

fn json(value: u64) -> Vec<u8> {
    format!(r#"{{"v":{value}}}"#).into_bytes()
}

fn put(ledger: &Ledger, key: &str, value: &[u8]) -> Committed {
    let id = format!("put{}", ledger.height());
    run(ledger, &id, |s| {
        s.put_state(NS, key, value.to_vec()).expect("puts")
    })
}

fn get(query: &QueryExecutor, key: &str) -> Option<Vec<u8>> {
    query.state(NS, key).expect("reads")
}

fn keys(ledger: &Ledger, start: &str, end: &str) -> Vec<String> {
    let rows = ledger.query().range(NS, start, end);
    rows.map(|row| row.expect("reads").key).collect()
}

fn values_are_written_replaced_and_deleted(backend: Backend) {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = backend.create(temp.path());
    for value in [
        json(1),
        json(2),
        b"no json".to_vec(),
        vec![0, 255],
        b"[1, 2]".to_vec(),
        json(3),
    ] {
        let committed = put(&ledger, "k", &value);
        assert_eq!(get(&ledger.query(), "k"), Some(value));
        let found = ledger
            .query()
            .versioned(NS, "k")
            .expect("reads")
            .expect("is there");
        assert_eq!((found.version.block, found.version.tx), (committed.number, 0));
    }
    run(&ledger, "delete", |s| s.delete_state(NS, "k").expect("deletes"));
    assert_eq!(get(&ledger.query(), "k"), None);
    // An empty value deletes too.
    put(&ledger, "k", &json(1));
    put(&ledger, "k", b"");
    assert_eq!(get(&ledger.query(), "k"), None);
    assert_eq!(
        ledger
            .query()
            .states(NS, &["k".into(), "none".into()])
            .expect("reads"),
        [None, None]
    );
    // A transaction does not see its own writes.
    put(&ledger, "k", &json(1));
    simulate(&ledger, "own", |s| {
        s.put_state(NS, "k", json(2)).expect("puts");
        assert_eq!(s.state(NS, "k").expect("reads"), Some(json(1)));
    });
}

fn ranges_are_in_byte_order(backend: Backend) {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = backend.create(temp.path());
    run(&ledger, "fill", |s| {
        for key in ["b", "a", "B", "\0t\0x\0", "\u{e9}", "a!", "\u{10ffff}"] {
            s.put_state(NS, key, json(1)).expect("puts");
        }
        s.put_state("other", "c", json(1)).expect("puts");
    });
    assert_eq!(
        keys(&ledger, "", ""),
        ["\0t\0x\0", "B", "a", "a!", "b", "\u{e9}", "\u{10ffff}"]
    );
    assert_eq!(keys(&ledger, "a", "b"), ["a", "a!"]);
    assert_eq!(keys(&ledger, "\u{1}", "a!"), ["B", "a"]);
    assert_eq!(keys(&ledger, "b", "a"), [""; 0]);
    assert_eq!(keys(&ledger, "\0t\0", "\0t\0\u{10ffff}"), ["\0t\0x\0"]);
}

fn pages_follow_each_other(backend: Backend) {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = backend.create(temp.path());
    run(&ledger, "fill", |s| {
        for n in 0..5u64 {
            s.put_state(NS, &format!("k{n}"), json(n)).expect("puts");
        }
    });
    let page = |start: &str, end: &str, size| {
        let mut simulator = ledger.simulator("page");
        let page = simulator.range_page(NS, start, end, size).expect("a page");
        assert_eq!(
            ledger.query().range_page(NS, start, end, size).expect("the same"),
            page
        );
        let keys: Vec<_> = page.entries.into_iter().map(|entry| entry.key).collect();
        (keys.join(","), page.bookmark)
    };
    let with = |keys: &str, bookmark: &str| (keys.to_owned(), bookmark.to_owned());
    assert_eq!(page("", "", 2), with("k0,k1", "k2"));
    assert_eq!(page("k2", "", 2), with("k2,k3", "k4"));
    assert_eq!(page("k4", "", 2), with("k4", ""));
    assert_eq!(page("k1", "k4", 2), with("k1,k2", "k3"));
    assert_eq!(page("k3", "k4", 2), with("k3", backend.last_bookmark("k4")));
    assert_eq!(page("x", "y", 2), with("", backend.last_bookmark("y")));
}

fn history_is_newest_first_and_as_written(backend: Backend) {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = backend.create(temp.path());
    let written: [&[u8]; 4] = [br#"{"v": 1.0}"#, b"text", b"", br#"{"b":1,"a":2}"#];
    for value in written {
        put(&ledger, "k", value);
    }
    let changes: Vec<_> = ledger
        .query()
        .history(NS, "k")
        .map(|change| change.expect("reads"))
        .collect();
    let values: Vec<_> = changes.iter().map(|change| change.value.as_slice()).collect();
    assert_eq!(values, [written[3], written[2], written[1], written[0]]);
    assert_eq!(
        changes.iter().map(|change| change.is_delete).collect::<Vec<_>>(),
        [false, true, false, false]
    );
    assert_eq!(ledger.query().history(NS, "none").count(), 0);
}

fn metadata_stays_with_its_key(backend: Backend) {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = backend.create(temp.path());
    let entries = BTreeMap::from([("VALIDATION_PARAMETER".to_owned(), b"policy".to_vec())]);
    put(&ledger, "k", &json(1));
    run(&ledger, "metadata", |s| {
        s.put_metadata(NS, "k", entries.clone()).expect("puts")
    });
    assert_eq!(ledger.query().metadata(NS, "k").expect("reads"), entries);
    assert_eq!(get(&ledger.query(), "k"), Some(json(1)));
    put(&ledger, "k", &json(2));
    assert_eq!(ledger.query().metadata(NS, "k").expect("reads"), entries);
    // Of a key that is not there it is nothing.
    run(&ledger, "nothing", |s| {
        s.put_metadata(NS, "none", entries.clone()).expect("puts")
    });
    assert_eq!(
        ledger.query().metadata(NS, "none").expect("reads"),
        BTreeMap::new()
    );
    put(&ledger, "k", b"");
    assert_eq!(ledger.query().metadata(NS, "k").expect("reads"), BTreeMap::new());
}

fn snapshots_do_not_change(backend: Backend) {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = backend.create(temp.path());
    put(&ledger, "k", &json(1));
    let before = ledger.query();
    let mut simulator = ledger.simulator("tx");
    let cursor = simulator.open_range(NS, "", "").expect("opens");
    put(&ledger, "k", &json(2));
    put(&ledger, "l", &json(2));
    assert_eq!(get(&before, "k"), Some(json(1)));
    assert_eq!(before.range(NS, "", "").count(), 1);
    let first = KeyValue {
        key: "k".into(),
        value: json(1),
    };
    assert_eq!(
        simulator.next(cursor).expect("reads"),
        Some(CursorItem::State(first))
    );
    assert_eq!(simulator.next(cursor).expect("reads"), None);
    assert_eq!(get(&ledger.query(), "k"), Some(json(2)));
}

fn conflicts_are_found(backend: Backend) {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = backend.create(temp.path());
    put(&ledger, "k", &json(1));
    let change = |id: &str| {
        simulate(&ledger, id, |s| {
            s.state(NS, "k").expect("reads");
            s.put_state(NS, "k", json(2)).expect("puts");
        })
    };
    let ranged = simulate(&ledger, "range", |s| {
        let cursor = s.open_range(NS, "", "").expect("opens");
        while s.next(cursor).expect("reads").is_some() {}
        s.put_state(NS, "z", json(1)).expect("puts");
    });
    let committed = commit(&ledger, &[change("first"), change("second"), ranged]);
    assert_eq!(committed.codes, [VALID, MVCC, PHANTOM]);
    assert_eq!(get(&ledger.query(), "z"), None);
}

fn private_values_and_ranges(backend: Backend) {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = backend.create(temp.path());
    run(&ledger, "fill", |s| {
        for n in 0..3u64 {
            s.put_private(NS, COLL, &format!("p{n}"), json(n)).expect("puts");
        }
    });
    run(&ledger, "change", |s| {
        s.put_private(NS, COLL, "p0", json(7)).expect("puts");
        s.delete_private(NS, COLL, "p1").expect("deletes");
        s.purge_private(NS, COLL, "p2").expect("purges");
    });
    let query = ledger.query();
    assert_eq!(query.private(NS, COLL, "p0").expect("reads"), Some(json(7)));
    for gone in ["p1", "p2", "none"] {
        assert_eq!(query.private(NS, COLL, gone).expect("reads"), None);
        assert_eq!(query.private_hash(NS, COLL, gone).expect("reads"), None);
    }
    assert_eq!(
        query.private_hash(NS, COLL, "p0").expect("reads"),
        Some(crate::rwset::sha256(&json(7)).to_vec())
    );
    let rows = query.private_range(NS, COLL, "", "").expect("a range");
    assert_eq!(
        rows.map(|row| row.expect("reads").key).collect::<Vec<_>>(),
        ["p0"]
    );
}

type Query<'q> = &'q dyn Fn(&mut Simulator) -> Result<(), LedgerError>;

fn reading_queries_forbid_writes(backend: Backend) {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = backend.create(temp.path());
    let page = |s: &mut Simulator| s.range_page(NS, "", "", 1).map(drop);
    let rich_page = |s: &mut Simulator| s.query_page(NS, r#"{"selector":{}}"#, "", 1).map(drop);
    let private_range = |s: &mut Simulator| s.open_private_range(NS, COLL, "", "").map(drop);
    let private_query = |s: &mut Simulator| s.open_private_query(NS, COLL, r#"{"selector":{}}"#).map(drop);
    let queries: [(Query<'_>, [&str; 2], bool); 4] = [
        (&page, PAGINATED, true),
        (&rich_page, PAGINATED, backend != Backend::Level),
        (&private_range, PRIVATE, true),
        (&private_query, PRIVATE, backend != Backend::Level),
    ];
    for (query, [after_write, then_write], offered) in queries {
        let mut simulator = ledger.simulator("tx");
        simulator.put_state(NS, "k", json(1)).expect("puts");
        let refusal = query(&mut simulator).expect_err("after a write").to_string();
        assert_eq!(
            refusal,
            format!("txid [tx]: unsuppored transaction. {after_write}")
        );
        let mut simulator = ledger.simulator("tx");
        assert_eq!(query(&mut simulator).is_ok(), offered);
        let refusal = simulator
            .put_state(NS, "k", json(1))
            .expect_err("a write after it")
            .to_string();
        assert_eq!(
            refusal,
            format!("txid [tx]: unsuppored transaction. {then_write}")
        );
    }
}

const PAGINATED: [&str; 2] = [
    "Paginated queries are supported only in a read-only transaction",
    "Transaction has already performed a paginated query. Writes are not allowed",
];
const PRIVATE: [&str; 2] = [
    "Queries on pvt data is supported only in a read-only transaction",
    "Transaction has already performed queries on pvt data. Writes are not allowed",
];

fn a_lost_database_is_built_again(backend: Backend) {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = backend.create(temp.path());
    for n in 0..4u64 {
        put(&ledger, &format!("k{n}"), &json(n));
    }
    put(&ledger, "k1", b"");
    run(&ledger, "private", |s| {
        s.put_private(NS, COLL, "p", json(9)).expect("puts")
    });
    let hash = ledger.commit_hash();
    drop(ledger);
    std::fs::remove_dir_all(temp.path().join("db")).expect("removes");
    let ledger = backend.open(temp.path());
    assert_eq!(keys(&ledger, "", ""), ["k0", "k2", "k3"]);
    assert_eq!(
        ledger.query().private(NS, COLL, "p").expect("reads"),
        Some(json(9))
    );
    assert_eq!(ledger.query().history(NS, "k1").count(), 2);
    assert_eq!(ledger.commit_hash(), hash);
    if backend == Backend::IndexedCouch {
        let query = r#"{"selector": {"v": {"$gte": 2}}, "sort": [{"v": "desc"}]}"#;
        let rows = ledger
            .query()
            .rich_query(NS, query)
            .expect("an index for the sort");
        assert_eq!(
            rows.map(|row| row.expect("reads").key).collect::<Vec<_>>(),
            ["k3", "k2"]
        );
        let mut rows = ledger
            .query()
            .private_rich_query(NS, COLL, query)
            .expect("an index for the sort");
        assert_eq!(rows.next().expect("a row").expect("reads").key, "p");
    }
}

/// The hash is over what transactions wrote, in whatever form it is read back.
fn the_commit_hash_is_the_same(backend: Backend) {
    let hash = |backend: Backend| {
        let temp = tempfile::tempdir().expect("temp dir");
        let ledger = backend.create(temp.path());
        put(&ledger, "k", br#"{"b": 1.0, "a": "<"}"#);
        let entries = BTreeMap::from([("m".to_owned(), b"v".to_vec())]);
        run(&ledger, "metadata", |s| {
            s.put_metadata(NS, "k", entries).expect("puts")
        });
        ledger.commit_hash()
    };
    assert_eq!(hash(backend), hash(Backend::Level));
}
