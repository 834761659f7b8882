//! Removing the bytes of deleted private entries from the database's files.
//!
//! A log-structured database keeps deleted entries in its tables until they are merged away, and in its journal until
//! that is dropped. So the live private entries move to a new keyspace, a generation, and the old one is removed with all
//! its files; then the journal is filled up until the database starts a new one.

use std::time::{Duration, Instant};

use fjall::{Keyspace, Readable as _};

use super::health::Health;
use super::{Db, Space, keyspace};
use crate::LedgerError;

/// Length from which fjall seals a journal when a memtable is flushed (`worker_pool.rs` of fjall 3).
const JOURNAL_SEALED_AT: usize = 64_000_000;
const PADDING_BYTES: usize = 1 << 20;
/// How long the database's worker may take to remove a sealed journal.
const JOURNAL_REMOVAL: Duration = Duration::from_secs(5);
/// Entries copied at once.
const COPIED_AT_ONCE: usize = 1_000;

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

impl Db {
    /// Removes the bytes of everything that was deleted from [`Space::Private`]. The caller makes sure that nobody
    /// writes meanwhile. `false`: the journal still has them, and this should be done again later.
    pub(crate) fn erase_deleted_private(&self) -> Result<bool, LedgerError> {
        let health = &self.core.health;
        let generation = generation(&self.spaces()[Space::Main as usize], health)? + 1;
        let erased = self
            .move_private(&private_name(generation), generation)
            .and_then(|()| self.shed_journal());
        erased.map_err(|error| health.failed(error))
    }

    /// Removes generations that a crash left behind.
    pub(super) fn remove_old_generations(&self, current: u64) -> Result<(), LedgerError> {
        let database = self.core.database();
        for name in database.list_keyspace_names() {
            if name.starts_with(PREFIX) && *name != *private_name(current) {
                let removed = keyspace(database, &name).and_then(|old| database.delete_keyspace(old));
                removed.map_err(|error| self.core.health.failed(error))?;
            }
        }
        Ok(())
    }

    fn move_private(&self, name: &str, generation: u64) -> Result<(), fjall::Error> {
        let old = self.spaces();
        let new = keyspace(self.core.database(), name)?;
        self.copy(&old[Space::Private as usize], &new)?;
        old[Space::Main as usize].insert(GENERATION, generation.to_be_bytes())?;
        {
            let mut spaces = self
                .spaces
                .write()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut changed = (**spaces).clone();
            changed[Space::Private as usize] = new;
            *spaces = std::sync::Arc::new(changed);
        }
        self.core.replaced(&old);
        self.core
            .database()
            .delete_keyspace(old[Space::Private as usize].clone())
    }

    fn copy(&self, from: &Keyspace, to: &Keyspace) -> Result<(), fjall::Error> {
        let database = self.core.database();
        let mut batch = database.batch();
        for entry in database.snapshot().iter(from) {
            let (key, value) = entry.into_inner()?;
            batch.insert(to, key, value);
            if batch.len() == COPIED_AT_ONCE {
                std::mem::replace(&mut batch, database.batch()).commit()?;
            }
        }
        batch.commit()
    }

    /// Makes the database begin a new journal and remove the one so far.
    fn shed_journal(&self) -> Result<bool, fjall::Error> {
        let spaces = self.spaces();
        let padding = padding();
        for _ in 0..=JOURNAL_SEALED_AT / PADDING_BYTES {
            spaces[Space::Main as usize].insert(FLUSHED, padding.as_slice())?;
        }
        for keyspace in spaces.iter() {
            // A flush without any live entry would not count as one.
            keyspace.insert(FLUSHED, b"1")?;
        }
        for keyspace in spaces.iter() {
            keyspace.rotate_memtable_and_wait()?;
        }
        let deadline = Instant::now() + JOURNAL_REMOVAL;
        while self.core.database().journal_count() > 1 {
            if Instant::now() > deadline {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(true)
    }
}

/// Bytes that do not compress, since journals are compressed (xorshift64).
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
        assert!(db.erase_deleted_private().expect("erases"));
        assert!(before.get(Space::Private, b"doomed").expect("reads").is_some());
        drop(before);
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
}
