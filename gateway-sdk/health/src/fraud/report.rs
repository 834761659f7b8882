//! How good a detector is: what it finds of what was planted, and what it flags besides.

use std::collections::{BTreeMap, BTreeSet};

use careledger_api::HealthError;
use careledger_api::ids::ClaimId;
use serde::{Deserialize, Serialize};

use super::{Flag, FraudKind, Month, detect};

/// What a detector made of one month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The month's seed.
    pub seed: u64,
    /// Members.
    pub patients: u32,
    /// Claims.
    pub claims: u64,
    /// Their lines.
    pub lines: u64,
    /// Flags: cases for a reviewer, each of one or more lines.
    pub flags: u64,
    /// Lines by kind of fraud, all seven: a line counts as found if a flag of its very kind names it.
    pub kinds: BTreeMap<FraudKind, Confusion>,
    /// Lines whatever the kind: a fraud flagged as another kind is found, too.
    pub any: Confusion,
}

/// Lines that are frauds and lines that are flagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confusion {
    /// Frauds that are flagged.
    pub found: u64,
    /// Lines that are flagged and are none.
    pub wrong: u64,
    /// Frauds that are not flagged.
    pub missed: u64,
}

impl Report {
    /// Adjudicates the month, has the detector look, and compares with the truth. Fails as [`Book::adjudicate`](super::Book::adjudicate) does.
    pub fn on(month: &Month) -> Result<Self, HealthError> {
        let results = month.book.adjudicate()?;
        Ok(Self::of(
            month,
            &detect(&month.book, &results, &month.surroundings),
        ))
    }

    /// Compares flags with the truth of the month that they were raised on.
    pub fn of(month: &Month, flags: &[Flag]) -> Self {
        let mut planted: BTreeMap<FraudKind, BTreeSet<(ClaimId, u16)>> = BTreeMap::new();
        for one in &month.planted {
            planted.entry(one.kind).or_default().insert((one.claim, one.line));
        }
        let mut flagged: BTreeMap<FraudKind, BTreeSet<(ClaimId, u16)>> = BTreeMap::new();
        for flag in flags {
            let lines = flag
                .lines
                .iter()
                .flat_map(|(claim, lines)| lines.iter().map(|line| (*claim, *line)));
            flagged.entry(flag.kind).or_default().extend(lines);
        }
        let none = BTreeSet::new();
        let of = |kind: FraudKind| {
            let (truth, said) = (
                planted.get(&kind).unwrap_or(&none),
                flagged.get(&kind).unwrap_or(&none),
            );
            (kind, Confusion::of(truth, said))
        };
        let every =
            |sets: &BTreeMap<FraudKind, BTreeSet<(ClaimId, u16)>>| sets.values().flatten().copied().collect();
        Self {
            seed: month.settings.seed,
            patients: month.settings.patients,
            claims: month.book.claims.len() as u64,
            lines: month.lines() as u64,
            flags: flags.len() as u64,
            kinds: FraudKind::ALL.into_iter().map(of).collect(),
            any: Confusion::of(&every(&planted), &every(&flagged)),
        }
    }

    /// The lines of one kind.
    pub fn kind(&self, kind: FraudKind) -> Confusion {
        self.kinds.get(&kind).copied().unwrap_or_default()
    }
}

impl Confusion {
    fn of(truth: &BTreeSet<(ClaimId, u16)>, said: &BTreeSet<(ClaimId, u16)>) -> Self {
        Self {
            found: truth.intersection(said).count() as u64,
            wrong: said.difference(truth).count() as u64,
            missed: truth.difference(said).count() as u64,
        }
    }

    /// Both together, for several months.
    pub fn and(self, other: Self) -> Self {
        Self {
            found: self.found + other.found,
            wrong: self.wrong + other.wrong,
            missed: self.missed + other.missed,
        }
    }

    /// Which part of what is flagged is fraud, in thousandths; none if nothing is flagged.
    pub fn precision(self) -> Option<u64> {
        (self.found * 1_000).checked_div(self.found + self.wrong)
    }

    /// Which part of the frauds is flagged, in thousandths; none without frauds.
    pub fn recall(self) -> Option<u64> {
        (self.found * 1_000).checked_div(self.found + self.missed)
    }
}
