//! A peer's ledger against the model.

use std::collections::{BTreeMap, BTreeSet};

use fabric_ledger::{Ledger, LedgerError, QueryExecutor, VersionedValue};

use super::wire::Signers;
use super::{Change, Entry, Model, Org, PrivateKey, Transaction, Version, hash};

/// Everything that the ledger of a peer of `org` says, against the model.
///
/// # Panics
/// With the first difference.
pub fn compare(model: &Model, ledger: &Ledger, org: Org, signers: &Signers) {
    assert_eq!(ledger.height(), model.height, "height");
    let query = ledger.query();
    for chaincode in model.setting.chaincodes.keys() {
        let found: BTreeMap<_, _> = query
            .range(chaincode, "", "")
            .map(|entry| entry.expect("reads"))
            .map(|entry| entry.key)
            .map(|key| {
                let versioned = query
                    .versioned(chaincode, &key)
                    .expect("reads")
                    .expect("it is in the range");
                (key, plain(&versioned))
            })
            .collect();
        let expected: BTreeMap<_, _> = model
            .state
            .range(chaincode, "", "", false)
            .map(|(key, entry)| (key.clone(), expected(entry, signers)))
            .collect();
        assert_eq!(
            found, expected,
            "public state of {chaincode} at height {}",
            model.height
        );
    }
    for key in private_keys(model) {
        compare_private(model, &key, &query, org, signers);
    }
}

/// What a block's transactions wrote, or would have, on the ledger of a peer of `org`, against the model.
///
/// # Panics
/// With the first difference.
pub fn compare_written(model: &Model, block: &[Transaction], ledger: &Ledger, org: Org, signers: &Signers) {
    assert_eq!(ledger.height(), model.height, "height");
    let query = ledger.query();
    let mut private = BTreeSet::new();
    for (namespace, set) in block.iter().flat_map(|transaction| &transaction.sets) {
        for key in set.writes.keys().chain(set.rules.keys()) {
            let found = query.versioned(namespace, key).expect("reads");
            let entry = model.state.public.get(&(namespace.clone(), key.clone()));
            assert_eq!(
                found.as_ref().map(plain),
                entry.map(|entry| expected(entry, signers)),
                "{namespace}/{key} at height {}",
                model.height
            );
        }
        for (collection, set) in &set.private {
            let keys = set.writes.keys().chain(set.rules.keys());
            private.extend(keys.map(|key| (namespace.clone(), collection.clone(), key.clone())));
        }
    }
    for key in private {
        compare_private(model, &key, &query, org, signers);
    }
}

/// The changes of every key that the model knows.
///
/// # Panics
/// With the first difference.
pub fn compare_history(model: &Model, ledger: &Ledger) {
    for ((namespace, key), changes) in &model.history {
        let found: Vec<_> = ledger
            .query()
            .history(namespace, key)
            .map(|change| change.expect("reads"))
            .map(|change| Change {
                id: change.tx_id,
                value: (!change.is_delete).then_some(change.value),
            })
            .collect();
        let expected: Vec<_> = changes
            .iter()
            .rev()
            .map(|change| Change {
                id: change.id.clone(),
                value: change.value.clone().filter(|value| !value.is_empty()),
            })
            .collect();
        assert_eq!(found, expected, "history of {namespace}/{key}");
    }
}

type Plain = (Vec<u8>, Version, Option<Vec<u8>>);

fn plain(found: &VersionedValue) -> Plain {
    let rule = found.metadata().expect("decodes").remove("VALIDATION_PARAMETER");
    (found.value.clone(), (found.version.block, found.version.tx), rule)
}

fn expected(entry: &Entry, signers: &Signers) -> Plain {
    (
        entry.value.clone(),
        entry.version,
        entry.rule.as_ref().map(|rule| signers.policy(rule)),
    )
}

fn compare_private(model: &Model, key: &PrivateKey, query: &QueryExecutor, org: Org, signers: &Signers) {
    let state = &model.state;
    let (namespace, collection, name) = key;
    let member = model.setting.chaincodes[namespace][collection]
        .members
        .contains(&org);
    let key_hash = hash(name.as_bytes());
    let hashed = state
        .hashed
        .get(&(namespace.clone(), collection.clone(), key_hash));
    let found = query
        .versioned_hash(namespace, collection, &key_hash)
        .expect("reads");
    assert_eq!(
        found.as_ref().map(plain),
        hashed.map(|entry| expected(entry, signers)),
        "hash of {namespace}/{collection}/{name}"
    );
    let own = state.private.get(key).filter(|_| member);
    let matches = own.map(|(_, version)| *version) == hashed.map(|entry| entry.version);
    match query.versioned_private(namespace, collection, name) {
        Ok(found) => {
            assert!(
                matches,
                "{namespace}/{collection}/{name} is served though it is not what the chain has"
            );
            let found = found.map(|found| (found.value, (found.version.block, found.version.tx)));
            assert_eq!(found.as_ref(), own, "value of {namespace}/{collection}/{name}");
        }
        Err(LedgerError::PrivateVersionMismatch { .. }) => {
            assert!(
                !matches,
                "{namespace}/{collection}/{name} is refused though it is what the chain has"
            );
        }
        Err(error) => panic!("{namespace}/{collection}/{name}: {error}"),
    }
}

/// All private keys that a program may name.
fn private_keys(model: &Model) -> BTreeSet<PrivateKey> {
    let mut keys = BTreeSet::new();
    for (chaincode, collections) in &model.setting.chaincodes {
        for collection in collections.keys() {
            keys.extend(
                (0..super::generate::KEYS)
                    .map(|key| (chaincode.clone(), collection.clone(), format!("k{key:02}"))),
            );
        }
    }
    keys
}
