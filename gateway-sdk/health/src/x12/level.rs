//! What an 837 says around its claims: billing provider, subscriber and patient (loops 2000A to 2010CA).

use super::received::Name;
use super::segment::Segment;
use super::spot::{Fault, problem};
use crate::claims::{MAX_PROBLEMS, Named, Problem};

/// Billing provider, subscriber and patient.
#[derive(Debug, Default)]
pub(super) struct Level {
    pub(super) npi: Option<String>,
    pub(super) provider: Name,
    pub(super) patient: Name,
    /// ISO 4217; empty: US dollars.
    pub(super) currency: String,
    /// The payer is the one that the file is sent to.
    pub(super) payer: bool,
    pub(super) member_number: Option<String>,
    /// The patient where that is not the subscriber: first name and day of birth.
    dependent: Option<(String, String)>,
    /// What is wrong for every claim below, by the level it is wrong at.
    pub(super) problems: Vec<(u8, Problem)>,
    depth: u8,
}

impl Level {
    pub(super) fn begin(&mut self, hl: &Segment<'_>) {
        self.depth = match hl.element(3) {
            "20" => 1,
            "22" => 2,
            "23" => 3,
            _ => {
                let reason = "20 (billing provider), 22 (subscriber) or 23 (patient) is expected";
                self.wrong(hl, "2000", 3, Fault::Code, reason);
                return;
            }
        };
        let depth = self.depth;
        self.problems.retain(|(at, _)| *at < depth);
        if depth == 1 {
            self.npi = None;
            self.provider = Name::default();
            self.currency.clear();
        }
        if depth <= 2 {
            self.payer = false;
            self.member_number = None;
            self.dependent = None;
            self.patient = Name::default();
        }
        if depth == 3 {
            self.dependent = Some(Default::default());
        }
    }

    pub(super) fn begin_subscriber(&mut self, sbr: &Segment<'_>) {
        if self.depth != 2 {
            self.wrong(
                sbr,
                "2000B",
                0,
                Fault::Unexpected,
                "a subscriber's level (HL) comes before it",
            );
        }
    }

    /// A subscriber's number, or a dependent's name.
    pub(super) fn member(&mut self, nm1: &Segment<'_>) {
        if matches!(nm1.element(1), "IL" | "QC") {
            self.patient = Name::of(nm1);
        }
        match (nm1.element(1), &mut self.dependent) {
            ("QC", Some((first, _))) => *first = nm1.element(4).to_uppercase(),
            ("IL", _) if nm1.element(8) == "MI" && !nm1.element(9).is_empty() => {
                self.member_number = Some(nm1.element(9).to_owned());
            }
            ("IL", _) => self.wrong(
                nm1,
                "2010BA",
                9,
                Fault::Missing,
                "the member's number is expected, with MI before it",
            ),
            _ => self.wrong(
                nm1,
                "2010CA",
                0,
                Fault::Unexpected,
                "a patient's level (HL) comes before it",
            ),
        }
    }

    pub(super) fn born(&mut self, dmg: &Segment<'_>) {
        if let Some((_, born)) = &mut self.dependent {
            *born = dmg.element(2).to_owned();
        }
    }

    pub(super) fn wrong(
        &mut self,
        segment: &Segment<'_>,
        inside: &'static str,
        element: usize,
        fault: Fault,
        reason: &str,
    ) {
        if self.problems.len() < MAX_PROBLEMS {
            let found = problem(segment, inside, (element, 0), fault, reason);
            self.problems.push((self.depth, found));
        }
    }

    /// ISO 4217.
    pub(super) fn currency(&self) -> &str {
        match self.currency.as_str() {
            "" => "USD",
            currency => currency,
        }
    }

    /// How a resolver knows the patient.
    pub(super) fn named(&self) -> Option<Named> {
        named(self.member_number.as_deref(), self.dependent.as_ref())
    }
}

/// How a resolver knows a patient: by the subscriber's number, `MI|number`, or as a dependent with first name and day of birth,
/// `MI-dependent|number birth FIRSTNAME`. Nobody without the number.
pub(super) fn named(number: Option<&str>, dependent: Option<&(String, String)>) -> Option<Named> {
    let number = number?;
    Some(match dependent {
        None => Named::number("MI", number),
        Some((first, born)) => Named::number("MI-dependent", &format!("{number} {born} {first}")),
    })
}
