//! Simulating one transaction (`txmgmt/txmgr/{query_executor,tx_simulator}.go` of Fabric).

use std::collections::{BTreeMap, BTreeSet};

use fabric_protos::rwset::{TxPvtReadWriteSet, TxReadWriteSet};
use prost::Message as _;

use super::{HistoryIter, KeyModification, KeyValue, Page, QueryExecutor, RangeIter};
use crate::rwset::{RangeRecord, RwSetBuilder};
use crate::{LedgerError, VersionedValue};

/// Metadata of every written key: namespace → collection (empty: public) → key → metadata entries as committed.
pub type WrittenKeys = BTreeMap<String, BTreeMap<String, BTreeMap<String, BTreeMap<String, Vec<u8>>>>>;

/// An open range, rich or history query of a [`Simulator`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CursorId(pub u32);

/// What a cursor gives.
#[derive(Clone, Debug, PartialEq)]
pub enum CursorItem {
    /// From a range or a rich query.
    State(KeyValue),
    /// From a history query.
    History(KeyModification),
}

/// What a simulation read and wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulationResults {
    /// `rwset.TxReadWriteSet` as bytes: `ChaincodeAction.results`.
    pub public: Vec<u8>,
    /// The same as a message.
    pub public_set: TxReadWriteSet,
    /// Private values, for the members of the collections only.
    pub private: Option<TxPvtReadWriteSet>,
    /// The written keys with their committed metadata: what key-level policies apply to them.
    pub written: WrittenKeys,
    /// Namespaces and collections whose private values (not only hashes) were read.
    pub private_reads: BTreeMap<String, BTreeSet<String>>,
}

/// Runs one transaction on a snapshot: reads see the state committed when it began, never its own writes, and nothing
/// waits for it.
///
/// The order of checks and the error texts are Fabric's. After [`finish`](Self::finish) every call fails with
/// [`LedgerError::Done`].
#[derive(Debug)]
pub struct Simulator {
    pub(super) query: QueryExecutor,
    tx_id: String,
    pub(super) builder: RwSetBuilder,
    written: WrittenKeys,
    pub(super) private_reads: BTreeMap<String, BTreeSet<String>>,
    pub(super) known_collections: BTreeSet<(String, String)>,
    cursors: BTreeMap<CursorId, Cursor>,
    opened: u32,
    pub(super) wrote: bool,
    pub(super) queried_private: bool,
    paginated: bool,
    done: bool,
}

impl Simulator {
    pub(crate) fn new(query: QueryExecutor, tx_id: String) -> Self {
        Self {
            query,
            tx_id,
            builder: RwSetBuilder::default(),
            written: WrittenKeys::new(),
            private_reads: BTreeMap::new(),
            known_collections: BTreeSet::new(),
            cursors: BTreeMap::new(),
            opened: 0,
            wrote: false,
            queried_private: false,
            paginated: false,
            done: false,
        }
    }

    /// The transaction that is simulated.
    pub fn tx_id(&self) -> &str {
        &self.tx_id
    }

    /// The snapshot below, for reads that are no part of the transaction (access checks, definitions).
    pub fn committed(&self) -> &QueryExecutor {
        &self.query
    }

    /// The committed value of a key.
    ///
    /// # Errors
    /// This and all other calls: [`LedgerError::Done`] after `finish`, and database errors.
    pub fn state(&mut self, namespace: &str, key: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self.read(namespace, key)?.map(|found| found.value))
    }

    /// The committed values of several keys, in their order.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub fn states(&mut self, namespace: &str, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, LedgerError> {
        keys.iter().map(|key| self.state(namespace, key)).collect()
    }

    /// The committed metadata entries of a key. It counts as a read of the key.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub fn metadata(&mut self, namespace: &str, key: &str) -> Result<BTreeMap<String, Vec<u8>>, LedgerError> {
        self.read(namespace, key)?
            .map_or_else(|| Ok(BTreeMap::new()), |found| found.metadata())
    }

    /// Writes a key; an empty value deletes it.
    ///
    /// # Errors
    /// [`LedgerError::Unsupported`] after a private or paginated query; [`LedgerError::KeyTooLong`].
    pub fn put_state(&mut self, namespace: &str, key: &str, value: Vec<u8>) -> Result<(), LedgerError> {
        self.check_write(namespace, "", key, &value)?;
        self.builder.write(namespace, key, value);
        self.note_written(namespace, key)
    }

    /// Deletes a key, whether it exists or not.
    ///
    /// # Errors
    /// As [`put_state`](Self::put_state).
    pub fn delete_state(&mut self, namespace: &str, key: &str) -> Result<(), LedgerError> {
        self.put_state(namespace, key, Vec::new())
    }

    /// Replaces the metadata entries of a key; no entries removes them.
    ///
    /// # Errors
    /// As [`put_state`](Self::put_state).
    pub fn put_metadata(
        &mut self,
        namespace: &str,
        key: &str,
        metadata: BTreeMap<String, Vec<u8>>,
    ) -> Result<(), LedgerError> {
        self.check_write(namespace, "", key, &[])?;
        self.builder.metadata(namespace, key, metadata);
        self.note_written(namespace, key)
    }

    /// Opens a range query: keys from `start` up to and without `end`, empty bounds being the namespace's ends. What
    /// [`next`](Self::next) gives is protected against phantoms.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub fn open_range(&mut self, namespace: &str, start: &str, end: &str) -> Result<CursorId, LedgerError> {
        self.check_open()?;
        let record = self.builder.open_range(namespace, start, end);
        let entries = self.query.range(namespace, start, end);
        Ok(self.open(Cursor::Range { record, entries }))
    }

    /// One page of a range. The transaction may not write then.
    ///
    /// # Errors
    /// [`LedgerError::Unsupported`] after a write.
    pub fn range_page(
        &mut self,
        namespace: &str,
        start: &str,
        end: &str,
        page_size: usize,
    ) -> Result<Page, LedgerError> {
        self.begin_page()?;
        let record = self.builder.open_range(namespace, start, end);
        let mut range = self.query.range(namespace, start, end);
        let mut entries = Vec::new();
        while entries.len() < page_size
            && let Some((key, found)) = range.next_versioned()?
        {
            self.record(record, |record| record.see(&key, found.version));
            entries.push(KeyValue {
                key,
                value: found.value,
            });
        }
        // A full page is not read to its end: it reaches to its last key.
        if entries.len() < page_size {
            self.record(record, RangeRecord::exhaust);
        }
        let next = range.next_versioned()?.map(|(key, _)| key);
        let bookmark = next.unwrap_or_else(|| self.query.last_bookmark(end));
        Ok(Page { entries, bookmark })
    }

    /// Opens a history query of a public key, newest first. It is no part of the read set.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub fn open_history(&mut self, namespace: &str, key: &str) -> Result<CursorId, LedgerError> {
        self.check_open()?;
        let entries = self.query.history(namespace, key);
        Ok(self.open(Cursor::History(entries)))
    }

    /// The next item of an open query; `None` at its end.
    ///
    /// # Errors
    /// [`LedgerError::NoCursor`] when it is not open.
    pub fn next(&mut self, cursor: CursorId) -> Result<Option<CursorItem>, LedgerError> {
        self.check_open()?;
        let Some(open) = self.cursors.get_mut(&cursor) else {
            return Err(LedgerError::NoCursor(cursor.0));
        };
        match open {
            Cursor::Range { record, entries } => {
                let (record, entry) = (*record, entries.next_versioned()?);
                match &entry {
                    Some((key, found)) => self.record(record, |record| record.see(key, found.version)),
                    None => self.record(record, RangeRecord::exhaust),
                }
                Ok(entry.map(|(key, found)| {
                    CursorItem::State(KeyValue {
                        key,
                        value: found.value,
                    })
                }))
            }
            Cursor::Query { namespace, entries } => {
                let entry = entries.next_versioned()?;
                if let Some((key, found)) = &entry {
                    self.builder.read(namespace, key, Some(found.version));
                }
                Ok(entry.map(|(key, found)| {
                    CursorItem::State(KeyValue {
                        key,
                        value: found.value,
                    })
                }))
            }
            Cursor::PrivateRange(entries) => Ok(entries.next().transpose()?.map(CursorItem::State)),
            Cursor::History(entries) => Ok(entries.next().transpose()?.map(CursorItem::History)),
        }
    }

    /// Closes a query. What it gave stays in the read set. Closing twice is no error.
    pub fn close(&mut self, cursor: CursorId) {
        self.cursors.remove(&cursor);
    }

    /// Ends the simulation and gives its results.
    ///
    /// # Errors
    /// [`LedgerError::AlreadyFinished`] the second time.
    pub fn finish(&mut self) -> Result<SimulationResults, LedgerError> {
        if self.done {
            return Err(LedgerError::AlreadyFinished);
        }
        self.done = true;
        self.cursors.clear();
        let (public_set, private) = std::mem::take(&mut self.builder).finish();
        Ok(SimulationResults {
            public: public_set.encode_to_vec(),
            public_set,
            private,
            written: std::mem::take(&mut self.written),
            private_reads: std::mem::take(&mut self.private_reads),
        })
    }

    fn read(&mut self, namespace: &str, key: &str) -> Result<Option<VersionedValue>, LedgerError> {
        self.check_open()?;
        let found = self.query.versioned(namespace, key)?;
        self.builder
            .read(namespace, key, found.as_ref().map(|found| found.version));
        Ok(found)
    }

    fn note_written(&mut self, namespace: &str, key: &str) -> Result<(), LedgerError> {
        let metadata = self.query.metadata(namespace, key)?;
        self.note(namespace, "", key, metadata);
        Ok(())
    }

    pub(super) fn note(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
        metadata: BTreeMap<String, Vec<u8>>,
    ) {
        let collections = self.written.entry(namespace.to_owned()).or_default();
        collections
            .entry(collection.to_owned())
            .or_default()
            .insert(key.to_owned(), metadata);
    }

    pub(super) fn open(&mut self, cursor: Cursor) -> CursorId {
        self.opened += 1;
        let id = CursorId(self.opened);
        self.cursors.insert(id, cursor);
        id
    }

    fn record(&mut self, record: usize, change: impl FnOnce(&mut RangeRecord)) {
        if let Some(record) = self.builder.range(record) {
            change(record);
        }
    }

    /// Notes that the transaction reads a page.
    pub(super) fn begin_page(&mut self) -> Result<(), LedgerError> {
        self.check_open()?;
        if self.wrote {
            return Err(self.unsupported("Paginated queries are supported only in a read-only transaction"));
        }
        self.paginated = true;
        Ok(())
    }

    pub(super) fn check_open(&self) -> Result<(), LedgerError> {
        if self.done { Err(LedgerError::Done) } else { Ok(()) }
    }

    pub(super) fn check_write(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
        value: &[u8],
    ) -> Result<(), LedgerError> {
        self.check_open()?;
        if self.queried_private {
            return Err(self.unsupported(
                "Transaction has already performed queries on pvt data. Writes are not allowed",
            ));
        }
        if self.paginated {
            return Err(self
                .unsupported("Transaction has already performed a paginated query. Writes are not allowed"));
        }
        self.wrote = true;
        self.query.check_key_value(key, value)?;
        crate::commit::check_key_length(namespace, collection, key.len())
    }

    pub(super) fn unsupported(&self, why: &'static str) -> LedgerError {
        LedgerError::Unsupported {
            tx_id: self.tx_id.clone(),
            why,
        }
    }
}

#[derive(Debug)]
pub(super) enum Cursor {
    Range {
        record: usize,
        entries: RangeIter,
    },
    /// A rich query over public state.
    Query {
        namespace: String,
        entries: RangeIter,
    },
    PrivateRange(RangeIter),
    History(HistoryIter),
}
