//! Appeals: three levels, each decided by somebody who has not decided about the claim before; the third by a reviewer outside of the payer.
//!
//! What the provider says it says under its own key, one statement per level. What was decided lies in the payer's book, with a copy of each answer for the provider, which
//! nobody changes.

use super::book::{Answer, Book, Entry};
use super::deciding::Made;
use super::desk::Desk;
use super::review::{check_rulings, merge};
use super::store::{Head, Standing, head_key, stored, word_key};
use super::word::Word;
use super::{deciding, provider};
use crate::caller::Caller;
use crate::state::{Collection, derived_salt, done, registered, tx_id};
use careledger_api::consortium::{Consortium, OrganisationRole};
use careledger_api::contracts::claims::{
    APPEAL_ANSWER_DAYS, APPEAL_DAYS, AppealAct, AppealBody, AppealDecision, AppealStatus, AppealView,
    ClaimStatus, ClaimStep, MadeRulings, check_text,
};
use careledger_api::date::Date;
use careledger_api::event::EventKind;
use careledger_api::ids::{ClaimId, DocumentId, Salt, TxId};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

/// The levels: the payer's two, and the one outside.
const LEVELS: std::ops::RangeInclusive<usize> = 1..=3;

/// The value of `appans~I~L~T`: the copy for the provider.
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

/// The value of `appeal~I~L~T`: what the provider says at a level.
#[derive(Serialize, Deserialize)]
struct Said {
    claim: ClaimId,
    text: String,
    #[serde(default)]
    documents: Vec<DocumentId>,
    /// By the provider's clock; not kept by older ones, whose payer has no last day for its answer.
    #[serde(default)]
    on: Option<Date>,
    salt: Salt,
}

/// An appeal, as far as the provider took it, with the answers of the payer's book or with their copies in the pair's collection.
pub(super) struct Appeal {
    status: AppealStatus,
    /// From the first one on; never empty.
    levels: Vec<Level>,
}

/// A level that the provider took it to.
struct Level {
    /// None where it has another form, or the peer has not got it.
    said: Option<Said>,
    answer: Option<Answered>,
}

/// What was made of a level.
struct Answered {
    act: AppealAct,
    /// For the provider's copy alone.
    reason: String,
    on: Option<Date>,
}

impl Appeal {
    /// Reads it from its keys; none if nobody appealed. A level that does not follow on the one before was not said, and what is no answer to a level answers
    /// nothing: an organisation with altered code that writes such ends nobody's view.
    pub(super) fn said(
        ctx: &ReadContext<'_>,
        pair: &Collection,
        id: &ClaimId,
        word: &Word,
    ) -> Result<Option<Self>, HealthError> {
        if word.said(ctx, pair, &appealed(1))?.is_none() {
            return Ok(None);
        }
        let head: Option<Head> = pair.get(ctx, &head_key(id))?;
        let first = head.as_ref().and_then(|head| {
            let in_force = head.decided.as_ref().map(|decided| decided.on);
            head.first.or(in_force)
        });
        Self::read(ctx, (pair, word), first, |level| {
            let told = told(ctx, pair, (id, head.as_ref()), level)?;
            let Told { act, reason, on, .. } = told;
            Some(Answered { act, reason, on })
        })
    }

    /// As the payer's book has its answers: what the payer decides by. None where the provider has unsaid a level that was answered: nothing of it is open.
    pub(super) fn booked(
        ctx: &ReadContext<'_>,
        pair: &Collection,
        book: &Book,
        word: &Word,
    ) -> Result<Option<Self>, HealthError> {
        let appeal = Self::read(ctx, (pair, word), book.first_decided(), |level| {
            book.answer(level).map(|answer| Answered {
                act: answer.act,
                reason: String::new(),
                on: answer.on,
            })
        })?;
        Ok(appeal.filter(|appeal| appeal.levels.len() >= book.answered_up_to()))
    }

    /// Nothing was said before the first decision: an earlier day counts as that one, whatever clock or altered code says it.
    fn read(
        ctx: &ReadContext<'_>,
        (pair, word): (&Collection, &Word),
        first: Option<Date>,
        answered: impl Fn(usize) -> Option<Answered>,
    ) -> Result<Option<Self>, HealthError> {
        let mut found: Option<Self> = None;
        for level in LEVELS {
            if word.said(ctx, pair, &appealed(level))?.is_none() {
                break;
            }
            let mut said: Option<Said> = word.read(ctx, pair, &appealed(level))?;
            if let Some(said) = &mut said {
                said.on = said.on.zip(first).map(|(on, first)| on.max(first));
            }
            let mut appeal = match found.take() {
                None => Self {
                    status: AppealStatus::First,
                    levels: Vec::new(),
                },
                Some(before) => match before.next(said.as_ref().and_then(|said| said.on)) {
                    Ok(status) => Self { status, ..before },
                    Err(_) => return Ok(Some(before)),
                },
            };
            let answer = answered(level)
                .filter(|answer| is_an_answer(answer.act) && appeal.status.after(answer.act).is_ok());
            if let Some(answer) = &answer {
                appeal.status = appeal.status.after(answer.act)?;
            } else if word.said(ctx, pair, &withdrawn(level))?.is_some() {
                appeal.status = appeal.status.after(AppealAct::Withdraw)?;
            }
            appeal.levels.push(Level { said, answer });
            found = Some(appeal);
        }
        Ok(found)
    }

    pub(super) fn view(self) -> AppealView {
        let due = self.due();
        // The newest one waits for its answer, or was taken back; one before it without an answer was not answered in time.
        let without = usize::from(self.status.is_open() || self.status == AppealStatus::Withdrawn);
        let answered = self.levels.len() - without;
        let levels = self.levels;
        AppealView {
            status: self.status,
            documents: levels
                .iter()
                .filter_map(|level| level.said.as_ref())
                .flat_map(|said| said.documents.clone())
                .collect(),
            answered: levels
                .iter()
                .take(answered)
                .map(|level| match &level.answer {
                    Some(answer) => answer.reason.clone(),
                    None => String::new(),
                })
                .collect(),
            said: levels
                .into_iter()
                .map(|level| level.said.map_or(String::new(), |said| said.text))
                .collect(),
            due,
        }
    }

    /// The last day for the payer's answer to the level that is open; none where nothing waits for it, and for what was said before there was one.
    pub(super) fn due(&self) -> Option<Date> {
        match self.is_the_payers() {
            true => self.levels.last()?.due(),
            false => None,
        }
    }

    /// Where it stands once the provider goes to the next level on that day. `CONFLICT_STATE` while the payer may answer this one, and at the end.
    pub(super) fn next(&self, on: Option<Date>) -> Result<AppealStatus, HealthError> {
        match (self.due(), on) {
            (Some(due), Some(on)) if due < on => self.status.after(AppealAct::Lapse),
            (Some(_), _) => Err(HealthError::ConflictState(
                "the appeal is open; without an answer it is taken to the next level once the payer's last day for one has passed".into(),
            )),
            (None, _) => self.status.after(AppealAct::Escalate),
        }
    }

    /// The last day for the next level, or for the first one: as many days after the answer to the level before, or after the payer's last day for one, as after
    /// the adjudication, whichever comes later.
    pub(super) fn until(before: Option<&Self>, decided: Date, today: Date) -> Result<Date, HealthError> {
        match before.and_then(|appeal| appeal.over(today)) {
            // Far outside of what a calendar has: no day of the payer's clock.
            Some(on) if on > decided => on.in_days(APPEAL_DAYS).or_else(|_| decided.in_days(APPEAL_DAYS)),
            _ => decided.in_days(APPEAL_DAYS),
        }
    }

    /// The day on which its newest answer was given, or the last one for that to the open level, where it has passed.
    fn over(&self, today: Date) -> Option<Date> {
        let passed = self.due().filter(|due| *due < today);
        let answers = self.levels.iter().rev();
        passed.or_else(|| answers.filter_map(|level| level.answer.as_ref()).next()?.on)
    }

    /// The payer's own levels, for how it keeps its times, each with the day on which the provider said it, where that was kept.
    pub(super) fn kept(&self) -> impl Iterator<Item = (Option<Date>, Kept)> {
        let (reached, withdrawn) = (self.levels.len(), self.status == AppealStatus::Withdrawn);
        let levels = (1..*LEVELS.end()).zip(&self.levels);
        levels.map(move |(number, level)| {
            let on = level.said.as_ref().and_then(|said| said.on);
            let kept = match &level.answer {
                Some(answer) => Kept::Answered(answer.on),
                None if number < reached => Kept::Lapsed,
                None if withdrawn => Kept::Withdrawn,
                None => Kept::Open,
            };
            (on, kept)
        })
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

    /// Whether it has come to the level outside of the payer.
    pub(super) fn is_external(&self) -> bool {
        self.levels.len() == *LEVELS.end()
    }

    /// Whether it waits for the reviewer outside.
    pub(super) fn is_open_outside(&self) -> bool {
        self.status.is_open() && self.is_external()
    }

    /// The day on which the provider said what it says at the newest level; none where that was not kept, or the peer has not got it.
    pub(super) fn newest(&self) -> Option<Date> {
        self.levels.last()?.said.as_ref()?.on
    }

    /// Whether it is open at one of the payer's own levels; the last one is decided outside.
    pub(super) fn is_the_payers(&self) -> bool {
        self.status.is_open() && !self.is_external()
    }

    /// Whether the provider went on to the newest level without an answer to the one before.
    fn has_lapsed(&self) -> bool {
        let before = self.levels.iter().rev().nth(1);
        before.is_some_and(|level| level.answer.is_none())
    }
}

impl Level {
    /// The last day for the payer's answer.
    fn due(&self) -> Option<Date> {
        self.said.as_ref()?.on?.in_days(APPEAL_ANSWER_DAYS).ok()
    }
}

/// What became of one of the payer's levels.
pub(super) enum Kept {
    /// It was answered, on that day where it was kept.
    Answered(Option<Date>),
    /// The provider went on without an answer.
    Lapsed,
    /// The provider took it back.
    Withdrawn,
    /// It waits for its answer.
    Open,
}

/// The last second of a day (since 1970).
pub(super) fn last_second(day: Date) -> i64 {
    day.first_second() + 86_399
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
    let today = Date::from_unix(ctx.timestamp().seconds)?;
    let level = match &before {
        None => 1,
        Some(before) => {
            before.next(Some(today))?;
            before.levels.len() + 1
        }
    };
    if today > Appeal::until(before.as_ref(), decided.on, today)? {
        return Err(HealthError::Expired(
            "an adjudication is appealed within 180 days, and taken to the next level within 180 days after the answer, or after the last day for it".into(),
        ));
    }
    let said = Said {
        claim: id,
        text: appeal.text,
        documents: appeal.documents,
        on: Some(today),
        salt: appeal.salt,
    };
    let (mut word, key) = (standing.word, format!("appeal~{id}~{level}"));
    word.say(ctx, &pair, appealed(level), &key, &said)?;
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
    let (level, salt) = (appeal.levels.len(), derived_salt(&step.salt, "said", &tx));
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

/// To an answer that came too late.
fn gone_on() -> HealthError {
    HealthError::ConflictState(
        "the last day for the answer has passed, and the provider has taken the appeal to the next level without it".into(),
    )
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
    let is_outside = outside(&consortium, &caller).is_ok();
    if !is_outside {
        caller.require(payer, &[Role::Payer])?;
    }
    let desk = Desk::of(ctx, consortium, payer, provider)?;
    let AppealDecision {
        act,
        step,
        level: named,
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
    let appeal = Appeal::booked(ctx, &desk.pair, &entry.book, &entry.word)?.ok_or_else(no_appeal)?;
    let (status, level) = (appeal.status, appeal.levels.len());
    if named.is_some_and(|named| named != level) {
        return Err(match named {
            Some(named) if named < level && entry.book.answer(named).is_none() => gone_on(),
            _ => HealthError::ConflictState(
                "another level of the appeal is the newest one; look at it, and decide that".into(),
            ),
        });
    }
    if !status.is_open() {
        return Err(HealthError::ConflictState(match status {
            AppealStatus::Withdrawn => "the appeal was taken back".into(),
            _ => "the appeal is decided, and nobody took it further".into(),
        }));
    }
    match status {
        AppealStatus::External => outside(&desk.consortium, &caller).map_err(|refused| {
            // It was the payer's to answer, and is no more.
            match appeal.has_lapsed() {
                true => gone_on(),
                false => refused,
            }
        })?,
        _ => caller.require(payer, &[Role::Payer]).map_err(|refused| match is_outside {
            true => HealthError::Forbidden(
                "the appeal is at one of the payer's own levels; the reviewer outside decides the last one".into(),
            ),
            false => refused,
        })?,
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
    if !desk
        .pair
        .write_once(ctx, &told_key(&step.claim, level, Some(&desk.tx)), &told)?
    {
        return Err(HealthError::ConflictState(
            "an answer of this transaction is there".into(),
        ));
    }
    entry.book.answers.push(Answer {
        act,
        by: person.clone(),
        level: Some(level),
        on: told.on,
        tx: Some(desk.tx.clone()),
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
        entry.tell(&desk, &step.salt)?;
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
    match is_open(desk.ctx, &desk.pair, &entry.book, &entry.word)? {
        false => Ok(()),
        true => Err(HealthError::ConflictState(
            "the claim is under appeal; it is paid once that is decided".into(),
        )),
    }
}

/// Why nothing is paid of a claim of which [a level waits for its answer](is_open).
pub(super) const OPEN: &str = "it is under appeal, and paid once that is decided";

/// Whether a level waits for its answer, the payer's or the one outside.
pub(super) fn is_open(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    book: &Book,
    word: &Word,
) -> Result<bool, HealthError> {
    Ok(Appeal::booked(ctx, pair, book, word)?.is_some_and(|appeal| appeal.status.is_open()))
}

/// Whether the reviewer outside of the payer has decided about the claim.
pub(super) fn is_decided_outside(book: &Book) -> bool {
    book.answer(*LEVELS.end()).is_some()
}

/// The reviewers outside of the payer are the regulators' lawyers.
pub(super) fn outside(consortium: &Consortium, caller: &Caller) -> Result<(), HealthError> {
    caller.require_in(consortium, OrganisationRole::Regulator, &[Role::Legal])
}

/// What is said to an appeal's level.
fn is_an_answer(act: AppealAct) -> bool {
    matches!(act, AppealAct::Uphold | AppealAct::Divide | AppealAct::Overturn)
}

/// The answer to a level that the payer's copy of its book lists, if it has its form, and the peer has it.
fn told(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    (claim, head): (&ClaimId, Option<&Head>),
    level: usize,
) -> Option<Told> {
    let tx = match &head?.answers {
        Some(listed) => listed.get(&level)?.as_ref(),
        None => None,
    };
    let value = ctx.private_get(&pair.name, &told_key(claim, level, tx)).ok()??;
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

/// Of an older one without its transaction.
fn told_key(claim: &ClaimId, level: usize, tx: Option<&TxId>) -> String {
    match tx {
        Some(tx) => format!("appans~{claim}~{level}~{tx}"),
        None => format!("appans~{claim}~{level}"),
    }
}
