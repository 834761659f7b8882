//! Questions and rulings: the provider informs, two people of the payer set rules aside.

use super::book::{Book, Entry};
use super::desk::Desk;
use super::store::{Standing, attachment_prefix, stored, word_key};
use super::word::answer_to;
use super::{deciding, provider};
use crate::state::{derived_salt, done, tx_id};
use careledger_api::adjudication::{Claim, EditCode, Ruling};
use careledger_api::contracts::claims::{
    Attachment, ClaimAct, ClaimStatus, Information, MadeRulings, ProposedRulings, RulingConfirmation,
    RulingProposal, Rulings, check_text,
};
use careledger_api::date::Date;
use careledger_api::event::EventKind;
use careledger_api::ids::TxId;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::Context;
use serde::{Deserialize, Serialize};

/// Rulings that wait for a second person. They lie in the claim's book.
#[derive(Serialize, Deserialize)]
pub(super) struct Proposed {
    proposal: RulingProposal,
    by: String,
    /// The payer's last step when they were proposed: rulings on another adjudication do not count.
    pub(super) on: TxId,
    /// The transaction that proposed them; not kept by older ones, which are proposed anew.
    #[serde(default)]
    tx: Option<TxId>,
}

impl Proposed {
    pub(super) fn view(&self) -> ProposedRulings {
        ProposedRulings {
            tx: self.tx.clone(),
            by: self.by.clone(),
            rulings: self.proposal.rulings.clone(),
            reason: self.proposal.reason.clone(),
        }
    }
}

pub(super) fn provide_information(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    information: Information,
) -> Result<Receipt, HealthError> {
    let pair = provider::pair(ctx, payer, provider)?;
    information.salt.require_drawn()?;
    check_text(&information.text, &information.documents)?;
    stored(ctx, &pair, &information.claim)?;
    let standing = Standing::of(ctx, &pair, &information.claim)?;
    standing.status.after(ClaimAct::Inform)?;
    let today = Date::from_unix(ctx.timestamp().seconds)?;
    if standing.answer_until().is_some_and(|last| last < today) {
        return Err(HealthError::Expired(
            "the time for an answer has passed; what the payer denies for that is appealed".into(),
        ));
    }
    let asked = standing.head.ok_or(HealthError::NotFound)?.tx;
    let (claim, mut word) = (information.claim, standing.word);
    let key = format!("info~{claim}~{asked}");
    word.say(ctx, &pair, answer_to(&asked), &key, &information)?;
    let salt = derived_salt(&information.salt, "said", &tx_id(ctx)?);
    word.keep(ctx, &pair, &word_key(&claim), provider, salt)?;
    done(ctx, EventKind::Claim, Some(&pair))
}

/// Documents come before or after the claim is decided: the one that shows why it should have been is what an appeal rests on.
pub(super) fn submit_attachment(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    attachment: Attachment,
) -> Result<Receipt, HealthError> {
    let pair = provider::pair(ctx, payer, provider)?;
    attachment.salt.require_drawn()?;
    check_text(&attachment.title, &[])?;
    let claim = stored(ctx, &pair, &attachment.claim)?.claim;
    let known = |line: u16| claim.lines.iter().any(|of| of.sequence == line);
    if !attachment.line.is_none_or(known) {
        return Err(HealthError::InvalidCode("the claim has no such line".into()));
    }
    let key = format!("{}{}", attachment_prefix(&claim.id), attachment.hash);
    if !pair.write_once(ctx, &key, &attachment)? {
        return Err(HealthError::Duplicate(
            "a document of this hash is attached".into(),
        ));
    }
    done(ctx, EventKind::Claim, Some(&pair))
}

pub(super) fn propose_ruling(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    proposal: RulingProposal,
) -> Result<Receipt, HealthError> {
    let (desk, caller) = Desk::for_payer(ctx, payer, provider)?;
    proposal.salt.require_drawn()?;
    check_text(&proposal.reason, &[])?;
    let mut entry = Entry::of(&desk, &proposal.claim)?;
    reviewable(&entry.book)?;
    check_rulings(&entry.claim, &proposal.rulings)?;
    entry.book.proposal = Some(Proposed {
        proposal,
        by: desk.person(&caller)?,
        on: entry.book.tx.clone(),
        tx: Some(desk.tx.clone()),
    });
    entry.keep(&desk)?;
    done(ctx, EventKind::Claim, Some(&desk.pair))
}

pub(super) fn confirm_ruling(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    confirmation: RulingConfirmation,
) -> Result<Receipt, HealthError> {
    let (desk, caller) = Desk::for_payer(ctx, payer, provider)?;
    let RulingConfirmation { proposal, step } = confirmation;
    step.salt.require_drawn()?;
    let mut entry = Entry::of(&desk, &step.claim)?;
    reviewable(&entry.book)?;
    let ProposedRulings {
        tx,
        by,
        rulings,
        reason,
    } = entry.book.proposed().ok_or(HealthError::NotFound)?.view();
    if tx != Some(proposal) {
        return Err(HealthError::ConflictState(
            "the newest proposal is another one than the one to confirm; look at it, and confirm that".into(),
        ));
    }
    let person = desk.person(&caller)?;
    if by == person {
        return Err(HealthError::SodViolation(
            "another person than the one who proposed the rulings confirms them".into(),
        ));
    }
    entry.book.deciders.insert(by.clone());
    merge(&mut entry.book.rulings, rulings.clone());
    let made = deciding::decide(&desk, &mut entry, &person, &step)?;
    if !made.changed {
        return Err(HealthError::ConflictState(format!(
            "with these rulings the claim is decided as before: {}; rule on what speaks",
            made.speaks
        )));
    }
    entry.book.made.push(MadeRulings {
        tx: desk.tx.clone(),
        rulings,
        reason,
        proposed_by: Some(by),
        by: person,
    });
    entry.save(&desk, &step.salt)?;
    done(ctx, EventKind::Claim, Some(&desk.pair))
}

/// `CONFLICT_STATE` while a ruling waits for its second person: what the claim comes to may change with it.
pub(super) fn require_ruled(book: &Book) -> Result<(), HealthError> {
    match book.proposed() {
        None => Ok(()),
        Some(_) => Err(HealthError::ConflictState(
            "a ruling on the claim waits for its second person; it is remitted once that is confirmed, or the claim is adjudicated anew".into(),
        )),
    }
}

/// Rulings are on lines that are there and on rules that somebody may set aside.
pub(super) fn check_rulings(claim: &Claim, rulings: &Rulings) -> Result<(), HealthError> {
    let refused = |reason: String| Err(HealthError::InvalidCode(reason));
    if rulings.values().all(|of_line| of_line.is_empty()) {
        return refused("a ruling names at least one rule of a line".to_owned());
    }
    for (line, of_line) in rulings {
        if !claim.lines.iter().any(|l| l.sequence == *line) {
            return refused(format!("the claim has no line {line}"));
        }
        let never =
            |(code, ruling): &(&EditCode, &Ruling)| **ruling == Ruling::SetAside && !code.may_be_set_aside();
        if let Some((code, _)) = of_line.iter().find(never) {
            return refused(format!(
                "{code} of line {line} is never set aside, as are form, coverage, exclusion, consent, prices and sums: what it goes by is put right, and the claim decided anew"
            ));
        }
    }
    Ok(())
}

/// Newer rulings take the place of older ones on the same line and rule.
pub(super) fn merge(into: &mut Rulings, rulings: Rulings) {
    for (line, of_line) in rulings {
        into.entry(line).or_default().extend(of_line);
    }
}

/// Whoever reads an answer may rule on the question at once: the adjudication that asked it is what is ruled on.
fn reviewable(book: &Book) -> Result<(), HealthError> {
    match book.status {
        ClaimStatus::Pended | ClaimStatus::Denied | ClaimStatus::Partial => Ok(()),
        ClaimStatus::Accepted if book.decision.is_some() => Ok(()),
        status => Err(HealthError::ConflictState(format!(
            "the claim is {status}; rulings are on one that is pended, denied or partly denied, or whose question is answered"
        ))),
    }
}
