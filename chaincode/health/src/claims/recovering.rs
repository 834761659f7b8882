//! Money of claims that were reversed: what was paid is out until it comes back.
//!
//! The payer's book says how much is out, whatever became of the claim since, and takes down how it came back, once and whole: by itself, or by so much less
//! being paid of a remittance. The provider sees it in its copy.

use super::book::Entry;
use super::desk::Desk;
use super::money::Remittance;
use super::payments;
use super::store::{
    Head, StoredAdjudication, adjudication_key, head_key, remittance_key, set_off_key, stored,
};
use crate::state::{Collection, done};
use careledger_api::adjudication::Adjudication;
use careledger_api::contracts::claims::{Payment, Recovered, Recovery, RemittedClaim, StillOut, TakenBack};
use careledger_api::event::EventKind;
use careledger_api::ids::{ClaimId, RemittanceId, Salt, TxId};
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn recover(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    recovery: Recovery,
) -> Result<Receipt, HealthError> {
    let (desk, _) = Desk::for_payer(ctx, payer, provider)?;
    recovery.salt.require_drawn()?;
    let mut entry = Entry::of(&desk, &recovery.claim)?;
    come_back(&desk, &mut entry, &recovery.reference, None)?;
    entry.save(&desk, &recovery.salt)?;
    done(ctx, EventKind::Claim, Some(&desk.pair))
}

/// Takes down that all that is out of a claim came back, by itself or with a remittance's payment; gives how much that is. `CONFLICT_STATE` where nothing is.
pub(super) fn come_back(
    desk: &Desk<'_, '_>,
    entry: &mut Entry,
    reference: &str,
    remittance: Option<RemittanceId>,
) -> Result<i64, HealthError> {
    let amount = entry.book.money.recover(reference)?;
    entry.book.recovered = Some(Recovered {
        amount,
        reference: reference.to_owned(),
        remittance,
        on: desk.today()?,
        tx: desk.tx.clone(),
    });
    Ok(amount)
}

/// The value of `offset~T`: the claims whose money a payment of a remittance brought back. That it did, each claim's own copy says.
#[derive(Serialize, Deserialize)]
pub(super) struct SetOff {
    pub(super) remittance: RemittanceId,
    pub(super) claims: BTreeSet<ClaimId>,
    pub(super) salt: Salt,
}

/// What was paid of a claim and taken back, as the pair's collection shows it; none where nothing was.
pub(super) fn taken_back(head: Option<&Head>, payments: &[Payment]) -> Option<TakenBack> {
    let head = head.filter(|head| head.is_reversed())?;
    let sum = |sum: i64, payment: &Payment| sum.saturating_add(payment.amount);
    let paid = payments.iter().fold(0i64, sum);
    let moved = payments.iter().filter(|payment| payment.amount != 0);
    let references = moved.map(|payment| payment.reference.clone()).collect();
    let back = head.recovered.as_ref().map_or(0, |back| back.amount);
    (paid != 0).then(|| TakenBack {
        paid,
        references,
        out: paid.saturating_sub(back).max(0),
        since: head.reversed_at,
        recovered: head.recovered.clone(),
    })
}

/// Money of the claim that another one replaces, where that has to come back.
pub(super) fn before(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    replaced: Option<ClaimId>,
) -> Result<Option<StillOut>, HealthError> {
    let Some(claim) = replaced else { return Ok(None) };
    let head: Option<Head> = pair.get(ctx, &head_key(&claim))?;
    let Some(head) = head else { return Ok(None) };
    let payments = payments::all(ctx, pair, &head, &claim)?;
    let back = taken_back(Some(&head), &payments).filter(|back| back.out > 0);
    Ok(back.map(|back| StillOut {
        claim,
        amount: back.out,
    }))
}

/// What came back of other claims by these payments of a remittance, with the payer's copy of each.
fn set_off(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    remittance: &RemittanceId,
    paid: &BTreeSet<TxId>,
) -> Result<BTreeMap<ClaimId, (Head, Recovered)>, HealthError> {
    let mut found = BTreeMap::new();
    for tx in paid {
        let listed: Option<SetOff> = pair.get(ctx, &set_off_key(tx))?;
        for claim in listed.into_iter().flat_map(|listed| listed.claims) {
            let head: Option<Head> = pair.get(ctx, &head_key(&claim))?;
            let Some(head) = head else { continue };
            let back = head.recovered.clone();
            let back = back.filter(|back| back.tx == *tx && back.remittance == Some(*remittance));
            found.extend(back.map(|back| (claim, (head, back))));
        }
    }
    Ok(found)
}

/// How much of which claims came back by a remittance's payments, which are these.
pub(super) fn amounts(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    remittance: &RemittanceId,
    paid: &BTreeSet<TxId>,
) -> Result<BTreeMap<ClaimId, i64>, HealthError> {
    let found = set_off(ctx, pair, remittance, paid)?;
    Ok(found
        .into_iter()
        .map(|(claim, (_, back))| (claim, back.amount))
        .collect())
}

/// The claims whose money came back by a remittance's payments, which are these, each with the decision that was paid. `CONFLICT_STATE` where none of its
/// decisions that the pair's collection names comes to what was paid.
pub(super) fn remitted(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    remittance: &RemittanceId,
    paid: &BTreeSet<TxId>,
) -> Result<Vec<RemittedClaim>, HealthError> {
    let found = set_off(ctx, pair, remittance, paid)?;
    let claim = |(id, (head, back)): (ClaimId, (Head, Recovered))| {
        let adjudication = paid_decision(ctx, pair, &id, &head, back.amount)?;
        Ok(RemittedClaim {
            claim: stored(ctx, pair, &id)?.claim,
            adjudication: adjudication.ok_or_else(|| {
                HealthError::ConflictState(
                    "what came back of a claim is not what one of its decisions pays, and cannot be told line by line".into(),
                )
            })?,
            amount: back.amount,
            stands: true,
            again: false,
            before: None,
            set_off: true,
        })
    };
    found.into_iter().map(claim).collect()
}

/// The newest decision of a claim that comes to what was paid of it.
fn paid_decision(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    id: &ClaimId,
    head: &Head,
    amount: i64,
) -> Result<Option<Adjudication>, HealthError> {
    let decided = |tx: &TxId| -> Result<Option<Adjudication>, HealthError> {
        let found: Option<StoredAdjudication> = pair.get(ctx, &adjudication_key(id, tx))?;
        let found = found.map(|stored| stored.adjudication);
        Ok(found.filter(|adjudication| adjudication.allowed == amount))
    };
    if let Some(in_force) = &head.decided
        && let Some(found) = decided(&in_force.tx)?
    {
        return Ok(Some(found));
    }
    for remittance in head.remittances.iter().rev() {
        let remittance: Option<Remittance> = pair.get(ctx, &remittance_key(remittance))?;
        let told = remittance.and_then(|remittance| remittance.decisions.get(id).cloned());
        if let Some(told) = told
            && let Some(found) = decided(&told)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
