//! Which payment of a claim was which remittance's.

use super::money::Remittance;
use super::store::{Head, payment_key};
use crate::state::Collection;
use careledger_api::HealthError;
use careledger_api::contracts::claims::{ClaimStatus, Payment};
use careledger_api::ids::{ClaimId, TxId};
use fabric_contract_core::ReadContext;

/// The payment that paid what a remittance says of a claim, by its place among the claim's payments; none where none did. Which it was, a payment says; of those
/// of before, it is the one that fits: that of the newest remittance is the last, and that of another one the first of its amount.
pub(super) fn of_remittance(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    head: &Head,
    remittance: &Remittance,
    id: &ClaimId,
) -> Result<Option<usize>, HealthError> {
    let said = |tx: &TxId| head.paid_on.get(tx);
    let named = |tx: &TxId| said(tx).copied().flatten() == Some(remittance.id);
    if let Some(place) = head.payments.iter().position(named) {
        return Ok(Some(place));
    }
    let unsaid: Vec<usize> = (0..head.payments.len())
        .filter(|place| head.payments.get(*place).is_some_and(|tx| said(tx).is_none()))
        .collect();
    let Some(last) = unsaid.last().copied() else {
        return Ok(None);
    };
    let told_denial = head.denials.contains(&remittance.id) || remittance.denied.contains(id);
    let kept = &head.remittances;
    if told_denial || !(kept.is_empty() || kept.contains(&remittance.id)) {
        return Ok(None);
    }
    let newest = kept.last() == Some(&remittance.id);
    let paid = head.status == ClaimStatus::Paid && last + 1 == head.payments.len();
    if kept.is_empty() || newest {
        let told = remittance.decisions.get(id);
        let in_force = head.decided.as_ref().map(|decided| &decided.tx);
        let same = told.is_none() || told == in_force;
        match head.status {
            // What was paid before was another remittance's.
            ClaimStatus::Payable => return Ok(None),
            ClaimStatus::Paid => return Ok((paid && same).then_some(last)),
            _ => {}
        }
    }
    for place in unsaid {
        if paid && !newest && place == last && !kept.is_empty() {
            continue;
        }
        let found = read(ctx, pair, head, place, id)?;
        if Some(&found.amount) == remittance.amounts.get(id) {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// A payment of a claim, by its place; `NOT_FOUND` where there is none, or it has not come to the peer.
pub(super) fn read(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    head: &Head,
    place: usize,
    id: &ClaimId,
) -> Result<Payment, HealthError> {
    let tx = head.payments.get(place).ok_or(HealthError::NotFound)?;
    let found: Option<Payment> = pair.get(ctx, &payment_key(id, tx))?;
    found.ok_or(HealthError::NotFound)
}

/// All payments of a claim, in their order.
pub(super) fn all(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    head: &Head,
    id: &ClaimId,
) -> Result<Vec<Payment>, HealthError> {
    let places = 0..head.payments.len();
    places.map(|place| read(ctx, pair, head, place, id)).collect()
}
