//! A claim of an 837P that is being read, segment by segment (loops 2300 to 2430).

use super::segment::Segment;
use super::write::parse_day;
use crate::claims::{Decimal, MAX_PROBLEMS, Problem, Resolver};
use careledger_api::adjudication::{Frequency, MAX_LINES, npi_is_valid};
use careledger_api::date::Date;
use careledger_api::ids::{AuthorisationId, ClaimId};

/// In which loop of a claim the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// 2300 and 2310.
    Claim,
    /// 2320 and 2330: another payer.
    Other,
    /// 2400 and 2420.
    Line,
    /// 2430: another payer's word on the line.
    LineOther,
}

/// A claim that is being read.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) place: Place,
    pub(super) at: String,
    pub(super) number: String,
    pub(super) total: Option<Decimal>,
    pub(super) facility: String,
    pub(super) frequency: Option<Frequency>,
    pub(super) replaces: Option<ClaimId>,
    pub(super) diagnoses: Vec<String>,
    pub(super) rendering: Option<String>,
    pub(super) authorisation: Option<AuthorisationId>,
    /// What each payer before this one paid for the claim as a whole.
    pub(super) paid_before: Vec<Decimal>,
    pub(super) lines: Vec<Line>,
    pub(super) problems: Vec<Problem>,
    pub(super) ignored: Vec<Problem>,
}

/// A line that is being read.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) procedure: String,
    pub(super) modifiers: Vec<String>,
    pub(super) charge: Option<Decimal>,
    pub(super) units: Option<u32>,
    pub(super) place: String,
    pub(super) pointers: Vec<u8>,
    pub(super) date: Option<Date>,
    pub(super) rendering: Option<String>,
    pub(super) authorisation: Option<AuthorisationId>,
    pub(super) paid_before: Vec<Decimal>,
}

impl Open {
    pub(super) fn begin(clm: &Segment<'_>) -> Self {
        let mut open = Self {
            place: Place::Claim,
            at: clm.place(),
            number: clm.element(1).to_owned(),
            total: Decimal::parse(clm.element(2)),
            facility: clm.component(5, 1).to_owned(),
            frequency: clm.component(5, 3).parse().ok(),
            replaces: None,
            diagnoses: Vec::new(),
            rendering: None,
            authorisation: None,
            paid_before: Vec::new(),
            lines: Vec::new(),
            problems: Vec::new(),
            ignored: Vec::new(),
        };
        if !(1..=38).contains(&open.number.len()) {
            open.wrong(
                clm,
                1,
                "the provider's number of the claim is expected, 1 to 38 characters",
            );
        }
        if open.frequency.is_none() {
            let reason = "component 3 is the claim's frequency: 1 (first), 7 (replaces) or 8 (takes back)";
            open.problems
                .push(problem(clm, "2300", 5, reason).found(clm.component(5, 3)));
        }
        if clm.component(5, 2) != "B" {
            open.wrong(clm, 5, "component 2 is B: a place of service");
        }
        open
    }

    fn inside(&self) -> &'static str {
        match self.place {
            Place::Claim => "2300",
            Place::Other => "2320",
            Place::Line => "2400",
            Place::LineOther => "2430",
        }
    }

    fn wrong(&mut self, segment: &Segment<'_>, element: usize, reason: &str) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems
                .push(problem(segment, self.inside(), element, reason));
        }
    }

    fn ignore(&mut self, segment: &Segment<'_>) {
        if self.ignored.len() < MAX_PROBLEMS {
            let at = format!(
                "segment {} ({}, loop {})",
                segment.number,
                segment.id,
                self.inside()
            );
            self.ignored
                .push(Problem::new(at, "the ledger's claims have no place for it"));
        }
    }

    pub(super) fn name(&mut self, nm1: &Segment<'_>) {
        if nm1.element(1) != "82" || matches!(self.place, Place::Other | Place::LineOther) {
            return;
        }
        let npi = nm1.element(9);
        if nm1.element(8) != "XX" || !npi_is_valid(npi) {
            self.wrong(
                nm1,
                9,
                "the rendering provider's NPI is expected, with XX before it",
            );
            return;
        }
        match self.lines.last_mut() {
            Some(line) => line.rendering = Some(npi.to_owned()),
            None => self.rendering = Some(npi.to_owned()),
        }
    }

    pub(super) fn segment(&mut self, segment: &Segment<'_>, resolver: &dyn Resolver) {
        match (segment.id, self.place) {
            ("LX", _) => self.begin_line(segment),
            ("SV1", Place::Line) => self.service(segment, resolver),
            ("DTP", Place::Line) if segment.element(1) == "472" => self.serviced(segment),
            ("REF", Place::Claim | Place::Line) => self.reference(segment, resolver),
            ("HI", Place::Claim) => self.diagnoses(segment),
            ("AMT", Place::Other) if segment.element(1) == "D" => match Decimal::parse(segment.element(2)) {
                Some(paid) => self.paid_before.push(paid),
                None => self.wrong(segment, 2, "an amount is expected"),
            },
            ("SVD", Place::Line | Place::LineOther) => self.paid(segment),
            (
                "NTE" | "K3" | "PWK" | "CN1" | "CR1" | "CR2" | "CR3" | "CRC" | "HCP" | "MEA" | "LIN" | "CTP"
                | "SV5" | "FRM",
                _,
            ) => {
                self.ignore(segment);
            }
            (
                "DTP" | "REF" | "AMT" | "CAS" | "OI" | "MOA" | "N3" | "N4" | "PER" | "PRV" | "DMG" | "QTY"
                | "PS1" | "LQ",
                _,
            ) => {}
            _ => self.wrong(segment, 0, "a professional claim has no such segment here"),
        }
    }

    fn begin_line(&mut self, lx: &Segment<'_>) {
        self.place = Place::Line;
        if self.lines.len() >= MAX_LINES {
            self.wrong(lx, 1, "a claim has at most 50 lines");
            return;
        }
        self.lines.push(Line {
            number: lx.number,
            ..Line::default()
        });
    }

    fn service(&mut self, sv1: &Segment<'_>, resolver: &dyn Resolver) {
        let code = sv1.components(1);
        let (qualifier, procedure) = (code.first().copied(), code.get(1).copied().unwrap_or_default());
        let units = Decimal::parse(sv1.element(4)).and_then(Decimal::whole);
        let line = Line {
            procedure: resolver
                .procedure(qualifier, procedure)
                .unwrap_or_else(|| procedure.to_owned()),
            modifiers: code
                .iter()
                .skip(2)
                .take(4)
                .filter(|m| !m.is_empty())
                .map(|m| (*m).to_owned())
                .collect(),
            charge: Decimal::parse(sv1.element(2)),
            units: units.and_then(|n| u32::try_from(n).ok()),
            place: sv1.element(5).to_owned(),
            pointers: sv1.components(7).iter().filter_map(|p| p.parse().ok()).collect(),
            ..Line::default()
        };
        if qualifier != Some("HC") {
            self.wrong(sv1, 1, "component 1 is HC: a procedure code");
        }
        if line.charge.is_none() {
            self.wrong(sv1, 2, "an amount is expected");
        }
        if sv1.element(3) != "UN" {
            self.wrong(sv1, 3, "UN is expected: units");
        }
        if line.units.is_none() {
            self.wrong(sv1, 4, "a whole number of units is expected");
        }
        if sv1
            .components(7)
            .iter()
            .any(|p| !p.is_empty() && p.parse::<u8>().is_err())
        {
            self.wrong(sv1, 7, "numbers of the claim's diagnoses are expected");
        }
        if let Some(open) = self.lines.last_mut() {
            *open = Line {
                number: open.number,
                ..line
            };
        }
    }

    fn serviced(&mut self, dtp: &Segment<'_>) {
        let text = dtp.element(3);
        let day = match (dtp.element(2), text.split_once('-')) {
            ("D8", _) => parse_day(text),
            ("RD8", Some((from, until))) if from == until => parse_day(from),
            _ => None,
        };
        if day.is_none() {
            self.wrong(
                dtp,
                3,
                "one day of service is expected, as D8 and YYYYMMDD; write a line for each day",
            );
        }
        if let Some(line) = self.lines.last_mut() {
            line.date = day;
        }
    }

    fn reference(&mut self, segment: &Segment<'_>, resolver: &dyn Resolver) {
        let number = segment.element(2);
        match segment.element(1) {
            "G1" => {
                let id = number.parse().ok().or_else(|| resolver.authorisation(number));
                if id.is_none() {
                    self.wrong(segment, 2, "no authorisation of this payer has that number: give the 32 hex digits of its answer, or list it");
                }
                match self.lines.last_mut() {
                    Some(line) => line.authorisation = id,
                    None => self.authorisation = id,
                }
            }
            "F8" if self.lines.is_empty() => {
                self.replaces = number.parse().ok().or_else(|| resolver.claim(number));
                if self.replaces.is_none() {
                    self.wrong(segment, 2, "the payer's number of the claim before is expected: 32 hex digits, as its remittance gave them (CLP07)");
                }
            }
            _ => {}
        }
    }

    fn diagnoses(&mut self, hi: &Segment<'_>) {
        for number in 1..=hi.len() {
            let (list, code) = (hi.component(number, 1), hi.component(number, 2));
            match list {
                "ABK" | "ABF" => self.diagnoses.push(dotted(code)),
                "BK" | "BF" => self.wrong(
                    hi,
                    number,
                    "diagnoses are written in ICD-10-CM, with ABK or ABF before them",
                ),
                _ => self.ignore(hi),
            }
        }
    }

    fn paid(&mut self, svd: &Segment<'_>) {
        self.place = Place::LineOther;
        match (Decimal::parse(svd.element(2)), self.lines.last_mut()) {
            (Some(paid), Some(line)) => line.paid_before.push(paid),
            _ => self.wrong(svd, 2, "what the other payer paid for the line is expected"),
        }
    }
}

/// X12 writes diagnoses without their dot.
fn dotted(code: &str) -> String {
    match (code.get(..3), code.get(3..)) {
        (Some(head), Some(rest)) if !rest.is_empty() && !rest.starts_with('.') => format!("{head}.{rest}"),
        _ => code.to_owned(),
    }
}

/// An element of a segment within a loop.
pub(super) fn problem(segment: &Segment<'_>, inside: &str, element: usize, reason: &str) -> Problem {
    let at = format!(
        "segment {} ({}, loop {inside}), element {element:02}",
        segment.number, segment.id
    );
    Problem::new(at, reason)
}
