//! Members' coverage, and what becomes of it: versions from a day of service on, and its end.
//!
//! `cov~H` is the coverage as it was enrolled, `covver~H(n)` each later version, written once; `covhead~H` lists from which day each counts. On a day the
//! version counts that begins last up to it, of those that begin on one day the newest. What a member used and paid goes by the coverage, whatever its version.

use super::desk::Own;
use super::{members, sums};
use crate::state::{done, tx_id};
use careledger_api::adjudication::Coverage;
use careledger_api::contracts::claims::{
    CoverageAmendment, CoverageBody, CoverageEnd, Eligibility, EligibilityQuery, MAX_AMENDMENTS,
};
use careledger_api::date::Date;
use careledger_api::event::EventKind;
use careledger_api::ids::{CoverageId, Salt};
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The value of `covhead~H`.
#[derive(Default, Serialize, Deserialize)]
struct Amended {
    /// The first day of each version, in the order in which they were written; the first of them is version 2.
    from: Vec<Date>,
    salt: Option<Salt>,
}

/// A coverage as it is on some days.
pub(super) struct Known {
    /// By day: the number of its version, and the coverage, whose period ends where its payer said so.
    pub(super) days: BTreeMap<Date, (u32, Coverage)>,
    /// Whether it has more than one version at all.
    pub(super) amended: bool,
}

impl Known {
    /// The coverage of all of these days; none if they are of versions that differ in more than the last day of a period in which they lie.
    pub(super) fn one(&self) -> Option<Coverage> {
        let versions = || self.days.values().map(|(_, coverage)| coverage);
        let last = versions().map(|coverage| coverage.period.until).max()?;
        let within = |(day, (_, coverage)): (&Date, &(u32, Coverage))| coverage.period.contains(*day);
        let held = self.days.iter().all(within);
        let terms = |coverage: &Coverage| {
            let mut coverage = coverage.clone();
            if held {
                coverage.period.until = last;
            }
            coverage
        };
        let first = terms(versions().next()?);
        versions()
            .all(|coverage| terms(coverage) == first)
            .then_some(first)
    }

    /// Whether it holds on one of these days.
    pub(super) fn holds_on(&self, day: Date) -> bool {
        let of = self.days.get(&day);
        of.is_some_and(|(_, coverage)| coverage.period.contains(day))
    }
}

pub(super) fn enrol_member(
    ctx: &Context<'_>,
    payer: &str,
    coverage: CoverageBody,
) -> Result<Receipt, HealthError> {
    let own = Own::for_payer(ctx, payer)?;
    coverage.salt.require_drawn()?;
    let terms = &coverage.coverage;
    require_order(terms)?;
    if !members::is_loaded(ctx, &own, terms)? {
        return Err(HealthError::NotFound);
    }
    let key = coverage_key(&own, &terms.id);
    if !own.collection.write_once(ctx, &key, &coverage)? {
        return Err(HealthError::Duplicate("this coverage id is taken".into()));
    }
    done(ctx, EventKind::Claim, Some(&own.collection))
}

pub(super) fn amend_coverage(
    ctx: &Context<'_>,
    payer: &str,
    amendment: CoverageAmendment,
) -> Result<Receipt, HealthError> {
    let own = Own::for_payer(ctx, payer)?;
    amendment.salt.require_drawn()?;
    let CoverageAmendment { from, coverage, .. } = &amendment;
    let found = Found::of(ctx, &own, &coverage.id)?.ok_or(HealthError::NotFound)?;
    require_order(coverage)?;
    if coverage.plan != found.first.plan {
        return Err(HealthError::InvalidCode(
            "a coverage stays with its plan, in any version of it; another plan is another coverage".into(),
        ));
    }
    if *from > coverage.period.until {
        return Err(HealthError::InvalidCode(
            "a version of a coverage begins up to its last day".into(),
        ));
    }
    let before = members::plan(ctx, &own, &found.first)?;
    if members::plan(ctx, &own, coverage)?.currency != before.currency {
        return Err(HealthError::InvalidCode(
            "what the member has paid is in another currency than that version of the plan".into(),
        ));
    }
    if found
        .place(*from)
        .is_some_and(|place| found.amended.from.get(place) == Some(from))
        && found.version(ctx, &own, *from)?.1 == *coverage
    {
        return Err(HealthError::Duplicate(
            "the coverage is so from that day on already".into(),
        ));
    }
    if found.amended.from.len() >= MAX_AMENDMENTS {
        return Err(HealthError::Limit(
            "a coverage is amended at most 100 times".into(),
        ));
    }
    let id = coverage.id;
    let mut amended = found.amended;
    let key = version_key(&own, &id, amended.from.len())?;
    if !own.collection.write_once(ctx, &key, &amendment)? {
        return Err(HealthError::ConflictState(
            "the coverage's next version is there".into(),
        ));
    }
    amended.from.push(amendment.from);
    let key = head_key(&own, &id);
    amended.salt = Some(own.salt(&key, &tx_id(ctx)?));
    own.put(ctx, &key, &amended)?;
    done(ctx, EventKind::Claim, Some(&own.collection))
}

pub(super) fn end_coverage(ctx: &Context<'_>, payer: &str, end: CoverageEnd) -> Result<Receipt, HealthError> {
    let own = Own::for_payer(ctx, payer)?;
    end.salt.require_drawn()?;
    let found = Found::of(ctx, &own, &end.coverage)?.ok_or(HealthError::NotFound)?;
    let period = found.version(ctx, &own, end.last)?.1.period;
    let rescinds = end.last.days() + 1 == period.from.days();
    if !period.contains(end.last) && !rescinds {
        return Err(HealthError::InvalidCode(
            "the last day of a coverage lies within its period, or is the day before it where it never held"
                .into(),
        ));
    }
    own.put(ctx, &end_key(&own, &end.coverage), &end)?;
    done(ctx, EventKind::Claim, Some(&own.collection))
}

pub(super) fn eligibility(
    ctx: &ReadContext<'_>,
    payer: &str,
    query: EligibilityQuery,
) -> Result<Eligibility, HealthError> {
    let own = Own::for_payer(ctx, payer)?;
    let known = on_days(ctx, &own, &query.coverage, [query.on])?.ok_or(HealthError::NotFound)?;
    let covered = known.holds_on(query.on);
    let of_the_day = known.days.into_values().next();
    let (version, coverage) = of_the_day.ok_or(HealthError::NotFound)?;
    let accumulators = sums::total(ctx, &own, &query.coverage, query.on.year())?;
    let currency = members::plan(ctx, &own, &coverage)?.currency;
    Ok(Eligibility {
        covered,
        version,
        coverage,
        accumulators,
        currency: Some(currency),
    })
}

/// A coverage on these days, as it is known now.
pub(super) fn on_days(
    ctx: &ReadContext<'_>,
    own: &Own,
    id: &CoverageId,
    days: impl IntoIterator<Item = Date>,
) -> Result<Option<Known>, HealthError> {
    let Some(found) = Found::of(ctx, own, id)? else {
        return Ok(None);
    };
    let end: Option<CoverageEnd> = own.get(ctx, &end_key(own, id))?;
    let mut known = Known {
        days: BTreeMap::new(),
        amended: !found.amended.from.is_empty(),
    };
    let mut versions = BTreeMap::new();
    for day in days {
        let place = found.place(day);
        let (version, mut coverage) = match versions.get(&place) {
            Some(read) => Clone::clone(read),
            None => found.version(ctx, own, day)?,
        };
        versions.insert(place, (version, coverage.clone()));
        if let Some(end) = &end {
            coverage.period.until = coverage.period.until.min(end.last);
        }
        known.days.insert(day, (version, coverage));
    }
    Ok(Some(known))
}

/// Whether there is such a coverage.
pub(super) fn exists(ctx: &ReadContext<'_>, own: &Own, id: &CoverageId) -> Result<bool, HealthError> {
    own.collection.exists(ctx, &coverage_key(own, id))
}

/// A coverage with the beginnings of its versions.
struct Found {
    first: Coverage,
    amended: Amended,
}

impl Found {
    fn of(ctx: &ReadContext<'_>, own: &Own, id: &CoverageId) -> Result<Option<Self>, HealthError> {
        let body: Option<CoverageBody> = own.get(ctx, &coverage_key(own, id))?;
        let Some(CoverageBody { coverage, .. }) = body else {
            return Ok(None);
        };
        let amended: Option<Amended> = own.get(ctx, &head_key(own, id))?;
        Ok(Some(Self {
            first: coverage,
            amended: amended.unwrap_or_default(),
        }))
    }

    /// The amendment that counts on a day; none for the coverage as it was enrolled.
    fn place(&self, day: Date) -> Option<usize> {
        let begun = self.amended.from.iter().enumerate();
        let begun = begun.filter(|(_, from)| **from <= day);
        begun
            .max_by_key(|(place, from)| (**from, *place))
            .map(|(place, _)| place)
    }

    /// The version that counts on a day, with its number.
    fn version(&self, ctx: &ReadContext<'_>, own: &Own, day: Date) -> Result<(u32, Coverage), HealthError> {
        let Some(place) = self.place(day) else {
            return Ok((1, self.first.clone()));
        };
        let read: Option<CoverageAmendment> = own.get(ctx, &version_key(own, &self.first.id, place)?)?;
        Ok((number(place)?, read.ok_or(HealthError::NotFound)?.coverage))
    }
}

fn require_order(coverage: &Coverage) -> Result<(), HealthError> {
    if coverage.period.until < coverage.period.from {
        return Err(HealthError::InvalidCode(
            "a coverage ends on or after its first day".into(),
        ));
    }
    Ok(())
}

/// The number of an amendment's version: the coverage as it was enrolled is version 1.
fn number(place: usize) -> Result<u32, HealthError> {
    let place = u32::try_from(place).ok().and_then(|place| place.checked_add(2));
    place.ok_or_else(|| HealthError::Limit("a coverage is amended at most 100 times".into()))
}

fn coverage_key(own: &Own, coverage: &CoverageId) -> String {
    own.key("cov", &[coverage.as_bytes()])
}

fn head_key(own: &Own, coverage: &CoverageId) -> String {
    own.key("covhead", &[coverage.as_bytes()])
}

fn version_key(own: &Own, coverage: &CoverageId, place: usize) -> Result<String, HealthError> {
    Ok(own.key("covver", &[coverage.as_bytes(), &number(place)?.to_be_bytes()]))
}

fn end_key(own: &Own, coverage: &CoverageId) -> String {
    own.key("covend", &[coverage.as_bytes()])
}
