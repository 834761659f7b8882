//! The payer's desk: works what waits for the payer, many claims at once, those of one member one after the other.
//!
//! ```text
//! waiting ──▶ Vec<Task> ──work──▶ Stream of Outcome ──▶ approved ──remit──▶ Stream of Batched
//!                            turns: one claim of a member at a time, in order
//!                            again: met another transaction, or no answer: made anew, a bounded number of times
//! remittance ──parts──▶ Vec<Part> ──pay──▶ Stream of Settled; at its provider a Till: parts, confirm
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
//! let mut payable = Vec::new();
//! while let Some(outcome) = decided.next().await {
//!     match &outcome.result {
//!         Ok(decided) if decided.is_payable() => payable.push(outcome.task.claim),
//!         Ok(decided) => println!("{} is {}", outcome.task.claim, decided.status),
//!         Err(refused) => println!("{}: {refused}", outcome.task.claim),
//!     }
//! }
//! let remitted: Vec<_> = desk.remit("HospitalMSP", payable).collect().await;
//! # Ok(()) }
//! ```

mod again;
mod batches;
mod settling;
#[cfg(test)]
mod tests;
mod turns;

pub use batches::{Batched, Issued};
pub use settling::{Part, PartState, Settled, Till};

use careledger_api::HealthError;
use careledger_api::contracts::claims::{
    AdjudicationStep, BookView, ClaimStatus, Noticed, Waiting, WaitingClaim, WaitingQuery, WaitingStep,
};
use careledger_api::ids::{ClaimId, CoverageId};
use fabric_contract_core::CallError;
use futures::stream::{self, BoxStream, StreamExt};

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
    /// Whether it can be put on a remittance.
    pub fn is_payable(&self) -> bool {
        matches!(self.status, ClaimStatus::Approved | ClaimStatus::Partial)
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

    /// What waits for the payer with a provider, for one step or for any, all parts of it: claims that correct others first, then the oldest.
    pub async fn waiting(
        &self,
        provider: &str,
        step: Option<WaitingStep>,
    ) -> Result<Waiting, HealthCallError> {
        let mut found = Waiting::default();
        let mut query = WaitingQuery { step, after: None };
        loop {
            let asked = self.client.claims().waiting(&self.payer, provider, query);
            let part = asked.endorsed_by([&self.payer]).send().await?;
            found.claims.extend(part.claims);
            found.authorisations.extend(part.authorisations);
            match part.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        found
            .claims
            .sort_by_key(|claim| (!claim.corrects, claim.since, claim.claim));
        Ok(found)
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
            let one = move |task: Task| {
                let desk = desk.clone();
                async move { desk.adjudicate(task).await }
            };
            stream::iter(lane).then(one).boxed()
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
