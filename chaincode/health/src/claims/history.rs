//! What a member used of each procedure: the payer's own count, by which limits, duplicates and bundles are decided, whoever provided it.
//!
//! `use~H(member, procedure, year)` holds the covered services of a year, at most [`MAX_SERVICES`]; `life~H(member, procedure)` the units of each year,
//! for limits of a lifetime. An adjudication reads those of its own procedures and of whatever the plan relates to them, in the years that its rules
//! reach (of a lifetime's limit for one tooth or part of the body: in all), and writes those of its own: of two adjudications of one member that count together only the first of a block is valid.

use super::desk::{Desk, Own};
use careledger_api::HealthError;
use careledger_api::adjudication::{Claim, Plan, PriorService, Span};
use careledger_api::date::Date;
use careledger_api::ids::{CoverageId, Hash, Salt};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most covered services of one procedure that a member has in a year.
const MAX_SERVICES: usize = 1_000;

/// The value of `use~H`.
#[derive(Default, Serialize, Deserialize)]
struct Year {
    services: Vec<Use>,
    salt: Option<Salt>,
}

/// A covered service, and the claim whose it is, as the payer's book names it.
#[derive(Serialize, Deserialize)]
struct Use {
    claim: Hash,
    service: PriorService,
}

/// The value of `life~H`: covered units by year.
#[derive(Default, Serialize, Deserialize)]
struct Life {
    units: BTreeMap<u16, u32>,
    salt: Option<Salt>,
}

/// What the member used as far as a claim's rules look at it, without the claim itself.
pub(super) struct Past {
    years: BTreeMap<(String, u16), Year>,
    lives: BTreeMap<String, Life>,
}

impl Past {
    pub(super) fn of(
        desk: &Desk<'_, '_>,
        claim: &Claim,
        hash: &Hash,
        plan: &Plan,
    ) -> Result<Self, HealthError> {
        let mut wanted: BTreeSet<(&str, u16)> = BTreeSet::new();
        // And whether a lifetime's units count for each place.
        let mut own: BTreeMap<&str, bool> = BTreeMap::new();
        for line in &claim.lines {
            wanted.insert((&line.procedure, line.date.year()));
            let rules = plan.procedures.get(&line.procedure);
            let mut limits = rules.into_iter().flat_map(|rules| &rules.limits);
            let by_place = limits.any(|limit| limit.per_site && limit.within == Span::Lifetime);
            own.insert(&line.procedure, by_place);
            let window = rules.and_then(|rules| rules.repeats.as_ref());
            let window = window.map_or(0, |repeats| i64::from(repeats.window_days));
            let (first, last) = (shifted(line.date, -window), shifted(line.date, window));
            for procedure in plan.related(&line.procedure) {
                wanted.extend((first..=last).map(|year| (procedure, year)));
            }
        }
        let mut past = Self {
            years: BTreeMap::new(),
            lives: BTreeMap::new(),
        };
        for (procedure, by_place) in own {
            let key = life_key(&desk.own, &claim.coverage, procedure);
            let life: Life = desk.get(&key)?.unwrap_or_default();
            // Years of units do not say where.
            if by_place {
                wanted.extend(life.units.keys().map(|year| (procedure, *year)));
            }
            past.lives.insert(procedure.to_owned(), life);
        }
        for (procedure, year) in wanted {
            let key = year_key(&desk.own, &claim.coverage, procedure, year);
            let mut found: Year = desk.get(&key)?.unwrap_or_default();
            found.services.retain(|used| used.claim != *hash);
            past.years.insert((procedure.to_owned(), year), found);
        }
        Ok(past)
    }

    /// The services that were read.
    pub(super) fn services(&self) -> Vec<PriorService> {
        let years = self.years.values().flat_map(|year| &year.services);
        years.map(|used| used.service.clone()).collect()
    }

    /// Units of the claim's procedures in all other years.
    pub(super) fn earlier(&self) -> BTreeMap<String, u32> {
        let sum = |(procedure, life): (&String, &Life)| {
            let others = life.units.iter();
            let others = others.filter(|(year, _)| !self.years.contains_key(&(procedure.clone(), **year)));
            let units = others.fold(0u32, |sum, (_, units)| sum.saturating_add(*units));
            (units > 0).then(|| (procedure.clone(), units))
        };
        self.lives.iter().filter_map(sum).collect()
    }

    /// Writes the services of the claim that are covered now, in place of those that were before. `LIMIT` for more than a year holds.
    pub(super) fn put(
        mut self,
        desk: &Desk<'_, '_>,
        coverage: &CoverageId,
        hash: &Hash,
        before: &[PriorService],
        now: &[PriorService],
    ) -> Result<(), HealthError> {
        if before == now {
            return Ok(());
        }
        let changed: BTreeSet<(String, u16)> = before.iter().chain(now).map(place).collect();
        for service in now {
            let year = self.years.entry(place(service)).or_default();
            year.services.push(Use {
                claim: *hash,
                service: service.clone(),
            });
            if year.services.len() > MAX_SERVICES {
                return Err(HealthError::Limit(
                    "a member has at most 1000 covered services of one procedure in a year".into(),
                ));
            }
        }
        for (procedure, number) in changed {
            let key = year_key(&desk.own, coverage, &procedure, number);
            let year = self.years.entry((procedure.clone(), number)).or_default();
            year.salt = Some(desk.salt(&key));
            desk.put(&key, year)?;
            let units = year
                .services
                .iter()
                .fold(0u32, |sum, used| sum.saturating_add(used.service.units));
            let life = self.lives.entry(procedure.clone()).or_default();
            if units > 0 {
                life.units.insert(number, units);
            } else {
                life.units.remove(&number);
            }
            let key = life_key(&desk.own, coverage, &procedure);
            life.salt = Some(desk.salt(&key));
            desk.put(&key, life)?;
        }
        Ok(())
    }
}

/// Takes the services of a claim back.
pub(super) fn give_back(
    desk: &Desk<'_, '_>,
    coverage: &CoverageId,
    hash: &Hash,
    services: &[PriorService],
) -> Result<(), HealthError> {
    let mut past = Past {
        years: BTreeMap::new(),
        lives: BTreeMap::new(),
    };
    for (procedure, number) in services.iter().map(place).collect::<BTreeSet<_>>() {
        let key = year_key(&desk.own, coverage, &procedure, number);
        let mut year: Year = desk.get(&key)?.unwrap_or_default();
        year.services.retain(|used| used.claim != *hash);
        let life: Life = desk
            .get(&life_key(&desk.own, coverage, &procedure))?
            .unwrap_or_default();
        past.lives.insert(procedure.clone(), life);
        past.years.insert((procedure, number), year);
    }
    past.put(desk, coverage, hash, services, &[])
}

fn place(service: &PriorService) -> (String, u16) {
    (service.procedure.clone(), service.date.year())
}

/// The year of a day so many days later; the day's own beyond the calendar's end.
fn shifted(date: Date, days: i64) -> u16 {
    date.in_days(days).map_or(date.year(), Date::year)
}

fn year_key(own: &Own, coverage: &CoverageId, procedure: &str, year: u16) -> String {
    own.key(
        "use",
        &[coverage.as_bytes(), procedure.as_bytes(), &year.to_be_bytes()],
    )
}

fn life_key(own: &Own, coverage: &CoverageId, procedure: &str) -> String {
    own.key("life", &[coverage.as_bytes(), procedure.as_bytes()])
}
