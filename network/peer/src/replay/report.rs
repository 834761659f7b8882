//! What an audit found.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use fabric_ledger::LedgerError;
use fabric_protos::peer::TxValidationCode;

use super::source::Role;
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

/// What was found in one copy of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyReport {
    /// The copy's name.
    pub name: String,
    /// Whose copy it is.
    pub role: Role,
    /// What was found. An orderer's copy has no validation codes and no commit hash: there, they are those that
    /// the blocks lead to.
    pub report: Report,
}

/// Something wrong in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The block's place in the chain.
    pub block: u64,
    /// What is wrong.
    pub finding: Finding,
    /// Where, as exactly as it can be known.
    pub place: Option<Place>,
}

/// Bytes of a file, or of a block that came over the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file; `None` where the block came over the network.
    pub file: Option<PathBuf>,
    /// The bytes: in the file, or in the encoded block.
    pub bytes: Range<u64>,
    /// Whether the first of them is wrong for certain; otherwise the wrong one is somewhere among them.
    pub exact: bool,
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
    /// The orderer's part of the metadata contradicts the chain.
    #[error("metadata {slot}: {why}")]
    Metadata {
        /// The slot of the metadata.
        slot: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The transactions are not those that the header speaks of, and this one's own signature does not hold.
    #[error(
        "the data hash is not the hash of the transactions: transaction {index} ({tx_id}) is not as its creator signed it"
    )]
    Transaction {
        /// Its place in the block.
        index: usize,
        /// Its id, as far as it can be read.
        tx_id: String,
    },
    /// The orderer signed two different blocks of one number.
    #[error(
        "the chain is forked: {name} has another block of this number, and the orderer signed both (hashes {own} and {other})"
    )]
    Fork {
        /// Who has the other one.
        name: String,
        /// This block's hash, hex.
        own: String,
        /// The other one's.
        other: String,
    },
    /// The bytes are no block, or not in the one form that blocks are written in.
    #[error("{0}")]
    NotABlock(String),
    /// The file is damaged.
    #[error("{0}")]
    Damaged(String),
    /// The chain could not be read further from where it comes from.
    #[error("it could not be read: {0}")]
    Unreadable(String),
}

impl Finding {
    /// Index and id of the transaction that is wrong, where it is one.
    pub fn transaction(&self) -> Option<(usize, &str)> {
        match self {
            Self::Code { index, tx_id, .. } | Self::Transaction { index, tx_id } => Some((*index, tx_id)),
            Self::Refused(BlockRefused::Transaction { index, .. }) => Some((*index, "")),
            _ => None,
        }
    }

    /// The part of the block that is wrong.
    pub fn field(&self) -> &'static str {
        match self {
            Self::OtherGenesis => "block",
            Self::Refused(refused) => match refused {
                BlockRefused::Number { .. } => "header.number",
                BlockRefused::PreviousHash(_) => "header.previous_hash",
                BlockRefused::DataHash(_) => "data",
                BlockRefused::Transaction { .. } => "data.transaction",
                BlockRefused::Signature { .. } => "metadata.signatures",
                _ => "block",
            },
            Self::Unvalidated(_) => "data",
            Self::CodeCount { .. } | Self::Code { .. } => "metadata.transactions_filter",
            Self::CommitHash => "metadata.commit_hash",
            Self::Metadata { slot, .. } => slot,
            Self::Transaction { .. } => "data.transaction",
            Self::Fork { .. } => "header",
            Self::NotABlock(_) => "block",
            Self::Damaged(_) => "file",
            Self::Unreadable(_) => "source",
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {}: {}", self.block, self.finding)?;
        match &self.place {
            Some(place) => write!(f, "; {place}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Wrong {}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = &self.bytes;
        if self.exact {
            write!(f, "the first wrong byte is at offset {start}")?;
        } else {
            write!(
                f,
                "the wrong byte is at offsets {start} to {}",
                end.saturating_sub(1)
            )?;
        }
        match &self.file {
            Some(file) => write!(f, " of {}", file.display()),
            None => f.write_str(" of the block"),
        }
    }
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
    /// There is nothing to check.
    #[error("there is no copy of the chain to check")]
    Nothing,
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

    /// Counts a block and its transactions.
    pub(super) fn count(&mut self, codes: &[u8]) {
        self.blocks += 1;
        for code in codes {
            self.transactions += 1;
            *self
                .codes
                .entry(validation_code(*code).as_str_name())
                .or_default() += 1;
        }
    }
}
