//! What expires or is purged goes from every place: state, private data files, uncommitted private data, and what is still
//! missing.

use std::sync::Arc;

use super::private::{commit_without, files_with, hash, ledger, options, private, private_keys, put_private};
use crate::testing::*;
use crate::{LatePrivateData, Ledger, LedgerOptions, Simulator};

fn late(block: u64, tx: &Tx) -> Vec<LatePrivateData> {
    let set = tx.results.private.clone().expect("private set");
    vec![LatePrivateData { block, tx: 0, set }]
}

/// The members' answer to a peer that lacks the data of a block: what they still have.
fn answer(member: &Ledger, block: u64) -> Vec<LatePrivateData> {
    let held = member.private_data(block).expect("reads").into_iter();
    held.map(|held| LatePrivateData {
        block,
        tx: held.tx,
        set: held.set,
    })
    .collect()
}

fn missing(ledger: &Ledger) -> usize {
    ledger.missing_private_data(None, 99).expect("reads").len()
}

fn purge(key: &'static str) -> impl FnOnce(&mut Simulator) {
    move |s| s.purge_private(NS, COLL, key).expect("purges")
}

#[test]
fn data_lives_for_its_blocks_and_not_one_longer_across_restarts() {
    let (temp, mut ledger) = ledger();
    run(&ledger, "t1", put_private("long", "k", "expiring-value"));
    // Written in block 1 with a block to live of 3: block 4 still has it, with block 5 it goes.
    for height in 3..=5 {
        fill(&ledger, 1);
        assert_eq!(ledger.height(), height);
        assert!(private(&ledger, "long", "k").is_some(), "at height {height}");
        assert!(hash(&ledger, "long", "k").is_some());
        drop(ledger);
        if height == 4 {
            std::fs::remove_dir_all(temp.path().join("db")).expect("removes");
        }
        ledger = Ledger::open(temp.path(), options()).expect("opens");
    }
    fill(&ledger, 1);
    for _ in 0..2 {
        assert_eq!(private(&ledger, "long", "k"), None);
        assert_eq!(
            hash(&ledger, "long", "k"),
            None,
            "the hash goes from the state too"
        );
        assert_eq!(private_keys(&ledger, "long"), [""; 0]);
        assert_eq!(ledger.private_data(1).expect("reads"), []);
        drop(ledger);
        ledger = Ledger::open(temp.path(), options()).expect("opens");
    }
    assert_ne!(files_with(temp.path(), b"expiring-value"), [""; 0], "the control");
    ledger.compact().expect("compacts");
    assert_eq!(files_with(temp.path(), b"expiring-value"), [""; 0]);
}

#[test]
fn data_of_an_expired_block_that_comes_late_is_dropped() {
    let (temp, ledger) = ledger();
    let tx = simulate(&ledger, "t1", put_private("long", "k", "expiring-value"));
    commit_without(&ledger, &tx);
    fill(&ledger, 3);
    assert_eq!(missing(&ledger), 1, "block 4 may still be completed");
    fill(&ledger, 1);
    assert_eq!(missing(&ledger), 0);
    ledger.commit_late_private_data(late(1, &tx)).expect("left out");
    assert_eq!(private(&ledger, "long", "k"), None);
    assert_eq!(ledger.private_data(1).expect("reads"), []);
    assert_eq!(files_with(temp.path(), b"expiring-value"), [""; 0]);
}

#[test]
fn data_that_came_late_expires_with_its_block() {
    let (temp, ledger) = ledger();
    let tx = simulate(&ledger, "t1", put_private("long", "k", "expiring-value"));
    commit_without(&ledger, &tx);
    fill(&ledger, 2);
    ledger.commit_late_private_data(late(1, &tx)).expect("taken");
    assert!(private(&ledger, "long", "k").is_some());
    fill(&ledger, 2);
    assert_eq!(private_keys(&ledger, "long"), [""; 0]);
    ledger.compact().expect("compacts");
    assert_eq!(files_with(temp.path(), b"expiring-value"), [""; 0]);
}

#[test]
fn a_purge_reaches_uncommitted_values_of_the_key() {
    let (temp, ledger) = ledger();
    run(&ledger, "t1", put_private(COLL, "doomed-key", "doomed-value"));
    // An earlier attempt that was endorsed and never submitted, and somebody else's that is under way.
    for (id, key, value) in [
        ("t2", "doomed-key", "doomed-value-2"),
        ("t3", "other-key", "other-value"),
    ] {
        let tx = simulate(&ledger, id, put_private(COLL, key, value));
        let set = tx.results.private.expect("private set");
        ledger
            .transient()
            .persist(id, ledger.height(), set)
            .expect("persists");
    }
    let mut garbage = ledger.transient().sets("t3").remove(0);
    garbage.ns_pvt_rwset[0].collection_pvt_rwset[0].rwset = b"no read-write set".to_vec();
    ledger
        .transient()
        .persist("t9", ledger.height(), garbage)
        .expect("persists");
    run(&ledger, "t4", purge("doomed-key"));
    assert_ne!(files_with(temp.path(), b"doomed"), [""; 0], "the control");
    ledger.compact().expect("compacts");
    assert_eq!(files_with(temp.path(), b"doomed"), [""; 0]);
    assert_eq!(ledger.transient().sets("t2"), []);
    assert_eq!(
        ledger.transient().sets("t9"),
        [],
        "what a stranger sends stops no removal"
    );
    assert_eq!(ledger.transient().sets("t3").len(), 1);
    // What is endorsed after the purge is not what was purged.
    let tx = simulate(&ledger, "t5", put_private(COLL, "doomed-key", "fresh"));
    let set = tx.results.private.expect("private set");
    ledger
        .transient()
        .persist("t5", ledger.height(), set)
        .expect("persists");
    ledger.compact().expect("compacts");
    assert_eq!(ledger.transient().sets("t5").len(), 1);
}

#[test]
fn uncommitted_values_do_not_outlive_their_block_to_live_for_long() {
    let (temp, ledger) = ledger();
    for (id, collection) in [("t1", "long"), ("t2", COLL)] {
        let tx = simulate(&ledger, id, put_private(collection, "k", "orphaned-value"));
        let set = tx.results.private.expect("private set");
        ledger
            .transient()
            .persist(id, ledger.height(), set)
            .expect("persists");
    }
    fill(&ledger, 110);
    assert_eq!(
        ledger.transient().sets("t1").len(),
        1,
        "it may still be submitted"
    );
    fill(&ledger, 91);
    assert_eq!(ledger.transient().sets("t1"), []);
    assert_eq!(
        ledger.transient().sets("t2").len(),
        1,
        "retention is the peer's business"
    );
    ledger.transient().purge_below(ledger.height());
    assert_eq!(files_with(temp.path(), b"orphaned-value"), [""; 0]);
}

#[test]
fn endorsed_values_survive_a_restart_and_go_with_their_commit() {
    let (temp, ledger) = ledger();
    let tx = simulate(&ledger, "t1", put_private(COLL, "k", "secret"));
    let set = tx.results.private.clone().expect("private set");
    ledger
        .transient()
        .persist("t1", 1, set.clone())
        .expect("persists");
    drop(ledger);
    std::fs::remove_dir_all(temp.path().join("db")).expect("removes");
    let ledger = Ledger::open(temp.path(), options()).expect("opens");
    assert_eq!(ledger.transient().sets("t1"), [set]);
    commit(&ledger, &[tx]);
    // Stopped before the peer removed it.
    drop(ledger);
    let ledger = Ledger::open(temp.path(), options()).expect("opens");
    assert_eq!(ledger.transient().sets("t1"), []);
}

#[test]
fn what_a_purge_left_of_a_set_completes_a_peer_that_lacks_it() {
    let (_temp, member) = ledger();
    let (temp, behind) = ledger();
    let write = |s: &mut Simulator| {
        s.put_private(NS, COLL, "doomed", b"doomed-value".to_vec())
            .expect("puts");
        s.put_private(NS, COLL, "kept", b"kept-value".to_vec())
            .expect("puts");
    };
    let tx = simulate(&member, "t1", write);
    commit(&member, std::slice::from_ref(&tx));
    commit_without(&behind, &tx);
    let purged = simulate(&member, "t2", purge("doomed"));
    commit(&member, std::slice::from_ref(&purged));
    // Before it knows of the purge, a part is not the set.
    behind
        .commit_late_private_data(answer(&member, 1))
        .expect("left out");
    assert_eq!(missing(&behind), 1);
    commit(&behind, &[purged]);
    let mut forged = answer(&member, 1);
    forged[0].set = simulate(&member, "t1", put_private(COLL, "kept", "forged"))
        .results
        .private
        .expect("set");
    behind.commit_late_private_data(forged).expect("left out");
    assert!(behind.query().private(NS, COLL, "kept").is_err());
    behind
        .commit_late_private_data(answer(&member, 1))
        .expect("taken");
    assert_eq!(
        private(&behind, COLL, "kept").as_deref(),
        Some(&b"kept-value"[..])
    );
    assert_eq!((missing(&behind), private(&behind, COLL, "doomed")), (0, None));
    assert_eq!(files_with(temp.path(), b"doomed-value"), [""; 0]);
}

#[test]
fn a_whole_set_brings_nothing_back_that_was_purged_meanwhile() {
    let (temp, ledger) = ledger();
    let tx = simulate(&ledger, "t1", put_private(COLL, "doomed", "doomed-value"));
    commit_without(&ledger, &tx);
    run(&ledger, "t2", purge("doomed"));
    ledger.commit_late_private_data(late(1, &tx)).expect("taken");
    assert_eq!(missing(&ledger), 0);
    assert_eq!(private_keys(&ledger, COLL), [""; 0]);
    assert_eq!(files_with(temp.path(), b"doomed-value"), [""; 0]);
}

#[test]
fn a_set_of_purged_keys_alone_is_known_to_be_complete_without_asking() {
    let (_temp, ledger) = ledger();
    let tx = simulate(&ledger, "t1", put_private(COLL, "doomed", "doomed-value"));
    commit_without(&ledger, &tx);
    let mut nothing = late(1, &tx).remove(0).set;
    nothing.ns_pvt_rwset[0].collection_pvt_rwset[0].rwset.clear();
    let kept = ledger
        .matching_private_data(1, 0, nothing.clone())
        .expect("checks");
    assert_eq!(kept.ns_pvt_rwset, [], "it was not purged yet");
    run(&ledger, "t2", purge("doomed"));
    let kept = ledger
        .matching_private_data(1, 0, nothing.clone())
        .expect("checks");
    assert_eq!(kept, nothing);
}

#[test]
fn missing_data_comes_in_pages() {
    let (_temp, ledger) = ledger();
    for id in ["t1", "t2", "t3"] {
        let tx = simulate(&ledger, id, put_private(COLL, "k", "v"));
        commit_without(&ledger, &tx);
    }
    let first = ledger.missing_private_data(None, 2).expect("reads");
    let rest = ledger.missing_private_data(first.last(), 2).expect("reads");
    let blocks: Vec<u64> = first.iter().chain(&rest).map(|missing| missing.block).collect();
    assert_eq!(blocks, [1, 2, 3]);
}

#[test]
fn expired_missing_data_is_forgotten_with_the_next_removal() {
    let temp = tempfile::tempdir().expect("temp dir");
    let files = LedgerOptions {
        files: Arc::new(crate::files::UnsyncedFiles),
        ..options()
    };
    let ledger = new_ledger(temp.path(), files);
    let tx = simulate(&ledger, "t1", put_private("long", "k", "v"));
    commit_without(&ledger, &tx);
    fill(&ledger, 5);
    let noted = || {
        let state = ledger.query().state.0;
        state
            .prefix(crate::db::Space::Private, crate::state::keys::MISSING)
            .count()
    };
    assert_eq!(noted(), 1);
    ledger.compact().expect("compacts");
    assert_eq!(noted(), 0);
}
