//! A full disk, and a disk that fails now and then: nothing is committed that is not on disk, and it goes on afterwards.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::crash_model::{Secrets, check};
use crate::files::faulty::{Fault, FaultyFiles};
use crate::testing::*;
use crate::{BlockStore, LatePrivateData, Ledger, LedgerError, LedgerOptions};

fn options(files: &FaultyFiles) -> LedgerOptions {
    LedgerOptions {
        files: Arc::new(files.clone()),
        ..LedgerOptions::default()
    }
}

fn transaction(ledger: &Ledger, id: &str, secrets: &mut Secrets) -> Tx {
    let tx = simulate(ledger, id, |s| {
        s.put_state(NS, "k", id.as_bytes().to_vec()).expect("puts");
        s.put_private(NS, COLL, "p", id.as_bytes().to_vec())
            .expect("puts");
    });
    secrets.insert(id.to_owned(), tx.results.private.clone().expect("private data"));
    tx
}

fn is_full(error: &LedgerError) -> bool {
    matches!(error, LedgerError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull)
}

#[test]
fn commits_wait_for_space_and_go_on_without_a_restart() {
    let temp = quick_dir();
    let files = FaultyFiles::default();
    let ledger = new_ledger(temp.path(), options(&files));
    let mut secrets = Secrets::new();
    for n in 0..3 {
        let tx = transaction(&ledger, &format!("t{n}"), &mut secrets);
        commit(&ledger, &[tx]);
    }
    let used: u64 = files.contents().iter().map(|(_, length)| length).sum();
    let tx = transaction(&ledger, "late comer", &mut secrets);
    // Full within the private data, between it and the block, within the block, at its last byte.
    for room in [0, 5, 60, 120, 200, 400] {
        files.set_quota(Some(used + room));
        for _ in 0..2 {
            let (block, parsed, private) = next_block(&ledger, std::slice::from_ref(&tx));
            let error = ledger.commit(block, parsed, private).expect_err("no room");
            assert!(is_full(&error), "{error}");
            assert!(error.to_string().starts_with("append to "), "{error}");
            check(&ledger, &secrets, "full");
            assert_eq!((ledger.height(), state(&ledger, "k")), (4, Some("t2".into())));
        }
    }
    files.set_quota(None);
    assert_eq!(commit(&ledger, &[tx]).number, 4);
    let missing = check(&ledger, &secrets, "space is back");
    assert!(missing.is_empty());
    drop(ledger);
    let ledger = Ledger::open(temp.path(), options(&files)).expect("opens");
    check(&ledger, &secrets, "opened again");
    assert_eq!(ledger.height(), 5);
}

#[test]
fn a_peer_that_was_killed_with_a_full_disk_starts_again() {
    let temp = quick_dir();
    let files = FaultyFiles::default();
    let ledger = new_ledger(temp.path(), options(&files));
    let mut secrets = Secrets::new();
    let tx = transaction(&ledger, "t1", &mut secrets);
    let used: u64 = files.contents().iter().map(|(_, length)| length).sum();
    files.set_quota(Some(used + 150));
    let (block, parsed, private) = next_block(&ledger, std::slice::from_ref(&tx));
    ledger
        .commit(block.clone(), parsed.clone(), private.clone())
        .expect_err("no room");
    drop(ledger);
    // Still full: it starts, answers reads, and takes no block.
    let ledger = Ledger::open(temp.path(), options(&files)).expect("opens");
    assert_eq!(ledger.height(), 1);
    let refused = ledger.commit(block.clone(), parsed.clone(), private.clone());
    assert!(is_full(&refused.expect_err("no room")));
    files.set_quota(None);
    ledger.commit(block, parsed, private).expect("commits");
    check(&ledger, &secrets, "space is back");
}

#[test]
fn every_single_failing_operation_leaves_the_ledger_as_it_was() {
    for fault in [Fault::Error, Fault::Full { written: 30 }] {
        let mut operation = 1;
        loop {
            let temp = quick_dir();
            let files = FaultyFiles::default();
            let ledger = new_ledger(temp.path(), options(&files));
            let mut secrets = Secrets::new();
            let tx = transaction(&ledger, "t1", &mut secrets);
            let before = files.operations();
            files.inject(before + operation, fault);
            let (block, parsed, private) = next_block(&ledger, &[tx]);
            let first = ledger.commit(block.clone(), parsed.clone(), private.clone());
            let what = format!("{fault:?} at operation {operation}");
            if first.is_ok() {
                // Behind the last operation of a commit: there were some.
                assert!(operation > 4, "{what}");
                break;
            }
            check(&ledger, &secrets, &what);
            ledger
                .commit(block, parsed, private)
                .expect("commits when tried again");
            let missing = check(&ledger, &secrets, &what);
            assert!(missing.is_empty(), "{what}");
            operation += 1;
        }
    }
}

#[test]
fn late_data_that_found_no_room_is_still_missing_and_may_come_again() {
    let temp = quick_dir();
    let files = FaultyFiles::default();
    let ledger = new_ledger(temp.path(), options(&files));
    let mut secrets = Secrets::new();
    let tx = transaction(&ledger, "t1", &mut secrets);
    let (block, parsed, _) = next_block(&ledger, std::slice::from_ref(&tx));
    ledger.commit(block, parsed, BTreeMap::new()).expect("commits");
    let late = LatePrivateData {
        block: 1,
        tx: 0,
        set: tx.results.private.expect("private data"),
    };
    let used: u64 = files.contents().iter().map(|(_, length)| length).sum();
    for room in [0, 7, 40] {
        files.set_quota(Some(used + room));
        let refused = ledger.commit_late_private_data(vec![late.clone()]);
        assert!(is_full(&refused.expect_err("no room")));
        assert_eq!(check(&ledger, &secrets, "full").len(), 1);
    }
    files.set_quota(None);
    ledger.commit_late_private_data(vec![late]).expect("commits");
    assert!(check(&ledger, &secrets, "space is back").is_empty());
}

#[test]
fn an_orderers_store_takes_the_block_again_when_there_is_room() {
    let temp = quick_dir();
    let files = FaultyFiles::default();
    let store = BlockStore::open(temp.path(), Arc::new(files.clone())).expect("opens");
    store.append(genesis()).expect("appends");
    let next = block(
        1,
        store.last_hash(),
        vec![endorser_envelope("t", 0, vec![7; 500])],
    );
    let used: u64 = files.contents().iter().map(|(_, length)| length).sum();
    for room in [0, 3, 12, 300] {
        files.set_quota(Some(used + room));
        let error = store.append(next.clone()).expect_err("no room");
        assert!(is_full(&error), "{error}");
        assert_eq!(store.height(), 1);
    }
    files.set_quota(None);
    store.append(next).expect("appends");
    drop(store);
    let store = BlockStore::open(temp.path(), Arc::new(files)).expect("opens");
    assert_eq!(store.height(), 2);
}
