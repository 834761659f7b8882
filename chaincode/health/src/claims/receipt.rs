//! The payer receives claims: its own stamp of when they came, and its own front end.

use super::book::Entry;
use super::desk::Desk;
use crate::state::done;
use careledger_api::adjudication::{AppealRoute, Edit, EditCode, Effect, Frequency, check};
use careledger_api::contracts::claims::{ClaimAct, ClaimBatch, ClaimStatus, MAX_REMITTED};
use careledger_api::event::EventKind;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::Context;

pub(super) fn acknowledge(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    batch: ClaimBatch,
) -> Result<Receipt, HealthError> {
    let (desk, _) = Desk::for_payer(ctx, payer, provider)?;
    batch.salt.require_drawn()?;
    if !(1..=MAX_REMITTED).contains(&batch.claims.len()) {
        return Err(HealthError::Limit("1 to 50 claims are received at once".into()));
    }
    let mut received = false;
    for id in &batch.claims {
        let mut entry = Entry::of(&desk, id)?;
        if entry.book.status == ClaimStatus::Submitted {
            receive(&desk, &mut entry)?;
            entry.save(&desk, &batch.salt)?;
            received = true;
        }
    }
    if !received {
        return Err(HealthError::ConflictState(
            "these claims were received before".into(),
        ));
    }
    done(ctx, EventKind::Claim, Some(&desk.pair))
}

/// Stamps a claim, and accepts or rejects it: the provider's peer alone endorsed its submission, so its front end's word is not enough.
pub(super) fn receive(desk: &Desk<'_, '_>, entry: &mut Entry) -> Result<(), HealthError> {
    let mut found = check(&entry.claim);
    if entry.claim.frequency != Frequency::Original {
        found.push(Edit {
            code: EditCode::Form,
            line: None,
            explanation: "a replacement or void counts once replaceClaim has run at the payer".into(),
            effect: Effect::Denied,
            group: None,
            reason: None,
            remark: None,
            amount: 0,
            appeal: Some(AppealRoute::Correct),
        });
    }
    (entry.book.received, entry.book.filed) = (desk.now, desk.now);
    entry.act(if found.is_empty() {
        ClaimAct::Accept
    } else {
        ClaimAct::Reject
    })?;
    entry.book.rejection = found;
    Ok(())
}
