//! Those who wait for the outcome of a transaction.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::channel::CommitStatus;

/// Waiting callers by transaction id.
#[derive(Debug, Default)]
pub(crate) struct StatusWaiters(Mutex<HashMap<String, Vec<oneshot::Sender<CommitStatus>>>>);

impl StatusWaiters {
    /// Begins to wait at once, not when the future is first polled. `None` when nobody will ever wake it.
    pub(crate) fn listen(&self, tx_id: &str) -> impl Future<Output = Option<CommitStatus>> + Send + use<'_> {
        let (sender, receiver) = oneshot::channel();
        let tx_id = tx_id.to_owned();
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.entry(tx_id.clone()).or_default().push(sender);
        drop(waiting);
        let listener = Listener {
            waiters: self,
            tx_id,
            receiver,
        };
        async move {
            let mut listener = listener;
            (&mut listener.receiver).await.ok()
        }
    }

    /// Answers all who wait for a transaction.
    pub(crate) fn wake(&self, tx_id: &str, status: CommitStatus) {
        let waiting = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(tx_id);
        for sender in waiting.into_iter().flatten() {
            // One who has gone away needs no answer.
            let _ = sender.send(status);
        }
    }
}

/// Takes itself out of the list when its caller goes away, so that unknown ids do not pile up.
struct Listener<'a> {
    waiters: &'a StatusWaiters,
    tx_id: String,
    receiver: oneshot::Receiver<CommitStatus>,
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        self.receiver.close();
        let mut waiting = self.waiters.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(senders) = waiting.get_mut(&self.tx_id) {
            senders.retain(|sender| !sender.is_closed());
            if senders.is_empty() {
                waiting.remove(&self.tx_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use fabric_protos::peer::TxValidationCode;

    use super::*;

    #[tokio::test]
    async fn all_listeners_of_an_id_are_answered_and_none_is_kept() {
        let waiters = StatusWaiters::default();
        let (first, second, other) = (waiters.listen("a"), waiters.listen("a"), waiters.listen("b"));
        drop(other);
        let status = CommitStatus {
            code: TxValidationCode::Valid,
            block: 7,
        };
        waiters.wake("a", status);
        waiters.wake("b", status);
        assert_eq!((first.await, second.await), (Some(status), Some(status)));
        assert!(waiters.0.lock().expect("not poisoned").is_empty());
    }
}
