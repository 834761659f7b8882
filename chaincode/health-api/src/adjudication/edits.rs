//! Front-end edits: what can be said of a claim without the plan, and of a plan alone.

use super::{Claim, ClaimLine, Edit, EditCode, MAX_AMOUNT, MAX_LINES, MAX_PRICES, Plan};
use crate::HealthError;
use std::collections::BTreeSet;

/// Checks a claim's form and identifiers; empty means accepted. All findings are given, form before identifiers.
pub fn check(claim: &Claim) -> Vec<Edit> {
    let mut found = Vec::new();
    let mut form = |line, wrong: bool, explanation: &str| {
        if wrong {
            found.push(Edit::new(EditCode::Form, line, explanation));
        }
    };
    form(
        None,
        !(1..=MAX_LINES).contains(&claim.lines.len()),
        "a claim has 1 to 50 lines",
    );
    form(
        None,
        !currency(&claim.currency),
        "a currency is written as three capital letters",
    );
    let sequences: BTreeSet<u16> = claim.lines.iter().map(|l| l.sequence).collect();
    form(
        None,
        sequences.len() != claim.lines.len(),
        "each line has its own number",
    );
    let years: BTreeSet<u16> = claim.lines.iter().map(|l| l.date.year()).collect();
    form(
        None,
        years.len() > 1,
        "all lines of a claim lie in one calendar year",
    );
    for line in &claim.lines {
        let at = Some(line.sequence);
        form(at, line.sequence == 0, "lines are numbered from 1");
        form(
            at,
            !procedure(line),
            "a procedure code has 1 to 16 capital letters, digits or -",
        );
        form(at, !(1..=999).contains(&line.units), "a line has 1 to 999 units");
        form(
            at,
            !(1..=MAX_AMOUNT).contains(&line.charge),
            "a charge is above zero and at most 10^12 minor units",
        );
    }
    let sum = claim
        .lines
        .iter()
        .try_fold(0i64, |sum, line| sum.checked_add(line.charge));
    form(
        None,
        sum != Some(claim.total),
        "the total is the sum of the lines' charges",
    );
    if !npi_is_valid(&claim.provider_npi) {
        let explanation =
            "the provider's NPI must have 10 digits, begin with 1 or 2 and satisfy its check digit";
        found.push(Edit::new(EditCode::ProviderIdentifier, None, explanation));
    }
    found
}

/// Whether a National Provider Identifier is well formed: 10 digits, the first 1 or 2, and the Luhn check over `80840` and the number
/// (45 CFR 162.406).
pub fn npi_is_valid(npi: &str) -> bool {
    let shape = npi.len() == 10 && npi.starts_with(['1', '2']) && npi.bytes().all(|b| b.is_ascii_digit());
    shape && luhn(format!("80840{npi}").as_bytes())
}

impl Plan {
    /// Checks that a plan's rules are consistent: `INVALID_CODE` says what is not.
    pub fn validate(&self) -> Result<(), HealthError> {
        let amount = |value: i64| (0..=MAX_AMOUNT).contains(&value);
        let prices = self
            .prices
            .values()
            .all(|p| (1..=MAX_AMOUNT / 1000).contains(&p.amount) && (1..=999).contains(&p.max_units));
        let rules = [
            (self.version > 0, "a plan's versions begin with 1"),
            (
                currency(&self.currency),
                "a currency is written as three capital letters",
            ),
            (
                amount(self.deductible) && amount(self.copay) && amount(self.out_of_pocket_maximum),
                "amounts lie between 0 and 10^12 minor units",
            ),
            (self.coinsurance <= 10_000, "coinsurance is at most 10000 (100 %)"),
            (
                self.deductible <= self.out_of_pocket_maximum,
                "the deductible is at most the out-of-pocket maximum",
            ),
            (
                prices && self.prices.len() <= MAX_PRICES,
                "prices are above zero, units 1 to 999, and there are at most 10000",
            ),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, reason)) => Err(HealthError::InvalidCode(reason.to_owned())),
            None => Ok(()),
        }
    }
}

fn luhn(digits: &[u8]) -> bool {
    let doubled = |value: u32| if value > 4 { value * 2 - 9 } else { value * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .map(|b| u32::from(b - b'0'))
        .enumerate()
        .map(|(place, value)| if place % 2 == 1 { doubled(value) } else { value })
        .sum();
    sum.is_multiple_of(10)
}

fn currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase())
}

fn procedure(line: &ClaimLine) -> bool {
    let code = &line.procedure;
    (1..=16).contains(&code.len())
        && code
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-')
}
