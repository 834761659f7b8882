//! The public and hashed updates of one block, and the commit hash over them.

use std::collections::BTreeMap;
use std::ops::Bound;

use prost::Message as _;
use prost::encoding::encode_varint;
use sha2::{Digest as _, Sha256};

use crate::Version;

/// The last word of a block on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update {
    /// `None` deletes.
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) metadata: Vec<u8>,
    pub(crate) version: Version,
}

/// Updates in one namespace.
#[derive(Debug, Default)]
pub(crate) struct NamespaceUpdates {
    pub(crate) public: BTreeMap<String, Update>,
    /// By collection and key hash.
    pub(crate) hashed: BTreeMap<String, BTreeMap<Vec<u8>, Update>>,
}

/// Updates of one block so far.
#[derive(Debug, Default)]
pub(crate) struct Updates(pub(crate) BTreeMap<String, NamespaceUpdates>);

impl Updates {
    pub(crate) fn public(&self, namespace: &str, key: &str) -> Option<&Update> {
        self.0.get(namespace)?.public.get(key)
    }

    pub(crate) fn hashed(&self, namespace: &str, collection: &str, key_hash: &[u8]) -> Option<&Update> {
        self.0.get(namespace)?.hashed.get(collection)?.get(key_hash)
    }

    /// Public updates from `start` up to and without `end`; an empty `end` is the namespace's.
    pub(crate) fn range<'u>(
        &'u self,
        namespace: &str,
        start: &str,
        end: &str,
    ) -> impl Iterator<Item = (&'u String, &'u Update)> + use<'u> {
        let last = if end.is_empty() {
            Bound::Unbounded
        } else {
            Bound::Excluded(end)
        };
        let empty = !end.is_empty() && start >= end;
        let found = self.0.get(namespace).filter(|_| !empty);
        let range = found.map(|updates| updates.public.range::<str, _>((Bound::Included(start), last)));
        range.into_iter().flatten()
    }

    pub(crate) fn put_public(&mut self, namespace: &str, key: &str, update: Update) {
        self.namespace(namespace).public.insert(key.to_owned(), update);
    }

    pub(crate) fn put_hashed(&mut self, namespace: &str, collection: &str, key_hash: &[u8], update: Update) {
        let collections = &mut self.namespace(namespace).hashed;
        collections
            .entry(collection.to_owned())
            .or_default()
            .insert(key_hash.to_vec(), update);
    }

    /// Fabric's deterministic bytes of the updates (`txmgr/update_batch_bytes.go`). The empty namespace, where Fabric
    /// keeps the channel configuration, is left out.
    fn to_bytes(&self) -> Vec<u8> {
        let mut writes = Vec::new();
        for (namespace, updates) in self.0.iter().filter(|(namespace, _)| !namespace.is_empty()) {
            let first = writes.len();
            writes.extend(
                updates
                    .public
                    .iter()
                    .map(|(key, update)| KvWrite::new(key.as_bytes(), update)),
            );
            for (collection, hashed) in &updates.hashed {
                let first = writes.len();
                writes.extend(hashed.iter().map(|(hash, update)| KvWrite::new(hash, update)));
                if let Some(write) = writes.get_mut(first) {
                    write.collection.clone_from(collection);
                }
            }
            if let Some(write) = writes.get_mut(first) {
                write.namespace.clone_from(namespace);
            }
        }
        UpdatesMessage { writes }.encode_to_vec()
    }

    fn namespace(&mut self, namespace: &str) -> &mut NamespaceUpdates {
        if !self.0.contains_key(namespace) {
            self.0.insert(namespace.to_owned(), NamespaceUpdates::default());
        }
        self.0.get_mut(namespace).expect("inserted above")
    }
}

/// The commit hash of a block: SHA-256 over the validation codes (with their number as a varint), the updates and the
/// previous block's commit hash (`kv_ledger.go`, `addBlockCommitHash`).
pub(crate) fn commit_hash(codes: &[u8], updates: &Updates, previous: &[u8]) -> [u8; 32] {
    let mut head = Vec::with_capacity(10 + codes.len());
    encode_varint(codes.len() as u64, &mut head);
    head.extend_from_slice(codes);
    let hash = Sha256::new()
        .chain_update(head)
        .chain_update(updates.to_bytes())
        .chain_update(previous);
    hash.finalize().into()
}

/// `txmgr.KVWrite` of Fabric's `updates.proto`.
#[derive(Clone, PartialEq, prost::Message)]
struct KvWrite {
    #[prost(string, tag = "1")]
    namespace: String,
    #[prost(string, tag = "2")]
    collection: String,
    #[prost(bytes = "vec", tag = "3")]
    key: Vec<u8>,
    #[prost(bool, tag = "4")]
    is_delete: bool,
    #[prost(bytes = "vec", tag = "5")]
    value: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    version_bytes: Vec<u8>,
}

/// `txmgr.Updates` of Fabric's `updates.proto`.
#[derive(Clone, PartialEq, prost::Message)]
struct UpdatesMessage {
    #[prost(message, repeated, tag = "1")]
    writes: Vec<KvWrite>,
}

impl KvWrite {
    fn new(key: &[u8], update: &Update) -> Self {
        Self {
            namespace: String::new(),
            collection: String::new(),
            key: key.to_vec(),
            is_delete: update.value.is_none(),
            value: update.value.clone().unwrap_or_default(),
            version_bytes: update.version.to_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(value: Option<&[u8]>, tx: u64) -> Update {
        Update {
            value: value.map(<[u8]>::to_vec),
            metadata: Vec::new(),
            version: Version::new(2, tx),
        }
    }

    fn sample() -> Updates {
        let mut updates = Updates::default();
        updates.put_public("", "CHANNEL_CONFIG_ENV_BYTES", update(Some(b"config"), 0));
        updates.put_public("b", "k2", update(Some(b"v"), 1));
        updates.put_hashed("b", "coll", &[7], update(None, 1));
        updates.put_hashed("a", "c2", &[9], update(Some(b"h"), 0));
        updates.put_public("b", "k1", update(None, 2));
        updates
    }

    /// The bytes written out by hand from the protobuf encoding rules.
    #[test]
    fn bytes_name_namespace_and_collection_once() {
        let expected: Vec<u8> = [
            // namespace a: its only collection's first entry carries both names
            &[
                0x0a, 0x15, 0x0a, 1, b'a', 0x12, 2, b'c', b'2', 0x1a, 1, 9, 0x2a, 1, b'h', 0x32, 3, 1, 2, 0,
            ][..],
            &[],
        ]
        .concat();
        let bytes = sample().to_bytes();
        // a: lengths 3 + 4 + 3 + 3 + 5 = 18 = 0x12
        assert_eq!(bytes[1], 0x12);
        assert_eq!(bytes[2..20], expected[2..20]);
        let b = [
            // public k1, deleted by tx 2, carries the namespace; is_delete = 1
            &[
                0x0a, 0x0f, 0x0a, 1, b'b', 0x1a, 2, b'k', b'1', 0x20, 1, 0x32, 4, 1, 2, 1, 2,
            ][..],
            // public k2
            &[
                0x0a, 0x0d, 0x1a, 2, b'k', b'2', 0x2a, 1, b'v', 0x32, 4, 1, 2, 1, 1,
            ],
            // collection entry
            &[
                0x0a, 0x11, 0x12, 4, b'c', b'o', b'l', b'l', 0x1a, 1, 7, 0x20, 1, 0x32, 4, 1, 2, 1, 1,
            ],
        ]
        .concat();
        assert_eq!(bytes[20..], b);
    }

    #[test]
    fn the_hash_is_over_codes_updates_and_the_previous_hash() {
        let updates = sample();
        let mut bytes = vec![3, 0, 11, 0];
        bytes.extend_from_slice(&updates.to_bytes());
        bytes.extend_from_slice(&[5; 32]);
        assert_eq!(
            commit_hash(&[0, 11, 0], &updates, &[5; 32])[..],
            Sha256::digest(&bytes)[..]
        );
        assert_eq!(
            commit_hash(&[0], &Updates::default(), &[])[..],
            Sha256::digest([1, 0])[..]
        );
    }

    #[test]
    fn ranges_take_the_start_and_leave_the_end() {
        let updates = sample();
        let keys = |start, end| {
            updates
                .range("b", start, end)
                .map(|(key, _)| key.as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(keys("", ""), ["k1", "k2"]);
        assert_eq!(keys("k1", "k2"), ["k1"]);
        assert_eq!(keys("k2", "k1"), [""; 0]);
    }
}
