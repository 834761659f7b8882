//! From the peer's events into the journal.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use careledger_api::consortium::care_collection;
use careledger_api::event::{EVENT_NAME, Event, EventKind};
use careledger_api::ids::TxId;
use fabric_gateway_sdk::{ChaincodeEvent, ChaincodeEvents};
use futures::StreamExt;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::task::TaskTracker;

use super::NotifyError;
use super::journal::{Journal, JournalError, Open};
use super::subject::Topic;
use crate::client::HealthClient;

/// The longest pause before a lost stream is opened again.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A journal that several tasks use; its disk work is done on a thread for blocking work.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    journal: Arc<Mutex<Journal>>,
    /// Work that was begun; whoever waited for it may have gone.
    begun: TaskTracker,
}

impl Shared {
    pub(super) fn new(journal: Journal) -> Self {
        Self {
            journal: Arc::new(Mutex::new(journal)),
            begun: TaskTracker::new(),
        }
    }

    /// Waits until all work that was begun has ended. None is begun meanwhile: the caller has what begins it.
    pub(super) async fn settle(&self) {
        self.begun.close();
        self.begun.wait().await;
    }

    /// Runs `work` on the journal. It runs to its end also where the caller goes away.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Journal) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, NotifyError> {
        let done = self.start(work).await;
        self.outcome(done)
    }

    /// Begins `work` on the journal.
    fn start<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Journal) -> Result<T, JournalError> + Send + 'static,
    ) -> JoinHandle<Result<T, JournalError>> {
        let journal = Arc::clone(&self.journal);
        // Every line is appended whole before the state changes, so a panic leaves nothing half.
        self.begun
            .spawn_blocking(move || work(&mut journal.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn outcome<T>(&self, done: Result<Result<T, JournalError>, JoinError>) -> Result<T, NotifyError> {
        match done {
            Ok(result) => Ok(result?),
            Err(_) => {
                let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
                Err(NotifyError::RuntimeEnds(journal.path().to_owned()))
            }
        }
    }
}

/// The accesses at one custodian and the changes to its patients' accounts, into a journal.
#[derive(Debug)]
pub(super) struct Feed {
    events: ChaincodeEvents,
    collection: String,
    pub(super) journal: Shared,
    /// An event that was taken from the stream and is not known to be in the journal: it stays here until it is.
    taken: Option<ChaincodeEvent>,
    /// It is being written.
    writing: Option<JoinHandle<Result<Option<Open>, JournalError>>>,
}

impl Feed {
    /// Opens the stream where the journal is. Returns what is open in it as well.
    pub(super) async fn open(
        client: &HealthClient,
        custodian: &str,
        journal: Journal,
    ) -> Result<(Self, Vec<Open>), NotifyError> {
        let open = journal.open_deliveries();
        let events = client
            .network()
            .chaincode_events(client.consortium().chaincode.clone())
            .start_block(journal.block())
            .resuming_stream(LONGEST_PAUSE)
            .await?;
        let feed = Self {
            events,
            collection: care_collection(custodian),
            journal: Shared::new(journal),
            taken: None,
            writing: None,
        };
        Ok((feed, open))
    }

    /// Waits for the next transaction that is not in the journal, and puts it there. May be dropped at any await, and called again after an error: nothing is lost,
    /// and what was written meanwhile is given.
    pub(super) async fn next(&mut self) -> Result<Open, NotifyError> {
        loop {
            if self.taken.is_none() {
                self.taken = Some(self.events.next().await.ok_or(NotifyError::Ended)??);
            }
            if self.writing.is_none() {
                self.writing = self.taken.as_ref().map(|event| self.write(event));
            }
            let Some(writing) = &mut self.writing else {
                continue;
            };
            let written = writing.await;
            self.writing = None;
            let received = self.journal.outcome(written)?;
            self.taken = None;
            if let Some(open) = received {
                return Ok(open);
            }
        }
    }

    fn write(&self, event: &ChaincodeEvent) -> JoinHandle<Result<Option<Open>, JournalError>> {
        let block = event.block_number;
        let about = self.about(event);
        self.journal.start(move |journal| match about {
            Some((tx, topic)) => Ok(journal.receive(block, &tx, topic)?.then_some(Open {
                tx,
                topic,
                block,
                attempts: 0,
                due: 0,
            })),
            None => journal.pass(block).map(|()| None),
        })
    }

    /// The transaction, where the event says that somebody asked for records of this custodian, or that an account there changed.
    fn about(&self, event: &ChaincodeEvent) -> Option<(TxId, Topic)> {
        if event.event_name != EVENT_NAME {
            return None;
        }
        let said: Event = serde_json::from_slice(&event.payload).ok()?;
        let topic = match said.kind {
            EventKind::Access => Topic::Access,
            EventKind::Identity => Topic::Account,
            _ => return None,
        };
        (said.collection.as_ref() == Some(&self.collection)).then_some(())?;
        // The block's own id, which the chaincode cannot choose.
        Some((event.transaction_id.parse().ok()?, topic))
    }
}
