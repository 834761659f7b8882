//! Private data between endorsement and commit: `dir/transient/<number>.trn`.
//!
//! A set is on the disk before its transaction is endorsed, so a peer that restarts in between still has it when the
//! block comes; concurrent writers share one sync. Only an index of the sets is in memory. A set goes once its transaction
//! is committed: a file without any is removed at once, one with few is written anew without the others now and then, and
//! [`compact`](crate::Ledger::compact) leaves no byte of what was removed.
//!
//! The files are the truth about transactions that are in no block yet. An unfinished frame is what a crash left of a set
//! that nobody was promised. Any other damage costs the sets behind it in that file: it is told, and their transactions'
//! data is asked from other members.

mod index;
mod segments;

use std::io;
use std::mem;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use fabric_protos::rwset::{CollectionPvtReadWriteSet, TxPvtReadWriteSet};
use prost::Message as _;

use crate::LedgerError;
use crate::files::FileLayer;
use crate::log::{Frame, Segment};
use crate::rwset::sha256;
use index::Index;
use segments::{Place, Segments};

/// Bytes of sets at most. Beyond this the oldest go, of transactions that nobody submitted most likely.
const LIMIT_BYTES: u64 = 1 << 30;
/// Bytes of removed sets, besides as many as there are of others, before files are written anew.
const GARBAGE_BYTES: u64 = 4 << 20;

/// Private read-write sets by transaction id, from the moment a peer endorsed the transaction (or was handed its data)
/// until the transaction is committed.
#[derive(Debug)]
pub struct TransientStore {
    inner: Mutex<Inner>,
    /// Tells that a batch is settled.
    settled: Condvar,
    limit: u64,
}

#[derive(Debug)]
struct Inner {
    index: Index,
    segments: Segments,
    /// Sets that were written since the last sync began.
    batch: Arc<Batch>,
    syncing: bool,
}

/// Sets that one sync makes durable.
#[derive(Debug, Default)]
struct Batch {
    outcome: OnceLock<Result<(), io::ErrorKind>>,
}

/// One frame.
#[derive(Clone, PartialEq, prost::Message)]
struct Record {
    #[prost(string, tag = "1")]
    tx_id: String,
    #[prost(uint64, tag = "2")]
    received_at: u64,
    #[prost(message, optional, tag = "3")]
    set: Option<TxPvtReadWriteSet>,
}

impl TransientStore {
    /// The store below a ledger's directory; empty until [`load`](Self::load).
    pub(crate) fn open(dir: &Path, files: Arc<dyn FileLayer>) -> Result<Self, LedgerError> {
        let inner = Inner {
            index: Index::default(),
            segments: Segments::open(&dir.join("transient"), files)?,
            batch: Arc::default(),
            syncing: false,
        };
        Ok(Self {
            inner: Mutex::new(inner),
            settled: Condvar::new(),
            limit: LIMIT_BYTES,
        })
    }

    /// Reads the sets of transactions that are not `committed` from the files.
    pub(crate) fn load(
        &self,
        committed: impl Fn(&str) -> Result<bool, LedgerError>,
    ) -> Result<(), LedgerError> {
        let mut inner = self.lock();
        let Inner { index, segments, .. } = &mut *inner;
        let damaged = segments.load(|place, record| {
            if !committed(&record.tx_id)? {
                index.insert(&record, digest(&record), place);
            }
            Ok(())
        })?;
        if damaged && let Err(error) = self.rewrite_live(&mut inner, |_, _, _| Ok(true)) {
            tracing::warn!(%error, "damaged files of uncommitted private data stay for now");
        }
        self.tidy(&mut inner);
        Ok(())
    }

    /// Keeps a set that was received while the ledger had `height` blocks; when this returns, it is on disk. Equal sets
    /// are kept once. Blocks: run it off the async threads.
    ///
    /// # Errors
    /// [`LedgerError::Io`]: the set may be lost when the peer stops, so the transaction must not be endorsed.
    pub fn persist(&self, tx_id: &str, height: u64, set: TxPvtReadWriteSet) -> Result<(), LedgerError> {
        if set.ns_pvt_rwset.is_empty() {
            return Ok(());
        }
        let record = Record {
            tx_id: tx_id.to_owned(),
            received_at: height,
            set: Some(set),
        };
        let (frame, digest) = (Frame::encode(&record), digest(&record));
        let mut inner = self.lock();
        if !inner.index.knows(tx_id, &digest) {
            let place = inner.segments.append(&frame)?;
            inner.index.insert(&record, digest, place);
            if inner.index.bytes() > self.limit {
                let dropped = inner.index.remove_oldest(self.limit / 10 * 9);
                tracing::error!(
                    dropped,
                    limit = self.limit,
                    "too much uncommitted private data: dropped the oldest"
                );
                self.tidy(&mut inner);
            }
        }
        let batch = inner.batch.clone();
        self.settle(inner, &batch)
    }

    /// Every set of the transaction, in the order received. Endorsers may have different collections, or different
    /// results: the hashes in the block tell which one counts. A set that cannot be read is left out, and told.
    pub fn sets(&self, tx_id: &str) -> Vec<TxPvtReadWriteSet> {
        let places: Vec<(Arc<Segment>, u64)> = {
            let inner = self.lock();
            let entries = inner.index.of(tx_id).iter();
            entries
                .filter_map(|entry| inner.segments.locate(entry.place))
                .collect()
        };
        let read = places.into_iter().filter_map(|(segment, offset)| {
            let record = segments::read(&segment, offset);
            let record =
                record.inspect_err(|error| tracing::error!(%error, "uncommitted private data is lost"));
            record.ok()?.set
        });
        read.collect()
    }

    /// Forgets transactions, once they are committed.
    pub fn remove<'t>(&self, tx_ids: impl IntoIterator<Item = &'t str>) {
        let mut inner = self.lock();
        let removed = tx_ids
            .into_iter()
            .map(|tx_id| inner.index.remove(tx_id))
            .fold(false, |any, removed| any | removed);
        if removed {
            self.tidy(&mut inner);
        }
    }

    /// Forgets what was received below `height`: transactions that never came.
    pub fn purge_below(&self, height: u64) {
        let mut inner = self.lock();
        inner.index.remove_below(height);
        self.tidy(&mut inner);
    }

    /// Whether any set has a part of a collection (height received at, namespace, collection) that `matches`.
    pub(crate) fn any(
        &self,
        mut matches: impl FnMut(u64, &str, &str) -> Result<bool, LedgerError>,
    ) -> Result<bool, LedgerError> {
        let inner = self.lock();
        for entry in inner.index.entries() {
            for (namespace, collection) in &entry.collections {
                if matches(entry.received_at, namespace, collection)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Writes all files anew: with the parts (height received at, namespace, collection) that `keep` lets stay, and
    /// without a byte of others.
    pub(crate) fn rewrite(
        &self,
        keep: impl FnMut(u64, &str, &CollectionPvtReadWriteSet) -> Result<bool, LedgerError>,
    ) -> Result<(), LedgerError> {
        let mut inner = self.lock();
        if inner.segments.bytes() == 0 {
            return Ok(());
        }
        self.rewrite_live(&mut inner, keep)
    }

    fn rewrite_live(
        &self,
        inner: &mut Inner,
        mut keep: impl FnMut(u64, &str, &CollectionPvtReadWriteSet) -> Result<bool, LedgerError>,
    ) -> Result<(), LedgerError> {
        let mut places: Vec<Place> = inner.index.entries().map(|entry| entry.place).collect();
        places.sort_unstable();
        let mut kept = Index::default();
        inner.segments.copy(&places, |mut record, write| {
            let received_at = record.received_at;
            let Some(set) = &mut record.set else { return Ok(()) };
            for namespace in &mut set.ns_pvt_rwset {
                let mut collections = Vec::new();
                for collection in mem::take(&mut namespace.collection_pvt_rwset) {
                    if keep(received_at, &namespace.namespace, &collection)? {
                        collections.push(collection);
                    }
                }
                namespace.collection_pvt_rwset = collections;
            }
            set.ns_pvt_rwset
                .retain(|namespace| !namespace.collection_pvt_rwset.is_empty());
            if !set.ns_pvt_rwset.is_empty() {
                let place = write(&Frame::encode(&record))?;
                kept.insert(&record, digest(&record), place);
            }
            Ok(())
        })?;
        inner.index = kept;
        // The new files are synced: nobody has to wait any more. An open batch has no outcome yet.
        let batch = mem::take(&mut inner.batch);
        let _ = batch.outcome.set(Ok(()));
        self.settled.notify_all();
        let Inner { index, segments, .. } = inner;
        segments.remove_unused(|segment| index.uses(segment))?;
        segments.sync_dir()
    }

    /// Removes files without any live set, and writes the others anew when they are mostly dead.
    fn tidy(&self, inner: &mut Inner) {
        let Inner { index, segments, .. } = &mut *inner;
        let removed = segments.remove_unused(|segment| index.uses(segment));
        let live = index.bytes();
        let much = segments.bytes().saturating_sub(live) > live + GARBAGE_BYTES;
        let tidied = removed.and_then(|()| {
            if much {
                self.rewrite_live(inner, |_, _, _| Ok(true))
            } else {
                Ok(())
            }
        });
        if let Err(error) = tidied {
            tracing::warn!(%error, "files of committed transactions' private data stay for now");
        }
    }

    /// Returns once the batch is on disk. One of those who wait syncs for all.
    fn settle<'i>(&'i self, mut inner: MutexGuard<'i, Inner>, batch: &Arc<Batch>) -> Result<(), LedgerError> {
        loop {
            if let Some(outcome) = batch.outcome.get() {
                return (*outcome).map_err(|kind| inner.segments.sync_failed(kind));
            }
            if inner.syncing {
                inner = self.settled.wait(inner).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            // Nobody syncs, so the batch is the one that is open.
            let batch = mem::take(&mut inner.batch);
            let unsynced = inner.segments.take_unsynced();
            inner.syncing = true;
            drop(inner);
            let result = unsynced.sync();
            inner = self.lock();
            inner.syncing = false;
            if result.is_err() {
                inner.segments.abandon();
            }
            let kind = |error: &LedgerError| match error {
                LedgerError::Io { source, .. } => source.kind(),
                _ => io::ErrorKind::Other,
            };
            let _ = batch.outcome.set(result.as_ref().copied().map_err(kind));
            self.settled.notify_all();
            return result;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells equal sets of a transaction.
fn digest(record: &Record) -> [u8; 32] {
    let set = record.set.as_ref().map(TxPvtReadWriteSet::encode_to_vec);
    sha256(&set.unwrap_or_default())
}

#[cfg(test)]
mod tests;
