//! Which sets there are, and where.

use std::collections::{BTreeMap, HashMap};

use super::Record;
use super::segments::Place;

/// The sets of uncommitted transactions.
#[derive(Debug, Default)]
pub(super) struct Index {
    sets: HashMap<String, Vec<Entry>>,
    /// Number of sets by file.
    by_segment: BTreeMap<u64, usize>,
    bytes: u64,
}

/// One set.
#[derive(Debug)]
pub(super) struct Entry {
    /// Height of the ledger then.
    pub(super) received_at: u64,
    pub(super) place: Place,
    /// Namespace and collection of its parts.
    pub(super) collections: Vec<(String, String)>,
    digest: [u8; 32],
}

impl Index {
    /// Whether the transaction has a set with this digest.
    pub(super) fn knows(&self, tx_id: &str, digest: &[u8; 32]) -> bool {
        self.of(tx_id).iter().any(|entry| entry.digest == *digest)
    }

    /// Adds a set; nothing happens when there is an equal one.
    pub(super) fn insert(&mut self, record: &Record, digest: [u8; 32], place: Place) {
        if self.knows(&record.tx_id, &digest) {
            return;
        }
        let namespaces = record.set.iter().flat_map(|set| &set.ns_pvt_rwset);
        let collections = namespaces.flat_map(|namespace| {
            let collections = namespace.collection_pvt_rwset.iter();
            collections.map(|found| (namespace.namespace.clone(), found.collection_name.clone()))
        });
        let entry = Entry {
            received_at: record.received_at,
            place,
            collections: collections.collect(),
            digest,
        };
        *self.by_segment.entry(place.segment).or_default() += 1;
        self.bytes += place.length;
        self.sets.entry(record.tx_id.clone()).or_default().push(entry);
    }

    /// The sets of a transaction.
    pub(super) fn of(&self, tx_id: &str) -> &[Entry] {
        self.sets.get(tx_id).map_or(&[], Vec::as_slice)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.sets.values().flatten()
    }

    /// Bytes of all sets on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether a file has any of them.
    pub(super) fn uses(&self, segment: u64) -> bool {
        self.by_segment.contains_key(&segment)
    }

    /// Removes a transaction's sets; whether there were any.
    pub(super) fn remove(&mut self, tx_id: &str) -> bool {
        let removed = self.sets.remove(tx_id).unwrap_or_default();
        removed.iter().for_each(|entry| self.forget(entry.place));
        !removed.is_empty()
    }

    /// Removes sets that were received below `height`.
    pub(super) fn remove_below(&mut self, height: u64) {
        let mut removed = Vec::new();
        self.sets.retain(|_, entries| {
            let old = entries.extract_if(.., |entry| entry.received_at < height);
            removed.extend(old.map(|entry| entry.place));
            !entries.is_empty()
        });
        removed.into_iter().for_each(|place| self.forget(place));
    }

    /// Removes the transactions that were heard of first until at most `bytes` are left; gives their number.
    pub(super) fn remove_oldest(&mut self, bytes: u64) -> usize {
        let mut ages: Vec<_> = self
            .sets
            .iter()
            .map(|(tx_id, entries)| {
                let places = entries.iter().map(|entry| (entry.received_at, entry.place));
                (places.min(), tx_id.clone())
            })
            .collect();
        ages.sort_unstable();
        let before = self.sets.len();
        for (_, tx_id) in ages {
            if self.bytes <= bytes {
                break;
            }
            self.remove(&tx_id);
        }
        before - self.sets.len()
    }

    fn forget(&mut self, place: Place) {
        self.bytes -= place.length;
        if let Some(sets) = self.by_segment.get_mut(&place.segment) {
            *sets -= 1;
            if *sets == 0 {
                self.by_segment.remove(&place.segment);
            }
        }
    }
}
