//! A claim of an 837 that is being read, segment by segment (loops 2300 to 2430).

use super::form::Form;
use super::segment::Segment;
use super::spot::{Fault, problem};
use super::write::parse_day;
use crate::claims::{Decimal, MAX_PROBLEMS, Problem, Resolver};
use careledger_api::adjudication::{Frequency, MAX_LINES, Site, npi_is_valid};
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
    pub(super) form: Form,
    pub(super) place: Place,
    pub(super) at: String,
    /// The number of its CLM in the file.
    pub(super) segment: usize,
    pub(super) number: String,
    pub(super) total: Option<Decimal>,
    /// The first and the last of the claim's own days, where its guide has them.
    pub(super) days: Option<(Date, Date)>,
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
    /// Its day was said, rightly or not.
    pub(super) dated: bool,
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
    /// Where on the body; nothing where it does not say.
    pub(super) site: Site,
    /// What tells it apart from another line, and has no place on the ledger: its revenue code.
    pub(super) revenue: String,
}

impl Open {
    pub(super) fn begin(form: Form, clm: &Segment<'_>) -> Self {
        let mut open = Self {
            form,
            place: Place::Claim,
            at: clm.place(),
            segment: clm.number,
            number: clm.element(1).to_owned(),
            total: Decimal::parse(clm.element(2)),
            days: None,
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
                (1, 0),
                Fault::Format,
                "the provider's number of the claim is expected, 1 to 38 characters",
            );
        }
        if open.frequency.is_none() {
            let reason = "component 3 is the claim's frequency: 1 (first), 7 (replaces) or 8 (takes back)";
            // Institutions' interim bills have others.
            let found = problem(clm, "2300", (5, 3), Fault::Refused, reason).found(clm.component(5, 3));
            open.problems.push(found);
        }
        if clm.component(5, 2) != form.facility() {
            let reason = match form {
                Form::Institutional => "component 2 is A: a type of bill",
                _ => "component 2 is B: a place of service",
            };
            open.wrong(clm, (5, 2), Fault::Code, reason);
        }
        if form == Form::Institutional {
            open.ignore(clm);
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

    pub(super) fn wrong(&mut self, segment: &Segment<'_>, at: (usize, usize), fault: Fault, reason: &str) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems
                .push(problem(segment, self.inside(), at, fault, reason));
        }
    }

    pub(super) fn ignore(&mut self, segment: &Segment<'_>) {
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
                (9, 0),
                Fault::Refused,
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
            (id, Place::Line) if id == self.form.service() => self.service(segment, resolver),
            ("DTP", Place::Line) if segment.element(1) == "472" => self.serviced(segment),
            ("DTP", Place::Claim) if Some(segment.element(1)) == self.form.days() => self.own_days(segment),
            ("REF", Place::Claim | Place::Line) => self.reference(segment, resolver),
            ("HI", Place::Claim) => self.diagnoses(segment),
            ("AMT", Place::Other) if segment.element(1) == "D" => match Decimal::parse(segment.element(2)) {
                Some(paid) => self.paid_before.push(paid),
                None => self.wrong(segment, (2, 0), Fault::Format, "an amount is expected"),
            },
            ("SVD", Place::Line | Place::LineOther) => self.paid(segment),
            ("TOO", Place::Line) if self.form == Form::Dental => self.tooth(segment),
            (id, _) if self.form.says(id) => self.ignore(segment),
            (
                "DTP" | "REF" | "AMT" | "CAS" | "OI" | "MOA" | "N3" | "N4" | "PER" | "PRV" | "DMG" | "QTY"
                | "PS1" | "LQ",
                _,
            ) => {}
            _ => self.wrong(
                segment,
                (0, 0),
                Fault::Unexpected,
                "a claim of this guide has no such segment here",
            ),
        }
    }

    fn begin_line(&mut self, lx: &Segment<'_>) {
        self.place = Place::Line;
        if self.lines.len() >= MAX_LINES {
            self.wrong(lx, (1, 0), Fault::Refused, "a claim has at most 50 lines");
            return;
        }
        self.lines.push(Line {
            number: lx.number,
            ..Line::default()
        });
    }

    fn serviced(&mut self, dtp: &Segment<'_>) {
        let reason = "one day of service is expected, as D8 and YYYYMMDD; write a line for each day";
        let day = match days(dtp) {
            Some((from, until)) if from == until => Some(from),
            Some(_) => {
                self.wrong(dtp, (3, 0), Fault::Refused, reason);
                None
            }
            None => {
                self.wrong(dtp, (3, 0), Fault::Date, reason);
                None
            }
        };
        if let Some(line) = self.lines.last_mut() {
            (line.date, line.dated) = (day, true);
        }
    }

    /// The statement's days, or the service's where a claim's lines have none of their own.
    fn own_days(&mut self, dtp: &Segment<'_>) {
        self.days = days(dtp);
        if self.days.is_none() {
            let reason = "days are expected, as D8 and YYYYMMDD or RD8 and YYYYMMDD-YYYYMMDD";
            self.wrong(dtp, (3, 0), Fault::Date, reason);
        }
    }

    fn reference(&mut self, segment: &Segment<'_>, resolver: &dyn Resolver) {
        let number = segment.element(2);
        match segment.element(1) {
            "G1" => {
                let id = number.parse().ok().or_else(|| resolver.authorisation(number));
                if id.is_none() {
                    self.wrong(segment, (2, 0), Fault::Refused, "no authorisation of this payer has that number: give the 32 hex digits of its answer, or list it");
                }
                match self.lines.last_mut() {
                    Some(line) => line.authorisation = id,
                    None => self.authorisation = id,
                }
            }
            "F8" if self.lines.is_empty() => {
                self.replaces = number.parse().ok().or_else(|| resolver.claim(number));
                if self.replaces.is_none() {
                    self.wrong(segment, (2, 0), Fault::Refused, "the payer's number of the claim before is expected: 32 hex digits, as its remittance gave them (CLP07)");
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
                    (number, 1),
                    Fault::Refused,
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
            _ => self.wrong(
                svd,
                (2, 0),
                Fault::Format,
                "what the other payer paid for the line is expected",
            ),
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

/// The first and the last day of a DTP.
pub(super) fn days(dtp: &Segment<'_>) -> Option<(Date, Date)> {
    let text = dtp.element(3);
    let (from, until) = match (dtp.element(2), text.split_once('-')) {
        ("D8", _) => (parse_day(text)?, parse_day(text)?),
        ("RD8", Some((from, until))) => (parse_day(from)?, parse_day(until)?),
        _ => return None,
    };
    (from <= until).then_some((from, until))
}
