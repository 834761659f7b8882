//! Plans, coverage, providers' standing.

use super::own;
use super::store::{
    Paid, coverage_end_key, coverage_key, delta_prefix, paid_key, plan_key, published_key, standing_key,
};
use crate::caller::Caller;
use crate::state::{Collection, done, registered, tx_id};
use careledger_api::adjudication::{Accumulators, Coverage, Standing, npi_is_valid};
use careledger_api::consortium::OrganisationRole;
use careledger_api::contracts::claims::{
    CoverageBody, CoverageEnd, Delta, Eligibility, EligibilityQuery, PlanBody, StandingBody,
};
use careledger_api::event::EventKind;
use careledger_api::ids::{CoverageId, Hash, PlanId, TxId};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The public value of `plan~I`: who publishes it and its newest version.
#[derive(Serialize, Deserialize)]
struct PublishedPlan {
    payer: String,
    version: u32,
    commitment: Hash,
    tx: TxId,
}

pub(super) fn publish_plan(
    ctx: &Context<'_>,
    plan: PlanId,
    version: u32,
    commitment: Hash,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    caller.require_in(&consortium, OrganisationRole::Payer, &[Role::Payer])?;
    let current: Option<PublishedPlan> = ctx.get_json(&published_key(&plan))?;
    if current.as_ref().is_some_and(|p| p.payer != caller.organisation) {
        return Err(HealthError::Forbidden(
            "another organisation publishes this plan".into(),
        ));
    }
    if current.map_or(0, |p| p.version).checked_add(1) != Some(version) {
        return Err(HealthError::ConflictState(
            "the next version of the plan is expected, beginning with 1".into(),
        ));
    }
    let published = PublishedPlan {
        payer: caller.organisation,
        version,
        commitment,
        tx: tx_id(ctx)?,
    };
    ctx.put_json(&published_key(&plan), &published)?;
    ctx.put_json(&plan_key(&plan, version), &published)?;
    done(ctx, EventKind::Registry, None)
}

pub(super) fn load_plan(ctx: &Context<'_>, payer: &str, plan: PlanBody) -> Result<Receipt, HealthError> {
    let own = own(ctx, payer)?;
    plan.salt.require_drawn()?;
    plan.plan.validate()?;
    let (id, version) = (plan.plan.id, plan.plan.version);
    let published: Option<PublishedPlan> = ctx.get_json(&plan_key(&id, version))?;
    let published = published
        .filter(|p| p.payer == payer)
        .ok_or(HealthError::NotFound)?;
    if plan.commitment()? != published.commitment {
        return Err(HealthError::ConflictState(
            "these rules are not what was published for this version".into(),
        ));
    }
    own.put(ctx, &plan_key(&id, version), &plan)?;
    done(ctx, EventKind::Registry, Some(&own))
}

pub(super) fn enrol_member(
    ctx: &Context<'_>,
    payer: &str,
    coverage: CoverageBody,
) -> Result<Receipt, HealthError> {
    let own = own(ctx, payer)?;
    coverage.salt.require_drawn()?;
    let terms = &coverage.coverage;
    if terms.period.until < terms.period.from {
        return Err(HealthError::InvalidCode(
            "a coverage ends on or after its first day".into(),
        ));
    }
    if !own.exists(ctx, &plan_key(&terms.plan, terms.plan_version))? {
        return Err(HealthError::NotFound);
    }
    if !own.write_once(ctx, &coverage_key(&terms.id), &coverage)? {
        return Err(HealthError::Duplicate("this coverage id is taken".into()));
    }
    done(ctx, EventKind::Claim, Some(&own))
}

pub(super) fn end_coverage(ctx: &Context<'_>, payer: &str, end: CoverageEnd) -> Result<Receipt, HealthError> {
    let own = own(ctx, payer)?;
    end.salt.require_drawn()?;
    let coverage: Option<CoverageBody> = own.get(ctx, &coverage_key(&end.coverage))?;
    let period = coverage.ok_or(HealthError::NotFound)?.coverage.period;
    if !period.contains(end.last) {
        return Err(HealthError::InvalidCode(
            "the last day of a coverage lies within its period".into(),
        ));
    }
    own.put(ctx, &coverage_end_key(&end.coverage), &end)?;
    done(ctx, EventKind::Claim, Some(&own))
}

pub(super) fn set_standing(
    ctx: &Context<'_>,
    payer: &str,
    standing: StandingBody,
) -> Result<Receipt, HealthError> {
    let own = own(ctx, payer)?;
    standing.salt.require_drawn()?;
    if !npi_is_valid(&standing.npi) {
        return Err(HealthError::InvalidCode(
            "an NPI has ten digits, begins with 1 or 2 and ends with its check digit".into(),
        ));
    }
    let key = standing_key(&own.secret(ctx)?, &standing.npi);
    own.put(ctx, &key, &standing)?;
    done(ctx, EventKind::Claim, Some(&own))
}

pub(super) fn eligibility(
    ctx: &ReadContext<'_>,
    payer: &str,
    query: EligibilityQuery,
) -> Result<Eligibility, HealthError> {
    let own = own(ctx, payer)?;
    let coverage = coverage(ctx, &own, &query.coverage)?.ok_or(HealthError::NotFound)?;
    let year = query.on.year();
    let paid: Paid = own
        .get(ctx, &paid_key(&query.coverage, year))?
        .unwrap_or_default();
    let beside: Vec<Delta> = own.list(ctx, &delta_prefix(&query.coverage, year))?;
    let accumulators = beside.iter().fold(paid.accumulators, |sum, delta| Accumulators {
        deductible: sum.deductible.saturating_add(delta.added.deductible),
        out_of_pocket: sum.out_of_pocket.saturating_add(delta.added.out_of_pocket),
    });
    Ok(Eligibility {
        covered: coverage.period.contains(query.on),
        accumulators,
    })
}

/// A coverage as it holds now: its period ends where its payer said so.
pub(super) fn coverage(
    ctx: &ReadContext<'_>,
    own: &Collection,
    id: &CoverageId,
) -> Result<Option<Coverage>, HealthError> {
    let body: Option<CoverageBody> = own.get(ctx, &coverage_key(id))?;
    let Some(CoverageBody { mut coverage, .. }) = body else {
        return Ok(None);
    };
    let end: Option<CoverageEnd> = own.get(ctx, &coverage_end_key(id))?;
    if let Some(end) = end {
        coverage.period.until = end.last;
    }
    Ok(Some(coverage))
}

/// How these providers stand, as far as the payer said so.
pub(super) fn standings<'a>(
    ctx: &ReadContext<'_>,
    own: &Collection,
    npis: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, Standing>, HealthError> {
    let secret = own.secret(ctx)?;
    let mut found = BTreeMap::new();
    for npi in npis.collect::<std::collections::BTreeSet<_>>() {
        let body: Option<StandingBody> = own.get(ctx, &standing_key(&secret, npi))?;
        if let Some(body) = body {
            found.insert(npi.to_owned(), body.standing);
        }
    }
    Ok(found)
}
