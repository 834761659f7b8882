//! The embedded database below state and indexes.
//!
//! Everything in it is derived from the block files and the private data files, so its commits are not synced: after a
//! crash it is some blocks behind at most, and opening the ledger applies those again. One batch per block keeps index,
//! state, history and savepoint in step.
//!
//! # Damage
//! A database that is not as it was written is removed and built again from the blocks; it is never believed.
//!
//! | what | how it shows |
//! |---|---|
//! | tables | fjall sums up every part (xxh3, 128 bits) and compares whenever it reads one from disk. A second checksum in every value would find nothing more |
//! | lists of tables, journal, a missing or foreign file, after a close | [`seal`]: lengths and checksums of all files |
//! | the same after a crash | [`health`] and [`journal`]: checksum of the lists, order and heights in the journal; [`savepoint`]: all parts at the same block |
//! | found while running | the error says so, a mark is left, and the next opening builds the database again |
//! | blocks that the block files have not | the savepoint is ahead of them |
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
mod health;
mod journal;
mod savepoint;
mod seal;

use std::fmt;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, Readable as _, UserKey, UserValue};

use self::health::Health;
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

/// An open database. Clones share it; it is closed with the last one.
#[derive(Clone)]
pub(crate) struct Db {
    core: Arc<Core>,
    spaces: Arc<RwLock<Spaces>>,
    /// Where private entries are moving to: what is written meanwhile goes there too.
    moving: Arc<RwLock<Option<Keyspace>>>,
    private: Private,
}

/// What is closed once.
struct Core {
    /// `None` while it is being closed.
    database: Option<Database>,
    health: Arc<Health>,
    /// Parts that were replaced, and where: their files go when the last snapshot of them does.
    replaced: Mutex<Vec<(Weak<[Keyspace; 2]>, PathBuf)>>,
}

impl Db {
    /// Opens the database in `dir` and hands it to `open`. Where it turns out to be damaged, also by the judgement of
    /// `open`, it is removed, and `open` gets a new one.
    ///
    /// # Errors
    /// Those of `open`, and database errors that a new database would not mend (a full disk, for instance).
    pub(crate) fn open<T>(
        dir: &Path,
        private: Private,
        mut open: impl FnMut(Self) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let first_in_journal = match health::examine(dir) {
            Ok(first_in_journal) => first_in_journal,
            Err(what) => {
                discard_damaged(dir, &what)?;
                None
            }
        };
        let opened = Self::open_once(dir, private)
            .and_then(|db| db.check_parts(first_in_journal).map(|()| db))
            .and_then(&mut open);
        match opened {
            Err(error @ (LedgerError::DatabaseDamaged { .. } | LedgerError::Record(_))) => {
                discard_damaged(dir, &error.to_string())?;
                Self::open_once(dir, private).and_then(open)
            }
            done => done,
        }
    }

    /// Removes the database in `dir`, which nobody may have open: the next opening builds it again.
    pub(crate) fn discard(dir: &Path) -> Result<(), LedgerError> {
        health::discard(dir)
    }

    /// Writes everything to tables.
    #[cfg(test)]
    pub(crate) fn flush(&self) {
        for part in self.spaces().iter() {
            part.rotate_memtable_and_wait().expect("flushes");
        }
    }

    fn open_once(dir: &Path, private: Private) -> Result<Self, LedgerError> {
        let health = Arc::new(Health::new(dir));
        let open = || {
            let database = Database::builder(dir)
                .worker_threads(1)
                .max_journaling_size(JOURNAL_BYTES)
                .cache_size(CACHE_BYTES)
                .open()?;
            let main = keyspace(&database, "main")?;
            Ok((database, main))
        };
        // Some damage lets it fail an assertion of its own.
        let (database, main) = catch_unwind(AssertUnwindSafe(open))
            .map_err(|_| health.damaged("it panics when it is opened"))?
            .map_err(|error| health.failed(error))?;
        let core = Core {
            database: Some(database),
            health: health.clone(),
            replaced: Mutex::default(),
        };
        let generation = erase::generation(&main, &health)?;
        let second = match private {
            Private::Present => {
                keyspace(core.database(), &erase::private_name(generation)).map_err(|e| health.failed(e))?
            }
            // A keyspace costs several syncs to create.
            Private::Absent => main.clone(),
        };
        let db = Self {
            core: Arc::new(core),
            spaces: Arc::new(RwLock::new(Arc::new([main, second]))),
            moving: Arc::default(),
            private,
        };
        db.remove_old_generations(generation)?;
        health.opened();
        Ok(db)
    }

    /// The error for a database that does not fit the blocks. The next opening builds it again.
    pub(crate) fn damaged(&self, what: &str) -> LedgerError {
        self.core.health.damaged(what)
    }

    pub(crate) fn batch(&self) -> Batch {
        Batch {
            inner: self.core.database().batch(),
            spaces: self.spaces(),
            moving: self.moving.read().unwrap_or_else(PoisonError::into_inner).clone(),
            health: self.core.health.clone(),
            private: self.private,
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        loop {
            let spaces = self.spaces();
            let inner = Arc::new(self.core.database().snapshot());
            // Private entries may have moved to other handles in between; these would not show what came since.
            if Arc::ptr_eq(&spaces, &self.spaces()) {
                return Snapshot {
                    inner,
                    spaces,
                    health: self.core.health.clone(),
                };
            }
        }
    }

    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<UserValue>, LedgerError> {
        if !findable(key) {
            return Ok(None);
        }
        let found = self.spaces()[space as usize].get(key);
        found.map_err(|error| self.core.health.failed(error))
    }

    /// Makes everything so far durable: opening after this replays nothing.
    pub(crate) fn persist(&self) -> Result<(), LedgerError> {
        let persisted = self.core.database().persist(fjall::PersistMode::SyncAll);
        persisted.map_err(|error| self.core.health.failed(error))
    }

    fn spaces(&self) -> Spaces {
        self.spaces.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Core {
    fn database(&self) -> &Database {
        self.database.as_ref().expect("it is there until this is dropped")
    }

    fn replaced(&self, spaces: &Spaces) {
        let path = spaces[Space::Private as usize].path().to_owned();
        let mut replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        replaced.retain(|(old, path)| old.strong_count() > 0 || path.exists());
        replaced.push((Arc::downgrade(spaces), path));
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let Some(database) = self.database.take() else {
            return;
        };
        let dir = self.health.dir();
        if let Err(error) = database.persist(fjall::PersistMode::SyncAll) {
            tracing::error!(database = %dir.display(), %error, "the database could not be made durable");
            return;
        }
        // Waits for its threads: the files do not change any more.
        drop(database);
        let replaced = self.replaced.get_mut().unwrap_or_else(PoisonError::into_inner);
        let settled = replaced.iter().all(|(old, _)| old.strong_count() == 0);
        if settled
            && self.health.is_sound()
            && let Err(error) = seal::write(dir)
        {
            tracing::warn!(database = %dir.display(), %error, "the database could not be sealed");
        }
    }
}

fn keyspace(database: &Database, name: &str) -> Result<Keyspace, fjall::Error> {
    database.keyspace(name, || {
        KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)
    })
}

/// A lasting note for the admin: what happened, and that nothing is to be done.
fn discard_damaged(dir: &Path, what: &str) -> Result<(), LedgerError> {
    tracing::error!(database = %dir.display(), what, "the database is damaged: it is built again from the blocks");
    health::discard(dir)
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
    moving: Option<Keyspace>,
    health: Arc<Health>,
    private: Private,
}

impl Batch {
    pub(crate) fn put(&mut self, space: Space, key: impl Into<UserKey>, value: impl Into<UserValue>) {
        let (key, value) = (key.into(), value.into());
        if let (Space::Private, Some(moving)) = (space, &self.moving) {
            self.inner.insert(moving, key.clone(), value.clone());
        }
        self.inner.insert(&self.spaces[space as usize], key, value);
    }

    pub(crate) fn remove(&mut self, space: Space, key: impl Into<UserKey>) {
        let key = key.into();
        if let (Space::Private, Some(moving)) = (space, &self.moving) {
            self.inner.remove(moving, key.clone());
        }
        self.inner.remove(&self.spaces[space as usize], key);
    }

    pub(crate) fn commit(self) -> Result<(), LedgerError> {
        let health = self.health;
        self.inner.commit().map_err(|error| health.failed(error))
    }
}

/// The database at one moment; later commits do not change what it shows. Clones show the same moment.
#[derive(Clone)]
pub(crate) struct Snapshot {
    inner: Arc<fjall::Snapshot>,
    spaces: Spaces,
    health: Arc<Health>,
}

impl Snapshot {
    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<UserValue>, LedgerError> {
        if !findable(key) {
            return Ok(None);
        }
        let found = self.inner.get(&self.spaces[space as usize], key);
        found.map_err(|error| self.health.failed(error))
    }

    /// Entries with `start <= key < end` in key order; it outlives the snapshot.
    pub(crate) fn range(&self, space: Space, start: Vec<u8>, end: Vec<u8>) -> Entries {
        if start >= end {
            return Entries(None, self.health.clone());
        }
        let bounds = (lower(start), upper(end));
        let entries = self
            .inner
            .range::<Vec<u8>, _>(&self.spaces[space as usize], bounds);
        Entries(Some(entries), self.health.clone())
    }

    /// Entries whose key starts with `prefix`, in key order.
    pub(crate) fn prefix(&self, space: Space, prefix: &[u8]) -> Entries {
        if !findable(prefix) {
            return Entries(None, self.health.clone());
        }
        let entries = self.inner.prefix(&self.spaces[space as usize], prefix);
        Entries(Some(entries), self.health.clone())
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}

/// Whether anything can be under a key of this length: the database stops the program over longer ones, and clients may ask for any.
fn findable(key: &[u8]) -> bool {
    key.len() <= MAX_KEY
}

/// Keys from `start` on. After a start that is too long come those that are greater than what the database can hold of it.
fn lower(mut start: Vec<u8>) -> Bound<Vec<u8>> {
    if findable(&start) {
        return Bound::Included(start);
    }
    start.truncate(MAX_KEY);
    Bound::Excluded(start)
}

/// Keys before `end`.
fn upper(mut end: Vec<u8>) -> Bound<Vec<u8>> {
    if findable(&end) {
        return Bound::Excluded(end);
    }
    end.truncate(MAX_KEY);
    Bound::Included(end)
}

/// An owned iterator over entries, from either end.
pub(crate) struct Entries(Option<fjall::Iter>, Arc<Health>);

impl Entries {
    fn entry(&self, guard: fjall::Guard) -> Result<(UserKey, UserValue), LedgerError> {
        guard.into_inner().map_err(|error| self.1.failed(error))
    }
}

impl Iterator for Entries {
    type Item = Result<(UserKey, UserValue), LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let guard = self.0.as_mut()?.next()?;
        Some(self.entry(guard))
    }
}

impl DoubleEndedIterator for Entries {
    fn next_back(&mut self) -> Option<Self::Item> {
        let guard = self.0.as_mut()?.next_back()?;
        Some(self.entry(guard))
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries").finish_non_exhaustive()
    }
}
