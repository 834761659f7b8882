//! What a remittance was made of, as it was issued, and whether the money went as it says.

use super::money::Remittance;
use super::provider::pair_of_either;
use super::store::{
    Head, Standing, StoredAdjudication, adjudication_key, payment_key, remittance_key, stored,
};
use crate::state::Collection;
use careledger_api::HealthError;
use careledger_api::contracts::claims::{ClaimStatus, Payment, RemittedClaim};
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
    let Remittance {
        amounts,
        decisions,
        again,
        ..
    } = found.ok_or(HealthError::NotFound)?;
    let claim = |(claim, amount): (&ClaimId, &i64)| {
        let decision = decisions.get(claim).ok_or(HealthError::NotFound)?;
        let decided: Option<StoredAdjudication> = pair.get(ctx, &adjudication_key(claim, decision))?;
        Ok(RemittedClaim {
            claim: stored(ctx, &pair, claim)?.claim,
            adjudication: decided.ok_or(HealthError::NotFound)?.adjudication,
            amount: *amount,
            stands: stands(ctx, &pair, claim, decision, *amount)?,
            again: again.contains(claim),
        })
    };
    amounts.iter().map(claim).collect()
}

/// Whether the decision is in force, or its amount was the first that was paid of the claim.
pub(super) fn stands(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    claim: &ClaimId,
    decision: &TxId,
    amount: i64,
) -> Result<bool, HealthError> {
    let Some(Head {
        status,
        decided,
        payments,
        reversal,
        ..
    }) = Standing::of(ctx, pair, claim)?.head
    else {
        return Ok(false);
    };
    // A replaced one was reversed before.
    let reversed = status == ClaimStatus::Reversed || reversal.is_some();
    if !reversed && decided.is_some_and(|decided| decided.tx == *decision) {
        return Ok(true);
    }
    let Some(first) = payments.first() else {
        return Ok(false);
    };
    let first: Option<Payment> = pair.get(ctx, &payment_key(claim, first))?;
    Ok(first.is_some_and(|first| first.amount == amount))
}
