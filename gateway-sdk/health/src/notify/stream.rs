//! Deliveries for an application.

use std::collections::VecDeque;
use std::path::PathBuf;

use careledger_api::ids::TxId;
use futures::Stream;

use super::NotifyError;
use super::feed::{Feed, Shared};
use super::journal::{Journal, Open};
use super::subject::{Meaning, Told, Topic, meaning};
use crate::client::HealthClient;

/// The accesses at one custodian and the changes to its patients' accounts, each once, oldest first.
#[derive(Debug)]
pub struct Notifications {
    client: HealthClient,
    custodian: String,
    feed: Feed,
    /// In the journal and not given yet.
    queue: VecDeque<(Open, bool)>,
}

/// One access, attempt or broken glass, or one change to an account.
#[derive(Debug)]
pub struct Delivery {
    /// The transaction: the delivery's id, the same whenever it comes.
    pub id: TxId,
    /// What it is about.
    pub topic: Topic,
    /// Its block.
    pub block: u64,
    /// It was received before this opening of the journal and not acknowledged: it may have been dealt with. All others come for the first time.
    pub redelivered: bool,
    /// Whom to tell what. `None` where the custodian's peer does not hold the body: withheld, or erased since.
    pub notice: Option<Told>,
    journal: Shared,
}

impl Notifications {
    /// Opens the journal at `path` and the event stream where it stands; a new journal begins with the first block, so that nothing is missed.
    ///
    /// `client` is the custodian's own, with the role `notifier` or `custodian`, through its own peer.
    pub async fn open(
        client: &HealthClient,
        custodian: &str,
        path: impl Into<PathBuf>,
    ) -> Result<Self, NotifyError> {
        let journal = Journal::open(path, &client.consortium().channel, custodian)?;
        let (feed, open) = Feed::open(client, custodian, journal).await?;
        Ok(Self {
            client: client.clone(),
            custodian: custodian.to_owned(),
            feed,
            queue: open.into_iter().map(|open| (open, true)).collect(),
        })
    }

    /// Waits for the next delivery. May be dropped at any await: nothing is lost.
    ///
    /// Fails with [`NotifyError::Notice`] where the body cannot be read; the delivery then comes with the next call.
    pub async fn next(&mut self) -> Result<Delivery, NotifyError> {
        loop {
            if self.queue.is_empty() {
                let open = self.feed.next().await?;
                self.queue.push_back((open, false));
            }
            let Some((open, redelivered)) = self.queue.front().cloned() else {
                return Err(NotifyError::Ended);
            };
            let notice = match meaning(&self.client, &self.custodian, &open).await? {
                Meaning::Told(told) => Some(told),
                Meaning::Withheld => None,
                Meaning::Nothing => {
                    let tx = open.tx;
                    self.feed.journal.with(move |journal| journal.done(&tx)).await?;
                    self.queue.pop_front();
                    continue;
                }
            };
            self.queue.pop_front();
            return Ok(Delivery {
                id: open.tx,
                topic: open.topic,
                block: open.block,
                redelivered,
                notice,
                journal: self.feed.journal.clone(),
            });
        }
    }

    /// Ends them, and waits until the journal's last line is on disk: after this it can be opened again at once, unless a [`Delivery`] is still held. Where they
    /// are only dropped, a line that was being written keeps the journal in use until it is on disk.
    pub async fn close(self) {
        self.feed.journal.settle().await;
    }

    /// The deliveries as a stream. It goes on after an error that may pass, if it is polled again.
    pub fn into_stream(self) -> impl Stream<Item = Result<Delivery, NotifyError>> + Send {
        futures::stream::unfold(self, |mut notifications| async move {
            let next = notifications.next().await;
            Some((next, notifications))
        })
    }
}

impl Delivery {
    /// Acknowledges it: it does not come again. Returns once that is on disk.
    pub async fn ack(&self) -> Result<(), NotifyError> {
        let id = self.id.clone();
        self.journal.with(move |journal| journal.done(&id)).await
    }
}
