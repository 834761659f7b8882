//! Streams to one orderer that stay open, with many transactions in flight on each.
//!
//! An orderer answers the envelopes of a stream in their order, so answers are matched by place. It ends a stream after
//! the first refusal and has not looked at what followed: that is sent again on the next stream.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use fabric_protos::MAX_MESSAGE_SIZE;
use fabric_protos::common::{Envelope, Status as OrdererStatus};
use fabric_protos::orderer::BroadcastResponse;
use fabric_protos::orderer::atomic_broadcast_client::AtomicBroadcastClient;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::transport::Channel;

/// Streams for each orderer: an orderer checks the envelopes of one stream one after the other.
const LANES: usize = 4;
/// Transactions in flight on one stream.
const IN_FLIGHT: usize = 1024;

/// The streams to one orderer.
pub(super) struct Broadcaster {
    lanes: Vec<mpsc::Sender<Submission>>,
    next: AtomicUsize,
}

struct Submission {
    envelope: Envelope,
    answer: oneshot::Sender<Result<BroadcastResponse, Status>>,
}

impl Broadcaster {
    pub(super) fn new(channel: Channel) -> Self {
        let lanes = (0..LANES)
            .map(|_| {
                let (sender, queue) = mpsc::channel(IN_FLIGHT);
                tokio::spawn(
                    Lane {
                        queue,
                        waiting: VecDeque::new(),
                    }
                    .run(channel.clone()),
                );
                sender
            })
            .collect();
        Self {
            lanes,
            next: AtomicUsize::new(0),
        }
    }

    /// Hands an envelope to the orderer and gives its answer. Dropping the future does not take it back.
    pub(super) async fn broadcast(&self, envelope: Envelope) -> Result<BroadcastResponse, Status> {
        let stopped = || Status::unavailable("the connection to the orderer was closed");
        let (answer, answered) = oneshot::channel();
        let lane = self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len();
        let lane = self.lanes.get(lane).ok_or_else(stopped)?;
        lane.send(Submission { envelope, answer })
            .await
            .map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

struct Lane {
    queue: mpsc::Receiver<Submission>,
    /// Sent and not answered, or to be sent again, in order.
    waiting: VecDeque<Submission>,
}

impl Lane {
    async fn run(mut self, channel: Channel) {
        let mut client = AtomicBroadcastClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE_SIZE)
            .max_encoding_message_size(MAX_MESSAGE_SIZE);
        loop {
            if self.waiting.is_empty() {
                match self.queue.recv().await {
                    Some(submission) => self.waiting.push_back(submission),
                    None => return,
                }
            }
            if let Err(status) = self.stream(&mut client).await {
                tracing::debug!(%status, "a broadcast stream ended");
                for submission in self.waiting.drain(..) {
                    // The client may be gone; then nobody asks.
                    let _ = submission.answer.send(Err(status.clone()));
                }
            }
        }
    }

    /// Serves one stream until the orderer ends it. What is in `waiting` afterwards was not looked at (`Ok`), or
    /// nobody knows (`Err`).
    async fn stream(&mut self, client: &mut AtomicBroadcastClient<Channel>) -> Result<(), Status> {
        // Never full: it holds as many as may be in flight.
        let (sender, envelopes) = mpsc::channel(IN_FLIGHT);
        for submission in &self.waiting {
            let _ = sender.send(submission.envelope.clone()).await;
        }
        // An orderer may hold its headers back until the first answer, so the first envelopes go before them.
        let mut answers = client
            .broadcast(ReceiverStream::new(envelopes))
            .await?
            .into_inner();
        loop {
            tokio::select! {
                answer = answers.message() => match answer? {
                    Some(response) => {
                        let refused = response.status() != OrdererStatus::Success;
                        if let Some(submission) = self.waiting.pop_front() {
                            let _ = submission.answer.send(Ok(response));
                        }
                        if refused {
                            return Ok(());
                        }
                    }
                    None if self.waiting.is_empty() => return Ok(()),
                    None => return Err(Status::unavailable("the orderer ended the stream")),
                },
                submission = self.queue.recv(), if self.waiting.len() < IN_FLIGHT => match submission {
                    Some(submission) => {
                        let _ = sender.send(submission.envelope.clone()).await;
                        self.waiting.push_back(submission);
                    }
                    None if self.waiting.is_empty() => return Ok(()),
                    // Nobody is left to be answered.
                    None => return Err(Status::cancelled("the gateway stops")),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Arc;

    use fabric_protos::common::Envelope;
    use fabric_protos::orderer::DeliverResponse;
    use fabric_protos::orderer::atomic_broadcast_server::{AtomicBroadcast, AtomicBroadcastServer};
    use futures::{Stream, StreamExt, stream};
    use tonic::transport::Server;
    use tonic::{Request, Response, Streaming};

    use super::*;

    /// Answers `BAD_REQUEST` to the payload "bad" and ends the stream then, breaks the stream at "break".
    #[derive(Clone, Default)]
    struct Orderer {
        streams: Arc<AtomicUsize>,
        taken: Arc<AtomicUsize>,
    }

    type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

    #[tonic::async_trait]
    impl AtomicBroadcast for Orderer {
        type BroadcastStream = Answers<BroadcastResponse>;
        async fn broadcast(
            &self,
            request: Request<Streaming<Envelope>>,
        ) -> Result<Response<Self::BroadcastStream>, Status> {
            self.streams.fetch_add(1, Ordering::SeqCst);
            let orderer = self.clone();
            let answers = stream::unfold(Some(request.into_inner()), move |envelopes| {
                let orderer = orderer.clone();
                async move {
                    let mut envelopes = envelopes?;
                    let envelope = envelopes.next().await?.ok()?;
                    match envelope.payload.as_slice() {
                        b"bad" => {
                            let response = BroadcastResponse {
                                status: OrdererStatus::BadRequest.into(),
                                info: "bad".to_owned(),
                            };
                            Some((Ok(response), None))
                        }
                        b"break" => Some((Err(Status::internal("broken")), None)),
                        other => {
                            orderer.taken.fetch_add(1, Ordering::SeqCst);
                            let info = String::from_utf8_lossy(other).into_owned();
                            let response = BroadcastResponse {
                                status: OrdererStatus::Success.into(),
                                info,
                            };
                            Some((Ok(response), Some(envelopes)))
                        }
                    }
                }
            });
            Ok(Response::new(answers.boxed()))
        }

        type DeliverStream = Answers<DeliverResponse>;
        async fn deliver(
            &self,
            _: Request<Streaming<Envelope>>,
        ) -> Result<Response<Self::DeliverStream>, Status> {
            Err(Status::unimplemented("no blocks"))
        }
    }

    async fn start() -> (Orderer, Broadcaster) {
        let orderer = Orderer::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("an address");
        let service = AtomicBroadcastServer::new(orderer.clone());
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        tokio::spawn(
            Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming),
        );
        let channel = Channel::from_shared(format!("http://{address}"))
            .expect("a URI")
            .connect_lazy();
        (orderer, Broadcaster::new(channel))
    }

    fn envelope(payload: &str) -> Envelope {
        Envelope {
            payload: payload.as_bytes().to_vec(),
            signature: vec![1],
        }
    }

    #[tokio::test]
    async fn many_transactions_share_a_few_streams_and_get_their_own_answers() {
        let (orderer, broadcaster) = start().await;
        let calls = (0..200).map(|number| broadcaster.broadcast(envelope(&number.to_string())));
        let answers = futures::future::join_all(calls).await;
        for (number, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.expect("answered").info, number.to_string());
        }
        assert_eq!(orderer.taken.load(Ordering::SeqCst), 200);
        assert!(orderer.streams.load(Ordering::SeqCst) <= LANES);
    }

    #[tokio::test]
    async fn a_refusal_harms_nobody_else() {
        let (orderer, broadcaster) = start().await;
        let calls = (0..100).map(|number| {
            let payload = if number % 10 == 3 {
                "bad".to_owned()
            } else {
                number.to_string()
            };
            let broadcaster = &broadcaster;
            async move { (payload.clone(), broadcaster.broadcast(envelope(&payload)).await) }
        });
        for (payload, answer) in futures::future::join_all(calls).await {
            let response = answer.expect("answered");
            assert_eq!(response.info, payload);
            assert_eq!(response.status() == OrdererStatus::BadRequest, payload == "bad");
        }
        assert_eq!(orderer.taken.load(Ordering::SeqCst), 90);
    }

    #[tokio::test]
    async fn after_a_broken_stream_the_next_transaction_gets_a_new_one() {
        let (_orderer, broadcaster) = start().await;
        let error = broadcaster
            .broadcast(envelope("break"))
            .await
            .expect_err("broken");
        assert_eq!(error.message(), "broken");
        for number in 0..LANES * 2 {
            let answer = broadcaster
                .broadcast(envelope(&number.to_string()))
                .await
                .expect("answered");
            assert_eq!(answer.info, number.to_string());
        }
    }

    #[tokio::test]
    async fn an_orderer_that_is_not_there_is_an_error() {
        let channel = Channel::from_static("http://127.0.0.1:1").connect_lazy();
        let error = Broadcaster::new(channel)
            .broadcast(envelope("x"))
            .await
            .expect_err("refused");
        assert_eq!(error.code(), tonic::Code::Unavailable);
    }
}
