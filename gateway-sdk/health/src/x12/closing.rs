//! From what was read of a claim to the ledger's claim.

use super::level::Level;
use super::open::Open;
use crate::claims::{Account, Decimal, MAX_PROBLEMS, Problem, Read, Resolver, Submission, checked};
use careledger_api::adjudication::{Claim, ClaimKind, ClaimLine, Frequency, OtherPayer};
use std::collections::BTreeMap;

impl Open {
    /// The claim, once all of it is read.
    pub(super) fn close(mut self, level: &Level, resolver: &dyn Resolver) -> Read {
        let account = Account {
            claim_number: Some(self.number.clone()),
            member_number: level.member_number.clone(),
        };
        let at = self.at.clone();
        self.problems
            .extend(level.problems.iter().map(|(_, problem)| problem.clone()));
        let body = self.claim(level, resolver);
        let outcome = match body {
            Some(claim) if self.problems.is_empty() => {
                let numbers: BTreeMap<u16, usize> =
                    (1u16..).zip(self.lines.iter().map(|line| line.number)).collect();
                let at_line = |line: u16| {
                    format!(
                        "segment {} (LX, loop 2400)",
                        numbers.get(&line).copied().unwrap_or_default()
                    )
                };
                checked(claim, resolver.numbers(), &at, at_line).map(|body| Submission::Claim(Box::new(body)))
            }
            _ => Err(self.problems),
        };
        Read {
            at,
            account,
            outcome,
            ignored: self.ignored,
        }
    }

    fn wrong_here(&mut self, what: &str, reason: &str) {
        self.problems
            .push(Problem::new(format!("{}, {what}", self.at), reason));
    }

    fn claim(&mut self, level: &Level, resolver: &dyn Resolver) -> Option<Claim> {
        let currency = if level.currency.is_empty() {
            "USD"
        } else {
            &level.currency
        };
        let coverage = level.named().and_then(|named| resolver.coverage(&named));
        if coverage.is_none() {
            self.wrong_here(
                "loop 2010BA",
                "no coverage of this payer is known for the member's number; list it",
            );
        }
        if level.problems.is_empty() {
            if level.npi.is_none() {
                self.wrong_here("loop 2010AA", "the billing provider (NM1*85) comes before it");
            }
            if !level.payer {
                self.wrong_here("loop 2010BB", "the payer (NM1*PR) comes before it");
            }
        }
        let frequency = self.frequency?;
        match (frequency, self.replaces) {
            (Frequency::Original, Some(_)) => {
                self.wrong_here("REF*F8", "a first claim (frequency 1) names no claim before it")
            }
            (Frequency::Replacement | Frequency::Void, None) => {
                self.wrong_here(
                    "REF*F8",
                    "frequency 7 and 8 name the payer's number of the claim that they are for",
                );
            }
            _ => {}
        }
        let total = self.total.and_then(|total| total.minor(currency));
        if total.is_none() {
            self.wrong_here("element 02", "an amount in the claim's currency is expected");
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
            kind: ClaimKind::Professional,
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
            // Nothing paid need not be divided.
            (_, Some(0)) => return,
            _ if known => return,
            ([only], _) => {
                only.paid_before.clone_from(&self.paid_before);
                return;
            }
            _ => "what another payer paid is needed line by line (SVD, loop 2430)",
        };
        self.wrong_here("loop 2320, AMT", reason);
    }

    fn lines(&mut self, currency: &str) -> Option<Vec<ClaimLine>> {
        self.paid_before(currency);
        let mut lines = Vec::new();
        let mut problems = Vec::new();
        for (sequence, line) in (1u16..).zip(&self.lines) {
            let at = format!("segment {} (LX, loop 2400)", line.number);
            let charge = line.charge.and_then(|charge| charge.minor(currency));
            let (Some(charge), Some(date), Some(units)) = (charge, line.date, line.units) else {
                let reason = "a line has a service (SV1) with an amount in the claim's currency, and its day (DTP*472)";
                problems.push(Problem::new(at, reason));
                continue;
            };
            let Some(paid) = sum(&line.paid_before, currency) else {
                problems.push(Problem::new(
                    at,
                    "what another payer paid is an amount in the claim's currency, not below 0",
                ));
                continue;
            };
            let place = Some(&line.place)
                .filter(|p| !p.is_empty())
                .unwrap_or(&self.facility);
            lines.push(ClaimLine {
                modifiers: line.modifiers.clone(),
                place: Some(place.clone()).filter(|place| !place.is_empty()),
                diagnoses: line.pointers.clone(),
                rendering_npi: line.rendering.clone().or_else(|| self.rendering.clone()),
                authorisation: line.authorisation.or(self.authorisation),
                other_payer: (!line.paid_before.is_empty()).then_some(OtherPayer { paid }),
                ..ClaimLine::new(sequence, &line.procedure, date, units, charge)
            });
        }
        let all = problems.is_empty();
        self.problems.extend(problems.into_iter().take(MAX_PROBLEMS));
        all.then_some(lines)
    }
}

/// Payments in minor units; none where one is no amount of the currency, or below 0.
fn sum<'a>(payments: impl IntoIterator<Item = &'a Decimal>, currency: &str) -> Option<i64> {
    payments.into_iter().try_fold(0i64, |sum, paid| {
        sum.checked_add(paid.minor(currency).filter(|paid| *paid >= 0)?)
    })
}
