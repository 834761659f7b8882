//! Private data after the commit: reading it by block, what is missing, and what comes late.

use std::collections::{BTreeMap, BTreeSet};

use fabric_protos::rwset::{NsPvtReadWriteSet, TxPvtReadWriteSet};

use super::Ledger;
use super::filter::Filter;
use crate::commit::{View, late_updates};
use crate::db::{Batch, Space};
use crate::private::{Extent, PrivateBlock, PrivateTx};
use crate::rwset::ParsedTx;
use crate::state::{StateReader, keys};
use crate::{LedgerError, Version};

/// The private data of one transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct PrivateTxData {
    /// The transaction's index in its block.
    pub tx: u64,
    /// The collections that this peer holds and that have not expired; purged keys are left out.
    pub set: TxPvtReadWriteSet,
}

/// A private read-write set that a valid transaction has and this peer has not: because it is no member, or because
/// nobody gave it the data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MissingPrivateData {
    /// Block of the transaction.
    pub block: u64,
    /// Its index in the block.
    pub tx: u64,
    /// The chaincode.
    pub namespace: String,
    /// The collection.
    pub collection: String,
}

/// Private data for a transaction that was committed without it.
#[derive(Clone, Debug, PartialEq)]
pub struct LatePrivateData {
    /// Block of the transaction.
    pub block: u64,
    /// Its index in the block.
    pub tx: u64,
    /// The data.
    pub set: TxPvtReadWriteSet,
}

impl Ledger {
    /// The private data of a block, by transaction.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] when a file was damaged, and database errors.
    pub fn private_data(&self, block: u64) -> Result<Vec<PrivateTxData>, LedgerError> {
        let mut filter = Filter::new(self);
        let mut found: BTreeMap<u64, TxPvtReadWriteSet> = BTreeMap::new();
        for mut tx in self.private.block(block)? {
            filter.apply(block, &mut tx)?;
            let set = found.entry(tx.index).or_default();
            set.ns_pvt_rwset.extend(tx.set.unwrap_or_default().ns_pvt_rwset);
        }
        let present = found.into_iter().filter(|(_, set)| !set.ns_pvt_rwset.is_empty());
        Ok(present.map(|(tx, set)| PrivateTxData { tx, set }).collect())
    }

    /// At most `limit` private read-write sets that this peer lacks and that have not expired, oldest first, from the one
    /// behind `after` on.
    ///
    /// # Errors
    /// Database errors.
    pub fn missing_private_data(
        &self,
        after: Option<&MissingPrivateData>,
        limit: usize,
    ) -> Result<Vec<MissingPrivateData>, LedgerError> {
        let mut filter = Filter::new(self);
        let start = after.map_or_else(
            || keys::MISSING.to_vec(),
            |last| {
                let version = Version::new(last.block, last.tx);
                let mut key = keys::missing(version, &last.namespace, &last.collection);
                key.push(0);
                key
            },
        );
        let mut found = Vec::new();
        for entry in filter
            .query
            .state
            .0
            .range(Space::Private, start, keys::MISSING_END.to_vec())
        {
            if found.len() == limit {
                break;
            }
            let (key, _) = entry?;
            let (version, namespace, collection) =
                keys::parse_missing(&key).ok_or(LedgerError::Record("missing private data"))?;
            if !filter.expired(version.block, namespace, collection)? {
                let (namespace, collection) = (namespace.to_owned(), collection.to_owned());
                found.push(MissingPrivateData {
                    block: version.block,
                    tx: version.tx,
                    namespace,
                    collection,
                });
            }
        }
        Ok(found)
    }

    /// The parts of `set` that belong to the transaction at `tx` of `block`: their hash is in the block, or they are what
    /// purges have left of such a part. With an empty part one learns whether all of it was purged.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] when the block was damaged, and database errors.
    pub fn matching_private_data(
        &self,
        block: u64,
        tx: u64,
        set: TxPvtReadWriteSet,
    ) -> Result<TxPvtReadWriteSet, LedgerError> {
        self.matching(&Filter::new(self), Version::new(block, tx), set)
    }

    /// Adds private data that arrived after its block. What does not match the block's hashes, is not missing, has
    /// expired or was purged is left out.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn commit_late_private_data(&self, late: Vec<LatePrivateData>) -> Result<(), LedgerError> {
        let _writer = self.writer();
        for LatePrivateData { block, tx, set } in late {
            let version = Version::new(block, tx);
            let mut filter = Filter::new(self);
            let mut set = self.matching(&filter, version, set)?;
            let mut satisfied = Vec::new();
            for namespace in &mut set.ns_pvt_rwset {
                let mut kept = Vec::new();
                for collection in namespace.collection_pvt_rwset.drain(..) {
                    let key = keys::missing(version, &namespace.namespace, &collection.collection_name);
                    if !satisfied.contains(&key) && self.db.get(Space::Private, &key)?.is_some() {
                        satisfied.push(key);
                        kept.push(collection);
                    }
                }
                namespace.collection_pvt_rwset = kept;
            }
            let mut data = PrivateTx {
                index: tx,
                set: Some(set),
            };
            filter.apply(block, &mut data)?;
            let mut batch = self.db.batch();
            if let Some(set) = data.set.as_ref().filter(|set| !set.ns_pvt_rwset.is_empty()) {
                let mut view = View::new(StateReader(filter.query.state.0.clone()));
                self.put_private_values(&mut batch, late_updates(set, version, &mut view)?)?;
                // A crash between file and database leaves the data in the file, and still listed as missing.
                self.without_stored(block, &mut data)?;
                if data.set.as_ref().is_some_and(|set| !set.ns_pvt_rwset.is_empty()) {
                    let txs = vec![data];
                    self.private.append_late(&PrivateBlock { block, txs })?;
                    self.note_private_files(&mut batch);
                }
            }
            for key in satisfied {
                batch.remove(Space::Private, key);
            }
            batch.commit()?;
        }
        Ok(())
    }

    /// Notes how far the private data files go, with what the database takes from them.
    pub(super) fn note_private_files(&self, batch: &mut Batch) {
        batch.put(Space::Main, PRIVATE_FILES, self.private.extent().encode());
    }

    /// Compares the private data files with what the database took from them. When the disk lost some of what it had
    /// promised to keep, the database is built again: then the lost data is listed as missing, and comes from other members.
    pub(super) fn check_private_files(&self) -> Result<(), LedgerError> {
        let Some(bytes) = self.db.get(Space::Main, PRIVATE_FILES)? else {
            return Ok(());
        };
        let before = Extent::decode(&bytes).ok_or(LedgerError::Record("the private data files"))?;
        if self.private.extent().lacks(before) {
            return Err(self.db.damaged("it holds private data that the files have lost"));
        }
        Ok(())
    }

    /// Takes out what the private data files hold already.
    fn without_stored(&self, block: u64, data: &mut PrivateTx) -> Result<(), LedgerError> {
        let Some(set) = &mut data.set else { return Ok(()) };
        let stored = self.private.block(block)?;
        let stored: BTreeSet<_> = stored
            .iter()
            .filter(|stored| stored.index == data.index)
            .flat_map(|stored| stored.set.iter().flat_map(|set| &set.ns_pvt_rwset))
            .flat_map(|namespace| {
                let collections = &namespace.collection_pvt_rwset;
                collections
                    .iter()
                    .map(|collection| (&namespace.namespace, &collection.collection_name))
            })
            .collect();
        for NsPvtReadWriteSet {
            namespace,
            collection_pvt_rwset,
        } in &mut set.ns_pvt_rwset
        {
            collection_pvt_rwset
                .retain(|collection| !stored.contains(&(&*namespace, &collection.collection_name)));
        }
        set.ns_pvt_rwset
            .retain(|namespace| !namespace.collection_pvt_rwset.is_empty());
        Ok(())
    }

    fn matching(
        &self,
        filter: &Filter,
        version: Version,
        mut set: TxPvtReadWriteSet,
    ) -> Result<TxPvtReadWriteSet, LedgerError> {
        let envelope = self.blocks.envelope(version)?;
        let rwset = envelope.and_then(|envelope| ParsedTx::from_envelope(&envelope).rwset);
        for namespace in &mut set.ns_pvt_rwset {
            let mut kept = Vec::new();
            for collection in namespace.collection_pvt_rwset.drain(..) {
                if let Some(rwset) = &rwset
                    && filter.belongs(version, rwset, &namespace.namespace, &collection)?
                {
                    kept.push(collection);
                }
            }
            namespace.collection_pvt_rwset = kept;
        }
        set.ns_pvt_rwset
            .retain(|namespace| !namespace.collection_pvt_rwset.is_empty());
        Ok(set)
    }
}

/// How far the private data files went with the last block that the database knows.
pub(super) const PRIVATE_FILES: &[u8] = b"!private-files";
