//! What survives: kills at any byte, lost databases, damage.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use fabric_protos::common::Block;
use proptest::prelude::*;

use crate::files::OsFiles;
use crate::files::recording::{Event, Recording};
use crate::testing::*;
use crate::{BlockStore, Ledger, LedgerError, LedgerOptions, Simulator};

fn copy_ledger(from: &Path, to: &Path) {
    for part in ["blocks", "private", "db"] {
        copy_dir(&from.join(part), &to.join(part));
    }
    fs::copy(from.join("db.seal"), to.join("db.seal")).expect("copies");
}

pub(super) fn mixed(ledger: &Ledger, from: u64, to: u64) {
    for n in from..to {
        run(ledger, &format!("t{n}"), |s: &mut Simulator| {
            s.put_state(NS, &format!("k{}", n % 3), format!("v{n}").into_bytes())
                .expect("puts");
            s.put_private(NS, COLL, &format!("p{}", n % 2), format!("s{n}").into_bytes())
                .expect("puts");
        });
    }
}

/// Everything a reader can see.
pub(super) fn contents(ledger: &Ledger) -> String {
    let query = ledger.query();
    let state: Vec<_> = query
        .range(NS, "", "")
        .map(|found| found.expect("reads"))
        .collect();
    let private: Vec<_> = query
        .private_range(NS, COLL, "", "")
        .expect("opens")
        .map(|found| found.expect("reads"))
        .collect();
    let history: Vec<_> = query
        .history(NS, "k1")
        .map(|found| found.expect("reads"))
        .collect();
    let ids: Vec<_> = (0..9)
        .map(|n| ledger.transaction_status(&format!("t{n}")).expect("reads"))
        .collect();
    let (height, hash, commit_hash) = (ledger.height(), ledger.last_hash(), ledger.commit_hash());
    format!("{height} {hash:02x?} {commit_hash:02x?}\n{state:?}\n{private:?}\n{history:?}\n{ids:?}")
}

#[test]
fn a_reopened_ledger_is_the_same_and_goes_on() {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = new_ledger(temp.path(), LedgerOptions::default());
    mixed(&ledger, 1, 5);
    let before = contents(&ledger);
    assert!(matches!(
        Ledger::open(temp.path(), LedgerOptions::default()),
        Err(LedgerError::Locked { .. })
    ));
    drop(ledger);
    let ledger = Ledger::open(temp.path(), LedgerOptions::default()).expect("opens");
    assert_eq!(contents(&ledger), before);
    mixed(&ledger, 5, 6);
    assert_eq!(ledger.height(), 6);
    let numbers: Vec<_> = ledger
        .iter_from(2)
        .map(|block| block.expect("reads").header.as_ref().expect("header").number)
        .collect();
    assert_eq!(numbers, [2, 3, 4, 5]);
    drop(ledger);
    let again = Ledger::create(temp.path(), &genesis(), LedgerOptions::default());
    assert!(matches!(again, Err(LedgerError::Exists { .. })));
    let nothing = Ledger::open(&temp.path().join("no"), LedgerOptions::default());
    assert!(matches!(nothing, Err(LedgerError::Empty { .. })));
}

#[test]
fn a_lost_database_is_built_again_from_the_files() {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = new_ledger(temp.path(), LedgerOptions::default());
    mixed(&ledger, 1, 6);
    let before = contents(&ledger);
    drop(ledger);
    fs::remove_dir_all(temp.path().join("db")).expect("removes");
    let ledger = Ledger::open(temp.path(), LedgerOptions::default()).expect("opens");
    assert_eq!(contents(&ledger), before);
}

/// The database is behind, the last block file frame is cut at every byte, private data may be ahead.
#[test]
fn a_kill_at_any_byte_of_the_last_block_loses_that_block_alone() {
    let temp = tempfile::tempdir().expect("temp dir");
    let live = temp.path().join("live");
    let ledger = new_ledger(&live, LedgerOptions::default());
    mixed(&ledger, 1, 3);
    let block_file = |dir: &Path| dir.join("blocks/00000000.blk");
    let before_length = fs::metadata(block_file(&live)).expect("length").len();
    let before = contents(&ledger);
    drop(ledger);
    let base = temp.path().join("base");
    copy_dir(&live, &base);
    let ledger = Ledger::open(&live, LedgerOptions::default()).expect("opens");
    mixed(&ledger, 3, 4);
    let after = contents(&ledger);
    let (blocks, private) = (live.join("blocks"), live.join("private"));
    let whole = fs::metadata(block_file(&live)).expect("length").len();

    let step = usize::try_from((whole - before_length) / 40)
        .expect("small")
        .max(1);
    let cuts =
        (before_length..whole)
            .step_by(step)
            .chain([before_length + 1, before_length + 11, whole - 1, whole]);
    for cut in cuts {
        let dir = temp.path().join(format!("cut{cut}"));
        copy_dir(&base, &dir);
        copy_dir(&blocks, &dir.join("blocks"));
        copy_dir(&private, &dir.join("private"));
        fs::OpenOptions::new()
            .write(true)
            .open(block_file(&dir))
            .and_then(|file| file.set_len(cut))
            .expect("cuts");
        let ledger = Ledger::open(&dir, LedgerOptions::default()).expect("opens");
        if cut == whole {
            assert_eq!(contents(&ledger), after);
        } else {
            assert_eq!(contents(&ledger), before, "cut at {cut}");
            assert_eq!(ledger.private_data(3).expect("reads"), []);
            mixed(&ledger, 3, 4);
            assert_eq!(ledger.height(), 4);
        }
        drop(ledger);
        fs::remove_dir_all(dir).expect("removes");
    }
}

#[test]
fn an_unfinished_private_frame_is_dropped() {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = new_ledger(temp.path(), LedgerOptions::default());
    mixed(&ledger, 1, 3);
    let before = contents(&ledger);
    drop(ledger);
    let file = temp.path().join("private").join(format!("{:020}.pvt", 1));
    let mut bytes = fs::read(&file).expect("reads");
    let tail = bytes[..20].to_vec();
    bytes.extend_from_slice(&tail);
    fs::write(&file, bytes).expect("writes");
    fs::remove_dir_all(temp.path().join("db")).expect("removes");
    let ledger = Ledger::open(temp.path(), LedgerOptions::default()).expect("opens");
    assert_eq!(contents(&ledger), before);
}

/// The disk lost a block whose sync had returned. A peer gets it again from the orderer; an orderer would give its number
/// to another one.
#[test]
fn a_lost_block_is_fetched_again_by_a_peer_and_refused_by_an_orderer() {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = new_ledger(temp.path(), LedgerOptions::default());
    mixed(&ledger, 1, 4);
    let before = contents(&ledger);
    let lost: Vec<_> = (3..5)
        .map(|n| {
            mixed(&ledger, n + 1, n + 2);
            ledger.block(n + 1).expect("reads").expect("is there")
        })
        .collect();
    drop(ledger);
    let file = temp.path().join("blocks/00000000.blk");
    let orderer = temp.path().join("orderer");
    let store = BlockStore::open(&orderer, Arc::new(OsFiles)).expect("opens");
    for block in Ledger::open(temp.path(), LedgerOptions::default())
        .expect("opens")
        .iter_from(0)
    {
        store.append((*block.expect("reads")).clone()).expect("appends");
    }
    drop(store);

    let good = fs::read(&file).expect("reads");
    let size = |block: &Block| 12 + prost::Message::encoded_len(block);
    let end = good.len() - lost.iter().map(|block| size(block)).sum::<usize>();
    let last = good.len() - size(&lost[1]);
    // Wholly, in part, with a flipped bit in the last one, and all but the last byte.
    let mut flipped = good.clone();
    flipped[last + 50] ^= 4;
    for content in [
        &good[..end],
        &good[..last],
        &good[..last + 20],
        &flipped,
        &good[..good.len() - 1],
    ] {
        let dir = temp.path().join("peer");
        copy_ledger(temp.path(), &dir);
        fs::write(dir.join("blocks/00000000.blk"), content).expect("writes");
        let ledger = Ledger::open(&dir, LedgerOptions::default()).expect("opens");
        let height = ledger.height();
        assert!((4..6).contains(&height));
        if height == 4 {
            assert_eq!(contents(&ledger), before);
        }
        for block in lost.iter().skip(height as usize - 4) {
            let mut block = (**block).clone();
            block.metadata.as_mut().expect("metadata").metadata.truncate(4);
            let txs = block.data.iter().flat_map(|data| &data.data);
            let txs = txs.map(|tx| crate::ParsedTx::from_envelope(tx)).collect();
            let again = ledger.commit(block, txs, BTreeMap::new()).expect("commits");
            assert_eq!(*again.block, *lost[again.number as usize - 4]);
        }
        drop(ledger);
        fs::remove_dir_all(dir).expect("removes");

        let file = orderer.join("blocks/00000000.blk");
        fs::write(&file, content).expect("writes");
        let error = BlockStore::open(&orderer, Arc::new(OsFiles)).expect_err("refused");
        assert!(
            matches!(&error, LedgerError::Corrupt { path, offset, .. } if *path == file && *offset >= end as u64),
            "{error}"
        );
        assert_eq!(fs::read(&file).expect("reads"), content, "nothing is cut");
    }
    fs::write(orderer.join("blocks/00000000.blk"), &good).expect("writes");
    let store = BlockStore::open(&orderer, Arc::new(OsFiles)).expect("opens when the file is back");
    assert_eq!(store.height(), 6);
}

#[test]
fn damage_and_lost_blocks_are_refused_by_name() {
    let temp = tempfile::tempdir().expect("temp dir");
    let ledger = new_ledger(temp.path(), LedgerOptions::default());
    mixed(&ledger, 1, 5);
    drop(ledger);
    let file = temp.path().join("blocks/00000000.blk");
    let good = fs::read(&file).expect("reads");

    // A flipped byte in an older block shows when it is read, and when the index is built again.
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    fs::write(&file, &flipped).expect("writes");
    let ledger = Ledger::open(temp.path(), LedgerOptions::default()).expect("opens: the end is whole");
    let refused = (0..5)
        .filter(|number| matches!(ledger.block(*number), Err(LedgerError::Corrupt { .. })))
        .count();
    assert_eq!(refused, 1);
    drop(ledger);
    fs::remove_dir_all(temp.path().join("db")).expect("removes");
    let error = Ledger::open(temp.path(), LedgerOptions::default()).expect_err("refused");
    assert!(
        matches!(error, LedgerError::Corrupt { offset, .. } if offset > 0),
        "{error}"
    );
}

#[test]
fn nothing_is_answered_before_the_sync_and_private_data_goes_first() {
    let temp = tempfile::tempdir().expect("temp dir");
    let files = Recording::new(OsFiles);
    let options = LedgerOptions {
        files: Arc::new(files.clone()),
        ..LedgerOptions::default()
    };
    let ledger = new_ledger(temp.path(), options);
    files.clear();
    mixed(&ledger, 1, 2);
    files.mark("answered");
    put(&ledger, "t2", "k", "v");
    let kind = |event: &Event| {
        let name = |path: &Path| {
            path.extension()
                .map(|end| end.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        match event {
            Event::Append { path, .. } => format!("append {}", name(path)),
            Event::Sync { path } => format!("sync {}", name(path)),
            Event::Mark(label) => label.clone(),
            Event::SyncDir { .. } => "sync dir".to_owned(),
            other => format!("{other:?}"),
        }
    };
    let order: Vec<_> = files.events().iter().map(kind).collect();
    assert_eq!(
        order,
        [
            "append pvt",
            "sync pvt",
            "sync dir",
            "append blk",
            "sync blk",
            "answered",
            "append blk",
            "sync blk"
        ]
    );
}

#[test]
fn an_orderers_store_keeps_blocks_without_transactions() {
    let temp = tempfile::tempdir().expect("temp dir");
    let store = BlockStore::open(temp.path(), Arc::new(OsFiles)).expect("opens");
    let first = genesis();
    store.append(first.clone()).expect("appends");
    let second = block(1, store.last_hash(), vec![endorser_envelope("t1", 0, Vec::new())]);
    store.append(second.clone()).expect("appends");
    assert!(matches!(
        store.append(second.clone()),
        Err(LedgerError::NotNext { number: 1, .. })
    ));
    let hash = store.last_hash();
    drop(store);
    let store = BlockStore::open(temp.path(), Arc::new(OsFiles)).expect("opens");
    assert_eq!((store.height(), store.last_hash()), (2, hash.clone()));
    assert_eq!(
        store.block_by_hash(&hash).expect("reads").as_deref(),
        Some(&second)
    );
    assert_eq!(store.block(0).expect("reads").as_deref(), Some(&first));
    assert_eq!(store.block(2).expect("reads"), None);
    assert!(!store.tx_exists("t1").expect("reads"));
    assert_eq!(
        store.info().previous_block_hash,
        second.header.expect("header").previous_hash
    );
}

#[test]
fn equal_blocks_give_equal_commit_hashes_and_different_codes_different_ones() {
    let dirs = [
        tempfile::tempdir().expect("temp dir"),
        tempfile::tempdir().expect("temp dir"),
    ];
    let ledgers = dirs
        .each_ref()
        .map(|dir| new_ledger(dir.path(), LedgerOptions::default()));
    assert!(ledgers[0].commit_hash().is_empty(), "none before block 1");
    for n in 0..3 {
        let tx = simulate(&ledgers[0], &format!("t{n}"), |s| {
            s.put_state(NS, "k", vec![n]).expect("puts");
            s.put_private(NS, COLL, "p", vec![n, 1]).expect("puts");
        });
        let (block, parsed, private) = next_block(&ledgers[0], &[tx]);
        // One peer has the private data, the other has not: the hash is over what both have.
        let one = ledgers[0]
            .commit(block.clone(), parsed.clone(), private)
            .expect("commits");
        let other = ledgers[1]
            .commit(block, parsed, BTreeMap::new())
            .expect("commits");
        assert_eq!(one.commit_hash.len(), 32);
        assert_eq!(one.block, other.block);
        assert_eq!(one.commit_hash, ledgers[0].commit_hash());
    }
    let tx = simulate(&ledgers[0], "t9", |s| {
        s.put_state(NS, "k", b"x".to_vec()).expect("puts")
    });
    let (mut block, parsed, _) = next_block(&ledgers[0], &[tx]);
    let valid = ledgers[0]
        .commit(block.clone(), parsed.clone(), BTreeMap::new())
        .expect("commits");
    crate::block::set_slot(
        &mut block,
        fabric_protos::common::BlockMetadataIndex::TransactionsFilter,
        vec![10],
    );
    let invalid = ledgers[1]
        .commit(block, parsed, BTreeMap::new())
        .expect("commits");
    assert_ne!(valid.commit_hash, invalid.commit_hash);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Transactions of read-modify-write on few keys, simulated on one snapshot per block: a transaction is valid when no
    /// valid one before it in the block wrote what it read. The model is a map.
    #[test]
    fn commits_follow_a_sequential_model(
        blocks in prop::collection::vec(prop::collection::vec((0u8..4, 0u8..4, any::<bool>()), 1..6), 1..6)
    ) {
        let temp = tempfile::tempdir().expect("temp dir");
        let ledger = new_ledger(temp.path(), LedgerOptions::default());
        let mut model: BTreeMap<String, String> = BTreeMap::new();
        for (number, txs) in blocks.iter().enumerate() {
            let mut simulated = Vec::new();
            for (index, (read, written, delete)) in txs.iter().enumerate() {
                let id = format!("t{number}-{index}");
                simulated.push(simulate(&ledger, &id, |s| {
                    let found = s.state(NS, &format!("k{read}")).expect("reads");
                    let expected = model.get(&format!("k{read}")).map(|value| value.as_bytes().to_vec());
                    assert_eq!(found, expected);
                    let value = if *delete { Vec::new() } else { id.clone().into_bytes() };
                    s.put_state(NS, &format!("k{written}"), value).expect("puts");
                }));
            }
            let committed = commit(&ledger, &simulated);
            let mut touched = Vec::new();
            for (index, (read, written, delete)) in txs.iter().enumerate() {
                let valid = !touched.contains(read);
                prop_assert_eq!(committed.codes[index], if valid { VALID } else { MVCC });
                if valid {
                    touched.push(*written);
                    let key = format!("k{written}");
                    if *delete {
                        model.remove(&key);
                    } else {
                        model.insert(key, format!("t{number}-{index}"));
                    }
                }
            }
            let state: BTreeMap<_, _> = ledger
                .query()
                .range(NS, "", "")
                .map(|found| found.map(|found| (found.key, String::from_utf8(found.value).expect("text"))))
                .collect::<Result<_, _>>()
                .expect("reads");
            prop_assert_eq!(&state, &model);
        }
    }
}
