//! Blocks as the peer commits them: whole, filtered, or with the private data that the caller may see.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use fabric_protos::MAX_MESSAGE_SIZE;
use fabric_protos::common::{self, ChannelHeader, Envelope, Header, HeaderType, Payload, SignatureHeader};
use fabric_protos::orderer::{
    SeekInfo, SeekNextCommit, SeekPosition, SeekSpecified, seek_info::SeekBehavior, seek_position,
};
use fabric_protos::peer::deliver_client::DeliverClient;
use fabric_protos::peer::deliver_response::Type as Answer;
use fabric_protos::peer::{BlockAndPrivateData, DeliverResponse, FilteredBlock};
use futures::{Stream, StreamExt, stream};
use prost::Message;
use sha2::{Digest, Sha256};
use tonic::transport::Channel;
use tonic::{Response, Streaming};

use super::{Checkpoint, EventError};
use crate::gateway::Gateway;
use crate::network::Network;
use crate::offline::RehydrateError;
use crate::proposal::timestamp;
use crate::status::RpcFailure;

/// One of the three forms in which a peer delivers blocks.
pub trait BlockKind: sealed::Sealed + Send + Unpin + 'static {
    /// What the stream yields.
    type Block: Send;
}

/// Whole blocks.
#[derive(Clone, Copy, Debug)]
pub struct Blocks;
/// Transaction ids, validation codes and names of events.
#[derive(Clone, Copy, Debug)]
pub struct Filtered;
/// Whole blocks with the private data of the collections that the caller's organisation belongs to.
#[derive(Clone, Copy, Debug)]
pub struct WithPrivateData;

impl BlockKind for Blocks {
    type Block = common::Block;
}
impl BlockKind for Filtered {
    type Block = FilteredBlock;
}
impl BlockKind for WithPrivateData {
    type Block = BlockAndPrivateData;
}

mod sealed {
    use super::{Answer, DeliverClient, DeliverResponse, Envelope, Response, Streaming, seek_stream};
    use tonic::Status;
    use tonic::transport::Channel;

    pub trait Sealed {
        fn open(
            client: DeliverClient<Channel>,
            seek: Envelope,
        ) -> impl Future<Output = Result<Response<Streaming<DeliverResponse>>, Status>> + Send;
        fn block(answer: Answer) -> Option<<Self as super::BlockKind>::Block>
        where
            Self: super::BlockKind;
    }

    impl Sealed for super::Blocks {
        async fn open(
            mut client: DeliverClient<Channel>,
            seek: Envelope,
        ) -> Result<Response<Streaming<DeliverResponse>>, Status> {
            client.deliver(seek_stream(seek)).await
        }
        fn block(answer: Answer) -> Option<super::common::Block> {
            match answer {
                Answer::Block(block) => Some(block),
                _ => None,
            }
        }
    }

    impl Sealed for super::Filtered {
        async fn open(
            mut client: DeliverClient<Channel>,
            seek: Envelope,
        ) -> Result<Response<Streaming<DeliverResponse>>, Status> {
            client.deliver_filtered(seek_stream(seek)).await
        }
        fn block(answer: Answer) -> Option<super::FilteredBlock> {
            match answer {
                Answer::FilteredBlock(block) => Some(block),
                _ => None,
            }
        }
    }

    impl Sealed for super::WithPrivateData {
        async fn open(
            mut client: DeliverClient<Channel>,
            seek: Envelope,
        ) -> Result<Response<Streaming<DeliverResponse>>, Status> {
            client.deliver_with_private_data(seek_stream(seek)).await
        }
        fn block(answer: Answer) -> Option<super::BlockAndPrivateData> {
            match answer {
                Answer::BlockAndPrivateData(block) => Some(block),
                _ => None,
            }
        }
    }
}

/// Says which blocks to stream. Made by [`Network::block_events`] and its two siblings.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it streams"]
pub struct BlockEventsBuilder<K> {
    gateway: Gateway,
    channel: String,
    start: Option<u64>,
    stop: u64,
    kind: PhantomData<K>,
}

impl Network {
    /// Starts a request for whole blocks: those to come, unless it says otherwise.
    pub fn block_events(&self) -> BlockEventsBuilder<Blocks> {
        BlockEventsBuilder::new(self)
    }

    /// Starts a request for filtered blocks.
    pub fn filtered_block_events(&self) -> BlockEventsBuilder<Filtered> {
        BlockEventsBuilder::new(self)
    }

    /// Starts a request for blocks with private data.
    pub fn block_and_private_data_events(&self) -> BlockEventsBuilder<WithPrivateData> {
        BlockEventsBuilder::new(self)
    }
}

impl<K: BlockKind> BlockEventsBuilder<K> {
    fn new(network: &Network) -> Self {
        Self {
            gateway: network.gateway().clone(),
            channel: network.name().to_owned(),
            start: None,
            stop: u64::MAX,
            kind: PhantomData,
        }
    }

    /// Begins with this block, also if it is committed already.
    pub const fn start_block(mut self, number: u64) -> Self {
        self.start = Some(number);
        self
    }

    /// Ends after this block; otherwise the stream does not end.
    pub const fn stop_block(mut self, number: u64) -> Self {
        self.stop = number;
        self
    }

    /// Begins with the first block that was not acknowledged. A checkpoint that holds nothing leaves the start as
    /// it is.
    pub fn checkpoint(mut self, checkpoint: &Checkpoint) -> Self {
        if checkpoint.block_number.is_some() {
            self.start = checkpoint.block_number;
        }
        self
    }

    /// The request, to be signed elsewhere.
    #[must_use]
    pub fn build(&self) -> BlockEventsRequest<K> {
        let specified = |number| seek_position::Type::Specified(SeekSpecified { number });
        let start = match self.start {
            Some(number) => specified(number),
            None => seek_position::Type::NextCommit(SeekNextCommit {}),
        };
        let seek = SeekInfo {
            start: Some(SeekPosition { r#type: Some(start) }),
            stop: Some(SeekPosition {
                r#type: Some(specified(self.stop)),
            }),
            behavior: SeekBehavior::BlockUntilReady.into(),
            ..Default::default()
        };
        let channel_header = ChannelHeader {
            r#type: HeaderType::DeliverSeekInfo.into(),
            timestamp: Some(timestamp(self.gateway.now())),
            channel_id: self.channel.clone(),
            tls_cert_hash: self.gateway.tls_certificate_hash().to_vec(),
            ..Default::default()
        };
        let nonce: [u8; 24] = rand::random();
        let signature_header = SignatureHeader {
            creator: self.gateway.creator().to_vec(),
            nonce: nonce.to_vec(),
        };
        let payload = Payload {
            header: Some(Header {
                channel_header: channel_header.encode_to_vec(),
                signature_header: signature_header.encode_to_vec(),
            }),
            data: seek.encode_to_vec(),
        };
        let envelope = Envelope {
            payload: payload.encode_to_vec(),
            signature: Vec::new(),
        };
        BlockEventsRequest {
            gateway: self.gateway.clone(),
            envelope,
            kind: PhantomData,
        }
    }

    /// Opens the stream. It ends with the first error.
    ///
    /// # Errors
    /// [`EventError`] if it cannot be opened.
    pub async fn stream(&self) -> Result<BlockEvents<K>, EventError> {
        self.build().stream().await
    }
}

/// A request for blocks.
#[derive(Clone, Debug)]
pub struct BlockEventsRequest<K> {
    gateway: Gateway,
    envelope: Envelope,
    kind: PhantomData<K>,
}

impl<K: BlockKind> BlockEventsRequest<K> {
    /// The message that a signature must cover.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.envelope.payload
    }

    /// SHA-256 of [`BlockEventsRequest::message`], which a P-256 signer signs.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.envelope.payload).into()
    }

    /// Attaches a signature that was made elsewhere.
    #[must_use]
    pub fn with_signature(mut self, signature: impl Into<Vec<u8>>) -> Self {
        self.envelope.signature = signature.into();
        self
    }

    /// The request as bytes to store or carry, for [`Gateway::block_events_request`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.envelope.encode_to_vec()
    }

    /// Opens the stream.
    ///
    /// # Errors
    /// [`EventError`] if it cannot be opened.
    pub async fn stream(&self) -> Result<BlockEvents<K>, EventError> {
        let mut envelope = self.envelope.clone();
        if envelope.signature.is_empty() {
            envelope.signature = self.gateway.sign(&envelope.payload).await?;
        }
        let client: DeliverClient<Channel> = DeliverClient::new(self.gateway.channel().clone())
            .max_decoding_message_size(MAX_MESSAGE_SIZE)
            .max_encoding_message_size(MAX_MESSAGE_SIZE);
        let response = K::open(client, envelope).await.map_err(RpcFailure::from)?;
        Ok(BlockEvents {
            streaming: Some(response.into_inner()),
            kind: PhantomData,
        })
    }
}

impl Gateway {
    /// A request from what [`BlockEventsRequest::to_bytes`] gave, here or in one of Fabric's other SDKs.
    ///
    /// # Errors
    /// [`RehydrateError`] if the bytes are not a request for blocks.
    pub fn block_events_request<K: BlockKind>(
        &self,
        bytes: &[u8],
    ) -> Result<BlockEventsRequest<K>, RehydrateError> {
        let envelope = Envelope::decode(bytes)?;
        let payload = Payload::decode(envelope.payload.as_slice())?;
        SeekInfo::decode(payload.data.as_slice())?;
        Ok(BlockEventsRequest {
            gateway: self.clone(),
            envelope,
            kind: PhantomData,
        })
    }
}

/// A stream of blocks in the order of the ledger. Dropping it ends the call.
#[derive(Debug)]
pub struct BlockEvents<K> {
    streaming: Option<Streaming<DeliverResponse>>,
    kind: PhantomData<K>,
}

impl<K: BlockKind> Stream for BlockEvents<K> {
    type Item = Result<K::Block, EventError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(streaming) = &mut self.streaming else {
            return Poll::Ready(None);
        };
        let item = match ready!(Pin::new(streaming).poll_next(cx)) {
            None => None,
            Some(Err(status)) => Some(Err(RpcFailure::from(status).into())),
            Some(Ok(DeliverResponse {
                r#type: Some(Answer::Status(status)),
            })) => ended(status),
            Some(Ok(DeliverResponse { r#type: answer })) => {
                Some(answer.and_then(K::block).ok_or_else(|| {
                    EventError::Malformed("not the kind of block that was asked for".to_owned())
                }))
            }
        };
        if !matches!(item, Some(Ok(_))) {
            self.streaming = None;
        }
        Poll::Ready(item)
    }
}

/// The request side stays open: a peer may take its end for the wish to stop.
fn seek_stream(seek: Envelope) -> impl Stream<Item = Envelope> + Send + 'static {
    stream::iter([seek]).chain(stream::pending())
}

/// `SUCCESS` ends a stream that had a last block; any other status is an error.
fn ended<B>(status: i32) -> Option<Result<B, EventError>> {
    match common::Status::try_from(status) {
        Ok(common::Status::Success) => None,
        Ok(status) => Some(Err(EventError::Ended(status.as_str_name()))),
        Err(_) => Some(Err(EventError::Malformed(format!("the unknown status {status}")))),
    }
}
