//! The adjudication engine: claim × plan × coverage × what the member has paid → lines that balance exactly. Pure; money is i64 minor units.
//!
//! ```text
//! front end (check):   form → identifiers (NPI)
//! payer (adjudicate):  coverage on date → timely filing → price list → quantity → repeated line → deductible → copay → coinsurance → out-of-pocket cap
//! every line:          charge = allowed + CO + PR + OA + PI
//! ```
//!
//! `allowed` is what the payer pays for the line. CO is the provider's contractual write-off, PR the member's part, OA other adjustments, PI what
//! the payer refuses on its own account (the adjustment groups of X12 835).

mod edits;
mod engine;
#[cfg(test)]
mod tests;

pub use edits::{check, npi_is_valid};
pub use engine::{adjudicate, deny_unknown_coverage};

use crate::HealthError;
use crate::date::{Date, DateRange};
use crate::hashing::canonical;
use crate::ids::{ClaimId, CoverageId, PlanId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most lines of a claim.
pub const MAX_LINES: usize = 50;
/// Most prices of a plan.
pub const MAX_PRICES: usize = 10_000;
/// Largest amount of money, in minor units.
pub const MAX_AMOUNT: i64 = 1_000_000_000_000;

/// A benefit plan's rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The plan.
    pub id: PlanId,
    /// From 1.
    pub version: u32,
    /// ISO 4217, such as `USD`.
    pub currency: String,
    /// What the member pays first in a calendar year.
    pub deductible: i64,
    /// What the member pays for each line, after the deductible.
    pub copay: i64,
    /// The member's share of the rest, in hundredths of a percent (2000 is 20 %).
    pub coinsurance: u16,
    /// The most the member pays in a calendar year.
    pub out_of_pocket_maximum: i64,
    /// Days from service to submission within which a claim is in time.
    pub timely_filing_days: u16,
    /// What is covered, by procedure code.
    pub prices: BTreeMap<String, Price>,
}

/// The price of one procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Per unit.
    pub amount: i64,
    /// Units covered on one line.
    pub max_units: u32,
}

/// A member's coverage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// The coverage.
    pub id: CoverageId,
    /// Its plan.
    pub plan: PlanId,
    /// The version of the plan.
    pub plan_version: u32,
    /// When it holds.
    pub period: DateRange,
}

/// A claim of a provider to a payer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The claim.
    pub id: ClaimId,
    /// The member's coverage.
    pub coverage: CoverageId,
    /// National Provider Identifier of the billing provider, 10 digits.
    pub provider_npi: String,
    /// ISO 4217.
    pub currency: String,
    /// 1 to [`MAX_LINES`] lines, all of one calendar year.
    pub lines: Vec<ClaimLine>,
    /// Sum of the lines' charges.
    pub total: i64,
}

/// A line of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimLine {
    /// From 1, each once.
    pub sequence: u16,
    /// Procedure code: 1 to 16 upper-case letters, digits or `-`.
    pub procedure: String,
    /// Day of service.
    pub date: Date,
    /// 1 to 999.
    pub units: u32,
    /// For all units.
    pub charge: i64,
}

impl Claim {
    /// For each line what makes it the same service as another claim's: coverage, provider, procedure and day, canonical. A payer pays it once.
    pub fn services(&self) -> Result<Vec<Vec<u8>>, HealthError> {
        let service =
            |line: &ClaimLine| canonical(&(&self.coverage, &self.provider_npi, &line.procedure, &line.date));
        self.lines.iter().map(service).collect()
    }

    /// The calendar year of the services; `INVALID_CODE` without lines.
    pub fn year(&self) -> Result<u16, HealthError> {
        let first = self.lines.first().map(|line| line.date.year());
        first.ok_or_else(|| HealthError::InvalidCode("a claim has at least one line".into()))
    }
}

/// What a member has paid in a calendar year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accumulators {
    /// Towards the deductible.
    pub deductible: i64,
    /// Towards the out-of-pocket maximum.
    pub out_of_pocket: i64,
}

crate::codes::code_enum! {
    /// Which rule spoke.
    EditCode {
        /// The claim's form.
        Form = "FORM",
        /// The provider's identifier.
        ProviderIdentifier = "NPI",
        /// No coverage on the day of service.
        Coverage = "COVERAGE",
        /// Submitted too late.
        TimelyFiling = "TIMELY_FILING",
        /// The plan has no price for it.
        PriceList = "PRICE_LIST",
        /// More units than the plan covers.
        Quantity = "QUANTITY",
        /// The same service twice on one claim.
        RepeatedLine = "REPEATED_LINE",
        /// Charged above the price.
        Price = "PRICE",
        /// The member's deductible.
        Deductible = "DEDUCTIBLE",
        /// The member's copay.
        Copay = "COPAY",
        /// The member's coinsurance.
        Coinsurance = "COINSURANCE",
        /// The member has reached the year's maximum.
        OutOfPocket = "OUT_OF_POCKET",
    }
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Which rule.
    pub code: EditCode,
    /// On which line; none for the whole claim.
    pub line: Option<u16>,
    /// In words, without values of the claim.
    pub explanation: String,
}

impl Edit {
    fn new(code: EditCode, line: Option<u16>, explanation: &str) -> Self {
        Self {
            code,
            line,
            explanation: explanation.to_owned(),
        }
    }
}

/// A line's result; `charge = allowed + co + pr + oa + pi`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineResult {
    /// The line.
    pub sequence: u16,
    /// As submitted.
    pub charge: i64,
    /// Paid by the payer.
    pub allowed: i64,
    /// Contractual write-off.
    pub co: i64,
    /// The member's part.
    pub pr: i64,
    /// Other adjustments.
    pub oa: i64,
    /// Refused by the payer.
    pub pi: i64,
    /// False: the line as a whole is denied.
    pub covered: bool,
    /// What the rules found, in their order.
    pub edits: Vec<Edit>,
}

impl LineResult {
    /// Whether the line balances to the minor unit.
    pub fn balances(&self) -> bool {
        let parts = [self.allowed, self.co, self.pr, self.oa, self.pi];
        parts.iter().all(|p| *p >= 0)
            && parts.iter().try_fold(0i64, |sum, p| sum.checked_add(*p)) == Some(self.charge)
    }
}

/// The result of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adjudication {
    /// The claim.
    pub claim: ClaimId,
    /// The plan's version it was decided by; 0 where the coverage is unknown.
    pub plan_version: u32,
    /// Per line, in the claim's order.
    pub lines: Vec<LineResult>,
    /// What the payer pays in all.
    pub allowed: i64,
    /// What the member pays in all, of covered lines.
    pub member: i64,
    /// The member's totals afterwards.
    pub accumulators: Accumulators,
}
