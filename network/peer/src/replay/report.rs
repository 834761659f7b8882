//! What an audit found.

use std::collections::BTreeMap;

use fabric_ledger::LedgerError;
use fabric_protos::peer::TxValidationCode;

use crate::channel::validation_code;
use crate::{BlockRefused, PeerError};

/// The result of an audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The channel.
    pub channel_id: String,
    /// Blocks that are right, the genesis block included when it was given.
    pub blocks: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// How many of them have which validation code, by Fabric's name of the code.
    pub codes: BTreeMap<&'static str, u64>,
    /// Hash of the last block's header.
    pub last_hash: Vec<u8>,
    /// Hash over all changes of the state so far; equal on all honest peers.
    pub commit_hash: Vec<u8>,
    /// The first thing that is wrong; everything before it is right.
    pub wrong: Option<Wrong>,
}

/// Something wrong in a block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("block {block}: {finding}")]
pub struct Wrong {
    /// The block's place in the chain.
    pub block: u64,
    /// What is wrong.
    pub finding: Finding,
}

/// What can be wrong with a block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// The chain begins with another block than the trusted one.
    #[error("the genesis block is not the trusted one")]
    OtherGenesis,
    /// Its place, hashes or signatures are wrong.
    #[error(transparent)]
    Refused(BlockRefused),
    /// Peers could not have validated it.
    #[error("its transactions cannot be validated: {0}")]
    Unvalidated(String),
    /// It does not have one validation code per transaction.
    #[error("there are {found} validation codes for {expected} transactions")]
    CodeCount {
        /// The codes in the block.
        found: usize,
        /// The transactions.
        expected: usize,
    },
    /// A transaction has a wrong validation code.
    #[error(
        "transaction {index} ({tx_id}) is recorded as {}, it must be {}{}{why}",
        .found.as_str_name(), .expected.as_str_name(), if .why.is_empty() { "" } else { ": " }
    )]
    Code {
        /// Its place in the block.
        index: usize,
        /// Its id.
        tx_id: String,
        /// The code in the block.
        found: TxValidationCode,
        /// The right one.
        expected: TxValidationCode,
        /// Why, where the right one is a refusal.
        why: String,
    },
    /// The changes of the state are not those that the peer recorded.
    #[error("the commit hash is not that of the block's valid transactions")]
    CommitHash,
}

/// An audit could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The trusted block is no genesis block.
    #[error("this is no genesis block: {0}")]
    Genesis(&'static str),
    /// Its configuration is not usable.
    #[error("the genesis block's configuration is not usable: {0}")]
    Config(#[from] fabric_channel::ChannelError),
    /// The blocks could not be read, or the scratch ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The scratch ledger could not be made.
    #[error(transparent)]
    Peer(#[from] PeerError),
}

impl Report {
    pub(super) fn new(channel_id: &str) -> Self {
        Self {
            channel_id: channel_id.to_owned(),
            blocks: 0,
            transactions: 0,
            codes: BTreeMap::new(),
            last_hash: Vec::new(),
            commit_hash: Vec::new(),
            wrong: None,
        }
    }

    /// Whether everything is right.
    pub fn is_ok(&self) -> bool {
        self.wrong.is_none()
    }

    /// Counts a transaction; the genesis block's has no code and counts as valid.
    pub(super) fn count(&mut self, code: Option<u8>) {
        self.transactions += 1;
        *self
            .codes
            .entry(validation_code(code.unwrap_or(0)).as_str_name())
            .or_default() += 1;
    }
}
