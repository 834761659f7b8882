//! Questions of a provider's front desk about a coverage, and the payer's answers.
//!
//! `elig~Q` is the question, which its provider alone changes or destroys; `eligans~Q` the payer's answer, handed to the payer with its first word. The answer
//! is bound to the question by its commitment, and the payer keeps both hashes in `eligbook~H` of its own collection, which nobody else writes: an answer that
//! the book does not know is not the payer's, whoever wrote it into the pair's collection. `eligopen~H` counts what waits, in parts, so that a provider's
//! desks seldom meet.
//!
//! The contract computes the answer, by what only the payer's peer holds: versions of coverage, plan, sums, what was used, standing of the provider, its
//! authorisations. It says what was asked for and no more: nothing of other claims but what they left of a limit, nothing of authorisations that others
//! have, and of a coverage that is not the payer's only that. Nothing is used up, and a claim is decided by what is so then.

use super::desk::{Desk, Own};
use super::history::Past;
use super::parts::{each, formed};
use super::provider::{self, pair_of_either};
use super::submission::again;
use super::{authorisation, coverage, disclosure, members, sums, units};
use crate::caller::Caller;
use crate::state::{Collection, derived_salt, done, registered, tx_id};
use careledger_api::adjudication::{
    Authorised, Claim, ClaimLine, Coverage, EditCode, EstimatedLine, Facts, Plan, estimate,
};
use careledger_api::contracts::claims::{
    AuthorisationNeeded, AuthorisationStanding, CoverageStanding, EligibilityAnswer, EligibilityPurpose,
    EligibilityQuestion, EligibilityView, EligibleTerms, ListedQuestion, MAX_DROPPED, MAX_LOOKED_AT,
    MAX_OPEN_QUESTIONS, MemberShare, QUESTION_DAYS, QUESTION_PARTS, QuestionBatch, QuestionList,
    QuestionQuery, QuestionStatus, QuestionStep, ServiceAnswer, ServiceEstimate, ServiceStanding, YearLeft,
    YearSum,
};
use careledger_api::event::EventKind;
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{AuthorisationId, Hash, QuestionId, Salt, TxId};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Seconds after which an open question is not answered any more, and an answer may go.
const KEPT: i64 = QUESTION_DAYS * 86_400;

/// The value of `elig~Q`.
#[derive(Serialize, Deserialize)]
struct Stored {
    question: EligibilityQuestion,
    /// The second of the question, by the provider's clock.
    at: i64,
    tx: TxId,
}

/// The value of `eligans~Q`.
#[derive(Serialize, Deserialize)]
struct Answered {
    answer: EligibilityAnswer,
    tx: TxId,
}

/// The value of `eligbook~H` in the payer's own collection.
#[derive(Serialize, Deserialize)]
struct Book {
    question: QuestionId,
    provider: String,
    /// What was answered.
    asked: Hash,
    /// The answer as it lies in the pair's collection.
    answer: Hash,
    at: i64,
    salt: Salt,
}

/// The value of `eligopen~H`: questions that may be open, and when they were asked.
#[derive(Default, Serialize, Deserialize)]
struct Part {
    open: BTreeMap<QuestionId, i64>,
    salt: Option<Salt>,
}

pub(super) fn ask_eligibility(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    question: EligibilityQuestion,
) -> Result<Receipt, HealthError> {
    let (pair, consortium) = provider::pair_and_consortium(ctx, payer, provider)?;
    question.salt.require_drawn()?;
    question.validate()?;
    let key = question_key(&question.id);
    let before: Option<Stored> = pair.get(ctx, &key)?;
    if before.is_some_and(|before| before.question == question) {
        again(ctx, &pair, &question.salt)?;
        return done(ctx, EventKind::Claim, Some(&pair));
    }
    if pair.exists(ctx, &key)? {
        return Err(HealthError::Duplicate("this question id is taken".into()));
    }
    // A question tells the payer what a claim would.
    disclosure::check(ctx, &consortium, &pair, provider, &told(&question))?;
    let (at, tx) = (ctx.timestamp().seconds, tx_id(ctx)?);
    count_open(ctx, &pair, provider, &question, at)?;
    let stored = Stored { question, at, tx };
    pair.put(ctx, &key, &stored)?;
    pair.hand_to(ctx, &key, provider)?;
    done(ctx, EventKind::Claim, Some(&pair))
}

/// What the payer is told by a question, as a claim would tell it.
fn told(question: &EligibilityQuestion) -> Claim {
    let mut claim = question.claim("XXX", |_| 1);
    if claim.lines.is_empty() {
        // The day alone: no service has that name.
        claim.lines.push(ClaimLine::new(1, "-", question.on, 1, 1));
    }
    claim
}

/// Takes a place among the provider's open questions; those that are answered, dropped or too old free theirs.
fn count_open(
    ctx: &Context<'_>,
    pair: &Collection,
    provider: &str,
    question: &EligibilityQuestion,
    at: i64,
) -> Result<(), HealthError> {
    let part = question.id.as_bytes().last().copied().unwrap_or_default() % QUESTION_PARTS;
    let key = format!(
        "eligopen~{}",
        keyed_hash(&pair.secret(ctx)?, "open-questions", &[&[part]])
    );
    let first = !pair.exists(ctx, &key)?;
    if !first && !pair.is_handed_to(ctx, &key, provider)? {
        return Err(HealthError::ConflictState(
            "the count of open questions is not the provider's own".into(),
        ));
    }
    let mut counted: Part = pair.get(ctx, &key)?.unwrap_or_default();
    let mut open = BTreeMap::new();
    for (id, asked) in std::mem::take(&mut counted.open) {
        let waits = at.saturating_sub(asked) < KEPT
            && pair.exists(ctx, &question_key(&id))?
            && !pair.exists(ctx, &answer_key(&id))?;
        if waits {
            open.insert(id, asked);
        }
    }
    if open.len() >= MAX_OPEN_QUESTIONS {
        return Err(HealthError::Limit(
            "too many questions wait for this payer: drop some, or ask again once they are answered".into(),
        ));
    }
    open.insert(question.id, at);
    let salt = Some(derived_salt(&question.salt, "open", &tx_id(ctx)?));
    pair.put(ctx, &key, &Part { open, salt })?;
    if first {
        pair.hand_to(ctx, &key, provider)?;
    }
    Ok(())
}

pub(super) fn answer_eligibility(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    step: QuestionStep,
) -> Result<Receipt, HealthError> {
    let (desk, _) = Desk::for_payer(ctx, payer, provider)?;
    step.salt.require_drawn()?;
    let id = step.question;
    let stored = stored(ctx, &desk.pair, &id)?;
    if !desk.pair.is_handed_to(ctx, &question_key(&id), provider)? {
        return Err(HealthError::ConflictState(
            "somebody else than its provider asked this question; it asks under a new id".into(),
        ));
    }
    let book_key = book_key(&desk.own, provider, &id);
    if desk.own.collection.exists(ctx, &book_key)? {
        return Err(HealthError::ConflictState("the question is answered".into()));
    }
    let key = answer_key(&id);
    if desk.pair.exists(ctx, &key)? {
        return Err(HealthError::ConflictState(
            "somebody else than the payer wrote an answer; the provider asks under a new id".into(),
        ));
    }
    if desk.now.saturating_sub(stored.at) >= KEPT {
        return Err(HealthError::Expired(
            "the question was asked too long ago; the provider asks under a new id".into(),
        ));
    }
    let question = stored.question;
    let answer = answer(&desk, &question, desk.salt(&key))?;
    let asked = answer.asked;
    let answered = Answered {
        answer,
        tx: desk.tx.clone(),
    };
    let answer = desk.pair.put_hashed(ctx, &key, &answered)?;
    desk.pair.hand_to(ctx, &key, payer)?;
    let book = Book {
        question: id,
        provider: provider.to_owned(),
        asked,
        answer,
        at: desk.now,
        salt: desk.salt(&book_key),
    };
    desk.put(&book_key, &book)?;
    done(ctx, EventKind::Claim, Some(&desk.pair))
}

/// What the payer knows of what was asked.
fn answer(
    desk: &Desk<'_, '_>,
    question: &EligibilityQuestion,
    salt: Salt,
) -> Result<EligibilityAnswer, HealthError> {
    let mut answer = EligibilityAnswer {
        question: question.id,
        asked: question.commitment()?,
        at: desk.now,
        standing: CoverageStanding::Unknown,
        terms: None,
        left: None,
        services: Vec::new(),
        salt,
    };
    let known = coverage::on_days(desk.ctx, &desk.own, &question.coverage, [question.on])?;
    let of_the_day = known.and_then(|known| known.days.into_values().next());
    let Some((version, coverage)) = of_the_day else {
        return Ok(answer);
    };
    let plan = members::plan(desk.ctx, &desk.own, &coverage)?;
    let period = coverage.period;
    answer.standing = match question.on {
        _ if period.until < period.from => CoverageStanding::Ended,
        day if day < period.from => CoverageStanding::NotYet,
        day if day > period.until => CoverageStanding::Ended,
        _ => CoverageStanding::Covered,
    };
    answer.terms = (period.from <= period.until).then(|| EligibleTerms {
        version,
        plan: coverage.plan,
        plan_version: coverage.plan_version,
        period,
        secondary: coverage.secondary,
        currency: plan.currency.clone(),
    });
    if answer.standing != CoverageStanding::Covered {
        return Ok(answer);
    }
    let paid = sums::total(desk.ctx, &desk.own, &question.coverage, question.on.year())?;
    answer.left = question.wants(EligibilityPurpose::Benefits).then(|| YearLeft {
        deductible: YearSum::new(plan.deductible, paid.deductible),
        out_of_pocket: YearSum::new(plan.out_of_pocket_maximum, paid.out_of_pocket),
    });
    if !question.services.is_empty() {
        let facts = Facts::new(question.on, paid);
        answer.services = services(desk, question, &plan, &coverage, facts)?;
    }
    Ok(answer)
}

/// The services on trial.
fn services(
    desk: &Desk<'_, '_>,
    question: &EligibilityQuestion,
    plan: &Plan,
    coverage: &Coverage,
    facts: Facts,
) -> Result<Vec<ServiceAnswer>, HealthError> {
    let currency = question.currency.as_deref().unwrap_or(&plan.currency);
    let mut claim = question.claim(currency, |asked| {
        let price = plan.prices.get(&asked.procedure);
        price.map_or(1, |price| price.amount.saturating_mul(i64::from(asked.units)))
    });
    let given = authorisations(desk, &mut claim, plan)?;
    // No claim of the payer's book has this name: nothing of the member's past is left out.
    let nobody = desk.own.hash("question", &[question.id.as_bytes()]);
    let past = Past::of(desk, &claim, &nobody, plan)?;
    let bills = (claim.provider_npi.as_str(), desk.provider);
    let (standing, bills_for_others) = members::standings(desk.ctx, &desk.own, bills, std::iter::empty())?;
    let facts = Facts {
        standing,
        bills_for_others,
        history: past.services(),
        earlier: past.earlier(),
        payment: disclosure::basis(desk.ctx, &desk.pair, &claim)?,
        authorisations: given,
        ..facts
    };
    let estimated = estimate(&claim, plan.checked()?, coverage, &facts)?;
    let lines = claim.lines.iter().zip(estimated);
    Ok(lines
        .map(|(line, estimated)| service(question, line, estimated, &facts.authorisations))
        .collect())
}

/// The authorisations that the services name, and those that the payer finds for services that name none and need one.
fn authorisations(
    desk: &Desk<'_, '_>,
    claim: &mut Claim,
    plan: &Plan,
) -> Result<BTreeMap<AuthorisationId, Authorised>, HealthError> {
    let mut found: BTreeMap<String, Vec<AuthorisationId>> = BTreeMap::new();
    for line in &claim.lines {
        let asks = plan
            .procedures
            .get(&line.procedure)
            .is_some_and(|rules| rules.authorisation);
        if asks && line.authorisation.is_none() && !found.contains_key(&line.procedure) {
            let ids = authorisation::given_for(desk, &claim.coverage, &line.procedure)?;
            found.insert(line.procedure.clone(), ids);
        }
    }
    let named = claim.lines.iter().filter_map(|line| line.authorisation);
    let all: Vec<AuthorisationId> = named.chain(found.values().flatten().copied()).collect();
    let given = units::given(desk, &claim.coverage, all.into_iter(), &BTreeMap::new())?;
    let of_claim = claim.clone();
    for line in &mut claim.lines {
        let fits = |id: &&AuthorisationId| {
            let of = given.get(id);
            of.is_some_and(|given| given.units_left > 0 && given.is_for(&of_claim, line))
        };
        if line.authorisation.is_none()
            && let Some(ids) = found.get(&line.procedure)
        {
            // The one with most units left, of equal ones the newest.
            let best = ids.iter().filter(fits);
            line.authorisation = best
                .max_by_key(|id| given.get(id).map(|given| given.units_left))
                .copied();
        }
    }
    Ok(given)
}

fn service(
    question: &EligibilityQuestion,
    line: &ClaimLine,
    estimated: EstimatedLine,
    given: &BTreeMap<AuthorisationId, Authorised>,
) -> ServiceAnswer {
    let EstimatedLine {
        result,
        asks_authorisation,
        is_authorised,
        in_network,
        share,
        covered_from,
        limits,
    } = estimated;
    // Of one that pays second nothing is known before the first has paid.
    let is_second = result
        .edits
        .iter()
        .any(|edit| edit.code == EditCode::Coordination);
    let standing = match (result.covered, result.pended || is_second) {
        (true, _) if asks_authorisation && !is_authorised => ServiceStanding::NeedsAuthorisation,
        (true, _) => ServiceStanding::Covered,
        (false, true) => ServiceStanding::Depends,
        (false, false) => ServiceStanding::NotCovered,
    };
    let benefits = question.wants(EligibilityPurpose::Benefits);
    let asked = asks_authorisation && question.wants(EligibilityPurpose::Authorisation);
    let of_line = |id: AuthorisationId| {
        let given = given.get(&id)?;
        (given.procedure == line.procedure).then_some(AuthorisationStanding {
            id,
            period: given.period,
            units_left: given.units_left,
        })
    };
    ServiceAnswer {
        sequence: line.sequence,
        standing,
        in_network,
        covered_from,
        limits: if benefits { limits } else { Vec::new() },
        share: share
            .filter(|_| benefits)
            .map(|(copay, coinsurance)| MemberShare { copay, coinsurance }),
        authorisation: asked.then(|| AuthorisationNeeded {
            given: line.authorisation.and_then(of_line),
        }),
        estimate: (benefits && result.covered).then_some(ServiceEstimate {
            charge: result.charge,
            paid: result.allowed,
            written_off: result.co,
            member: result.pr,
            part: result.patient,
        }),
        // Amounts are benefits; that it is not covered, and why, is not.
        why: result
            .edits
            .into_iter()
            .filter(|edit| benefits || !result.covered || edit.amount == 0)
            .collect(),
    }
}

pub(super) fn drop_questions(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    batch: QuestionBatch,
) -> Result<Receipt, HealthError> {
    let pair = provider::pair(ctx, payer, provider)?;
    bounded(&batch)?;
    let mut dropped = false;
    for id in &batch.questions {
        let key = question_key(id);
        if pair.exists(ctx, &key)? {
            ctx.private_purge(&pair.name, &key)?;
            dropped = true;
        }
    }
    if !dropped {
        return Err(HealthError::NotFound);
    }
    done(ctx, EventKind::Claim, Some(&pair))
}

pub(super) fn drop_answers(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    batch: QuestionBatch,
) -> Result<Receipt, HealthError> {
    let (desk, _) = Desk::for_payer(ctx, payer, provider)?;
    bounded(&batch)?;
    let mut dropped = false;
    for id in &batch.questions {
        let key = book_key(&desk.own, provider, id);
        let Some(book): Option<Book> = desk.get(&key)? else {
            continue;
        };
        if desk.now.saturating_sub(book.at) < KEPT {
            return Err(HealthError::ConflictState(
                "an answer is kept for 30 days, in which its provider may read it".into(),
            ));
        }
        ctx.private_purge(&desk.own.collection.name, &key)?;
        let answer = answer_key(id);
        if desk.pair.exists(ctx, &answer)? {
            ctx.private_purge(&desk.pair.name, &answer)?;
        }
        dropped = true;
    }
    if !dropped {
        return Err(HealthError::NotFound);
    }
    done(ctx, EventKind::Claim, Some(&desk.pair))
}

fn bounded(batch: &QuestionBatch) -> Result<(), HealthError> {
    batch.salt.require_drawn()?;
    match (1..=MAX_DROPPED).contains(&batch.questions.len()) {
        true => Ok(()),
        false => Err(HealthError::InvalidCode(
            "1 to 50 questions are dropped together".into(),
        )),
    }
}

pub(super) fn eligibility_answer(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    id: QuestionId,
) -> Result<EligibilityView, HealthError> {
    let pair = pair_of_either(ctx, payer, provider)?;
    let Stored { question, at, tx } = stored(ctx, &pair, &id)?;
    let mut answered = answered(ctx, &pair, payer, &question)?;
    if answered.is_some() && Caller::of(ctx)?.require(payer, &[Role::Payer]).is_ok() {
        // Its book knows what it said: who asked could have written it before.
        let own = Own::of(ctx, &registered(ctx)?.consortium, payer)?;
        let book: Option<Book> = own.get(ctx, &book_key(&own, provider, &id))?;
        let there = ctx.private_hash(&pair.name, &answer_key(&id))?;
        let said = book.map(|book| book.answer.as_bytes().to_vec());
        answered = answered.filter(|_| said.is_some() && said == there);
    }
    Ok(EligibilityView {
        status: status(answered.is_some(), at, ctx.timestamp().seconds),
        asked: at,
        tx: answered.as_ref().map_or(tx, |answered| answered.tx.clone()),
        answer: answered.map(|answered| answered.answer),
        question,
    })
}

/// The answer, where it is the payer's alone to change and one to this question. What else lies there is none.
fn answered(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    payer: &str,
    question: &EligibilityQuestion,
) -> Result<Option<Answered>, HealthError> {
    let key = answer_key(&question.id);
    if !pair.exists(ctx, &key)? || !pair.is_handed_to(ctx, &key, payer)? {
        return Ok(None);
    }
    // Where it is on its way to this peer, it is not there yet.
    let value = ctx.private_get(&pair.name, &key).unwrap_or_default();
    let answered: Option<Answered> = value.and_then(|value| serde_json::from_slice(&value).ok());
    let asked = question.commitment()?;
    Ok(answered.filter(|answered| answered.answer.asked == asked))
}

pub(super) fn eligibility_questions(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    query: QuestionQuery,
) -> Result<QuestionList, HealthError> {
    let pair = pair_of_either(ctx, payer, provider)?;
    let now = ctx.timestamp().seconds;
    let mut list = QuestionList::default();
    list.next = each_question(ctx, (&pair, provider), query.after, |stored| {
        let Stored { question, at, .. } = stored;
        let status = status(pair.exists(ctx, &answer_key(&question.id))?, at, now);
        if !query.open || status == QuestionStatus::Open {
            list.questions.push(ListedQuestion {
                question: question.id,
                coverage: question.coverage,
                on: question.on,
                asked: at,
                status,
            });
        }
        Ok(())
    })?;
    Ok(list)
}

/// Shows the provider's questions as [`each`] does. What has no form, or another id, or is not the provider's alone to change, nobody asked: somebody with
/// altered code wrote it.
fn each_question(
    ctx: &ReadContext<'_>,
    (pair, provider): (&Collection, &str),
    after: Option<QuestionId>,
    mut show: impl FnMut(Stored) -> Result<(), HealthError>,
) -> Result<Option<QuestionId>, HealthError> {
    each(
        ctx,
        pair,
        (PREFIX, after),
        MAX_LOOKED_AT,
        |id: QuestionId, value| {
            let stored: Option<Stored> = formed(value);
            match stored.filter(|stored| stored.question.id == id) {
                Some(stored) if pair.is_handed_to(ctx, &question_key(&id), provider)? => show(stored),
                _ => Ok(()),
            }
        },
    )
}

/// A look at some of them, since a provider that asks all day has thousands: from a random place on, again and again, it comes by all.
pub(super) fn eligibility_over(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    query: QuestionQuery,
) -> Result<Vec<QuestionId>, HealthError> {
    let now = ctx.timestamp().seconds;
    let is_over = |at: i64| now.saturating_sub(at) >= KEPT;
    let consortium = registered(ctx)?.consortium;
    let mut over = Vec::new();
    if Caller::of(ctx)?.require(payer, &[Role::Payer]).is_ok() {
        let own = Collection::payer(&consortium, payer)?;
        let start = query.after.map(|after| format!("{BOOKS}{after}"));
        let books: Vec<Book> = own.list_after(ctx, BOOKS, start.as_deref(), MAX_LOOKED_AT)?;
        let books = books
            .into_iter()
            .filter(|book| book.provider == provider && is_over(book.at));
        over.extend(books.map(|book| book.question));
    } else {
        let pair = provider::pair(ctx, payer, provider)?;
        each_question(ctx, (&pair, provider), query.after, |stored| {
            over.extend(is_over(stored.at).then_some(stored.question.id));
            Ok(())
        })?;
    }
    over.truncate(MAX_DROPPED);
    Ok(over)
}

fn status(answered: bool, asked: i64, now: i64) -> QuestionStatus {
    match answered {
        true => QuestionStatus::Answered,
        false if now.saturating_sub(asked) >= KEPT => QuestionStatus::Expired,
        false => QuestionStatus::Open,
    }
}

/// The question as it was asked; `NOT_FOUND` for an unknown one.
fn stored(ctx: &ReadContext<'_>, pair: &Collection, id: &QuestionId) -> Result<Stored, HealthError> {
    let found: Option<Stored> = pair.get(ctx, &question_key(id))?;
    found
        .filter(|stored| stored.question.id == *id)
        .ok_or(HealthError::NotFound)
}

const PREFIX: &str = "elig~";
const BOOKS: &str = "eligbook~";

fn question_key(id: &QuestionId) -> String {
    format!("{PREFIX}{id}")
}

fn answer_key(id: &QuestionId) -> String {
    format!("eligans~{id}")
}

/// The provider is in the key, as in a claim's.
fn book_key(own: &Own, provider: &str, id: &QuestionId) -> String {
    own.key("eligbook", &[provider.as_bytes(), id.as_bytes()])
}
