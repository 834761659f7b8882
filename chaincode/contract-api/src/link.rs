//! Requests of running transactions to the peer, and the slots where their replies arrive.

use std::collections::HashMap;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fabric_contract_core::LedgerError;
use fabric_protos::peer::ChaincodeMessage;
use fabric_protos::peer::chaincode_message::Type;
use tokio::sync::mpsc;

/// A request whose reply takes longer is given up: the peer forgot it. Far above every execution timeout in use.
const REPLY_TIMEOUT: Duration = Duration::from_secs(600);

/// The way to the peer, shared by all transactions of one stream.
#[derive(Debug)]
pub(crate) struct Link {
    outbound: mpsc::Sender<ChaincodeMessage>,
    /// One slot for each transaction that waits; `None` once the stream is gone.
    slots: Mutex<Option<HashMap<TransactionKey, SyncSender<ChaincodeMessage>>>>,
}

/// Channel and transaction id: a peer takes one request at a time for each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TransactionKey {
    pub channel_id: String,
    pub tx_id: String,
}

impl Link {
    pub(crate) fn new(outbound: mpsc::Sender<ChaincodeMessage>) -> Self {
        Self {
            outbound,
            slots: Mutex::new(Some(HashMap::new())),
        }
    }

    /// Sends a request of a transaction and blocks until its reply: the payload of RESPONSE, or ERROR's text as
    /// [`LedgerError::Peer`]. Only for threads outside the async runtime.
    pub(crate) fn request(
        &self,
        key: &TransactionKey,
        kind: Type,
        payload: Vec<u8>,
    ) -> Result<Vec<u8>, LedgerError> {
        let slot = Slot::take(self, key)?;
        self.send(key.message(kind, payload))?;
        let reply = match slot.reply.recv_timeout(REPLY_TIMEOUT) {
            Ok(reply) => reply,
            Err(RecvTimeoutError::Disconnected) => return Err(gone()),
            Err(RecvTimeoutError::Timeout) => {
                let text = format!("no reply to {} within {REPLY_TIMEOUT:?}", kind.as_str_name());
                return Err(LedgerError::Disconnected(text));
            }
        };
        match reply.r#type() {
            Type::Response => Ok(reply.payload),
            Type::Error => Err(LedgerError::Peer(
                String::from_utf8_lossy(&reply.payload).into_owned(),
            )),
            other => Err(LedgerError::Peer(format!(
                "{} was answered with {}; RESPONSE or ERROR is right",
                kind.as_str_name(),
                other.as_str_name()
            ))),
        }
    }

    /// Sends a message and blocks while the stream is full.
    pub(crate) fn send(&self, message: ChaincodeMessage) -> Result<(), LedgerError> {
        self.outbound.blocking_send(message).map_err(|_| gone())
    }

    /// Sends a message unless the stream is full or gone.
    pub(crate) fn offer(&self, message: ChaincodeMessage) {
        drop(self.outbound.try_send(message));
    }

    /// Hands a reply to the transaction that waits for it. False where none does.
    pub(crate) fn reply(&self, message: ChaincodeMessage) -> bool {
        let key = TransactionKey {
            channel_id: message.channel_id.clone(),
            tx_id: message.txid.clone(),
        };
        let waiting = self.lock().as_ref().and_then(|slots| slots.get(&key).cloned());
        waiting.is_some_and(|slot| slot.try_send(message).is_ok())
    }

    /// Ends all requests that wait and all that come later: the stream is gone.
    pub(crate) fn close(&self) {
        self.lock().take();
    }

    /// The map is whole after every operation, so a panic elsewhere cannot have broken it.
    fn lock(&self) -> MutexGuard<'_, Option<HashMap<TransactionKey, SyncSender<ChaincodeMessage>>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TransactionKey {
    /// A message of this transaction.
    pub(crate) fn message(&self, kind: Type, payload: Vec<u8>) -> ChaincodeMessage {
        ChaincodeMessage {
            r#type: kind.into(),
            payload,
            txid: self.tx_id.clone(),
            channel_id: self.channel_id.clone(),
            ..ChaincodeMessage::default()
        }
    }
}

/// A transaction's place for its reply; given back when dropped.
struct Slot<'a> {
    link: &'a Link,
    key: &'a TransactionKey,
    reply: std::sync::mpsc::Receiver<ChaincodeMessage>,
}

impl<'a> Slot<'a> {
    fn take(link: &'a Link, key: &'a TransactionKey) -> Result<Self, LedgerError> {
        let (sender, reply) = sync_channel(1);
        let mut slots = link.lock();
        let slots = slots.as_mut().ok_or_else(gone)?;
        if slots.contains_key(key) {
            let text = "the transaction has a request under way already; one at a time is possible";
            return Err(LedgerError::InvalidArgument(text.to_owned()));
        }
        slots.insert(key.clone(), sender);
        Ok(Self { link, key, reply })
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if let Some(slots) = self.link.lock().as_mut() {
            slots.remove(self.key);
        }
    }
}

fn gone() -> LedgerError {
    LedgerError::Disconnected("it ended before the reply came".to_owned())
}
