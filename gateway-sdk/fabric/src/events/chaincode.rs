//! Events that chaincode functions set in valid transactions.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use fabric_protos::gateway::{
    ChaincodeEventsRequest as RequestMessage, ChaincodeEventsResponse, SignedChaincodeEventsRequest,
};
use fabric_protos::orderer::{SeekNextCommit, SeekPosition, SeekSpecified, seek_position};
use futures::future::BoxFuture;
use futures::{FutureExt, Stream};
use prost::Message;
use sha2::{Digest, Sha256};
use tokio::time::Sleep;
use tonic::Streaming;

use super::{Checkpoint, EventError};
use crate::gateway::Gateway;
use crate::network::Network;
use crate::offline::RehydrateError;
use crate::status::RpcFailure;

/// An event of a valid transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChaincodeEvent {
    /// The block that holds the transaction.
    pub block_number: u64,
    /// The transaction's id.
    pub transaction_id: String,
    /// The chaincode that set the event.
    pub chaincode: String,
    /// The event's name.
    pub event_name: String,
    /// The event's contents, as the chaincode set them.
    pub payload: Vec<u8>,
}

/// Says which events to stream. Made by [`Network::chaincode_events`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it streams"]
pub struct ChaincodeEventsBuilder {
    gateway: Gateway,
    channel: String,
    chaincode: String,
    start_block: Option<u64>,
    after_transaction: String,
}

impl Network {
    /// Starts a request for the events of a chaincode: those of blocks to come, unless it says otherwise.
    pub fn chaincode_events(&self, chaincode: impl Into<String>) -> ChaincodeEventsBuilder {
        ChaincodeEventsBuilder {
            gateway: self.gateway().clone(),
            channel: self.name().to_owned(),
            chaincode: chaincode.into(),
            start_block: None,
            after_transaction: String::new(),
        }
    }
}

impl ChaincodeEventsBuilder {
    /// Begins with this block, also if it is committed already.
    pub const fn start_block(mut self, number: u64) -> Self {
        self.start_block = Some(number);
        self
    }

    /// Passes over events up to and with those of this transaction.
    pub fn after_transaction(mut self, transaction_id: impl Into<String>) -> Self {
        self.after_transaction = transaction_id.into();
        self
    }

    /// Goes on after what was acknowledged. A checkpoint that holds nothing leaves the start as it is.
    pub fn checkpoint(mut self, checkpoint: &Checkpoint) -> Self {
        if let Some(number) = checkpoint.block_number {
            self.start_block = Some(number);
            self.after_transaction = checkpoint.transaction_id.clone().unwrap_or_default();
        }
        self
    }

    /// The request, to be signed elsewhere.
    #[must_use]
    pub fn build(&self) -> ChaincodeEventsRequest {
        let position = match self.start_block {
            Some(number) => seek_position::Type::Specified(SeekSpecified { number }),
            None => seek_position::Type::NextCommit(SeekNextCommit {}),
        };
        let request = RequestMessage {
            channel_id: self.channel.clone(),
            chaincode_id: self.chaincode.clone(),
            identity: self.gateway.creator().to_vec(),
            start_position: Some(SeekPosition {
                r#type: Some(position),
            }),
            after_transaction_id: self.after_transaction.clone(),
        };
        let request = SignedChaincodeEventsRequest {
            request: request.encode_to_vec(),
            signature: Vec::new(),
        };
        ChaincodeEventsRequest {
            gateway: self.gateway.clone(),
            request,
        }
    }

    /// Opens the stream. It ends with the first error.
    ///
    /// # Errors
    /// [`EventError`] if it cannot be opened.
    pub async fn stream(&self) -> Result<ChaincodeEvents, EventError> {
        self.build().stream().await
    }

    /// Opens a stream that reconnects after a lost connection, as often as it takes, with pauses of up to
    /// `longest_pause`. It continues after the last event that it gave: none is lost and none comes twice, once the
    /// first was given or when a start block is set. Errors that reconnecting cannot cure end it.
    ///
    /// # Errors
    /// [`EventError`] if it cannot be opened the first time.
    pub async fn resuming_stream(&self, longest_pause: Duration) -> Result<ChaincodeEvents, EventError> {
        let mut events = self.stream().await?;
        events.resume = Some(Resume {
            builder: self.clone(),
            longest_pause,
            failures: 0,
        });
        Ok(events)
    }
}

/// A request for chaincode events.
#[derive(Clone, Debug)]
pub struct ChaincodeEventsRequest {
    gateway: Gateway,
    request: SignedChaincodeEventsRequest,
}

impl ChaincodeEventsRequest {
    /// The message that a signature must cover.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.request.request
    }

    /// SHA-256 of [`ChaincodeEventsRequest::message`], which a P-256 signer signs.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.request.request).into()
    }

    /// Attaches a signature that was made elsewhere.
    #[must_use]
    pub fn with_signature(mut self, signature: impl Into<Vec<u8>>) -> Self {
        self.request.signature = signature.into();
        self
    }

    /// The request as bytes to store or carry, for [`Gateway::chaincode_events_request`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.request.encode_to_vec()
    }

    /// Opens the stream.
    ///
    /// # Errors
    /// [`EventError`] if it cannot be opened.
    pub async fn stream(&self) -> Result<ChaincodeEvents, EventError> {
        let streaming = self.open().await?;
        Ok(ChaincodeEvents {
            state: State::Open(Box::new(streaming)),
            queue: VecDeque::new(),
            resume: None,
        })
    }

    async fn open(&self) -> Result<Streaming<ChaincodeEventsResponse>, EventError> {
        let mut request = self.request.clone();
        if request.signature.is_empty() {
            request.signature = self.gateway.sign(&request.request).await?;
        }
        let response = self
            .gateway
            .client()
            .chaincode_events(request)
            .await
            .map_err(RpcFailure::from)?;
        Ok(response.into_inner())
    }
}

impl Gateway {
    /// A request from what [`ChaincodeEventsRequest::to_bytes`] gave, here or in one of Fabric's other SDKs.
    ///
    /// # Errors
    /// [`RehydrateError`] if the bytes are not a request for chaincode events.
    pub fn chaincode_events_request(&self, bytes: &[u8]) -> Result<ChaincodeEventsRequest, RehydrateError> {
        let request = SignedChaincodeEventsRequest::decode(bytes)?;
        RequestMessage::decode(request.request.as_slice())?;
        Ok(ChaincodeEventsRequest {
            gateway: self.clone(),
            request,
        })
    }
}

/// A stream of chaincode events in the order of the ledger. Dropping it ends the call.
pub struct ChaincodeEvents {
    state: State,
    queue: VecDeque<ChaincodeEvent>,
    resume: Option<Resume>,
}

enum State {
    Open(Box<Streaming<ChaincodeEventsResponse>>),
    Waiting(Pin<Box<Sleep>>),
    Opening(BoxFuture<'static, Result<Streaming<ChaincodeEventsResponse>, EventError>>),
    Ended,
}

struct Resume {
    builder: ChaincodeEventsBuilder,
    longest_pause: Duration,
    failures: u32,
}

impl Resume {
    fn pause(&mut self) -> Pin<Box<Sleep>> {
        let pause = Duration::from_millis(50).saturating_mul(1 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        Box::pin(tokio::time::sleep(pause.min(self.longest_pause)))
    }
}

impl ChaincodeEvents {
    fn failed(&mut self, error: EventError) -> Option<EventError> {
        match &mut self.resume {
            Some(resume) if error.is_retryable() => {
                tracing::debug!(%error, "chaincode events stopped; opening the stream again");
                self.state = State::Waiting(resume.pause());
                None
            }
            _ => {
                self.state = State::Ended;
                Some(error)
            }
        }
    }

    fn received(&mut self, response: ChaincodeEventsResponse) {
        let block_number = response.block_number;
        self.queue
            .extend(response.events.into_iter().map(|event| ChaincodeEvent {
                block_number,
                transaction_id: event.tx_id,
                chaincode: event.chaincode_id,
                event_name: event.event_name,
                payload: event.payload,
            }));
    }

    fn given(&mut self, event: &ChaincodeEvent) {
        if let Some(resume) = &mut self.resume {
            resume.failures = 0;
            resume.builder.start_block = Some(event.block_number);
            resume.builder.after_transaction.clone_from(&event.transaction_id);
        }
    }
}

impl Stream for ChaincodeEvents {
    type Item = Result<ChaincodeEvent, EventError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                self.given(&event);
                return Poll::Ready(Some(Ok(event)));
            }
            let failure = match &mut self.state {
                State::Ended => return Poll::Ready(None),
                State::Open(streaming) => match ready!(Pin::new(streaming).poll_next(cx)) {
                    Some(Ok(response)) => {
                        self.received(response);
                        None
                    }
                    Some(Err(status)) => Some(RpcFailure::from(status).into()),
                    None if self.resume.is_some() => Some(
                        RpcFailure::from(tonic::Status::unavailable("the peer closed the stream")).into(),
                    ),
                    None => {
                        self.state = State::Ended;
                        None
                    }
                },
                State::Waiting(sleep) => {
                    ready!(sleep.as_mut().poll(cx));
                    if let Some(resume) = &self.resume {
                        let request = resume.builder.build();
                        self.state = State::Opening(async move { request.open().await }.boxed());
                    }
                    None
                }
                State::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Ok(streaming) => {
                        self.state = State::Open(Box::new(streaming));
                        None
                    }
                    Err(error) => Some(error),
                },
            };
            if let Some(error) = failure.and_then(|error| self.failed(error)) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

impl std::fmt::Debug for ChaincodeEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChaincodeEvents")
            .field("queued", &self.queue.len())
            .finish_non_exhaustive()
    }
}
