//! Committing a block.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fabric_protos::common::{Block, BlockMetadataIndex, Metadata};
use fabric_protos::rwset::TxPvtReadWriteSet;
use prost::Message as _;

use super::Ledger;
use crate::LedgerError;
use crate::block::{Written, set_slot, validation_codes};
use crate::commit::{View, apply_valid, commit_hash, matching_sets, private_changes, validate};
use crate::private::{PrivateBlock, PrivateTx};
use crate::rwset::ParsedTx;
use crate::state::StateReader;

/// Blocks after which the database is synced, which bounds what a power failure makes the next opening apply again.
const PERSIST_INTERVAL: u64 = 512;

/// A committed block. It is on disk.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The block as stored, with final codes and commit hash.
    pub block: Arc<Block>,
    /// Its number.
    pub number: u64,
    /// The final validation code of every transaction.
    pub codes: Vec<u8>,
    /// The commit hash; empty for the genesis block.
    pub commit_hash: Vec<u8>,
    /// Number of blocks now.
    pub height: u64,
    /// Namespaces whose public or hashed state changed.
    pub updated_namespaces: BTreeSet<String>,
}

impl Ledger {
    /// Commits the next block: settles what depends on the order of transactions (MVCC and phantoms), writes codes and
    /// commit hash into its metadata, and makes block and private data durable in one step. When this returns, the block
    /// is on disk and reads see it.
    ///
    /// `block` carries the validator's codes in its metadata (TRANSACTIONS_FILTER); `txs` are its transactions, parsed,
    /// in order; `private` has the private data at hand, by index of the transaction. Data that does not match the hash in
    /// the transaction is left out and counts as missing, as does what is not given; neither stops the block.
    ///
    /// # Errors
    /// [`LedgerError::NotNext`] and [`LedgerError::MalformedBlock`]: nothing happened. After [`LedgerError::Io`], a full disk
    /// for instance, the block is not committed, reads go on, and the same block may be committed once the cause is
    /// mended. After [`LedgerError::Database`] and [`LedgerError::DatabaseDamaged`] the ledger has to be opened again, and
    /// has the block then; until that happens every commit is [`LedgerError::Stopped`].
    pub fn commit(
        &self,
        mut block: Block,
        txs: Vec<ParsedTx>,
        private: BTreeMap<u64, TxPvtReadWriteSet>,
    ) -> Result<Committed, LedgerError> {
        let mut writer = self.writer();
        self.blocks.check_next(&block)?;
        let number = block.header.as_ref().map_or(0, |header| header.number);
        let mut codes = codes_of(&block, txs.len(), number)?;

        let query = self.query();
        let mut view = View::new(StateReader(query.state.0.clone()));
        let updates = validate(number, &txs, &mut codes, &mut view)?;
        set_slot(&mut block, BlockMetadataIndex::TransactionsFilter, codes.clone());
        let mut hash = Vec::new();
        if number == 1 || !writer.commit_hash.is_empty() {
            hash = commit_hash(&codes, &updates, &writer.commit_hash).to_vec();
            let metadata = Metadata {
                value: hash.clone(),
                signatures: Vec::new(),
            };
            set_slot(
                &mut block,
                BlockMetadataIndex::CommitHash,
                metadata.encode_to_vec(),
            );
        }
        let private = valid_private(&txs, &codes, private);
        let changes = private_changes(number, &txs, &codes, &private, &updates, &mut view, &query)?;

        let frame = private_frame(number, private);
        let has_private = !frame.txs.is_empty();
        if has_private {
            self.private.append(&frame)?;
        } else {
            // What an attempt left that failed is not this one's.
            self.private.forget(number)?;
        }
        let written = self.blocks.write(&block)?;
        let updated_namespaces = updates.0.keys().cloned().collect();
        let mut batch = self.db.batch();
        if has_private {
            self.note_private_files(&mut batch);
        }
        self.apply(&block, &written, &txs, updates, changes, batch)
            .inspect_err(|_| self.blocks.stop())?;
        let size = written.frame.payload().len();
        let block = Arc::new(block);
        self.blocks.publish(block.clone(), size);
        writer.commit_hash.clone_from(&hash);
        self.keep_house(number);
        Ok(Committed {
            block,
            number,
            codes,
            commit_hash: hash,
            height: number + 1,
            updated_namespaces,
        })
    }

    /// Work that is due now and then. The block is committed: a failure here is told and tried again, not answered.
    fn keep_house(&self, number: u64) {
        let persist = || {
            if number % PERSIST_INTERVAL == PERSIST_INTERVAL - 1 {
                self.db.persist()
            } else {
                Ok(())
            }
        };
        if let Err(error) = self.maintain(number).and_then(|()| persist()) {
            tracing::error!(ledger = %self.dir().display(), %error, "housekeeping after a commit failed");
        }
    }

    /// Applies a block from the block files, whose codes are final, to the database.
    pub(super) fn replay(&self, block: &Block, written: &Written) -> Result<(), LedgerError> {
        let number = block.header.as_ref().map_or(0, |header| header.number);
        let envelopes = block.data.as_ref().map_or(&[][..], |data| &data.data);
        let txs: Vec<_> = envelopes
            .iter()
            .map(|envelope| ParsedTx::from_envelope(envelope))
            .collect();
        let codes = codes_of(block, txs.len(), number)?;
        let query = self.query();
        let mut view = View::new(StateReader(query.state.0.clone()));
        let updates = apply_valid(number, &txs, &codes, &mut view)?;
        let mut private: BTreeMap<u64, TxPvtReadWriteSet> = BTreeMap::new();
        for tx in self.private.block(number)? {
            let set = private.entry(tx.index).or_default();
            set.ns_pvt_rwset.extend(tx.set.unwrap_or_default().ns_pvt_rwset);
        }
        let changes = private_changes(number, &txs, &codes, &private, &updates, &mut view, &query)?;
        self.apply(block, written, &txs, updates, changes, self.db.batch())
    }
}

/// The validation codes, one for each transaction.
fn codes_of(block: &Block, txs: usize, number: u64) -> Result<Vec<u8>, LedgerError> {
    let codes = validation_codes(block);
    let envelopes = block.data.as_ref().map_or(0, |data| data.data.len());
    if codes.len() != envelopes || txs != envelopes {
        let why = format!(
            "{envelopes} transactions, {txs} of them parsed, with {} validation codes",
            codes.len()
        );
        return Err(LedgerError::MalformedBlock { number, why });
    }
    Ok(codes.to_vec())
}

/// The private data that belongs to valid transactions and matches their hashes.
fn valid_private(
    txs: &[ParsedTx],
    codes: &[u8],
    private: BTreeMap<u64, TxPvtReadWriteSet>,
) -> BTreeMap<u64, TxPvtReadWriteSet> {
    let matching = private.into_iter().filter_map(|(index, set)| {
        let at = usize::try_from(index)
            .ok()
            .filter(|at| codes.get(*at) == Some(&0))?;
        let kept = matching_sets(txs.get(at)?.rwset.as_ref()?, &set);
        let dropped = set
            .ns_pvt_rwset
            .iter()
            .map(|set| set.collection_pvt_rwset.len())
            .sum::<usize>()
            - kept
                .ns_pvt_rwset
                .iter()
                .map(|set| set.collection_pvt_rwset.len())
                .sum::<usize>();
        if dropped > 0 {
            tracing::warn!(
                tx = index,
                dropped,
                "private data does not match the hash in the block, left out"
            );
        }
        (!kept.ns_pvt_rwset.is_empty()).then_some((index, kept))
    });
    matching.collect()
}

fn private_frame(block: u64, private: BTreeMap<u64, TxPvtReadWriteSet>) -> PrivateBlock {
    let txs = private.into_iter().map(|(index, set)| PrivateTx {
        index,
        set: Some(set),
    });
    PrivateBlock {
        block,
        txs: txs.collect(),
    }
}
