//! One stream to one peer, from REGISTER to its end.

use std::sync::Arc;

use fabric_contract_core::Chaincode;
use fabric_protos::peer::chaincode_message::Type;
use fabric_protos::peer::{ChaincodeAdditionalParams, ChaincodeId, ChaincodeMessage};
use futures::future::BoxFuture;
use futures::{Stream, StreamExt};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::error::ShimError;
use crate::link::Link;
use crate::transaction::{self, Limits};
use crate::workers::Workers;

/// Messages that may wait in each direction.
pub(crate) const STREAM_BUFFER: usize = 64;

/// Smallest maximum that a peer may name for a batch; smaller ones count as this, as in Fabric's shim.
const SMALLEST_BATCH: u32 = 100;

/// Runs a chaincode in the peer's own process over a pair of channels, with the same messages as over a socket.
///
/// Gives a function that runs one stream to its end: it is called with the messages from the peer and the sender of those to it.
pub fn in_process(
    chaincode: Arc<Chaincode>,
) -> impl Fn(mpsc::Receiver<ChaincodeMessage>, mpsc::Sender<ChaincodeMessage>) -> BoxFuture<'static, ()>
+ Clone
+ Send
+ Sync
+ 'static {
    move |from_peer, to_peer| {
        let chaincode = Arc::clone(&chaincode);
        Box::pin(async move {
            let inbound = ReceiverStream::new(from_peer).map(Ok);
            if let Err(error) = run(chaincode, "in-process", inbound, to_peer).await {
                tracing::warn!(%error, "an in-process chaincode stream broke");
            }
        })
    }
}

/// Registers as `package_id` and serves the stream until it ends.
///
/// Ok at the stream's ordinary end; an error where the peer refuses the registration or the stream breaks.
pub(crate) async fn run(
    chaincode: Arc<Chaincode>,
    package_id: &str,
    mut inbound: impl Stream<Item = Result<ChaincodeMessage, tonic::Status>> + Unpin,
    outbound: mpsc::Sender<ChaincodeMessage>,
) -> Result<(), ShimError> {
    let name = ChaincodeId {
        name: package_id.to_owned(),
        ..ChaincodeId::default()
    };
    let register = ChaincodeMessage {
        r#type: Type::Register.into(),
        payload: name.encode_to_vec(),
        ..ChaincodeMessage::default()
    };
    if outbound.send(register).await.is_err() {
        return Err(ShimError::Stream("it closed before the registration".to_owned()));
    }
    let session = Session {
        chaincode,
        link: Arc::new(Link::new(outbound)),
        workers: Workers::new(),
    };
    let mut state = State::Created;
    while let Some(message) = inbound.next().await {
        let message = message.map_err(|status| ShimError::Stream(status.to_string()))?;
        state = session.receive(state, message)?;
    }
    Ok(())
}

/// Fabric's states of the chaincode's side.
#[derive(Clone, Copy, Debug)]
enum State {
    /// REGISTER is sent.
    Created,
    /// REGISTERED has come.
    Established,
    /// READY has come.
    Ready(Limits),
}

struct Session {
    chaincode: Arc<Chaincode>,
    link: Arc<Link>,
    workers: Workers,
}

impl Session {
    /// Handles one message without ever waiting, since replies come through here too.
    fn receive(&self, state: State, message: ChaincodeMessage) -> Result<State, ShimError> {
        match (state, message.r#type()) {
            (_, Type::Keepalive) => self.link.offer(message),
            (State::Created, Type::Registered) => return Ok(State::Established),
            (State::Established, Type::Ready) => return Ok(State::Ready(limits(&message.payload))),
            (State::Created | State::Established, kind) => {
                let text = match kind {
                    Type::Error => String::from_utf8_lossy(&message.payload).into_owned(),
                    _ => format!("{} came while the registration was under way", kind.as_str_name()),
                };
                return Err(ShimError::Stream(text));
            }
            (State::Ready(_), Type::Response | Type::Error) => {
                if !self.link.reply(message) {
                    tracing::debug!("a reply came that nobody waits for");
                }
            }
            (State::Ready(limits), Type::Transaction | Type::Init) => self.start(limits, message),
            (State::Ready(_), kind) => {
                tracing::warn!(
                    kind = kind.as_str_name(),
                    "ignored a message that has no meaning here"
                );
            }
        }
        Ok(state)
    }

    fn start(&self, limits: Limits, message: ChaincodeMessage) {
        let (chaincode, link) = (Arc::clone(&self.chaincode), Arc::clone(&self.link));
        let started = self
            .workers
            .run(move || transaction::run(&chaincode, &link, limits, message));
        if let Err(error) = started {
            tracing::error!(%error, "no thread for a transaction; the peer will time it out");
        }
    }
}

impl Drop for Session {
    /// Also when the stream's task is cancelled: transactions that wait for the peer fail now.
    fn drop(&mut self) {
        self.link.close();
        self.workers.close();
    }
}

/// What READY promises; a peer before 3.1 promises nothing.
fn limits(payload: &[u8]) -> Limits {
    let params = ChaincodeAdditionalParams::decode(payload).unwrap_or_else(|error| {
        tracing::warn!(%error, "READY has an unknown payload; going on without batches");
        ChaincodeAdditionalParams::default()
    });
    let limit =
        |on: bool, most: u32| on.then(|| usize::try_from(most.max(SMALLEST_BATCH)).unwrap_or(usize::MAX));
    Limits {
        write_batch: limit(params.use_write_batch, params.max_size_write_batch),
        get_multiple: limit(params.use_get_multiple_keys, params.max_size_get_multiple_keys),
    }
}
