//! MVCC, phantoms, metadata, history.

use std::collections::BTreeMap;

use crate::testing::*;
use crate::{CursorItem, LedgerError, LedgerOptions, ParsedTx, Simulator, TxKind, Version};

fn ledger() -> (tempfile::TempDir, crate::Ledger) {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = new_ledger(temp.path(), LedgerOptions::default());
    (temp, ledger)
}

fn read_then_write(value: &'static str) -> impl FnOnce(&mut Simulator) {
    move |s| {
        s.state(NS, "k").expect("reads");
        s.put_state(NS, "k", value.into()).expect("puts");
    }
}

fn scan(s: &mut Simulator, start: &str, end: &str, most: usize) -> Vec<String> {
    let cursor = s.open_range(NS, start, end).expect("opens");
    let mut keys = Vec::new();
    while keys.len() < most
        && let Some(CursorItem::State(found)) = s.next(cursor).expect("reads")
    {
        keys.push(found.key);
    }
    s.close(cursor);
    keys
}

#[test]
fn of_two_rivals_the_first_wins_and_stale_reads_lose() {
    let (_temp, ledger) = ledger();
    put(&ledger, "t1", "k", "0");
    let rivals = [
        simulate(&ledger, "t2", read_then_write("a")),
        simulate(&ledger, "t3", read_then_write("b")),
    ];
    let stale = simulate(&ledger, "t4", read_then_write("c"));
    let committed = commit(&ledger, &rivals);
    assert_eq!(committed.codes, [VALID, MVCC]);
    assert_eq!(committed.updated_namespaces.iter().collect::<Vec<_>>(), [NS]);
    assert_eq!(commit(&ledger, &[stale]).codes, [MVCC]);
    assert_eq!(state(&ledger, "k").as_deref(), Some("a"));
    assert_eq!(
        ledger.transaction_status("t3").expect("status"),
        Some((2, 1, MVCC))
    );
    let found = ledger.transaction("t2").expect("reads").expect("committed");
    assert_eq!((found.block, found.index, found.code), (2, 0, VALID));
}

#[test]
fn a_blind_write_never_conflicts_and_a_deleted_key_has_no_version() {
    let (_temp, ledger) = ledger();
    put(&ledger, "t1", "k", "0");
    let blind = |id: &str| simulate(&ledger, id, |s| s.put_state(NS, "k", id.into()).expect("puts"));
    assert_eq!(commit(&ledger, &[blind("t2"), blind("t3")]).codes, [VALID, VALID]);
    assert_eq!(state(&ledger, "k").as_deref(), Some("t3"));
    run(&ledger, "t4", |s| {
        s.put_state(NS, "k", Vec::new()).expect("an empty value deletes")
    });
    assert_eq!(state(&ledger, "k"), None);
    let absent = simulate(&ledger, "t5", read_then_write("new"));
    assert_eq!(
        absent.results.public,
        simulate(&ledger, "t5", read_then_write("new")).results.public
    );
    assert_eq!(commit(&ledger, &[absent]).codes, [VALID]);
}

#[test]
fn a_key_that_appears_vanishes_or_changes_in_a_range_is_a_phantom() {
    for (change, exhaust, code) in [
        (Some(("b2", "x")), true, PHANTOM),
        (Some(("b", "")), true, PHANTOM),
        (Some(("b", "y")), true, PHANTOM),
        // The end is not part of the range.
        (Some(("d", "x")), true, VALID),
        // Only a and b were seen: what comes after does not matter, but b itself does.
        (Some(("c", "x")), false, VALID),
        (Some(("b", "x")), false, PHANTOM),
        (Some(("a0", "x")), false, PHANTOM),
        (None, true, VALID),
    ] {
        let (_temp, ledger) = ledger();
        for key in ["a", "b", "c"] {
            put(&ledger, &format!("t-{key}"), key, "1");
        }
        let scanning = simulate(&ledger, "scan", |s| {
            let most = if exhaust { 9 } else { 2 };
            assert_eq!(scan(s, "a", "d", most), ["a", "b", "c"][..most.min(3)]);
            s.put_state(NS, "sum", b"3".to_vec()).expect("puts");
        });
        let writer = change.map(|(key, value)| {
            simulate(&ledger, "w", |s| {
                s.put_state(NS, key, value.into()).expect("puts")
            })
        });
        // Once in the same block before it, once in an earlier block.
        let mut block: Vec<Tx> = writer.iter().cloned().collect();
        block.push(scanning.clone());
        assert_eq!(
            commit(&ledger, &block).codes.last(),
            Some(&code),
            "{change:?} {exhaust}"
        );
        if code == PHANTOM {
            assert_eq!(
                commit(&ledger, &[scanning]).codes,
                [PHANTOM],
                "{change:?} {exhaust}"
            );
        }
    }
}

#[test]
fn large_ranges_are_checked_by_their_summary() {
    let (_temp, ledger) = ledger();
    run(&ledger, "fill", |s| {
        for n in 0..120 {
            s.put_state(NS, &format!("k{n:03}"), b"1".to_vec()).expect("puts");
        }
    });
    let scanning = |id: &str| simulate(&ledger, id, |s| assert_eq!(scan(s, "", "", 999).len(), 120));
    let (first, second) = (scanning("s1"), scanning("s2"));
    assert!(first.results.public.len() < 200, "a summary, not 120 reads");
    assert_eq!(commit(&ledger, &[first]).codes, [VALID]);
    put(&ledger, "w", "k060", "2");
    assert_eq!(commit(&ledger, &[second]).codes, [PHANTOM]);
}

#[test]
fn values_and_metadata_are_written_apart() {
    let (_temp, ledger) = ledger();
    let policy = |s: &mut Simulator, key: &str| {
        let metadata = BTreeMap::from([("VALIDATION_PARAMETER".to_owned(), b"policy".to_vec())]);
        s.put_metadata(NS, key, metadata).expect("puts");
    };
    let entry = |key| {
        ledger
            .query()
            .metadata(NS, key)
            .expect("reads")
            .remove("VALIDATION_PARAMETER")
    };
    // Metadata for a key that is not there does nothing.
    run(&ledger, "t1", |s| policy(s, "k"));
    assert_eq!(ledger.query().versioned(NS, "k").expect("reads"), None);
    run(&ledger, "t2", |s| {
        s.put_state(NS, "k", b"v1".to_vec()).expect("puts");
        policy(s, "k");
    });
    assert_eq!(
        (state(&ledger, "k").as_deref(), entry("k").as_deref()),
        (Some("v1"), Some(&b"policy"[..]))
    );
    // A new value keeps the metadata; the simulation reports the policy for the endorsement plan.
    let update = simulate(&ledger, "t3", |s| {
        s.put_state(NS, "k", b"v2".to_vec()).expect("puts")
    });
    assert_eq!(
        update.results.written[NS][""]["k"]["VALIDATION_PARAMETER"],
        b"policy"
    );
    commit(&ledger, &[update]);
    assert_eq!(
        (state(&ledger, "k").as_deref(), entry("k").as_deref()),
        (Some("v2"), Some(&b"policy"[..]))
    );
    // Metadata alone keeps the value and moves the version.
    run(&ledger, "t4", |s| {
        s.put_metadata(NS, "k", BTreeMap::new()).expect("removes")
    });
    let found = ledger.query().versioned(NS, "k").expect("reads").expect("there");
    assert_eq!(
        (found.value.as_slice(), found.version),
        (&b"v2"[..], Version::new(4, 0))
    );
    assert_eq!(entry("k"), None);
}

#[test]
fn history_has_valid_writes_newest_first_with_the_clients_time() {
    let (_temp, ledger) = ledger();
    put(&ledger, "t1", "k", "a");
    put(&ledger, "other", "k2", "x");
    let rivals = [
        simulate(&ledger, "t2", read_then_write("b")),
        simulate(&ledger, "lost", read_then_write("c")),
    ];
    commit(&ledger, &rivals);
    let before = ledger.query();
    run(&ledger, "t3", |s| s.delete_state(NS, "k").expect("deletes"));
    let history: Vec<_> = ledger
        .query()
        .history(NS, "k")
        .map(|found| found.expect("reads"))
        .collect();
    let found: Vec<_> = history
        .iter()
        .map(|change| (change.tx_id.as_str(), change.value.as_slice(), change.is_delete))
        .collect();
    assert_eq!(
        found,
        [("t3", &b""[..], true), ("t2", b"b", false), ("t1", b"a", false)]
    );
    assert_eq!(history[1].timestamp.as_ref().map(|time| time.seconds), Some(3));
    assert_eq!(
        before.history(NS, "k").count(),
        2,
        "a snapshot does not see later history"
    );
}

#[test]
fn snapshots_do_not_change_under_a_commit() {
    let (_temp, ledger) = ledger();
    put(&ledger, "t1", "k", "old");
    let query = ledger.query();
    let mut range = query.range(NS, "", "");
    put(&ledger, "t2", "k", "new");
    put(&ledger, "t3", "l", "new");
    assert_eq!(query.state(NS, "k").expect("reads"), Some(b"old".to_vec()));
    assert_eq!(range.next().expect("one").expect("reads").value, b"old");
    assert!(range.next().is_none());
    assert_eq!((query.height(), ledger.query().height()), (2, 4));
}

#[test]
fn the_validators_verdict_stands_and_blocks_are_checked() {
    let (_temp, ledger) = ledger();
    let tx = simulate(&ledger, "t1", |s| {
        s.put_state(NS, "k", b"v".to_vec()).expect("puts")
    });
    let (mut refused, parsed, private) = next_block(&ledger, std::slice::from_ref(&tx));
    crate::block::set_slot(
        &mut refused,
        fabric_protos::common::BlockMetadataIndex::TransactionsFilter,
        vec![10],
    );
    let committed = ledger.commit(refused, parsed, private).expect("commits");
    assert_eq!(committed.codes, [10]);
    assert_eq!(state(&ledger, "k"), None);
    assert!(ledger.tx_exists("t1").expect("reads"));

    let (mut wrong, parsed, _) = next_block(&ledger, &[tx]);
    wrong.header.as_mut().expect("header").number = 9;
    assert!(matches!(
        ledger.commit(wrong.clone(), parsed.clone(), BTreeMap::new()),
        Err(LedgerError::NotNext { .. })
    ));
    wrong.header.as_mut().expect("header").number = 2;
    let codes = ledger.commit(wrong.clone(), Vec::new(), BTreeMap::new());
    assert!(matches!(codes, Err(LedgerError::MalformedBlock { .. })));
    wrong.header.as_mut().expect("header").previous_hash = vec![0; 32];
    assert!(matches!(
        ledger.commit(wrong, parsed, BTreeMap::new()),
        Err(LedgerError::NotNext { .. })
    ));
    assert_eq!(ledger.height(), 2);
}

#[test]
fn garbage_results_are_invalid_and_a_replayed_id_does_not_hide_the_first() {
    let (_temp, ledger) = ledger();
    put(&ledger, "t1", "k", "v");
    let envelopes = vec![endorser_envelope("t1", 0, vec![0xff; 9]), b"garbage".to_vec()];
    let mut bad = block(ledger.height(), ledger.last_hash(), envelopes.clone());
    crate::block::set_slot(
        &mut bad,
        fabric_protos::common::BlockMetadataIndex::TransactionsFilter,
        vec![0, 1],
    );
    let parsed: Vec<_> = envelopes
        .iter()
        .map(|envelope| ParsedTx::from_envelope(envelope))
        .collect();
    assert_eq!(parsed[1].kind, TxKind::Malformed);
    assert_eq!(
        ledger
            .commit(bad, parsed, BTreeMap::new())
            .expect("commits")
            .codes,
        [255, 1]
    );
    let mut replayed = block(
        ledger.height(),
        ledger.last_hash(),
        vec![endorser_envelope("t1", 0, Vec::new())],
    );
    crate::block::set_slot(
        &mut replayed,
        fabric_protos::common::BlockMetadataIndex::TransactionsFilter,
        vec![4],
    );
    let parsed = vec![ParsedTx::from_envelope(&endorser_envelope("t1", 0, Vec::new()))];
    ledger.commit(replayed, parsed, BTreeMap::new()).expect("commits");
    let first = ledger.transaction_status("t1").expect("reads");
    assert_eq!(
        first.map(|(block, _, _)| block),
        Some(1),
        "the id still names the first transaction"
    );
}
