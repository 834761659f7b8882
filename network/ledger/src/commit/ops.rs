//! What one transaction does to each key (`validation/tx_ops.go` of Fabric): values and metadata are written apart, so a
//! write of one keeps the other, and metadata for a missing key does nothing.

use std::collections::BTreeMap;

use fabric_protos::kvrwset::KvMetadataEntry;

use super::{Update, Updates, View};
use crate::rwset::{TxRwSet, is_delete, is_hash_delete};
use crate::state::encode_metadata;
use crate::{LedgerError, Version};

/// Adds the writes of a valid transaction to the block's updates.
pub(crate) fn apply(
    rwset: &TxRwSet,
    version: Version,
    updates: &mut Updates,
    view: &mut View,
) -> Result<(), LedgerError> {
    let ops = collect(rwset);
    let mut ready = Vec::with_capacity(ops.len());
    for (target, op) in ops {
        if let Some(update) = resolve(target, op, version, updates, view)? {
            ready.push((target, update));
        }
    }
    for (target, update) in ready {
        match target {
            Target {
                namespace,
                collection: None,
                key,
            } => {
                let key = std::str::from_utf8(key).expect("public keys come from strings");
                updates.put_public(namespace, key, update);
            }
            Target {
                namespace,
                collection: Some(collection),
                key,
            } => {
                updates.put_hashed(namespace, collection, key, update);
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Target<'r> {
    namespace: &'r str,
    collection: Option<&'r str>,
    key: &'r [u8],
}

/// Flags add up as in Fabric, also when a hostile set names a key twice: 1 value, 2 metadata, 4 no metadata, 8 delete.
#[derive(Default)]
struct Op<'r> {
    flags: u8,
    value: &'r [u8],
    metadata: Vec<u8>,
}

const VALUE: u8 = 1;
const METADATA: u8 = 2;
const NO_METADATA: u8 = 4;
const DELETE: u8 = 8;

fn collect(rwset: &TxRwSet) -> BTreeMap<Target<'_>, Op<'_>> {
    let mut ops: BTreeMap<Target<'_>, Op<'_>> = BTreeMap::new();
    for set in &rwset.namespaces {
        let namespace = set.namespace.as_str();
        for write in &set.rwset.writes {
            let target = Target {
                namespace,
                collection: None,
                key: write.key.as_bytes(),
            };
            ops.entry(target)
                .or_default()
                .write(is_delete(write), &write.value);
        }
        for write in &set.rwset.metadata_writes {
            let target = Target {
                namespace,
                collection: None,
                key: write.key.as_bytes(),
            };
            ops.entry(target).or_default().metadata(&write.entries);
        }
        for hashed in &set.collections {
            let collection = Some(hashed.collection.as_str());
            for write in &hashed.hashed.hashed_writes {
                let target = Target {
                    namespace,
                    collection,
                    key: &write.key_hash,
                };
                ops.entry(target)
                    .or_default()
                    .write(is_hash_delete(write), &write.value_hash);
            }
            for write in &hashed.hashed.metadata_writes {
                let target = Target {
                    namespace,
                    collection,
                    key: &write.key_hash,
                };
                ops.entry(target).or_default().metadata(&write.entries);
            }
        }
    }
    ops
}

impl<'r> Op<'r> {
    fn write(&mut self, delete: bool, value: &'r [u8]) {
        self.flags = self.flags.wrapping_add(if delete { DELETE } else { VALUE });
        if !delete {
            self.value = value;
        }
    }

    fn metadata(&mut self, entries: &[KvMetadataEntry]) {
        self.flags = self
            .flags
            .wrapping_add(if entries.is_empty() { NO_METADATA } else { METADATA });
        if !entries.is_empty() {
            self.metadata = encode_metadata(entries);
        }
    }
}

/// Completes an op with what the block or the state has for the key already; `None` when it comes to nothing.
fn resolve(
    target: Target<'_>,
    op: Op<'_>,
    version: Version,
    updates: &Updates,
    view: &mut View,
) -> Result<Option<Update>, LedgerError> {
    if op.flags & DELETE != 0 {
        return Ok(Some(Update {
            value: None,
            metadata: Vec::new(),
            version,
        }));
    }
    if op.flags & VALUE != 0 && op.flags & (METADATA | NO_METADATA) != 0 {
        return Ok(Some(Update {
            value: Some(op.value.to_vec()),
            metadata: op.metadata,
            version,
        }));
    }
    let only_value = op.flags | VALUE == VALUE;
    let Target {
        namespace,
        collection,
        key,
    } = target;
    let earlier = match collection {
        None => updates.public(
            namespace,
            std::str::from_utf8(key).expect("public keys come from strings"),
        ),
        Some(collection) => updates.hashed(namespace, collection, key),
    };
    let (value, metadata) = match earlier {
        Some(update) => (update.value.as_deref(), update.metadata.as_slice()),
        None => {
            let committed = match collection {
                None => view.public(
                    namespace,
                    std::str::from_utf8(key).expect("public keys come from strings"),
                )?,
                Some(collection) => view.hashed(namespace, collection, key)?,
            };
            (
                committed.map(|found| found.value.as_slice()),
                committed.map_or(&[][..], |found| &found.metadata),
            )
        }
    };
    Ok(if only_value {
        Some(Update {
            value: Some(op.value.to_vec()),
            metadata: metadata.to_vec(),
            version,
        })
    } else {
        value.map(|value| Update {
            value: Some(value.to_vec()),
            metadata: op.metadata,
            version,
        })
    })
}
