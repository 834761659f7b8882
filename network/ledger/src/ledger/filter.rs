//! What of a block's private data may still be given out, kept, or taken in.

use std::collections::BTreeMap;

use fabric_protos::kvrwset::KvrwSet;
use fabric_protos::rwset::CollectionPvtReadWriteSet;
use prost::Message as _;

use super::Ledger;
use crate::collections::{Collection, expiring_block};
use crate::db::Space;
use crate::private::PrivateTx;
use crate::rwset::{TxRwSet, sha256};
use crate::state::{VersionedValue, keys};
use crate::{LedgerError, QueryExecutor, Version};

/// Leaves out expired collections and purged keys.
pub(super) struct Filter {
    pub(super) query: QueryExecutor,
    lives: BTreeMap<(String, String), u64>,
}

impl Filter {
    pub(super) fn new(ledger: &Ledger) -> Self {
        Self {
            query: ledger.query(),
            lives: BTreeMap::new(),
        }
    }

    pub(super) fn apply(&mut self, block: u64, tx: &mut PrivateTx) -> Result<(), LedgerError> {
        let Some(set) = &mut tx.set else { return Ok(()) };
        for namespace in &mut set.ns_pvt_rwset {
            let mut kept = Vec::new();
            for mut collection in std::mem::take(&mut namespace.collection_pvt_rwset) {
                if self.expired(block, &namespace.namespace, &collection.collection_name)? {
                    continue;
                }
                let version = Version::new(block, tx.index);
                let rwset = &collection.rwset;
                let purged =
                    self.without_purged(version, &namespace.namespace, &collection.collection_name, rwset)?;
                if let Some(rwset) = purged {
                    collection.rwset = rwset;
                }
                kept.push(collection);
            }
            namespace.collection_pvt_rwset = kept;
        }
        set.ns_pvt_rwset
            .retain(|namespace| !namespace.collection_pvt_rwset.is_empty());
        Ok(())
    }

    /// Whether data of `block` in the collection has expired by now.
    pub(super) fn expired(
        &mut self,
        block: u64,
        namespace: &str,
        collection: &str,
    ) -> Result<bool, LedgerError> {
        let expiring = expiring_block(block, self.block_to_live(namespace, collection)?);
        Ok(expiring.is_some_and(|expiring| expiring < self.query.height()))
    }

    /// Number of blocks that data of the collection lives, 0 for ever.
    pub(super) fn block_to_live(&mut self, namespace: &str, collection: &str) -> Result<u64, LedgerError> {
        let name = (namespace.to_owned(), collection.to_owned());
        if let Some(live) = self.lives.get(&name) {
            return Ok(*live);
        }
        let live = match self.query.collection(namespace, collection)? {
            Collection::Defined { block_to_live } => block_to_live,
            Collection::Unknown | Collection::NoneDefined => 0,
        };
        self.lives.insert(name, live);
        Ok(live)
    }

    /// Whether a key of an uncommitted set, received at this height, was purged since; or the set is no set at all, which
    /// no transaction can use.
    pub(super) fn purged_since(
        &self,
        height: u64,
        namespace: &str,
        set: &CollectionPvtReadWriteSet,
    ) -> Result<bool, LedgerError> {
        let collection = &set.collection_name;
        let Ok(kvs) = KvrwSet::decode(set.rwset.as_slice()) else {
            return Ok(true);
        };
        let written = kvs.writes.iter().map(|write| &write.key);
        for key in written.chain(kvs.metadata_writes.iter().map(|write| &write.key)) {
            let purge = self.purge(namespace, collection, &sha256(key.as_bytes()))?;
            if purge.is_some_and(|purge| purge.block >= height) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether this is the transaction's private set, of which nothing is left out but what was purged since. Who hands
    /// data over has removed that already.
    pub(super) fn belongs(
        &self,
        version: Version,
        rwset: &TxRwSet,
        namespace: &str,
        found: &CollectionPvtReadWriteSet,
    ) -> Result<bool, LedgerError> {
        let collection = &found.collection_name;
        let Some(hash) = rwset.pvt_rwset_hash(namespace, collection) else {
            return Ok(false);
        };
        let Ok(set) = KvrwSet::decode(found.rwset.as_slice()) else {
            return Ok(false);
        };
        if hash == sha256(&found.rwset) {
            return Ok(true);
        }
        let hashed = rwset
            .namespaces
            .iter()
            .filter(|found| found.namespace == namespace)
            .flat_map(|found| &found.collections)
            .find(|found| found.collection == *collection);
        let Some(hashed) = hashed.map(|found| &found.hashed) else {
            return Ok(false);
        };
        if !set.reads.is_empty() || !set.range_queries_info.is_empty() {
            return Ok(false);
        }
        // Both are in the order of the clear keys.
        let mut left_out = false;
        let mut writes = set.writes.iter().peekable();
        let mut metadata = set.metadata_writes.iter().peekable();
        for write in &hashed.hashed_writes {
            let same = writes.next_if(|found| {
                sha256(found.key.as_bytes()) == write.key_hash[..]
                    && if write.is_delete {
                        found.value.is_empty()
                    } else {
                        sha256(&found.value) == write.value_hash[..]
                    }
            });
            if same.is_none() {
                if !self.is_purged(version, namespace, collection, &write.key_hash)? {
                    return Ok(false);
                }
                left_out = true;
            }
        }
        for write in &hashed.metadata_writes {
            let same = metadata.next_if(|found| sha256(found.key.as_bytes()) == write.key_hash[..]);
            if same.is_none() {
                if !self.is_purged(version, namespace, collection, &write.key_hash)? {
                    return Ok(false);
                }
                left_out = true;
            }
        }
        Ok(left_out && writes.next().is_none() && metadata.next().is_none())
    }

    /// Whether the key was purged at `version` or later.
    fn is_purged(
        &self,
        version: Version,
        namespace: &str,
        collection: &str,
        key_hash: &[u8],
    ) -> Result<bool, LedgerError> {
        let purge = self.purge(namespace, collection, key_hash)?;
        Ok(purge.is_some_and(|purge| purge >= version))
    }

    /// The last transaction that purged the key.
    fn purge(
        &self,
        namespace: &str,
        collection: &str,
        key_hash: &[u8],
    ) -> Result<Option<Version>, LedgerError> {
        let marker = keys::purge_marker(namespace, collection, key_hash);
        let found = self.query.state.0.get(Space::Private, &marker)?;
        found
            .map(|bytes| Ok(VersionedValue::decode(&bytes)?.version))
            .transpose()
    }

    /// The set without keys that were purged at `version` or later; `None` when there are none.
    fn without_purged(
        &self,
        version: Version,
        namespace: &str,
        collection: &str,
        rwset: &[u8],
    ) -> Result<Option<Vec<u8>>, LedgerError> {
        let mut set = KvrwSet::decode(rwset).map_err(LedgerError::decode("a private read-write set"))?;
        let before = set.writes.len() + set.metadata_writes.len();
        let purged = |key: &str| self.is_purged(version, namespace, collection, &sha256(key.as_bytes()));
        let (mut writes, mut metadata) = (Vec::new(), Vec::new());
        for write in set.writes {
            if !purged(&write.key)? {
                writes.push(write);
            }
        }
        for write in set.metadata_writes {
            if !purged(&write.key)? {
                metadata.push(write);
            }
        }
        (set.writes, set.metadata_writes) = (writes, metadata);
        Ok((set.writes.len() + set.metadata_writes.len() < before).then(|| set.encode_to_vec()))
    }
}
