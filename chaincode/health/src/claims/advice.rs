//! What a remittance was made of, as it was issued, and whether the money went as it says.

use super::money::Remittance;
use super::payments;
use super::provider::pair_of_either;
use super::recovering;
use super::store::{Head, StoredAdjudication, adjudication_key, head_key, remittance_key, stored};
use crate::state::Collection;
use careledger_api::HealthError;
use careledger_api::adjudication::Adjudication;
use careledger_api::contracts::claims::RemittedClaim;
use careledger_api::ids::{ClaimId, RemittanceId, TxId};
use fabric_contract_core::ReadContext;
use std::collections::BTreeSet;

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
    let (mut all, mut paid) = (Vec::new(), BTreeSet::new());
    for (claim, amount) in amounts {
        let head: Option<Head> = pair.get(ctx, &head_key(claim))?;
        paid.extend(head.iter().flat_map(|head| head.paid_by(&id)).cloned());
        let decision = decisions.get(claim).ok_or(HealthError::NotFound)?;
        let decided = adjudication(claim, decision)?;
        let told = match before.get(claim) {
            Some(told) => Before {
                decision: Some(adjudication(claim, told)?),
                unpaid: false,
            },
            None if decided.allowed != *amount => {
                let sum = decided.allowed.saturating_sub(*amount);
                paid_before(ctx, &pair, head.as_ref(), (claim, &id), sum)?
            }
            None => Before::default(),
        };
        all.push(RemittedClaim {
            claim: stored(ctx, &pair, claim)?.claim,
            adjudication: decided,
            amount: *amount,
            // What a denial told was so, whatever was decided since.
            stands: denied.contains(claim) || stands(ctx, &pair, head.as_ref(), claim, &remittance)?,
            again: told.unpaid || again.contains(claim),
            before: told.decision,
            set_off: false,
        });
    }
    all.extend(recovering::remitted(ctx, &pair, &id, &paid)?);
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
    head: Option<&Head>,
    (claim, by): (&ClaimId, &RemittanceId),
    sum: i64,
) -> Result<Before, HealthError> {
    let mut told = Before::default();
    let Some(head) = head else {
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
        if payments::of_remittance(ctx, pair, head, &remittance, claim)?.is_none() {
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
fn stands(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    head: Option<&Head>,
    claim: &ClaimId,
    remittance: &Remittance,
) -> Result<bool, HealthError> {
    let Some(head) = head else { return Ok(false) };
    if is_in_force(head, claim, remittance) {
        return Ok(true);
    }
    let Some(place) = payments::of_remittance(ctx, pair, head, remittance, claim)? else {
        return Ok(false);
    };
    let paid = payments::read(ctx, pair, head, place, claim)?;
    Ok(remittance.amounts.get(claim) == Some(&paid.amount))
}

/// Whether the decision that a remittance tells of a claim is the one in force.
pub(super) fn is_in_force(head: &Head, claim: &ClaimId, remittance: &Remittance) -> bool {
    let in_force = head.decided.as_ref().map(|decided| &decided.tx);
    !head.is_reversed() && in_force.is_some() && in_force == remittance.decisions.get(claim)
}
