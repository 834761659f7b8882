//! Appeals: three levels, each decided by somebody who has not decided about the claim before; the third by a reviewer outside of the payer.
//!
//! What the provider says are its own keys, one per level. What was decided lies in the payer's book, with a copy of each answer for the provider, which
//! nobody changes.

use super::book::{Answer, Book, Entry};
use super::desk::Desk;
use super::review::{check_rulings, merge};
use super::store::{Standing, stored};
use super::{deciding, provider};
use crate::caller::Caller;
use crate::state::{Collection, derived_salt, done, registered, tx_id};
use careledger_api::consortium::{Consortium, OrganisationRole};
use careledger_api::contracts::claims::{
    APPEAL_DAYS, AppealAct, AppealBody, AppealDecision, AppealStatus, AppealView, ClaimStatus, ClaimStep,
    check_text,
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
    salt: Salt,
}

/// The value of `appwd~I~L`.
#[derive(Serialize, Deserialize)]
struct Withdrawal {
    salt: Salt,
}

/// An appeal as the pair's collection shows it.
pub(super) struct Appeal {
    status: AppealStatus,
    said: Vec<AppealBody>,
    answered: Vec<Told>,
}

impl Appeal {
    /// Reads it from its keys; none if nobody appealed.
    pub(super) fn of(
        ctx: &ReadContext<'_>,
        pair: &Collection,
        id: &ClaimId,
    ) -> Result<Option<Self>, HealthError> {
        let mut found: Option<Self> = None;
        for level in LEVELS {
            let body: Option<AppealBody> = pair.get(ctx, &appeal_key(id, level))?;
            let Some(body) = body else { break };
            let mut appeal = match found.take() {
                None => Self {
                    status: AppealStatus::First,
                    said: Vec::new(),
                    answered: Vec::new(),
                },
                Some(before) => Self {
                    status: before.status.after(AppealAct::Escalate)?,
                    ..before
                },
            };
            appeal.said.push(body);
            let told: Option<Told> = pair.get(ctx, &told_key(id, level))?;
            if let Some(told) = told {
                appeal.status = appeal.status.after(told.act)?;
                appeal.answered.push(told);
            } else if pair.exists(ctx, &withdrawal_key(id, level))? {
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

    /// Whether it has come to the level outside of the payer.
    pub(super) fn is_external(&self) -> bool {
        self.level() == *LEVELS.end()
    }

    fn level(&self) -> usize {
        self.said.len()
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
    let open = matches!(
        standing.status,
        ClaimStatus::Denied
            | ClaimStatus::Partial
            | ClaimStatus::Approved
            | ClaimStatus::Payable
            | ClaimStatus::Paid
            | ClaimStatus::Cleared
    );
    let decided = match standing.decided() {
        Some(decided) if open && standing.adjudication(ctx, &pair, &id)?.can_be_appealed() => decided,
        _ => {
            return Err(HealthError::ConflictState(format!(
                "the claim is {}; one that is decided, or paid, and denied or reduced in part is appealed",
                standing.status
            )));
        }
    };
    let today = Date::from_unix(ctx.timestamp().seconds)?;
    if today.days() - decided.on.days() > APPEAL_DAYS {
        return Err(HealthError::Expired(
            "an adjudication is appealed within 180 days".into(),
        ));
    }
    let level = match Appeal::of(ctx, &pair, &id)? {
        None => 1,
        Some(before) => {
            before.status.after(AppealAct::Escalate)?;
            before.level() + 1
        }
    };
    if !pair.write_once(ctx, &appeal_key(&id, level), &appeal)? {
        return Err(HealthError::ConflictState("the claim is under appeal".into()));
    }
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
    let appeal = Appeal::of(ctx, &pair, &step.claim)?.ok_or(HealthError::NotFound)?;
    appeal.status.after(AppealAct::Withdraw)?;
    let value = Withdrawal {
        salt: derived_salt(&step.salt, "withdrawal", &tx_id(ctx)?),
    };
    if !pair.write_once(ctx, &withdrawal_key(&step.claim, appeal.level()), &value)? {
        return Err(HealthError::ConflictState("the appeal was taken back".into()));
    }
    done(ctx, EventKind::Claim, Some(&pair))
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
    let desk = Desk::of(ctx, &consortium, payer, provider)?;
    let AppealDecision {
        act,
        step,
        rulings,
        reason,
    } = decision;
    step.salt.require_drawn()?;
    check_text(&reason, &[])?;
    if !matches!(act, AppealAct::Uphold | AppealAct::Divide | AppealAct::Overturn) {
        return Err(HealthError::InvalidCode(
            "who decides an appeal upholds, divides or overturns".into(),
        ));
    }
    let mut entry = Entry::of(&desk, &step.claim)?;
    let level = entry.book.answers.len() + 1;
    if !desk.pair.exists(ctx, &appeal_key(&step.claim, level))? {
        return Err(match level {
            1 => HealthError::NotFound,
            _ => HealthError::ConflictState("the appeal is decided, and nobody took it further".into()),
        });
    }
    let status = status(&entry.book)?;
    status.after(act)?;
    if desk.pair.exists(ctx, &withdrawal_key(&step.claim, level))? {
        return Err(HealthError::ConflictState("the appeal was taken back".into()));
    }
    match status {
        AppealStatus::External => outside(&consortium, &caller)?,
        _ => caller.require(payer, &[Role::Payer])?,
    }
    let person = desk.person(&caller)?;
    let before = entry.book.answers.iter().any(|answer| answer.by == person);
    if before || entry.book.deciders.contains(&person) {
        return Err(HealthError::SodViolation(
            "an appeal is decided by somebody who has not decided about the claim before".into(),
        ));
    }
    let told = Told {
        act,
        reason,
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
        merge(&mut entry.book.rulings, rulings);
        let open = deciding::decide(&desk, &mut entry, &person, &step)?;
        if act == AppealAct::Overturn && open {
            return Err(HealthError::InvalidCode(
                "something is left denied or reduced, which the provider may take further: decide that the appeal is right in part".into(),
            ));
        }
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

/// `CONFLICT_STATE` while an appeal is open: what is paid of the claim is not settled.
pub(super) fn require_settled(desk: &Desk<'_, '_>, entry: &Entry) -> Result<(), HealthError> {
    let level = entry.book.answers.len() + 1;
    let id = &entry.claim.id;
    let open = status(&entry.book).is_ok()
        && desk.pair.exists(desk.ctx, &appeal_key(id, level))?
        && !desk.pair.exists(desk.ctx, &withdrawal_key(id, level))?;
    if open {
        Err(HealthError::ConflictState(
            "the claim is under appeal; it is paid once that is decided".into(),
        ))
    } else {
        Ok(())
    }
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

fn appeal_key(claim: &ClaimId, level: usize) -> String {
    format!("appeal~{claim}~{level}")
}

fn told_key(claim: &ClaimId, level: usize) -> String {
    format!("appans~{claim}~{level}")
}

fn withdrawal_key(claim: &ClaimId, level: usize) -> String {
    format!("appwd~{claim}~{level}")
}
