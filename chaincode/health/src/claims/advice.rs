//! What a remittance was made of, as it was issued, and whether the money went as it says.

use super::money::Remittance;
use super::payments;
use super::provider::pair_of_either;
use super::recovering;
use super::store::{Standing, StoredAdjudication, adjudication_key, remittance_key, stored};
use crate::state::Collection;
use careledger_api::HealthError;
use careledger_api::adjudication::Adjudication;
use careledger_api::contracts::claims::{ClaimStatus, RemittedClaim};
use careledger_api::ids::{ClaimId, RemittanceId, TxId};
use fabric_contract_core::ReadContext;

pub(super) fn remitted(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    id: RemittanceId,
) -> Result<Vec<RemittedClaim>, HealthError> {
    let pair = pair_of_either(ctx, payer, provider)?;
    let found: Option<Remittance> = pair.get(ctx, &remittance_key(&id))?;
    let remittance = found.ok_or(HealthError::NotFound)?;
    let Remittance {
        amounts,
        decisions,
        again,
        denied,
        before,
        ..
    } = &remittance;
    let adjudication = |claim: &ClaimId, decision: &TxId| -> Result<Adjudication, HealthError> {
        let decided: Option<StoredAdjudication> = pair.get(ctx, &adjudication_key(claim, decision))?;
        Ok(decided.ok_or(HealthError::NotFound)?.adjudication)
    };
    let claim = |(claim, amount): (&ClaimId, &i64)| {
        let decision = decisions.get(claim).ok_or(HealthError::NotFound)?;
        let decided = adjudication(claim, decision)?;
        let told = match before.get(claim) {
            Some(told) => Before {
                decision: Some(adjudication(claim, told)?),
                unpaid: false,
            },
            None if decided.allowed != *amount => {
                paid_before(ctx, &pair, (claim, &id), decided.allowed.saturating_sub(*amount))?
            }
            None => Before::default(),
        };
        Ok(RemittedClaim {
            claim: stored(ctx, &pair, claim)?.claim,
            adjudication: decided,
            amount: *amount,
            // What a denial told was so, whatever was decided since.
            stands: denied.contains(claim) || stands(ctx, &pair, claim, &remittance)?,
            again: told.unpaid || again.contains(claim),
            before: told.decision,
            set_off: false,
        })
    };
    let mut all: Vec<RemittedClaim> = amounts.iter().map(claim).collect::<Result<_, HealthError>>()?;
    let claims: Vec<ClaimId> = amounts.keys().copied().collect();
    all.extend(recovering::remitted(ctx, &pair, &id, &claims)?);
    Ok(all)
}

/// What a remittance takes back of a claim that was on one before.
#[derive(Default)]
struct Before {
    decision: Option<Adjudication>,
    /// One in between said of it that something is paid, and never was: what that took back is taken back.
    unpaid: bool,
}

/// The decision that was paid, with that sum in all, before a remittance paid the difference to its own; none where the pair's collection does not show one.
fn paid_before(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    (claim, by): (&ClaimId, &RemittanceId),
    sum: i64,
) -> Result<Before, HealthError> {
    let mut told = Before::default();
    let Some(head) = Standing::of(ctx, pair, claim)?.head else {
        return Ok(told);
    };
    let place = head.remittances.iter().position(|on| on == by);
    let earlier = head
        .remittances
        .get(..place.unwrap_or_default())
        .unwrap_or_default();
    for on in earlier.iter().rev() {
        let found: Option<Remittance> = pair.get(ctx, &remittance_key(on))?;
        let Some(remittance) = found.filter(|found| !found.denied.contains(claim)) else {
            continue;
        };
        if payments::of_remittance(ctx, pair, &head, &remittance, claim)?.is_none() {
            told.unpaid = true;
            continue;
        }
        if let Some(decision) = remittance.decisions.get(claim) {
            let decided: Option<StoredAdjudication> = pair.get(ctx, &adjudication_key(claim, decision))?;
            let decided = decided.map(|decided| decided.adjudication);
            told.decision = decided.filter(|decided| decided.allowed == sum);
        }
        break;
    }
    Ok(told)
}

/// Whether the decision that a remittance tells of a claim is in force, or was paid by it as it says.
pub(super) fn stands(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    claim: &ClaimId,
    remittance: &Remittance,
) -> Result<bool, HealthError> {
    let Some(head) = Standing::of(ctx, pair, claim)?.head else {
        return Ok(false);
    };
    // A replaced one was reversed before.
    let reversed = head.status == ClaimStatus::Reversed || head.reversal.is_some();
    let in_force = head.decided.as_ref().map(|decided| &decided.tx);
    if !reversed && in_force.is_some() && in_force == remittance.decisions.get(claim) {
        return Ok(true);
    }
    let Some(place) = payments::of_remittance(ctx, pair, &head, remittance, claim)? else {
        return Ok(false);
    };
    let paid = payments::read(ctx, pair, &head, place, claim)?;
    Ok(remittance.amounts.get(claim) == Some(&paid.amount))
}
