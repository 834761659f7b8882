//! What a simulated transaction did, for assertions.

use std::collections::BTreeMap;

use fabric_contract_core::Response;
use fabric_ledger::TxRwSet;
use fabric_protos::kvrwset::KvrwSet;
use fabric_protos::rwset::TxPvtReadWriteSet;
use prost::Message as _;

/// A chaincode event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// What a simulated transaction did, committed or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulation {
    /// The transaction's id.
    pub tx_id: String,
    /// The organisation on whose ledger it ran.
    pub organisation: String,
    /// What the chaincode answered.
    pub response: Response,
    /// The public read-write set: what the block shows.
    pub rwset: TxRwSet,
    /// The same as bytes (`rwset.TxReadWriteSet`).
    pub results: Vec<u8>,
    /// The private values that it writes.
    pub private: Option<TxPvtReadWriteSet>,
    /// Its event.
    pub event: Option<Event>,
    /// The ledger calls in their order, such as `private_get care_A` or `private_gets 12 care_A`, without keys.
    pub calls: Vec<String>,
}

/// How often a transaction touched one namespace or collection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Keys read (in a collection: their hashes).
    pub reads: usize,
    /// Range queries; private ones leave no trace.
    pub range_queries: usize,
    /// Keys written, without deletions.
    pub writes: usize,
    /// Keys deleted or purged.
    pub deletes: usize,
    /// Keys whose metadata (endorsement policy) was written.
    pub metadata_writes: usize,
    /// Lengths of the written values in bytes, smallest first.
    pub value_lengths: Vec<usize>,
}

impl Simulation {
    /// What an observer can count, by namespace and collection (empty: public state). Two transactions of the same shape cannot be told
    /// apart by it.
    #[must_use]
    pub fn shape(&self) -> BTreeMap<(String, String), Counts> {
        let mut shape = BTreeMap::new();
        for namespace in &self.rwset.namespaces {
            let name = &namespace.namespace;
            if namespace.rwset != KvrwSet::default() {
                shape.insert((name.clone(), String::new()), public(&namespace.rwset));
            }
            for collection in &namespace.collections {
                let hashed = &collection.hashed;
                let deletes = hashed
                    .hashed_writes
                    .iter()
                    .filter(|write| write.is_delete || write.is_purge)
                    .count();
                let counts = Counts {
                    reads: hashed.hashed_reads.len(),
                    range_queries: 0,
                    writes: hashed.hashed_writes.len() - deletes,
                    deletes,
                    metadata_writes: hashed.metadata_writes.len(),
                    value_lengths: self.private_lengths(name, &collection.collection),
                };
                shape.insert((name.clone(), collection.collection.clone()), counts);
            }
        }
        shape
    }

    /// The counts of one collection (empty: public state) of a namespace; all zero where it was not touched.
    #[must_use]
    pub fn counts(&self, namespace: &str, collection: &str) -> Counts {
        self.shape()
            .remove(&(namespace.to_owned(), collection.to_owned()))
            .unwrap_or_default()
    }

    /// The public keys that it writes, of all namespaces, in the block's order.
    pub fn public_keys_written(&self) -> impl Iterator<Item = &str> {
        self.rwset
            .namespaces
            .iter()
            .flat_map(|set| &set.rwset.writes)
            .map(|write| write.key.as_str())
    }

    fn private_lengths(&self, namespace: &str, collection: &str) -> Vec<usize> {
        let sets = self
            .private
            .iter()
            .flat_map(|set| &set.ns_pvt_rwset)
            .filter(|set| set.namespace == namespace);
        let sets = sets
            .flat_map(|set| &set.collection_pvt_rwset)
            .filter(|set| set.collection_name == collection);
        lengths(sets.filter_map(|set| KvrwSet::decode(set.rwset.as_slice()).ok()))
    }
}

fn public(set: &KvrwSet) -> Counts {
    let deletes = set.writes.iter().filter(|write| write.value.is_empty()).count();
    Counts {
        reads: set.reads.len(),
        range_queries: set.range_queries_info.len(),
        writes: set.writes.len() - deletes,
        deletes,
        metadata_writes: set.metadata_writes.len(),
        value_lengths: lengths([set.clone()]),
    }
}

fn lengths(sets: impl IntoIterator<Item = KvrwSet>) -> Vec<usize> {
    let writes = sets.into_iter().flat_map(|set| set.writes);
    let mut lengths: Vec<_> = writes
        .map(|write| write.value.len())
        .filter(|length| *length > 0)
        .collect();
    lengths.sort_unstable();
    lengths
}
