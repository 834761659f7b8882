//! Appeals: three levels, each decided by somebody who has not decided about the claim before.

use super::review::{check_rulings, merge};
use super::store::Standing;
use super::{as_payer, as_provider, deciding};
use crate::state::{Collection, derived_salt, done, tx_id};
use careledger_api::contracts::claims::{
    APPEAL_DAYS, AppealAct, AppealBody, AppealDecision, AppealStatus, AppealView, ClaimStatus, check_text,
};
use careledger_api::date::Date;
use careledger_api::event::EventKind;
use careledger_api::ids::{ClaimId, Salt};
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The levels: the payer's two, and the one outside.
const LEVELS: std::ops::RangeInclusive<u8> = 1..=3;

/// The value of `appans~I~L`.
#[derive(Serialize, Deserialize)]
struct Answer {
    act: AppealAct,
    reason: String,
    by: String,
    salt: Salt,
}

/// An appeal, level by level.
pub(super) struct Appeal {
    status: AppealStatus,
    said: Vec<AppealBody>,
    answered: Vec<Answer>,
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
            let answer: Option<Answer> = pair.get(ctx, &answer_key(id, level))?;
            if let Some(answer) = answer {
                appeal.status = appeal.status.after(answer.act)?;
                appeal.answered.push(answer);
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
            answered: self.answered.into_iter().map(|answer| answer.reason).collect(),
        }
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
    let pair = as_provider(ctx, payer, provider)?;
    appeal.salt.require_drawn()?;
    check_text(&appeal.text, &appeal.documents)?;
    let standing = Standing::of(ctx, &pair, &appeal.claim)?;
    let decided = match (standing.status, &standing.head.decided) {
        (ClaimStatus::Denied | ClaimStatus::Partial, Some(decided)) => decided,
        (status, _) => {
            return Err(HealthError::ConflictState(format!(
                "the claim is {status}; one that is denied or partly denied is appealed before it is paid"
            )));
        }
    };
    let today = Date::from_unix(ctx.timestamp().seconds)?;
    if today.days() - decided.on.days() > APPEAL_DAYS {
        return Err(HealthError::Expired(
            "an adjudication is appealed within 180 days".into(),
        ));
    }
    let level = match Appeal::of(ctx, &pair, &appeal.claim)? {
        None => 1,
        Some(before) => {
            before.status.after(AppealAct::Escalate)?;
            before.level() + 1
        }
    };
    if !pair.write_once(ctx, &appeal_key(&appeal.claim, level), &appeal)? {
        return Err(HealthError::ConflictState("the claim is under appeal".into()));
    }
    done(ctx, EventKind::Claim, Some(&pair))
}

pub(super) fn decide_appeal(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    decision: AppealDecision,
) -> Result<Receipt, HealthError> {
    let (pair, own, caller) = as_payer(ctx, payer, provider)?;
    let AppealDecision {
        act,
        step,
        rulings,
        reason,
    } = decision;
    step.salt.require_drawn()?;
    check_text(&reason, &[])?;
    let mut standing = Standing::of(ctx, &pair, &step.claim)?;
    let appeal = Appeal::of(ctx, &pair, &step.claim)?.ok_or(HealthError::NotFound)?;
    if !matches!(act, AppealAct::Uphold | AppealAct::Divide | AppealAct::Overturn) {
        return Err(HealthError::InvalidCode(
            "a payer upholds, divides or overturns".into(),
        ));
    }
    appeal.status.after(act)?;
    let before: BTreeSet<&str> = appeal.answered.iter().map(|answer| answer.by.as_str()).collect();
    if standing.head.deciders.contains(caller.person()) || before.contains(caller.person()) {
        return Err(HealthError::SodViolation(
            "an appeal is decided by somebody who has not decided about the claim before".into(),
        ));
    }
    let answer = Answer {
        act,
        reason,
        by: caller.person().to_owned(),
        salt: derived_salt(&step.salt, "appeal", &tx_id(ctx)?),
    };
    if !pair.write_once(ctx, &answer_key(&step.claim, appeal.level()), &answer)? {
        return Err(HealthError::ConflictState("the appeal is decided".into()));
    }
    if act == AppealAct::Uphold {
        if !rulings.is_empty() {
            return Err(HealthError::InvalidCode(
                "who upholds the decision sets nothing aside".into(),
            ));
        }
    } else {
        let stored = deciding::stored(ctx, &pair, &step.claim)?;
        check_rulings(&stored.claim, &rulings)?;
        merge(&mut standing.head.rulings, rulings);
        deciding::decide(ctx, (&pair, &own, payer), &caller, standing, &step)?;
    }
    done(ctx, EventKind::Claim, Some(&pair))
}

/// `CONFLICT_STATE` while an appeal is open: what is paid of the claim is not settled.
pub(super) fn require_settled(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    id: &ClaimId,
) -> Result<(), HealthError> {
    match Appeal::of(ctx, pair, id)? {
        Some(appeal) if appeal.status.is_open() => Err(HealthError::ConflictState(
            "the claim is under appeal; it is paid once that is decided".into(),
        )),
        _ => Ok(()),
    }
}

fn appeal_key(claim: &ClaimId, level: impl std::fmt::Display) -> String {
    format!("appeal~{claim}~{level}")
}

fn answer_key(claim: &ClaimId, level: impl std::fmt::Display) -> String {
    format!("appans~{claim}~{level}")
}
