//! What a month consists of while it is made: who is there, what is recorded, which claims are sent.

use std::collections::{BTreeMap, BTreeSet};

use careledger_api::adjudication::{Claim, ClaimLine, Coverage, Plan, Standing};
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::{ClaimId, CoverageId, PlanId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::catalogue;
use super::people::{self, Craft, HOSPITAL, Member, Performer, Provider};
use super::{Month, MonthSettings, Planted};
use crate::fraud::surroundings::weekday;
use crate::fraud::{Book, Encounter, Feedback, FraudKind, Received, Surroundings};

/// Days of the month.
const DAYS: i64 = 30;
/// Visits by weekday, Sunday first, where the provider is open.
const WEEKDAYS: [u32; 7] = [35, 130, 112, 105, 102, 92, 45];
/// Infections by month, January first, in percent of the yearly mean.
const SEASON: [u32; 12] = [165, 155, 125, 100, 85, 70, 60, 65, 85, 105, 125, 150];

/// One visit to be claimed.
pub(super) struct Visit {
    pub(super) member: usize,
    pub(super) performer: usize,
    pub(super) day: Date,
    pub(super) lines: Vec<(&'static str, u32, Option<&'static str>)>,
    pub(super) diagnosis: &'static str,
    /// How long it took.
    pub(super) minutes: u16,
}

/// Everything that comes to be.
pub(super) struct World {
    pub(super) rng: StdRng,
    pub(super) settings: MonthSettings,
    pub(super) days: Vec<Date>,
    pub(super) plan: Plan,
    pub(super) providers: Vec<Provider>,
    pub(super) performers: Vec<Performer>,
    pub(super) members: Vec<Member>,
    pub(super) coverages: BTreeMap<CoverageId, Coverage>,
    pub(super) standing: BTreeMap<String, Standing>,
    pub(super) claims: Vec<Received>,
    pub(super) encounters: Vec<Encounter>,
    pub(super) stays: BTreeMap<CoverageId, Vec<DateRange>>,
    pub(super) feedback: BTreeMap<(ClaimId, u16), Feedback>,
    pub(super) planted: BTreeSet<Planted>,
}

impl World {
    pub(super) fn new(settings: MonthSettings) -> Self {
        let settings = MonthSettings {
            patients: settings.patients.clamp(1, 1_000_000),
            ..settings
        };
        let mut rng = StdRng::seed_from_u64(settings.seed);
        let days: Vec<Date> = (0..DAYS)
            .filter_map(|after| later(settings.first, after))
            .collect();
        let year = DateRange {
            from: later(settings.first, -400).unwrap_or(settings.first),
            until: later(settings.first, 400).unwrap_or(settings.first),
        };
        let plan = catalogue::plan(PlanId::from_bytes(rng.random()));
        let providers = people::providers(&mut rng, settings.patients, &days);
        let performers = people::performers(&mut rng, settings.patients, providers.len());
        let doctors: Vec<usize> = of_craft(&performers, Craft::General);
        let lapse = days.get(days.len() / 2).copied().unwrap_or(settings.first);
        let standing = people::standings(&mut rng, &providers, &performers, year, lapse);
        let mut coverages = BTreeMap::new();
        let members = (0..settings.patients)
            .map(|_| {
                let (member, coverage) = people::member(&mut rng, &plan, &doctors, &days, year);
                coverages.insert(coverage.id, coverage);
                member
            })
            .collect();
        Self {
            rng,
            settings,
            days,
            plan,
            providers,
            performers,
            members,
            coverages,
            standing,
            claims: Vec::new(),
            encounters: Vec::new(),
            stays: BTreeMap::new(),
            feedback: BTreeMap::new(),
            planted: BTreeSet::new(),
        }
    }

    /// Records that a visit took place.
    pub(super) fn record(&mut self, visit: &Visit, by: usize) {
        let told = self.chance(850).then_some(visit.minutes);
        let (Some(member), Some(by)) = (self.members.get(visit.member), self.performers.get(by)) else {
            return;
        };
        let Some(provider) = self.providers.get(by.provider) else {
            return;
        };
        self.encounters.push(Encounter {
            coverage: member.coverage,
            date: visit.day,
            provider: provider.npi.clone(),
            performer: by.npi.clone(),
            minutes: told,
        });
    }

    /// Claims a visit some days after it; the claim's id.
    pub(super) fn claim(&mut self, visit: &Visit) -> Option<ClaimId> {
        let id = ClaimId::from_bytes(self.rng.random());
        let after = self.rng.random_range(1..=12);
        let performer = self.performers.get(visit.performer)?;
        let provider = self.providers.get(performer.provider)?;
        let coverage = self.members.get(visit.member)?.coverage;
        let lines = (1u16..)
            .zip(&visit.lines)
            .map(|(sequence, (code, units, modifier))| {
                let price = self.plan.prices.get(*code).map_or(1, |price| price.amount);
                let charge = price * i64::from(*units) * provider.markup / 100;
                ClaimLine {
                    modifiers: modifier.iter().map(|m| (*m).to_owned()).collect(),
                    diagnoses: vec![1],
                    rendering_npi: Some(performer.npi.clone()),
                    ..ClaimLine::new(sequence, code, visit.day, *units, charge)
                }
            });
        let claim = Claim {
            diagnoses: vec![visit.diagnosis.to_owned()],
            ..Claim::new(id, coverage, provider.npi.clone(), "USD", lines.collect())
        };
        self.send(claim, later(visit.day, after).unwrap_or(visit.day));
        Some(id)
    }

    /// The payer receives a claim; its total is made to be right.
    pub(super) fn send(&mut self, claim: Claim, on: Date) {
        let claim = Claim {
            total: claim.lines.iter().map(|line| line.charge).sum(),
            ..claim
        };
        self.claims.push(Received { claim, on });
    }

    /// Some members are asked whether a service was rendered. Few answer wrongly where it was; most notice where it was not.
    pub(super) fn ask_members(&mut self) {
        for at in 0..self.claims.len() {
            let Some((id, lines)) = self.claims.get(at).map(|received| {
                let lines: Vec<u16> = received.claim.lines.iter().map(|line| line.sequence).collect();
                (received.claim.id, lines)
            }) else {
                continue;
            };
            for line in lines {
                let phantom = self.planted.contains(&Planted {
                    kind: FraudKind::Phantom,
                    claim: id,
                    line,
                });
                if !self.chance(if phantom { 300 } else { 100 }) {
                    continue;
                }
                let denies = self.chance(if phantom { 900 } else { 5 });
                let answer = if denies {
                    Feedback::NotRendered
                } else {
                    Feedback::Rendered
                };
                self.feedback.insert((id, line), answer);
            }
        }
    }

    pub(super) fn month(mut self) -> Month {
        // Of one day in the order in which they were made: a copy comes after what it copies.
        self.claims.sort_by_key(|received| received.on);
        let named = |performer: &Performer| (performer.npi.clone(), performer.craft.as_str().to_owned());
        Month {
            settings: self.settings,
            surroundings: Surroundings {
                specialties: self.performers.iter().map(named).collect(),
                encounters: self.encounters,
                openings: self
                    .providers
                    .iter()
                    .map(|p| (p.npi.clone(), p.opening.clone()))
                    .collect(),
                deaths: self
                    .members
                    .iter()
                    .filter_map(|m| Some((m.coverage, m.died?)))
                    .collect(),
                visits: catalogue::VISITS.iter().map(|code| (*code).to_owned()).collect(),
                stays: self.stays,
                feedback: self.feedback,
            },
            book: Book {
                plan: self.plan,
                coverages: self.coverages,
                standing: self.standing,
                claims: self.claims,
            },
            planted: self.planted,
        }
    }

    /// Whether something happens that happens so often in a thousand times.
    pub(super) fn chance(&mut self, permille: u32) -> bool {
        self.rng.random_range(0..1_000u32) < permille
    }

    /// One of `0..length`; 0 of nothing.
    pub(super) fn pick(&mut self, length: usize) -> usize {
        let length = u32::try_from(length).unwrap_or(u32::MAX).max(1);
        usize::try_from(self.rng.random_range(0..length)).unwrap_or_default()
    }

    pub(super) fn doctor(&self, member: usize) -> usize {
        self.members
            .get(member)
            .map(|member| member.doctor)
            .unwrap_or_default()
    }

    pub(super) fn of(&mut self, craft: Craft) -> usize {
        let all = of_craft(&self.performers, craft);
        let one = self.pick(all.len());
        all.get(one).copied().unwrap_or_default()
    }

    /// Somebody else of the same provider and craft; the same where there is nobody.
    pub(super) fn colleague(&mut self, performer: usize) -> usize {
        let Some(own) = self.performers.get(performer) else {
            return performer;
        };
        let (craft, provider) = (own.craft, own.provider);
        let others: Vec<usize> = of_craft(&self.performers, craft)
            .into_iter()
            .filter(|other| *other != performer)
            .filter(|other| {
                self.performers
                    .get(*other)
                    .is_some_and(|other| other.provider == provider)
            })
            .collect();
        let one = self.pick(others.len());
        others.get(one).copied().unwrap_or(performer)
    }

    pub(super) fn season(&self) -> u32 {
        let first = self.settings.first;
        let new_year: Option<Date> = format!("{:04}-01-01", first.year()).parse().ok();
        let day = new_year.map_or(0, |new_year| first.days() - new_year.days());
        usize::try_from(day / 31)
            .ok()
            .and_then(|month| SEASON.get(month))
            .copied()
            .unwrap_or(100)
    }

    pub(super) fn is_open(&self, performer: usize, day: Date) -> bool {
        let provider = self
            .performers
            .get(performer)
            .map_or(HOSPITAL, |performer| performer.provider);
        let provider = self.providers.get(provider);
        self.days.contains(&day) && !provider.is_some_and(|provider| provider.opening.is_closed(day))
    }

    pub(super) fn working_day(&mut self, performer: usize) -> Date {
        self.one_of_days(performer, self.days.len())
    }

    pub(super) fn working_day_of_the_first_week(&mut self, performer: usize) -> Date {
        self.one_of_days(performer, 7)
    }

    /// One of the month's first days on which the performer works: weekdays weigh as people come, and an infection goes round in the first half.
    fn one_of_days(&mut self, performer: usize, among: usize) -> Date {
        let weigh = |(number, day): (usize, &Date)| {
            let open = self.is_open(performer, *day);
            let weight = WEEKDAYS
                .get(usize::from(weekday(*day)))
                .copied()
                .unwrap_or_default();
            let wave = 100 + 40u32.saturating_sub(u32::try_from(number.abs_diff(8)).unwrap_or(40) * 5);
            if open { weight * wave } else { 0 }
        };
        let weights: Vec<u32> = self.days.iter().take(among).enumerate().map(weigh).collect();
        let total: u32 = weights.iter().sum();
        let mut left = self.rng.random_range(0..total.max(1));
        for (day, weight) in self.days.iter().zip(weights) {
            if left < weight {
                return *day;
            }
            left -= weight;
        }
        self.settings.first
    }

    /// The first day from so many days after on which the performer works; none after the month.
    pub(super) fn open_after(&self, performer: usize, day: Date, after: i64) -> Option<Date> {
        (after..after + 5)
            .filter_map(|after| later(day, after))
            .find(|day| self.is_open(performer, *day))
    }
}

/// The performers of a craft.
pub(super) fn of_craft(performers: &[Performer], craft: Craft) -> Vec<usize> {
    let numbered = performers.iter().enumerate();
    numbered
        .filter(|(_, performer)| performer.craft == craft)
        .map(|(number, _)| number)
        .collect()
}

/// So many days later (or before), within the years of [`Date`].
pub(super) fn later(date: Date, days: i64) -> Option<Date> {
    Date::from_unix((date.days() + days) * 86_400).ok()
}
