//! What can go wrong with an orderer's own files, keys and channels.

use fabric_channel::ChannelError;
use fabric_ledger::LedgerError;
use fabric_msp::MspError;

/// An orderer could not be opened, or could not write its chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OrdererError {
    /// A chain's files.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A configuration block, or an update.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The signing identity.
    #[error(transparent)]
    Msp(#[from] MspError),
    /// The directory of the chains.
    #[error("cannot use directory {path}: {source}")]
    Directory {
        /// The directory.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A thread for a chain could not be started.
    #[error("cannot start the thread of channel {channel}: {source}")]
    Thread {
        /// The channel.
        channel: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The chain's newest configuration block cannot be told from its last block.
    #[error(
        "block {0} of the chain is missing or does not name the last configuration block; the chain's directory is damaged"
    )]
    Damaged(u64),
    /// The system has no random numbers.
    #[error("the system's random number generator failed")]
    Randomness,
    /// The channel was joined before.
    #[error("channel already exists")]
    ChannelExists,
    /// The channel is being removed; it may be joined again once it is gone.
    #[error("channel pending removal")]
    PendingRemoval,
    /// The channel was never joined.
    #[error("channel does not exist")]
    NoChannel,
    /// The block to join with is none.
    #[error("invalid join block: {0}")]
    JoinBlock(String),
}
