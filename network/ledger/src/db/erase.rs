//! Removing the bytes of deleted private entries from the database's files.
//!
//! A log-structured database keeps deleted entries in its tables until they are merged away, and in its journal until
//! that is dropped; fjall promises neither for a given entry. So the live private entries move to a new keyspace, a
//! generation, and the old one is removed with all its files; then a journal is filled up until the database starts a new
//! one. Nothing is compressed (fjall's `lz4` is off), so a search of the files for the bytes themselves finds them all.
//!
//! Commits go on meanwhile. They write to both generations, so the copy needs the writer for some entries at a time only.
//! A crash leaves the old generation in force, and the new one is removed at the next opening.

use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use fjall::{Keyspace, KeyspaceCreateOptions, Readable as _, UserKey};

use super::health::Health;
use super::{Db, Space, Spaces, journal, keyspace};
use crate::LedgerError;

/// Length from which fjall seals a journal when a memtable is flushed (`worker_pool.rs` of fjall 3).
const JOURNAL_SEALED_AT: usize = 64_000_000;
const PADDING_BYTES: usize = 1 << 20;
/// How long the database's worker may take to remove a sealed journal: in tests, which do so side by side on a disk that others may use, as long as it needs.
const JOURNAL_REMOVAL: Duration = Duration::from_secs(if cfg!(test) { 60 } else { 5 });
/// How long one flush may take before another one is begun: a commit may have written to a journal in between.
const ROTATION: Duration = Duration::from_millis(250);
/// Entries and bytes copied at once: some milliseconds.
const COPIED_AT_ONCE: usize = 1_000;
const BYTES_AT_ONCE: usize = 2 << 20;

const GENERATION: &[u8] = b"!private-generation";
/// In every keyspace; no key of the ledger begins with a zero.
const FLUSHED: &[u8] = b"\0flushed";

/// Which generation of private entries counts.
pub(super) fn generation(main: &Keyspace, health: &Health) -> Result<u64, LedgerError> {
    let Some(value) = main.get(GENERATION).map_err(|error| health.failed(error))? else {
        return Ok(0);
    };
    value[..]
        .try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| LedgerError::Record("the private generation"))
}

pub(super) fn private_name(generation: u64) -> String {
    format!("{PREFIX}{generation}")
}

const PREFIX: &str = "private-";
/// Removed like an old generation when a crash leaves it behind.
const PADDING: &str = "private-padding";

/// Private entries on their way to a new generation. Dropped before [`finish`](Self::finish), everything is as it was.
pub(crate) struct Move<'d> {
    db: &'d Db,
    old: Spaces,
    new: Keyspace,
    generation: u64,
    /// The last key copied.
    after: Option<UserKey>,
    finished: bool,
}

impl Db {
    /// Begins to move what is alive of [`Space::Private`] to new files. Here, in [`Move::copy_some`] and in
    /// [`Move::finish`] the caller makes sure that nobody writes; between these calls batches may be made and committed.
    pub(crate) fn move_private(&self) -> Result<Move<'_>, LedgerError> {
        let health = &self.core.health;
        let old = self.spaces();
        let generation = generation(&old[Space::Main as usize], health)? + 1;
        let created = self.remove_keyspace(&private_name(generation));
        let new = created
            .and_then(|()| keyspace(self.core.database(), &private_name(generation)))
            .map_err(|error| health.failed(error))?;
        *self.moving.write().unwrap_or_else(PoisonError::into_inner) = Some(new.clone());
        Ok(Move {
            db: self,
            old,
            new,
            generation,
            after: None,
            finished: false,
        })
    }

    /// Removes the journals so far, once everything in them is in tables. `false`: they are still there, and this should be
    /// done again later. Commits go on meanwhile.
    pub(crate) fn shed_journal(&self) -> Result<bool, LedgerError> {
        let shed = self.seal_journal().and_then(|()| self.flush_until_journals_go());
        shed.map_err(|error| self.core.health.failed(error))
    }

    /// Whether the files of all earlier generations are gone. They stay as long as somebody reads a snapshot of them.
    pub(crate) fn is_erased(&self) -> bool {
        let replaced = self.core.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        replaced.iter().all(|(_, path)| !path.exists())
    }

    /// Removes generations that a crash left behind.
    pub(super) fn remove_old_generations(&self, current: u64) -> Result<(), LedgerError> {
        let current = private_name(current);
        for name in self.core.database().list_keyspace_names() {
            if name.starts_with(PREFIX) && *name != *current {
                self.remove_keyspace(&name)
                    .map_err(|error| self.core.health.failed(error))?;
            }
        }
        Ok(())
    }

    fn remove_keyspace(&self, name: &str) -> Result<(), fjall::Error> {
        let database = self.core.database();
        if database.keyspace_exists(name) {
            keyspace(database, name).and_then(|old| database.delete_keyspace(old))?;
        }
        Ok(())
    }

    /// Fills the journal, so that the next flush seals it.
    fn seal_journal(&self) -> Result<(), fjall::Error> {
        let database = self.core.database();
        self.remove_keyspace(PADDING)?;
        // One that is never flushed itself.
        let options = || KeyspaceCreateOptions::default().max_memtable_size(2 * JOURNAL_SEALED_AT as u64);
        let scratch = database.keyspace(PADDING, options)?;
        let padding = padding();
        for _ in 0..=JOURNAL_SEALED_AT / PADDING_BYTES {
            scratch.insert(FLUSHED, padding.as_slice())?;
        }
        database.delete_keyspace(scratch)
    }

    fn flush_until_journals_go(&self) -> Result<bool, fjall::Error> {
        let dir = self.core.health.dir();
        let journals = journal::files(dir)?;
        let spaces = self.spaces();
        let deadline = Instant::now() + JOURNAL_REMOVAL;
        loop {
            for keyspace in spaces.iter() {
                // A flush without any live entry would not count as one.
                keyspace.insert(FLUSHED, b"1")?;
            }
            // Not `rotate_memtable_and_wait`, which waits for ever once the database's worker has failed.
            for keyspace in spaces.iter() {
                keyspace.rotate_memtable()?;
            }
            let again = Instant::now() + ROTATION;
            while Instant::now() < again {
                if journals.iter().all(|journal| !journal.exists()) {
                    sync_dir(dir)?;
                    return Ok(true);
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            if Instant::now() > deadline {
                return Ok(false);
            }
        }
    }
}

impl Move<'_> {
    /// Copies some more entries as they are now; whether that were all.
    pub(crate) fn copy_some(&mut self) -> Result<bool, LedgerError> {
        self.copy().map_err(|error| self.db.core.health.failed(error))
    }

    /// Lets the new generation count, and removes the old one.
    pub(crate) fn finish(mut self) -> Result<(), LedgerError> {
        self.replace().map_err(|error| self.db.core.health.failed(error))
    }

    fn copy(&mut self) -> Result<bool, fjall::Error> {
        let database = self.db.core.database();
        let mut batch = database.batch();
        let start = self
            .after
            .clone()
            .map_or(Bound::Unbounded, |key| Bound::Excluded(key.to_vec()));
        let rest = (start, Bound::Unbounded);
        let (mut entries, mut bytes) = (0, 0);
        let old = &self.old[Space::Private as usize];
        for entry in database.snapshot().range::<Vec<u8>, _>(old, rest) {
            let (key, value) = entry.into_inner()?;
            (entries, bytes) = (entries + 1, bytes + key.len() + value.len());
            self.after = Some(key.clone());
            batch.insert(&self.new, key, value);
            if entries == COPIED_AT_ONCE || bytes >= BYTES_AT_ONCE {
                return batch.commit().map(|()| false);
            }
        }
        batch.commit().map(|()| true)
    }

    fn replace(&mut self) -> Result<(), fjall::Error> {
        let core = &self.db.core;
        self.old[Space::Main as usize].insert(GENERATION, self.generation.to_be_bytes())?;
        // Before the only other copy goes.
        core.database().persist(fjall::PersistMode::SyncAll)?;
        {
            let mut spaces = self.db.spaces.write().unwrap_or_else(PoisonError::into_inner);
            let mut changed = (**spaces).clone();
            changed[Space::Private as usize] = self.new.clone();
            *spaces = Arc::new(changed);
        }
        self.finished = true;
        *self.db.moving.write().unwrap_or_else(PoisonError::into_inner) = None;
        core.replaced(&self.old);
        core.database()
            .delete_keyspace(self.old[Space::Private as usize].clone())
    }
}

impl Drop for Move<'_> {
    fn drop(&mut self) {
        if !self.finished {
            *self.db.moving.write().unwrap_or_else(PoisonError::into_inner) = None;
            if let Err(error) = self.db.core.database().delete_keyspace(self.new.clone()) {
                tracing::warn!(%error, "a copy of private entries stays until the next opening");
            }
        }
    }
}

/// Makes removals last.
fn sync_dir(dir: &Path) -> io::Result<()> {
    let keyspaces = dir.join("keyspaces");
    if fs::exists(&keyspaces)? {
        File::open(keyspaces)?.sync_all()?;
    }
    File::open(dir)?.sync_all()
}

/// Bytes that would not compress either (xorshift64).
fn padding() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(PADDING_BYTES / 8).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Private;

    fn erase(db: &Db) -> bool {
        let mut moving = db.move_private().expect("begins");
        while !moving.copy_some().expect("copies") {}
        moving.finish().expect("replaces");
        db.shed_journal().expect("sheds")
    }

    #[test]
    fn live_entries_move_on_and_snapshots_keep_theirs() {
        let temp = tempfile::tempdir().expect("temp dir");
        let db = Db::open(&temp.path().join("db"), Private::Present, Ok).expect("opens");
        let mut batch = db.batch();
        for n in 0..2_500u32 {
            batch.put(Space::Private, n.to_be_bytes().as_slice(), b"live".as_slice());
        }
        batch.put(Space::Private, b"doomed".as_slice(), b"value".as_slice());
        batch.commit().expect("commits");
        let before = db.snapshot();
        let mut batch = db.batch();
        batch.remove(Space::Private, b"doomed".as_slice());
        batch.commit().expect("commits");
        assert!(erase(&db));
        assert!(!db.is_erased(), "somebody still reads");
        assert!(before.get(Space::Private, b"doomed").expect("reads").is_some());
        drop(before);
        assert!(db.is_erased());
        let count = |db: &Db| {
            db.snapshot()
                .prefix(Space::Private, &[0, 0])
                .filter(|entry| entry.is_ok())
                .count()
        };
        assert_eq!(count(&db), 2_500);
        drop(db);
        let db = Db::open(&temp.path().join("db"), Private::Present, Ok).expect("opens");
        assert_eq!(count(&db), 2_500);
        assert_eq!(db.get(Space::Private, b"doomed").expect("reads"), None);
        assert_eq!(db.core.database().keyspace_count(), 2);
    }

    /// What a crash at this moment leaves: everything that was written.
    fn after_crash(dir: &Path, to: &Path) -> Db {
        crate::testing::copy_dir(dir, to);
        Db::open(to, Private::Present, Ok).expect("opens")
    }

    #[test]
    fn a_crash_at_any_step_of_the_move_loses_nothing() {
        let temp = tempfile::tempdir().expect("temp dir");
        let dir = temp.path().join("db");
        let db = Db::open(&dir, Private::Present, Ok).expect("opens");
        let value = |db: &Db, n: u32| {
            let found = db.get(Space::Private, &n.to_be_bytes()).expect("reads");
            found.map(|value| value.to_vec())
        };
        let write = |n: u32, value: Option<&str>| {
            let mut batch = db.batch();
            match value {
                Some(value) => batch.put(Space::Private, n.to_be_bytes().as_slice(), value.as_bytes()),
                None => batch.remove(Space::Private, n.to_be_bytes().as_slice()),
            }
            batch.commit().expect("commits");
        };
        (0..2_500).for_each(|n| write(n, Some("old")));
        let mut crashes = 0;
        let mut check = || {
            crashes += 1;
            let after = after_crash(&dir, &temp.path().join(crashes.to_string()));
            for n in 0..2_600 {
                assert_eq!(value(&after, n), value(&db, n), "{n} after crash {crashes}");
            }
            assert_eq!(after.core.database().keyspace_count(), 2);
        };
        let mut moving = db.move_private().expect("begins");
        check();
        assert!(!moving.copy_some().expect("copies"));
        // Copied already, not yet, and new.
        for n in [1, 2_400, 2_550] {
            write(n, Some("new"));
        }
        [2, 2_401].into_iter().for_each(|n| write(n, None));
        check();
        while !moving.copy_some().expect("copies") {}
        write(3, None);
        check();
        moving.finish().expect("replaces");
        check();
        write(4, Some("new"));
        assert!(db.shed_journal().expect("sheds"));
        check();
        for (n, now) in [
            (1, Some("new")),
            (2, None),
            (3, None),
            (2_400, Some("new")),
            (2_401, None),
            (2_550, Some("new")),
        ] {
            assert_eq!(value(&db, n).as_deref(), now.map(str::as_bytes), "{n}");
        }
        // One that is given up.
        let mut moving = db.move_private().expect("begins");
        moving.copy_some().expect("copies");
        drop(moving);
        write(5, Some("new"));
        check();
    }
}
