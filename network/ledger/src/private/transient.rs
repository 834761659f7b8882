//! Private data between endorsement and commit.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fabric_protos::rwset::TxPvtReadWriteSet;

/// Private read-write sets by transaction id, from the moment a peer endorsed the transaction (or was handed its data)
/// until the transaction is committed.
///
/// It is in memory: a peer that restarts in between takes the data from another member, as Fabric's peers do when
/// theirs was purged.
#[derive(Debug, Default)]
pub struct TransientStore {
    sets: Mutex<HashMap<String, Vec<Entry>>>,
}

#[derive(Debug)]
struct Entry {
    received_at: u64,
    set: TxPvtReadWriteSet,
}

impl TransientStore {
    /// Keeps a set that was received while the ledger had `height` blocks. Equal sets are kept once.
    pub fn persist(&self, tx_id: &str, height: u64, set: TxPvtReadWriteSet) {
        let mut sets = self.lock();
        let entries = sets.entry(tx_id.to_owned()).or_default();
        if entries.iter().all(|entry| entry.set != set) {
            entries.push(Entry {
                received_at: height,
                set,
            });
        }
    }

    /// Every set of the transaction, in the order received. Endorsers may have different collections, or different
    /// results: the hashes in the block tell which one counts.
    pub fn sets(&self, tx_id: &str) -> Vec<TxPvtReadWriteSet> {
        self.lock().get(tx_id).map_or_else(Vec::new, |entries| {
            entries.iter().map(|entry| entry.set.clone()).collect()
        })
    }

    /// Forgets transactions, once they are committed.
    pub fn remove<'t>(&self, tx_ids: impl IntoIterator<Item = &'t str>) {
        let mut sets = self.lock();
        for tx_id in tx_ids {
            sets.remove(tx_id);
        }
    }

    /// Forgets what was received below `height`: transactions that never came.
    pub fn purge_below(&self, height: u64) {
        self.lock().retain(|_, entries| {
            entries.retain(|entry| entry.received_at >= height);
            !entries.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Entry>>> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use fabric_protos::rwset::NsPvtReadWriteSet;

    use super::*;

    fn set(namespace: &str) -> TxPvtReadWriteSet {
        let namespace = NsPvtReadWriteSet {
            namespace: namespace.into(),
            collection_pvt_rwset: Vec::new(),
        };
        TxPvtReadWriteSet {
            data_model: 0,
            ns_pvt_rwset: vec![namespace],
        }
    }

    #[test]
    fn sets_stay_until_committed_or_too_old() {
        let store = TransientStore::default();
        store.persist("t1", 5, set("a"));
        store.persist("t1", 6, set("b"));
        store.persist("t1", 7, set("a"));
        store.persist("t2", 5, set("c"));
        assert_eq!(store.sets("t1"), [set("a"), set("b")]);
        store.purge_below(6);
        assert_eq!(store.sets("t1"), [set("b")]);
        assert_eq!(store.sets("t2"), []);
        store.remove(["t1", "unknown"]);
        assert_eq!(store.sets("t1"), []);
    }
}
