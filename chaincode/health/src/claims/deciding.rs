//! The payer decides: what it knows, the engine, and what the decision uses up.

use super::book::{Basis, Decision, Entry, Taken};
use super::coverage::{self, Known};
use super::desk::Desk;
use super::disclosure;
use super::elsewhere::{self, Beside};
use super::history::{self, Past};
use super::receipt::receive;
use super::screening::flagged;
use super::store::{StoredAdjudication, adjudication_key};
use super::sums::{self, Start};
use super::{appeal, doubts, holding, members, units};
use crate::state::{derived_salt, done};
use careledger_api::adjudication::{
    Accumulators, Adjudication, AppealRoute, Claim, Coverage, Edit, Effect, Facts, Plan, PriorService,
    Verdict, adjudicate as decide_claim, deny_spanning, deny_unknown_coverage,
};
use careledger_api::contracts::claims::{ANSWER_DAYS, AdjudicationStep, ClaimAct, ClaimStatus};
use careledger_api::date::Date;
use careledger_api::event::EventKind;
use careledger_api::hashing::{canonical, tagged_hash};
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
    let gave_back = entry.book.status == ClaimStatus::Submitted && receive(&desk, &mut entry, &step.salt)?;
    match entry.book.status {
        ClaimStatus::Accepted if gave_back => {
            return Err(HealthError::ConflictState(
                "this receives a correction, and what the claim before used up is given back in the next block: acknowledge it first".into(),
            ));
        }
        ClaimStatus::Pended if step.anew => {
            if !decide(&desk, &mut entry, caller.person(), &step)?.changed {
                return Err(HealthError::ConflictState(
                    "what the payer knows now decides nothing else; the questions stand".into(),
                ));
            }
        }
        ClaimStatus::Pended => {
            entry.book.expire(desk.now)?;
            decide(&desk, &mut entry, caller.person(), &step)?;
        }
        ClaimStatus::Accepted => {
            decide(&desk, &mut entry, caller.person(), &step)?;
        }
        ClaimStatus::Approved | ClaimStatus::Partial | ClaimStatus::Denied if step.anew => {
            reconsider(&desk, &mut entry)?;
            decide(&desk, &mut entry, caller.person(), &step)?;
        }
        // Received by this transaction, and nothing is left to decide.
        ClaimStatus::Rejected | ClaimStatus::Voided if entry.book.tx == desk.tx => {}
        status => {
            return Err(HealthError::ConflictState(format!(
                "the claim is {status}; a submitted or accepted one is adjudicated, or a pended one that was not answered; one that is decided, and not on a remittance, only anew"
            )));
        }
    }
    entry.save(&desk, &step.salt)?;
    done(ctx, EventKind::Claim, Some(&desk.pair))
}

/// Adjudicates a claim, for the first time or anew, and writes what was decided and on what. The entry is the caller's to save.
/// `CONFLICT_STATE`, with the lines and rules that speak, for what does not lead on from where the claim stands, or takes back what was paid.
pub(super) fn decide(
    desk: &Desk<'_, '_>,
    entry: &mut Entry,
    person: &str,
    step: &AdjudicationStep,
) -> Result<Made, HealthError> {
    let before = entry.book.decision.take();
    let allowed_before = before.as_ref().map_or(0, |decision| decision.allowed);
    let found_before = before.as_ref().and_then(|decision| decision.found);
    let before = before.map(|decision| decision.effect);
    let days = entry.claim.lines.iter().map(|line| line.date);
    let found = coverage::on_days(desk.ctx, &desk.own, &entry.claim.coverage, days)?;
    let coverage = found.as_ref().and_then(Known::one);
    let outcome = match (&found, &coverage) {
        (Some(found), Some(coverage)) => known(desk, entry, (coverage, found.amended), before, step)?,
        (found, _) => {
            give_back(desk, entry, before.unwrap_or_default())?;
            let deny = match found {
                None => deny_unknown_coverage,
                Some(_) => deny_spanning,
            };
            Outcome {
                adjudication: deny(&entry.claim),
                facts: None,
                effect: Taken::default(),
            }
        }
    };
    let Outcome {
        adjudication,
        facts,
        effect,
    } = outcome;
    let act = match adjudication.verdict() {
        Verdict::Approved => ClaimAct::Approve,
        Verdict::Partial => ClaimAct::ApprovePartly,
        Verdict::Denied => ClaimAct::Deny,
        _ => ClaimAct::Pend,
    };
    let (was, speaks) = (entry.book.status, speaks(&adjudication));
    entry.act(act).map_err(|refused| match was.after(act) {
        Ok(_) => refused,
        Err(_) => HealthError::ConflictState(format!(
            "the claim is {was}, which this would take back: {speaks}; decide about that as well"
        )),
    })?;
    let id = entry.claim.id;
    let key = entry.basis_key(&desk.tx);
    let salt = desk.salt(&key);
    let basis = Basis {
        facts,
        coverage,
        salt,
    };
    desk.put(&key, &basis)?;
    let book = &mut entry.book;
    if book.money.has_moved() && (act == ClaimAct::Pend || adjudication.allowed < allowed_before) {
        return Err(HealthError::ConflictState(format!(
            "the claim would be paid less than before, or be asked about after it was paid: {speaks}; decide about that as well; what was paid is taken back by a reversal alone"
        )));
    }
    book.money.instruct(adjudication.allowed)?;
    if book.money.has_moved() && book.money.due() == 0 {
        book.status = ClaimStatus::Paid;
    }
    book.deciders.insert(person.to_owned());
    let questions = adjudication.questions();
    let lines = adjudication.lines.iter().filter(|line| line.covered);
    let covered = lines.map(|line| line.sequence).collect();
    let asked = book.status == ClaimStatus::Pended && !questions.is_empty();
    let last = || desk.today()?.in_days(ANSWER_DAYS);
    let found = tagged_hash("decided", &[&canonical(&adjudication.lines)?]);
    book.decision = Some(Decision {
        tx: desk.tx.clone(),
        at: desk.now,
        on: desk.today()?,
        allowed: adjudication.allowed,
        effect,
        questions,
        found: Some(found),
        covered: Some(covered),
        answer_until: asked.then(last).transpose()?,
    });
    if book.status != ClaimStatus::Pended {
        book.decided_at.get_or_insert(desk.now);
    } else if matches!(was, ClaimStatus::Denied | ClaimStatus::Partial) {
        // The payer has its time again.
        book.resumed = Some(desk.now);
    }
    book.proposal = None;
    let made = Made {
        changed: found_before != Some(found),
        pended: act == ClaimAct::Pend,
        open: adjudication.can_be_appealed(),
        speaks,
    };
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
    Ok(made)
}

/// What a decision came to.
pub(super) struct Made {
    /// It says something else than the one before.
    pub(super) changed: bool,
    /// Somebody is asked, or has to look.
    pub(super) pended: bool,
    /// Something of it can be appealed.
    pub(super) open: bool,
    /// The lines that are not paid or not paid in full, each with the rule that says so.
    pub(super) speaks: String,
}

/// What denies, asks or reduces, line by line: by it reviewers see what else they have to decide about. Of many the first ones.
fn speaks(adjudication: &Adjudication) -> String {
    const NAMED: usize = 8;
    let speaking = |edit: &&Edit| match edit.effect {
        Effect::Denied | Effect::Pended => true,
        Effect::Reduced => edit.appeal == Some(AppealRoute::Appeal),
        _ => false,
    };
    let edits = adjudication.lines.iter().flat_map(|line| &line.edits);
    let mut all = edits.filter(speaking);
    let mut named: Vec<String> = all
        .by_ref()
        .take(NAMED)
        .map(|edit| {
            let line = edit.line.unwrap_or_default();
            format!(
                "line {line} {} ({}, {})",
                edit.code, edit.effect, edit.explanation
            )
        })
        .collect();
    match all.count() {
        0 if named.is_empty() => return "nothing is denied, reduced or asked".into(),
        0 => {}
        more => named.push(format!("and {more} more")),
    }
    named.join("; ")
}

/// Takes a decision back for which no money has moved: the claim is decided anew. What it used up stays its own until then, as a pended one's does. `CONFLICT_STATE`
/// while an appeal is open, which decides it, and where the reviewer outside decided it, unless nothing is paid of that decision any more.
pub(super) fn reconsider(desk: &Desk<'_, '_>, entry: &mut Entry) -> Result<(), HealthError> {
    appeal::require_settled(desk, entry)?;
    if entry.book.money.has_moved() {
        return Err(HealthError::ConflictState(
            "money was paid for the claim; it is reversed".into(),
        ));
    }
    if appeal::is_decided_outside(&entry.book)
        && holding::reason(desk.ctx, (&desk.pair, &desk.own), &entry.claim, &entry.book)?.is_none()
    {
        return Err(HealthError::ConflictState(
            "the claim was decided by the reviewer outside of the payer".into(),
        ));
    }
    entry.act(ClaimAct::Reconsider)?;
    entry.book.money.instruct(0)?;
    // The payer has its time again.
    entry.book.resumed = Some(desk.now);
    Ok(())
}

/// Takes back what a claim used up: it is voided, replaced or reversed. Nothing if it used nothing up.
pub(super) fn undo(desk: &Desk<'_, '_>, entry: &mut Entry) -> Result<(), HealthError> {
    let Some(decision) = &mut entry.book.decision else {
        return Ok(());
    };
    let taken = std::mem::take(&mut decision.effect);
    give_back(desk, entry, taken)
}

fn give_back(desk: &Desk<'_, '_>, entry: &Entry, taken: Taken) -> Result<(), HealthError> {
    let Taken {
        added,
        used,
        services,
        compared,
    } = taken;
    elsewhere::give_back(desk, entry, &compared)?;
    let coverage = &entry.claim.coverage;
    units::use_up(desk, &used, &BTreeMap::new())?;
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
    (coverage, amended): (&Coverage, bool),
    before: Option<Taken>,
    step: &AdjudicationStep,
) -> Result<Outcome, HealthError> {
    let claim = &entry.claim;
    let plan: Plan = members::plan(desk.ctx, &desk.own, coverage)?;
    let past = Past::of(desk, claim, &entry.hash, &plan)?;
    let named = claim.lines.iter().filter_map(|line| line.authorisation);
    let performers = claim
        .lines
        .iter()
        .filter_map(|line| line.rendering_npi.as_deref());
    let bills = (claim.provider_npi.as_str(), desk.provider);
    let (standing, bills_for_others) = members::standings(desk.ctx, &desk.own, bills, performers)?;
    let again = before.is_some();
    let before = before.unwrap_or_default();
    let beside = Beside::of(desk, entry, &step.noticed.fingerprints, &before)?;
    let facts = Facts {
        standing,
        bills_for_others,
        authorisations: units::given(desk, &claim.coverage, named, &before.used)?,
        history: past.services(),
        earlier: past.earlier(),
        minutes: step.noticed.minutes.clone(),
        elsewhere: beside.elsewhere(),
        payment: disclosure::basis(desk.ctx, &desk.pair, claim)?,
        flagged: flagged(claim, &entry.book),
        doubted: doubts::elsewhere(desk, claim, &entry.hash)?,
        unanswered: entry.book.unanswered.clone(),
        answered: entry.book.answered.clone(),
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
    let start = Start::of(desk, claim, amended)?;
    let ((facts, adjudication), added) = start.settle(&plan, again.then_some(before.added), run)?;
    let services = covered(claim, &adjudication);
    past.put(desk, &claim.coverage, &entry.hash, &before.services, &services)?;
    units::use_up(desk, &before.used, &adjudication.used)?;
    let effect = Taken {
        added,
        used: adjudication.used.clone(),
        services,
        compared: beside.hold(desk, entry, &adjudication, &before)?,
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
            site: line.site.clone(),
        })
        .collect()
}
