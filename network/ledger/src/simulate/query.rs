//! Reads of committed state.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::HistoryIter;
use crate::block::BlockStore;
use crate::collections::{Collection, CollectionInfo};
use crate::mango;
use crate::rwset::sha256;
use crate::state::{RichEntries, StateDatabase, StateEntries, StateReader};
use crate::{LedgerError, VersionedValue};

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The key, without namespace.
    pub key: String,
    /// The value, never empty.
    pub value: Vec<u8>,
}

/// One page of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The entries in key order.
    pub entries: Vec<KeyValue>,
    /// What the next page begins with: of a range a key, of a rich query an opaque text. After the last page of a range it
    /// is empty, or with CouchDB's behaviour the end that was asked for; of a rich query it stays as it was.
    pub bookmark: String,
}

/// Committed state at one moment: commits that come later do not show. It holds no lock, and clones are cheap.
#[derive(Clone, Debug)]
pub struct QueryExecutor {
    pub(crate) state: StateReader,
    pub(crate) blocks: Arc<BlockStore>,
    collections: Arc<dyn CollectionInfo>,
    height: u64,
    pub(super) database: StateDatabase,
}

impl QueryExecutor {
    pub(crate) fn new(
        state: StateReader,
        blocks: Arc<BlockStore>,
        collections: Arc<dyn CollectionInfo>,
        height: u64,
        database: StateDatabase,
    ) -> Self {
        Self {
            state,
            blocks,
            collections,
            height,
            database,
        }
    }

    /// Number of blocks that were committed, at least, when this was taken.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// The value of a key; `None` when it does not exist.
    ///
    /// # Errors
    /// This and the other reads: [`LedgerError::Database`] and [`LedgerError::Record`] when the database fails.
    pub fn state(&self, namespace: &str, key: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self.versioned(namespace, key)?.map(|found| found.value))
    }

    /// The value of a key with its version and metadata.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub fn versioned(&self, namespace: &str, key: &str) -> Result<Option<VersionedValue>, LedgerError> {
        self.check_key(key)?;
        Ok(self
            .state
            .public(namespace, key)?
            .map(|found| self.as_read(found)))
    }

    /// The values of several keys, in their order.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub fn states(&self, namespace: &str, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, LedgerError> {
        keys.iter().map(|key| self.state(namespace, key)).collect()
    }

    /// The metadata entries of a key; empty when there are none, or no such key.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub fn metadata(&self, namespace: &str, key: &str) -> Result<BTreeMap<String, Vec<u8>>, LedgerError> {
        self.check_key(key)?;
        let found = self.state.public(namespace, key)?;
        found.map_or_else(|| Ok(BTreeMap::new()), |found| found.metadata())
    }

    /// Keys from `start` up to and without `end`, in byte order. Empty bounds are the namespace's ends.
    pub fn range(&self, namespace: &str, start: &str, end: &str) -> RangeIter {
        self.range_of(self.state.public_range(namespace, start, end))
    }

    /// At most `page_size` entries of a range, and where the next page starts.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub fn range_page(
        &self,
        namespace: &str,
        start: &str,
        end: &str,
        page_size: usize,
    ) -> Result<Page, LedgerError> {
        let mut range = self.range(namespace, start, end);
        let entries = range.by_ref().take(page_size).collect::<Result<Vec<_>, _>>()?;
        let next = range.next().transpose()?.map(|next| next.key);
        let bookmark = next.unwrap_or_else(|| self.last_bookmark(end));
        Ok(Page { entries, bookmark })
    }

    /// A private value; `None` when the key does not exist.
    ///
    /// # Errors
    /// [`LedgerError::PrivateVersionMismatch`] when this peer lacks the current value;
    /// [`LedgerError::UnknownCollection`] and [`LedgerError::NoCollections`].
    pub fn private(
        &self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self
            .versioned_private(namespace, collection, key)?
            .map(|found| found.value))
    }

    /// A private value with its version.
    ///
    /// # Errors
    /// As [`private`](Self::private).
    pub fn versioned_private(
        &self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<Option<VersionedValue>, LedgerError> {
        self.check_collection(namespace, collection)?;
        self.check_key(key)?;
        let value = self.state.private(namespace, collection, key)?;
        let hash = self
            .state
            .hashed(namespace, collection, &sha256(key.as_bytes()))?
            .map(|hashed| hashed.version);
        let private = value.as_ref().map(|value| value.version);
        if hash != private {
            return Err(LedgerError::PrivateVersionMismatch { hash, private });
        }
        Ok(value.map(|value| self.as_read(value)))
    }

    /// The committed hash of a private value, which every peer has.
    ///
    /// # Errors
    /// As [`private`](Self::private), but never a version mismatch.
    pub fn private_hash(
        &self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self
            .versioned_hash(namespace, collection, &sha256(key.as_bytes()))?
            .map(|found| found.value))
    }

    /// Value hash, version and metadata under a key's hash.
    ///
    /// # Errors
    /// As [`private_hash`](Self::private_hash).
    pub fn versioned_hash(
        &self,
        namespace: &str,
        collection: &str,
        key_hash: &[u8],
    ) -> Result<Option<VersionedValue>, LedgerError> {
        self.check_collection(namespace, collection)?;
        self.state.hashed(namespace, collection, key_hash)
    }

    /// All hashes of a collection's keys with value hash, version and metadata, in the order of the hashes. Also of a
    /// collection that is not defined any more.
    pub fn hashed_entries(
        &self,
        namespace: &str,
        collection: &str,
    ) -> impl Iterator<Item = Result<(Vec<u8>, VersionedValue), LedgerError>> + use<> {
        self.state.hashed_entries(namespace, collection)
    }

    /// The metadata entries of a private key, by the key's hash.
    ///
    /// # Errors
    /// As [`private_hash`](Self::private_hash).
    pub fn private_metadata_by_hash(
        &self,
        namespace: &str,
        collection: &str,
        key_hash: &[u8],
    ) -> Result<BTreeMap<String, Vec<u8>>, LedgerError> {
        let found = self.versioned_hash(namespace, collection, key_hash)?;
        found.map_or_else(|| Ok(BTreeMap::new()), |found| found.metadata())
    }

    /// Private keys of this peer from `start` up to and without `end`.
    ///
    /// # Errors
    /// [`LedgerError::UnknownCollection`] and [`LedgerError::NoCollections`].
    pub fn private_range(
        &self,
        namespace: &str,
        collection: &str,
        start: &str,
        end: &str,
    ) -> Result<RangeIter, LedgerError> {
        self.check_collection(namespace, collection)?;
        Ok(self.range_of(self.state.private_range(namespace, collection, start, end)))
    }

    /// Every value that a valid transaction gave a public key, newest first.
    pub fn history(&self, namespace: &str, key: &str) -> HistoryIter {
        HistoryIter::new(self.blocks.clone(), &self.state, namespace, key)
    }

    pub(crate) fn collection(&self, namespace: &str, collection: &str) -> Result<Collection, LedgerError> {
        self.collections.collection(self, namespace, collection)
    }

    /// Refuses collections that the chaincode's definition does not name.
    pub(crate) fn check_collection(&self, namespace: &str, collection: &str) -> Result<(), LedgerError> {
        match self.collection(namespace, collection)? {
            Collection::Defined { .. } => Ok(()),
            Collection::Unknown => Err(LedgerError::UnknownCollection {
                namespace: namespace.to_owned(),
                collection: collection.to_owned(),
            }),
            Collection::NoneDefined => Err(LedgerError::NoCollections {
                namespace: namespace.to_owned(),
            }),
        }
    }
}

/// Entries of a range in key order, or the results of a rich query. It keeps its moment of the state alive by itself.
#[derive(Debug)]
pub struct RangeIter(Rows);

#[derive(Debug)]
enum Rows {
    Range(StateEntries, StateDatabase),
    Rich(Box<RichEntries>),
}

impl RangeIter {
    pub(super) fn range(entries: StateEntries, database: StateDatabase) -> Self {
        Self(Rows::Range(entries, database))
    }

    pub(super) fn rich(entries: RichEntries) -> Self {
        Self(Rows::Rich(Box::new(entries)))
    }

    /// The next entry with its version.
    pub(crate) fn next_versioned(&mut self) -> Result<Option<(String, VersionedValue)>, LedgerError> {
        match &mut self.0 {
            Rows::Range(entries, StateDatabase::GoLevelDb) => entries.next().transpose(),
            Rows::Range(entries, StateDatabase::CouchDb) => {
                // Keys that CouchDB does not take may be there since the ledger behaved otherwise.
                let shown = |entry: &Result<(String, _), _>| {
                    entry.as_ref().map_or(true, |(key, _)| !key.starts_with('_'))
                };
                let entry = entries.find(shown).transpose()?;
                Ok(entry.map(|(key, mut found)| {
                    found.value = mango::canonical(found.value);
                    (key, found)
                }))
            }
            Rows::Rich(entries) => entries.next(),
        }
    }
}

impl Iterator for RangeIter {
    type Item = Result<KeyValue, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.next_versioned().transpose()?;
        Some(entry.map(|(key, found)| KeyValue {
            key,
            value: found.value,
        }))
    }
}
