//! Remittance, payment, reversal, and the sum of what a member paid.

use super::store::{Mark, Paid, Standing, delta_key, paid_key, payment_key, remittance_key, reversal_key};
use super::{appeal, as_payer, as_provider, deciding, own};
use crate::state::{Collection, derived_salt, done, tx_id};
use careledger_api::adjudication::Accumulators;
use careledger_api::contracts::claims::{
    ClaimAct, ClaimStep, Delta, Fold, MAX_FOLDED, MAX_REMITTED, Payment, RemittanceBody, Reversal, check_text,
};
use careledger_api::event::EventKind;
use careledger_api::ids::{ClaimId, RemittanceId, Salt, TxId};
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The value of `rem~R`.
#[derive(Serialize, Deserialize)]
pub(super) struct Remittance {
    pub(super) id: RemittanceId,
    pub(super) amounts: BTreeMap<ClaimId, i64>,
    pub(super) tx: TxId,
    pub(super) salt: Salt,
}

pub(super) fn remit(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    remittance: RemittanceBody,
) -> Result<Receipt, HealthError> {
    let (pair, own, _) = as_payer(ctx, payer, provider)?;
    remittance.salt.require_drawn()?;
    if !(1..=MAX_REMITTED).contains(&remittance.claims.len()) {
        return Err(HealthError::Limit("a remittance has 1 to 50 claims".into()));
    }
    let tx = tx_id(ctx)?;
    let mut amounts = BTreeMap::new();
    for id in &remittance.claims {
        let standing = Standing::of(ctx, &pair, id)?;
        appeal::require_settled(ctx, &pair, id)?;
        amounts.insert(*id, allowed(ctx, &pair, &own, &standing, id)?);
        let salt = derived_salt(&remittance.salt, &format!("claim/{id}"), &tx);
        standing.step(ctx, &pair, id, ClaimAct::Remit, payer, &salt)?;
    }
    let key = remittance_key(&remittance.id);
    let value = Remittance {
        id: remittance.id,
        amounts,
        tx,
        salt: remittance.salt,
    };
    if !pair.write_once(ctx, &key, &value)? {
        return Err(HealthError::Duplicate("this remittance id is taken".into()));
    }
    done(ctx, EventKind::Claim, Some(&pair))
}

pub(super) fn pay(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    payment: Payment,
) -> Result<Receipt, HealthError> {
    let (pair, own, _) = as_payer(ctx, payer, provider)?;
    let (id, salt) = (payment.claim, payment.salt);
    salt.require_drawn()?;
    let printable = payment
        .reference
        .bytes()
        .all(|b| b.is_ascii_graphic() || b == b' ');
    if !printable || !(1..=64).contains(&payment.reference.len()) {
        return Err(HealthError::InvalidCode(
            "a payment's reference has 1 to 64 printable ASCII characters".into(),
        ));
    }
    let standing = Standing::of(ctx, &pair, &id)?;
    standing.status.after(ClaimAct::Pay)?;
    appeal::require_settled(ctx, &pair, &id)?;
    if allowed(ctx, &pair, &own, &standing, &id)? != payment.amount {
        return Err(HealthError::InvalidCode(
            "the amount paid must be the amount the adjudication allowed".into(),
        ));
    }
    if !pair.write_once(ctx, &payment_key(&id), &payment)? {
        return Err(HealthError::ConflictState("the claim is paid".into()));
    }
    standing.step(ctx, &pair, &id, ClaimAct::Pay, provider, &salt)?;
    done(ctx, EventKind::Claim, Some(&pair))
}

pub(super) fn confirm(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    step: ClaimStep,
) -> Result<Receipt, HealthError> {
    let pair = as_provider(ctx, payer, provider)?;
    step.salt.require_drawn()?;
    let standing = Standing::of(ctx, &pair, &step.claim)?;
    standing.step(ctx, &pair, &step.claim, ClaimAct::Confirm, provider, &step.salt)?;
    done(ctx, EventKind::Claim, Some(&pair))
}

pub(super) fn reverse(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    reversal: Reversal,
) -> Result<Receipt, HealthError> {
    let (pair, own, _) = as_payer(ctx, payer, provider)?;
    reversal.salt.require_drawn()?;
    check_text(&reversal.reason, &[])?;
    let id = reversal.claim;
    let standing = Standing::of(ctx, &pair, &id)?;
    standing.status.after(ClaimAct::Reverse)?;
    let stored = deciding::stored(ctx, &pair, &id)?;
    deciding::undo(ctx, &own, &pair, &stored, &standing, &reversal.salt)?;
    let mark = Mark {
        by: None,
        text: Some(reversal.reason),
        salt: derived_salt(&reversal.salt, "mark", &tx_id(ctx)?),
    };
    if !pair.write_once(ctx, &reversal_key(&id), &mark)? {
        return Err(HealthError::ConflictState("the claim is reversed".into()));
    }
    done(ctx, EventKind::Claim, Some(&pair))
}

pub(super) fn fold_accumulators(ctx: &Context<'_>, payer: &str, fold: Fold) -> Result<Receipt, HealthError> {
    let own = own(ctx, payer)?;
    fold.salt.require_drawn()?;
    if !(1..=MAX_FOLDED).contains(&fold.deltas.len()) {
        return Err(HealthError::Limit("1 to 200 deltas are folded at once".into()));
    }
    let key = paid_key(&fold.coverage, fold.year);
    let paid: Paid = own.get(ctx, &key)?.unwrap_or_default();
    let mut sum = paid.accumulators;
    for tx in &fold.deltas {
        let delta_key = delta_key(&fold.coverage, fold.year, tx);
        let delta: Delta = own.get(ctx, &delta_key)?.ok_or(HealthError::NotFound)?;
        sum = Accumulators {
            deductible: sum.deductible.saturating_add(delta.added.deductible),
            out_of_pocket: sum.out_of_pocket.saturating_add(delta.added.out_of_pocket),
        };
        // It is read and deleted: of two folds of one delta only one is valid.
        ctx.private_del(&own.name, &delta_key)?;
    }
    let value = Paid {
        accumulators: sum,
        salt: Some(derived_salt(&fold.salt, "paid", &tx_id(ctx)?)),
    };
    own.put(ctx, &key, &value)?;
    done(ctx, EventKind::Claim, Some(&own))
}

/// What the payer's adjudication allowed: by its own copy, which the pair's must equal.
fn allowed(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    own: &Collection,
    standing: &Standing,
    id: &ClaimId,
) -> Result<i64, HealthError> {
    let allowed = standing.adjudication(ctx, pair, id)?.allowed;
    if standing.basis(ctx, own, id)?.allowed == allowed {
        Ok(allowed)
    } else {
        Err(HealthError::ConflictState(
            "the adjudication is not the one that the payer made".into(),
        ))
    }
}
