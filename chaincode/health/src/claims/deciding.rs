//! The payer decides: what it knows, the engine, and what the decision uses up.

use super::authorisation;
use super::book::{Basis, Decision, Entry, Taken};
use super::desk::Desk;
use super::disclosure;
use super::history::{self, Past};
use super::members;
use super::receipt::receive;
use super::screening::flagged;
use super::store::{StoredAdjudication, adjudication_key};
use super::sums::{self, Start};
use crate::state::{derived_salt, done};
use careledger_api::adjudication::{
    Accumulators, Adjudication, Claim, Coverage, Facts, Plan, PriorService, Verdict,
    adjudicate as decide_claim, deny_unknown_coverage,
};
use careledger_api::contracts::claims::{AdjudicationStep, ClaimAct, ClaimStatus};
use careledger_api::date::Date;
use careledger_api::event::EventKind;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::Context;
use std::collections::BTreeMap;

pub(super) fn adjudicate(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    step: AdjudicationStep,
) -> Result<Receipt, HealthError> {
    let (desk, caller) = Desk::for_payer(ctx, payer, provider)?;
    step.salt.require_drawn()?;
    let mut entry = Entry::of(&desk, &step.claim)?;
    if entry.book.status == ClaimStatus::Submitted {
        receive(&desk, &mut entry)?;
    }
    match entry.book.status {
        ClaimStatus::Accepted => {
            decide(&desk, &mut entry, caller.person(), &step)?;
        }
        ClaimStatus::Rejected if entry.book.decision.is_none() && entry.book.tx == desk.tx => {}
        status => {
            return Err(HealthError::ConflictState(format!(
                "the claim is {status}; a submitted or accepted one is adjudicated"
            )));
        }
    }
    entry.save(&desk, &step.salt)?;
    done(ctx, EventKind::Claim, Some(&desk.pair))
}

/// Adjudicates a claim, for the first time or anew, and writes what was decided and on what. The entry is the caller's to save.
/// Whether the decision leaves something to appeal.
pub(super) fn decide(
    desk: &Desk<'_, '_>,
    entry: &mut Entry,
    person: &str,
    step: &AdjudicationStep,
) -> Result<bool, HealthError> {
    let before = entry.book.decision.take();
    let allowed_before = before.as_ref().map_or(0, |decision| decision.allowed);
    let before = before.map(|decision| decision.effect);
    let outcome = match members::coverage(desk.ctx, &desk.own, &entry.claim.coverage)? {
        None => Outcome {
            adjudication: deny_unknown_coverage(&entry.claim),
            facts: None,
            effect: Taken::default(),
        },
        Some(coverage) => known(desk, entry, &coverage, before, step)?,
    };
    let Outcome {
        adjudication,
        facts,
        effect,
    } = outcome;
    entry.act(match adjudication.verdict() {
        Verdict::Approved => ClaimAct::Approve,
        Verdict::Partial => ClaimAct::ApprovePartly,
        Verdict::Denied => ClaimAct::Deny,
        _ => ClaimAct::Pend,
    })?;
    let id = entry.claim.id;
    let key = entry.basis_key(&desk.tx);
    let salt = desk.salt(&key);
    desk.put(&key, &Basis { facts, salt })?;
    let book = &mut entry.book;
    if book.money.has_moved() && adjudication.allowed < allowed_before {
        return Err(HealthError::ConflictState(
            "the claim would be paid less than before; what was paid is taken back by a reversal alone"
                .into(),
        ));
    }
    book.money.instruct(adjudication.allowed)?;
    if book.money.has_moved() && book.money.due() == 0 {
        book.status = ClaimStatus::Paid;
    }
    book.deciders.insert(person.to_owned());
    book.decision = Some(Decision {
        tx: desk.tx.clone(),
        at: desk.now,
        on: desk.today()?,
        allowed: adjudication.allowed,
        effect,
    });
    if book.status != ClaimStatus::Pended {
        book.decided_at.get_or_insert(desk.now);
    }
    book.proposal = None;
    let open = adjudication.can_be_appealed();
    let value = StoredAdjudication {
        // What the member paid with all providers is not this one's to know; the basis has it.
        adjudication: Adjudication {
            accumulators: Accumulators::default(),
            ..adjudication
        },
        salt: derived_salt(&step.salt, "adjudication", &desk.tx),
    };
    if !desk
        .pair
        .write_once(desk.ctx, &adjudication_key(&id, &desk.tx), &value)?
    {
        return Err(HealthError::ConflictState("the claim is adjudicated".into()));
    }
    Ok(open)
}

/// Takes back what a claim used up: it is voided, replaced or reversed. Nothing if it used nothing up.
pub(super) fn undo(desk: &Desk<'_, '_>, entry: &mut Entry) -> Result<(), HealthError> {
    let Some(decision) = &mut entry.book.decision else {
        return Ok(());
    };
    let Taken {
        added,
        used,
        services,
    } = std::mem::take(&mut decision.effect);
    let coverage = &entry.claim.coverage;
    authorisation::use_up(desk, &used, &BTreeMap::new())?;
    sums::give_back(desk, coverage, entry.claim.year()?, added)?;
    history::give_back(desk, coverage, &entry.hash, &services)
}

struct Outcome {
    adjudication: Adjudication,
    facts: Option<Facts>,
    effect: Taken,
}

/// The decision on a claim whose coverage the payer knows, and what it writes beside the book.
fn known(
    desk: &Desk<'_, '_>,
    entry: &Entry,
    coverage: &Coverage,
    before: Option<Taken>,
    step: &AdjudicationStep,
) -> Result<Outcome, HealthError> {
    let claim = &entry.claim;
    let plan: Plan = members::plan(desk.ctx, &desk.own, coverage)?;
    let past = Past::of(desk, claim, &entry.hash, &plan)?;
    let named = claim.lines.iter().filter_map(|line| line.authorisation);
    let npis = claim
        .lines
        .iter()
        .filter_map(|line| line.rendering_npi.as_deref());
    let npis = npis.chain([claim.provider_npi.as_str()]);
    let again = before.is_some();
    let before = before.unwrap_or_default();
    let facts = Facts {
        standing: members::standings(desk.ctx, &desk.own, npis)?,
        authorisations: authorisation::given(desk, &claim.coverage, named, &before.used)?,
        history: past.services(),
        earlier: past.earlier(),
        minutes: step.noticed.minutes.clone(),
        elsewhere: step.noticed.elsewhere.clone(),
        payment: disclosure::basis(desk.ctx, &desk.pair, claim)?,
        flagged: flagged(entry),
        rulings: entry.book.rulings.clone(),
        ..Facts::new(Date::from_unix(entry.book.filed)?, Accumulators::default())
    };
    let checked = plan.checked()?;
    let run = |paid: Accumulators| {
        let facts = Facts {
            paid,
            ..facts.clone()
        };
        let adjudication = decide_claim(claim, checked, coverage, &facts)?;
        let after = adjudication.accumulators;
        Ok(((facts, adjudication), after))
    };
    let start = Start::of(desk, claim)?;
    let ((facts, adjudication), added) = start.settle(&plan, again.then_some(before.added), run)?;
    let services = covered(claim, &adjudication);
    past.put(desk, &claim.coverage, &entry.hash, &before.services, &services)?;
    authorisation::use_up(desk, &before.used, &adjudication.used)?;
    let effect = Taken {
        added,
        used: adjudication.used.clone(),
        services,
    };
    Ok(Outcome {
        adjudication,
        facts: Some(facts),
        effect,
    })
}

/// The services of a claim that are covered, for the claims after it.
fn covered(claim: &Claim, adjudication: &Adjudication) -> Vec<PriorService> {
    let lines = claim.lines.iter().zip(&adjudication.lines);
    lines
        .filter(|(_, result)| result.covered)
        .map(|(line, result)| PriorService {
            procedure: line.procedure.clone(),
            modifiers: line.modifiers.iter().cloned().collect(),
            date: line.date,
            units: result.units,
            performer: claim.performer(line).to_owned(),
        })
        .collect()
}
