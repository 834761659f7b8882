//! Appeals: three levels, each decided by somebody who has not decided about the claim before; the third by a reviewer outside of the payer.
//!
//! What the provider says it says under its own key, one statement per level. What was decided lies in the payer's book, with a copy of each answer for the provider, which
//! nobody changes.

use super::book::{Answer, Book, Entry};
use super::deciding::Made;
use super::desk::Desk;
use super::review::{check_rulings, merge};
use super::store::{Standing, stored, word_key};
use super::word::Word;
use super::{deciding, provider};
use crate::caller::Caller;
use crate::state::{Collection, derived_salt, done, registered, tx_id};
use careledger_api::consortium::{Consortium, OrganisationRole};
use careledger_api::contracts::claims::{
    APPEAL_DAYS, AppealAct, AppealBody, AppealDecision, AppealStatus, AppealView, ClaimStatus, ClaimStep,
    MadeRulings, check_text,
};
use careledger_api::date::Date;
use careledger_api::event::EventKind;
use careledger_api::ids::{ClaimId, Salt};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

/// The levels: the payer's two, and the one outside.
const LEVELS: std::ops::RangeInclusive<usize> = 1..=3;

/// The value of `appans~I~L`: the copy for the provider.
#[derive(Serialize, Deserialize)]
struct Told {
    act: AppealAct,
    reason: String,
    /// By the payer's clock; not kept by older ones.
    #[serde(default)]
    on: Option<Date>,
    salt: Salt,
}

/// The value of `appwd~I~L~T`.
#[derive(Serialize, Deserialize)]
struct Withdrawal {
    salt: Salt,
}

/// An appeal as the pair's collection shows it.
pub(super) struct Appeal {
    status: AppealStatus,
    level: usize,
    said: Vec<AppealBody>,
    answered: Vec<Told>,
}

impl Appeal {
    /// Reads it from its keys; none if nobody appealed. A level that does not follow on the answer before was not said, and what is no answer to a level answers
    /// nothing: an organisation with altered code that writes such ends nobody's view.
    pub(super) fn of(
        ctx: &ReadContext<'_>,
        pair: &Collection,
        id: &ClaimId,
    ) -> Result<Option<Self>, HealthError> {
        Self::said(ctx, pair, id, &Word::of(ctx, pair, &word_key(id)))
    }

    /// The same, where the provider's word is at hand.
    pub(super) fn said(
        ctx: &ReadContext<'_>,
        pair: &Collection,
        id: &ClaimId,
        word: &Word,
    ) -> Result<Option<Self>, HealthError> {
        let mut found: Option<Self> = None;
        for level in LEVELS {
            if word.said(ctx, pair, &appealed(level))?.is_none() {
                break;
            }
            let mut appeal = match found.take() {
                None => Self {
                    status: AppealStatus::First,
                    level,
                    said: Vec::new(),
                    answered: Vec::new(),
                },
                Some(before) => match before.status.after(AppealAct::Escalate) {
                    Ok(status) => Self {
                        status,
                        level,
                        ..before
                    },
                    Err(_) => return Ok(Some(before)),
                },
            };
            appeal
                .said
                .extend(word.read::<AppealBody>(ctx, pair, &appealed(level))?);
            let answered = told(ctx, pair, id, level)
                .and_then(|told| Some((appeal.status.after(told.act).ok()?, told)))
                .filter(|(_, told)| is_an_answer(told.act));
            if let Some((status, told)) = answered {
                appeal.status = status;
                appeal.answered.push(told);
            } else if word.said(ctx, pair, &withdrawn(level))?.is_some() {
                appeal.status = appeal.status.after(AppealAct::Withdraw)?;
            }
            found = Some(appeal);
        }
        Ok(found)
    }

    pub(super) fn view(self) -> AppealView {
        AppealView {
            status: self.status,
            documents: self.said.iter().flat_map(|said| said.documents.clone()).collect(),
            said: self.said.into_iter().map(|said| said.text).collect(),
            answered: self.answered.into_iter().map(|told| told.reason).collect(),
        }
    }

    /// The last day for the next level, or for the first one: as many days after the answer to the level before as after the adjudication, whichever comes later.
    pub(super) fn until(before: Option<&Self>, decided: Date) -> Result<Date, HealthError> {
        let after = |day: Date| Date::from_unix((day.days() + APPEAL_DAYS) * 86_400);
        let answered = before.and_then(|appeal| appeal.answered.last()?.on);
        match answered.filter(|on| *on > decided).map(after) {
            Some(Ok(until)) => Ok(until),
            // Far outside of what a calendar has: no day of the payer's clock.
            Some(Err(_)) | None => after(decided),
        }
    }

    /// Whether a claim that stands there is appealed, if something of it was denied or reduced.
    pub(super) fn is_of(claim: ClaimStatus) -> bool {
        matches!(
            claim,
            ClaimStatus::Denied
                | ClaimStatus::Partial
                | ClaimStatus::Approved
                | ClaimStatus::Payable
                | ClaimStatus::Paid
                | ClaimStatus::Cleared
        )
    }

    pub(super) fn status(&self) -> AppealStatus {
        self.status
    }

    /// Whether it has come to the level outside of the payer.
    pub(super) fn is_external(&self) -> bool {
        self.level == *LEVELS.end()
    }
}

pub(super) fn appeal(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    appeal: AppealBody,
) -> Result<Receipt, HealthError> {
    let pair = provider::pair(ctx, payer, provider)?;
    appeal.salt.require_drawn()?;
    check_text(&appeal.text, &appeal.documents)?;
    let id = appeal.claim;
    stored(ctx, &pair, &id)?;
    let standing = Standing::of(ctx, &pair, &id)?;
    standing.require_in_force()?;
    let open = Appeal::is_of(standing.status);
    let decided = match standing.decided() {
        Some(decided) if open && standing.adjudication(ctx, &pair, &id)?.can_be_appealed() => decided,
        _ => {
            return Err(HealthError::ConflictState(format!(
                "the claim is {}; one that is decided, or paid, and denied or reduced in part is appealed",
                standing.status
            )));
        }
    };
    let before = Appeal::said(ctx, &pair, &id, &standing.word)?;
    if Date::from_unix(ctx.timestamp().seconds)? > Appeal::until(before.as_ref(), decided.on)? {
        return Err(HealthError::Expired(
            "an adjudication is appealed within 180 days, and taken to the next level within 180 days after the answer".into(),
        ));
    }
    let level = match before {
        None => 1,
        Some(before) => {
            before.status.after(AppealAct::Escalate)?;
            before.level + 1
        }
    };
    let (mut word, key) = (standing.word, format!("appeal~{id}~{level}"));
    word.say(ctx, &pair, appealed(level), &key, &appeal)?;
    let salt = derived_salt(&appeal.salt, "said", &tx_id(ctx)?);
    word.keep(ctx, &pair, &word_key(&id), provider, salt)?;
    done(ctx, EventKind::Claim, Some(&pair))
}

pub(super) fn withdraw_appeal(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    step: ClaimStep,
) -> Result<Receipt, HealthError> {
    let pair = provider::pair(ctx, payer, provider)?;
    step.salt.require_drawn()?;
    let (id, tx) = (step.claim, tx_id(ctx)?);
    let mut word = Word::of(ctx, &pair, &word_key(&id));
    word.require()?;
    let appeal = Appeal::said(ctx, &pair, &id, &word)?.ok_or_else(no_appeal)?;
    appeal.status.after(AppealAct::Withdraw)?;
    let value = Withdrawal {
        salt: derived_salt(&step.salt, "withdrawal", &tx),
    };
    let (level, salt) = (appeal.level, derived_salt(&step.salt, "said", &tx));
    word.say(
        ctx,
        &pair,
        withdrawn(level),
        &format!("appwd~{id}~{level}"),
        &value,
    )?;
    word.keep(ctx, &pair, &word_key(&id), provider, salt)?;
    done(ctx, EventKind::Claim, Some(&pair))
}

fn no_appeal() -> HealthError {
    HealthError::ConflictState("nobody appealed against a decision of this claim".into())
}

pub(super) fn decide_appeal(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    decision: AppealDecision,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    if outside(&consortium, &caller).is_err() {
        caller.require(payer, &[Role::Payer])?;
    }
    let desk = Desk::of(ctx, consortium, payer, provider)?;
    let AppealDecision {
        act,
        step,
        rulings,
        reason,
    } = decision;
    step.salt.require_drawn()?;
    check_text(&reason, &[])?;
    if !is_an_answer(act) {
        return Err(HealthError::InvalidCode(
            "who decides an appeal upholds, divides or overturns".into(),
        ));
    }
    let mut entry = Entry::of(&desk, &step.claim)?;
    entry.word.require()?;
    let level = entry.book.answers.len() + 1;
    if entry.word.said(ctx, &desk.pair, &appealed(level))?.is_none() {
        return Err(match level {
            1 => no_appeal(),
            _ => HealthError::ConflictState("the appeal is decided, and nobody took it further".into()),
        });
    }
    let status = status(&entry.book)?;
    status.after(act)?;
    if entry.word.said(ctx, &desk.pair, &withdrawn(level))?.is_some() {
        return Err(HealthError::ConflictState("the appeal was taken back".into()));
    }
    match status {
        AppealStatus::External => outside(&desk.consortium, &caller)?,
        _ => caller.require(payer, &[Role::Payer])?,
    }
    let person = desk.person(&caller)?;
    let before = entry.book.answers.iter().any(|answer| answer.by == person);
    if before || entry.book.deciders.contains(&person) {
        return Err(HealthError::SodViolation(
            "an appeal is decided by somebody who has not decided about the claim before: another person of the payer, with a certificate and a credential of their own".into(),
        ));
    }
    let told = Told {
        act,
        reason: reason.clone(),
        on: Some(desk.today()?),
        salt: derived_salt(&step.salt, "appeal", &desk.tx),
    };
    if !desk.pair.write_once(ctx, &told_key(&step.claim, level), &told)? {
        return Err(HealthError::ConflictState(
            "somebody else than the payer wrote an answer to the appeal".into(),
        ));
    }
    entry.book.answers.push(Answer {
        act,
        by: person.clone(),
    });
    if act != AppealAct::Uphold {
        check_rulings(&entry.claim, &rulings)?;
        merge(&mut entry.book.rulings, rulings.clone());
        let made = deciding::decide(&desk, &mut entry, &person, &step)?;
        check_made(act, status, &made)?;
        entry.book.made.push(MadeRulings {
            tx: desk.tx.clone(),
            rulings,
            reason,
            proposed_by: None,
            by: person,
        });
        entry.save(&desk, &step.salt)?;
    } else if rulings.is_empty() {
        entry.keep(&desk)?;
    } else {
        return Err(HealthError::InvalidCode(
            "who upholds the decision sets nothing aside".into(),
        ));
    }
    done(ctx, EventKind::Claim, Some(&desk.pair))
}

/// What is left after an appeal is what the provider may take further. Behind the last level there is none, so nothing is asked there.
fn check_made(act: AppealAct, status: AppealStatus, made: &Made) -> Result<(), HealthError> {
    let speaks = &made.speaks;
    if act == AppealAct::Overturn && (made.open || made.pended) {
        return Err(HealthError::InvalidCode(format!(
            "something is left, which the provider may take further: {speaks}; decide about that as well, or that the appeal is right in part"
        )));
    }
    if status == AppealStatus::External && made.pended {
        return Err(HealthError::InvalidCode(format!(
            "the last level leaves nothing to be asked: {speaks}; decide about that as well"
        )));
    }
    if !made.changed {
        return Err(HealthError::InvalidCode(format!(
            "the claim is decided as before: {speaks}; decide about that, or that the decision stands"
        )));
    }
    Ok(())
}

/// `CONFLICT_STATE` while an appeal is open: what is paid of the claim is not settled.
pub(super) fn require_settled(desk: &Desk<'_, '_>, entry: &Entry) -> Result<(), HealthError> {
    let level = entry.book.answers.len() + 1;
    let said = |subject: String| entry.word.said(desk.ctx, &desk.pair, &subject);
    let open =
        status(&entry.book).is_ok() && said(appealed(level))?.is_some() && said(withdrawn(level))?.is_none();
    if open {
        Err(HealthError::ConflictState(
            "the claim is under appeal; it is paid once that is decided".into(),
        ))
    } else {
        Ok(())
    }
}

/// Whether the reviewer outside of the payer has decided about the claim.
pub(super) fn is_decided_outside(book: &Book) -> bool {
    book.answers.len() >= *LEVELS.end()
}

/// Where the appeal stands once the provider has gone to the level behind those that are decided.
fn status(book: &Book) -> Result<AppealStatus, HealthError> {
    let mut status = AppealStatus::First;
    for answer in &book.answers {
        status = status.after(answer.act)?.after(AppealAct::Escalate)?;
    }
    Ok(status)
}

/// The reviewers outside of the payer are the regulators' lawyers.
fn outside(consortium: &Consortium, caller: &Caller) -> Result<(), HealthError> {
    caller.require_in(consortium, OrganisationRole::Regulator, &[Role::Legal])
}

/// What is said to an appeal's level.
fn is_an_answer(act: AppealAct) -> bool {
    matches!(act, AppealAct::Uphold | AppealAct::Divide | AppealAct::Overturn)
}

/// The answer to a level, if there is one that has its form, and the peer has it.
fn told(ctx: &ReadContext<'_>, pair: &Collection, claim: &ClaimId, level: usize) -> Option<Told> {
    let value = ctx.private_get(&pair.name, &told_key(claim, level)).ok()??;
    serde_json::from_slice(&value).ok()
}

/// The subject of an appeal's level.
fn appealed(level: usize) -> String {
    format!("appeal/{level}")
}

/// The subject of its withdrawal.
fn withdrawn(level: usize) -> String {
    format!("withdrawal/{level}")
}

fn told_key(claim: &ClaimId, level: usize) -> String {
    format!("appans~{claim}~{level}")
}
