//! Questions and rulings: the provider informs, two people of the payer set rules aside.

use super::store::{Standing, information_key, proposal_key};
use super::{as_payer, as_provider, deciding};
use crate::state::done;
use careledger_api::adjudication::{Claim, Ruling};
use careledger_api::contracts::claims::{
    AdjudicationStep, ClaimAct, ClaimStatus, Information, RulingProposal, Rulings, check_text,
};
use careledger_api::event::EventKind;
use careledger_api::ids::TxId;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::Context;
use serde::{Deserialize, Serialize};

/// The value of `prop~I`.
#[derive(Serialize, Deserialize)]
struct Proposed {
    proposal: RulingProposal,
    by: String,
    /// Where the claim's head stood: rulings on another adjudication do not count.
    on: TxId,
}

pub(super) fn provide_information(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    information: Information,
) -> Result<Receipt, HealthError> {
    let pair = as_provider(ctx, payer, provider)?;
    information.salt.require_drawn()?;
    check_text(&information.text, &information.documents)?;
    let standing = Standing::of(ctx, &pair, &information.claim)?;
    standing.status.after(ClaimAct::Inform)?;
    let key = information_key(&information.claim, &standing.head.tx);
    if !pair.write_once(ctx, &key, &information)? {
        return Err(HealthError::ConflictState("the question is answered".into()));
    }
    done(ctx, EventKind::Claim, Some(&pair))
}

pub(super) fn propose_ruling(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    proposal: RulingProposal,
) -> Result<Receipt, HealthError> {
    let (pair, _, caller) = as_payer(ctx, payer, provider)?;
    proposal.salt.require_drawn()?;
    check_text(&proposal.reason, &[])?;
    let standing = Standing::of(ctx, &pair, &proposal.claim)?;
    reviewable(standing.status)?;
    let stored = deciding::stored(ctx, &pair, &proposal.claim)?;
    check_rulings(&stored.claim, &proposal.rulings)?;
    let key = proposal_key(&proposal.claim);
    let proposed = Proposed {
        proposal,
        by: caller.person().to_owned(),
        on: standing.head.tx,
    };
    pair.put(ctx, &key, &proposed)?;
    pair.hand_to(ctx, &key, payer)?;
    done(ctx, EventKind::Claim, Some(&pair))
}

pub(super) fn confirm_ruling(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    step: AdjudicationStep,
) -> Result<Receipt, HealthError> {
    let (pair, own, caller) = as_payer(ctx, payer, provider)?;
    let mut standing = Standing::of(ctx, &pair, &step.claim)?;
    reviewable(standing.status)?;
    let proposed: Option<Proposed> = pair.get(ctx, &proposal_key(&step.claim))?;
    let proposed = proposed
        .filter(|proposed| proposed.on == standing.head.tx)
        .ok_or(HealthError::NotFound)?;
    if proposed.by == caller.person() {
        return Err(HealthError::SodViolation(
            "another person than the one who proposed the rulings confirms them".into(),
        ));
    }
    standing.head.deciders.insert(proposed.by);
    merge(&mut standing.head.rulings, proposed.proposal.rulings);
    deciding::decide(ctx, (&pair, &own, payer), &caller, standing, &step)?;
    done(ctx, EventKind::Claim, Some(&pair))
}

/// Rulings are on lines that are there and on rules that somebody may set aside.
pub(super) fn check_rulings(claim: &Claim, rulings: &Rulings) -> Result<(), HealthError> {
    let known = |line: &u16| claim.lines.iter().any(|l| l.sequence == *line);
    let may = rulings
        .values()
        .flatten()
        .all(|(code, ruling)| *ruling != Ruling::SetAside || code.may_be_set_aside());
    let some = rulings.values().any(|of_line| !of_line.is_empty());
    if some && may && rulings.keys().all(known) {
        Ok(())
    } else {
        Err(HealthError::InvalidCode(
            "rulings are on lines of the claim, at least one, and never set aside form, coverage, consent, prices or sums".into(),
        ))
    }
}

/// Newer rulings take the place of older ones on the same line and rule.
pub(super) fn merge(into: &mut Rulings, rulings: Rulings) {
    for (line, of_line) in rulings {
        into.entry(line).or_default().extend(of_line);
    }
}

fn reviewable(status: ClaimStatus) -> Result<(), HealthError> {
    match status {
        ClaimStatus::Pended | ClaimStatus::Denied | ClaimStatus::Partial => Ok(()),
        status => Err(HealthError::ConflictState(format!(
            "the claim is {status}; rulings are on one that is pended, denied or partly denied"
        ))),
    }
}
