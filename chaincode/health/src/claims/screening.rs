//! What makes a person look at a claim: flags of a screening, and the member's word that a service was not rendered. A flag pends, and decides nothing.

use super::book::{Book, Entry};
use super::desk::Desk;
use super::receipt::receive;
use super::{appeal, deciding, doubts};
use crate::caller::Caller;
use crate::state::{done, registered};
use careledger_api::adjudication::{Claim, EditCode, Ruling};
use careledger_api::contracts::claims::{
    ClaimAct, ClaimStatus, Feedback, FlagClearance, FlagView, FraudFlag, MAX_FLAGS, MAX_SCORE, NOT_RENDERED,
    check_text,
};
use careledger_api::event::EventKind;
use careledger_api::ids::{Salt, TxId};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::Context;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A flag in a claim's book.
#[derive(Serialize, Deserialize)]
pub(super) struct Flag {
    tx: TxId,
    line: Option<u16>,
    kind: String,
    score: u16,
    explanation: String,
    /// Who took it away, and why.
    cleared: Option<(String, String)>,
}

impl Flag {
    /// The member's word that a line was not rendered, said by a transaction; without a line that there is one of which it was said.
    fn not_rendered(tx: TxId, line: Option<u16>) -> Self {
        Self {
            tx,
            line,
            kind: NOT_RENDERED.into(),
            score: MAX_SCORE,
            explanation: "the member says that the service was not rendered".into(),
            cleared: None,
        }
    }

    /// The flag on the claim in the place of its own, unless it was taken away: on the line that has its service, else on the whole claim.
    fn handed_down(&self, line_of: impl Fn(u16) -> Option<u16>) -> Option<Self> {
        let Self {
            tx,
            line,
            kind,
            score,
            explanation,
            cleared,
        } = self;
        cleared.is_none().then(|| Self {
            tx: tx.clone(),
            line: line.and_then(line_of),
            kind: kind.clone(),
            score: *score,
            explanation: explanation.clone(),
            cleared: None,
        })
    }

    /// Whether a person still has to look at a line for it.
    pub(super) fn is_open_on(&self, line: u16) -> bool {
        self.cleared.is_none() && self.line.is_none_or(|of| of == line)
    }

    /// Whether it says of that line that the member denies it, taken away or not.
    pub(super) fn is_members_no(&self, line: u16) -> bool {
        self.kind == NOT_RENDERED && self.line == Some(line)
    }

    pub(super) fn view(self) -> FlagView {
        FlagView {
            flag: self.tx,
            line: self.line,
            kind: self.kind,
            score: self.score,
            explanation: self.explanation,
            cleared: self.cleared.map(|(_, reason)| reason),
        }
    }
}

/// The lines that wait for a person's look.
pub(super) fn flagged(claim: &Claim, book: &Book) -> BTreeSet<u16> {
    let lines = claim.lines.iter().map(|line| line.sequence);
    lines
        .filter(|line| book.flags.iter().any(|flag| flag.is_open_on(*line)))
        .collect()
}

/// What made people look at the claim before makes them look at the one in its place: open flags, and the member's "no" where nothing was left to be flagged.
/// They go to the line that has the service, whatever its number and charge are now, and to the whole claim where none has it, or more than one. The member's
/// word itself goes with its line.
pub(super) fn hand_down(desk: &Desk<'_, '_>, before: &Entry, after: &mut Entry) {
    let line_of = |line| doubts::same_service(&before.claim, line, &after.claim);
    let (old, new) = (&before.book, &mut after.book);
    new.flags
        .extend(old.flags.iter().filter_map(|flag| flag.handed_down(line_of)));
    let (mut unnamed, mut whole) = (0, None);
    for (line, rendered) in &old.feedback {
        let (at, said) = (line_of(*line), old.said.get(line));
        if old.is_unflagged_no(*line) {
            match said {
                Some(tx) => new.flags.push(Flag::not_rendered(tx.clone(), at)),
                // Flags of one transaction could not be told apart.
                None => (unnamed, whole) = (unnamed + 1, at),
            }
        }
        let Some(at) = at else { continue };
        let word = new.feedback.entry(at).or_insert(*rendered);
        *word &= *rendered;
        new.said.extend(said.map(|tx| (at, tx.clone())));
    }
    if unnamed > 0 {
        let line = whole.filter(|_| unnamed == 1);
        new.flags.push(Flag::not_rendered(desk.tx.clone(), line));
    }
    if new.flags.len() > MAX_FLAGS {
        new.flags.truncate(MAX_FLAGS);
        if let Some(last) = new.flags.last_mut() {
            last.line = None;
        }
    }
}

pub(super) fn flag(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    flag: FraudFlag,
) -> Result<Receipt, HealthError> {
    let (desk, _) = Desk::for_payer(ctx, payer, provider)?;
    flag.salt.require_drawn()?;
    flag.validate()?;
    let mut entry = Entry::of(&desk, &flag.claim)?;
    let found = Flag {
        tx: desk.tx.clone(),
        line: flag.line,
        kind: flag.kind,
        score: flag.score,
        explanation: flag.explanation,
        cleared: None,
    };
    if !raise(&desk, &mut entry, found, &flag.salt)? {
        return Err(HealthError::ConflictState(format!(
            "the claim is {}; one that is not decided, or of which something is still to be paid, is flagged, unless the reviewer outside decided it",
            entry.book.status
        )));
    }
    close(&desk, entry, &flag.salt)?;
    done(ctx, EventKind::Claim, Some(&desk.pair))
}

pub(super) fn clear_flag(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    clearance: FlagClearance,
) -> Result<Receipt, HealthError> {
    let (desk, caller) = Desk::for_payer(ctx, payer, provider)?;
    clearance.salt.require_drawn()?;
    check_text(&clearance.reason, &[])?;
    let mut entry = Entry::of(&desk, &clearance.claim)?;
    let person = desk.person(&caller)?;
    let Book { flags, deciders, .. } = &mut entry.book;
    let flag = flags.iter_mut().find(|flag| flag.tx == clearance.flag);
    let flag = flag.ok_or(HealthError::NotFound)?;
    if flag.cleared.is_some() {
        return Err(HealthError::ConflictState("the flag was taken away".into()));
    }
    flag.cleared = Some((person.clone(), clearance.reason));
    deciders.insert(person);
    if entry.book.status == ClaimStatus::Pended && flagged(&entry.claim, &entry.book).is_empty() {
        // What it waited for is answered: it is adjudicated anew.
        entry.act(ClaimAct::Inform)?;
    }
    close(&desk, entry, &clearance.salt)?;
    done(ctx, EventKind::Claim, Some(&desk.pair))
}

/// The payer's people and its members' portal carry the member's word.
pub(super) fn feedback(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    feedback: Feedback,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(payer, &[Role::Payer, Role::Portal])?;
    let desk = Desk::of(ctx, consortium, payer, provider)?;
    feedback.salt.require_drawn()?;
    let mut entry = Entry::of(&desk, &feedback.claim)?;
    let Feedback { line, rendered, .. } = feedback;
    if !entry.claim.lines.iter().any(|of| of.sequence == line) {
        return Err(HealthError::InvalidCode("the claim has no such line".into()));
    }
    if entry.book.status == ClaimStatus::Submitted {
        receive(&desk, &mut entry, &feedback.salt)?;
    }
    let again = entry.book.feedback.insert(line, rendered) == Some(rendered);
    // A "no" for which there is no flag was said when nothing was left to be flagged, or of the claim before.
    let heard = again && (rendered || !entry.book.is_unflagged_no(line));
    let mut flagged = false;
    if rendered {
        entry.book.said.remove(&line);
    } else if !heard {
        let phantom = Flag::not_rendered(desk.tx.clone(), Some(line));
        // Where nothing is left to be paid, the word is kept for whoever looks at it again, and for other claims of the service.
        flagged = raise(&desk, &mut entry, phantom, &feedback.salt)?;
        entry.book.said.insert(line, desk.tx.clone());
        entry.book.passed_on.remove(&line);
    }
    if again && !flagged {
        return Err(HealthError::Duplicate("the member said so before".into()));
    }
    close(&desk, entry, &feedback.salt)?;
    done(ctx, EventKind::Claim, Some(&desk.pair))
}

/// Adds a flag to a claim that is undecided, or of which something is to be paid: that waits until a person takes the flag away. A decision for which no money
/// has moved is taken back, unless an appeal about it is open. What people said of other flags does not answer this one. False, and nothing added, for any other
/// claim; `LIMIT` for one too many.
fn raise(desk: &Desk<'_, '_>, entry: &mut Entry, flag: Flag, salt: &Salt) -> Result<bool, HealthError> {
    if entry.book.status == ClaimStatus::Submitted {
        receive(desk, entry, salt)?;
    }
    let decided = match entry.book.status {
        ClaimStatus::Accepted | ClaimStatus::Pended => false,
        _ if appeal::is_decided_outside(&entry.book) => return Ok(false),
        ClaimStatus::Approved | ClaimStatus::Partial => {
            !entry.book.money.has_moved() && appeal::require_settled(desk, entry).is_ok()
        }
        ClaimStatus::Payable => false,
        _ => return Ok(false),
    };
    if entry.book.flags.len() >= MAX_FLAGS {
        return Err(HealthError::Limit("a claim has at most 64 flags".into()));
    }
    for (line, rulings) in &mut entry.book.rulings {
        if flag.line.is_none_or(|of| of == *line)
            && rulings.get(&EditCode::Flagged) == Some(&Ruling::SetAside)
        {
            rulings.remove(&EditCode::Flagged);
        }
    }
    entry.book.flags.push(flag);
    if decided {
        deciding::reconsider(desk, entry)?;
    }
    Ok(true)
}

/// The provider's copy changes where the claim has moved on; a question of before keeps the transaction by which it is answered.
fn close(desk: &Desk<'_, '_>, entry: Entry, salt: &Salt) -> Result<(), HealthError> {
    match entry.has_moved() {
        true => entry.save(desk, salt),
        false => entry.keep(desk),
    }
}
