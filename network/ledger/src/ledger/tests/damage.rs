//! Databases that are not as they were written: lost files, cut ones, flipped bits, after a close and after a kill.
//!
//! The ledger shows what it showed before, or is refused by name; it never shows anything else.

use std::fs;
use std::path::{Path, PathBuf};

use super::durability::{contents, mixed};
use crate::files::faulty::Random;
use crate::testing::*;
use crate::{Ledger, LedgerError, LedgerOptions};

/// Flips per run; more with the environment variable of the long run.
const FLIPS: u64 = 60;

/// A ledger whose database has tables and a journal, and what it shows. `closed`: properly, otherwise as a kill leaves it.
fn sample(dir: &Path, closed: bool) -> String {
    let live = dir.with_extension("live");
    let ledger = new_ledger(&live, LedgerOptions::default());
    mixed(&ledger, 1, 4);
    ledger.db.flush();
    mixed(&ledger, 4, 8);
    ledger.db.persist().expect("persists");
    let shown = contents(&ledger);
    let ledger = if closed {
        drop(ledger);
        None
    } else {
        Some(ledger)
    };
    copy_dir(&live, dir);
    for file in files(dir) {
        // A new journal is long and empty: some of its zeros are enough.
        let bytes = fs::read(&file).expect("reads");
        let used = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        if used + 4_096 < bytes.len() {
            fs::write(&file, &bytes[..used + 4_096]).expect("writes");
        }
    }
    drop(ledger);
    fs::remove_dir_all(live).expect("removes");
    shown
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("lists") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Opens a copy of `base` after `damage` was done to it: it must show what the base did, and go on.
fn survives(base: &Path, shown: &str, what: &str, damage: impl FnOnce(&Path)) {
    let dir = base.with_extension("damaged");
    copy_dir(base, &dir);
    damage(&dir);
    let ledger =
        Ledger::open(&dir, LedgerOptions::default()).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(contents(&ledger), shown, "{what}");
    mixed(&ledger, 8, 9);
    assert_eq!(ledger.height(), 9, "{what}");
    drop(ledger);
    fs::remove_dir_all(dir).expect("removes");
}

#[test]
fn any_lost_or_cut_file_of_the_database_is_made_good() {
    for closed in [true, false] {
        let temp = quick_dir();
        let base = temp.path().join("base");
        let shown = sample(&base, closed);
        for file in files(&base.join("db")) {
            let name = file.strip_prefix(&base).expect("inside").to_owned();
            let what = |how: &str| format!("closed {closed}, {} {how}", name.display());
            survives(&base, &shown, &what("removed"), |dir| {
                fs::remove_file(dir.join(&name)).expect("removes");
            });
            let length = fs::metadata(&file).expect("length").len();
            for cut in [0, 1, length / 2, length.saturating_sub(1)] {
                survives(
                    &base,
                    &shown,
                    &what(&format!("cut to {cut} of {length}")),
                    |dir| {
                        let file = fs::OpenOptions::new().write(true).open(dir.join(&name));
                        file.and_then(|file| file.set_len(cut)).expect("cuts");
                    },
                );
            }
        }
        survives(&base, &shown, "a file too many", |dir| {
            fs::write(dir.join("db/9.jnl"), b"foreign").expect("writes");
        });
        survives(&base, &shown, "another ledger's database", |dir| {
            let other = dir.with_extension("other");
            let ledger = new_ledger(&other, LedgerOptions::default());
            fill(&ledger, 7);
            drop(ledger);
            fs::remove_dir_all(dir.join("db")).expect("removes");
            fs::remove_file(dir.join("db.seal")).ok();
            copy_dir(&other.join("db"), &dir.join("db"));
            fs::remove_dir_all(other).expect("removes");
        });
    }
}

/// Every flip is found by a checksum, or changes nothing that is read.
#[test]
fn flipped_bits_in_the_database_never_show() {
    let seed = seed();
    let mut random = Random::new(seed);
    let flips =
        std::env::var("CARELEDGER_CRASH_POINTS").map_or(FLIPS, |text| text.parse().expect("a number"));
    let temp = quick_dir();
    let (mut rebuilt, mut refused) = (0, 0);
    let bases = [true, false].map(|closed| {
        let base = temp.path().join(format!("base-{closed}"));
        let shown = sample(&base, closed);
        let files: Vec<_> = files(&base.join("db"))
            .into_iter()
            .filter(|file| fs::metadata(file).expect("length").len() > 0)
            .collect();
        (base, shown, files)
    });
    for flip in 0..flips {
        let (base, expected, files) = &bases[(flip % 2) as usize];
        let dir = temp.path().join("damaged");
        copy_dir(base, &dir);
        let file = &files[random.below(files.len() as u64) as usize];
        let name = file.strip_prefix(base).expect("inside");
        let mut bytes = fs::read(dir.join(name)).expect("reads");
        // A new journal is long and empty: most flips shall hit what is written.
        let used = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(1, |last| last + 1);
        let at = random.below(used as u64) as usize;
        bytes[at] ^= 1 << random.below(8);
        fs::write(dir.join(name), bytes).expect("writes");
        let what = format!("seed {seed}, flip {flip} in {} at {at}", file.display());
        let ledger = Ledger::open(&dir, LedgerOptions::default()).unwrap_or_else(|e| panic!("{what}: {e}"));
        rebuilt += u32::from(
            !dir.join("db")
                .join(name.strip_prefix("db").expect("inside"))
                .exists(),
        );
        let shown = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| contents(&ledger)));
        drop(ledger);
        match shown {
            Ok(shown) => assert_eq!(shown, *expected, "{what}"),
            Err(_) => {
                // A table's damage shows when it is read. Then the next opening builds the database again.
                refused += 1;
                let ledger = Ledger::open(&dir, LedgerOptions::default()).expect("opens");
                assert_eq!(contents(&ledger), *expected, "{what}, opened again");
            }
        }
        fs::remove_dir_all(dir).expect("removes");
    }
    eprintln!(
        "{flips} flips: {rebuilt} made files go, {refused} showed at the first read; none was believed"
    );
}

#[test]
fn damage_found_while_running_is_named_and_mended_by_the_next_opening() {
    let temp = quick_dir();
    let base = temp.path().join("base");
    sample(&base, true);
    let ledger = Ledger::open(&base, LedgerOptions::default()).expect("opens");
    let error = ledger.db.damaged("a test says so");
    assert!(
        matches!(&error, LedgerError::DatabaseDamaged { path, .. } if *path == base.join("db")),
        "{error}"
    );
    assert!(
        error.to_string().contains("built again from the blocks"),
        "{error}"
    );
    let before = contents(&ledger);
    drop(ledger);
    assert!(!base.join("db.seal").exists(), "what is damaged is not sealed");
    assert!(base.join("db.damaged").exists());
    let ledger = Ledger::open(&base, LedgerOptions::default()).expect("opens");
    assert!(!base.join("db.damaged").exists());
    assert_eq!(contents(&ledger), before);
}

/// A journal between two others is gone, or one part of the database is behind: its savepoints and marks tell.
#[test]
fn a_database_with_a_gap_is_built_again() {
    let temp = quick_dir();
    let base = temp.path().join("base");
    let shown = sample(&base, false);
    let journal = |dir: &Path| {
        let mut journals: Vec<_> = files(dir)
            .into_iter()
            .filter(|file| file.extension().is_some_and(|end| end == "jnl"))
            .collect();
        journals.pop().expect("a journal")
    };
    let bytes = fs::read(journal(&base)).expect("reads");
    // The batches of the journal, by their starts: a one, the number of entries, the sequence number.
    let end = b"FJL\x03";
    let ends: Vec<usize> = bytes
        .windows(4)
        .enumerate()
        .filter_map(|(at, window)| (window == end).then_some(at + 4))
        .collect();
    assert!(ends.len() >= 4, "{}", ends.len());
    let [first, second] = [ends[ends.len() - 3], ends[ends.len() - 2]];
    survives(&base, &shown, "a batch cut out", |dir| {
        let gap = [&bytes[..first], &bytes[second..]].concat();
        fs::write(journal(dir), gap).expect("writes");
    });
    survives(&base, &shown, "two batches exchanged", |dir| {
        let last = ends[ends.len() - 1];
        let exchanged = [&bytes[..first], &bytes[second..last], &bytes[first..second]].concat();
        fs::write(journal(dir), exchanged).expect("writes");
    });
    survives(&base, &shown, "the journal begins too late", |dir| {
        fs::write(journal(dir), &bytes[second..]).expect("writes");
    });
}

#[test]
fn an_admin_can_build_the_database_again() {
    let temp = quick_dir();
    let base = temp.path().join("base");
    let shown = sample(&base, true);
    let open = Ledger::open(&base, LedgerOptions::default()).expect("opens");
    let refused = Ledger::rebuild(&base, LedgerOptions::default(), &mut |_| {});
    assert!(matches!(refused, Err(LedgerError::Locked { .. })));
    drop(open);
    let mut told = Vec::new();
    let ledger = Ledger::rebuild(&base, LedgerOptions::default(), &mut |at| told.push(at)).expect("rebuilds");
    assert_eq!(contents(&ledger), shown);
    assert_eq!(
        told.iter().map(|at| at.blocks).collect::<Vec<_>>(),
        (1..=8).collect::<Vec<_>>()
    );
    assert!(told.last().is_some_and(|at| at.bytes == at.of_bytes));
    drop(ledger);
    let nothing = Ledger::rebuild(&base.join("no"), LedgerOptions::default(), &mut |_| {});
    assert!(matches!(nothing, Err(LedgerError::Empty { .. })));
    fs::write(base.join("blocks/00000000.blk"), [7; 40]).expect("writes");
    let damaged = Ledger::rebuild(&base, LedgerOptions::default(), &mut |_| {});
    assert!(damaged.is_err());
}
