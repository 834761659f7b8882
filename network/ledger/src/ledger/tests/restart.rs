//! Opening a ledger reads as much of a long one as of a short one.

use std::path::Path;
use std::sync::Arc;

use prost::Message as _;

use crate::block::set_slot;
use crate::files::recording::{Event, Recording};
use crate::files::{FileLayer, UnsyncedFiles};
use crate::testing::*;
use crate::{BlockStore, Ledger, LedgerOptions};

/// Operations on block and private data files, and bytes read from them.
fn cost(recording: &Recording) -> (usize, u64) {
    let events = recording.events();
    let read = events.iter().filter_map(|event| match event {
        Event::Read { length, .. } => Some(*length as u64),
        _ => None,
    });
    (events.len(), read.sum())
}

fn options(files: impl FileLayer + 'static) -> LedgerOptions {
    LedgerOptions {
        files: Arc::new(files),
        ..LedgerOptions::default()
    }
}

/// A ledger of `blocks` equal blocks with private data, and what opening it costs.
fn opening(dir: &Path, blocks: u64, killed: bool) -> (usize, u64) {
    let ledger = new_ledger(dir, options(UnsyncedFiles));
    for number in 1..blocks {
        let id = format!("t{number:08}");
        let tx = simulate(&ledger, &id, |s| {
            s.put_state(NS, &format!("k{}", number % 50), vec![7; 200])
                .expect("puts");
            s.put_private(NS, COLL, &format!("p{}", number % 50), vec![8; 30_000])
                .expect("puts");
        });
        commit(&ledger, &[tx]);
    }
    if killed {
        ledger.db.persist().expect("persists");
        copy_dir(dir, &dir.with_extension("killed"));
    }
    drop(ledger);
    let dir = if killed {
        dir.with_extension("killed")
    } else {
        dir.to_owned()
    };
    let recording = Recording::new(UnsyncedFiles);
    let ledger = Ledger::open(&dir, options(recording.clone())).expect("opens");
    assert_eq!(ledger.height(), blocks);
    cost(&recording)
}

#[test]
fn opening_a_ledger_does_not_read_its_past() {
    for killed in [false, true] {
        let temp = quick_dir();
        let short = opening(&temp.path().join("short"), 40, killed);
        let long = opening(&temp.path().join("long"), 300, killed);
        eprintln!("killed {killed}: operations and bytes read: {short:?} for 40 blocks, {long:?} for 300");
        // Private data of 9 MB. The last private data file is read through, and is 4 MiB long at most.
        let bound = 2 * (4 << 20) + (64 << 10);
        assert!(long.1 <= bound, "{long:?}");
        assert!(long.0 < 10_000, "{long:?}");
    }
}

#[test]
fn opening_an_orderers_store_does_not_read_its_past() {
    let opening = |blocks: u64| {
        let temp = quick_dir();
        let store = BlockStore::open(temp.path(), Arc::new(UnsyncedFiles)).expect("opens");
        store.append(genesis()).expect("appends");
        for number in 1..blocks {
            let mut block = block(
                number,
                store.last_hash(),
                vec![endorser_envelope("t", 0, vec![7; 500])],
            );
            set_slot(
                &mut block,
                fabric_protos::common::BlockMetadataIndex::Signatures,
                fabric_protos::common::Metadata::default().encode_to_vec(),
            );
            store.append(block).expect("appends");
        }
        drop(store);
        let recording = Recording::new(UnsyncedFiles);
        let store = BlockStore::open(temp.path(), Arc::new(recording.clone())).expect("opens");
        assert_eq!(store.height(), blocks);
        cost(&recording)
    };
    let (short, long) = (opening(100), opening(5_000));
    assert_eq!(short.0, long.0, "operations");
    assert!(short.1.abs_diff(long.1) < 8, "bytes read: {short:?}, {long:?}");
    assert!(long.1 < 4_096, "one block: {long:?}");
}
