//! Deliveries for an application.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use careledger_api::HealthError;
use careledger_api::contracts::consent::Notice;
use careledger_api::ids::TxId;
use fabric_contract_core::CallError;
use futures::Stream;

use super::NotifyError;
use super::feed::{Feed, Shared};
use super::journal::{Journal, Open};
use crate::client::HealthClient;

/// How often a body is asked for that the peer does not have yet, and how long between.
const BODY_ATTEMPTS: u32 = 5;
const BODY_PAUSE: Duration = Duration::from_millis(200);

/// The accesses of one custodian's patients, each once, oldest first.
#[derive(Debug)]
pub struct Notifications {
    client: HealthClient,
    custodian: String,
    feed: Feed,
    /// In the journal and not given yet.
    queue: VecDeque<(Open, bool)>,
}

/// One access, attempt or broken glass.
#[derive(Debug)]
pub struct Delivery {
    /// The access transaction: the delivery's id, the same whenever it comes.
    pub id: TxId,
    /// Its block.
    pub block: u64,
    /// It was received before this opening of the journal and not acknowledged: it may have been dealt with. All others come for the first time.
    pub redelivered: bool,
    /// Whom to tell what. `None` where the custodian's peer does not hold the body: withheld, or erased since.
    pub notice: Option<Notice>,
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
        if self.queue.is_empty() {
            let open = self.feed.next().await?;
            self.queue.push_back((open, false));
        }
        let Some((open, redelivered)) = self.queue.front().cloned() else {
            return Err(NotifyError::Ended);
        };
        let notice = notice(&self.client, &self.custodian, &open.tx).await?;
        self.queue.pop_front();
        Ok(Delivery {
            id: open.tx,
            block: open.block,
            redelivered,
            notice,
            journal: self.feed.journal.clone(),
        })
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

/// What an access means. A peer has the body a little after the block where another organisation's peer endorsed it, or never again after an erasure.
async fn notice(client: &HealthClient, custodian: &str, tx: &TxId) -> Result<Option<Notice>, NotifyError> {
    for attempt in 1..=BODY_ATTEMPTS {
        let answer = client.consents().notice(custodian, tx.clone()).send().await;
        match answer {
            Ok(notice) => return Ok(Some(notice)),
            Err(CallError::Contract(HealthError::NotFound)) if attempt < BODY_ATTEMPTS => {
                tokio::time::sleep(BODY_PAUSE).await;
            }
            Err(CallError::Contract(HealthError::NotFound)) => {}
            Err(error) => return Err(NotifyError::Notice(Box::new(error))),
        }
    }
    Ok(None)
}
