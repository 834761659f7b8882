//! Crashes at random moments of a random load: nothing that was answered is lost, and nothing wrong is shown afterwards.
//!
//! ```text
//! load ─▶ Ledger ─▶ FaultyFiles (blocks, private data) ─┐ fault at the n-th change
//!                └▶ database on the real disk ──────────┤ copied as it is at that moment, then cut, holed, flipped or lost
//!                                                       ▼
//!         what survives is opened, compared with a model made from the blocks, and has to go on
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fabric_protos::common::Block;
use fabric_protos::rwset::TxPvtReadWriteSet;

use super::crash_model::{COLLECTIONS, Secrets, check, collections};
use crate::files::faulty::{Fault, FaultyFiles, Loss, Random};
use crate::testing::*;
use crate::{
    Collection, CollectionInfo, LatePrivateData, Ledger, LedgerError, LedgerOptions, QueryExecutor, Version,
};

/// Points in an ordinary run; the environment variable sets another number.
const POINTS: u64 = 50;
/// Blocks of a load at most.
const BLOCKS: u64 = 14;

#[test]
fn random_crash_points_lose_nothing_and_show_nothing_wrong() {
    let points =
        std::env::var("CARELEDGER_CRASH_POINTS").map_or(POINTS, |text| text.parse().expect("a number"));
    let seed = seed();
    let mut tally = Tally::default();
    for point in 0..points {
        let mut random = Random::new(seed.wrapping_add(point));
        crash(
            &mut random,
            &format!(
                "CARELEDGER_TEST_SEED={} (point {point})",
                seed.wrapping_add(point)
            ),
            &mut tally,
        );
    }
    eprintln!("{points} crash points: {tally:?}");
    assert!(tally.in_flight_kept + tally.in_flight_gone > 0);
}

#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    power_failures: u64,
    errors_survived: u64,
    lying_disks: u64,
    refused: u64,
    databases_lost: u64,
    in_flight_kept: u64,
    in_flight_gone: u64,
    blocks: u64,
}

/// What was answered, and what was under way.
#[derive(Default)]
struct Answers {
    blocks: Vec<Arc<Block>>,
    /// As they were handed in, before codes and commit hash.
    proposed: Vec<Block>,
    /// Blocks that were answered with an error, by number: one of them may be there all the same.
    failed: BTreeMap<u64, Block>,
    secrets: Secrets,
    /// Private data that was given to no commit: transaction and collection.
    withheld: BTreeSet<(Version, String)>,
    withheld_ids: BTreeMap<(u64, u64), String>,
    /// Late data that was answered, and what failed.
    late: BTreeSet<Version>,
    late_failed: BTreeSet<Version>,
}

fn crash(random: &mut Random, what: &str, tally: &mut Tally) {
    let temp = quick_dir();
    let dir = temp.path().join("ledger");
    let files = FaultyFiles::default();
    let mut answers = Answers::default();
    let ledger = new_ledger(&dir, options(&files));
    answers
        .blocks
        .push(ledger.block(0).expect("reads").expect("genesis"));
    answers.proposed.push(genesis());

    // The fault comes within the load, which is as long as it is.
    let at = files.operations() + 1 + random.below(BLOCKS * 4);
    let torn = random.below(900) as usize;
    let lying = match random.below(6) {
        0 => {
            files.inject(at, Fault::Error);
            false
        }
        1 => {
            files.inject(at, Fault::Full { written: torn });
            false
        }
        2 => {
            files.inject(at, Fault::LyingSyncs);
            files.inject(at + 1 + random.below(12), Fault::Crash { torn });
            true
        }
        _ => {
            files.inject(at, Fault::Crash { torn });
            false
        }
    };
    let mut ledger = Some(ledger);
    for _ in 0..BLOCKS {
        let Some(open) = &ledger else { break };
        step(open, random, &mut answers);
        if files.crashed() {
            break;
        }
        if random.chance(1, 12) {
            // A proper stop and start. The old one has to be gone first.
            drop(ledger.take());
            ledger = Ledger::open(&dir, options(&files)).ok();
        }
    }

    // The moment: what the database has on disk now.
    let database = temp.path().join("database");
    copy_dir(&dir.join("db"), &database);
    let sealed = dir.join("db.seal").exists();
    drop(ledger);
    if !sealed {
        fs::remove_file(dir.join("db.seal")).ok();
    }
    fs::remove_dir_all(dir.join("db")).expect("removes");
    let loss = if random.chance(1, 3) {
        Loss::Kill
    } else {
        Loss::Power
    };
    if loss == Loss::Kill {
        tally.kills += 1;
    } else {
        tally.power_failures += 1;
        tally.databases_lost += u64::from(hurt(&database, random));
    }
    tally.lying_disks += u64::from(lying);
    tally.errors_survived += u64::from(!files.crashed());
    if database.exists() {
        fs::rename(&database, dir.join("db")).expect("renames");
    }

    let after = files.after_crash(loss, random);
    let opened = Ledger::open(&dir, options(&after));
    let ledger = match opened {
        Ok(ledger) => ledger,
        Err(LedgerError::Corrupt { path, offset, .. }) if lying && loss == Loss::Power => {
            // A hole where a sync had returned, with good data behind it: told by name.
            let length = after.contents().into_iter().find(|(name, _)| *name == path);
            assert!(offset <= length.expect("the file is there").1, "{what}");
            tally.refused += 1;
            return;
        }
        Err(error) => panic!("{what}: {loss:?}, lying {lying}: {error}"),
    };
    let lossy = lying && loss == Loss::Power;
    if lossy && shows_a_hole(&ledger) {
        tally.refused += 1;
        return;
    }
    verify(&ledger, &answers, lossy, what, tally);
    go_on(&ledger, &answers, what);
    tally.blocks += ledger.height();
}

/// Whether a read of the past is refused because the disk lost a part of it that it had promised to keep.
fn shows_a_hole(ledger: &Ledger) -> bool {
    let is_hole = |error: &LedgerError| matches!(error, LedgerError::Corrupt { .. });
    (0..ledger.height()).any(|number| {
        ledger.block(number).is_err_and(|error| is_hole(&error))
            || ledger.private_data(number).is_err_and(|error| is_hole(&error))
    })
}

/// One block, or late private data, or an erasure.
fn step(ledger: &Ledger, random: &mut Random, answers: &mut Answers) {
    // An erasure fills a journal: slow, so rare.
    if random.chance(1, 300) {
        ledger.compact().ok();
        return;
    }
    if random.chance(1, 7) {
        late(ledger, random, answers);
        return;
    }
    let number = ledger.height();
    let txs: Vec<Tx> = (0..1 + random.below(3))
        .map(|index| simulated(ledger, number, index, random))
        .collect();
    let (mut block, parsed, mut private) = next_block(ledger, &txs);
    if random.chance(1, 6) {
        // The validator refused the first one.
        let mut codes = vec![VALID; txs.len()];
        codes[0] = 10;
        crate::block::set_slot(
            &mut block,
            fabric_protos::common::BlockMetadataIndex::TransactionsFilter,
            codes,
        );
    }
    let mut withheld = BTreeSet::new();
    for (index, tx) in txs.iter().enumerate() {
        if let Some(set) = &tx.results.private {
            answers.secrets.insert(tx.id.clone(), set.clone());
            if random.chance(1, 4) {
                private.remove(&(index as u64));
                let version = Version::new(number, index as u64);
                withheld.extend(collections(set).into_iter().map(|name| (version, name)));
                answers.withheld_ids.insert((number, index as u64), tx.id.clone());
            }
        }
    }
    let proposed = block.clone();
    match ledger.commit(block, parsed, private) {
        Ok(committed) => {
            answers.withheld.extend(withheld);
            answers.blocks.push(committed.block);
            answers.proposed.push(proposed);
            answers.failed.remove(&number);
        }
        Err(_) => {
            answers.failed.insert(number, proposed);
            answers.withheld.extend(withheld);
        }
    }
}

/// A transaction of one to four operations on few keys.
fn simulated(ledger: &Ledger, number: u64, index: u64, random: &mut Random) -> Tx {
    let id = format!("t{number}-{index}-{}", random.below(1 << 30));
    simulate(ledger, &id, |s| {
        if random.chance(1, 3) {
            s.state(NS, &format!("k{}", random.below(4))).expect("reads");
        }
        for _ in 0..1 + random.below(4) {
            let key = format!("k{}", random.below(4));
            let (collection, _) = COLLECTIONS[random.below(3) as usize];
            let secret = format!("p{}", random.below(3));
            let value = vec![b'a' + random.below(26) as u8; 1 + random.below(600) as usize];
            match random.below(10) {
                0..=3 => s.put_state(NS, &key, value),
                4 => s.delete_state(NS, &key),
                5..=7 => s.put_private(NS, collection, &secret, value),
                8 => s.delete_private(NS, collection, &secret),
                _ => s.purge_private(NS, collection, &secret),
            }
            .expect("writes");
        }
    })
}

fn late(ledger: &Ledger, random: &mut Random, answers: &mut Answers) {
    let missing = ledger.missing_private_data(None, 100).expect("reads");
    if missing.is_empty() {
        return;
    }
    let one = &missing[random.below(missing.len() as u64) as usize];
    let Some(set) = held_back(answers, one.block, one.tx) else {
        return;
    };
    let version = Version::new(one.block, one.tx);
    let data = LatePrivateData {
        block: one.block,
        tx: one.tx,
        set,
    };
    match ledger.commit_late_private_data(vec![data]) {
        Ok(()) => answers.late.insert(version),
        Err(_) => answers.late_failed.insert(version),
    };
}

fn held_back(answers: &Answers, block: u64, tx: u64) -> Option<TxPvtReadWriteSet> {
    let id = answers.withheld_ids.get(&(block, tx))?;
    answers.secrets.get(id).cloned()
}

/// What a power failure leaves of the database: the journal's end cut or holed, or nothing. `true` when it is gone.
fn hurt(database: &Path, random: &mut Random) -> bool {
    match random.below(6) {
        0 => {
            fs::remove_dir_all(database).expect("removes");
            return true;
        }
        1 => return false,
        _ => {}
    }
    let Some(journal) = newest_journal(database) else {
        return false;
    };
    let mut bytes = fs::read(&journal).expect("reads");
    let used = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    if random.chance(1, 2) {
        bytes.truncate(random.below(used as u64 + 1) as usize);
    } else if used > 0 {
        let sector = random.below(used as u64 / 512 + 1) as usize * 512;
        let end = (sector + 512).min(bytes.len());
        bytes[sector..end].fill(0);
    }
    fs::write(journal, bytes).expect("writes");
    false
}

fn newest_journal(database: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(database).ok()?;
    let mut journals: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "jnl"))
        .collect();
    journals.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    journals.pop()
}

fn verify(ledger: &Ledger, answers: &Answers, lossy: bool, what: &str, tally: &mut Tally) {
    let answered = answers.blocks.len() as u64;
    let height = ledger.height();
    if !lossy {
        assert!(
            height >= answered,
            "{what}: {answered} blocks were answered, {height} are there"
        );
    }
    assert!(height <= answered + 1, "{what}");
    for number in 0..height.min(answered) {
        let block = ledger.block(number).expect("reads").expect("is there");
        assert_eq!(block, answers.blocks[number as usize], "{what}: block {number}");
    }
    if height > answered {
        // The block under way is there whole: the one that was handed in last.
        tally.in_flight_kept += 1;
        let block = ledger.block(answered).expect("reads").expect("is there");
        let proposed = &answers.failed[&answered];
        assert_eq!(
            (&block.header, &block.data),
            (&proposed.header, &proposed.data),
            "{what}"
        );
    } else if answers.failed.contains_key(&answered) {
        tally.in_flight_gone += 1;
    }
    let missing = check(ledger, &answers.secrets, what);
    if !lossy {
        for (version, collection) in &missing {
            assert!(
                version.block >= answered || answers.withheld.contains(&(*version, collection.clone())),
                "{what}: {collection} of {version} was given with its block"
            );
            assert!(
                // Listed until it is given again: the list is only made durable now and then.
                !answers.late.contains(version) || in_files(ledger, *version, collection),
                "{what}: late data {collection} of {version} was answered"
            );
        }
    }
    same_as_without_a_crash(ledger, answers, what);
}

fn in_files(ledger: &Ledger, version: Version, collection: &str) -> bool {
    let data = ledger.private_data(version.block).expect("reads");
    data.iter()
        .any(|tx| tx.tx == version.tx && collections(&tx.set).contains(collection))
}

/// Codes and commit hashes, from a ledger that was never stopped.
fn same_as_without_a_crash(ledger: &Ledger, answers: &Answers, what: &str) {
    let temp = quick_dir();
    let reference = new_ledger(temp.path(), options(&FaultyFiles::default()));
    for number in 1..ledger.height() {
        let found = ledger.block(number).expect("reads").expect("is there");
        let proposed = answers
            .proposed
            .get(number as usize)
            .or_else(|| answers.failed.get(&number));
        let proposed = proposed.expect("was handed in").clone();
        let txs = proposed.data.iter().flat_map(|data| &data.data);
        let txs = txs.map(|tx| crate::ParsedTx::from_envelope(tx)).collect();
        let committed = reference.commit(proposed, txs, BTreeMap::new()).expect("commits");
        assert_eq!(committed.block, found, "{what}: block {number}");
    }
    assert_eq!(reference.commit_hash(), ledger.commit_hash(), "{what}");
}

/// Missing data comes, the next blocks commit, and all of it holds again after a proper stop and start.
fn go_on(ledger: &Ledger, answers: &Answers, what: &str) {
    let mut secrets = answers.secrets.clone();
    for missing in ledger.missing_private_data(None, 1_000).expect("reads") {
        let block = ledger.block(missing.block).expect("reads").expect("is there");
        let envelope = &block.data.as_ref().expect("data").data[missing.tx as usize];
        let id = crate::ParsedTx::from_envelope(envelope).tx_id;
        let late = LatePrivateData {
            block: missing.block,
            tx: missing.tx,
            set: answers.secrets[&id].clone(),
        };
        ledger
            .commit_late_private_data(vec![late])
            .unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    let left = check(ledger, &secrets, &format!("{what}, with the late data"));
    assert!(left.is_empty(), "{what}: {left:?} is still missing");
    for n in 0..3 {
        let id = format!("after-{n}");
        let tx = simulate(ledger, &id, |s| {
            s.put_state(NS, "k0", vec![n]).expect("puts");
            s.put_private(NS, "long", "p0", vec![n; 40]).expect("puts");
        });
        secrets.insert(id, tx.results.private.clone().expect("private data"));
        let (block, parsed, private) = next_block(ledger, &[tx]);
        ledger
            .commit(block, parsed, private)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    check(ledger, &secrets, &format!("{what}, three blocks later"));
}

fn options(files: &FaultyFiles) -> LedgerOptions {
    LedgerOptions {
        files: Arc::new(files.clone()),
        collections: Arc::new(Short),
        purge_interval: u64::MAX,
        ..LedgerOptions::default()
    }
}

#[derive(Debug)]
struct Short;

impl CollectionInfo for Short {
    fn collection(&self, _: &QueryExecutor, _: &str, collection: &str) -> Result<Collection, LedgerError> {
        let known = COLLECTIONS.iter().find(|(name, _)| *name == collection);
        Ok(
            known.map_or(Collection::Unknown, |(_, live)| Collection::Defined {
                block_to_live: *live,
            }),
        )
    }
}
