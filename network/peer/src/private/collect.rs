//! The private values of a block, before it is committed (`gossip/privdata/pvtdataprovider.go` of Fabric).

use std::collections::{BTreeMap, BTreeSet};

use fabric_ledger::{LedgerError, ParsedTx, TxRwSet};
use fabric_msp::Identity;
use fabric_protos::rwset::{CollectionPvtReadWriteSet, NsPvtReadWriteSet, TxPvtReadWriteSet};
use sha2::{Digest, Sha256};

use super::{PrivateDataNetwork, Pull, may_have};
use crate::Channel;

/// What is still wanted: by transaction, namespace and collection.
pub(crate) type Wanted = BTreeMap<u64, BTreeSet<(String, String)>>;

/// The values of the block's transactions with code 0 that this peer's organisation may have, from its own
/// transient store, and what is still wanted.
pub(crate) fn collect(
    channel: &Channel,
    own: &Identity,
    transactions: &[ParsedTx],
    codes: &[u8],
) -> Result<(BTreeMap<u64, TxPvtReadWriteSet>, Wanted), LedgerError> {
    let mut found = BTreeMap::new();
    let mut wanted = Wanted::new();
    let state = channel.ledger().query();
    for ((index, transaction), code) in (0u64..).zip(transactions).zip(codes) {
        let Some(rwset) = transaction.rwset.as_deref().filter(|_| *code == 0) else {
            continue;
        };
        let mut missing = BTreeSet::new();
        for (namespace, collection) in rwset.private_collections() {
            if may_have(channel, namespace, collection, own, &state)? {
                missing.insert((namespace.to_owned(), collection.to_owned()));
            }
        }
        let mut set = TxPvtReadWriteSet::default();
        if !missing.is_empty() {
            for known in channel.ledger().transient().sets(&transaction.tx_id) {
                take(known, rwset, &mut missing, &mut set);
            }
        }
        if !set.ns_pvt_rwset.is_empty() {
            found.insert(index, set);
        }
        if !missing.is_empty() {
            wanted.insert(index, missing);
        }
    }
    Ok((found, wanted))
}

/// Asks every other peer once for what is still wanted, of a block's number and transactions.
pub(crate) async fn pull(
    channel: &Channel,
    own: &Identity,
    network: &dyn PrivateDataNetwork,
    (block, transactions): (u64, &[ParsedTx]),
    wanted: &mut Wanted,
    found: &mut BTreeMap<u64, TxPvtReadWriteSet>,
) {
    for member in network.members(channel.id()) {
        if member.identity == own.serialized() {
            continue;
        }
        for (index, missing) in wanted.iter_mut() {
            let transaction = usize::try_from(*index)
                .ok()
                .and_then(|index| transactions.get(index));
            let Some((tx_id, Some(rwset))) =
                transaction.map(|transaction| (&transaction.tx_id, transaction.rwset.as_deref()))
            else {
                continue;
            };
            let pull = Pull {
                channel_id: channel.id().to_owned(),
                tx_id: tx_id.clone(),
                block,
                index: *index,
                collections: missing.iter().cloned().collect(),
                requester: own.serialized().to_vec(),
            };
            match network.pull(&member.address, pull).await {
                Ok(answer) => {
                    let mut set = found.remove(index).unwrap_or_default();
                    take(answer, rwset, missing, &mut set);
                    if !set.ns_pvt_rwset.is_empty() {
                        found.insert(*index, set);
                    }
                }
                Err(error) => tracing::debug!(channel = channel.id(), %error, "no private data from there"),
            }
        }
        wanted.retain(|_, missing| !missing.is_empty());
        if wanted.is_empty() {
            return;
        }
    }
}

/// Moves what is wanted, and has the hash that the block speaks of, from `source` to `set`.
fn take(
    source: TxPvtReadWriteSet,
    rwset: &TxRwSet,
    missing: &mut BTreeSet<(String, String)>,
    set: &mut TxPvtReadWriteSet,
) {
    for namespace in source.ns_pvt_rwset {
        for collection in namespace.collection_pvt_rwset {
            let hash = rwset.pvt_rwset_hash(&namespace.namespace, &collection.collection_name);
            if hash != Some(&Sha256::digest(&collection.rwset)[..]) {
                continue;
            }
            let name = (namespace.namespace.clone(), collection.collection_name.clone());
            if missing.remove(&name) {
                insert(set, &name.0, collection);
            }
        }
    }
}

fn insert(set: &mut TxPvtReadWriteSet, namespace: &str, collection: CollectionPvtReadWriteSet) {
    match set
        .ns_pvt_rwset
        .iter_mut()
        .find(|found| found.namespace == namespace)
    {
        Some(found) => found.collection_pvt_rwset.push(collection),
        None => set.ns_pvt_rwset.push(NsPvtReadWriteSet {
            namespace: namespace.to_owned(),
            collection_pvt_rwset: vec![collection],
        }),
    }
}
