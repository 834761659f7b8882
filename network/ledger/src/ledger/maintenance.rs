//! Private data after the commit: reading it by block, what is missing, and removing what expired or was purged.

use std::collections::BTreeMap;

use fabric_protos::kvrwset::KvrwSet;
use fabric_protos::rwset::TxPvtReadWriteSet;
use prost::Message as _;

use super::Ledger;
use super::apply::put_private_values;
use crate::collections::{Collection, expiring_block};
use crate::commit::{PrivateChanges, View, late_updates, matching_sets};
use crate::db::{Batch, Space};
use crate::private::{PrivateBlock, PrivateTx};
use crate::rwset::{ParsedTx, sha256};
use crate::state::{StateReader, VersionedValue, keys};
use crate::{LedgerError, QueryExecutor, Version};

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

    /// At most `limit` private read-write sets that this peer lacks and that have not expired, oldest first.
    ///
    /// # Errors
    /// Database errors.
    pub fn missing_private_data(&self, limit: usize) -> Result<Vec<MissingPrivateData>, LedgerError> {
        let mut filter = Filter::new(self);
        let mut found = Vec::new();
        for entry in filter.query.state.0.prefix(Space::Private, keys::MISSING) {
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

    /// Adds private data that arrived after its block. What does not match the block's hashes, is not missing, has
    /// expired or was purged is left out.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn commit_late_private_data(&self, late: Vec<LatePrivateData>) -> Result<(), LedgerError> {
        let _writer = self.writer();
        for LatePrivateData { block, tx, set } in late {
            let version = Version::new(block, tx);
            let Some(envelope) = self.blocks.envelope(version)? else {
                continue;
            };
            let Some(rwset) = ParsedTx::from_envelope(&envelope).rwset else {
                continue;
            };
            let mut filter = Filter::new(self);
            let mut set = matching_sets(&rwset, &set);
            let mut satisfied = Vec::new();
            for namespace in &mut set.ns_pvt_rwset {
                let name = namespace.namespace.clone();
                let missing = |collection: &str| keys::missing(version, &name, collection);
                let mut kept = Vec::new();
                for collection in namespace.collection_pvt_rwset.drain(..) {
                    let key = missing(&collection.collection_name);
                    if self.db.get(Space::Private, &key)?.is_some() {
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
                put_private_values(&mut batch, late_updates(set, version, &mut view)?);
                let frame = PrivateBlock {
                    block,
                    txs: vec![data],
                };
                self.private
                    .append_late(&frame)
                    .inspect_err(|_| self.blocks.stop())?;
            }
            for key in satisfied {
                batch.remove(Space::Private, key);
            }
            batch.commit()?;
        }
        Ok(())
    }

    /// Removes the bytes of purged and expired private values from every file of this ledger; what an open
    /// simulator or query still reads goes when that ends. Commits do the same every
    /// [`purge_interval`](super::LedgerOptions::purge_interval) blocks when there is something to remove.
    ///
    /// # Errors
    /// [`LedgerError::Io`] and database errors. The next call goes on where this one stopped.
    pub fn compact(&self) -> Result<(), LedgerError> {
        let _writer = self.writer();
        self.wipe()
    }

    /// Wipes when it is due after block `number`.
    pub(super) fn maintain(&self, number: u64) -> Result<(), LedgerError> {
        match self.pending_wipe()? {
            Some(wipe) if number.saturating_sub(wipe.since) >= self.options.purge_interval => self.wipe(),
            _ => Ok(()),
        }
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
            first,
            last,
        });
        let wipe = Wipe {
            since: wipe.since,
            first: wipe.first.min(first),
            last: wipe.last.max(last),
        };
        batch.put(Space::Main, WIPE, wipe.encode());
        Ok(())
    }

    fn wipe(&self) -> Result<(), LedgerError> {
        let Some(wipe) = self.pending_wipe()? else {
            return Ok(());
        };
        let mut filter = Filter::new(self);
        self.private.rewrite(wipe.first..=wipe.last, |frame| {
            let before = frame.clone();
            for tx in &mut frame.txs {
                filter.apply(before.block, tx)?;
            }
            frame
                .txs
                .retain(|tx| tx.set.as_ref().is_some_and(|set| !set.ns_pvt_rwset.is_empty()));
            Ok(*frame != before)
        })?;
        drop(filter);
        let erased = self.db.erase_deleted_private()?;
        let mut batch = self.db.batch();
        if erased {
            batch.remove(Space::Main, WIPE);
            tracing::info!(ledger = %self.dir.display(), "removed purged and expired private data from disk");
        } else {
            batch.put(
                Space::Main,
                WIPE,
                Wipe {
                    since: self.height(),
                    ..wipe
                }
                .encode(),
            );
            tracing::warn!(ledger = %self.dir.display(), "private data is still in the database's journal, trying later");
        }
        batch.commit()
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
    /// Data of these blocks is affected.
    first: u64,
    last: u64,
}

impl Wipe {
    fn encode(self) -> Vec<u8> {
        [
            self.since.to_be_bytes(),
            self.first.to_be_bytes(),
            self.last.to_be_bytes(),
        ]
        .concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (since, rest) = bytes.split_first_chunk()?;
        let (first, last) = rest.split_first_chunk()?;
        let last = last.first_chunk()?;
        let number = |bytes: &[u8; 8]| u64::from_be_bytes(*bytes);
        Some(Self {
            since: number(since),
            first: number(first),
            last: number(last),
        })
    }
}

/// Leaves out expired collections and purged keys.
struct Filter {
    query: QueryExecutor,
    lives: BTreeMap<(String, String), u64>,
}

impl Filter {
    fn new(ledger: &Ledger) -> Self {
        Self {
            query: ledger.query(),
            lives: BTreeMap::new(),
        }
    }

    fn apply(&mut self, block: u64, tx: &mut PrivateTx) -> Result<(), LedgerError> {
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
    fn expired(&mut self, block: u64, namespace: &str, collection: &str) -> Result<bool, LedgerError> {
        let name = (namespace.to_owned(), collection.to_owned());
        let live = match self.lives.get(&name) {
            Some(live) => *live,
            None => {
                let live = match self.query.collection(namespace, collection)? {
                    Collection::Defined { block_to_live } => block_to_live,
                    Collection::Unknown | Collection::NoneDefined => 0,
                };
                self.lives.insert(name, live);
                live
            }
        };
        Ok(expiring_block(block, live).is_some_and(|expiring| expiring < self.query.height()))
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
        let purged = |key: &str| -> Result<bool, LedgerError> {
            let marker = keys::purge_marker(namespace, collection, &sha256(key.as_bytes()));
            let Some(bytes) = self.query.state.0.get(Space::Private, &marker)? else {
                return Ok(false);
            };
            Ok(VersionedValue::decode(&bytes)?.version >= version)
        };
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
