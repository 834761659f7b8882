//! Private data after the commit: reading it by block, what is missing, and removing what expired or was purged.

use std::collections::{BTreeMap, BTreeSet};

use fabric_protos::rwset::{CollectionPvtReadWriteSet, NsPvtReadWriteSet, TxPvtReadWriteSet};

use super::Ledger;
use super::filter::Filter;
use crate::commit::{PrivateChanges, View, late_updates};
use crate::db::{Batch, Space};
use crate::private::{Extent, PrivateBlock, PrivateTx};
use crate::rwset::ParsedTx;
use crate::state::{StateReader, keys};
use crate::{LedgerError, Version};

/// Number of blocks that an endorsed private value of a collection with a block to live waits for its own block before it
/// counts as never submitted, besides the blocks it would have lived.
const UNCOMMITTED_GRACE: u64 = 100;

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

    /// Removes the bytes of purged and expired private values from every file of this ledger; what an open
    /// simulator or query still reads goes when that ends. Commits do the same every
    /// [`purge_interval`](super::LedgerOptions::purge_interval) blocks when there is something to remove.
    ///
    /// # Errors
    /// [`LedgerError::Io`] and database errors. The next call goes on where this one stopped.
    pub fn compact(&self) -> Result<(), LedgerError> {
        let _writer = self.writer();
        if self.pending_wipe()?.is_some() {
            self.wipe()
        } else {
            self.rewrite_transient()
        }
    }

    /// Wipes when it is due after block `number`.
    pub(super) fn maintain(&self, number: u64) -> Result<(), LedgerError> {
        match self.pending_wipe()? {
            Some(wipe) if number.saturating_sub(wipe.since) >= self.options.purge_interval => self.wipe(),
            _ if number.is_multiple_of(UNCOMMITTED_GRACE) => self.drop_expired_uncommitted(),
            _ => Ok(()),
        }
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
        // The files become shorter.
        let mut batch = self.db.batch();
        batch.remove(Space::Main, PRIVATE_FILES);
        batch.commit()?;
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
        let mut batch = self.db.batch();
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
        batch.commit()?;
        drop(filter);
        self.rewrite_transient()?;
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
const PRIVATE_FILES: &[u8] = b"!private-files";

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
