//! Takes a channel's blocks from an orderer's Deliver stream, for as long as the peer runs
//! (`internal/pkg/peer/blocksprovider` of Fabric).

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fabric_msp::{MspError, SigningIdentity};
use fabric_protos::MAX_MESSAGE_SIZE;
use fabric_protos::common::{
    Block, ChannelHeader, Envelope, Header, HeaderType, Payload, SignatureHeader, Status,
};
use fabric_protos::orderer::atomic_broadcast_client::AtomicBroadcastClient;
use fabric_protos::orderer::{
    SeekInfo, SeekPosition, SeekSpecified, deliver_response, seek_info, seek_position,
};
use prost::Message;
use prost_types::Timestamp;
use tokio::sync::watch;
use tonic::Streaming;

use super::{Committer, commit_block};
use crate::directory::{EndpointError, RemoteEndpoint};
use crate::validator::ValidationError;
use crate::{Channel, CommitError};

/// First and longest pause between attempts.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// Longest time to reach an orderer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Pulls the blocks of one channel.
pub(crate) struct Puller {
    pub(crate) channel: Arc<Channel>,
    pub(crate) committer: Committer,
    pub(crate) signer: SigningIdentity,
    pub(crate) orderers: Vec<RemoteEndpoint>,
    /// Turns true when the peer stops.
    pub(crate) stop: watch::Receiver<bool>,
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error("the stream failed: {0}")]
    Stream(#[from] tonic::Status),
    #[error("the orderer ended the stream")]
    Ended,
    #[error("the orderer answered {}", .0.as_str_name())]
    Status(Status),
    #[error("the orderer sent something that is neither block nor status")]
    Empty,
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error("the request could not be signed: {0}")]
    Sign(#[from] MspError),
}

impl Puller {
    /// Runs until the peer stops or must not go on with the channel; orderers take turns, with growing pauses while none gives a block.
    pub(crate) async fn run(mut self) {
        let mut stop = self.stop.clone();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.pull_forever() => {}
        }
    }

    async fn pull_forever(&mut self) {
        let mut pause = BACKOFF.0;
        for orderer in self.orderers.clone().iter().cycle() {
            let before = self.channel.height();
            let Err(why) = self.pull(orderer).await;
            let (channel, address) = (self.channel.id(), &orderer.address);
            if self.channel.height() > before {
                pause = BACKOFF.0;
            }
            if let Interrupted::Commit(CommitError::Validation(
                unsupported @ ValidationError::Unsupported { .. },
            )) = &why
            {
                // Trying again helps as little as another orderer: only other software does.
                tracing::error!(channel, %why, "the peer stops taking blocks");
                self.channel.halt(unsupported.to_string());
                return;
            }
            if matches!(why, Interrupted::Commit(_)) {
                tracing::error!(channel, orderer = address, %why, "a block could not be committed");
            } else {
                tracing::info!(channel, orderer = address, %why, ?pause, "no blocks from this orderer; trying again");
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(BACKOFF.1);
        }
    }

    /// Commits blocks from one stream until it breaks.
    async fn pull(&self, orderer: &RemoteEndpoint) -> Result<std::convert::Infallible, Interrupted> {
        let mut stream = self.open(orderer).await?;
        loop {
            let response = stream.message().await?.ok_or(Interrupted::Ended)?;
            let block: Block = match response.r#type {
                Some(deliver_response::Type::Block(block)) => block,
                Some(deliver_response::Type::Status(status)) => {
                    return Err(Interrupted::Status(
                        Status::try_from(status).unwrap_or(Status::Unknown),
                    ));
                }
                None => return Err(Interrupted::Empty),
            };
            commit_block(&self.channel, &self.committer, block).await?;
        }
    }

    async fn open(
        &self,
        orderer: &RemoteEndpoint,
    ) -> Result<Streaming<fabric_protos::orderer::DeliverResponse>, Interrupted> {
        let mut client = AtomicBroadcastClient::new(orderer.connect(CONNECT_TIMEOUT)?)
            .max_decoding_message_size(MAX_MESSAGE_SIZE)
            .max_encoding_message_size(MAX_MESSAGE_SIZE);
        let request = seek_envelope(self.channel.id(), &self.signer, self.channel.height())?;
        // The request stream stays open: some servers take its end for the end of the caller.
        let requests = futures::StreamExt::chain(
            futures::stream::once(futures::future::ready(request)),
            futures::stream::pending(),
        );
        Ok(client.deliver(requests).await?.into_inner())
    }
}

/// Asks for all blocks from `start` on, as they come.
fn seek_envelope(channel_id: &str, signer: &SigningIdentity, start: u64) -> Result<Envelope, MspError> {
    let position = |number| SeekPosition {
        r#type: Some(seek_position::Type::Specified(SeekSpecified { number })),
    };
    let seek = SeekInfo {
        start: Some(position(start)),
        stop: Some(position(u64::MAX)),
        behavior: seek_info::SeekBehavior::BlockUntilReady as i32,
        ..SeekInfo::default()
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let channel = ChannelHeader {
        r#type: HeaderType::DeliverSeekInfo as i32,
        timestamp: Some(Timestamp {
            seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(now.subsec_nanos()).unwrap_or(0),
        }),
        channel_id: channel_id.to_owned(),
        ..ChannelHeader::default()
    };
    let nonce: [u8; 24] = rand::random();
    let signature = SignatureHeader {
        creator: signer.serialized().to_vec(),
        nonce: nonce.to_vec(),
    };
    let header = Header {
        channel_header: channel.encode_to_vec(),
        signature_header: signature.encode_to_vec(),
    };
    let payload = Payload {
        header: Some(header),
        data: seek.encode_to_vec(),
    }
    .encode_to_vec();
    let signature = signer.sign(&payload)?;
    Ok(Envelope { payload, signature })
}
