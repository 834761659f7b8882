//! The loop over a caller's requests.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fabric_protos::common::{Block, ChannelHeader, Envelope, HeaderType, Payload, Status};
use futures::{Stream, StreamExt};
use prost::Message;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tracing::{debug, warn};

use crate::chain::{Chain, Chains};
use crate::request::{Binding, Request};
use crate::responder::{Delivery, Responder};
use crate::seek::Seek;
use crate::session::Session;

/// Messages that wait for a slow caller before the chain is read further.
const BUFFERED: usize = 8;

/// What a server requires of its callers.
#[derive(Debug, Clone)]
pub struct DeliverOptions {
    /// How far a request's timestamp may be from this server's clock, either way. Fabric's default is 15 minutes.
    pub time_window: Duration,
    /// Whether the server demands client certificates. Requests must then carry the certificate's hash.
    pub mutual_tls: bool,
}

impl Default for DeliverOptions {
    fn default() -> Self {
        Self {
            time_window: Duration::from_secs(15 * 60),
            mutual_tls: false,
        }
    }
}

/// The answers of one call, as tonic's services return them.
pub type ResponseStream<T> = ReceiverStream<Result<T, tonic::Status>>;

/// Serves Deliver calls over the channels of a node. Cheap to clone.
#[derive(Clone)]
pub struct Deliver {
    chains: Arc<dyn Chains>,
    options: DeliverOptions,
    closed: watch::Sender<bool>,
}

impl fmt::Debug for Deliver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliver")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Deliver {
    /// A server over `chains`.
    pub fn new(chains: Arc<dyn Chains>, options: DeliverOptions) -> Self {
        Self {
            chains,
            options,
            closed: watch::Sender::new(false),
        }
    }

    /// Answers the envelopes of one call, each with blocks and a status, in order.
    ///
    /// `client_certificate_hash` is the SHA-256 of the caller's TLS certificate, if it sent one; it matters
    /// under mutual TLS only. Must be called within a tokio runtime.
    pub fn serve<R, S>(
        &self,
        responder: R,
        requests: S,
        client_certificate_hash: Option<Vec<u8>>,
    ) -> ResponseStream<R::Response>
    where
        R: Responder,
        S: Stream<Item = Result<Envelope, tonic::Status>> + Send + Unpin + 'static,
    {
        let (responses, stream) = mpsc::channel(BUFFERED);
        let binding = if self.options.mutual_tls {
            Binding::MutualTls(client_certificate_hash)
        } else {
            Binding::None
        };
        let call = Call {
            chains: Arc::clone(&self.chains),
            window: self.options.time_window,
            responder,
            binding,
            responses: responses.clone(),
        };
        let mut closed = self.closed.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                () = call.run(requests) => {}
                () = responses.closed() => debug!("deliver: the caller has gone"),
                _ = closed.wait_for(|closed| *closed) => {
                    let message = "this node is shutting down: ask again or ask another node";
                    // A caller that does not read any more needs no farewell.
                    let _ = responses.try_send(Err(tonic::Status::unavailable(message)));
                }
            }
            // `close` waits for the receivers: the chains must be let go before this one is.
            drop(call);
            drop(closed);
        });
        ReceiverStream::new(stream)
    }

    /// Ends all calls, present and future, with `UNAVAILABLE`. When this returns, no call holds a chain any more.
    pub async fn close(&self) {
        self.closed.send_replace(true);
        self.closed.closed().await;
    }
}

/// One Deliver call.
struct Call<R: Responder> {
    chains: Arc<dyn Chains>,
    window: Duration,
    responder: R,
    binding: Binding,
    responses: mpsc::Sender<Result<R::Response, tonic::Status>>,
}

/// How a request ended: with a status for the caller, or with the end of the call.
enum Ended {
    Status(Status),
    Call(Option<tonic::Status>),
}

impl<R: Responder> Call<R> {
    async fn run<S>(&self, mut requests: S)
    where
        S: Stream<Item = Result<Envelope, tonic::Status>> + Unpin,
    {
        while let Some(Ok(envelope)) = requests.next().await {
            match self.answer(envelope).await {
                Ended::Status(status) => {
                    let sent = self.responses.send(Ok(self.responder.status(status))).await;
                    if sent.is_err() || status != Status::Success {
                        return;
                    }
                }
                Ended::Call(error) => {
                    if let Some(error) = error {
                        let _ = self.responses.send(Err(error)).await;
                    }
                    return;
                }
            }
        }
    }

    async fn answer(&self, envelope: Envelope) -> Ended {
        let request = match Request::parse(envelope, SystemTime::now(), self.window, &self.binding) {
            Ok(request) => request,
            Err(error) => {
                warn!(%error, "deliver: refused a request");
                return Ended::Status(Status::BadRequest);
            }
        };
        let Some(chain) = self.chains.chain(&request.channel_id) else {
            // Clients poll for channels that are still to come: not worth a warning.
            debug!(channel = request.channel_id, "deliver: no such channel");
            return Ended::Status(Status::NotFound);
        };
        let info = match request.seek() {
            Ok(info) => info,
            Err(error) => {
                warn!(%error, "deliver: refused a request");
                return Ended::Status(Status::BadRequest);
            }
        };
        let mut session = Session::new(&request, &*chain);
        if let Err(error) = session.check(&*chain, &self.responder) {
            warn!(channel = request.channel_id, %error, "deliver: refused a caller");
            return Ended::Status(Status::Forbidden);
        }
        let height = *chain.height().borrow();
        match Seek::resolve(&info, height) {
            Ok(seek) => self.send_blocks(&request, chain, session, seek).await,
            Err(status) => Ended::Status(status),
        }
    }

    async fn send_blocks(
        &self,
        request: &Request,
        chain: Arc<dyn Chain>,
        mut session: Session<'_>,
        mut seek: Seek,
    ) -> Ended {
        let mut height = chain.height();
        loop {
            if seek.fail_if_not_ready && *height.borrow() <= seek.next {
                return Ended::Status(Status::NotFound);
            }
            if height.wait_for(|height| *height > seek.next).await.is_err() {
                return Ended::Status(Status::ServiceUnavailable);
            }
            let block = match read(&chain, seek.next).await {
                Ok(block) => block,
                Err(error) => {
                    warn!(channel = request.channel_id, %error, "deliver: a block is unreadable");
                    return Ended::Status(Status::InternalServerError);
                }
            };
            if let Err(error) = session.check(&*chain, &self.responder) {
                warn!(channel = request.channel_id, %error, "deliver: a caller lost its right to read");
                return Ended::Status(Status::Forbidden);
            }
            let block = if seek.headers_only && !is_config(&block) {
                without_data(&block)
            } else {
                block
            };
            let delivery = Delivery {
                channel_id: &request.channel_id,
                chain: &*chain,
                block,
                creator: &request.creator,
            };
            match self.responder.block(delivery) {
                Ok(response) => {
                    if self.responses.send(Ok(response)).await.is_err() {
                        return Ended::Call(None);
                    }
                }
                Err(error) => return Ended::Call(Some(error)),
            }
            if seek.next == seek.stop {
                return Ended::Status(Status::Success);
            }
            seek.next += 1;
        }
    }
}

/// The block `number`, from memory or from disk.
async fn read(
    chain: &Arc<dyn Chain>,
    number: u64,
) -> Result<Arc<Block>, Box<dyn std::error::Error + Send + Sync>> {
    if let Some(block) = chain.recent(number) {
        return Ok(block);
    }
    let chain = Arc::clone(chain);
    Ok(tokio::task::spawn_blocking(move || chain.read(number)).await??)
}

/// Whether the block's transaction is a configuration.
fn is_config(block: &Block) -> bool {
    fn header_type(block: &Block) -> Option<i32> {
        let first = block.data.as_ref()?.data.first()?;
        let envelope = Envelope::decode(first.as_slice()).ok()?;
        let header = Payload::decode(envelope.payload.as_slice()).ok()?.header?;
        Some(
            ChannelHeader::decode(header.channel_header.as_slice())
                .ok()?
                .r#type,
        )
    }
    header_type(block) == Some(HeaderType::Config as i32)
}

fn without_data(block: &Block) -> Arc<Block> {
    Arc::new(Block {
        header: block.header.clone(),
        data: None,
        metadata: block.metadata.clone(),
    })
}
