//! The embedded database below state and indexes.
//!
//! Everything in it is derived from the block files and the private data files, so its commits are not synced: after a
//! crash it is some blocks behind at most, and opening the ledger applies those again. One batch per block keeps index,
//! state, history and savepoint in step.
//!
//! fjall and redb were measured on this access pattern (2 cores, 300,000 keys of 24 bytes with values of 500 bytes, one
//! savepoint key per batch, no sync; redb with one durable commit in 50). CPU time of redb as a multiple of fjall's:
//!
//! | operation | redb / fjall |
//! |---|---|
//! | batch of 1,000 puts | 2.0-3.0 |
//! | batch of 3 puts | 9 |
//! | read of a present key, working set above the cache | 0.5 |
//! | read of an absent key | 4 |
//! | range of 100 keys | 1.3 |
//! | bytes on disk afterwards | 1.8 |
//! | peak memory | 0.5 |
//!
//! Blocks write more than simulations read, new keys are the common case, and redb loses every commit since its last
//! durable one when the process is killed, while fjall's are in the page cache. Hence fjall.

mod erase;

use std::fmt;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, Readable as _, UserKey, UserValue};

use crate::LedgerError;

/// Longest key in bytes, prefix included.
pub(crate) const MAX_KEY: usize = u16::MAX as usize;

/// Journal on disk at most: what opening after a crash has to read again.
const JOURNAL_BYTES: u64 = 64 << 20;
const MEMTABLE_BYTES: u64 = 8 << 20;
const CACHE_BYTES: u64 = 32 << 20;

/// The parts of the database. The first byte of a key tells what it is (see `state::keys`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    /// Index of blocks and transactions, public and hashed state, history, savepoint.
    Main,
    /// Private state, expiry schedule, purge markers, missing private data: what has to be erased for good sometimes.
    Private,
}

/// Whether a database has private entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Private {
    /// A peer's.
    Present,
    /// An orderer's: its private space is never used.
    Absent,
}

/// The keyspaces, by [`Space`].
type Spaces = Arc<[Keyspace; 2]>;

/// An open database. Clones share it.
#[derive(Clone)]
pub(crate) struct Db {
    database: Database,
    spaces: Arc<RwLock<Spaces>>,
}

impl Db {
    pub(crate) fn open(dir: &Path, private: Private) -> Result<Self, LedgerError> {
        let database = Database::builder(dir)
            .worker_threads(1)
            .max_journaling_size(JOURNAL_BYTES)
            .cache_size(CACHE_BYTES)
            .open()?;
        let main = keyspace(&database, "main")?;
        let generation = erase::generation(&main)?;
        let private = match private {
            Private::Present => keyspace(&database, &erase::private_name(generation))?,
            // A keyspace costs several syncs to create.
            Private::Absent => main.clone(),
        };
        let db = Self {
            database,
            spaces: Arc::new(RwLock::new(Arc::new([main, private]))),
        };
        db.remove_old_generations(generation)?;
        Ok(db)
    }

    pub(crate) fn batch(&self) -> Batch {
        Batch {
            inner: self.database.batch(),
            spaces: self.spaces(),
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        loop {
            let spaces = self.spaces();
            let inner = Arc::new(self.database.snapshot());
            // Private entries may have moved to other handles in between; these would not show what came since.
            if Arc::ptr_eq(&spaces, &self.spaces()) {
                return Snapshot { inner, spaces };
            }
        }
    }

    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<UserValue>, LedgerError> {
        Ok(self.spaces()[space as usize].get(key)?)
    }

    /// Makes everything so far durable: opening after this replays nothing.
    pub(crate) fn persist(&self) -> Result<(), LedgerError> {
        Ok(self.database.persist(fjall::PersistMode::SyncAll)?)
    }

    fn spaces(&self) -> Spaces {
        self.spaces.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn keyspace(database: &Database, name: &str) -> Result<Keyspace, LedgerError> {
    Ok(database.keyspace(name, || {
        KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)
    })?)
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").finish_non_exhaustive()
    }
}

/// Writes that become visible together. A key must be written once only.
pub(crate) struct Batch {
    inner: fjall::OwnedWriteBatch,
    spaces: Spaces,
}

impl Batch {
    pub(crate) fn put(&mut self, space: Space, key: impl Into<UserKey>, value: impl Into<UserValue>) {
        self.inner.insert(&self.spaces[space as usize], key, value);
    }

    pub(crate) fn remove(&mut self, space: Space, key: impl Into<UserKey>) {
        self.inner.remove(&self.spaces[space as usize], key);
    }

    pub(crate) fn commit(self) -> Result<(), LedgerError> {
        Ok(self.inner.commit()?)
    }
}

/// The database at one moment; later commits do not change what it shows. Clones show the same moment.
#[derive(Clone)]
pub(crate) struct Snapshot {
    inner: Arc<fjall::Snapshot>,
    spaces: Spaces,
}

impl Snapshot {
    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<UserValue>, LedgerError> {
        Ok(self.inner.get(&self.spaces[space as usize], key)?)
    }

    /// Entries with `start <= key < end` in key order; it outlives the snapshot.
    pub(crate) fn range(&self, space: Space, start: Vec<u8>, end: Vec<u8>) -> Entries {
        if start >= end {
            return Entries(None);
        }
        let bounds = (Bound::Included(start), Bound::Excluded(end));
        Entries(Some(
            self.inner
                .range::<Vec<u8>, _>(&self.spaces[space as usize], bounds),
        ))
    }

    /// Entries whose key starts with `prefix`, in key order.
    pub(crate) fn prefix(&self, space: Space, prefix: &[u8]) -> Entries {
        Entries(Some(self.inner.prefix(&self.spaces[space as usize], prefix)))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}

/// An owned iterator over entries, from either end.
pub(crate) struct Entries(Option<fjall::Iter>);

impl Iterator for Entries {
    type Item = Result<(UserKey, UserValue), LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.as_mut()?.next().map(|guard| Ok(guard.into_inner()?))
    }
}

impl DoubleEndedIterator for Entries {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.as_mut()?.next_back().map(|guard| Ok(guard.into_inner()?))
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries").finish_non_exhaustive()
    }
}
