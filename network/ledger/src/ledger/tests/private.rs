//! Private data: values, hashes, missing data, expiry, purge.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use aho_corasick::AhoCorasick;

use crate::rwset::sha256;
use crate::testing::*;
use crate::{
    Collection, CollectionInfo, LatePrivateData, Ledger, LedgerError, LedgerOptions, MissingPrivateData,
    QueryExecutor, Simulator, Version,
};

/// Collection `coll` for ever, `short` for one block more, `long` for three.
#[derive(Debug)]
struct Collections;

impl CollectionInfo for Collections {
    fn collection(
        &self,
        _: &QueryExecutor,
        namespace: &str,
        collection: &str,
    ) -> Result<Collection, LedgerError> {
        Ok(match (namespace, collection) {
            (NS, COLL) => Collection::Defined { block_to_live: 0 },
            (NS, "short") => Collection::Defined { block_to_live: 1 },
            (NS, "long") => Collection::Defined { block_to_live: 3 },
            (NS, _) => Collection::Unknown,
            _ => Collection::NoneDefined,
        })
    }
}

pub(super) fn options() -> LedgerOptions {
    LedgerOptions {
        collections: Arc::new(Collections),
        ..LedgerOptions::default()
    }
}

pub(super) fn ledger() -> (tempfile::TempDir, Ledger) {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = new_ledger(temp.path(), options());
    (temp, ledger)
}

pub(super) fn put_private(
    collection: &'static str,
    key: &'static str,
    value: &'static str,
) -> impl FnOnce(&mut Simulator) {
    move |s| s.put_private(NS, collection, key, value.into()).expect("puts")
}

pub(super) fn private(ledger: &Ledger, collection: &str, key: &str) -> Option<Vec<u8>> {
    ledger.query().private(NS, collection, key).expect("reads")
}

pub(super) fn hash(ledger: &Ledger, collection: &str, key: &str) -> Option<Vec<u8>> {
    ledger.query().private_hash(NS, collection, key).expect("reads")
}

pub(super) fn private_keys(ledger: &Ledger, collection: &str) -> Vec<String> {
    let range = ledger
        .query()
        .private_range(NS, collection, "", "")
        .expect("opens");
    range.map(|found| found.expect("reads").key).collect()
}

/// Commits without the private data, as a peer that is no member.
pub(super) fn commit_without(ledger: &Ledger, tx: &Tx) {
    let (block, parsed, _) = next_block(ledger, std::slice::from_ref(tx));
    assert_eq!(
        ledger
            .commit(block, parsed, BTreeMap::new())
            .expect("commits")
            .codes,
        [VALID]
    );
}

/// Files below `dir` that hold `needle`.
pub(super) fn files_with(dir: &Path, needle: &[u8]) -> Vec<String> {
    let needle = AhoCorasick::new([needle]).expect("a pattern");
    let mut found = Vec::new();
    for_each_file(dir, &mut |path, bytes| {
        if needle.is_match(bytes) {
            found.push(path.display().to_string());
        }
    });
    found
}

/// Every byte below `dir`, file by file.
pub(super) fn for_each_file(dir: &Path, visit: &mut dyn FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(dir).expect("lists") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            for_each_file(&path, visit);
        } else {
            // The database's worker may remove a file between listing and reading.
            visit(&path, &std::fs::read(&path).unwrap_or_default());
        }
    }
}

#[test]
fn members_have_values_and_everybody_has_hashes() {
    let (_temp, ledger) = ledger();
    run(&ledger, "t1", put_private(COLL, "k", "secret"));
    assert_eq!(private(&ledger, COLL, "k").as_deref(), Some(&b"secret"[..]));
    assert_eq!(hash(&ledger, COLL, "k").as_deref(), Some(&sha256(b"secret")[..]));
    assert_eq!(private_keys(&ledger, COLL), ["k"]);
    let data = ledger.private_data(1).expect("reads");
    assert_eq!((data.len(), data[0].tx), (1, 0));
    assert_eq!(ledger.missing_private_data(None, 9).expect("reads"), []);
    run(&ledger, "t2", |s| {
        s.delete_private(NS, COLL, "k").expect("deletes")
    });
    assert_eq!(
        (private(&ledger, COLL, "k"), hash(&ledger, COLL, "k")),
        (None, None)
    );
    assert_eq!(private_keys(&ledger, COLL), [""; 0]);
}

#[test]
fn private_rivals_conflict_on_the_hash() {
    let (_temp, ledger) = ledger();
    run(&ledger, "t1", put_private(COLL, "k", "1"));
    let update = |id: &str| {
        simulate(&ledger, id, |s| {
            s.private_hash(NS, COLL, "k").expect("reads");
            s.put_private(NS, COLL, "k", id.as_bytes().to_vec())
                .expect("puts");
        })
    };
    assert_eq!(
        commit(&ledger, &[update("t2"), update("t3")]).codes,
        [VALID, MVCC]
    );
    assert_eq!(private(&ledger, COLL, "k").as_deref(), Some(&b"t2"[..]));
    assert_eq!(
        ledger.private_data(2).expect("reads").len(),
        1,
        "nothing is kept of invalid transactions"
    );
}

#[test]
fn unknown_collections_are_refused_in_fabrics_words() {
    let (_temp, ledger) = ledger();
    let mut s = ledger.simulator("t");
    let error = s
        .put_private(NS, "nope", "k", b"v".to_vec())
        .expect_err("refused");
    assert_eq!(
        error.to_string(),
        "collection [nope] not defined in the collection config for chaincode [cc]"
    );
    let error = s.private("none", "c", "k").expect_err("refused");
    assert!(
        error
            .to_string()
            .starts_with("collection config not defined for chaincode [none], pass the")
    );
}

#[test]
fn a_missing_value_is_an_error_until_it_arrives() {
    let (temp, ledger) = ledger();
    let tx = simulate(&ledger, "t1", put_private(COLL, "k", "secret"));
    commit_without(&ledger, &tx);
    let error = ledger.query().private(NS, COLL, "k").expect_err("not here");
    assert_eq!(
        error.to_string(),
        "private data matching public hash version is not available. Public hash version = {BlockNum: 1, TxNum: 0}, Private data version = <nil>"
    );
    let missing = MissingPrivateData {
        block: 1,
        tx: 0,
        namespace: NS.to_owned(),
        collection: COLL.to_owned(),
    };
    assert_eq!(ledger.missing_private_data(None, 9).expect("reads"), [missing]);
    assert_eq!(files_with(temp.path(), b"secret"), [""; 0]);

    let set = tx.results.private.expect("private set");
    let mut forged = set.clone();
    forged.ns_pvt_rwset[0].collection_pvt_rwset[0].rwset.push(0);
    let late = |set| vec![LatePrivateData { block: 1, tx: 0, set }];
    ledger.commit_late_private_data(late(forged)).expect("ignored");
    assert!(ledger.query().private(NS, COLL, "k").is_err());
    ledger.commit_late_private_data(late(set)).expect("taken");
    assert_eq!(private(&ledger, COLL, "k").as_deref(), Some(&b"secret"[..]));
    assert_eq!(ledger.missing_private_data(None, 9).expect("reads"), []);
    assert_eq!(ledger.private_data(1).expect("reads").len(), 1);
    // The late data survives the loss of everything that is derived.
    drop(ledger);
    std::fs::remove_dir_all(temp.path().join("db")).expect("removes");
    let ledger = Ledger::open(temp.path(), options()).expect("opens");
    assert_eq!(private(&ledger, COLL, "k").as_deref(), Some(&b"secret"[..]));
    assert_eq!(ledger.missing_private_data(None, 9).expect("reads"), []);
}

#[test]
fn late_data_that_is_no_longer_current_changes_nothing_in_the_state() {
    let (_temp, ledger) = ledger();
    let tx = simulate(&ledger, "t1", put_private(COLL, "k", "old"));
    commit_without(&ledger, &tx);
    run(&ledger, "t2", put_private(COLL, "k", "new"));
    let set = tx.results.private.expect("private set");
    ledger
        .commit_late_private_data(vec![LatePrivateData { block: 1, tx: 0, set }])
        .expect("taken");
    assert_eq!(private(&ledger, COLL, "k").as_deref(), Some(&b"new"[..]));
    assert_eq!(ledger.private_data(1).expect("reads").len(), 1);
}

#[test]
fn data_that_does_not_match_its_hash_counts_as_missing() {
    let (_temp, ledger) = ledger();
    let tx = simulate(&ledger, "t1", put_private(COLL, "k", "secret"));
    let other = simulate(&ledger, "t1", put_private(COLL, "k", "forged"));
    let (block, parsed, _) = next_block(&ledger, &[tx]);
    let private = BTreeMap::from([(0, other.results.private.expect("private set"))]);
    assert_eq!(
        ledger.commit(block, parsed, private).expect("commits").codes,
        [VALID]
    );
    assert!(ledger.query().private(NS, COLL, "k").is_err());
    assert_eq!(ledger.missing_private_data(None, 9).expect("reads").len(), 1);
}

#[test]
fn a_metadata_write_moves_value_and_hash_to_one_version() {
    let (_temp, ledger) = ledger();
    run(&ledger, "t1", put_private(COLL, "k", "v"));
    let metadata = BTreeMap::from([("n".to_owned(), b"policy".to_vec())]);
    run(&ledger, "t2", |s| {
        s.put_private_metadata(NS, COLL, "k", metadata.clone())
            .expect("puts")
    });
    let query = ledger.query();
    assert_eq!(
        query
            .private_metadata_by_hash(NS, COLL, &sha256(b"k"))
            .expect("reads"),
        metadata
    );
    let found = query
        .versioned_private(NS, COLL, "k")
        .expect("versions agree")
        .expect("there");
    assert_eq!(
        (found.value.as_slice(), found.version),
        (&b"v"[..], Version::new(2, 0))
    );
}

#[test]
fn data_expires_after_its_blocks_to_live_unless_renewed() {
    let (temp, ledger) = ledger();
    run(&ledger, "t1", put_private("short", "gone", "first-secret"));
    run(&ledger, "t2", put_private("short", "renewed", "a"));
    assert!(
        private(&ledger, "short", "gone").is_some(),
        "block 2 still has it"
    );
    run(&ledger, "t3", put_private("short", "renewed", "b"));
    assert_eq!(
        (private(&ledger, "short", "gone"), hash(&ledger, "short", "gone")),
        (None, None)
    );
    assert_eq!(ledger.private_data(1).expect("reads"), []);
    fill(&ledger, 1);
    assert_eq!(
        private(&ledger, "short", "renewed").as_deref(),
        Some(&b"b"[..]),
        "block 4 takes only a"
    );
    fill(&ledger, 1);
    assert_eq!(private_keys(&ledger, "short"), [""; 0]);
    ledger.compact().expect("compacts");
    assert_eq!(files_with(temp.path(), b"first-secret"), [""; 0]);
}

#[test]
fn a_purge_removes_every_value_from_every_file() {
    let (temp, ledger) = ledger();
    run(&ledger, "t1", |s| {
        s.put_private(NS, COLL, "doomed-key", b"doomed-value-1".to_vec())
            .expect("puts");
        s.put_private(NS, COLL, "kept-key", b"kept-value".to_vec())
            .expect("puts");
    });
    run(&ledger, "t2", put_private(COLL, "doomed-key", "doomed-value-2"));
    let before = ledger.commit_hash();
    run(&ledger, "t3", |s| {
        s.purge_private(NS, COLL, "doomed-key").expect("purges")
    });
    assert_ne!(ledger.commit_hash(), before);
    assert_eq!(
        (
            private(&ledger, COLL, "doomed-key"),
            hash(&ledger, COLL, "doomed-key")
        ),
        (None, None)
    );
    // Out of every read at once, out of the files after the compaction.
    let data = format!("{:?}", ledger.private_data(1).expect("reads"));
    assert!(
        !data.contains(&format!("{:?}", b"doomed-value-1")[1..20]),
        "{data}"
    );
    assert_ne!(
        files_with(temp.path(), b"doomed-value"),
        [""; 0],
        "the control finds it"
    );
    ledger.compact().expect("compacts");
    for needle in ["doomed-value", "doomed-key"] {
        assert_eq!(files_with(temp.path(), needle.as_bytes()), [""; 0], "{needle}");
    }
    assert_eq!(
        private(&ledger, COLL, "kept-key").as_deref(),
        Some(&b"kept-value"[..])
    );
    // It stays away when everything derived is built again, and can be written anew.
    drop(ledger);
    std::fs::remove_dir_all(temp.path().join("db")).expect("removes");
    let ledger = Ledger::open(temp.path(), options()).expect("opens");
    assert_eq!(private_keys(&ledger, COLL), ["kept-key"]);
    run(&ledger, "t4", put_private(COLL, "doomed-key", "fresh"));
    assert_eq!(
        private(&ledger, COLL, "doomed-key").as_deref(),
        Some(&b"fresh"[..])
    );
}

#[test]
fn a_purge_reaches_a_member_that_lacks_its_private_part() {
    let (_temp, ledger) = ledger();
    run(&ledger, "t1", put_private(COLL, "k", "v"));
    let tx = simulate(&ledger, "t2", |s| s.purge_private(NS, COLL, "k").expect("purges"));
    commit_without(&ledger, &tx);
    assert_eq!(private_keys(&ledger, COLL), [""; 0]);
}
