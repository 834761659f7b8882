//! What expires or is purged goes from every place: state, private data files, uncommitted private data, and what is still
//! missing.

use std::sync::Arc;

use aho_corasick::AhoCorasick;

use super::private::{
    commit_without, files_with, for_each_file, hash, ledger, options, private, private_keys, put_private,
};
use crate::testing::*;
use crate::{Erased, LatePrivateData, Ledger, LedgerOptions, Simulator};

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

#[test]
fn a_removal_is_due_after_the_purge_interval() {
    for (purge_interval, blocks) in [(1, 0), (2, 1), (0, 0)] {
        let temp = tempfile::tempdir().expect("temp dir");
        let options = LedgerOptions {
            purge_interval,
            ..options()
        };
        let ledger = new_ledger(temp.path(), options.clone());
        run(&ledger, "t1", put_private(COLL, "k", "doomed-value"));
        run(&ledger, "t2", purge("k"));
        for _ in 0..blocks {
            assert!(!ledger.erasure_due().expect("reads"));
            fill(&ledger, 1);
        }
        // Also for a peer that was stopped before it came to it.
        drop(ledger);
        let ledger = Ledger::open(temp.path(), options).expect("opens");
        assert!(ledger.erasure_due().expect("reads"), "after {purge_interval}");
        assert_ne!(files_with(temp.path(), b"doomed-value"), [""; 0], "the control");
        let height = ledger.height();
        assert_eq!(ledger.compact().expect("compacts"), Erased::All { height });
        assert_eq!(files_with(temp.path(), b"doomed-value"), [""; 0]);
        assert!(!ledger.erasure_due().expect("reads"));
    }
}

#[test]
fn a_removal_says_what_readers_keep_from_going() {
    let (temp, ledger) = ledger();
    run(&ledger, "t1", put_private(COLL, "k", "doomed-value"));
    let reader = ledger.query();
    run(&ledger, "t2", purge("k"));
    assert_eq!(ledger.compact().expect("compacts"), Erased::Partly);
    let value = reader.private(NS, COLL, "k").expect("reads the past");
    assert_eq!(value.as_deref(), Some(&b"doomed-value"[..]));
    drop(reader);
    assert_eq!(ledger.compact().expect("compacts"), Erased::All { height: 3 });
    assert_eq!(files_with(temp.path(), b"doomed-value"), [""; 0]);
}

#[test]
fn a_removal_that_was_stopped_is_finished_after_the_next_opening() {
    let (temp, ledger) = ledger();
    run(&ledger, "t1", put_private(COLL, "k", "doomed-value"));
    run(&ledger, "t2", put_private(COLL, "kept", "kept-value"));
    run(&ledger, "t3", purge("k"));
    ledger.stop_erasing();
    assert_eq!(ledger.compact().expect("stops"), Erased::Partly);
    drop(ledger);
    let ledger = Ledger::open(temp.path(), options()).expect("opens");
    assert_eq!(ledger.compact().expect("compacts"), Erased::All { height: 4 });
    assert_eq!(files_with(temp.path(), b"doomed-value"), [""; 0]);
    assert!(private(&ledger, COLL, "kept").is_some());
}

/// Commits, purges among them, go on while bytes are removed: nothing that lives is lost, and nothing that was purged in
/// the midst of it stays.
#[test]
fn blocks_are_committed_while_bytes_are_removed() {
    let temp = tempfile::tempdir().expect("temp dir");
    let files = LedgerOptions {
        files: Arc::new(crate::files::UnsyncedFiles),
        ..options()
    };
    let ledger = new_ledger(temp.path(), files.clone());
    run(&ledger, "t1", |s| {
        for n in 0..500 {
            let key = format!("kept-{n:04}");
            s.put_private(NS, COLL, &key, b"kept-value".to_vec())
                .expect("puts");
            let (key, value) = (format!("doomed-{n:04}"), format!("doomed-value-{n:04}"));
            s.put_private(NS, COLL, &key, value.into_bytes()).expect("puts");
        }
    });
    let change = |n: usize| {
        move |s: &mut Simulator| {
            let key = format!("kept-{n:04}");
            s.put_private(NS, COLL, &key, b"new-value".to_vec())
                .expect("puts");
            s.purge_private(NS, COLL, &format!("doomed-{n:04}"))
                .expect("purges");
        }
    };
    run(&ledger, "w0", change(0));
    let done = std::sync::atomic::AtomicBool::new(false);
    let begun = ledger.height();
    let mut written = 1;
    std::thread::scope(|scope| {
        let eraser = scope.spawn(|| {
            // Commits go on in the meantime, however soon this one would be done alone.
            while ledger.height() <= begun {
                std::thread::yield_now();
            }
            let erased = ledger.compact().expect("compacts");
            done.store(true, std::sync::atomic::Ordering::Release);
            erased
        });
        while !done.load(std::sync::atomic::Ordering::Acquire) && written < 500 {
            run(&ledger, &format!("w{written}"), change(written));
            written += 1;
        }
        assert_ne!(eraser.join().expect("ends"), Erased::Partly);
    });
    assert!(written > 1);
    let left = || {
        let needle = AhoCorasick::new(["doomed-value-"]).expect("a pattern");
        let mut left = 0;
        for_each_file(temp.path(), &mut |_, bytes| {
            let numbers = needle.find_iter(bytes).map(|found| {
                let digits = bytes.get(found.end()..found.end() + 4).expect("a number");
                std::str::from_utf8(digits)
                    .expect("digits")
                    .parse::<usize>()
                    .expect("a number")
            });
            left += numbers.filter(|number| *number < written).count();
        });
        left
    };
    assert!(
        left() == 0 || ledger.pending(),
        "what came later waits for its turn"
    );
    ledger.compact().expect("compacts");
    assert_eq!((left(), ledger.pending()), (0, false));
    let values = |ledger: &Ledger| {
        let range = ledger.query().private_range(NS, COLL, "", "").expect("opens");
        range.map(|found| found.expect("reads").value).collect::<Vec<_>>()
    };
    let found = values(&ledger);
    assert_eq!(found.len(), 1_000 - written);
    assert_eq!(
        found.iter().filter(|value| **value == b"new-value").count(),
        written
    );
    drop(ledger);
    std::fs::remove_dir_all(temp.path().join("db")).expect("removes");
    let ledger = Ledger::open(temp.path(), files).expect("opens");
    assert_eq!(
        values(&ledger),
        found,
        "from the blocks and the private data files"
    );
}
