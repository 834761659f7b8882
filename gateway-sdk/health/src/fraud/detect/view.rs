//! The lines that stand, and what is recorded around them, as the detectors ask for it.

use std::collections::{BTreeMap, HashMap};

use careledger_api::adjudication::{
    Adjudication, Claim, ClaimLine, EditCode, Effect, Frequency, LineResult, ProcedureRules,
};
use careledger_api::date::Date;
use careledger_api::ids::CoverageId;

use super::flag::Lines;
use crate::fraud::{Book, Encounter, Received, Surroundings};

/// A line that stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) claim: &'a Claim,
    pub(super) line: &'a ClaimLine,
    pub(super) result: Option<&'a LineResult>,
}

/// Every line that stands, in the order in which the claims came.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) book: &'a Book,
    pub(super) around: &'a Surroundings,
    pub(super) lines: Vec<Line<'a>>,
    members: HashMap<CoverageId, Vec<usize>>,
    encounters: HashMap<(CoverageId, Date), Vec<&'a Encounter>>,
}

impl<'a> View<'a> {
    pub(super) fn new(book: &'a Book, results: &'a [Option<Adjudication>], around: &'a Surroundings) -> Self {
        let gone = book.superseded();
        let results = results.iter().map(Option::as_ref).chain(std::iter::repeat(None));
        let mut lines = Vec::new();
        for (Received { claim, .. }, result) in book.claims.iter().zip(results) {
            if gone.contains(&claim.id) || claim.frequency == Frequency::Void {
                continue;
            }
            let result = |line: &ClaimLine| {
                let mut decided = result?.lines.iter();
                decided.find(|decided| decided.sequence == line.sequence)
            };
            lines.extend(claim.lines.iter().map(|line| Line {
                claim,
                line,
                result: result(line),
            }));
        }
        let mut members: HashMap<CoverageId, Vec<usize>> = HashMap::new();
        for (at, line) in lines.iter().enumerate() {
            members.entry(line.claim.coverage).or_default().push(at);
        }
        let mut encounters: HashMap<_, Vec<_>> = HashMap::new();
        for encounter in &around.encounters {
            let day = (encounter.coverage, encounter.date);
            encounters.entry(day).or_default().push(encounter);
        }
        Self {
            book,
            around,
            lines,
            members,
            encounters,
        }
    }

    /// The lines with their positions.
    pub(super) fn each(&self) -> impl Iterator<Item = (usize, Line<'a>)> {
        self.lines.iter().copied().enumerate()
    }

    /// The member's lines with the same billing provider, its own claim's among them, in the order in which they came.
    pub(super) fn beside(&self, of: Line<'a>) -> impl Iterator<Item = (usize, Line<'a>)> {
        let own = self.members.get(&of.claim.coverage).into_iter().flatten();
        own.filter_map(|at| Some((*at, *self.lines.get(*at)?)))
            .filter(move |(_, other)| other.claim.provider_npi == of.claim.provider_npi)
    }

    /// The same without its own claim's.
    pub(super) fn others(&self, of: Line<'a>) -> impl Iterator<Item = (usize, Line<'a>)> {
        self.beside(of)
            .filter(move |(_, other)| other.claim.id != of.claim.id)
    }

    /// The encounters of the line's member with its billing provider on the line's day.
    pub(super) fn encounters(&self, of: Line<'a>) -> impl Iterator<Item = &'a Encounter> {
        let day = (of.claim.coverage, of.line.date);
        let recorded = self.encounters.get(&day).into_iter().flatten();
        recorded
            .copied()
            .filter(move |encounter| encounter.provider == of.claim.provider_npi)
    }

    /// What the plan asks of a procedure.
    pub(super) fn rules(&self, procedure: &str) -> Option<&'a ProcedureRules> {
        self.book.plan.procedures.get(procedure)
    }

    /// What a line takes of its performer's time at least, by the plan.
    pub(super) fn minutes(&self, line: &ClaimLine) -> u32 {
        let rules = self.rules(&line.procedure);
        rules
            .map_or(0, |rules| u32::from(rules.minutes))
            .saturating_mul(line.units)
    }

    /// The performer's kind.
    pub(super) fn specialty(&self, of: Line<'a>) -> Option<&'a str> {
        self.around.specialties.get(of.performer()).map(String::as_str)
    }

    /// The lines' names.
    pub(super) fn named(&self, lines: &[usize]) -> Lines {
        let mut named: Lines = BTreeMap::new();
        for line in lines.iter().filter_map(|at| self.lines.get(*at)) {
            named.entry(line.claim.id).or_default().insert(line.line.sequence);
        }
        named
    }
}

impl<'a> Line<'a> {
    pub(super) fn performer(&self) -> &'a str {
        self.claim.performer(self.line)
    }

    /// Whether a rule of the adjudication denied or pended the line.
    pub(super) fn stopped_by(&self, code: EditCode) -> bool {
        let edits = self
            .result
            .map(|result| result.edits.as_slice())
            .unwrap_or_default();
        let stops = |effect| matches!(effect, Effect::Denied | Effect::Pended);
        edits.iter().any(|edit| edit.code == code && stops(edit.effect))
    }

    /// Days between two lines.
    pub(super) fn apart(&self, other: &Line<'_>) -> i64 {
        (self.line.date.days() - other.line.date.days()).abs()
    }
}
