//! Validation of blocks: every peer gives every transaction the same code.
//!
//! ```text
//! block ─▶ orderer (number, hashes, orderer's signature)
//!       ─▶ envelope (shape, creator, ids; once per transaction, in parallel)
//!       ─▶ endorsement (definitions, collections, key-level policies)
//!       ─▶ codes and parsed read-write sets ─▶ ledger (MVCC and commit)
//! ```
//!
//! Order and codes follow `core/committer/txvalidator/v20` of Fabric. Nothing here writes.

mod block;
pub(crate) mod endorsement;
pub(crate) mod envelope;
mod orderer;
mod policies;

pub(crate) use block::{Context, Validated, validate};
pub(crate) use orderer::BLOCK_VALIDATION;
pub use orderer::{BlockRefused, block_signatures, verify_block};
pub(crate) use policies::View;

use fabric_protos::peer::TxValidationCode;

/// Why a transaction is not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its validation code.
    pub code: TxValidationCode,
    /// The reason, for logs: it holds ids and names, never values.
    pub why: String,
}

impl Refusal {
    pub(crate) fn new(code: TxValidationCode, why: String) -> Self {
        Self { code, why }
    }
}

/// Validation could not be finished: nothing is known of the transactions, and the channel must not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ValidationError {
    /// The ledger did not answer.
    #[error("the ledger failed during validation: {0}")]
    Ledger(#[from] fabric_ledger::LedgerError),
    /// The committed state of the lifecycle is unreadable.
    #[error("the lifecycle's state is unreadable: {0}")]
    Lifecycle(String),
    /// A configuration that the orderer accepted is refused here.
    #[error("the configuration in block {block} is refused: {why}")]
    Config {
        /// The block.
        block: u64,
        /// The reason.
        why: String,
    },
    /// The channel has agreed on rules that this software does not know. The peer must stop there: it would
    /// reach other verdicts than the others.
    #[error(
        "[channel {channel}] incompatible: {source}; the peer takes no block from number {block} on until it runs software that supports it"
    )]
    Unsupported {
        /// The channel.
        channel: String,
        /// The block with the configuration.
        block: u64,
        /// The capability.
        source: Box<fabric_channel::ChannelError>,
    },
    /// The block lacks a part that every block has.
    #[error("block {0} has no header or no data")]
    Malformed(u64),
}
