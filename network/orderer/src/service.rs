//! The `AtomicBroadcast` service.

use std::sync::Arc;

use fabric_channel::Bundle;
use fabric_deliver::{Deliver, Delivery, Responder, ResponseStream};
use fabric_protos::common::{Envelope, Status};
use fabric_protos::orderer::atomic_broadcast_server::AtomicBroadcast;
use fabric_protos::orderer::deliver_response::Type;
use fabric_protos::orderer::{BroadcastResponse, DeliverResponse};
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Streaming};
use tracing::{debug, warn};

use crate::chain::Receipt;
use crate::orderer::Orderer;
use crate::rejection::Rejection;

/// Answers that wait for a slow broadcast client.
const BUFFERED: usize = 16;
/// Messages of one stream that are on their way to the disk.
const ON_THE_WAY: usize = 4096;

/// Broadcast and Deliver of one [`Orderer`].
#[derive(Debug)]
pub struct BroadcastService {
    orderer: Arc<Orderer>,
    deliver: Deliver,
}

impl BroadcastService {
    pub(crate) fn new(orderer: Arc<Orderer>, deliver: Deliver) -> Self {
        Self { orderer, deliver }
    }
}

#[tonic::async_trait]
impl AtomicBroadcast for BroadcastService {
    type BroadcastStream = ReceiverStream<Result<BroadcastResponse, tonic::Status>>;
    type DeliverStream = ResponseStream<DeliverResponse>;

    /// Each message is answered in order, once it is in a block on disk; the stream ends after the first that is not
    /// taken. Messages are taken while earlier ones are on their way to the disk.
    async fn broadcast(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::BroadcastStream>, tonic::Status> {
        let mut messages = request.into_inner();
        let (answers, stream) = mpsc::channel(BUFFERED);
        let (taken, mut outcomes) = mpsc::channel::<Result<Receipt, Rejection>>(ON_THE_WAY);
        let orderer = Arc::clone(&self.orderer);
        tokio::spawn(async move {
            while let Some(Ok(message)) = messages.next().await {
                let outcome = orderer.submit(message).await;
                let refused = outcome.is_err();
                if taken.send(outcome).await.is_err() || refused {
                    return;
                }
            }
        });
        tokio::spawn(async move {
            while let Some(outcome) = outcomes.recv().await {
                let written = match outcome {
                    Ok(receipt) => receipt.written().await,
                    Err(rejection) => Err(rejection),
                };
                let refused = written.is_err();
                if answers.send(Ok(answer(written))).await.is_err() || refused {
                    debug!("orderer: a broadcast stream ended");
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn deliver(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::DeliverStream>, tonic::Status> {
        Ok(Response::new(self.deliver.serve(
            WholeBlocks,
            request.into_inner(),
            None,
        )))
    }
}

fn answer(written: Result<(), Rejection>) -> BroadcastResponse {
    match written {
        Ok(()) => BroadcastResponse {
            status: Status::Success as i32,
            info: String::new(),
        },
        Err(rejection) => {
            warn!(%rejection, "orderer: rejected a message");
            BroadcastResponse {
                status: rejection.status() as i32,
                info: rejection.to_string(),
            }
        }
    }
}

/// Blocks as the orderer wrote them, for `/Channel/Readers`.
struct WholeBlocks;

impl Responder for WholeBlocks {
    type Response = DeliverResponse;

    fn policy(&self, bundle: &Bundle) -> String {
        let maintenance = bundle.orderer_config().maintenance;
        if maintenance {
            "/Channel/Orderer/Readers"
        } else {
            "/Channel/Readers"
        }
        .to_owned()
    }

    fn status(&self, status: Status) -> DeliverResponse {
        DeliverResponse {
            r#type: Some(Type::Status(status as i32)),
        }
    }

    fn block(&self, delivery: Delivery<'_>) -> Result<DeliverResponse, tonic::Status> {
        let block = Arc::unwrap_or_clone(delivery.block);
        Ok(DeliverResponse {
            r#type: Some(Type::Block(block)),
        })
    }
}
