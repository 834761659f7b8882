//! One chaincode's stream: registration, then messages sorted to the transactions that wait for them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fabric_protos::peer::chaincode_message::Type;
use fabric_protos::peer::{ChaincodeId, ChaincodeMessage};
use futures::StreamExt;
use prost::Message;
use tokio::sync::{Notify, mpsc, watch};

use crate::message::{additional_params, cannot_handle, is_request, message, refusal};
use crate::registry::Registry;
use crate::stream::ChaincodeStream;

/// Messages of one transaction that may wait: one request at a time, and the final answer.
const TRANSACTION_BUFFER: usize = 4;

/// Who opened the stream, which decides the id that chaincode registers under.
#[derive(Debug, Clone)]
pub(crate) enum Registration {
    /// The host connected to this package's service; the chaincode must say the same id.
    Service(String),
    /// The host started this package's chaincode in process; what it says does not matter.
    InProcess(String),
    /// The chaincode connected by itself.
    Unsolicited,
}

/// Where the stream stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Created,
    Established,
    Ready,
    /// Over, with the reason.
    Ended(String),
}

/// The peer's end of one stream.
pub(crate) struct Handler {
    registration: Registration,
    registry: Arc<Registry>,
    keepalive: Option<Duration>,
    state: watch::Sender<State>,
    close: Notify,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Gone once the stream has ended.
    outbound: Option<mpsc::Sender<ChaincodeMessage>>,
    transactions: HashMap<TransactionKey, Slot>,
}

/// Channel and transaction id.
type TransactionKey = (String, String);

struct Slot {
    messages: mpsc::Sender<ChaincodeMessage>,
    busy: Arc<AtomicBool>,
}

/// A transaction's place on a stream. Dropping it gives the place up.
pub(crate) struct Link {
    key: TransactionKey,
    handler: Arc<Handler>,
    messages: mpsc::Receiver<ChaincodeMessage>,
    outbound: mpsc::Sender<ChaincodeMessage>,
    busy: Arc<AtomicBool>,
}

/// Why a transaction got no place.
pub(crate) enum LinkError {
    /// The same transaction runs here.
    Running,
    /// The stream is over.
    Terminated,
}

impl Handler {
    pub(crate) fn new(
        registration: Registration,
        registry: Arc<Registry>,
        keepalive: Option<Duration>,
    ) -> Arc<Self> {
        Arc::new(Self {
            registration,
            registry,
            keepalive,
            state: watch::Sender::new(State::Created),
            close: Notify::new(),
            inner: Mutex::new(Inner {
                outbound: None,
                transactions: HashMap::new(),
            }),
        })
    }

    pub(crate) fn is_ready(&self) -> bool {
        *self.state.borrow() == State::Ready
    }

    pub(crate) fn was_launched(&self) -> bool {
        !matches!(self.registration, Registration::Unsolicited)
    }

    /// Waits until the chaincode is ready or the stream has ended, and says which.
    pub(crate) async fn started(&self) -> State {
        self.wait_for(|state| matches!(state, State::Ready | State::Ended(_)))
            .await
    }

    /// Waits until the stream has ended.
    pub(crate) async fn ended(&self) {
        self.wait_for(|state| matches!(state, State::Ended(_))).await;
    }

    /// Asks the stream to end.
    pub(crate) fn close(&self) {
        self.close.notify_one();
    }

    /// Runs the stream to its end and returns the reason; `Ok` when the chaincode closed it.
    pub(crate) async fn run(
        self: Arc<Self>,
        stream: ChaincodeStream,
        shutdown: watch::Receiver<bool>,
    ) -> Result<(), String> {
        self.lock().outbound = Some(stream.outbound.clone());
        let mut package_id = None;
        let end = self.process(stream, shutdown, &mut package_id).await;
        if let Some(package_id) = &package_id {
            self.registry.deregister(package_id, &self);
        }
        let reason = match &end {
            Ok(()) => "the chaincode closed the stream".to_owned(),
            Err(reason) => reason.clone(),
        };
        tracing::info!(package_id, reason, "chaincode stream ended");
        // State first: a transaction that begins now must see the end.
        self.state.send_replace(State::Ended(reason));
        let mut inner = self.lock();
        inner.outbound = None;
        inner.transactions.clear();
        end
    }

    /// Takes a place for a transaction.
    pub(crate) fn begin(self: &Arc<Self>, channel_id: &str, tx_id: &str) -> Result<Link, LinkError> {
        let key = (channel_id.to_owned(), tx_id.to_owned());
        let (sender, messages) = mpsc::channel(TRANSACTION_BUFFER);
        let busy = Arc::new(AtomicBool::new(false));
        let mut inner = self.lock();
        let outbound = inner.outbound.clone().ok_or(LinkError::Terminated)?;
        if inner.transactions.contains_key(&key) {
            return Err(LinkError::Running);
        }
        inner.transactions.insert(
            key.clone(),
            Slot {
                messages: sender,
                busy: busy.clone(),
            },
        );
        drop(inner);
        Ok(Link {
            key,
            handler: self.clone(),
            messages,
            outbound,
            busy,
        })
    }

    async fn process(
        self: &Arc<Self>,
        stream: ChaincodeStream,
        mut shutdown: watch::Receiver<bool>,
        package_id: &mut Option<String>,
    ) -> Result<(), String> {
        let ChaincodeStream {
            mut inbound,
            outbound,
        } = stream;
        let mut keepalive = self
            .keepalive
            .map(|period| tokio::time::interval_at(tokio::time::Instant::now() + period, period));
        loop {
            tokio::select! {
                biased; // What the chaincode said before it broke off is heard before the break.
                () = self.close.notified() => return Err("closed by the peer".into()),
                () = gone(&mut shutdown) => return Err("the peer is shutting down".into()),
                message = inbound.next() => match message {
                    None => return Ok(()),
                    Some(Err(status)) => {
                        return Err(format!(
                            "receive from chaincode support stream failed: {}", status.message()
                        ));
                    }
                    Some(Ok(message)) => self.handle(message, &outbound, package_id).await.map_err(|reason| {
                        format!("error handling message, ending stream: {reason}")
                    })?,
                },
                () = tick(&mut keepalive) => {
                    // A full buffer means that other messages keep the connection alive.
                    let _ = outbound.try_send(message(Type::Keepalive, Vec::new()));
                }
                () = outbound.closed() => {
                    return Err("received error while sending message, ending chaincode support stream".into());
                }
            }
        }
    }

    async fn handle(
        self: &Arc<Self>,
        message: ChaincodeMessage,
        outbound: &mpsc::Sender<ChaincodeMessage>,
        package_id: &mut Option<String>,
    ) -> Result<(), String> {
        let kind = message.r#type();
        if kind == Type::Keepalive {
            return Ok(());
        }
        if package_id.is_none() {
            if kind != Type::Register {
                return Err(cannot_handle(&message, "created"));
            }
            *package_id = Some(self.register(&message, outbound).await?);
            return Ok(());
        }
        match kind {
            Type::Completed | Type::Error => {
                self.deliver_answer(message);
                Ok(())
            }
            kind if is_request(kind) => {
                self.deliver_request(message, outbound);
                Ok(())
            }
            _ => Err(cannot_handle(&message, "ready")),
        }
    }

    /// REGISTER, answered with REGISTERED and READY.
    async fn register(
        self: &Arc<Self>,
        register: &ChaincodeMessage,
        outbound: &mpsc::Sender<ChaincodeMessage>,
    ) -> Result<String, String> {
        let id = ChaincodeId::decode(register.payload.as_slice())
            .map_err(|error| format!("could NOT unmarshal registration info: {error}"))?;
        let package_id = match &self.registration {
            Registration::InProcess(package_id) => package_id.clone(),
            Registration::Service(package_id) if *package_id != id.name => {
                return Err(format!(
                    "the chaincode registered as '{}' but serves package '{package_id}': set its chaincode id \
                     (CORE_CHAINCODE_ID_NAME or CHAINCODE_ID) to the package id",
                    id.name
                ));
            }
            Registration::Unsolicited if id.name.is_empty() => {
                return Err("error in handling register chaincode, chaincodeID name is empty".into());
            }
            _ => id.name,
        };
        self.registry.register(&package_id, self)?;
        let replies = async {
            outbound.send(message(Type::Registered, Vec::new())).await?;
            self.state.send_replace(State::Established);
            outbound
                .send(message(Type::Ready, additional_params().encode_to_vec()))
                .await
        };
        if replies.await.is_err() {
            self.registry.deregister(&package_id, self);
            return Err("error sending READY: the stream is closed".into());
        }
        self.state.send_replace(State::Ready);
        tracing::info!(package_id, "chaincode is ready");
        Ok(package_id)
    }

    /// COMPLETED or ERROR, to whoever waits for it.
    fn deliver_answer(&self, message: ChaincodeMessage) {
        let key = (message.channel_id.clone(), message.txid.clone());
        let Some(messages) = self
            .lock()
            .transactions
            .get(&key)
            .map(|slot| slot.messages.clone())
        else {
            tracing::debug!(
                tx_id = key.1,
                channel = key.0,
                "answer for a transaction that is over"
            );
            return;
        };
        if messages.try_send(message).is_err() {
            tracing::warn!(
                tx_id = key.1,
                channel = key.0,
                "chaincode sends answers without being asked"
            );
        }
    }

    /// A request of a transaction, unless it has one under way already.
    fn deliver_request(&self, request: ChaincodeMessage, outbound: &mpsc::Sender<ChaincodeMessage>) {
        let key = (request.channel_id.clone(), request.txid.clone());
        let slot = self
            .lock()
            .transactions
            .get(&key)
            .map(|slot| (slot.messages.clone(), slot.busy.swap(true, Ordering::AcqRel)));
        match slot {
            None => {
                let reason = match request.r#type() {
                    Type::InvokeChaincode => "could not get valid transaction",
                    _ => "no ledger context",
                };
                let _ = outbound.try_send(refusal(&request, reason));
            }
            Some((_, true)) => {
                tracing::error!(
                    tx_id = key.1,
                    channel = key.0,
                    "another request of this transaction is pending, the new one is dropped"
                );
            }
            Some((messages, false)) => {
                if messages.try_send(request).is_err() {
                    tracing::warn!(
                        tx_id = key.1,
                        channel = key.0,
                        "request after the answer is dropped"
                    );
                }
            }
        }
    }

    async fn wait_for(&self, condition: impl FnMut(&State) -> bool) -> State {
        match self.state.subscribe().wait_for(condition).await {
            Ok(state) => state.clone(),
            // The sender lives in `self`.
            Err(_) => State::Ended("the handler is gone".into()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is one map operation, so a panic elsewhere leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// Sends to the chaincode; `false` when the stream is over.
    pub(crate) async fn send(&self, message: ChaincodeMessage) -> bool {
        self.outbound.send(message).await.is_ok()
    }

    /// The chaincode's next request or its answer; `None` when the stream is over.
    pub(crate) async fn next(&mut self) -> Option<ChaincodeMessage> {
        self.messages.recv().await
    }

    /// Lets the chaincode send its next request.
    pub(crate) fn request_done(&self) {
        self.busy.store(false, Ordering::Release);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.handler.lock().transactions.remove(&self.key);
    }
}

async fn gone(shutdown: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and the peer with it.
    let _ = shutdown.wait_for(|gone| *gone).await;
}

async fn tick(keepalive: &mut Option<tokio::time::Interval>) {
    match keepalive {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}
