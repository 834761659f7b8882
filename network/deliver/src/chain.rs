//! What a chain of blocks offers to those who deliver it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use fabric_channel::Bundle;
use fabric_protos::common::Block;
use tokio::sync::watch;

/// The channels of a node.
pub trait Chains: Send + Sync + 'static {
    /// The chain of the channel `channel_id`, or `None` when the node has not joined it.
    fn chain(&self, channel_id: &str) -> Option<Arc<dyn Chain>>;
}

/// The committed blocks of one channel.
pub trait Chain: Send + Sync + 'static {
    /// The channel's current configuration.
    fn bundle(&self) -> Arc<Bundle>;

    /// The number of blocks that may be delivered. A block counts once it is durable, never before.
    ///
    /// When the sender is dropped, waiting streams end with `SERVICE_UNAVAILABLE`.
    fn height(&self) -> watch::Receiver<u64>;

    /// The block `number` if it is in memory. Must not block.
    fn recent(&self, number: u64) -> Option<Arc<Block>> {
        let _ = number;
        None
    }

    /// The block `number`, which is below [`height`](Chain::height). May block: it runs on a blocking thread.
    ///
    /// # Errors
    /// A [`ChainError`] when the block cannot be read; the stream then ends with `INTERNAL_SERVER_ERROR`.
    fn read(&self, number: u64) -> Result<Arc<Block>, ChainError>;
}

/// A block could not be read.
#[derive(Debug, thiserror::Error)]
#[error("block {number} cannot be read: {source}")]
pub struct ChainError {
    /// The block's number.
    pub number: u64,
    /// What the store answered.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

impl fmt::Debug for dyn Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("height", &*self.height().borrow())
            .finish_non_exhaustive()
    }
}
