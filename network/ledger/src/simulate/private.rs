//! The private data side of a simulation.

use std::collections::BTreeMap;

use super::simulator::Cursor;
use super::{CursorId, Simulator};
use crate::rwset::sha256;
use crate::state::decode_metadata;
use crate::{LedgerError, VersionedValue};

impl Simulator {
    /// The committed private value of a key.
    ///
    /// # Errors
    /// As [`QueryExecutor::private`](super::QueryExecutor::private).
    pub fn private(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<Option<Vec<u8>>, LedgerError> {
        self.check_collection(namespace, collection)?;
        self.check_open()?;
        let found = self.query.versioned_private(namespace, collection, key)?;
        let version = found.as_ref().map(|found| found.version);
        self.builder.hashed_read(namespace, collection, key, version);
        self.private_reads
            .entry(namespace.to_owned())
            .or_default()
            .insert(collection.to_owned());
        Ok(found.map(|found| found.value))
    }

    /// The committed private values of several keys, in their order.
    ///
    /// # Errors
    /// As [`QueryExecutor::private`](super::QueryExecutor::private).
    pub fn privates(
        &mut self,
        namespace: &str,
        collection: &str,
        keys: &[String],
    ) -> Result<Vec<Option<Vec<u8>>>, LedgerError> {
        keys.iter()
            .map(|key| self.private(namespace, collection, key))
            .collect()
    }

    /// The committed hash of a private value; any peer has it.
    ///
    /// # Errors
    /// As [`QueryExecutor::private_hash`](super::QueryExecutor::private_hash).
    pub fn private_hash(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self
            .read_hash(namespace, collection, key)?
            .map(|found| found.value))
    }

    /// The committed metadata entries of a private key. It counts as a read of the key's hash.
    ///
    /// # Errors
    /// As [`QueryExecutor::private_hash`](super::QueryExecutor::private_hash).
    pub fn private_metadata(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<BTreeMap<String, Vec<u8>>, LedgerError> {
        self.read_hash(namespace, collection, key)?
            .map_or_else(|| Ok(BTreeMap::new()), |found| found.metadata())
    }

    /// Writes a private key; an empty value deletes it.
    ///
    /// # Errors
    /// As [`put_state`](Self::put_state), and as [`QueryExecutor::private_hash`](super::QueryExecutor::private_hash) for the collection.
    pub fn put_private(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
        value: Vec<u8>,
    ) -> Result<(), LedgerError> {
        self.write_private(namespace, collection, key, value, false)
    }

    /// Deletes a private key from the state. Its earlier values stay in the members' private data store.
    ///
    /// # Errors
    /// As [`put_private`](Self::put_private).
    pub fn delete_private(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<(), LedgerError> {
        self.write_private(namespace, collection, key, Vec::new(), false)
    }

    /// Deletes a private key and every value it ever had from the members' disks.
    ///
    /// # Errors
    /// As [`put_private`](Self::put_private).
    pub fn purge_private(&mut self, namespace: &str, collection: &str, key: &str) -> Result<(), LedgerError> {
        self.write_private(namespace, collection, key, Vec::new(), true)
    }

    /// Replaces the metadata entries of a private key; no entries removes them.
    ///
    /// # Errors
    /// As [`put_private`](Self::put_private).
    pub fn put_private_metadata(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
        metadata: BTreeMap<String, Vec<u8>>,
    ) -> Result<(), LedgerError> {
        self.check_collection(namespace, collection)?;
        self.check_write(namespace, collection, key, &[])?;
        self.builder
            .private_metadata(namespace, collection, key, metadata);
        self.note_private_written(namespace, collection, key)
    }

    /// Opens a range query over private keys. The transaction may not write then.
    ///
    /// # Errors
    /// [`LedgerError::Unsupported`] after a write; as [`QueryExecutor::private_range`](super::QueryExecutor::private_range) for the collection.
    pub fn open_private_range(
        &mut self,
        namespace: &str,
        collection: &str,
        start: &str,
        end: &str,
    ) -> Result<CursorId, LedgerError> {
        self.check_private_query()?;
        self.check_collection(namespace, collection)?;
        self.check_open()?;
        let entries = self.query.private_range(namespace, collection, start, end)?;
        Ok(self.open(Cursor::PrivateRange(entries)))
    }

    fn read_hash(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<Option<VersionedValue>, LedgerError> {
        self.check_collection(namespace, collection)?;
        self.check_open()?;
        let found = self
            .query
            .state
            .hashed(namespace, collection, &sha256(key.as_bytes()))?;
        self.builder.hashed_read(
            namespace,
            collection,
            key,
            found.as_ref().map(|found| found.version),
        );
        Ok(found)
    }

    fn write_private(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
        value: Vec<u8>,
        is_purge: bool,
    ) -> Result<(), LedgerError> {
        self.check_collection(namespace, collection)?;
        self.check_write(namespace, collection, key, &value)?;
        self.builder
            .private_write(namespace, collection, key, value, is_purge);
        self.note_private_written(namespace, collection, key)
    }

    fn note_private_written(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<(), LedgerError> {
        let found = self
            .query
            .state
            .hashed(namespace, collection, &sha256(key.as_bytes()))?;
        let metadata = found.map_or_else(|| Ok(BTreeMap::new()), |found| decode_metadata(&found.metadata))?;
        self.note(namespace, collection, key, metadata);
        Ok(())
    }

    pub(super) fn check_private_query(&mut self) -> Result<(), LedgerError> {
        if self.wrote {
            return Err(self.unsupported("Queries on pvt data is supported only in a read-only transaction"));
        }
        self.queried_private = true;
        Ok(())
    }

    pub(super) fn check_collection(&mut self, namespace: &str, collection: &str) -> Result<(), LedgerError> {
        let name = (namespace.to_owned(), collection.to_owned());
        if !self.known_collections.contains(&name) {
            self.query.check_collection(namespace, collection)?;
            self.known_collections.insert(name);
        }
        Ok(())
    }
}
