//! Remittance, reversal, and the sum of what a member paid.

use super::book::Entry;
use super::desk::{Desk, Own};
use super::store::remittance_key;
use super::{appeal, deciding, holding, reversing, review, sums};
use crate::state::{done, tx_id};
use careledger_api::contracts::claims::{
    ClaimAct, ClaimStatus, Fold, MAX_REMITTED, RemittanceBody, Reversal, check_text,
};
use careledger_api::date::Date;
use careledger_api::event::EventKind;
use careledger_api::ids::{ClaimId, RemittanceId, Salt, TxId};
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::Context;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The value of `rem~R`: the copy for the provider; what is due is in the claims' books.
#[derive(Serialize, Deserialize)]
pub(super) struct Remittance {
    pub(super) id: RemittanceId,
    pub(super) amounts: BTreeMap<ClaimId, i64>,
    /// The decisions that are in force, by their transactions.
    #[serde(default)]
    pub(super) decisions: BTreeMap<ClaimId, TxId>,
    /// Claims that were on a remittance before, which was never paid: they were decided anew in between.
    #[serde(default)]
    pub(super) again: BTreeSet<ClaimId>,
    /// Claims that it tells as denied.
    #[serde(default)]
    pub(super) denied: BTreeSet<ClaimId>,
    /// Denials that a remittance before told of claims, and that this one takes back, by their transactions.
    #[serde(default)]
    pub(super) before: BTreeMap<ClaimId, TxId>,
    /// By the payer's clock; not kept by older ones.
    #[serde(default)]
    pub(super) on: Option<Date>,
    /// The second of that.
    #[serde(default)]
    pub(super) at: Option<i64>,
    pub(super) tx: TxId,
    pub(super) salt: Salt,
}

pub(super) fn remit(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    remittance: RemittanceBody,
) -> Result<Receipt, HealthError> {
    let (desk, _) = Desk::for_payer(ctx, payer, provider)?;
    remittance.salt.require_drawn()?;
    if !(1..=MAX_REMITTED).contains(&remittance.claims.len()) {
        return Err(HealthError::Limit("a remittance has 1 to 50 claims".into()));
    }
    let (mut amounts, mut decisions, mut again) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    let (mut denied, mut before) = (BTreeSet::new(), BTreeMap::new());
    let mut currency = None;
    for id in &remittance.claims {
        let mut entry = Entry::of(&desk, id)?;
        if currency.get_or_insert_with(|| entry.claim.currency.clone()) != &entry.claim.currency {
            return Err(HealthError::InvalidCode(
                "a remittance is one payment in one currency: make one for the claims of each".into(),
            ));
        }
        entry.act(ClaimAct::Remit)?;
        appeal::require_settled(&desk, &entry)?;
        reversing::require_answered(&desk, &entry)?;
        review::require_ruled(&entry.book)?;
        holding::require_payable(&desk, &entry)?;
        amounts.insert(*id, entry.book.money.due());
        decisions.extend(
            entry
                .book
                .decision
                .as_ref()
                .map(|decision| (*id, decision.tx.clone())),
        );
        if entry.book.was_remitted() && !entry.book.money.has_moved() {
            again.insert(*id);
        }
        before.extend(entry.book.told_before().map(|told| (*id, told.clone())));
        if entry.book.status == ClaimStatus::Denied {
            entry.book.advise(remittance.id)?;
            denied.insert(*id);
        }
        entry.book.remittances.push(remittance.id);
        entry.save(&desk, &remittance.salt)?;
    }
    let key = remittance_key(&remittance.id);
    let value = Remittance {
        id: remittance.id,
        amounts,
        decisions,
        again,
        denied,
        before,
        on: Some(desk.today()?),
        at: Some(desk.now),
        tx: desk.tx.clone(),
        salt: remittance.salt,
    };
    if !desk.pair.write_once(ctx, &key, &value)? {
        return Err(HealthError::Duplicate("this remittance id is taken".into()));
    }
    done(ctx, EventKind::Claim, Some(&desk.pair))
}

pub(super) fn reverse(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    reversal: Reversal,
) -> Result<Receipt, HealthError> {
    let (desk, _) = Desk::for_payer(ctx, payer, provider)?;
    reversal.salt.require_drawn()?;
    check_text(&reversal.reason, &[])?;
    let mut entry = Entry::of(&desk, &reversal.claim)?;
    entry.act(ClaimAct::Reverse)?;
    if !entry.book.was_remitted() && !entry.book.money.has_moved() {
        return Err(HealthError::ConflictState(
            "the claim was neither remitted nor paid; there is nothing to take back".into(),
        ));
    }
    deciding::undo(&desk, &mut entry)?;
    entry.book.money.take_back();
    entry.book.reversal = Some(reversal.reason);
    entry.book.reversed_at = Some(desk.now);
    entry.save(&desk, &reversal.salt)?;
    done(ctx, EventKind::Claim, Some(&desk.pair))
}

pub(super) fn fold_accumulators(ctx: &Context<'_>, payer: &str, fold: Fold) -> Result<Receipt, HealthError> {
    let own = Own::for_payer(ctx, payer)?;
    fold.salt.require_drawn()?;
    if sums::is_folded(ctx, &own, &fold.coverage, fold.year)? {
        return Err(HealthError::NotFound);
    }
    let total = sums::total(ctx, &own, &fold.coverage, fold.year)?;
    sums::fold(ctx, &own, (&fold.coverage, fold.year), total, &tx_id(ctx)?)?;
    done(ctx, EventKind::Claim, Some(&own.collection))
}
