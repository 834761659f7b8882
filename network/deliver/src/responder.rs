//! How a service words its answers.

use std::sync::Arc;

use fabric_channel::Bundle;
use fabric_protos::common::{Block, Status};

use crate::chain::Chain;

/// Makes the messages of one Deliver method.
pub trait Responder: Send + Sync + 'static {
    /// The method's response message.
    type Response: Send + 'static;

    /// The path of the policy that a caller must satisfy, for example `/Channel/Readers`.
    ///
    /// It is asked again whenever the channel's configuration has changed.
    fn policy(&self, bundle: &Bundle) -> String;

    /// The message that ends a seek.
    fn status(&self, status: Status) -> Self::Response;

    /// The message for one block.
    ///
    /// # Errors
    /// A [`tonic::Status`] ends the whole stream with it.
    fn block(&self, delivery: Delivery<'_>) -> Result<Self::Response, tonic::Status>;
}

/// One block on its way to one authorised caller.
#[derive(Debug)]
pub struct Delivery<'a> {
    /// The channel's name.
    pub channel_id: &'a str,
    /// The channel.
    pub chain: &'a dyn Chain,
    /// The block; without data when the caller asked for headers and signatures only.
    pub block: Arc<Block>,
    /// The caller's serialized identity.
    pub creator: &'a [u8],
}
