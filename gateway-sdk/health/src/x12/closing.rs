//! From what was read of a claim to the ledger's claim.

use super::form::Form;
use super::level::Level;
use super::open::{Line, Open};
use super::received::Noted;
use super::spot::{Fault, Spot};
use crate::claims::{Account, Decimal, MAX_PROBLEMS, Problem, Read, Resolver, Submission, checked};
use careledger_api::adjudication::{Claim, ClaimLine, Edit, Frequency, OtherPayer, Site};
use std::collections::{BTreeMap, BTreeSet};

fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

impl Open {
    /// The claim, once all of it is read, and what acknowledgments say of it.
    pub(super) fn close(mut self, level: &Level, resolver: &dyn Resolver) -> (Read, Noted) {
        let account = Account {
            claim_number: Some(self.number.clone()),
            member_number: level.member_number.clone(),
            last_name: said(&level.patient.last),
            first_name: said(&level.patient.first),
        };
        let at = self.at.clone();
        self.problems
            .extend(level.problems.iter().map(|(_, problem)| problem.clone()));
        let noted = self.noted(level);
        let body = self.claim(level, resolver);
        let outcome = match body {
            Some(claim) if self.problems.is_empty() => {
                let numbers: BTreeMap<u16, usize> =
                    (1u16..).zip(self.lines.iter().map(|line| line.number)).collect();
                let sum: i64 = claim
                    .lines
                    .iter()
                    .fold(0, |sum, line| sum.saturating_add(line.charge));
                let total = if sum == claim.total { 0 } else { 2 };
                let told = |edit: &Edit| {
                    let line = edit
                        .line
                        .map(|line| numbers.get(&line).copied().unwrap_or_default());
                    let (place, spot) = match line {
                        Some(lx) => (
                            format!("segment {lx} (LX, loop 2400)"),
                            Spot::at(lx, "LX", "2400", 0, Fault::Refused),
                        ),
                        None => (
                            at.clone(),
                            Spot::at(self.segment, "CLM", "2300", total, Fault::Refused),
                        ),
                    };
                    Problem::new(place, edit.explanation.as_ref()).in_x12(spot)
                };
                checked(claim, resolver.numbers(), &at, told).map(|body| Submission::Claim(Box::new(body)))
            }
            _ => Err(self.problems),
        };
        let read = Read {
            at,
            account,
            outcome,
            ignored: self.ignored,
        };
        (read, noted)
    }

    fn noted(&self, level: &Level) -> Noted {
        let days = self.lines.iter().filter_map(|line| line.date);
        let (first, last) = (days.clone().min(), days.max());
        Noted {
            provider: level.provider.clone(),
            patient: level.patient.clone(),
            currency: level.currency().to_owned(),
            charge: self.total.and_then(|total| total.minor(level.currency())),
            days: first.zip(last).or(self.days),
            bill: (self.form == Form::Institutional).then(|| {
                let frequency = self.frequency.map_or("", Frequency::as_str);
                format!("{}{frequency}", self.facility)
            }),
        }
    }

    /// Something about the claim as a whole; where it would stand is `inside`.
    fn wrong_here(&mut self, what: &str, (id, inside, element): Here, fault: Fault, reason: &str) {
        let spot = Spot {
            qualifier: if id == "REF" { "F8" } else { "" },
            ..Spot::at(self.segment, id, inside, element, fault)
        };
        self.problems
            .push(Problem::new(format!("{}, {what}", self.at), reason).in_x12(spot));
    }

    fn claim(&mut self, level: &Level, resolver: &dyn Resolver) -> Option<Claim> {
        let currency = level.currency();
        let coverage = level.named().and_then(|named| resolver.coverage(&named));
        if coverage.is_none() {
            self.wrong_here(
                "loop 2010BA",
                ("NM1", "2010BA", 9),
                Fault::Refused,
                "no coverage of this payer is known for the member's number; list it",
            );
        }
        if level.problems.is_empty() {
            if level.npi.is_none() {
                let reason = "the billing provider (NM1*85) comes before it";
                self.wrong_here("loop 2010AA", ("NM1", "2010AA", 0), Fault::Missing, reason);
            }
            if !level.payer {
                let reason = "the payer (NM1*PR) comes before it";
                self.wrong_here("loop 2010BB", ("NM1", "2010BB", 0), Fault::Missing, reason);
            }
        }
        let frequency = self.frequency?;
        match (frequency, self.replaces) {
            (Frequency::Original, Some(_)) => {
                let reason = "a first claim (frequency 1) names no claim before it";
                self.wrong_here("REF*F8", PRIOR, Fault::Refused, reason);
            }
            (Frequency::Replacement | Frequency::Void, None) => {
                let named =
                    |problem: &Problem| problem.x12.as_ref().is_some_and(|spot| spot.qualifier == "F8");
                // One that is not known is said already.
                let fault = match self.problems.iter().any(named) {
                    true => Fault::Refused,
                    false => Fault::Missing,
                };
                self.wrong_here(
                    "REF*F8",
                    PRIOR,
                    fault,
                    "frequency 7 and 8 name the payer's number of the claim that they are for",
                );
            }
            _ => {}
        }
        let total = self.total.and_then(|total| total.minor(currency));
        if total.is_none() {
            let reason = "an amount in the claim's currency is expected";
            self.wrong_here("element 02", ("CLM", "2300", 2), Fault::Format, reason);
        }
        let lines = self.lines(currency);
        let npi = level.npi.clone()?;
        let for_id = self.replaces.map(|id| (frequency.as_str(), id));
        Some(Claim {
            id: resolver.numbers().claim(&npi, "CLM01", &self.number, for_id),
            coverage: coverage?,
            lines: lines?
                .into_iter()
                .map(|line| ClaimLine {
                    rendering_npi: line.rendering_npi.filter(|performer| *performer != npi),
                    ..line
                })
                .collect(),
            provider_npi: npi,
            currency: currency.to_owned(),
            total: total?,
            kind: self.form.kind(),
            frequency,
            replaces: self.replaces,
            diagnoses: std::mem::take(&mut self.diagnoses),
        })
    }

    /// What payers before this one paid for the claim (AMT*D of each) is what they paid for its lines (SVD): whatever is left out, this payer would
    /// pay again.
    fn paid_before(&mut self, currency: &str) {
        let of_lines = self.lines.iter().flat_map(|line| &line.paid_before);
        let (whole, of_lines) = (sum(&self.paid_before, currency), sum(of_lines, currency));
        let known = self.lines.iter().any(|line| !line.paid_before.is_empty());
        let reason = match (self.lines.as_mut_slice(), whole) {
            (_, None) => "what other payers paid is an amount in the claim's currency, not below 0",
            _ if self.paid_before.is_empty() => return,
            _ if known && of_lines != whole => {
                "what all other payers paid (AMT*D) is not what they paid for the lines (SVD, loop 2430)"
            }
            _ if known => return,
            // Nothing paid need not be divided: nothing was paid for each line, which is another thing than no other payer.
            (lines, Some(0)) => {
                let paid = &self.paid_before;
                lines
                    .iter_mut()
                    .for_each(|line| line.paid_before.clone_from(paid));
                return;
            }
            ([only], _) => {
                only.paid_before.clone_from(&self.paid_before);
                return;
            }
            _ => "what another payer paid is needed line by line (SVD, loop 2430)",
        };
        self.wrong_here("loop 2320, AMT", ("AMT", "2320", 2), Fault::Refused, reason);
    }

    fn lines(&mut self, currency: &str) -> Option<Vec<ClaimLine>> {
        self.paid_before(currency);
        let mut lines = Vec::new();
        let mut problems = Vec::new();
        for (sequence, line) in (1u16..).zip(&self.lines) {
            let at = format!("segment {} (LX, loop 2400)", line.number);
            let charge = line.charge.and_then(|charge| charge.minor(currency));
            let own = self.days.filter(|(from, until)| from == until && !line.dated);
            let date = line.date.or(own.map(|(day, _)| day));
            let (Some(charge), Some(date), Some(units)) = (charge, date, line.units) else {
                let reason = match self.form.days() {
                    None => {
                        "a line has a service (SV1) with an amount in the claim's currency, and its day (DTP*472)"
                    }
                    Some(_) => {
                        "a line has a service with an amount in the claim's currency, and its day (DTP*472) where the claim has more than one"
                    }
                };
                problems.push(Problem::new(at, reason).in_x12(self.unfinished(line, charge)));
                continue;
            };
            let Some(paid) = sum(&line.paid_before, currency) else {
                let spot = Spot::at(line.number, "SVD", "2430", 2, Fault::Refused);
                let reason = "what another payer paid is an amount in the claim's currency, not below 0";
                problems.push(Problem::new(at, reason).in_x12(spot));
                continue;
            };
            // A type of bill is no place of service.
            let facility = (self.form != Form::Institutional).then_some(&self.facility);
            let place = Some(&line.place).filter(|p| !p.is_empty()).or(facility);
            lines.push(ClaimLine {
                modifiers: line.modifiers.clone(),
                place: place.filter(|place| !place.is_empty()).cloned(),
                diagnoses: line.pointers.clone(),
                rendering_npi: line.rendering.clone().or_else(|| self.rendering.clone()),
                authorisation: line.authorisation.or(self.authorisation),
                site: (line.site != Site::default()).then(|| line.site.clone()),
                other_payer: (!line.paid_before.is_empty()).then_some(OtherPayer { paid }),
                ..ClaimLine::new(sequence, &line.procedure, date, units, charge)
            });
        }
        problems.extend(self.alike(&lines));
        let all = problems.is_empty();
        self.problems.extend(problems.into_iter().take(MAX_PROBLEMS));
        all.then_some(lines)
    }

    /// Lines that nothing but a revenue code tells apart: the ledger has no place for it, and would take the second for the first again.
    fn alike(&self, lines: &[ClaimLine]) -> Vec<Problem> {
        let same = |a: &ClaimLine, b: &ClaimLine| {
            let modifiers = |line: &ClaimLine| line.modifiers.iter().cloned().collect::<BTreeSet<_>>();
            (&a.procedure, a.date, &a.rendering_npi) == (&b.procedure, b.date, &b.rendering_npi)
                && modifiers(a) == modifiers(b)
        };
        // A line that is not whole is refused for that.
        let read: Vec<(&ClaimLine, &Line)> = lines
            .iter()
            .filter_map(|line| Some((line, self.lines.get(usize::from(line.sequence).checked_sub(1)?)?)))
            .collect();
        let reason = "another line has the same procedure, modifiers, day and performer, and the ledger has no place for the revenue code that tells them apart: write one line with the units of both, or modifiers";
        let second = read.iter().enumerate().filter(|(index, (line, said))| {
            let before = read.iter().take(*index);
            before
                .into_iter()
                .any(|(other, of)| same(other, line) && of.revenue != said.revenue)
        });
        second
            .map(|(_, (_, said))| {
                let at = format!("segment {} (LX, loop 2400)", said.number);
                Problem::new(at, reason).in_x12(Spot::at(said.number, "LX", "2400", 0, Fault::Refused))
            })
            .collect()
    }

    /// What a line lacks.
    fn unfinished(&self, line: &Line, charge: Option<i64>) -> Spot {
        let service = self.form.service();
        let (id, element, fault) = match charge {
            _ if line.procedure.is_empty() && line.charge.is_none() => (service, 0, Fault::Missing),
            None => (service, 0, Fault::Refused),
            Some(_) if !line.dated => ("DTP", 0, Fault::Missing),
            // What is wrong with it is said at its segment.
            Some(_) => ("LX", 0, Fault::Refused),
        };
        Spot::at(line.number, id, "2400", element, fault)
    }
}

/// Segment, loop and element.
type Here = (&'static str, &'static str, usize);

const PRIOR: Here = ("REF", "2300", 2);

/// Payments in minor units; none where one is no amount of the currency, or below 0.
fn sum<'a>(payments: impl IntoIterator<Item = &'a Decimal>, currency: &str) -> Option<i64> {
    payments.into_iter().try_fold(0i64, |sum, paid| {
        sum.checked_add(paid.minor(currency).filter(|paid| *paid >= 0)?)
    })
}
