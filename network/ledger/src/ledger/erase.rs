//! Removing what was purged or has expired from every file.
//!
//! A purge takes a value out of every read with its block. Its bytes stay in the private data files, the transient store and
//! the database's files and journal until [`Ledger::compact`] writes these anew. The blocks keep two hashes, of the key and
//! of the value: they tell nothing once the salt in the value is gone.
//!
//! What has to be done is written down with the block that asks for it, and struck off when all of it is done: whatever
//! interrupts the removal, it is done again, from the beginning. Commits wait for parts of it, not for the whole.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fabric_protos::rwset::CollectionPvtReadWriteSet;

use super::Ledger;
use super::filter::Filter;
use super::maintenance::PRIVATE_FILES;
use crate::commit::PrivateChanges;
use crate::db::{Batch, Space};
use crate::private::{FileName, PrivateBlock};
use crate::state::keys;
use crate::{LedgerError, Version};

/// Number of blocks that an endorsed private value of a collection with a block to live waits for its own block before it
/// counts as never submitted, besides the blocks it would have lived.
const UNCOMMITTED_GRACE: u64 = 100;

/// How long a removal waits for simulations and queries that still read what it removed.
const READERS: Duration = Duration::from_millis(500);

/// What [`Ledger::compact`] has achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erased {
    /// Everything that was purged or had expired in a ledger of so many blocks is in no file any more.
    All {
        /// Number of blocks.
        height: u64,
    },
    /// Some of it is still in a file: something reads it, or the database has not let go of a journal, or
    /// [`Ledger::stop_erasing`] came. Nothing is lost by trying again later.
    Partly,
}

impl Ledger {
    /// Whether a removal is due: something was purged or has expired
    /// [`purge_interval`](super::LedgerOptions::purge_interval) blocks ago, its own block counted.
    ///
    /// # Errors
    /// Database errors.
    pub fn erasure_due(&self) -> Result<bool, LedgerError> {
        let wipe = self.pending_wipe()?;
        Ok(wipe.is_some_and(|wipe| {
            self.height().saturating_sub(wipe.since) >= self.options.purge_interval.max(1)
        }))
    }

    /// Whether a removal that seemed done left files that somebody was reading, since this ledger was opened.
    pub fn erasure_unfinished(&self) -> bool {
        !self.db.is_erased()
    }

    /// Removes the bytes of purged and expired private values from every file of this ledger, due or not. It takes a
    /// while, in which commits and reads go on: time and writes grow with the private data that the ledger holds, and
    /// are 64 MB at least. Who holds a [`Simulator`](crate::Simulator) or a query keeps what it reads from going.
    ///
    /// # Errors
    /// [`LedgerError::Io`] and database errors. The next call begins again; so does one after a crash.
    pub fn compact(&self) -> Result<Erased, LedgerError> {
        let _one_at_a_time = self.erasing.lock().unwrap_or_else(PoisonError::into_inner);
        let height = self.height();
        let wiped = match self.pending_wipe()? {
            Some(wipe) => self.wipe(wipe)?,
            None => self.rewrite_transient().map(|()| true)?,
        };
        Ok(if wiped && self.readers_leave() {
            Erased::All { height }
        } else {
            Erased::Partly
        })
    }

    /// Makes a removal that is under way, and later ones, end soon and leave the rest for the next opening.
    pub fn stop_erasing(&self) {
        self.stop_erasing.store(true, Ordering::Release);
    }

    /// What is due after block `number`.
    pub(super) fn maintain(&self, number: u64) -> Result<(), LedgerError> {
        if number.is_multiple_of(UNCOMMITTED_GRACE) {
            self.drop_expired_uncommitted()?;
        }
        Ok(())
    }

    /// Drops uncommitted values that would have expired.
    fn drop_expired_uncommitted(&self) -> Result<(), LedgerError> {
        let mut filter = Filter::new(self);
        let any = self.transient.any(|received_at, namespace, collection| {
            would_have_expired(&mut filter, received_at, namespace, collection)
        })?;
        if any { self.rewrite_transient() } else { Ok(()) }
    }

    /// Writes the transient store anew without committed, purged and expired values.
    fn rewrite_transient(&self) -> Result<(), LedgerError> {
        let mut filter = Filter::new(self);
        self.transient
            .rewrite(|received_at, namespace, set: &CollectionPvtReadWriteSet| {
                Ok(!filter.purged_since(received_at, namespace, set)?
                    && !would_have_expired(&mut filter, received_at, namespace, &set.collection_name)?)
            })
    }

    /// Remembers that a block leaves something to wipe.
    pub(super) fn note_wipe(
        &self,
        batch: &mut Batch,
        number: u64,
        changes: &PrivateChanges,
    ) -> Result<(), LedgerError> {
        let blocks = if changes.purges.is_empty() {
            changes.expired_blocks
        } else {
            Some((0, number))
        };
        let Some((first, last)) = blocks else {
            return Ok(());
        };
        let wipe = self.pending_wipe()?.unwrap_or(Wipe {
            since: number,
            until: number,
            first,
            last,
        });
        let wipe = Wipe {
            since: wipe.since,
            until: number,
            first: wipe.first.min(first),
            last: wipe.last.max(last),
        };
        batch.put(Space::Main, WIPE, wipe.encode());
        Ok(())
    }

    /// Whether all of it was done.
    fn wipe(&self, wipe: Wipe) -> Result<bool, LedgerError> {
        let stopped = || self.stop_erasing.load(Ordering::Acquire);
        // What is closed is not appended to any more: commits go on.
        let mut done = BTreeSet::new();
        for name in self.private.closed_files(wipe.first..=wipe.last) {
            if stopped() {
                return Ok(false);
            }
            self.rewrite_private(name)?;
            done.insert(name);
        }
        {
            let _writer = self.writer();
            let mut batch = self.db.batch();
            // The files become shorter.
            batch.remove(Space::Main, PRIVATE_FILES);
            self.forget_expired_missing(&mut batch, wipe)?;
            batch.commit()?;
            for name in self.private.files_of(wipe.first..=wipe.last)? {
                if !done.contains(&name) {
                    self.rewrite_private(name)?;
                }
            }
            let mut batch = self.db.batch();
            self.note_private_files(&mut batch);
            batch.commit()?;
        }
        self.rewrite_transient()?;
        let mut moving = {
            let _writer = self.writer();
            self.db.move_private()?
        };
        loop {
            if stopped() {
                return Ok(false);
            }
            let _writer = self.writer();
            if moving.copy_some()? {
                moving.finish()?;
                break;
            }
        }
        if !self.db.shed_journal()? {
            tracing::warn!(ledger = %self.dir.display(), "private data is still in the database's journal, trying later");
            return Ok(false);
        }
        let _writer = self.writer();
        // A block that came meanwhile may have asked for more.
        let finished = self.pending_wipe()?.is_none_or(|now| now.until == wipe.until);
        if finished {
            let mut batch = self.db.batch();
            batch.remove(Space::Main, WIPE);
            batch.commit()?;
            tracing::info!(ledger = %self.dir.display(), "removed purged and expired private data from disk");
        }
        Ok(true)
    }

    /// Writes a private data file anew, where it holds something that must go.
    fn rewrite_private(&self, name: FileName) -> Result<(), LedgerError> {
        let mut filter = Filter::new(self);
        self.private.rewrite(name, |frame: &mut PrivateBlock| {
            let before = frame.clone();
            for tx in &mut frame.txs {
                filter.apply(before.block, tx)?;
            }
            frame
                .txs
                .retain(|tx| tx.set.as_ref().is_some_and(|set| !set.ns_pvt_rwset.is_empty()));
            Ok(*frame != before)
        })
    }

    /// What is missing and has expired is missing no more.
    fn forget_expired_missing(&self, batch: &mut Batch, wipe: Wipe) -> Result<(), LedgerError> {
        let mut filter = Filter::new(self);
        let missing = |block| keys::missing(Version::new(block, 0), "", "");
        let (first, end) = (missing(wipe.first), missing(wipe.last.saturating_add(1)));
        for entry in filter.query.clone().state.0.range(Space::Private, first, end) {
            let (key, _) = entry?;
            let (version, namespace, collection) =
                keys::parse_missing(&key).ok_or(LedgerError::Record("missing private data"))?;
            if filter.expired(version.block, namespace, collection)? {
                batch.remove(Space::Private, key);
            }
        }
        Ok(())
    }

    /// Whether nobody reads what was removed any more, after some patience.
    fn readers_leave(&self) -> bool {
        let deadline = Instant::now() + READERS;
        while !self.db.is_erased() {
            if Instant::now() > deadline || self.stop_erasing.load(Ordering::Acquire) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    #[cfg(test)]
    pub(super) fn pending(&self) -> bool {
        self.pending_wipe().expect("reads").is_some()
    }

    fn pending_wipe(&self) -> Result<Option<Wipe>, LedgerError> {
        let stored = self.db.get(Space::Main, WIPE)?;
        stored
            .map(|bytes| Wipe::decode(&bytes).ok_or(LedgerError::Record("the pending removal")))
            .transpose()
    }
}

const WIPE: &[u8] = b"!wipe";

/// Private data that waits for its removal from the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wipe {
    /// The block that asked first.
    since: u64,
    /// The block that asked last.
    until: u64,
    /// Data of these blocks is affected.
    first: u64,
    last: u64,
}

impl Wipe {
    fn encode(self) -> Vec<u8> {
        let numbers = [self.since, self.until, self.first, self.last];
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (numbers, []) = bytes.as_chunks::<8>() else {
            return None;
        };
        let &[since, until, first, last] = numbers else {
            return None;
        };
        let [since, until, first, last] = [since, until, first, last].map(u64::from_be_bytes);
        Some(Self {
            since,
            until,
            first,
            last,
        })
    }
}

/// Whether an uncommitted value of a collection would be gone, had it been committed soon after it was received.
fn would_have_expired(
    filter: &mut Filter,
    received_at: u64,
    namespace: &str,
    collection: &str,
) -> Result<bool, LedgerError> {
    filter.expired(
        received_at.saturating_add(UNCOMMITTED_GRACE),
        namespace,
        collection,
    )
}
