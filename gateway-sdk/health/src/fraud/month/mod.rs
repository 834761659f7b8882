//! A month of claims with everything around them, made from a seed: what a detector is judged by.
//!
//! Thirty days of a plan with one hospital, some clinics and two practices. Weekdays differ, an infection runs through the month, chronic patients
//! come back week after week. Most of what looks like fraud is none: the same blood count a week later, physiotherapy twice a week, both knees on one
//! day, two doctors on one day, a test repeated on purpose, a claim that was corrected (frequency 7), a dressing changed days after the operation, a
//! specimen of an inpatient sent to another laboratory, records that somebody forgot to write, members who answer wrongly. Into this the seven
//! kinds of fraud are planted, each in several ways, some of them with forged records that no rule here can see.
//!
//! Everything is invented: codes, people, numbers. The same settings give the same month.

mod catalogue;
mod frauds;
mod habits;
mod living;
mod people;
mod world;

use std::collections::BTreeSet;

use careledger_api::date::Date;
use careledger_api::ids::ClaimId;

use self::world::World;
use super::{Book, FraudKind, Surroundings};

/// What a month is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonthSettings {
    /// Members of the plan: 1 to 1,000,000; others are taken as the nearest of these.
    pub patients: u32,
    /// The same seed gives the same month.
    pub seed: u64,
    /// The first of its thirty days. In winter there are more infections.
    pub first: Date,
    /// Whether frauds are planted.
    pub frauds: bool,
    /// Of a thousand visits, so many of which nobody wrote a record: the less is recorded, the less a detector can tell.
    pub unrecorded: u32,
}

impl MonthSettings {
    /// Thirty days from 1 March 2026, with frauds, 12 of a thousand visits unrecorded.
    pub fn new(patients: u32, seed: u64) -> Self {
        // Always a day of the calendar; the type's own bounds make the fallback unreachable.
        let first = Date::from_unix(FIRST * 86_400);
        Self {
            patients,
            seed,
            first: first.expect("1 March 2026 lies in the years of Date"),
            frauds: true,
            unrecorded: 12,
        }
    }
}

/// 1 March 2026, a Sunday, in days since 1970-01-01.
const FIRST: i64 = 20_513;

/// A line that is a fraud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Planted {
    /// Which.
    pub kind: FraudKind,
    /// The claim.
    pub claim: ClaimId,
    /// The line's sequence number.
    pub line: u16,
}

/// A month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Month {
    /// What it was made from.
    pub settings: MonthSettings,
    /// Plan, members, providers and claims.
    pub book: Book,
    /// What is known around them.
    pub surroundings: Surroundings,
    /// The truth: the lines that are frauds.
    pub planted: BTreeSet<Planted>,
}

impl Month {
    /// Makes the month.
    pub fn generate(settings: MonthSettings) -> Self {
        let mut world = World::new(settings);
        world.live();
        if settings.frauds {
            frauds::plant(&mut world);
        }
        world.ask_members();
        world.month()
    }

    /// The claims' lines.
    pub fn lines(&self) -> usize {
        self.book
            .claims
            .iter()
            .map(|received| received.claim.lines.len())
            .sum()
    }
}

#[cfg(test)]
mod tests;
