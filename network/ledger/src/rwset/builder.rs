//! Building a transaction's read-write sets in Fabric's order (`rwsetutil/rwset_builder.go`): namespaces, keys and
//! collections sorted, hashed entries sorted by the clear key, range queries in the order of the calls.

use std::collections::{BTreeMap, HashSet};

use fabric_protos::kvrwset::{
    HashedRwSet, KvMetadataEntry, KvMetadataWrite, KvMetadataWriteHash, KvRead, KvReadHash, KvWrite,
    KvWriteHash, KvrwSet, RangeQueryInfo,
};
use fabric_protos::rwset::{
    CollectionHashedReadWriteSet, CollectionPvtReadWriteSet, NsPvtReadWriteSet, NsReadWriteSet,
    TxPvtReadWriteSet, TxReadWriteSet,
};
use prost::Message as _;

use super::merkle::{MAX_DEGREE, RangeReads};
use super::sha256;
use crate::Version;

/// Collects what a simulation reads and writes.
#[derive(Debug, Default)]
pub(crate) struct RwSetBuilder {
    public: BTreeMap<String, Public>,
    private: BTreeMap<String, BTreeMap<String, Private>>,
    ranges: Vec<RangeRecord>,
}

#[derive(Debug, Default)]
struct Public {
    reads: BTreeMap<String, KvRead>,
    writes: BTreeMap<String, KvWrite>,
    metadata: BTreeMap<String, KvMetadataWrite>,
    collections: BTreeMap<String, Hashed>,
}

/// By clear key: that is the order of the message, though it holds only hashes.
#[derive(Debug, Default)]
struct Hashed {
    reads: BTreeMap<String, KvReadHash>,
    writes: BTreeMap<String, KvWriteHash>,
    metadata: BTreeMap<String, KvMetadataWriteHash>,
}

#[derive(Debug, Default)]
struct Private {
    writes: BTreeMap<String, KvWrite>,
    metadata: BTreeMap<String, KvMetadataWrite>,
}

/// One range query: what was asked and what was seen.
#[derive(Debug)]
pub(crate) struct RangeRecord {
    namespace: String,
    start: String,
    asked_end: String,
    /// The last key seen, or the end asked for once the range was exhausted.
    end: String,
    exhausted: bool,
    reads: RangeReads,
}

impl RangeRecord {
    pub(crate) fn see(&mut self, key: &str, version: Version) {
        self.reads.add(KvRead {
            key: key.to_owned(),
            version: Some(version.into()),
        });
        key.clone_into(&mut self.end);
    }

    pub(crate) fn exhaust(&mut self) {
        self.exhausted = true;
        self.end.clone_from(&self.asked_end);
    }
}

impl RwSetBuilder {
    pub(crate) fn read(&mut self, namespace: &str, key: &str, version: Option<Version>) {
        let read = KvRead {
            key: key.to_owned(),
            version: version.map(Into::into),
        };
        self.namespace(namespace).reads.insert(key.to_owned(), read);
    }

    pub(crate) fn write(&mut self, namespace: &str, key: &str, value: Vec<u8>) {
        self.namespace(namespace)
            .writes
            .insert(key.to_owned(), kv_write(key, value));
    }

    pub(crate) fn metadata(&mut self, namespace: &str, key: &str, metadata: BTreeMap<String, Vec<u8>>) {
        let write = KvMetadataWrite {
            key: key.to_owned(),
            entries: entries(metadata),
        };
        self.namespace(namespace).metadata.insert(key.to_owned(), write);
    }

    pub(crate) fn hashed_read(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
        version: Option<Version>,
    ) {
        let read = KvReadHash {
            key_hash: sha256(key.as_bytes()).to_vec(),
            version: version.map(Into::into),
        };
        self.hashed(namespace, collection)
            .reads
            .insert(key.to_owned(), read);
    }

    pub(crate) fn private_write(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
        value: Vec<u8>,
        is_purge: bool,
    ) {
        let write = kv_write(key, value);
        let hashed = KvWriteHash {
            key_hash: sha256(key.as_bytes()).to_vec(),
            is_delete: write.is_delete,
            value_hash: if write.is_delete {
                Vec::new()
            } else {
                sha256(&write.value).to_vec()
            },
            is_purge,
        };
        self.private(namespace, collection)
            .writes
            .insert(key.to_owned(), write);
        self.hashed(namespace, collection)
            .writes
            .insert(key.to_owned(), hashed);
    }

    /// The private set names the key without the metadata: committers have to know whose version moves.
    pub(crate) fn private_metadata(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
        metadata: BTreeMap<String, Vec<u8>>,
    ) {
        let write = KvMetadataWrite {
            key: key.to_owned(),
            entries: Vec::new(),
        };
        let hashed = KvMetadataWriteHash {
            key_hash: sha256(key.as_bytes()).to_vec(),
            entries: entries(metadata),
        };
        self.private(namespace, collection)
            .metadata
            .insert(key.to_owned(), write);
        self.hashed(namespace, collection)
            .metadata
            .insert(key.to_owned(), hashed);
    }

    /// Begins to record a range query; the result names it in [`range`](Self::range).
    pub(crate) fn open_range(&mut self, namespace: &str, start: &str, end: &str) -> usize {
        self.ranges.push(RangeRecord {
            namespace: namespace.to_owned(),
            start: start.to_owned(),
            asked_end: end.to_owned(),
            end: String::new(),
            exhausted: false,
            reads: RangeReads::new(MAX_DEGREE),
        });
        self.ranges.len() - 1
    }

    pub(crate) fn range(&mut self, record: usize) -> Option<&mut RangeRecord> {
        self.ranges.get_mut(record)
    }

    /// The finished public and private sets.
    pub(crate) fn finish(mut self) -> (TxReadWriteSet, Option<TxPvtReadWriteSet>) {
        let mut range_infos = self.finish_ranges();
        let mut hashes = BTreeMap::new();
        let mut private = TxPvtReadWriteSet::default();
        for (namespace, collections) in self.private {
            let mut sets = Vec::new();
            for (collection_name, written) in collections {
                let rwset = written.encode();
                hashes.insert(
                    (namespace.clone(), collection_name.clone()),
                    sha256(&rwset).to_vec(),
                );
                sets.push(CollectionPvtReadWriteSet {
                    collection_name,
                    rwset,
                });
            }
            private.ns_pvt_rwset.push(NsPvtReadWriteSet {
                namespace,
                collection_pvt_rwset: sets,
            });
        }
        let mut public = TxReadWriteSet::default();
        for (namespace, set) in self.public {
            let rwset = KvrwSet {
                reads: set.reads.into_values().collect(),
                range_queries_info: range_infos.remove(&namespace).unwrap_or_default(),
                writes: set.writes.into_values().collect(),
                metadata_writes: set.metadata.into_values().collect(),
            };
            let collections = set.collections.into_iter().map(|(collection_name, hashed)| {
                let pvt_rwset_hash = hashes
                    .remove(&(namespace.clone(), collection_name.clone()))
                    .unwrap_or_default();
                CollectionHashedReadWriteSet {
                    collection_name,
                    hashed_rwset: hashed.encode(),
                    pvt_rwset_hash,
                }
            });
            let collection_hashed_rwset = collections.collect();
            public.ns_rwset.push(NsReadWriteSet {
                namespace,
                rwset: rwset.encode_to_vec(),
                collection_hashed_rwset,
            });
        }
        (public, (!private.ns_pvt_rwset.is_empty()).then_some(private))
    }

    /// Range queries per namespace in the order of the calls; the first of equal ones stands for all.
    fn finish_ranges(&mut self) -> BTreeMap<String, Vec<RangeQueryInfo>> {
        let mut infos: BTreeMap<String, Vec<RangeQueryInfo>> = BTreeMap::new();
        let mut seen = HashSet::new();
        for record in std::mem::take(&mut self.ranges) {
            self.namespace(&record.namespace);
            let key = (
                record.namespace.clone(),
                record.start.clone(),
                record.end.clone(),
                record.exhausted,
            );
            if !seen.insert(key) {
                continue;
            }
            let info = RangeQueryInfo {
                start_key: record.start,
                end_key: record.end,
                itr_exhausted: record.exhausted,
                reads_info: record.reads.finish(),
            };
            infos.entry(record.namespace).or_default().push(info);
        }
        infos
    }

    fn namespace(&mut self, namespace: &str) -> &mut Public {
        if !self.public.contains_key(namespace) {
            self.public.insert(namespace.to_owned(), Public::default());
        }
        self.public.get_mut(namespace).expect("inserted above")
    }

    fn hashed(&mut self, namespace: &str, collection: &str) -> &mut Hashed {
        self.namespace(namespace)
            .collections
            .entry(collection.to_owned())
            .or_default()
    }

    fn private(&mut self, namespace: &str, collection: &str) -> &mut Private {
        self.private
            .entry(namespace.to_owned())
            .or_default()
            .entry(collection.to_owned())
            .or_default()
    }
}

impl Hashed {
    fn encode(self) -> Vec<u8> {
        HashedRwSet {
            hashed_reads: self.reads.into_values().collect(),
            hashed_writes: self.writes.into_values().collect(),
            metadata_writes: self.metadata.into_values().collect(),
        }
        .encode_to_vec()
    }
}

impl Private {
    fn encode(self) -> Vec<u8> {
        KvrwSet {
            writes: self.writes.into_values().collect(),
            metadata_writes: self.metadata.into_values().collect(),
            ..KvrwSet::default()
        }
        .encode_to_vec()
    }
}

fn kv_write(key: &str, value: Vec<u8>) -> KvWrite {
    KvWrite {
        key: key.to_owned(),
        is_delete: value.is_empty(),
        value,
    }
}

fn entries(metadata: BTreeMap<String, Vec<u8>>) -> Vec<KvMetadataEntry> {
    metadata
        .into_iter()
        .map(|(name, value)| KvMetadataEntry { name, value })
        .collect()
}
