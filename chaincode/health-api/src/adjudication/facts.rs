//! What the payer knows when it decides: everything beside claim, plan and coverage.

use super::{Claim, ClaimLine, EditCode, Site};
use crate::date::{Date, DateRange};
use crate::ids::AuthorisationId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a decision rests on beside the claim, the plan and the coverage. The order of `history` does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The day on which the payer received the claim.
    pub received: Date,
    /// What the member has paid in the claim's year so far.
    #[serde(default)]
    pub paid: Accumulators,
    /// How providers stand, by NPI.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub standing: BTreeMap<String, Standing>,
    /// The payer knows the number that bills as one under which others bill, and not the organisation that sent the claim.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bills_for_others: bool,
    /// Whether the payer may see and pay the claim at all.
    #[serde(default)]
    pub payment: PaymentBasis,
    /// The authorisations that lines name, as far as the payer gave them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub authorisations: BTreeMap<AuthorisationId, Authorised>,
    /// The member's services of other claims that this payer covers: all of the years that the claim's rules look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<PriorService>,
    /// Covered units of a procedure in years of which `history` has no services of it; they count for a lifetime's limit.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub earlier: BTreeMap<String, u32>,
    /// Minutes of performers' days on other claims, of all members, by NPI.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub minutes: BTreeMap<String, BTreeMap<Date, u32>>,
    /// Lines whose service another payer has a marker of.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub elsewhere: BTreeSet<u16>,
    /// Lines that a screening or the patient asks a person to look at.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub flagged: BTreeSet<u16>,
    /// Lines whose service was flagged, called not rendered by the member, or denied by people on another claim, and where that was not settled.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub doubted: BTreeSet<u16>,
    /// What the provider was asked and did not answer in time: rules by line.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unanswered: BTreeMap<u16, BTreeSet<EditCode>>,
    /// What the provider was asked and has answered: rules by line. It is not asked that again; what still speaks is for the payer's own look.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answered: BTreeMap<u16, BTreeSet<EditCode>>,
    /// What reviewers decided, by line and rule.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rulings: BTreeMap<u16, BTreeMap<EditCode, Ruling>>,
}

impl Facts {
    /// Nothing is known but when the claim came and what the member has paid.
    pub fn new(received: Date, paid: Accumulators) -> Self {
        Self {
            received,
            paid,
            standing: BTreeMap::new(),
            bills_for_others: false,
            payment: PaymentBasis::default(),
            authorisations: BTreeMap::new(),
            history: Vec::new(),
            earlier: BTreeMap::new(),
            minutes: BTreeMap::new(),
            elsewhere: BTreeSet::new(),
            flagged: BTreeSet::new(),
            doubted: BTreeSet::new(),
            unanswered: BTreeMap::new(),
            answered: BTreeMap::new(),
            rulings: BTreeMap::new(),
        }
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

/// How a provider stands with a payer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// Days on which its credential counts.
    pub active: DateRange,
    /// Days on which it is of the payer's network; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<DateRange>,
    /// First day on which it is excluded from payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded_from: Option<Date>,
}

impl Standing {
    /// Whether it is excluded from payment for what is done on a day.
    pub fn is_excluded_on(&self, day: Date) -> bool {
        self.excluded_from.is_some_and(|from| from <= day)
    }
}

crate::codes::code_enum! {
    /// Whether a payer may see and pay a claim.
    #[derive(Default)]
    PaymentBasis {
        /// It may: by the patient's consent, or because none is asked for.
        #[default]
        Permitted = "permitted",
        /// The patient's consent is asked for, and there is none.
        NoConsent = "no-consent",
        /// The patient paid in full and asked that the payer is not told (45 CFR 164.522(a)(1)(vi)).
        SelfPaid = "self-paid",
    }
}

/// An authorisation that the payer gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authorised {
    /// For what.
    pub procedure: String,
    /// For which days.
    pub period: DateRange,
    /// To whom: the billing or the rendering provider.
    pub provider_npi: String,
    /// Units that were not used yet.
    pub units_left: u32,
}

impl Authorised {
    /// Whether it was given for the line: its procedure, its billing or rendering provider, its day. Formats name an authorisation for a whole claim, so a
    /// line may well name one that is for another line; such a line uses nothing of it.
    pub fn is_for(&self, claim: &Claim, line: &ClaimLine) -> bool {
        self.is_for_service(claim, line) && self.period.contains(line.date)
    }

    /// Procedure and provider alone.
    pub(super) fn is_for_service(&self, claim: &Claim, line: &ClaimLine) -> bool {
        let to = [claim.provider_npi.as_str(), claim.performer(line)];
        self.procedure == line.procedure && to.contains(&self.provider_npi.as_str())
    }
}

/// A service of another claim that is covered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorService {
    /// Procedure code.
    pub procedure: String,
    /// Its modifiers.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub modifiers: BTreeSet<String>,
    /// Day of service.
    pub date: Date,
    /// Units.
    pub units: u32,
    /// NPI of who did it.
    pub performer: String,
    /// Where on the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Site>,
}

crate::codes::code_enum! {
    /// What a reviewer made of what a rule found on a line.
    Ruling {
        /// The rule does not count here.
        SetAside = "SET_ASIDE",
        /// It does: what only raised a question is a denial.
        Upheld = "UPHELD",
    }
}
