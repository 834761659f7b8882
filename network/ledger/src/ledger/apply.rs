//! Writing a block's consequences to the database, as one batch.

use std::collections::BTreeSet;

use fabric_protos::common::Block;

use super::Ledger;
use crate::block::{Written, validation_codes};
use crate::commit::{PrivateChanges, PrivateUpdates, Update, Updates};
use crate::db::{Batch, Space};
use crate::rwset::{ParsedTx, TxKind, sha256};
use crate::state::{VersionedValue, encode, keys};
use crate::{LedgerError, Version};

impl Ledger {
    /// Index, state, private state, history and savepoint of one block, together with what is in `batch` already.
    pub(super) fn apply(
        &self,
        block: &Block,
        written: &Written,
        txs: &[ParsedTx],
        updates: Updates,
        changes: PrivateChanges,
        mut batch: Batch,
    ) -> Result<(), LedgerError> {
        let number = block.header.as_ref().map_or(0, |header| header.number);
        self.blocks.index(&mut batch, block, written)?;
        self.put_state(&mut batch, updates)?;
        put_history(&mut batch, number, txs, validation_codes(block));
        self.note_wipe(&mut batch, number, &changes)?;
        self.put_private(&mut batch, changes)?;
        batch.commit()
    }

    fn put_state(&self, batch: &mut Batch, updates: Updates) -> Result<(), LedgerError> {
        for (namespace, updates) in updates.0 {
            for (key, update) in updates.public {
                self.index(batch, (&namespace, "", &key), &update)?;
                put_value(batch, keys::public(&namespace, &key), &update);
            }
            for (collection, hashed) in updates.hashed {
                for (hash, update) in hashed {
                    put_value(batch, keys::hashed(&namespace, &collection, &hash), &update);
                }
            }
        }
        Ok(())
    }

    /// Values and the index of clear keys.
    pub(super) fn put_private_values(
        &self,
        batch: &mut Batch,
        updates: PrivateUpdates,
    ) -> Result<(), LedgerError> {
        for ((namespace, collection, key), update) in updates {
            self.index(batch, (&namespace, &collection, &key), &update)?;
            let stored = keys::private(&namespace, &collection, &key);
            let clear = keys::clear_key(&namespace, &collection, &sha256(key.as_bytes()));
            match &update.value {
                Some(value) => {
                    batch.put(Space::Private, stored, encode(update.version, &[], value));
                    batch.put(Space::Private, clear, key.into_bytes());
                }
                None => {
                    batch.remove(Space::Private, stored);
                    batch.remove(Space::Private, clear);
                }
            }
        }
        Ok(())
    }

    fn index(
        &self,
        batch: &mut Batch,
        place: (&str, &str, &str),
        update: &Update,
    ) -> Result<(), LedgerError> {
        if self.indexes.is_empty() {
            return Ok(());
        }
        let new = update.value.as_ref().map(|value| VersionedValue {
            value: value.clone(),
            metadata: update.metadata.clone(),
            version: update.version,
        });
        self.indexes.update(&self.db, batch, place, new.as_ref())
    }

    fn put_private(&self, batch: &mut Batch, changes: PrivateChanges) -> Result<(), LedgerError> {
        for (namespace, collection, hash) in &changes.expired_hashes {
            batch.remove(Space::Main, keys::hashed(namespace, collection, hash));
        }
        for schedule in changes.done_schedule {
            batch.remove(Space::Private, schedule);
        }
        for schedule in changes.new_schedule {
            batch.put(Space::Private, schedule, Vec::new());
        }
        for ((namespace, collection, hash), version) in &changes.purges {
            batch.put(
                Space::Private,
                keys::purge_marker(namespace, collection, hash),
                encode(*version, &[], &[]),
            );
        }
        for (version, namespace, collection) in &changes.missing {
            batch.put(
                Space::Private,
                keys::missing(*version, namespace, collection),
                Vec::new(),
            );
        }
        self.put_private_values(batch, changes.updates)
    }
}

fn put_value(batch: &mut Batch, key: Vec<u8>, update: &Update) {
    match &update.value {
        Some(value) => batch.put(Space::Main, key, encode(update.version, &update.metadata, value)),
        None => batch.remove(Space::Main, key),
    }
}

/// One entry for every public key that a valid transaction wrote.
fn put_history(batch: &mut Batch, number: u64, txs: &[ParsedTx], codes: &[u8]) {
    for (index, (tx, code)) in txs.iter().zip(codes).enumerate() {
        let Some(rwset) = tx
            .rwset
            .as_ref()
            .filter(|_| *code == 0 && tx.kind == TxKind::Endorser)
        else {
            continue;
        };
        let version = Version::new(number, index as u64);
        let mut seen = BTreeSet::new();
        for set in &rwset.namespaces {
            for write in &set.rwset.writes {
                if seen.insert((&set.namespace, &write.key)) {
                    batch.put(
                        Space::Main,
                        keys::history(&set.namespace, &write.key, version),
                        Vec::new(),
                    );
                }
            }
        }
    }
}
