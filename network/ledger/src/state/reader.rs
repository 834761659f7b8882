//! Reading state from a snapshot.

use super::{VersionedValue, keys};
use crate::db::{Entries, Snapshot, Space};
use crate::{LedgerError, Version};

/// Committed state at one moment. Clones show the same moment.
#[derive(Clone, Debug)]
pub(crate) struct StateReader(pub(crate) Snapshot);

impl StateReader {
    pub(crate) fn public(&self, namespace: &str, key: &str) -> Result<Option<VersionedValue>, LedgerError> {
        self.value(Space::Main, &keys::public(namespace, key))
    }

    pub(crate) fn hashed(
        &self,
        namespace: &str,
        collection: &str,
        key_hash: &[u8],
    ) -> Result<Option<VersionedValue>, LedgerError> {
        self.value(Space::Main, &keys::hashed(namespace, collection, key_hash))
    }

    pub(crate) fn private(
        &self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<Option<VersionedValue>, LedgerError> {
        self.value(Space::Private, &keys::private(namespace, collection, key))
    }

    pub(crate) fn public_range(&self, namespace: &str, start: &str, end: &str) -> StateEntries {
        let (first, last) = keys::public_range(namespace, start, end);
        let prefix = keys::public(namespace, "").len();
        StateEntries {
            entries: self.0.range(Space::Main, first, last),
            prefix,
        }
    }

    pub(crate) fn private_range(
        &self,
        namespace: &str,
        collection: &str,
        start: &str,
        end: &str,
    ) -> StateEntries {
        let (first, last) = keys::private_range(namespace, collection, start, end);
        let prefix = keys::private(namespace, collection, "").len();
        StateEntries {
            entries: self.0.range(Space::Private, first, last),
            prefix,
        }
    }

    /// Key hash and value of everything hashed in a collection, in the order of the hashes.
    pub(crate) fn hashed_entries(
        &self,
        namespace: &str,
        collection: &str,
    ) -> impl Iterator<Item = Result<(Vec<u8>, VersionedValue), LedgerError>> + use<> {
        let prefix = keys::hashed(namespace, collection, &[]);
        let skip = prefix.len();
        self.0.prefix(Space::Main, &prefix).map(move |entry| {
            let (key, value) = entry?;
            let hash = key.get(skip..).ok_or(LedgerError::Record("a state key"))?;
            Ok((hash.to_vec(), VersionedValue::decode(&value)?))
        })
    }

    /// Versions that wrote the key, newest first.
    pub(crate) fn history(
        &self,
        namespace: &str,
        key: &str,
    ) -> impl Iterator<Item = Result<Version, LedgerError>> + Send + use<> {
        self.0
            .prefix(Space::Main, &keys::history_of(namespace, key))
            .rev()
            .map(|entry| {
                let (key, _) = entry?;
                keys::parse_history(&key).ok_or(LedgerError::Record("a history entry"))
            })
    }

    fn value(&self, space: Space, key: &[u8]) -> Result<Option<VersionedValue>, LedgerError> {
        self.0
            .get(space, key)?
            .map(|bytes| VersionedValue::decode(&bytes))
            .transpose()
    }
}

/// Keys and values of a range in key order.
#[derive(Debug)]
pub(crate) struct StateEntries {
    entries: Entries,
    /// Length of what precedes the key.
    prefix: usize,
}

impl Iterator for StateEntries {
    type Item = Result<(String, VersionedValue), LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.entries.next()?;
        Some(entry.and_then(|(key, value)| {
            let key = key
                .get(self.prefix..)
                .map(<[u8]>::to_vec)
                .ok_or(LedgerError::Record("a state key"))?;
            let key = String::from_utf8(key).map_err(|_| LedgerError::Record("a state key"))?;
            Ok((key, VersionedValue::decode(&value)?))
        }))
    }
}
