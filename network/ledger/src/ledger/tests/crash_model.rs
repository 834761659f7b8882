//! What a ledger has to show, worked out from its blocks by plain maps.

use std::collections::{BTreeMap, BTreeSet};

use fabric_protos::common::Block;
use fabric_protos::kvrwset::KvrwSet;
use fabric_protos::rwset::TxPvtReadWriteSet;
use prost::Message as _;

use crate::rwset::sha256;
use crate::testing::*;
use crate::{Ledger, LedgerError, ParsedTx, Version, validation_codes};

/// The collections of the test, and how many blocks their data lives.
pub(super) const COLLECTIONS: [(&str, u64); 3] = [(COLL, 0), ("short", 1), ("long", 3)];

type Puts = BTreeMap<String, Vec<u8>>;

/// Private data that was made, by transaction id: what the clients know.
pub(super) type Secrets = BTreeMap<String, TxPvtReadWriteSet>;

/// Who wrote a key, and what; nothing for a delete.
type Modification = (Version, Option<Vec<u8>>);

#[derive(Debug, Default)]
struct Model {
    public: BTreeMap<String, (Vec<u8>, Version)>,
    history: BTreeMap<String, Vec<Modification>>,
    /// Collection and key hash → hash of the value, and who wrote it.
    hashed: BTreeMap<(String, Vec<u8>), (Vec<u8>, Version)>,
    /// Collection and key hash → the last purge.
    purged: BTreeMap<(String, Vec<u8>), Version>,
    /// Transaction and collection → the puts that were made, by key.
    written: BTreeMap<(Version, String), Puts>,
    ids: BTreeMap<String, (u64, u32, u8)>,
}

/// Compares everything that the ledger shows with what its blocks say. Returns the private data that it lists as missing.
pub(super) fn check(ledger: &Ledger, secrets: &Secrets, what: &str) -> BTreeSet<(Version, String)> {
    let mut model = Model::default();
    let mut previous: Option<Vec<u8>> = None;
    for (number, block) in ledger.iter_from(0).enumerate() {
        let block = block.unwrap_or_else(|error| panic!("{what}: block {number}: {error}"));
        let header = block.header.as_ref().expect("header");
        assert_eq!(header.number, number as u64, "{what}");
        if let Some(previous) = previous {
            assert_eq!(
                header.previous_hash, previous,
                "{what}: block {number} continues the chain"
            );
        }
        let data = block.data.as_ref().expect("data");
        assert_eq!(
            header.data_hash,
            crate::block_data_hash(data),
            "{what}: block {number}"
        );
        previous = Some(crate::block_header_hash(header).to_vec());
        model.apply(&block, secrets);
    }
    assert_eq!(Some(ledger.last_hash()), previous, "{what}");
    model.compare_public(ledger, what);
    model.compare_private(ledger, what)
}

impl Model {
    fn apply(&mut self, block: &Block, secrets: &Secrets) {
        let number = block.header.as_ref().expect("header").number;
        self.expire(number);
        let envelopes = &block.data.as_ref().expect("data").data;
        for (index, (envelope, code)) in envelopes.iter().zip(validation_codes(block)).enumerate() {
            let tx = ParsedTx::from_envelope(envelope);
            if !tx.tx_id.is_empty() {
                let place = (number, index as u32, *code);
                self.ids.entry(tx.tx_id.clone()).or_insert(place);
            }
            let Some(rwset) = tx.rwset.filter(|_| *code == VALID) else {
                continue;
            };
            let version = Version::new(number, index as u64);
            for set in &rwset.namespaces {
                for write in set.rwset.writes.clone() {
                    let value = (!write.is_delete).then_some(write.value);
                    let history = self.history.entry(write.key.clone()).or_default();
                    history.push((version, value.clone()));
                    match value {
                        Some(value) => self.public.insert(write.key, (value, version)),
                        None => self.public.remove(&write.key),
                    };
                }
                for collection in &set.collections {
                    for write in collection.hashed.hashed_writes.clone() {
                        let key = (collection.collection.clone(), write.key_hash);
                        if write.is_purge {
                            self.purged.insert(key.clone(), version);
                        }
                        if write.is_delete || write.is_purge {
                            self.hashed.remove(&key);
                        } else {
                            self.hashed.insert(key, (write.value_hash, version));
                        }
                    }
                }
            }
            if let Some(secret) = secrets.get(&tx.tx_id) {
                for (collection, puts) in puts(secret) {
                    self.written.insert((version, collection), puts);
                }
            }
        }
    }

    /// Data of a collection goes with the block behind its last.
    fn expire(&mut self, number: u64) {
        for (collection, live) in COLLECTIONS.iter().filter(|(_, live)| *live > 0) {
            self.hashed
                .retain(|(name, _), (_, version)| name != collection || version.block + live + 1 > number);
        }
    }

    fn compare_public(&self, ledger: &Ledger, what: &str) {
        let query = ledger.query();
        let state: BTreeMap<String, (Vec<u8>, Version)> = query
            .range(NS, "", "")
            .map(|found| {
                let found = found.unwrap_or_else(|error| panic!("{what}: {error}"));
                let version = query.versioned(NS, &found.key).expect("reads");
                (found.key, (found.value, version.expect("is there").version))
            })
            .collect();
        assert_eq!(state, self.public, "{what}: state");
        for (key, expected) in &self.history {
            let history: Vec<_> = query
                .history(NS, key)
                .map(|found| {
                    let found = found.unwrap_or_else(|error| panic!("{what}: {error}"));
                    let place = ledger.transaction_status(&found.tx_id).expect("reads");
                    let (block, index, _) = place.expect("is there");
                    (
                        Version::new(block, index.into()),
                        (!found.is_delete).then_some(found.value),
                    )
                })
                .collect();
            let expected: Vec<_> = expected.iter().rev().cloned().collect();
            assert_eq!(history, expected, "{what}: history of {key}");
        }
        for (id, place) in &self.ids {
            let found = ledger.transaction_status(id).expect("reads");
            assert_eq!(found, Some(*place), "{what}: transaction {id}");
        }
    }

    fn compare_private(&self, ledger: &Ledger, what: &str) -> BTreeSet<(Version, String)> {
        let height = ledger.height();
        let missing: BTreeSet<(Version, String)> = ledger
            .missing_private_data(None, usize::MAX)
            .unwrap_or_else(|error| panic!("{what}: {error}"))
            .into_iter()
            .map(|missing| (Version::new(missing.block, missing.tx), missing.collection))
            .collect();
        let mut held: BTreeMap<(Version, String), Puts> = BTreeMap::new();
        for block in 0..height {
            for tx in ledger
                .private_data(block)
                .unwrap_or_else(|error| panic!("{what}: {error}"))
            {
                for (collection, puts) in puts(&tx.set) {
                    let twice = held.insert((Version::new(block, tx.tx), collection), puts);
                    assert_eq!(twice, None, "{what}: private data of block {block} is there once");
                }
            }
        }
        for ((version, collection), puts) in &self.written {
            let name = (*version, collection.clone());
            if self.expired(version.block, collection, height) {
                assert!(!held.contains_key(&name), "{what}: {name:?} has expired");
                continue;
            }
            let left: Puts = puts
                .iter()
                .filter(|(key, _)| !self.is_purged(collection, key, *version))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            match held.get(&name) {
                Some(found) => assert_eq!(*found, left, "{what}: private data {name:?}"),
                None => assert!(
                    left.is_empty() || missing.contains(&name),
                    "{what}: {name:?} is neither there nor listed as missing"
                ),
            }
        }
        for ((collection, key_hash), (value_hash, version)) in &self.hashed {
            let name = (*version, collection.clone());
            let Some((key, value)) = self.written.get(&name).and_then(|puts| {
                puts.iter()
                    .find(|(key, _)| sha256(key.as_bytes())[..] == key_hash[..])
            }) else {
                continue;
            };
            let found = ledger.query().private_hash(NS, collection, key).expect("reads");
            assert_eq!(
                found.as_ref(),
                Some(value_hash),
                "{what}: hash of {collection} {key}"
            );
            match ledger.query().private(NS, collection, key) {
                Ok(found) => {
                    assert_eq!(found.as_ref(), Some(value), "{what}: {collection} {key}");
                }
                Err(LedgerError::PrivateVersionMismatch { .. }) => assert!(
                    missing.contains(&name),
                    "{what}: {collection} {key} of {version} is neither there nor missing"
                ),
                Err(error) => panic!("{what}: {error}"),
            }
        }
        for (collection, _) in COLLECTIONS {
            for found in ledger
                .query()
                .private_range(NS, collection, "", "")
                .expect("opens")
            {
                let found = found.unwrap_or_else(|error| panic!("{what}: {error}"));
                let hash = (collection.to_owned(), sha256(found.key.as_bytes()).to_vec());
                let expected = self.hashed.get(&hash).map(|(hash, _)| hash.clone());
                let shown = Some(sha256(&found.value).to_vec());
                // Its change is not known here yet: as in Fabric, ranges show what there was before.
                let stale = missing.iter().any(|(_, name)| name == collection);
                assert!(
                    stale || shown == expected,
                    "{what}: {collection} {} shows a value that its hash does not",
                    found.key
                );
            }
        }
        missing
    }

    fn expired(&self, block: u64, collection: &str, height: u64) -> bool {
        COLLECTIONS
            .iter()
            .any(|(name, live)| *name == collection && *live > 0 && block + live + 1 < height)
    }

    fn is_purged(&self, collection: &str, key: &str, version: Version) -> bool {
        let hash = sha256(key.as_bytes()).to_vec();
        self.purged
            .get(&(collection.to_owned(), hash))
            .is_some_and(|purge| *purge >= version)
    }
}

/// The puts of a private set, by collection; collections without one are left out.
fn puts(set: &TxPvtReadWriteSet) -> BTreeMap<String, Puts> {
    let mut found: BTreeMap<String, Puts> = BTreeMap::new();
    for namespace in &set.ns_pvt_rwset {
        for collection in &namespace.collection_pvt_rwset {
            let rwset = KvrwSet::decode(collection.rwset.as_slice()).expect("decodes");
            for write in rwset.writes.into_iter().filter(|write| !write.is_delete) {
                let puts = found.entry(collection.collection_name.clone()).or_default();
                puts.insert(write.key, write.value);
            }
        }
    }
    found
}

/// The collections that a set has data of.
pub(super) fn collections(set: &TxPvtReadWriteSet) -> BTreeSet<String> {
    let collections = set.ns_pvt_rwset.iter().flat_map(|set| &set.collection_pvt_rwset);
    collections
        .map(|collection| collection.collection_name.clone())
        .collect()
}
