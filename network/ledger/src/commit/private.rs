//! What a block does to private state: values, expiry, purges, and what is missing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fabric_protos::kvrwset::KvrwSet;
use fabric_protos::peer::TxValidationCode;
use fabric_protos::rwset::{CollectionPvtReadWriteSet, NsPvtReadWriteSet, TxPvtReadWriteSet};
use prost::Message as _;

use super::{Update, Updates, View, check_key_length};
use crate::collections::{Collection, expiring_block};
use crate::db::Space;
use crate::rwset::{ParsedTx, TxKind, TxRwSet, is_delete, sha256};
use crate::state::keys;
use crate::{LedgerError, QueryExecutor, Version};

/// Private values by (namespace, collection, clear key).
pub(crate) type PrivateUpdates = BTreeMap<(String, String, String), Update>;

/// A key hash in a collection.
pub(crate) type HashedKey = (String, String, Vec<u8>);

/// Everything a block changes besides public and hashed state.
#[derive(Debug, Default)]
pub(crate) struct PrivateChanges {
    /// New private values and deletions.
    pub(crate) updates: PrivateUpdates,
    /// Hashed keys that expire with this block.
    pub(crate) expired_hashes: BTreeSet<HashedKey>,
    /// Schedule entries that are done.
    pub(crate) done_schedule: Vec<Vec<u8>>,
    /// New schedule entries.
    pub(crate) new_schedule: Vec<Vec<u8>>,
    /// Purges, with the transaction that asked for them.
    pub(crate) purges: BTreeMap<HashedKey, Version>,
    /// Private sets that valid transactions have and this peer has not.
    pub(crate) missing: Vec<(Version, String, String)>,
    /// First and last committing block of the data that expires.
    pub(crate) expired_blocks: Option<(u64, u64)>,
}

/// The parts of a transaction's private data whose hash is in the block, per namespace and collection. What does not
/// decode is left out too: no peer can use it.
pub(crate) fn matching_sets(rwset: &TxRwSet, set: &TxPvtReadWriteSet) -> TxPvtReadWriteSet {
    let matches = |namespace: &str, found: &CollectionPvtReadWriteSet| {
        rwset.pvt_rwset_hash(namespace, &found.collection_name) == Some(&sha256(&found.rwset)[..])
            && KvrwSet::decode(found.rwset.as_slice()).is_ok()
    };
    let namespaces = set.ns_pvt_rwset.iter().filter_map(|found| {
        let kept = found
            .collection_pvt_rwset
            .iter()
            .filter(|set| matches(&found.namespace, set))
            .cloned();
        let collection_pvt_rwset: Vec<_> = kept.collect();
        let namespace = found.namespace.clone();
        (!collection_pvt_rwset.is_empty()).then_some(NsPvtReadWriteSet {
            namespace,
            collection_pvt_rwset,
        })
    });
    TxPvtReadWriteSet {
        data_model: set.data_model,
        ns_pvt_rwset: namespaces.collect(),
    }
}

/// Works out the private side of a block. `private` holds matching sets only, by transaction index.
pub(crate) fn private_changes(
    number: u64,
    txs: &[ParsedTx],
    codes: &[u8],
    private: &BTreeMap<u64, TxPvtReadWriteSet>,
    updates: &Updates,
    view: &mut View,
    query: &QueryExecutor,
) -> Result<PrivateChanges, LedgerError> {
    let mut changes = PrivateChanges::default();
    let mut renewed = BTreeSet::new();
    for (index, (tx, code)) in txs.iter().zip(codes).enumerate() {
        let Some(rwset) = tx
            .rwset
            .as_ref()
            .filter(|_| *code == VALID && tx.kind == TxKind::Endorser)
        else {
            continue;
        };
        let version = Version::new(number, index as u64);
        let set = private.get(&version.tx);
        changes.note_missing(rwset, set, version);
        changes.note_purges(rwset, version);
        if let Some(set) = set {
            changes.apply(set, version, &mut renewed)?;
        }
    }
    changes.renew_versions(renewed, updates, view)?;
    changes.expire(number, updates, view)?;
    changes.remove_deleted(updates, view)?;
    changes.schedule(number, updates, query)?;
    Ok(changes)
}

/// What an older block's transaction still changes: its values that are the current ones, and its deletions of what was
/// there before it. A value that a metadata write has moved to a later version since takes that version.
pub(crate) fn late_updates(
    set: &TxPvtReadWriteSet,
    version: Version,
    view: &mut View,
) -> Result<PrivateUpdates, LedgerError> {
    let mut updates = PrivateUpdates::new();
    for_each_set(set, |namespace, collection, rwset| {
        for write in &rwset.writes {
            if is_delete(write) {
                let stored = view.state.private(namespace, collection, &write.key)?;
                if stored.is_some_and(|stored| stored.version < version) {
                    let removed = Update {
                        value: None,
                        metadata: Vec::new(),
                        version,
                    };
                    let name = (namespace.to_owned(), collection.to_owned(), write.key.clone());
                    updates.insert(name, removed);
                }
                continue;
            }
            let Some(hashed) = view.hashed(namespace, collection, &sha256(write.key.as_bytes()))? else {
                continue;
            };
            if hashed.version == version || hashed.value == sha256(&write.value) {
                let update = Update {
                    value: Some(write.value.clone()),
                    metadata: Vec::new(),
                    version: hashed.version,
                };
                updates.insert(
                    (namespace.to_owned(), collection.to_owned(), write.key.clone()),
                    update,
                );
            }
        }
        Ok(())
    })?;
    Ok(updates)
}

const VALID: u8 = TxValidationCode::Valid as i32 as u8;

impl PrivateChanges {
    fn note_missing(&mut self, rwset: &TxRwSet, set: Option<&TxPvtReadWriteSet>, version: Version) {
        let present = |namespace: &str, collection: &str| {
            set.is_some_and(|set| {
                set.ns_pvt_rwset.iter().any(|found| {
                    found.namespace == namespace
                        && found
                            .collection_pvt_rwset
                            .iter()
                            .any(|found| found.collection_name == collection)
                })
            })
        };
        let missing = rwset
            .private_collections()
            .filter(|(namespace, collection)| !present(namespace, collection));
        self.missing
            .extend(missing.map(|(namespace, name)| (version, namespace.to_owned(), name.to_owned())));
    }

    fn note_purges(&mut self, rwset: &TxRwSet, version: Version) {
        for namespace in &rwset.namespaces {
            for collection in &namespace.collections {
                for write in collection
                    .hashed
                    .hashed_writes
                    .iter()
                    .filter(|write| write.is_purge)
                {
                    let name = (
                        namespace.namespace.clone(),
                        collection.collection.clone(),
                        write.key_hash.clone(),
                    );
                    self.purges.insert(name, version);
                }
            }
        }
    }

    fn apply(
        &mut self,
        set: &TxPvtReadWriteSet,
        version: Version,
        renewed: &mut BTreeSet<(String, String, String)>,
    ) -> Result<(), LedgerError> {
        for_each_set(set, |namespace, collection, rwset| {
            for write in rwset.writes {
                if check_key_length(namespace, collection, write.key.len()).is_err() {
                    tracing::warn!(
                        namespace,
                        collection,
                        length = write.key.len(),
                        "private key is too long, left out"
                    );
                    continue;
                }
                let value = (!is_delete(&write)).then_some(write.value);
                let update = Update {
                    value,
                    metadata: Vec::new(),
                    version,
                };
                self.updates
                    .insert((namespace.to_owned(), collection.to_owned(), write.key), update);
            }
            let metadata = rwset.metadata_writes.into_iter();
            renewed.extend(metadata.map(|write| (namespace.to_owned(), collection.to_owned(), write.key)));
            Ok(())
        })
    }

    /// A metadata write moves the hash to a new version: the private value has to follow when it is the current one.
    fn renew_versions(
        &mut self,
        renewed: BTreeSet<(String, String, String)>,
        updates: &Updates,
        view: &mut View,
    ) -> Result<(), LedgerError> {
        for name in renewed {
            let (namespace, collection, key) = &name;
            let Some(hashed) = updates.hashed(namespace, collection, &sha256(key.as_bytes())) else {
                continue;
            };
            let latest = match self.updates.get(&name) {
                Some(update) => update.value.clone().map(|value| (value, update.version)),
                None => view
                    .state
                    .private(namespace, collection, key)?
                    .map(|found| (found.value, found.version)),
            };
            if let Some((value, version)) = latest
                && version != hashed.version
                && hashed.value.as_deref() == Some(&sha256(&value)[..])
            {
                let update = Update {
                    value: Some(value),
                    metadata: Vec::new(),
                    version: hashed.version,
                };
                self.updates.insert(name, update);
            }
        }
        Ok(())
    }

    /// Removes what expires with this block, unless the block or a later one wrote it again.
    fn expire(&mut self, number: u64, updates: &Updates, view: &mut View) -> Result<(), LedgerError> {
        for entry in view.state.0.prefix(Space::Private, &keys::expiring_at(number)) {
            let (schedule, _) = entry?;
            let (committed, namespace, collection, hash) =
                keys::parse_expiry(&schedule).ok_or(LedgerError::Record("an expiry entry"))?;
            self.done_schedule.push(schedule.to_vec());
            let (first, last) = self.expired_blocks.unwrap_or((committed, committed));
            self.expired_blocks = Some((first.min(committed), last.max(committed)));

            let current = view.hashed_version(namespace, collection, hash)?;
            if current.is_some_and(|version| version.block == committed)
                && updates.hashed(namespace, collection, hash).is_none()
            {
                self.expired_hashes
                    .insert((namespace.to_owned(), collection.to_owned(), hash.to_vec()));
            }
            let Some(key) = view.clear_key(namespace, collection, hash)? else {
                continue;
            };
            let stored = view
                .state
                .private(namespace, collection, &key)?
                .map(|found| found.version);
            if stored.is_some_and(|version| version.block == committed) {
                let removed = Update {
                    value: None,
                    metadata: Vec::new(),
                    version: Version::new(number, u64::MAX),
                };
                self.updates
                    .entry((namespace.to_owned(), collection.to_owned(), key))
                    .or_insert(removed);
            }
        }
        Ok(())
    }

    /// Removes purged and deleted keys from private state even where the transaction's private set is missing here: the
    /// hashes say which keys they are.
    fn remove_deleted(&mut self, updates: &Updates, view: &mut View) -> Result<(), LedgerError> {
        let mut gone = self.purges.clone();
        for (namespace, updates) in &updates.0 {
            for (collection, hashed) in &updates.hashed {
                let deleted = hashed.iter().filter(|(_, update)| update.value.is_none());
                gone.extend(deleted.map(|(hash, update)| {
                    let name = (namespace.clone(), collection.clone(), hash.clone());
                    (name, update.version)
                }));
            }
        }
        for ((namespace, collection, hash), version) in gone {
            // The value may come with the same block.
            let written_now = || {
                let mut names = self.updates.keys();
                let name = names.find(|(ns, coll, key)| {
                    *ns == namespace && *coll == collection && sha256(key.as_bytes())[..] == hash[..]
                });
                name.map(|(_, _, key)| key.clone())
            };
            let Some(key) = view
                .clear_key(&namespace, &collection, &hash)?
                .or_else(written_now)
            else {
                continue;
            };
            let name = (namespace, collection, key);
            if self
                .updates
                .get(&name)
                .is_none_or(|update| update.version < version)
            {
                let removed = Update {
                    value: None,
                    metadata: Vec::new(),
                    version,
                };
                self.updates.insert(name, removed);
            }
        }
        Ok(())
    }

    fn schedule(&mut self, number: u64, updates: &Updates, query: &QueryExecutor) -> Result<(), LedgerError> {
        let mut lives: HashMap<(&str, &str), u64> = HashMap::new();
        for (namespace, updates) in &updates.0 {
            for (collection, hashed) in &updates.hashed {
                let live = match lives.get(&(namespace.as_str(), collection.as_str())) {
                    Some(live) => *live,
                    None => {
                        let live = match query.collection(namespace, collection)? {
                            Collection::Defined { block_to_live } => block_to_live,
                            Collection::Unknown | Collection::NoneDefined => 0,
                        };
                        lives.insert((namespace, collection), live);
                        live
                    }
                };
                let Some(expiring) = expiring_block(number, live) else {
                    continue;
                };
                let written = hashed.iter().filter(|(_, update)| update.value.is_some());
                self.new_schedule.extend(
                    written.map(|(hash, _)| keys::expiry(expiring, number, namespace, collection, hash)),
                );
            }
        }
        Ok(())
    }
}

fn for_each_set(
    set: &TxPvtReadWriteSet,
    mut visit: impl FnMut(&str, &str, KvrwSet) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    for namespace in &set.ns_pvt_rwset {
        for collection in &namespace.collection_pvt_rwset {
            let rwset = KvrwSet::decode(collection.rwset.as_slice())
                .map_err(LedgerError::decode("a private read-write set"))?;
            visit(&namespace.namespace, &collection.collection_name, rwset)?;
        }
    }
    Ok(())
}
