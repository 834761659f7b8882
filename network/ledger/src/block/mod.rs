//! Blocks: hashes, files, index.

mod files;
mod hash;
mod index;
mod recover;
mod store;

pub use files::{BlockFiles, StoredBlock, framed};
pub use hash::{block_data_hash, block_header_bytes, block_header_hash};
pub(crate) use recover::Ahead;
pub(crate) use store::Written;
pub use store::{BlockIter, BlockStore, Transaction};

use fabric_protos::common::{Block, BlockHeader, BlockMetadataIndex};

use crate::LedgerError;

/// The validation codes of a block: one byte per transaction, or nothing where no peer has validated it.
pub fn validation_codes(block: &Block) -> &[u8] {
    slot(block, BlockMetadataIndex::TransactionsFilter)
}

/// The bytes of one metadata slot; empty when absent.
pub(crate) fn slot(block: &Block, index: BlockMetadataIndex) -> &[u8] {
    block
        .metadata
        .as_ref()
        .and_then(|metadata| metadata.metadata.get(index as usize))
        .map_or(&[], Vec::as_slice)
}

/// Writes one metadata slot, with empty ones before it where they are missing.
pub(crate) fn set_slot(block: &mut Block, index: BlockMetadataIndex, value: Vec<u8>) {
    let slots = &mut block.metadata.get_or_insert_default().metadata;
    if slots.len() <= index as usize {
        slots.resize(index as usize + 1, Vec::new());
    }
    slots[index as usize] = value;
}

/// The header, which every block has.
pub(crate) fn header(block: &Block) -> Result<&BlockHeader, LedgerError> {
    block.header.as_ref().ok_or_else(|| LedgerError::MalformedBlock {
        number: 0,
        why: "it has no header".into(),
    })
}
