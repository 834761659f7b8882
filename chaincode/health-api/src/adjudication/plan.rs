//! What a payer promises: plans and their rules, members' coverage.

use super::edits::form::{is_currency, is_modifier, is_place, is_procedure};
use super::site::{Beside, Grain};
use super::{ClaimKind, MAX_AMOUNT, Site};
use crate::HealthError;
use crate::date::{Date, DateRange};
use crate::ids::{CoverageId, PlanId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most prices of a plan.
pub const MAX_PRICES: usize = 10_000;
/// Most procedures that a rule of a plan relates to one: its family, its parts, what it is a part of.
pub const MAX_RELATED: usize = 64;
/// Widest window of [`Repeats`], in days.
pub const MAX_WINDOW_DAYS: u16 = 366;
/// 100 %, in the hundredths of a percent in which shares are written.
pub const WHOLE: u16 = 10_000;

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
    /// Who is paid.
    #[serde(default, skip_serializing_if = "NetworkRules::is_default")]
    pub network: NetworkRules,
    /// What more is asked of some procedures, by their code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub procedures: BTreeMap<String, ProcedureRules>,
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

/// Which providers a plan pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkRules {
    /// Only providers whose standing the payer knows; otherwise one that it does not know counts as of the network.
    pub known_only: bool,
    /// The member's share outside of the network, in hundredths of a percent, instead of the plan's; none: not covered outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outside: Option<u16>,
}

/// What more a plan asks of a procedure. Everything left out asks nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProcedureRules {
    /// Days on which the code may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<DateRange>,
    /// The member's age in whole years on the day of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ages: Option<Ages>,
    /// The member's sex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sex: Option<Sex>,
    /// Places of service; empty: any.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub places: BTreeSet<String>,
    /// Kinds of claim; empty: any.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub kinds: BTreeSet<ClaimKind>,
    /// An authorisation with units left is needed.
    #[serde(skip_serializing_if = "is_false")]
    pub authorisation: bool,
    /// Most units in a time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// Days after the coverage's first before it is covered.
    #[serde(skip_serializing_if = "is_zero")]
    pub waiting_days: u16,
    /// When it looks like something that was claimed before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<Repeats>,
    /// Procedures of which it is a part: beside one of them, of the same performer on the same day, it is not paid by itself.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub part_of: BTreeMap<String, PartOf>,
    /// Minutes of the performer's time that a unit takes at least.
    #[serde(skip_serializing_if = "is_zero")]
    pub minutes: u16,
    /// The plan pays it without deductible, copay and coinsurance.
    #[serde(skip_serializing_if = "is_false")]
    pub free: bool,
}

/// Whole years, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ages {
    /// Youngest.
    pub from: u16,
    /// Oldest.
    pub until: u16,
}

/// Most units in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Units.
    pub units: u32,
    /// In which time.
    pub within: Span,
    /// For each place by itself: a tooth (whatever its surfaces), an area of the mouth, a part of the body. Of several places on one line each has its units.
    #[serde(default, skip_serializing_if = "is_false")]
    pub per_site: bool,
}

crate::codes::code_enum! {
    /// A time in which units count together.
    Span {
        /// A day.
        Day = "day",
        /// A calendar year.
        Year = "year",
        /// For ever.
        Lifetime = "lifetime",
    }
}

crate::codes::code_enum! {
    /// Sex for the rules of procedures (FHIR administrative-gender, the two that such rules name).
    Sex {
        /// Female.
        Female = "female",
        /// Male.
        Male = "male",
    }
}

/// When a procedure looks like one that was claimed before: the same code, or one of the same family (such as images of one region).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeats {
    /// Days before and after, at most [`MAX_WINDOW_DAYS`].
    pub window_days: u16,
    /// Name of the family: 1 to 16 upper-case letters, digits or `-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Modifiers that say that it was meant to be done again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unless: BTreeSet<String>,
}

/// One side of a bundling pair.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PartOf {
    /// Modifiers that say that it was done apart from the other.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub unless: BTreeSet<String>,
    /// Only where both are on the same tooth, area of the mouth or part of the body; where that is not said of both, it is asked.
    #[serde(skip_serializing_if = "is_false")]
    pub same_site: bool,
}

impl PartOf {
    /// Whether the pair counts for two services at these sites, as far as they say; none says nothing.
    pub fn concerns(&self, whole: Option<&Site>, part: Option<&Site>) -> bool {
        self.beside(whole, part) != Beside::Apart
    }

    /// Where the two are beside each other, if the pair asks for it.
    pub(super) fn beside(&self, whole: Option<&Site>, part: Option<&Site>) -> Beside {
        match self.same_site {
            true => Site::beside(whole, part, Grain::Tooth),
            false => Beside::Same,
        }
    }
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
    /// The member's day of birth; a rule on age is not met by an unknown one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub born: Option<Date>,
    /// The member's sex; a rule on sex is not met by an unknown one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sex: Option<Sex>,
    /// Another payer pays first.
    #[serde(default, skip_serializing_if = "is_false")]
    pub secondary: bool,
}

impl Coverage {
    /// A coverage that pays first, of a member of whom no more is known.
    pub fn new(id: CoverageId, plan: PlanId, plan_version: u32, period: DateRange) -> Self {
        Self {
            id,
            plan,
            plan_version,
            period,
            born: None,
            sex: None,
            secondary: false,
        }
    }

    /// The member's age in whole years on a day; none if the day of birth is unknown or later.
    pub fn age(&self, on: Date) -> Option<u16> {
        self.born
            .filter(|born| *born <= on)
            .map(|born| on.years_since(born))
    }
}

/// A plan whose rules are consistent: what the engine takes.
#[derive(Debug, Clone, Copy)]
pub struct CheckedPlan<'a>(&'a Plan);

impl std::ops::Deref for CheckedPlan<'_> {
    type Target = Plan;
    fn deref(&self) -> &Plan {
        self.0
    }
}

impl<'a> CheckedPlan<'a> {
    /// The plan, for as long as it lives.
    pub(super) fn inner(&self) -> &'a Plan {
        self.0
    }
}

impl Plan {
    /// The plan for the engine, once [`validate`](Self::validate) finds nothing.
    pub fn checked(&self) -> Result<CheckedPlan<'_>, HealthError> {
        self.validate()?;
        Ok(CheckedPlan(self))
    }

    /// Checks that a plan's rules are consistent: `INVALID_CODE` says what is not.
    pub fn validate(&self) -> Result<(), HealthError> {
        let amount = |value: i64| (0..=MAX_AMOUNT).contains(&value);
        let prices = self.prices.iter().all(|(code, p)| {
            is_procedure(code)
                && (1..=MAX_AMOUNT / 1000).contains(&p.amount)
                && (1..=999).contains(&p.max_units)
        });
        let rules = [
            (self.version > 0, "a plan's versions begin with 1"),
            (
                is_currency(&self.currency),
                "a currency is written as three capital letters",
            ),
            (
                amount(self.deductible) && amount(self.copay) && amount(self.out_of_pocket_maximum),
                "amounts lie between 0 and 10^12 minor units",
            ),
            (
                self.coinsurance <= WHOLE && self.network.outside.is_none_or(|share| share <= WHOLE),
                "coinsurance is at most 10000 (100 %)",
            ),
            (
                self.deductible <= self.out_of_pocket_maximum,
                "the deductible is at most the out-of-pocket maximum",
            ),
            (
                prices && self.prices.len() <= MAX_PRICES,
                "prices are above zero, units 1 to 999, codes 1 to 16 capital letters, digits or -, and there are at most 10000",
            ),
            (
                self.procedures.keys().all(|code| self.prices.contains_key(code)),
                "a procedure with rules has a price",
            ),
            (
                self.procedures.iter().all(|(code, rules)| {
                    let back = |whole: &String| {
                        self.procedures
                            .get(whole)
                            .is_some_and(|r| r.part_of.contains_key(code))
                    };
                    !rules.part_of.keys().any(back)
                }),
                "of two procedures only one is part of the other",
            ),
            (
                self.related_counts().values().all(|count| *count <= MAX_RELATED),
                "at most 64 procedures are of one family, parts of one, or what one is a part of",
            ),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, reason)) => Err(HealthError::InvalidCode(reason.to_owned())),
            None => self
                .procedures
                .iter()
                .try_for_each(|(code, rules)| rules.validate(code)),
        }
    }
}

impl Plan {
    /// The procedures whose services decide with `procedure`'s: itself, its family, what it is a part of, and its parts.
    pub fn related(&self, procedure: &str) -> BTreeSet<&str> {
        let family = |code: &str| self.procedures.get(code)?.repeats.as_ref()?.family.as_deref();
        let (own, rules) = (family(procedure), self.procedures.get(procedure));
        let wholes = rules.into_iter().flat_map(|rules| rules.part_of.keys());
        let beside = self.procedures.iter().filter(|(code, rules)| {
            (own.is_some() && family(code) == own) || rules.part_of.contains_key(procedure)
        });
        let mut related: BTreeSet<&str> = beside.map(|(code, _)| code.as_str()).collect();
        related.extend(wholes.map(String::as_str));
        related.extend(
            self.prices
                .get_key_value(procedure)
                .map(|(code, _)| code.as_str()),
        );
        related
    }

    /// How many procedures each rule relates to one: by family, by whole, by part.
    fn related_counts(&self) -> BTreeMap<(u8, &str), usize> {
        let mut counts = BTreeMap::new();
        for (code, rules) in &self.procedures {
            let family = rules
                .repeats
                .as_ref()
                .and_then(|repeats| repeats.family.as_deref());
            if let Some(family) = family {
                *counts.entry((0, family)).or_default() += 1;
            }
            for whole in rules.part_of.keys() {
                *counts.entry((1, whole.as_str())).or_default() += 1;
            }
            counts.insert((2, code.as_str()), rules.part_of.len());
        }
        counts
    }
}

impl ProcedureRules {
    fn validate(&self, own: &str) -> Result<(), HealthError> {
        let parts = self.part_of.iter().all(|(code, part)| {
            code != own && is_procedure(code) && part.unless.iter().all(|m| is_modifier(m))
        });
        let repeats = self.repeats.as_ref().is_none_or(|repeats| {
            repeats.window_days <= MAX_WINDOW_DAYS
                && repeats.family.as_ref().is_none_or(|family| is_procedure(family))
                && repeats.unless.iter().all(|m| is_modifier(m))
        });
        let spans: BTreeSet<(Span, bool)> = self
            .limits
            .iter()
            .map(|limit| (limit.within, limit.per_site))
            .collect();
        let rules = [
            (
                self.valid.is_none_or(|days| days.from <= days.until),
                "a code's days end on or after the first",
            ),
            (
                self.ages.is_none_or(|ages| ages.from <= ages.until),
                "ages go from the youngest to the oldest",
            ),
            (
                self.places.iter().all(|place| is_place(place)),
                "a place of service has two digits",
            ),
            (
                spans.len() == self.limits.len(),
                "there is one limit of units for a time, and one for each place in a time",
            ),
            (
                parts,
                "a bundled procedure is part of another one, and modifiers have two capital letters or digits",
            ),
            (
                repeats,
                "a window has at most 366 days, a family 1 to 16 capital letters, digits or -, a modifier two capital letters or digits",
            ),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, reason)) => Err(HealthError::InvalidCode(reason.to_owned())),
            None => Ok(()),
        }
    }
}

impl NetworkRules {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &u16) -> bool {
    *value == 0
}
