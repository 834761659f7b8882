//! Errors of the peer as a whole.

use std::path::PathBuf;

use fabric_chaincode_host::StoreError;
use fabric_ledger::LedgerError;
use fabric_msp::MspError;

use crate::directory::EndpointError;
use crate::validator::{BlockRefused, ValidationError};

/// What a peer refuses or fails at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The peer has not joined the channel.
    #[error("channel '{0}' not found")]
    UnknownChannel(String),
    /// The peer has joined the channel already.
    #[error("cannot create ledger from genesis block: ledger [{0}] already exists with state [ACTIVE]")]
    AlreadyJoined(String),
    /// The configuration of a channel is not usable.
    #[error("the configuration of the channel is not usable: {0}")]
    Config(#[from] fabric_channel::ChannelError),
    /// A ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The package store failed.
    #[error(transparent)]
    Packages(#[from] StoreError),
    /// An identity is not what it should be.
    #[error(transparent)]
    Msp(#[from] MspError),
    /// An endpoint is not usable.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The peer's directory cannot be read.
    #[error("the peer's directory {}: {source}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// Private data was refused.
    #[error("private data is refused: {0}")]
    PrivateData(String),
}

/// A block could not be committed; the ledger is as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The orderer's block is not acceptable.
    #[error(transparent)]
    Refused(#[from] BlockRefused),
    /// Its transactions could not be validated.
    #[error(transparent)]
    Validation(#[from] ValidationError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The process is shutting down.
    #[error("the commit was given up: the process is shutting down")]
    ShuttingDown,
}
