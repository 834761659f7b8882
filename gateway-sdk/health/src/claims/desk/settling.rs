//! The money of a remittance: paid by its payer, confirmed by its provider; each claim in a transaction of its own, many at once.

use careledger_api::contracts::claims::{ClaimStatus, ClaimStep, ClaimView, Payment, RemittanceView};
use careledger_api::ids::{ClaimId, RemittanceId};
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::again::{self, Tried, again};
use super::{Desk, TOGETHER, TRIES, stands};
use crate::wallet::salt;
use crate::{HealthCallError, HealthClient};

/// A claim of a remittance, and where its money stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The claim.
    pub claim: ClaimId,
    /// Where it stands.
    pub status: ClaimStatus,
    /// What is to be paid of it or was paid, in minor units; 0 where it is [`Elsewhere`](PartState::Elsewhere).
    pub amount: i64,
    /// Its currency (ISO 4217).
    pub currency: String,
    /// Where its money stands.
    pub state: PartState,
}

/// Where the money of a claim on a remittance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartState {
    /// It waits for its payment.
    ToPay,
    /// It is paid, and its provider has not confirmed that.
    Paid,
    /// Its provider has the money.
    Confirmed,
    /// It is reversed, decided anew, or on a later remittance.
    Elsewhere,
}

impl Part {
    /// What a claim's view says of a remittance. Of a claim whose remittances were not kept any counts as its newest.
    pub fn of(remittance: RemittanceId, view: &ClaimView) -> Self {
        let newest = view.remittances.last().is_none_or(|last| *last == remittance);
        let state = match view.status {
            ClaimStatus::Payable if newest => PartState::ToPay,
            ClaimStatus::Paid if newest => PartState::Paid,
            ClaimStatus::Cleared if newest => PartState::Confirmed,
            _ => PartState::Elsewhere,
        };
        let amount = match state {
            PartState::ToPay => {
                let allowed = view.adjudication.as_ref().map_or(0, |decided| decided.allowed);
                let paid = view
                    .payments
                    .iter()
                    .fold(0i64, |sum, paid| sum.saturating_add(paid.amount));
                allowed.saturating_sub(paid).max(0)
            }
            PartState::Paid | PartState::Confirmed => view.payment.as_ref().map_or(0, |paid| paid.amount),
            PartState::Elsewhere => 0,
        };
        Self {
            claim: view.claim.id,
            status: view.status,
            amount,
            currency: view.claim.currency.clone(),
            state,
        }
    }
}

/// What became of a claim's payment, or of its confirmation.
#[derive(Debug)]
pub struct Settled {
    /// The claim.
    pub claim: ClaimId,
    /// What is paid of it, in minor units of its currency.
    pub amount: i64,
    /// How often it met another transaction and was made anew.
    pub conflicts: u32,
    /// The transaction and its block, none if it was done before; or why it is not done.
    pub result: Result<Option<(String, u64)>, HealthCallError>,
}

impl Desk {
    /// The claims of a remittance, in the order of their ids, as the payer's peer has them.
    pub async fn parts(
        &self,
        provider: &str,
        remittance: RemittanceId,
    ) -> Result<Vec<Part>, HealthCallError> {
        parts(&self.client, &self.payer, (&self.payer, provider), remittance).await
    }

    /// Records the payments of claims, each of that amount and all of that reference. One that is paid by that reference already is done; one that is refused
    /// stops no other one. Work goes on only while the stream is polled.
    pub fn pay(
        &self,
        provider: impl Into<String>,
        claims: impl IntoIterator<Item = (ClaimId, i64)>,
        reference: impl Into<String>,
    ) -> BoxStream<'static, Settled> {
        let (desk, provider, reference) = (self.clone(), provider.into(), reference.into());
        settling(claims, self.together, move |claim, amount| {
            let (desk, provider, reference) = (desk.clone(), provider.clone(), reference.clone());
            async move { desk.pay_once(&provider, claim, amount, &reference).await }.boxed()
        })
    }

    async fn pay_once(
        &self,
        provider: &str,
        claim: ClaimId,
        amount: i64,
        reference: &str,
    ) -> Tried<Option<(String, u64)>> {
        let send = || async move {
            let payment = Payment {
                claim,
                amount,
                reference: reference.to_owned(),
                salt: salt(),
            };
            let sent = self
                .client
                .claims()
                .pay(&self.payer, provider, payment)
                .send()
                .await;
            match sent {
                Ok(done) => Ok(Some((done.tx_id, done.block_number))),
                // A try whose answer was lost, or somebody else with the same payment.
                Err(refused) if stands(&refused) => {
                    let found = view(&self.client, &self.payer, (&self.payer, provider), claim).await?;
                    let paid = matches!(found.status, ClaimStatus::Paid | ClaimStatus::Cleared);
                    let same = found
                        .payment
                        .is_some_and(|paid| (paid.reference.as_str(), paid.amount) == (reference, amount));
                    if paid && same { Ok(None) } else { Err(refused) }
                }
                Err(error) => Err(error),
            }
        };
        again(self.tries, again::pause, send).await
    }
}

/// A provider's till: says that the money of remittances came.
#[derive(Debug, Clone)]
pub struct Till {
    client: HealthClient,
    provider: String,
}

impl Till {
    /// The till of the provider with that MSP id, as whoever `client` is: role `provider-billing`.
    pub fn new(client: HealthClient, provider: impl Into<String>) -> Self {
        Self {
            client,
            provider: provider.into(),
        }
    }

    /// The claims of a remittance, in the order of their ids, as the provider's peer has them.
    pub async fn parts(&self, payer: &str, remittance: RemittanceId) -> Result<Vec<Part>, HealthCallError> {
        parts(&self.client, &self.provider, (payer, &self.provider), remittance).await
    }

    /// Confirms the newest payments of claims, whose amounts are only told. One that is confirmed already is done; one that is refused stops no other one.
    /// Work goes on only while the stream is polled.
    pub fn confirm(
        &self,
        payer: impl Into<String>,
        claims: impl IntoIterator<Item = (ClaimId, i64)>,
    ) -> BoxStream<'static, Settled> {
        let (till, payer) = (self.clone(), payer.into());
        settling(claims, TOGETHER, move |claim, _| {
            let (till, payer) = (till.clone(), payer.clone());
            async move { till.confirm_once(&payer, claim).await }.boxed()
        })
    }

    async fn confirm_once(&self, payer: &str, claim: ClaimId) -> Tried<Option<(String, u64)>> {
        let send = || async move {
            let step = ClaimStep { claim, salt: salt() };
            let sent = self
                .client
                .claims()
                .confirm(payer, &self.provider, step)
                .send()
                .await;
            match sent {
                Ok(done) => Ok(Some((done.tx_id, done.block_number))),
                Err(refused) if stands(&refused) => {
                    let found = view(&self.client, &self.provider, (payer, &self.provider), claim).await?;
                    match found.status {
                        ClaimStatus::Cleared => Ok(None),
                        _ => Err(refused),
                    }
                }
                Err(error) => Err(error),
            }
        };
        again(TRIES, again::pause, send).await
    }
}

/// Each claim once, so many at a time.
fn settling(
    claims: impl IntoIterator<Item = (ClaimId, i64)>,
    together: usize,
    once: impl Fn(ClaimId, i64) -> BoxFuture<'static, Tried<Option<(String, u64)>>> + Send + 'static,
) -> BoxStream<'static, Settled> {
    let claims: Vec<(ClaimId, i64)> = claims.into_iter().collect();
    stream::iter(claims)
        .map(move |(claim, amount)| {
            let tried = once(claim, amount);
            async move {
                let Tried { conflicts, result } = tried.await;
                Settled {
                    claim,
                    amount,
                    conflicts,
                    result,
                }
            }
        })
        .buffer_unordered(together)
        .boxed()
}

async fn parts(
    client: &HealthClient,
    own: &str,
    (payer, provider): (&str, &str),
    remittance: RemittanceId,
) -> Result<Vec<Part>, HealthCallError> {
    let claims = client.claims();
    let asked = claims.remittance(payer, provider, remittance);
    let of: RemittanceView = asked.endorsed_by([own]).send().await?;
    stream::iter(of.amounts.into_keys())
        .map(|claim| async move {
            let view = view(client, own, (payer, provider), claim).await?;
            Ok(Part::of(remittance, &view))
        })
        .buffered(TOGETHER)
        .try_collect()
        .await
}

async fn view(
    client: &HealthClient,
    own: &str,
    (payer, provider): (&str, &str),
    claim: ClaimId,
) -> Result<ClaimView, HealthCallError> {
    let claims = client.claims();
    let asked = claims.claim(payer, provider, claim);
    asked.endorsed_by([own]).send().await
}
