//! The private values of a block, before it is committed (`gossip/privdata/pvtdataprovider.go` of Fabric).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fabric_ledger::{LedgerError, ParsedTx, TxRwSet};
use fabric_msp::Identity;
use fabric_protos::rwset::{CollectionPvtReadWriteSet, NsPvtReadWriteSet, TxPvtReadWriteSet};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::{PrivateDataNetwork, Pull, keeps, may_have};
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
            if keeps(channel, namespace, collection, own, &state)? {
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

/// Who asks, and how long one peer may take to answer.
pub(crate) struct Asking<'a> {
    pub(crate) channel: &'a Channel,
    pub(crate) own: &'a Identity,
    pub(crate) network: &'a dyn PrivateDataNetwork,
    pub(crate) patience: Duration,
}

/// Asks one eligible peer after the other for what is still wanted of `block`, once, until nothing is. `accept` gets
/// the answers for a transaction and what of it is wanted: it takes what it can use and removes it from there, so
/// what one peer lacks, or answers wrongly, is asked from the next. `tx_ids` by index in the block.
pub(crate) async fn pull(
    asking: Asking<'_>,
    block: u64,
    tx_ids: &BTreeMap<u64, String>,
    wanted: &mut Wanted,
    mut accept: impl FnMut(u64, TxPvtReadWriteSet, &mut BTreeSet<(String, String)>) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    let Asking {
        channel,
        own,
        network,
        patience,
    } = asking;
    for member in network.members(channel.id()) {
        if wanted.is_empty() {
            break;
        }
        if member.identity == own.serialized() {
            continue;
        }
        let Ok(identity) = channel.bundle().msps().valid_identity(&member.identity) else {
            continue;
        };
        for (index, missing) in wanted.iter_mut() {
            let mut collections = Vec::new();
            for (namespace, collection) in missing.iter() {
                let state = channel.ledger().query();
                if may_have(channel, namespace, collection, &identity, &state)? {
                    collections.push((namespace.clone(), collection.clone()));
                }
            }
            let Some(tx_id) = tx_ids.get(index).filter(|_| !collections.is_empty()) else {
                continue;
            };
            let pull = Pull {
                channel_id: channel.id().to_owned(),
                tx_id: tx_id.clone(),
                block,
                index: *index,
                collections,
                requester: own.serialized().to_vec(),
            };
            match timeout(patience, network.pull(&member.address, pull)).await {
                Ok(Ok(answer)) => accept(*index, answer, missing)?,
                Ok(Err(error)) => {
                    tracing::debug!(channel = channel.id(), %error, "no private data from there")
                }
                Err(_) => {
                    tracing::warn!(
                        channel = channel.id(),
                        peer = member.address,
                        ?patience,
                        "no answer in time"
                    );
                    // It will not be faster with the next transaction.
                    break;
                }
            }
        }
        wanted.retain(|_, missing| !missing.is_empty());
    }
    Ok(())
}

/// Moves what is wanted, and has the hash that the block speaks of, from `source` to `set`.
pub(crate) fn take(
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

/// Adds a collection's values to a set.
pub(crate) fn insert(set: &mut TxPvtReadWriteSet, namespace: &str, collection: CollectionPvtReadWriteSet) {
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
