//! What was purged or has expired is removed from the disk, beside the commits.

use std::sync::Arc;
use std::time::Duration;

use fabric_ledger::{Erased, LedgerError};
use tokio::sync::watch;

use crate::Channel;

/// Removes the bytes of one channel's purged and expired private data when that is due.
pub(crate) struct Eraser {
    pub(crate) channel: Arc<Channel>,
    /// Between the end of a removal and the beginning of the next one: each writes much, however little is to go.
    pub(crate) pause: Duration,
    /// Turns true when the peer stops.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Eraser {
    /// Runs until the peer stops.
    pub(crate) async fn run(mut self) {
        // What the peer was stopped before.
        self.channel.erasures.notify_one();
        loop {
            tokio::select! {
                _ = self.stop.wait_for(|stop| *stop) => return,
                () = self.channel.erasures.notified() => {}
            }
            let channel = self.channel.id();
            match erase_due(&self.channel).await {
                Ok(None) => continue,
                Ok(Some(Erased::All { height })) => tracing::debug!(channel, height, "erased"),
                Ok(Some(Erased::Partly)) => self.channel.erasures.notify_one(),
                Err(error) => {
                    tracing::error!(channel, %error, "purged private data is still on the disk, trying again");
                    self.channel.erasures.notify_one();
                }
            }
            tokio::select! {
                _ = self.stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(self.pause) => {}
            }
        }
    }
}

/// Removes what is due; `None` when nothing is.
async fn erase_due(channel: &Arc<Channel>) -> Result<Option<Erased>, LedgerError> {
    let on = Arc::clone(channel);
    let due = move || {
        if on.ledger().erasure_due()? || on.ledger().erasure_unfinished() {
            on.ledger().compact().map(Some)
        } else {
            Ok(None)
        }
    };
    blocking(due).await.unwrap_or(Ok(None))
}

/// Removes everything now, due or not.
pub(crate) async fn erase(channel: &Arc<Channel>) -> Result<Erased, LedgerError> {
    let on = Arc::clone(channel);
    blocking(move || on.ledger().compact())
        .await
        .unwrap_or(Ok(Erased::Partly))
}

/// `None` when the runtime ends.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.inspect_err(|failed| tracing::debug!(%failed, "a removal was given up"))
        .ok()
}
