//! Handing messages to an ordering node.

use std::time::Duration;

use fabric_protos::MAX_MESSAGE_SIZE;
use fabric_protos::common::{Envelope, Status};
use fabric_protos::orderer::atomic_broadcast_client::AtomicBroadcastClient;
use tonic::transport::Channel;

use super::AdminError;
use crate::status::RpcFailure;

const DEADLINE: Duration = Duration::from_secs(30);

/// An ordering node's Broadcast service. Transactions reach it through a peer's gateway; this is for configuration updates.
#[derive(Clone, Debug)]
pub struct OrdererClient {
    channel: Channel,
}

impl OrdererClient {
    /// The ordering node at the other end of `channel` (see [`Endpoint`](crate::Endpoint)).
    #[must_use]
    pub const fn new(channel: Channel) -> Self {
        Self { channel }
    }

    /// Hands over one message. Success means that it is on its way into a block.
    ///
    /// # Errors
    /// [`AdminError::Broadcast`] when it is not taken, [`AdminError::Rpc`] when the node does not answer.
    pub async fn broadcast(&self, message: Envelope) -> Result<(), AdminError> {
        let mut client = AtomicBroadcastClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_MESSAGE_SIZE)
            .max_encoding_message_size(MAX_MESSAGE_SIZE);
        let asked = async {
            // The node answers in order and ends the stream after a refusal.
            let mut answers = client
                .broadcast(futures::stream::iter([message]))
                .await?
                .into_inner();
            answers.message().await
        };
        let answer = match tokio::time::timeout(DEADLINE, asked).await {
            Ok(answer) => answer.map_err(RpcFailure::from)?,
            Err(_) => return Err(RpcFailure::deadline("a broadcast").into()),
        };
        let answer = answer.unwrap_or_default();
        match Status::try_from(answer.status) {
            Ok(Status::Success) => Ok(()),
            status => Err(AdminError::Broadcast {
                status: status.unwrap_or(Status::Unknown).as_str_name(),
                reason: answer.info,
            }),
        }
    }
}
