//! Reviews of broken glasses: decided by another organisation, and taken to the regulator when they wait too long.

use super::access::StoredReview;
use crate::caller::Caller;
use crate::state::{Collection, done, registered, tx_id};
use careledger_api::consortium::{Consortium, OrganisationRole};
use careledger_api::contracts::consent::{
    BreakGlassCounts, EscalatedReview, Escalation, OpenReview, REVIEW_SECONDS, Review, ReviewOutcome,
    ReviewState,
};
use careledger_api::event::EventKind;
use careledger_api::ids::{Salt, TxId};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The value of `bgrev~T`.
#[derive(Serialize, Deserialize)]
struct Reviewed {
    review: Review,
    organisation: String,
    tx: TxId,
}

/// The value of `bgesc~T`.
#[derive(Serialize, Deserialize)]
struct Escalated {
    tx: TxId,
    at: i64,
    salt: Salt,
}

pub(super) fn review_key(access: &TxId) -> String {
    format!("bg~{access}")
}

fn review_done_key(access: &TxId) -> String {
    format!("bgrev~{access}")
}

fn escalation_key(access: &TxId) -> String {
    format!("bgesc~{access}")
}

pub(super) fn review(ctx: &Context<'_>, custodian: &str, review: Review) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    require_reviewer(&consortium, &caller, custodian)?;
    let care = Collection::care(&consortium, custodian)?;
    review.salt.require_drawn()?;
    other_than_the_breaker(&open(ctx, &care, &review.access)?, &caller)?;
    let escalated = care.exists(ctx, &escalation_key(&review.access))?;
    if escalated && !consortium.has_role(&caller.organisation, OrganisationRole::Regulator) {
        return Err(HealthError::ConflictState(
            "the review waited for more than 72 hours; the regulator decides it now".into(),
        ));
    }
    let key = review_done_key(&review.access);
    if !care.write_once(
        ctx,
        &key,
        &Reviewed {
            review,
            organisation: caller.organisation,
            tx: tx_id(ctx)?,
        },
    )? {
        return Err(HealthError::NotFound);
    }
    done(ctx, EventKind::Access, Some(&care))
}

pub(super) fn escalate(
    ctx: &Context<'_>,
    custodian: &str,
    escalation: Escalation,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    caller.require_in(&consortium, OrganisationRole::Regulator, &[Role::Dpo])?;
    let care = Collection::care(&consortium, custodian)?;
    escalation.salt.require_drawn()?;
    let open = open(ctx, &care, &escalation.access)?;
    other_than_the_breaker(&open, &caller)?;
    if care.exists(ctx, &review_done_key(&escalation.access))? {
        return Err(HealthError::NotFound);
    }
    let at = ctx.timestamp().seconds;
    if at < open.at.saturating_add(REVIEW_SECONDS) {
        return Err(HealthError::ConflictState(
            "a review waits for 72 hours before it goes to the regulator".into(),
        ));
    }
    let escalated = Escalated {
        tx: tx_id(ctx)?,
        at,
        salt: escalation.salt,
    };
    if !care.write_once(ctx, &escalation_key(&escalation.access), &escalated)? {
        return Err(HealthError::Duplicate(
            "the review is with the regulator already".into(),
        ));
    }
    done(ctx, EventKind::Access, Some(&care))
}

pub(super) fn open_reviews(ctx: &ReadContext<'_>, custodian: &str) -> Result<Vec<OpenReview>, HealthError> {
    let waiting = |state: ReviewState| matches!(state, ReviewState::Open | ReviewState::Escalated);
    let all = reviews(ctx, custodian)?;
    Ok(all
        .into_iter()
        .filter(|(_, state)| waiting(*state))
        .map(|(open, _)| open)
        .collect())
}

pub(super) fn escalated(ctx: &ReadContext<'_>, custodian: &str) -> Result<Vec<EscalatedReview>, HealthError> {
    let raised = |state: ReviewState| matches!(state, ReviewState::Escalated | ReviewState::Unjustified);
    let all = reviews(ctx, custodian)?
        .into_iter()
        .filter(|(_, state)| raised(*state));
    Ok(all.map(|(open, state)| EscalatedReview { open, state }).collect())
}

pub(super) fn counts(ctx: &ReadContext<'_>, custodian: &str) -> Result<Vec<BreakGlassCounts>, HealthError> {
    let mut by_organisation: BTreeMap<String, BTreeMap<ReviewState, u32>> = BTreeMap::new();
    for (open, state) in reviews(ctx, custodian)? {
        *by_organisation
            .entry(open.organisation)
            .or_default()
            .entry(state)
            .or_default() += 1;
    }
    let counts = |(organisation, reviews)| BreakGlassCounts {
        organisation,
        reviews,
    };
    Ok(by_organisation.into_iter().map(counts).collect())
}

/// Where the review of a broken glass stands.
pub(super) fn state(
    ctx: &ReadContext<'_>,
    care: &Collection,
    access: &TxId,
) -> Result<ReviewState, HealthError> {
    let reviewed: Option<Reviewed> = care.get(ctx, &review_done_key(access))?;
    Ok(match reviewed.map(|r| r.review.outcome) {
        Some(ReviewOutcome::Justified) => ReviewState::Justified,
        Some(ReviewOutcome::Unjustified) => ReviewState::Unjustified,
        Some(_) => ReviewState::Inconclusive,
        None if care.exists(ctx, &escalation_key(access))? => ReviewState::Escalated,
        None => ReviewState::Open,
    })
}

/// Every broken glass with where its review stands, oldest first.
fn reviews(ctx: &ReadContext<'_>, custodian: &str) -> Result<Vec<(OpenReview, ReviewState)>, HealthError> {
    let consortium = registered(ctx)?.consortium;
    require_reviewer(&consortium, &Caller::of(ctx)?, custodian)?;
    let care = Collection::care(&consortium, custodian)?;
    let mut all = Vec::new();
    for stored in care.list::<StoredReview>(ctx, "bg~")? {
        let state = state(ctx, &care, &stored.open.access)?;
        all.push((stored.open, state));
    }
    all.sort_by(|(a, _), (b, _)| (a.at, &a.access).cmp(&(b.at, &b.access)));
    Ok(all)
}

/// The broken glass to review; `NOT_FOUND` if there is none of that id.
fn open(ctx: &ReadContext<'_>, care: &Collection, access: &TxId) -> Result<OpenReview, HealthError> {
    let stored: Option<StoredReview> = care.get(ctx, &review_key(access))?;
    stored.map(|s| s.open).ok_or(HealthError::NotFound)
}

fn other_than_the_breaker(open: &OpenReview, caller: &Caller) -> Result<(), HealthError> {
    if open.organisation == caller.organisation {
        return Err(HealthError::SodViolation(
            "another organisation than the one that broke the glass reviews it".into(),
        ));
    }
    Ok(())
}

/// Reviewers of a custodian's broken glasses are the data protection officers of the custodian and of the regulators.
pub(super) fn require_reviewer(
    consortium: &Consortium,
    caller: &Caller,
    custodian: &str,
) -> Result<(), HealthError> {
    let organisation = if caller.organisation == custodian {
        OrganisationRole::Custodian
    } else {
        OrganisationRole::Regulator
    };
    caller.require_in(consortium, organisation, &[Role::Dpo])
}
