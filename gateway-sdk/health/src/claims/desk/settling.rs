//! The money of a remittance: paid by its payer, confirmed by its provider, in one transaction.

use careledger_api::contracts::claims::{
    MoneyState, RemittanceConfirmation, RemittancePayment, RemittedMoney, StillOut,
};
use careledger_api::ids::{ClaimId, RemittanceId};
use std::collections::{BTreeMap, BTreeSet};

use super::again::{self, Tried, again};
use super::{Desk, TRIES, stands};
use crate::wallet::salt;
use crate::{HealthCallError, HealthClient};

/// What became of claims of a remittance that were paid, or confirmed, together.
#[derive(Debug, Default)]
pub struct Settlement {
    /// What is done, by this payment or word or by the same one before.
    pub done: Vec<RemittedMoney>,
    /// The transaction that did it and its block; none where it was done before.
    pub committed: Option<(String, u64)>,
    /// What is not done, each with the reason. It keeps back nothing else.
    pub refused: Vec<(RemittedMoney, String)>,
    /// How often it met another transaction and was made anew.
    pub conflicts: u32,
}

impl Desk {
    /// The claims of a remittance and their money, in the order of their ids, as the payer's peer has them, with what holds each.
    pub async fn money(
        &self,
        provider: &str,
        remittance: RemittanceId,
    ) -> Result<Vec<RemittedMoney>, HealthCallError> {
        money(&self.client, &self.payer, (&self.payer, provider), remittance).await
    }

    /// Records one payment of claims of a remittance, as [`money`](Self::money) shows them, in one transaction: all of them but those that are held, and those
    /// of which somebody else was first. What is paid by the same reference already is done, so that a payment whose answer was lost is repeated. An error
    /// is none of a claim's: where it is not a refusal, nobody told whether the payment counts.
    pub async fn pay(
        &self,
        provider: &str,
        remittance: RemittanceId,
        claims: Vec<RemittedMoney>,
        reference: &str,
    ) -> Result<Settlement, HealthCallError> {
        self.pay_less(provider, remittance, claims, reference, &[]).await
    }

    /// The same, with money of reversed claims set off against it, which is recovered in the same transaction: so much less was paid. Nothing is set off where
    /// nothing is left to be paid.
    pub async fn pay_less(
        &self,
        provider: &str,
        remittance: RemittanceId,
        claims: Vec<RemittedMoney>,
        reference: &str,
        set_off: &[StillOut],
    ) -> Result<Settlement, HealthCallError> {
        let off = set_off
            .iter()
            .fold(0i64, |sum, out| sum.saturating_add(out.amount));
        let mut left = Left::of(claims, true);
        loop {
            let Some((claims, sum)) = left.next() else {
                return Ok(left.settled);
            };
            let expected = sum.saturating_sub(off);
            let send = || async {
                let payment = RemittancePayment {
                    remittance,
                    claims: claims.clone(),
                    expected: Some(expected),
                    set_off: set_off.iter().map(|out| out.claim).collect(),
                    reference: reference.to_owned(),
                    salt: salt(),
                };
                let contract = self.client.claims();
                let sent = contract
                    .pay_remittance(&self.payer, provider, payment)
                    .send()
                    .await?;
                Ok((sent.tx_id, sent.block_number))
            };
            if let Some(refused) = left.tried(again(self.tries, again::pause, send).await)? {
                let now = self.money(provider, remittance).await?;
                left.look(now, refused, |now| match now.state {
                    MoneyState::Paid | MoneyState::Confirmed => {
                        Some(now.reference.as_deref() == Some(reference))
                    }
                    _ => None,
                })?;
            }
        }
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

    /// The claims of a remittance and their money, in the order of their ids, as the provider's peer has them.
    pub async fn money(
        &self,
        payer: &str,
        remittance: RemittanceId,
    ) -> Result<Vec<RemittedMoney>, HealthCallError> {
        money(&self.client, &self.provider, (payer, &self.provider), remittance).await
    }

    /// Confirms the newest payments of claims of a remittance, as [`money`](Self::money) shows them, in one transaction; as [`Desk::pay`] otherwise.
    pub async fn confirm(
        &self,
        payer: &str,
        remittance: RemittanceId,
        claims: Vec<RemittedMoney>,
    ) -> Result<Settlement, HealthCallError> {
        let mut left = Left::of(claims, false);
        loop {
            let Some((claims, expected)) = left.next() else {
                return Ok(left.settled);
            };
            let send = || async {
                let confirmation = RemittanceConfirmation {
                    remittance,
                    claims: claims.clone(),
                    expected: Some(expected),
                    salt: salt(),
                };
                let contract = self.client.claims();
                let sent = contract
                    .confirm_remittance(payer, &self.provider, confirmation)
                    .send()
                    .await?;
                Ok((sent.tx_id, sent.block_number))
            };
            if let Some(refused) = left.tried(again(TRIES, again::pause, send).await)? {
                let now = self.money(payer, remittance).await?;
                left.look(now, refused, |now| {
                    (now.state == MoneyState::Confirmed).then_some(true)
                })?;
            }
        }
    }
}

/// What is left of claims that go together. Each refusal takes one away at least, or ends it.
pub(super) struct Left {
    claims: BTreeMap<ClaimId, RemittedMoney>,
    /// Where the money of those stands that wait for this step.
    waits: MoneyState,
    pub(super) settled: Settlement,
}

impl Left {
    /// Of claims for their payment, or else for their confirmation. What is held is refused at once.
    pub(super) fn of(claims: Vec<RemittedMoney>, payment: bool) -> Self {
        let waits = match payment {
            true => MoneyState::ToPay,
            false => MoneyState::Paid,
        };
        let mut left = Self {
            claims: BTreeMap::new(),
            waits,
            settled: Settlement::default(),
        };
        for claim in claims {
            match left.held(&claim) {
                Some(reason) => left.settled.refused.push((claim, reason)),
                None => {
                    left.claims.insert(claim.claim, claim);
                }
            }
        }
        left
    }

    /// The claims that go next, and their sum; none once nothing is left.
    pub(super) fn next(&self) -> Option<(BTreeSet<ClaimId>, i64)> {
        let sum = |sum: i64, claim: &RemittedMoney| sum.saturating_add(claim.amount);
        let claims: BTreeSet<ClaimId> = self.claims.keys().copied().collect();
        (!claims.is_empty()).then(|| (claims, self.claims.values().fold(0, sum)))
    }

    /// Takes down what a try came to; gives the refusal that may be of one claim.
    pub(super) fn tried(
        &mut self,
        tried: Tried<(String, u64)>,
    ) -> Result<Option<HealthCallError>, HealthCallError> {
        self.settled.conflicts = self.settled.conflicts.saturating_add(tried.conflicts);
        match tried.result {
            Ok(committed) => {
                self.settled.committed = Some(committed);
                let done = std::mem::take(&mut self.claims);
                self.settled.done.extend(done.into_values());
                Ok(None)
            }
            Err(refused) if stands(&refused) => Ok(Some(refused)),
            Err(error) => Err(error),
        }
    }

    /// Takes out what does not wait any more, by how it stands now. `done` says of a claim whether it is done by the same step (a try whose answer was lost,
    /// or somebody else) or by another one; none where it is not done. The refusal itself where nothing changed.
    pub(super) fn look(
        &mut self,
        now: Vec<RemittedMoney>,
        refused: HealthCallError,
        done: impl Fn(&RemittedMoney) -> Option<bool>,
    ) -> Result<(), HealthCallError> {
        let before = self.claims.len();
        for now in now {
            let Some(then) = self.claims.remove(&now.claim) else {
                continue;
            };
            match done(&now) {
                Some(true) if now.amount == then.amount => self.settled.done.push(now),
                Some(_) => {
                    let reason = format!("it is {} by another payment", now.status);
                    self.settled.refused.push((now, reason));
                }
                None => match self.held(&now) {
                    Some(reason) => self.settled.refused.push((now, reason)),
                    None => {
                        self.claims.insert(now.claim, now);
                    }
                },
            }
        }
        match self.claims.len() < before {
            true => Ok(()),
            false => Err(refused),
        }
    }

    fn held(&self, claim: &RemittedMoney) -> Option<String> {
        match claim.state {
            state if state == self.waits => claim.held.clone(),
            _ => Some(format!("it is {}, and does not wait for that", claim.status)),
        }
    }
}

async fn money(
    client: &HealthClient,
    own: &str,
    (payer, provider): (&str, &str),
    remittance: RemittanceId,
) -> Result<Vec<RemittedMoney>, HealthCallError> {
    let claims = client.claims();
    let asked = claims.remittance_money(payer, provider, remittance);
    asked.endorsed_by([own]).send().await
}
