//! Many claims in one transaction: received, or put on a remittance.

use careledger_api::HealthError;
use careledger_api::contracts::claims::{ClaimBatch, ClaimStatus, MAX_REMITTED, RemittanceBody};
use careledger_api::ids::{ClaimId, RemittanceId};
use fabric_contract_core::CallError;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use std::collections::BTreeSet;

use super::again::{self, Tried, again};
use super::{Desk, stands};
use crate::HealthCallError;
use crate::wallet::salt;

/// What became of claims that went together.
#[derive(Debug)]
pub struct Batched<T> {
    /// The claims.
    pub claims: BTreeSet<ClaimId>,
    /// How often they met another transaction and were made anew.
    pub conflicts: u32,
    /// What came of it, or why nothing did: then there is one claim, unless the reason is none of a claim's.
    pub result: Result<T, HealthCallError>,
}

/// A remittance that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Its id.
    pub id: RemittanceId,
    /// The sum of what is paid, in minor units of its claims' currency.
    pub total: i64,
    /// Its transaction and block; none if it was issued by a try whose answer was lost, or by somebody else.
    pub committed: Option<(String, u64)>,
    /// Somebody else put the claim on it: there is one, and the sum is that claim's.
    pub elsewhere: bool,
}

impl Desk {
    /// Puts decided claims of a provider, approved and denied ones, on remittances of up to [`MAX_REMITTED`], in the order in which they are given. Where one claim is refused, the
    /// others of its remittance are put on smaller ones, until that claim is told alone; one that somebody else put on a remittance meanwhile is told with
    /// that. Work goes on only while the stream is polled.
    pub fn remit(
        &self,
        provider: impl Into<String>,
        claims: impl IntoIterator<Item = ClaimId>,
    ) -> BoxStream<'static, Batched<Issued>> {
        self.in_batches(provider.into(), claims, |desk, provider, claims| {
            desk.remit_once(provider, claims).boxed()
        })
    }

    /// Receives submitted claims of a provider, up to [`MAX_REMITTED`] in a transaction, without deciding them: the day counts, and what their form lacks is
    /// told to the provider. Gives the transaction and its block; none for one that was received before.
    pub fn receive(
        &self,
        provider: impl Into<String>,
        claims: impl IntoIterator<Item = ClaimId>,
    ) -> BoxStream<'static, Batched<Option<(String, u64)>>> {
        self.in_batches(provider.into(), claims, |desk, provider, claims| {
            desk.receive_once(provider, claims).boxed()
        })
    }

    /// Tries batches, several at once, and halves those of which a claim is refused.
    fn in_batches<T: Send + 'static>(
        &self,
        provider: String,
        claims: impl IntoIterator<Item = ClaimId>,
        once: Once<T>,
    ) -> BoxStream<'static, Batched<T>> {
        let desk = self.clone();
        let batch = move |batch: BTreeSet<ClaimId>| {
            let (desk, provider) = (desk.clone(), provider.clone());
            async move {
                let mut done = Vec::new();
                let mut parts = Parts::of(batch);
                // Of a desk that was stopped the rest is not begun.
                while !desk.has_left(&provider)
                    && let Some(claims) = parts.next()
                {
                    let tried = once(&desk, &provider, &claims).await;
                    done.extend(parts.judge(claims, tried));
                }
                stream::iter(done)
            }
        };
        stream::iter(batches(claims))
            .map(batch)
            .buffer_unordered(self.together)
            .flatten()
            .boxed()
    }

    async fn remit_once(&self, provider: &str, claims: &BTreeSet<ClaimId>) -> Tried<Issued> {
        let id = RemittanceId::from_bytes(rand::random());
        let send = || async move {
            let body = RemittanceBody {
                id,
                claims: claims.clone(),
                salt: salt(),
            };
            let sent = self
                .client
                .claims()
                .remit(&self.payer, provider, body)
                .send()
                .await;
            match sent {
                Ok(done) => {
                    let committed = Some((done.tx_id, done.block_number));
                    self.issued(provider, id, committed).await
                }
                // The id was drawn here: if it is there with these claims, a try whose answer was lost made it.
                Err(refused) if stands(&refused) || is_duplicate(&refused) => {
                    match (self.issued(provider, id, None).await, claims.first()) {
                        (Ok(issued), _) => Ok(issued),
                        (Err(_), Some(claim)) if claims.len() == 1 => {
                            self.elsewhere(provider, *claim).await?.ok_or(refused)
                        }
                        (Err(_), _) => Err(refused),
                    }
                }
                Err(error) => Err(error),
            }
        };
        again(self.tries, again::pause, send).await
    }

    async fn issued(
        &self,
        provider: &str,
        id: RemittanceId,
        committed: Option<(String, u64)>,
    ) -> Result<Issued, HealthCallError> {
        let claims = self.client.claims();
        let asked = claims.remittance(&self.payer, provider, id);
        let view = asked.endorsed_by([&self.payer]).send().await?;
        Ok(Issued {
            id,
            total: view.total,
            committed,
            elsewhere: false,
        })
    }

    /// The remittance on which somebody else has put a claim, where it waits for its payment or is paid, or tells that it is denied.
    async fn elsewhere(&self, provider: &str, claim: ClaimId) -> Result<Option<Issued>, HealthCallError> {
        let book = self.book(provider, claim).await?;
        let total = match book.status {
            ClaimStatus::Payable => book.due,
            ClaimStatus::Paid => book.paid,
            ClaimStatus::Denied if book.advised.is_some() => 0,
            _ => return Ok(None),
        };
        let by = book.advised.or(book.remittances.last().copied());
        Ok(by.map(|id| Issued {
            id,
            total,
            committed: None,
            elsewhere: true,
        }))
    }

    pub(super) async fn receive_once(
        &self,
        provider: &str,
        claims: &BTreeSet<ClaimId>,
    ) -> Tried<Option<(String, u64)>> {
        let send = || async move {
            let batch = ClaimBatch {
                claims: claims.clone(),
                salt: salt(),
            };
            let sent = self
                .client
                .claims()
                .acknowledge(&self.payer, provider, batch)
                .send()
                .await;
            match (sent, claims.first(), claims.len()) {
                (Ok(done), ..) => Ok(Some((done.tx_id, done.block_number))),
                (Err(refused), Some(claim), 1) if stands(&refused) => {
                    match self.status(provider, *claim).await? {
                        ClaimStatus::Submitted => Err(refused),
                        _ => Ok(None),
                    }
                }
                (Err(error), ..) => Err(error),
            }
        };
        again(self.tries, again::pause, send).await
    }
}

/// What is tried with a part of a batch.
type Once<T> = for<'a> fn(&'a Desk, &'a str, &'a BTreeSet<ClaimId>) -> BoxFuture<'a, Tried<T>>;

/// Claims in batches, each one once.
fn batches(claims: impl IntoIterator<Item = ClaimId>) -> Vec<BTreeSet<ClaimId>> {
    let mut seen = BTreeSet::new();
    let once: Vec<ClaimId> = claims.into_iter().filter(|claim| seen.insert(*claim)).collect();
    once.chunks(MAX_REMITTED)
        .map(|batch| batch.iter().copied().collect())
        .collect()
}

/// A batch that is halved where one of its claims is refused.
pub(super) struct Parts {
    left: Vec<BTreeSet<ClaimId>>,
    conflicts: u32,
}

impl Parts {
    pub(super) fn of(batch: BTreeSet<ClaimId>) -> Self {
        Self {
            left: vec![batch],
            conflicts: 0,
        }
    }

    pub(super) fn next(&mut self) -> Option<BTreeSet<ClaimId>> {
        self.left.pop()
    }

    /// What is told of a part that was tried; nothing where its halves are tried next.
    pub(super) fn judge<T>(&mut self, claims: BTreeSet<ClaimId>, tried: Tried<T>) -> Option<Batched<T>> {
        let Tried { conflicts, result } = tried;
        self.conflicts = self.conflicts.saturating_add(conflicts);
        if claims.len() > 1 && result.as_ref().is_err_and(is_of_a_claim) {
            let half = claims.len() / 2;
            let (first, second) = (claims.iter().take(half), claims.iter().skip(half));
            self.left.push(second.copied().collect());
            self.left.push(first.copied().collect());
            return None;
        }
        Some(Batched {
            claims,
            conflicts: std::mem::take(&mut self.conflicts),
            result,
        })
    }
}

/// Whether a refusal may be one claim's alone.
fn is_of_a_claim(refused: &HealthCallError) -> bool {
    stands(refused) || matches!(refused, CallError::Contract(HealthError::NotFound))
}

fn is_duplicate(refused: &HealthCallError) -> bool {
    matches!(refused, CallError::Contract(HealthError::Duplicate(_)))
}
