//! The payer's desk: works what waits for the payer, many claims at once, those of one member one after the other.
//!
//! ```text
//! waiting ──▶ Vec<Task> ──work──▶ Stream of Outcome ──▶ decided ──remit──▶ Stream of Batched
//!                            turns: one claim of a member at a time, in order
//!                            again: met another transaction, or no answer: made anew, a bounded number of times
//! remittance ──money──▶ Vec<RemittedMoney> ──pay──▶ Settlement: one transaction; at its provider a Till: money, confirm
//! questions ──replies──▶ Stream of Replied; at its provider a FrontDesk: ask, wait
//! at the provider an Office: Submissions ──submit──▶ Stream of Sent
//! ```
//! Claims of one member count together (deductible, limits, duplicates): two of them in one block conflict, and the peers let only the first count. A desk
//! never has two under way, and where somebody else's transaction got in between, it has the claim endorsed anew on what that one left.
//!
//! Everything may be repeated: a claim that is decided already is told as it stands, and no claim is on two remittances. So whoever lost a connection,
//! or was stopped, starts again with what waits.
//!
//! ```no_run
//! # use careledger_sdk::claims::desk::{Desk, Task};
//! # use careledger_sdk::{HealthCallError, HealthClient, api::contracts::claims::WaitingStep};
//! # use futures::StreamExt;
//! # async fn day(client: HealthClient) -> Result<(), HealthCallError> {
//! let desk = Desk::new(client, "InsurerMSP");
//! let waiting = desk.waiting("HospitalMSP", Some(WaitingStep::Decide)).await?;
//! let mut decided = desk.work(waiting.claims.iter().map(|claim| Task::of("HospitalMSP", claim)));
//! let mut told = Vec::new();
//! while let Some(outcome) = decided.next().await {
//!     match &outcome.result {
//!         Ok(decided) if decided.is_remittable() => told.push(outcome.task.claim),
//!         Ok(decided) => println!("{} is {}", outcome.task.claim, decided.status),
//!         Err(refused) => println!("{}: {refused}", outcome.task.claim),
//!     }
//! }
//! let remitted: Vec<_> = desk.remit("HospitalMSP", told).collect().await;
//! # Ok(()) }
//! ```

mod again;
mod batches;
mod questions;
mod settling;
mod submitting;
#[cfg(test)]
mod tests;
mod turns;

pub use again::anew;
pub use batches::{Batched, Issued};
pub use questions::{FrontDesk, Replied};
pub use settling::{Settlement, Till};
pub use submitting::{Office, Sent};

use careledger_api::HealthError;
use careledger_api::contracts::claims::{
    AdjudicationStep, BookView, ClaimStatus, Noticed, ReportQuery, ServiceReport, Waiting, WaitingClaim,
    WaitingQuery, WaitingStep,
};
use careledger_api::ids::{ClaimId, CoverageId};
use fabric_contract_core::CallError;
use futures::future::ready;
use futures::stream::{self, BoxStream, StreamExt};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use self::again::{Tried, again};
use self::turns::{Turns, lanes};
use crate::wallet::salt;
use crate::{HealthCallError, HealthClient};

/// Claims that a desk has under way at once, unless it is told another number.
pub const TOGETHER: usize = 16;
/// Times that a desk tries a transaction, unless it is told another number.
pub const TRIES: u32 = 10;

/// A claim that is to be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Whose claim it is, by MSP id.
    pub provider: String,
    /// The claim.
    pub claim: ClaimId,
    /// Its member's coverage: claims of one are worked in the order in which they come.
    pub coverage: CoverageId,
    /// It replaces or voids another one: it is received before it is decided, since that is when the other one goes.
    pub corrects: bool,
    /// What the payer's own systems noticed of it.
    pub noticed: Noticed,
}

impl Task {
    /// A claim of the payer's list, of which nothing was noticed.
    pub fn of(provider: impl Into<String>, waiting: &WaitingClaim) -> Self {
        Self {
            provider: provider.into(),
            claim: waiting.claim,
            coverage: waiting.coverage,
            corrects: waiting.corrects,
            noticed: Noticed::default(),
        }
    }
}

/// What became of a claim.
#[derive(Debug)]
pub struct Outcome {
    /// The claim.
    pub task: Task,
    /// How often it met another transaction and was made anew.
    pub conflicts: u32,
    /// How it was decided, or why it was not.
    pub result: Result<Decided, HealthCallError>,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// Where the claim stands now: `PENDED` if somebody has to look at it, `REJECTED` if its form was wrong.
    pub status: ClaimStatus,
    /// What its covered lines come to, less what was paid, in minor units of its currency; it is paid once the claim [`is_payable`](Self::is_payable).
    pub due: i64,
    /// The transaction and its block; none if the claim was decided before, or by a transaction whose answer was lost.
    pub committed: Option<(String, u64)>,
}

impl Decided {
    /// Whether it is paid once it is on a remittance; what is all the member's is paid with nothing.
    pub fn is_payable(&self) -> bool {
        matches!(self.status, ClaimStatus::Approved | ClaimStatus::Partial)
    }

    /// Whether it can be put on a remittance: of a denied one that says that nothing is paid, and why.
    pub fn is_remittable(&self) -> bool {
        self.is_payable() || self.status == ClaimStatus::Denied
    }
}

/// A payer's desk. Clones, and the desks [`through`](Self::through) other connections, share the members' turns; two desks made by [`new`](Self::new) do
/// not, and neither do two programs: their claims are right as well, but meet.
#[derive(Debug, Clone)]
pub struct Desk {
    client: HealthClient,
    payer: String,
    together: usize,
    tries: u32,
    turns: Turns,
    stopped: Arc<AtomicBool>,
    /// Providers with whom nothing more is begun.
    left: Arc<Mutex<BTreeSet<String>>>,
}

impl Desk {
    /// The desk of the payer with that MSP id, as whoever `client` is: role `payer`.
    pub fn new(client: HealthClient, payer: impl Into<String>) -> Self {
        Self {
            client,
            payer: payer.into(),
            together: TOGETHER,
            tries: TRIES,
            turns: Turns::default(),
            stopped: Arc::default(),
            left: Arc::default(),
        }
    }

    /// Has up to so many claims under way at once, at least one.
    #[must_use]
    pub fn together(mut self, claims: usize) -> Self {
        self.together = claims.max(1);
        self
    }

    /// Tries a transaction so many times, at least once: each time that it meets another one, or that nobody answers.
    #[must_use]
    pub fn tries(mut self, tries: u32) -> Self {
        self.tries = tries.max(1);
        self
    }

    /// The same desk through another connection, or as somebody else of the payer.
    #[must_use]
    pub fn through(&self, client: HealthClient) -> Self {
        Self {
            client,
            ..self.clone()
        }
    }

    /// Begins nothing more, here and at this desk's clones, for good: what is under way ends, its outcomes still come, and then the streams end. Whatever
    /// was not begun waits as before.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it was told to [`stop`](Self::stop).
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// As [`stop`](Self::stop), for what there is with that provider: its peer is gone, say. Everybody else's goes on.
    pub fn leave(&self, provider: &str) {
        // A panic elsewhere while the lock was held leaves a set that is whole.
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.insert(provider.to_owned());
    }

    /// Whether nothing more is begun with that provider.
    pub fn has_left(&self, provider: &str) -> bool {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_stopped() || left.contains(provider)
    }

    /// Whether the payer's own peer answers at all, asked once.
    pub async fn is_reached(&self) -> bool {
        self.client.is_reached().await
    }

    /// What waits for the payer with a provider, for one step or for any, all parts of it: claims that correct others first, then the oldest; requests by their
    /// due times. What the peer cannot read is told beside.
    pub async fn waiting(
        &self,
        provider: &str,
        step: Option<WaitingStep>,
    ) -> Result<Waiting, HealthCallError> {
        let mut found = Waiting::default();
        let mut query = WaitingQuery {
            step,
            ..WaitingQuery::default()
        };
        let mut requests = None;
        loop {
            let asked = self.client.claims().waiting(&self.payer, provider, query);
            let part = asked.endorsed_by([&self.payer]).send().await?;
            found.claims.extend(part.claims);
            found.authorisations.extend(part.authorisations);
            found.unreadable.extend(part.unreadable);
            found.unreadable_requests.extend(part.unreadable_requests);
            // Requests come with the first part of the claims, and go on after the last one.
            if query.after.is_none() {
                requests = part.next_request;
            }
            query = match (part.next, requests) {
                (Some(next), _) => WaitingQuery {
                    step,
                    after: Some(next),
                    ..WaitingQuery::default()
                },
                (None, Some(next)) => WaitingQuery {
                    requests_after: Some(next),
                    ..WaitingQuery::default()
                },
                (None, None) => break,
            };
        }
        found
            .claims
            .sort_by_key(|claim| (!claim.corrects, claim.since, claim.claim));
        found
            .authorisations
            .sort_by_key(|request| (request.due, request.authorisation));
        Ok(found)
    }

    /// How the payer keeps its times with a provider, all parts of it. What the peer cannot read is not counted, and told beside.
    pub async fn report(&self, provider: &str) -> Result<ServiceReport, HealthCallError> {
        let part = async |query: ReportQuery| {
            let asked = self.client.claims().service_report(&self.payer, provider, query);
            asked.endorsed_by([&self.payer]).send().await
        };
        let mut report = part(ReportQuery::default()).await?;
        let (mut claims, mut requests) = (report.next.take(), report.next_request.take());
        while let Some(after) = claims {
            let query = ReportQuery {
                after: Some(after),
                ..ReportQuery::default()
            };
            let more = part(query).await?;
            claims = more.next;
            report.add(more);
        }
        while let Some(after) = requests {
            let query = ReportQuery {
                requests_after: Some(after),
                ..ReportQuery::default()
            };
            let more = part(query).await?;
            requests = more.next_request;
            report.add(more);
        }
        Ok(report)
    }

    /// Decides a claim once no other one of its member is under way at this desk. Those that wait for one member come in the order in which they were polled
    /// first. A dropped future leaves a transaction under way, perhaps: the claim is then decided, or is again on the list of what waits.
    pub async fn adjudicate(&self, task: Task) -> Outcome {
        let _turn = self.turns.take(task.coverage).await;
        let mut before = 0;
        if task.corrects {
            let received = self.receive_once(&task.provider, &[task.claim].into()).await;
            before = received.conflicts;
            if let Err(error) = received.result {
                return Outcome {
                    task,
                    conflicts: before,
                    result: Err(error),
                };
            }
        }
        let Tried { conflicts, result } = again(self.tries, again::pause, || self.decide(&task)).await;
        Outcome {
            task,
            conflicts: before.saturating_add(conflicts),
            result,
        }
    }

    /// Decides claims as [`adjudicate`](Self::adjudicate) does: of different members at once, of one member in their order. Outcomes come as they are there;
    /// a claim that is refused stops no other one. Work goes on only while the stream is polled.
    pub fn work(&self, tasks: impl IntoIterator<Item = Task>) -> BoxStream<'static, Outcome> {
        let desk = self.clone();
        let together = self.together;
        let lane = move |lane: Vec<Task>| {
            let desk = desk.clone();
            let stopped = desk.clone();
            let one = move |task: Task| {
                let desk = desk.clone();
                async move { desk.adjudicate(task).await }
            };
            let begun = stream::iter(lane).filter(move |task| ready(!stopped.has_left(&task.provider)));
            begun.then(one).boxed()
        };
        stream::iter(lanes(tasks, |task| task.coverage))
            .map(lane)
            .flatten_unordered(together)
            .boxed()
    }

    /// One try.
    async fn decide(&self, task: &Task) -> Result<Decided, HealthCallError> {
        let step = AdjudicationStep {
            noticed: task.noticed.clone(),
            ..AdjudicationStep::new(task.claim, salt())
        };
        let claims = self.client.claims();
        let sent = claims.adjudicate(&self.payer, &task.provider, step).send().await;
        let committed = match sent {
            Ok(done) => Some((done.tx_id, done.block_number)),
            // Decided already: by a try whose answer was lost, or by somebody else. What is not decided is refused for another reason.
            Err(refused) if stands(&refused) => match self.status(&task.provider, task.claim).await? {
                ClaimStatus::Submitted | ClaimStatus::Accepted => return Err(refused),
                _ => None,
            },
            Err(error) => return Err(error),
        };
        let book = self.book(&task.provider, task.claim).await?;
        Ok(Decided {
            status: book.status,
            due: book.due,
            committed,
        })
    }

    async fn book(&self, provider: &str, claim: ClaimId) -> Result<BookView, HealthCallError> {
        let claims = self.client.claims();
        let asked = claims.book(&self.payer, provider, claim);
        asked.endorsed_by([&self.payer]).send().await
    }

    /// Where a claim stands, with what the provider has answered since the payer's last step.
    async fn status(&self, provider: &str, claim: ClaimId) -> Result<ClaimStatus, HealthCallError> {
        let claims = self.client.claims();
        let asked = claims.claim(&self.payer, provider, claim);
        let view = asked.endorsed_by([&self.payer]).send().await?;
        Ok(view.status)
    }
}

/// Whether a refusal is one of the claim's own state.
fn stands(refused: &HealthCallError) -> bool {
    matches!(refused, CallError::Contract(HealthError::ConflictState(_)))
}
