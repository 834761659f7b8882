//! The payer receives claims: its own stamp of when they came, and its own front end. A replacement or void takes effect here.

use super::book::Entry;
use super::desk::Desk;
use super::screening::hand_down;
use super::store::{stored, word_key};
use super::word::Word;
use super::{deciding, doubts};
use crate::state::done;
use careledger_api::adjudication::{AppealRoute, Claim, Edit, EditCode, Effect, Frequency, check};
use careledger_api::contracts::claims::{ClaimAct, ClaimBatch, ClaimStatus, MAX_REMITTED};
use careledger_api::date::Date;
use careledger_api::event::EventKind;
use careledger_api::ids::{ClaimId, CoverageId, Salt};
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::Context;
use std::collections::{BTreeMap, BTreeSet};

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
    // Each is opened once, since a transaction does not see what it wrote itself: corrections come first, and take the claims before them along.
    let mut open = BTreeMap::new();
    for id in &batch.claims {
        open.insert(*id, Entry::of(&desk, id)?);
    }
    let (corrections, others): (Vec<ClaimId>, Vec<ClaimId>) = batch
        .claims
        .iter()
        .partition(|id| open.get(id).is_some_and(|entry: &Entry| corrects(&entry.claim)));
    let (mut received, mut given_back) = (false, Vec::new());
    for id in corrections.into_iter().chain(others) {
        let Some(mut entry) = open.remove(&id) else {
            continue;
        };
        if entry.book.status != ClaimStatus::Submitted {
            continue;
        }
        if let Some(before) = stamp(&desk, &mut entry, &mut open)? {
            given_back.extend(
                before
                    .gave_back
                    .then_some((entry.claim.coverage, before.compared)),
            );
            before.save(&desk, &batch.salt)?;
        }
        entry.save(&desk, &batch.salt)?;
        received = true;
    }
    if !received {
        return Err(HealthError::ConflictState(
            "these claims were received before".into(),
        ));
    }
    apart(&given_back)?;
    done(ctx, EventKind::Claim, Some(&desk.pair))
}

/// `CONFLICT_STATE` where two claims gave back what may lie in one value: a member's sums, services and authorisations are of a coverage, and a mark of what
/// was compared with other payers is of a person. The second would not see what the first gave back, and undo it.
fn apart(given_back: &[(CoverageId, bool)]) -> Result<(), HealthError> {
    let coverages: BTreeSet<CoverageId> = given_back.iter().map(|(coverage, _)| *coverage).collect();
    let compared = given_back.iter().filter(|(_, compared)| *compared).count();
    if coverages.len() == given_back.len() && compared <= 1 {
        return Ok(());
    }
    Err(HealthError::ConflictState(
        "corrections of one member's decided claims, or of ones that were compared with other payers, are received one after the other: each gives back what it finds".into(),
    ))
}

/// Stamps a claim, and accepts or rejects it: the provider's peer alone endorsed its submission, so its front end's word is not enough. The claim that it
/// corrects is taken back and saved. Whether something that was used up was given back, which this transaction does not see.
pub(super) fn receive(desk: &Desk<'_, '_>, entry: &mut Entry, salt: &Salt) -> Result<bool, HealthError> {
    let Some(before) = stamp(desk, entry, &mut BTreeMap::new())? else {
        return Ok(false);
    };
    let gave_back = before.gave_back;
    before.save(desk, salt)?;
    Ok(gave_back)
}

/// A claim that was taken back.
struct TakenBack {
    entry: Entry,
    /// It had used something up.
    gave_back: bool,
    /// It had been compared with other payers' claims.
    compared: bool,
}

impl TakenBack {
    fn save(self, desk: &Desk<'_, '_>, salt: &Salt) -> Result<(), HealthError> {
        self.entry.save(desk, salt)
    }
}

/// Receives a claim. What it takes back is the caller's to save.
fn stamp(
    desk: &Desk<'_, '_>,
    entry: &mut Entry,
    open: &mut BTreeMap<ClaimId, Entry>,
) -> Result<Option<TakenBack>, HealthError> {
    entry.book.received = desk.now;
    let mut found = check(&entry.claim);
    found.truncate(MAX_FINDINGS);
    let mut before = None;
    if found.is_empty() && corrects(&entry.claim) {
        match take_back(desk, entry, open)? {
            Ok(taken) => before = Some(taken),
            Err(explanation) => found.push(Edit {
                code: EditCode::Form,
                line: None,
                explanation: explanation.into(),
                effect: Effect::Denied,
                group: None,
                reason: None,
                remark: None,
                amount: 0,
                appeal: Some(AppealRoute::Correct),
            }),
        }
    }
    if found.is_empty() {
        entry.act(ClaimAct::Accept)?;
    } else {
        entry.act(ClaimAct::Reject)?;
    }
    if found.is_empty() && entry.claim.frequency == Frequency::Void {
        // It has taken its claim back, and waits for nobody.
        entry.book.status = ClaimStatus::Voided;
    }
    entry.book.rejection = found;
    Ok(before)
}

/// Most findings that a rejection tells: altered code writes bodies with any number of lines.
const MAX_FINDINGS: usize = 100;

/// Days that a submission may wait at the payer and still count from its own day: what the payer's backlog takes is not its provider's delay, and a
/// provider with an altered clock gains no more than these.
const BACKLOG_DAYS: i64 = 7;

/// The second that counts for timely filing: the day of the submission, where the payer received it within [`BACKLOG_DAYS`], else the receipt.
pub(super) fn filed(received: i64, submitted: Date) -> Result<i64, HealthError> {
    let waited = Date::from_unix(received)?.days() - submitted.days();
    Ok(match (1..=BACKLOG_DAYS).contains(&waited) {
        true => submitted.first_second(),
        false => received,
    })
}

/// Takes the claim back that this one corrects, or says why it cannot be.
fn take_back(
    desk: &Desk<'_, '_>,
    after: &mut Entry,
    open: &mut BTreeMap<ClaimId, Entry>,
) -> Result<Result<TakenBack, &'static str>, HealthError> {
    let unknown = "the claim that it is for was not submitted to this payer";
    let Some(old) = after.claim.replaces else {
        return Ok(Err(unknown));
    };
    let word = Word::of(desk.ctx, &desk.pair, &word_key(&old));
    word.require()?;
    if word.successor != Some(after.claim.id) {
        return Ok(Err(
            "its provider does not say that it stands in the place of the claim before: submit it anew",
        ));
    }
    let before = match open.remove(&old) {
        Some(before) => Ok(before),
        None => Entry::of(desk, &old),
    };
    let mut before = match before {
        Err(HealthError::NotFound) => return Ok(Err(unknown)),
        before => before?,
    };
    if before.book.status == ClaimStatus::Submitted && corrects(&before.claim) {
        if comes_back(desk, &after.claim, &before.claim) {
            open.insert(old, before);
            return Ok(Err(
                "the claim that it is for is a correction that leads back to it: submit one for the first claim",
            ));
        }
        return Err(HealthError::ConflictState(
            "the claim before is a correction itself, and is received first".into(),
        ));
    }
    let act = match after.claim.frequency {
        Frequency::Void => ClaimAct::Void,
        _ => ClaimAct::Replace,
    };
    if let Some(reason) = refusal(&after.claim, &before, act) {
        open.insert(old, before);
        return Ok(Err(reason));
    }
    before.act(act)?;
    let (gave_back, compared) = before.has_used_up();
    deciding::undo(desk, &mut before)?;
    before.book.successor = Some(after.claim.id);
    if act == ClaimAct::Replace {
        hand_down(desk, &before, after);
        before.book.passed_on = doubts::passed_on((&before.claim, &before.book), (&after.claim, &after.book));
    }
    after.book.root = before.book.root;
    // A correction of days that were claimed in time is in time; one that comes too early is not handed down for ever.
    let days: BTreeSet<Date> = before.claim.lines.iter().map(|line| line.date).collect();
    let known = Date::from_unix(before.book.filed)?.days() + 1;
    let lines = &after.claim.lines;
    if lines
        .iter()
        .all(|line| days.contains(&line.date) && line.date.days() <= known)
    {
        after.book.filed = before.book.filed;
    }
    Ok(Ok(TakenBack {
        entry: before,
        gave_back,
        compared,
    }))
}

/// Corrections that are followed from one that waits. The contract lets nobody submit a correction of one that waits.
const WAITING: usize = 16;

/// Whether corrections lead back to one of them, or through more of them than are followed: none of these could be received first.
fn comes_back(desk: &Desk<'_, '_>, after: &Claim, before: &Claim) -> bool {
    let mut next = before.replaces;
    for _ in 0..WAITING {
        let Some(id) = next.filter(|id| *id != after.id) else {
            return next.is_some();
        };
        // Where it cannot be read, whatever names it is looked at first.
        let found = stored(desk.ctx, &desk.pair, &id).ok();
        next = found.and_then(|stored| stored.claim.replaces);
    }
    true
}

/// Why a claim is not taken back by the one that corrects it.
fn refusal(after: &Claim, before: &Entry, act: ClaimAct) -> Option<&'static str> {
    if before.book.money.has_moved() {
        return Some(
            "money was paid for the claim before: its payer reverses that first, which its provider asks for by requestReversal (`careledger claim reversal request`); then a new replacement or void is submitted",
        );
    }
    if before.book.status == ClaimStatus::Rejected && corrects(&before.claim) {
        return Some(OF_REJECTED);
    }
    if before.book.status.after(act).is_err() {
        return Some(OF_STANDING);
    }
    misfit(after, &before.claim)
}

/// Why a claim is not corrected where it stands.
pub(super) const OF_STANDING: &str = "the claim before is not taken back where it stands: one on a remittance is reversed by its payer first, which its provider asks for by requestReversal (`careledger claim reversal request`); one that is taken back is only replaced";

/// What a correction of a rejected correction would be for.
pub(super) const OF_REJECTED: &str =
    "the claim before is a rejected correction, which took no effect; name the claim that it was for";

/// Why a claim is no correction of that one, whatever became of it.
pub(super) fn misfit(after: &Claim, before: &Claim) -> Option<&'static str> {
    let rules = [
        (
            // Its lines are those of the claim that it took back: replaced in its turn, they would be claimed beside that one's replacement.
            before.frequency != Frequency::Void,
            "a void is neither replaced nor voided; name the claim that it took back",
        ),
        (
            after.coverage == before.coverage,
            "a replacement or void is for the same coverage as the claim before",
        ),
        (
            after.frequency != Frequency::Void || after.lines == before.lines,
            "a void has the lines of the claim that it takes back",
        ),
    ];
    let broken = rules.into_iter().find(|(holds, _)| !holds);
    broken.map(|(_, reason)| reason)
}

/// Whether a claim replaces or voids another.
pub(super) fn corrects(claim: &Claim) -> bool {
    claim.frequency != Frequency::Original
}
