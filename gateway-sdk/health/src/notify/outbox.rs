//! Webhooks, delivered in the end or given up: the journal is the outbox.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::RngExt;

use super::NotifyError;
use super::feed::Feed;
use super::journal::{Journal, Open};
use super::subject::{Meaning, meaning};
use super::webhook::{Announcement, SendError, Webhook};
use crate::client::HealthClient;

/// When a failed delivery is tried again, and when no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The pause after the first failure; each further one is twice as long, with up to a quarter more at random.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// Attempts before a delivery is given up.
    pub attempts: u32,
}

impl Default for RetryPolicy {
    /// From 2 seconds to an hour, 20 attempts: some nine hours in all.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(2),
            longest: Duration::from_secs(3_600),
            attempts: 20,
        }
    }
}

impl RetryPolicy {
    /// The pause after this many failed attempts.
    fn pause(&self, attempts: u32) -> Duration {
        let doubled = self.first.saturating_mul(1 << attempts.saturating_sub(1).min(30));
        let pause = doubled.min(self.longest);
        pause + pause.mul_f64(rand::rng().random_range(0.0..0.25))
    }
}

/// Announces the accesses at one custodian and the changes to its patients' accounts to one destination.
#[derive(Debug)]
pub struct Outbox {
    client: HealthClient,
    custodian: String,
    feed: Feed,
    webhook: Webhook,
    retry: RetryPolicy,
    waiting: Vec<Open>,
}

impl Outbox {
    /// Opens the journal at `path` and the event stream where it stands. Failed deliveries of an earlier run go on with their attempts and their pause.
    pub async fn open(
        client: &HealthClient,
        custodian: &str,
        path: impl Into<PathBuf>,
        webhook: Webhook,
        retry: RetryPolicy,
    ) -> Result<Self, NotifyError> {
        let journal = Journal::open(path, &client.consortium().channel, custodian)?;
        let (feed, waiting) = Feed::open(client, custodian, journal).await?;
        Ok(Self {
            client: client.clone(),
            custodian: custodian.to_owned(),
            feed,
            webhook,
            retry,
            waiting,
        })
    }

    /// Delivers until the peer's events fail for good. May be dropped at any await: what was not answered with 2xx is tried again by the next run,
    /// under the same delivery id.
    pub async fn run(&mut self) -> Result<std::convert::Infallible, NotifyError> {
        loop {
            match self.due() {
                Some((place, wait)) if wait.is_zero() => self.deliver(place).await?,
                Some((_, wait)) => {
                    tokio::select! {
                        received = self.feed.next() => self.waiting.push(received?),
                        () = tokio::time::sleep(wait) => {}
                    }
                }
                None => {
                    let received = self.feed.next().await?;
                    self.waiting.push(received);
                }
            }
        }
    }

    /// Ends it, and waits until the journal's last line is on disk: after this it can be opened again at once. Where an outbox is only dropped, a line that was
    /// being written keeps the journal in use until it is on disk.
    pub async fn close(self) {
        self.feed.journal.settle().await;
    }

    /// The delivery that is due first, and how long until then.
    fn due(&self) -> Option<(usize, Duration)> {
        let (place, first) = self.waiting.iter().enumerate().min_by_key(|(_, open)| open.due)?;
        let wait = u64::try_from(first.due - unix_ms()).unwrap_or(0);
        Some((place, Duration::from_millis(wait)))
    }

    async fn deliver(&mut self, place: usize) -> Result<(), NotifyError> {
        let Some(open) = self.waiting.get(place) else {
            return Ok(());
        };
        let (tx, attempts) = (open.tx.clone(), open.attempts + 1);
        match self.attempt(open).await {
            Ok(()) => {
                tracing::debug!(%tx, attempts, "delivered");
                self.feed.journal.with(move |journal| journal.done(&tx)).await?;
                self.waiting.remove(place);
            }
            Err(error) if error.ends_it() || attempts >= self.retry.attempts => {
                tracing::error!(%tx, attempts, %error, "a webhook is given up");
                self.feed
                    .journal
                    .with(move |journal| journal.give_up(&tx, attempts))
                    .await?;
                self.waiting.remove(place);
            }
            Err(error) => {
                let pause = self.retry.pause(attempts);
                tracing::warn!(%tx, attempts, %error, ?pause, "a webhook failed and is tried again");
                let due = unix_ms() + i64::try_from(pause.as_millis()).unwrap_or(i64::MAX / 2);
                self.feed
                    .journal
                    .with(move |journal| journal.failed(&tx, attempts, due))
                    .await?;
                if let Some(open) = self.waiting.get_mut(place) {
                    open.attempts = attempts;
                    open.due = due;
                }
            }
        }
        Ok(())
    }

    /// Announces a transaction, unless it is none that a patient is told, or the patient wants not to be told. Asked at each attempt: the switch counts as it
    /// stands then.
    async fn attempt(&self, open: &Open) -> Result<(), Failed> {
        match meaning(&self.client, &self.custodian, open).await {
            Ok(Meaning::Nothing) => return Ok(()),
            Ok(Meaning::Told(told)) if !told.wanted() => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(Failed::Meaning(error)),
        }
        let announcement = Announcement::of(&self.custodian, open.topic, open.tx.clone());
        let sent = self.webhook.send(&announcement, unix_ms() / 1_000).await;
        sent.map_err(Failed::Send)
    }
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Send(SendError),
    /// What it means could not be read, so that it is not known whether the patient wants to be told.
    #[error(transparent)]
    Meaning(NotifyError),
}

impl Failed {
    fn ends_it(&self) -> bool {
        matches!(self, Self::Send(error) if error.is_final())
    }
}

/// Milliseconds since 1970 by this machine's clock.
fn unix_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let policy = RetryPolicy::default();
        for (attempts, seconds) in [
            (1, 2),
            (2, 4),
            (3, 8),
            (11, 2_048),
            (12, 3_600),
            (u32::MAX, 3_600),
        ] {
            let least = Duration::from_secs(seconds);
            let pause = policy.pause(attempts);
            assert!(
                pause >= least && pause <= least.mul_f64(1.25),
                "{attempts}: {pause:?}"
            );
        }
    }
}
