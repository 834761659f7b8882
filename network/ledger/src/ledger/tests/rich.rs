//! Rich queries on a ledger with CouchDB's behaviour: forms, read sets, pages, indexes.

use std::path::Path;

use fabric_protos::kvrwset::KvrwSet;

use super::private::options;
use crate::testing::{COLL, NS, VALID, commit, genesis, run, simulate};
use crate::{CursorItem, IndexFile, Ledger, LedgerError, LedgerOptions, Simulator, StateDatabase};

fn couchdb() -> LedgerOptions {
    LedgerOptions {
        state_database: StateDatabase::CouchDb,
        ..options()
    }
}

pub(super) fn ledger(dir: &Path) -> Ledger {
    Ledger::create(dir, &genesis(), couchdb()).expect("creates")
}

fn put(ledger: &Ledger, entries: &[(&str, &str)]) {
    let id = format!("put{}", ledger.height());
    run(ledger, &id, |s| {
        for (key, value) in entries {
            s.put_state(NS, key, value.as_bytes().to_vec()).expect("puts");
        }
    });
}

pub(super) fn index(ledger: &Ledger, collection: Option<&str>, name: &str, fields: &str) -> usize {
    let content = format!(
        r#"{{"index": {{"fields": {fields}}}, "ddoc": "{name}Doc", "name": "{name}", "type": "json"}}"#
    );
    let file = IndexFile {
        collection: collection.map(str::to_owned),
        name: format!("{name}.json"),
        content: content.into_bytes(),
    };
    ledger.define_indexes(NS, &[file]).expect("defines")
}

/// The keys of a query's results.
pub(super) fn found(ledger: &Ledger, query: &str) -> Vec<String> {
    let rows = ledger
        .query()
        .rich_query(NS, query)
        .unwrap_or_else(|error| panic!("{query}: {error}"));
    rows.map(|row| row.expect("reads").key).collect()
}

fn refused(ledger: &Ledger, query: &str) -> String {
    ledger.query().rich_query(NS, query).expect_err(query).to_string()
}

const NO_INDEX: &str = "error handling CouchDB request. Error:no_usable_index,  Status Code:400,  Reason:No index exists \
                        for this sort, try indexing by the sort fields.";

/// Marbles as in Fabric's samples.
fn marbles(ledger: &Ledger) {
    put(
        ledger,
        &[
            ("m1", r#"{"color":"blue","owner":{"name":"tom"},"size":35}"#),
            ("m2", r#"{"color":"red","owner":{"name":"jerry"},"size":50}"#),
            ("m3", r#"{"color":"blue","owner":{"name":"tom"},"size":70}"#),
            ("bytes", "no document"),
            ("list", "[1,2]"),
        ],
    );
}

#[test]
fn leveldb_has_none() {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = Ledger::create(temp.path(), &genesis(), options()).expect("creates");
    assert_eq!(refused(&ledger, "{}"), "ExecuteQuery not supported for leveldb");
    let mut simulator = ledger.simulator("tx");
    assert_eq!(
        simulator
            .query_page(NS, "{}", "", 1)
            .expect_err("refused")
            .to_string(),
        "ExecuteQueryWithMetadata not supported for leveldb"
    );
    let refusal = simulator.open_private_query(NS, COLL, "{}").expect_err("refused");
    assert_eq!(refusal.to_string(), "ExecuteQuery not supported for leveldb");
    assert_eq!(index(&ledger, None, "a", r#"["a"]"#), 0);
    // Keys and values of any form are taken.
    put(&ledger, &[("_k", r#"{"_id": 1}"#)]);
}

#[test]
fn selectors_find_documents_by_their_fields() {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = ledger(temp.path());
    marbles(&ledger);
    assert_eq!(
        found(
            &ledger,
            r#"{"selector": {"owner.name": "tom", "size": {"$gt": 40}}}"#
        ),
        ["m3"]
    );
    assert_eq!(
        found(
            &ledger,
            r#"{"selector": {"color": "blue"}, "skip": 1, "limit": 0}"#
        ),
        ["m3"]
    );
    assert_eq!(
        found(&ledger, r#"{"selector": {"_id": {"$gte": "m2"}}}"#),
        ["m2", "m3"]
    );
    assert_eq!(
        found(
            &ledger,
            r#"{"selector": {"_id": {"$gt": null}}, "sort": [{"_id": "desc"}], "skip": 3}"#
        ),
        ["list", "bytes"]
    );
    // Everything is a document of some kind.
    assert_eq!(
        found(&ledger, r#"{"selector": {}}"#),
        ["bytes", "list", "m1", "m2", "m3"]
    );
    assert_eq!(
        found(&ledger, r#"{"selector": {"_attachments": {"$exists": true}}}"#),
        ["bytes", "list"]
    );
    assert_eq!(
        refused(&ledger, r#"{"selector": {"size": {"$gt": 0}}, "sort": ["size"]}"#),
        NO_INDEX
    );
    assert_eq!(refused(&ledger, "{"), "unexpected EOF");
    // Another chaincode's documents are not seen.
    assert_eq!(
        ledger
            .query()
            .rich_query("other", r#"{"selector": {}}"#)
            .expect("a query")
            .count(),
        0
    );
}

#[test]
fn documents_are_read_in_gos_form() {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = ledger(temp.path());
    put(
        &ledger,
        &[("k", r#" { "b" : 1.0, "a": {"y": "<", "x": 9007199254740993} }"#)],
    );
    let form = br#"{"a":{"x":9007199254740992,"y":"\u003c"},"b":1}"#.to_vec();
    let query = ledger.query();
    assert_eq!(query.state(NS, "k").expect("reads"), Some(form.clone()));
    assert_eq!(
        query
            .range(NS, "", "")
            .next()
            .expect("a row")
            .expect("reads")
            .value,
        form
    );
    let row = query
        .rich_query(NS, r#"{"selector": {}}"#)
        .expect("a query")
        .next();
    assert_eq!(row.expect("a row").expect("reads").value, form);
    let row = query
        .rich_query(NS, r#"{"selector": {}, "fields": ["a.y", "_id", "c"]}"#)
        .expect("a query")
        .next();
    assert_eq!(
        row.expect("a row").expect("reads").value,
        br#"{"a":{"y":"\u003c"}}"#
    );
    run(&ledger, "private", |s| {
        s.put_private(NS, COLL, "p", b"{ }".to_vec()).expect("puts")
    });
    assert_eq!(
        ledger.query().private(NS, COLL, "p").expect("reads"),
        Some(b"{}".to_vec())
    );
}

#[test]
fn what_couchdb_does_not_take_is_refused_in_the_simulation() {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = ledger(temp.path());
    let mut simulator = ledger.simulator("tx");
    let key = "invalid key [_k], cannot begin with \"_\"";
    let empty = "invalid key. Empty string is not supported as a key by couchdb";
    let field = "field [_rev] is not valid for the CouchDB state database";
    let text = |result: Result<(), LedgerError>| result.expect_err("refused").to_string();
    assert_eq!(text(simulator.put_state(NS, "_k", b"v".to_vec())), key);
    assert_eq!(text(simulator.delete_state(NS, "_k")), key);
    assert_eq!(text(simulator.put_metadata(NS, "_k", Default::default())), key);
    assert_eq!(text(simulator.put_private(NS, COLL, "_k", b"v".to_vec())), key);
    assert_eq!(
        text(simulator.put_private_metadata(NS, COLL, "_k", Default::default())),
        key
    );
    assert_eq!(text(simulator.state(NS, "_k").map(drop)), key);
    assert_eq!(text(simulator.metadata(NS, "_k").map(drop)), key);
    assert_eq!(text(simulator.private(NS, COLL, "_k").map(drop)), key);
    assert_eq!(text(simulator.put_state(NS, "", b"v".to_vec())), empty);
    assert_eq!(
        text(simulator.put_state(NS, "k", br#"{"_rev": 1}"#.to_vec())),
        field
    );
    assert_eq!(
        text(simulator.put_private(NS, COLL, "k", br#"{"_rev": 1}"#.to_vec())),
        field
    );
    assert_eq!(
        simulator
            .private_hash(NS, COLL, "_k")
            .expect("hashes have other keys"),
        None
    );
}

#[test]
fn what_was_written_behind_leveldb_stays_readable() {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = Ledger::create(temp.path(), &genesis(), options()).expect("creates");
    put(
        &ledger,
        &[("_k", "{}"), ("a", r#"{"v": 1}"#), ("b", r#"{"_id": 2, "v": 1}"#)],
    );
    drop(ledger);
    let ledger = Ledger::open(temp.path(), couchdb()).expect("opens");
    assert_eq!(found(&ledger, r#"{"selector": {}}"#), ["a", "b"]);
    let keys: Vec<_> = ledger
        .query()
        .range(NS, "", "")
        .map(|row| row.expect("reads").key)
        .collect();
    assert_eq!(keys, ["a", "b"]);
}

#[test]
fn results_count_as_reads_but_phantoms_pass() {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = ledger(temp.path());
    marbles(&ledger);
    let query = |s: &mut Simulator| {
        let cursor = s
            .open_query(NS, r#"{"selector": {"color": "blue"}}"#)
            .expect("opens");
        let mut keys = Vec::new();
        while let Some(CursorItem::State(row)) = s.next(cursor).expect("reads") {
            keys.push(row.key);
        }
        keys
    };
    let reader = simulate(&ledger, "reader", |s| {
        assert_eq!(query(s), ["m1", "m3"]);
        s.put_state(NS, "result", b"1".to_vec()).expect("puts");
    });
    let set = KvrwSet::decode_from(&reader.results.public_set.ns_rwset[0].rwset);
    let reads: Vec<_> = set
        .reads
        .iter()
        .map(|read| (read.key.as_str(), read.version.map(|v| v.block_num)))
        .collect();
    assert_eq!(reads, [("m1", Some(1)), ("m3", Some(1))]);
    assert!(set.range_queries_info.is_empty());
    // A new match does no harm; a changed result does.
    let phantom = simulate(&ledger, "phantom", |s| {
        s.put_state(NS, "m4", br#"{"color":"blue"}"#.to_vec())
            .expect("puts")
    });
    assert_eq!(commit(&ledger, &[phantom, reader]).codes, [VALID, VALID]);
    let again = simulate(&ledger, "again", |s| {
        query(s);
        s.put_state(NS, "result", b"2".to_vec()).expect("puts");
    });
    let change = simulate(&ledger, "change", |s| {
        s.put_state(NS, "m3", br#"{"color":"red"}"#.to_vec())
            .expect("puts")
    });
    assert_eq!(
        commit(&ledger, &[change, again]).codes,
        [VALID, crate::testing::MVCC]
    );
}

/// Decoding in one word, for assertions.
trait DecodeFrom {
    fn decode_from(bytes: &[u8]) -> Self;
}

impl DecodeFrom for KvrwSet {
    fn decode_from(bytes: &[u8]) -> Self {
        prost::Message::decode(bytes).expect("a read-write set")
    }
}

#[test]
fn a_simulation_sees_its_snapshot_only() {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = ledger(temp.path());
    marbles(&ledger);
    index(&ledger, None, "color", r#"["color"]"#);
    let before = ledger.query();
    let mut simulator = ledger.simulator("tx");
    simulator
        .put_state(NS, "own", br#"{"color":"blue"}"#.to_vec())
        .expect("puts");
    let cursor = simulator
        .open_query(NS, r#"{"selector": {"color": "blue"}}"#)
        .expect("opens");
    put(
        &ledger,
        &[("m1", r#"{"color":"red"}"#), ("m0", r#"{"color":"blue"}"#)],
    );
    index(&ledger, None, "late", r#"["size"]"#);
    let mut keys = Vec::new();
    while let Some(CursorItem::State(row)) = simulator.next(cursor).expect("reads") {
        keys.push(row.key);
    }
    assert_eq!(keys, ["m1", "m3"]);
    // An index that came later does not serve the snapshot.
    assert!(
        before
            .rich_query(NS, r#"{"selector": {}, "sort": ["size"]}"#)
            .is_err()
    );
    assert_eq!(found(&ledger, r#"{"selector": {"color": "blue"}}"#), ["m0", "m3"]);
}

#[test]
fn pages_go_on_where_the_last_one_ended() {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = ledger(temp.path());
    let entries: Vec<_> = (0..7)
        .map(|n| (format!("k{n}"), format!(r#"{{"v":{}}}"#, 10 - n)))
        .collect();
    put(
        &ledger,
        &entries
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect::<Vec<_>>(),
    );
    let pages = |query: &str| {
        let (mut pages, mut bookmark) = (Vec::new(), String::new());
        loop {
            let page = ledger
                .simulator("tx")
                .query_page(NS, query, &bookmark, 3)
                .expect("a page");
            assert_eq!(
                ledger
                    .query()
                    .rich_query_page(NS, query, &bookmark, 3)
                    .expect("the same"),
                page
            );
            if page.entries.is_empty() {
                // CouchDB gives the bookmark back.
                assert_eq!(page.bookmark, bookmark);
                return pages.join(" ");
            }
            let keys: Vec<_> = page.entries.into_iter().map(|entry| entry.key).collect();
            pages.push(keys.join(","));
            bookmark = page.bookmark;
        }
    };
    let all = r#"{"selector": {"v": {"$gt": 0}}}"#;
    assert_eq!(pages(all), "k0,k1,k2 k3,k4,k5 k6");
    index(&ledger, None, "v", r#"["v"]"#);
    assert_eq!(pages(all), "k6,k5,k4 k3,k2,k1 k0");
    assert_eq!(
        pages(r#"{"selector": {"v": {"$gt": 0}}, "sort": [{"v": "desc"}]}"#),
        "k0,k1,k2 k3,k4,k5 k6"
    );
    // Each page leaves out again.
    assert_eq!(
        pages(r#"{"selector": {"v": {"$gt": 0}}, "sort": [{"v": "desc"}], "skip": 1}"#),
        "k1,k2,k3 k5,k6"
    );
}

#[test]
fn bookmarks_are_couchdbs_where_there_is_no_result() {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = ledger(temp.path());
    marbles(&ledger);
    let page = |query: &str, bookmark: &str| {
        let page = ledger.simulator("tx").query_page(NS, query, bookmark, 2);
        page.map(|page| (page.entries.len(), page.bookmark))
            .map_err(|error| error.to_string())
    };
    assert_eq!(
        page(r#"{"selector": {"color": "green"}}"#, ""),
        Ok((0, "nil".into()))
    );
    assert_eq!(page(r#"{"selector": {"$or": []}}"#, ""), Ok((0, String::new())));
    for bad in ["nil", "x", "AQ", "!"] {
        let reason = format!("Reason:Invalid bookmark value: \"{bad}\"");
        let error = page(r#"{"selector": {"color": "blue"}}"#, bad).expect_err(bad);
        assert!(
            error.starts_with("error handling CouchDB request. Error:invalid_bookmark,"),
            "{error}"
        );
        assert!(error.ends_with(&reason), "{error}");
    }
    // A scan's bookmark is no index's.
    let (_, bookmark) = page(r#"{"selector": {"color": "blue"}}"#, "").expect("a page");
    index(&ledger, None, "color", r#"["color"]"#);
    assert!(page(r#"{"selector": {"color": "blue"}}"#, &bookmark).is_err());
    // The query's own bookmark counts where the page has none.
    let (_, bookmark) = page(r#"{"selector": {"color": "blue"}}"#, "").expect("a page");
    let own = format!(r#"{{"selector": {{"color": "blue"}}, "bookmark": "{bookmark}"}}"#);
    assert_eq!(page(&own, "").expect("a page").0, 0);
}

/// Fabric asks CouchDB for 1,000 results at once, each time with the query's own `skip`.
#[test]
fn every_thousand_results_are_a_request() {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = ledger(temp.path());
    run(&ledger, "fill", |s| {
        for n in 0..2_010 {
            s.put_state(NS, &format!("k{n:04}"), b"{}".to_vec())
                .expect("puts");
        }
    });
    assert_eq!(found(&ledger, r#"{"selector": {}}"#).len(), 2_010);
    let keys = found(&ledger, r#"{"selector": {}, "skip": 3}"#);
    assert_eq!(
        (keys[0].as_str(), keys[999].as_str(), keys[1_000].as_str()),
        ("k0003", "k1002", "k1006")
    );
    assert_eq!(keys.len(), 2_010 - 9);
}

#[test]
fn indexes_sort_and_are_kept_up() {
    let temp = tempfile::tempdir().expect("temp dir");
    let opened = ledger(temp.path());
    marbles(&opened);
    assert_eq!(index(&opened, None, "size", r#"["size"]"#), 1);
    assert_eq!(index(&opened, None, "size", r#"["size"]"#), 0);
    let by_size = r#"{"selector": {"size": {"$gte": 35}}, "sort": [{"size": "desc"}]}"#;
    assert_eq!(found(&opened, by_size), ["m3", "m2", "m1"]);
    put(
        &opened,
        &[
            ("m1", r#"{"size": 100}"#),
            ("m2", "gone"),
            ("m4", r#"{"size": 36}"#),
        ],
    );
    run(&opened, "delete", |s| s.delete_state(NS, "m3").expect("deletes"));
    assert_eq!(found(&opened, by_size), ["m1", "m4"]);
    // Entries go with what they speak of: an index that is defined again finds none left over.
    drop(opened);
    let opened = Ledger::open(temp.path(), couchdb()).expect("opens");
    assert_eq!(found(&opened, by_size), ["m1", "m4"]);
    // One of the same name replaces it.
    let content = br#"{"index": {"fields": ["color"]}, "ddoc": "sizeDoc", "name": "size"}"#.to_vec();
    let file = IndexFile {
        collection: None,
        name: "size.json".into(),
        content,
    };
    assert_eq!(opened.define_indexes(NS, &[file]).expect("defines"), 1);
    assert_eq!(refused(&opened, by_size), NO_INDEX);
    drop(opened);
    // Without CouchDB's behaviour nobody keeps them up, so they go.
    let leveldb = Ledger::open(temp.path(), options()).expect("opens");
    drop(leveldb);
    let opened = Ledger::open(temp.path(), couchdb()).expect("opens");
    assert_eq!(
        refused(&opened, r#"{"selector": {}, "sort": ["color"]}"#),
        NO_INDEX
    );
}

#[test]
fn bad_index_files_do_not_keep_good_ones_away() {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = ledger(temp.path());
    let file = |collection: Option<&str>, name: &str, content: &str| IndexFile {
        collection: collection.map(str::to_owned),
        name: name.into(),
        content: content.into(),
    };
    let files = [
        file(
            None,
            "b.json",
            r#"{"index": {"fields": ["size"]}, "ddoc": "d", "name": "n"}"#,
        ),
        file(
            None,
            "a.json",
            r#"{"index": {"fields": ["color"]}, "ddoc": "d", "name": "n"}"#,
        ),
        file(None, "c.json", "no JSON"),
        file(Some("unknown"), "d.json", r#"{"index": {"fields": ["size"]}}"#),
    ];
    // The first by name is built and replaced by the second.
    assert_eq!(ledger.define_indexes(NS, &files).expect("defines"), 2);
    assert!(
        ledger
            .query()
            .rich_query(NS, r#"{"selector": {}, "sort": ["size"]}"#)
            .is_ok()
    );
    assert!(
        ledger
            .query()
            .rich_query(NS, r#"{"selector": {}, "sort": ["color"]}"#)
            .is_err()
    );
}

#[test]
fn private_documents_have_queries_and_indexes_of_their_own() {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = ledger(temp.path());
    put(&ledger, &[("m1", r#"{"size": 1}"#)]);
    run(&ledger, "private", |s| {
        for (key, value) in [
            ("p1", r#"{"size": 7}"#),
            ("p2", r#"{"size": 5}"#),
            ("p3", r#"{"size": 6}"#),
        ] {
            s.put_private(NS, COLL, key, value.into()).expect("puts");
        }
    });
    let sorted = r#"{"selector": {"size": {"$gt": 5}}, "sort": ["size"]}"#;
    let found = || {
        let mut simulator = ledger.simulator("tx");
        let cursor = simulator.open_private_query(NS, COLL, sorted)?;
        let mut keys = Vec::new();
        while let Some(CursorItem::State(row)) = simulator.next(cursor)? {
            keys.push(row.key);
        }
        // Results of private queries are no part of the read set.
        assert!(simulator.finish()?.public_set.ns_rwset.is_empty());
        Ok::<_, LedgerError>(keys)
    };
    assert_eq!(found().expect_err("no index").to_string(), NO_INDEX);
    index(&ledger, Some(COLL), "size", r#"["size"]"#);
    assert_eq!(found().expect("finds"), ["p3", "p1"]);
    run(&ledger, "purge", |s| {
        s.purge_private(NS, COLL, "p3").expect("purges")
    });
    assert_eq!(found().expect("finds"), ["p1"]);
    ledger.compact().expect("erases");
    assert_eq!(found().expect("finds"), ["p1"]);
    assert!(ledger.query().private_rich_query(NS, "unknown", sorted).is_err());
}
