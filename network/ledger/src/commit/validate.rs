//! The checks that depend on the order of transactions (`validation/{validator,batch_preparer}.go` of Fabric).

use fabric_protos::kvrwset::{KvRead, KvReadHash};
use fabric_protos::peer::TxValidationCode;

use super::{Updates, View, check_key_length, ops, ranges};
use crate::rwset::{ParsedTx, TxKind, TxRwSet};
use crate::{LedgerError, Version};

/// Checks every transaction that is valid so far against the state and the valid ones before it, writes the code of each
/// failure into `codes`, and gives the updates of those that remain.
pub(crate) fn validate(
    number: u64,
    txs: &[ParsedTx],
    codes: &mut [u8],
    view: &mut View,
) -> Result<Updates, LedgerError> {
    let mut updates = Updates::default();
    for (index, (tx, code)) in txs.iter().zip(codes).enumerate() {
        if *code != VALID || tx.kind != TxKind::Endorser {
            continue;
        }
        let result = match &tx.rwset {
            None => Err(TxValidationCode::InvalidOtherReason),
            Some(rwset) if !keys_fit(rwset) => Err(TxValidationCode::InvalidWriteset),
            Some(rwset) => check(rwset, &updates, view)?.map(|()| rwset),
        };
        match result {
            Ok(rwset) => ops::apply(rwset, Version::new(number, index as u64), &mut updates, view)?,
            Err(reason) => {
                *code = reason as i32 as u8;
                tracing::debug!(block = number, index, tx_id = %tx.tx_id, code = reason.as_str_name(), "invalid");
            }
        }
    }
    Ok(updates)
}

/// The updates of a block whose codes are final.
pub(crate) fn apply_valid(
    number: u64,
    txs: &[ParsedTx],
    codes: &[u8],
    view: &mut View,
) -> Result<Updates, LedgerError> {
    let mut updates = Updates::default();
    for (index, (tx, code)) in txs.iter().zip(codes).enumerate() {
        if *code == VALID
            && tx.kind == TxKind::Endorser
            && let Some(rwset) = &tx.rwset
        {
            ops::apply(rwset, Version::new(number, index as u64), &mut updates, view)?;
        }
    }
    Ok(updates)
}

const VALID: u8 = TxValidationCode::Valid as i32 as u8;

/// Per namespace: public reads, then range queries, then hashed reads. The first failure decides.
fn check(
    rwset: &TxRwSet,
    updates: &Updates,
    view: &mut View,
) -> Result<Result<(), TxValidationCode>, LedgerError> {
    for set in &rwset.namespaces {
        let namespace = set.namespace.as_str();
        for read in &set.rwset.reads {
            if !read_is_current(namespace, read, updates, view)? {
                return Ok(Err(TxValidationCode::MvccReadConflict));
            }
        }
        for info in &set.rwset.range_queries_info {
            if !ranges::unchanged(namespace, info, updates, view)? {
                return Ok(Err(TxValidationCode::PhantomReadConflict));
            }
        }
        for collection in &set.collections {
            for read in &collection.hashed.hashed_reads {
                if !hash_is_current(namespace, &collection.collection, read, updates, view)? {
                    return Ok(Err(TxValidationCode::MvccReadConflict));
                }
            }
        }
    }
    Ok(Ok(()))
}

fn read_is_current(
    namespace: &str,
    read: &KvRead,
    updates: &Updates,
    view: &mut View,
) -> Result<bool, LedgerError> {
    if updates.public(namespace, &read.key).is_some() {
        return Ok(false);
    }
    let committed = view.public(namespace, &read.key)?.map(|found| found.version);
    Ok(committed == read.version.map(Into::into))
}

fn hash_is_current(
    namespace: &str,
    collection: &str,
    read: &KvReadHash,
    updates: &Updates,
    view: &mut View,
) -> Result<bool, LedgerError> {
    if updates.hashed(namespace, collection, &read.key_hash).is_some() {
        return Ok(false);
    }
    Ok(view.hashed_version(namespace, collection, &read.key_hash)? == read.version.map(Into::into))
}

fn keys_fit(rwset: &TxRwSet) -> bool {
    rwset.namespaces.iter().all(|set| {
        let namespace = set.namespace.as_str();
        let fits = |collection: &str, length| check_key_length(namespace, collection, length).is_ok();
        set.rwset.writes.iter().all(|write| fits("", write.key.len()))
            && set.collections.iter().all(|collection| {
                collection
                    .hashed
                    .hashed_writes
                    .iter()
                    .all(|write| fits(&collection.collection, write.key_hash.len()))
            })
    })
}
