//! Committed state during a commit, each key read from the database once.

use std::collections::HashMap;

use crate::db::Space;
use crate::state::{StateReader, VersionedValue, keys};
use crate::{LedgerError, Version};

/// The state before the block, with what was read of it so far.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) state: StateReader,
    seen: HashMap<Vec<u8>, Option<VersionedValue>>,
}

impl View {
    pub(crate) fn new(state: StateReader) -> Self {
        Self {
            state,
            seen: HashMap::new(),
        }
    }

    pub(crate) fn public(
        &mut self,
        namespace: &str,
        key: &str,
    ) -> Result<Option<&VersionedValue>, LedgerError> {
        let Self { state, seen } = self;
        cached(seen, keys::public(namespace, key), || {
            state.public(namespace, key)
        })
    }

    pub(crate) fn hashed(
        &mut self,
        namespace: &str,
        collection: &str,
        key_hash: &[u8],
    ) -> Result<Option<&VersionedValue>, LedgerError> {
        let Self { state, seen } = self;
        let key = keys::hashed(namespace, collection, key_hash);
        cached(seen, key, || state.hashed(namespace, collection, key_hash))
    }

    /// The clear key under a key hash, when this peer has its value.
    pub(crate) fn clear_key(
        &self,
        namespace: &str,
        collection: &str,
        key_hash: &[u8],
    ) -> Result<Option<String>, LedgerError> {
        let found = self
            .state
            .0
            .get(Space::Private, &keys::clear_key(namespace, collection, key_hash))?;
        let key = found.map(|bytes| String::from_utf8(bytes.to_vec()));
        key.transpose().map_err(|_| LedgerError::Record("a private key"))
    }

    pub(crate) fn hashed_version(
        &mut self,
        namespace: &str,
        collection: &str,
        key_hash: &[u8],
    ) -> Result<Option<Version>, LedgerError> {
        Ok(self
            .hashed(namespace, collection, key_hash)?
            .map(|found| found.version))
    }
}

fn cached(
    seen: &mut HashMap<Vec<u8>, Option<VersionedValue>>,
    key: Vec<u8>,
    read: impl FnOnce() -> Result<Option<VersionedValue>, LedgerError>,
) -> Result<Option<&VersionedValue>, LedgerError> {
    use std::collections::hash_map::Entry;
    Ok(match seen.entry(key) {
        Entry::Occupied(entry) => entry.into_mut().as_ref(),
        Entry::Vacant(entry) => entry.insert(read()?).as_ref(),
    })
}
