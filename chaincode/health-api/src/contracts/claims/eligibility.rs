//! Whether a coverage holds, what is left of it, and what a service would come to: asked by the payer of itself, or by a provider's front desk of the payer.

use crate::HealthError;
use crate::adjudication::{
    Accumulators, Claim, ClaimKind, ClaimLine, Coverage, Edit, LimitLeft, PatientPart, Site, check,
    npi_is_valid,
};
use crate::date::{Date, DateRange};
use crate::hashing::commit;
use crate::ids::{AuthorisationId, ClaimId, CoverageId, Hash, PlanId, QuestionId, Salt, TxId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most services of one question.
pub const MAX_ASKED_SERVICES: usize = 20;
/// Parts into which a provider's open questions at a payer fall, by their ids, so that two desks seldom meet.
pub const QUESTION_PARTS: u8 = 16;
/// Most open questions of a part: with [`QUESTION_PARTS`] at most 256 of a provider wait for a payer.
pub const MAX_OPEN_QUESTIONS: usize = 16;
/// Days after which an open question is not answered any more, and an answer may be dropped by its payer.
pub const QUESTION_DAYS: i64 = 30;
/// Most questions that are dropped together.
pub const MAX_DROPPED: usize = 50;

/// A question of the payer's own about coverage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EligibilityQuery {
    /// The coverage.
    pub coverage: CoverageId,
    /// On which day.
    pub on: Date,
}

/// Whether a coverage holds, for its payer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eligibility {
    /// It holds on that day.
    pub covered: bool,
    /// Which version of it that day is under; 1 is the coverage as it was enrolled.
    pub version: u32,
    /// The coverage as it is on that day; its period ends where its payer ended it.
    pub coverage: Coverage,
    /// What the member has paid this year.
    pub accumulators: Accumulators,
    /// The currency (ISO 4217) of the amounts: the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

crate::codes::code_enum! {
    /// What a provider wants to know (FHIR eligibilityrequest-purpose). Whether the coverage holds is always answered.
    EligibilityPurpose {
        /// Whether it holds, and nothing else.
        Validation = "validation",
        /// What is left of the year's sums and of limits, the member's share, and what the services would come to.
        Benefits = "benefits",
        /// Which services need an authorisation, and which one stands.
        Authorisation = "auth-requirements",
    }
}

/// A provider's question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EligibilityQuestion {
    /// Its id, drawn by the provider, or made from its own number with its secret.
    pub id: QuestionId,
    /// The member's coverage.
    pub coverage: CoverageId,
    /// The day of service.
    pub on: Date,
    /// What is asked; at least one.
    pub purposes: BTreeSet<EligibilityPurpose>,
    /// NPI of who is to bill; needed where services are asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_npi: Option<String>,
    /// Of which kind the claim would be.
    #[serde(default)]
    pub kind: ClaimKind,
    /// Currency of the charges (ISO 4217); needed where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// What is to be done that day, at most [`MAX_ASKED_SERVICES`]; none asks about the coverage alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<AskedService>,
    /// Salts the private values.
    pub salt: Salt,
}

/// A service that is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedService {
    /// Procedure code: 1 to 16 upper-case letters, digits or `-`.
    pub procedure: String,
    /// As a claim's line has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modifiers: Vec<String>,
    /// 1 to 999.
    #[serde(default = "one")]
    pub units: u32,
    /// What would be charged for all units, in minor units; none: the plan's price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<i64>,
    /// Two digits that say where (place of service); needed where the plan asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Where on the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Site>,
    /// The authorisation under which it would be done; none: the payer looks for one that it gave this provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorisation: Option<AuthorisationId>,
}

fn one() -> u32 {
    1
}

impl AskedService {
    /// One unit, without anything that may be left out.
    pub fn new(procedure: &str) -> Self {
        Self {
            procedure: procedure.to_owned(),
            modifiers: Vec::new(),
            units: 1,
            charge: None,
            place: None,
            site: None,
            authorisation: None,
        }
    }
}

impl EligibilityQuestion {
    /// Whether a coverage holds on a day.
    pub fn new(id: QuestionId, coverage: CoverageId, on: Date, salt: Salt) -> Self {
        Self {
            id,
            coverage,
            on,
            purposes: BTreeSet::from([EligibilityPurpose::Validation]),
            provider_npi: None,
            kind: ClaimKind::default(),
            currency: None,
            services: Vec::new(),
            salt,
        }
    }

    /// Whether that is asked.
    pub fn wants(&self, purpose: EligibilityPurpose) -> bool {
        self.purposes.contains(&purpose)
    }

    /// What the answer is bound to.
    pub fn commitment(&self) -> Result<Hash, HealthError> {
        commit("eligibility-question", &self.salt, self)
    }

    /// The services as a first claim for that day would have them: line by line in their order, numbered from 1. `charge` is asked for what has none.
    pub fn claim(&self, currency: &str, charge: impl Fn(&AskedService) -> i64) -> Claim {
        let line = |(sequence, asked): (u16, &AskedService)| {
            let charged = asked.charge.unwrap_or_else(|| charge(asked));
            let mut line = ClaimLine::new(sequence, &asked.procedure, self.on, asked.units, charged);
            line.modifiers.clone_from(&asked.modifiers);
            line.place.clone_from(&asked.place);
            line.site.clone_from(&asked.site);
            line.authorisation = asked.authorisation;
            line
        };
        let id = ClaimId::from_bytes(*self.id.as_bytes());
        let npi = self.provider_npi.as_deref().unwrap_or_default();
        let lines = (1..).zip(&self.services).map(line).collect();
        Claim {
            kind: self.kind,
            ..Claim::new(id, self.coverage, npi, currency, lines)
        }
    }

    /// `INVALID_CODE` says what no payer could answer.
    pub fn validate(&self) -> Result<(), HealthError> {
        let wrong = |reason: &str| Err(HealthError::InvalidCode(reason.to_owned()));
        if self.purposes.is_empty() {
            return wrong("a question says what it asks");
        }
        if self.services.len() > MAX_ASKED_SERVICES {
            return wrong("a question is about at most 20 services");
        }
        if !self.provider_npi.as_deref().is_none_or(npi_is_valid) {
            return wrong("an NPI has ten digits, begins with 1 or 2 and ends with its check digit");
        }
        if self.services.is_empty() {
            return Ok(());
        }
        if self.provider_npi.is_none() {
            return wrong("a question about services names the NPI of who is to bill them");
        }
        let charged = self.services.iter().any(|service| service.charge.is_some());
        if charged && self.currency.is_none() {
            return wrong("charges have a currency");
        }
        // As a claim's form is looked at; a charge that is not said is the plan's price.
        let currency = self.currency.as_deref().unwrap_or("XXX");
        match check(&self.claim(currency, |_| 1)).first() {
            None => Ok(()),
            Some(edit) => Err(HealthError::InvalidCode(format!(
                "{}: {}",
                edit.code, edit.explanation
            ))),
        }
    }
}

/// Names a question for the payer's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionStep {
    /// The question.
    pub question: QuestionId,
    /// Salts the private values of the step.
    pub salt: Salt,
}

/// Names questions that are dropped, at most [`MAX_DROPPED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionBatch {
    /// The questions.
    pub questions: BTreeSet<QuestionId>,
    /// Salts what is written about it.
    pub salt: Salt,
}

crate::codes::code_enum! {
    /// How a coverage stands on a day.
    CoverageStanding {
        /// It holds.
        Covered = "COVERED",
        /// Its first day comes later.
        NotYet = "NOT_YET",
        /// Its last day is over, or it never held.
        Ended = "ENDED",
        /// The payer has no such coverage. Whether another one has is not told.
        Unknown = "NOT_KNOWN_HERE",
    }
}

/// The payer's answer, as of the second in which it was given: an estimate and no promise. A claim is decided by what is so then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EligibilityAnswer {
    /// The question.
    pub question: QuestionId,
    /// [`EligibilityQuestion::commitment`] of what was answered.
    pub asked: Hash,
    /// When (seconds since 1970).
    pub at: i64,
    /// Whether the coverage holds on the day, or why not.
    pub standing: CoverageStanding,
    /// The coverage as it is on that day; none for an unknown one, and for one that never held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<EligibleTerms>,
    /// What is left of the year's sums, in minor units; where benefits are asked and the coverage holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<YearLeft>,
    /// The services, in the question's order, where the coverage holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceAnswer>,
    /// Salts the private values.
    pub salt: Salt,
}

/// A coverage on a day, as far as a provider needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EligibleTerms {
    /// Which version of the coverage the day is under.
    pub version: u32,
    /// Its plan.
    pub plan: PlanId,
    /// The version of the plan.
    pub plan_version: u32,
    /// First and last day.
    pub period: DateRange,
    /// Another payer pays first.
    pub secondary: bool,
    /// The plan's currency (ISO 4217): of every amount of the answer.
    pub currency: String,
}

/// What is left of a calendar year's sums, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct YearLeft {
    /// What the member pays first.
    pub deductible: YearSum,
    /// The most that the member pays.
    pub out_of_pocket: YearSum,
}

/// A sum of the plan, and what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct YearSum {
    /// By the plan.
    pub of: i64,
    /// Not paid yet.
    pub left: i64,
}

impl YearSum {
    /// What is left of a sum of which so much is paid.
    pub fn new(of: i64, paid: i64) -> Self {
        let left = of.saturating_sub(paid.max(0)).clamp(0, of.max(0));
        Self { of, left }
    }
}

crate::codes::code_enum! {
    /// How a service stands.
    ServiceStanding {
        /// The plan covers it.
        Covered = "COVERED",
        /// It would, under an authorisation, and none with units enough stands.
        NeedsAuthorisation = "NEEDS_AUTHORISATION",
        /// It depends on what the payer does not know: what another payer pays first, the member's age, a place of service.
        Depends = "DEPENDS",
        /// It is not covered.
        NotCovered = "NOT_COVERED",
    }
}

/// A service in the payer's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceAnswer {
    /// Its place in the question, from 1.
    pub sequence: u16,
    /// How it stands.
    pub standing: ServiceStanding,
    /// What the rules of the plan say, with what it costs whom.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<Edit>,
    /// Whether the provider is of the plan's network that day.
    pub in_network: bool,
    /// The first day on which it is covered, where its waiting period is not over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covered_from: Option<Date>,
    /// The plan's limits of the procedure, with what the member has left of them; where benefits are asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitLeft>,
    /// The member's share by the plan; where benefits are asked, and the plan has a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<MemberShare>,
    /// What authorisation the plan asks for; none where it asks for none, or nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorisation: Option<AuthorisationNeeded>,
    /// What it would come to; where benefits are asked, and it is covered, if need be under an authorisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<ServiceEstimate>,
}

/// What a plan leaves to the member of each line, after the deductible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberShare {
    /// In minor units.
    pub copay: i64,
    /// Of the rest, in hundredths of a percent.
    pub coinsurance: u16,
}

/// An authorisation that a plan asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorisationNeeded {
    /// One that this provider has for the service and the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<AuthorisationStanding>,
}

/// An authorisation that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorisationStanding {
    /// Which; claims name it.
    pub id: AuthorisationId,
    /// For which days.
    pub period: DateRange,
    /// Units that were not used.
    pub units_left: u32,
}

/// What a service would come to, in minor units; with those before it in the question, and nothing used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceEstimate {
    /// As asked, or the plan's price.
    pub charge: i64,
    /// What the payer would pay.
    pub paid: i64,
    /// What the provider would write off by its contract.
    pub written_off: i64,
    /// What the member would owe.
    pub member: i64,
    /// Of what that is made.
    pub part: PatientPart,
}

crate::codes::code_enum! {
    /// Where a question stands.
    QuestionStatus {
        /// It waits for the payer.
        Open = "OPEN",
        /// It is answered.
        Answered = "ANSWERED",
        /// It was not answered in time, and is not any more: ask under a new id.
        Expired = "EXPIRED",
    }
}

/// A question and its answer, as payer and provider see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EligibilityView {
    /// The question.
    pub question: EligibilityQuestion,
    /// When it was asked, by the provider's clock (seconds since 1970).
    pub asked: i64,
    /// Where it stands.
    pub status: QuestionStatus,
    /// The payer's answer, once there is one.
    pub answer: Option<EligibilityAnswer>,
    /// The transaction of the answer; the question's before.
    pub tx: TxId,
}

/// Which questions are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuestionQuery {
    /// Only those that wait for the payer.
    pub open: bool,
    /// Where the answer before ended; none: from the beginning.
    pub after: Option<QuestionId>,
}

/// Some of the questions of a provider to a payer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionList {
    /// In the order of their ids.
    pub questions: Vec<ListedQuestion>,
    /// For [`QuestionQuery::after`], where there may be more.
    pub next: Option<QuestionId>,
}

/// A question of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedQuestion {
    /// The question.
    pub question: QuestionId,
    /// The member's coverage.
    pub coverage: CoverageId,
    /// The day of service.
    pub on: Date,
    /// When it was asked, by the provider's clock (seconds since 1970).
    pub asked: i64,
    /// Where it stands.
    pub status: QuestionStatus,
}
