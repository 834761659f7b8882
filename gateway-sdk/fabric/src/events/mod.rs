//! Streams of chaincode events and of blocks.

mod block;
mod chaincode;
mod checkpoint;

use thiserror::Error;

pub use block::{
    BlockEvents, BlockEventsBuilder, BlockEventsRequest, BlockKind, Blocks, Filtered, WithPrivateData,
};
pub use chaincode::{ChaincodeEvent, ChaincodeEvents, ChaincodeEventsBuilder, ChaincodeEventsRequest};
pub use checkpoint::{Checkpoint, Checkpointer, FileCheckpointer, MemoryCheckpointer};

use crate::signer::SignError;
use crate::status::RpcFailure;

/// A stream of events could not be opened, or ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EventError {
    /// The peer refused or the connection was lost.
    #[error("the event stream failed: {0}")]
    Rpc(#[from] RpcFailure),
    /// The request could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The peer ended the stream with a status of the deliver protocol, such as `FORBIDDEN`.
    #[error("the peer ended the stream of blocks: {0}")]
    Ended(&'static str),
    /// The peer sent something that is not what Fabric's protocol has there.
    #[error("the peer's event cannot be used: {0}")]
    Malformed(String),
}

impl EventError {
    /// Whether opening the stream again may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Rpc(failure) => {
                use tonic::Code;
                matches!(
                    failure.code,
                    Code::Unavailable | Code::Aborted | Code::Cancelled | Code::Unknown | Code::Internal
                )
            }
            Self::Ended(status) => *status == "SERVICE_UNAVAILABLE",
            Self::Sign(_) | Self::Malformed(_) => false,
        }
    }
}
