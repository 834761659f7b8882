//! FHIR R4's financial resources at the border.
//!
//! ```text
//! Claim --claims_from_fhir--> ClaimBody | AuthorisationRequests        Coverage, Patient --coverage_from_fhir--> Coverage
//! ClaimResponse | ExplanationOfBenefit --answer_from_fhir--> Answer    CoverageEligibilityRequest --eligibility_from_fhir--> EligibilityQuery
//!                                                                      at a front desk: question_from_fhir--> EligibilityQuestion, answer_to_fhir
//! claims, adjudications, authorisations, eligibility --*_to_fhir (Paper)--> Claim, ExplanationOfBenefit, ClaimResponse, Coverage, …
//! ```
//! A file is one resource or a Bundle; references are followed within it, everything else is asked of a [`Resolver`]. Amounts are read from
//! their digits. What cannot be taken is refused with the path of its element, all of it at once; docs/claims.md says which element becomes what.

mod answer;
mod claim;
mod coverage;
mod eligibility;
mod explanation;
mod insurance;
mod item;
mod node;
mod out;
mod paper;
mod site;
mod source;
#[cfg(test)]
mod tests;
mod write;

pub use answer::{Answer, AnsweredLine, Outcome, answer_from_fhir};
pub use coverage::{
    EligibilityAsked, Member, coverage_from_fhir, coverage_to_fhir, eligibility_from_fhir,
    eligibility_to_fhir,
};
pub use eligibility::{QuestionAsked, answer_to_fhir, question_from_fhir};
pub use explanation::{explanation_to_fhir, response_to_fhir};
pub use paper::{APPEAL, AUTHORISATION, CATEGORY, CLAIM, COVERAGE, DOCUMENT, PLAN, PROCEDURE, Paper, RULE};
pub use write::{authorisation_to_fhir, claim_to_fhir, refusal_to_fhir};

use crate::claims::{FileError, Read, Resolver};
use source::Source;

/// Reads a FHIR R4 Claim, or all of a Bundle, each by itself. Fails for what is no such file.
pub fn claims_from_fhir(bytes: &[u8], resolver: &dyn Resolver) -> Result<Vec<Read>, FileError> {
    let source = Source::read(bytes, &["Claim"])?;
    let wanted = &source.wanted;
    Ok(wanted
        .iter()
        .map(|(path, raw)| claim::read(&source, raw, path, resolver))
        .collect())
}
