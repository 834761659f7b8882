//! What outgoing resources have in common.

use super::out::Out;
use super::site;
use super::source::NPI;
use crate::claims::Named;
use careledger_api::adjudication::{Claim, ClaimLine};
use careledger_api::contracts::claims::ClaimStatus;
use careledger_api::date::Date;

/// Ids of the ledger's claims, which are also the payer's numbers of them.
pub const CLAIM: &str = "urn:careledger:claim";
/// Ids of the ledger's coverages.
pub const COVERAGE: &str = "urn:careledger:coverage";
/// Ids of the ledger's authorisations.
pub const AUTHORISATION: &str = "urn:careledger:authorisation";
/// Ids of plans on the ledger.
pub const PLAN: &str = "urn:careledger:plan";
/// Ids of documents on the ledger.
pub const DOCUMENT: &str = "urn:careledger:document";
/// Rules of the adjudication, such as `DUPLICATE`.
pub const RULE: &str = "urn:careledger:rule";
/// Adjudication categories that HL7's list does not have: `coinsurance`, `noncovered`, `patient`, and the groups `CO`, `OA`, `PI`.
pub const CATEGORY: &str = "urn:careledger:adjudication";
/// What can be done about a denial.
pub const APPEAL: &str = "urn:careledger:appeal-route";
/// Procedure codes of plans.
pub const PROCEDURE: &str = "urn:careledger:procedure";
/// HL7's categories of adjudications.
pub(super) const HL7_CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/adjudication";
/// Claim adjustment reason codes, by their numbers.
pub(super) const CARC: &str = "https://x12.org/codes/claim-adjustment-reason-codes";
/// Remittance advice remark codes, by their numbers.
pub(super) const RARC: &str = "https://x12.org/codes/remittance-advice-remark-codes";

/// What a resource says that the ledger does not know. Personal where it names a patient: `Debug` shows none of it.
#[derive(Clone)]
pub struct Paper {
    /// Its day.
    pub created: Date,
    /// The payer.
    pub insurer: Named,
    /// The patient; without it, the member is named by the coverage's id.
    pub patient: Option<Named>,
    /// The provider's number of the claim: system and number.
    pub claim_number: Option<(String, String)>,
}

impl std::fmt::Debug for Paper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Paper(..)")
    }
}

impl Paper {
    /// Of a day, from a payer whose MSP id is given.
    pub fn new(created: Date, payer: &str) -> Self {
        Self {
            created,
            insurer: Named::number("urn:careledger:msp", payer),
            patient: None,
            claim_number: None,
        }
    }

    pub(super) fn insurer(&self) -> Out {
        Out::named(&self.insurer).unwrap_or(Out::Object(Vec::new()))
    }

    pub(super) fn patient(&self, coverage: &str) -> Out {
        let named = self.patient.as_ref().and_then(Out::named);
        named.unwrap_or_else(|| Out::by_number(COVERAGE, coverage))
    }
}

/// A claim's kind.
pub(super) fn kind(claim: &Claim) -> Out {
    Out::concept(super::claim::CLAIM_TYPE, claim.kind.as_str())
}

pub(super) fn provider(npi: &str) -> Out {
    Out::by_number(NPI, npi)
}

/// The one insurance that the claim is sent to.
pub(super) fn insurance(claim: &Claim) -> Vec<(&'static str, Out)> {
    vec![
        ("focal", Out::Flag(true)),
        ("coverage", Out::by_number(COVERAGE, &claim.coverage.to_string())),
    ]
}

/// What a line is for, as claims and explanations have it alike.
pub(super) fn service(line: &ClaimLine, currency: &str) -> Vec<(&'static str, Out)> {
    let modifiers = line
        .modifiers
        .iter()
        .map(|m| Out::concept(&format!("{PROCEDURE}:modifier"), m));
    let mut service = vec![
        ("productOrService", Out::concept(PROCEDURE, &line.procedure)),
        ("modifier", Out::List(modifiers.collect())),
        ("servicedDate", Out::text(line.date.to_string())),
    ];
    if let Some(place) = &line.place {
        let system = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set";
        service.push(("locationCodeableConcept", Out::concept(system, place)));
    }
    service.extend(line.site.iter().flat_map(site::written));
    service.push(("quantity", Out::Object(vec![("value", Out::number(line.units))])));
    service.push(("net", Out::money(line.charge, currency)));
    service
}

/// The answer as a whole (FHIR remittance-outcome), and in words.
pub(super) fn outcome(status: ClaimStatus) -> (&'static str, &'static str) {
    match status {
        ClaimStatus::Submitted => ("queued", "The claim waits for the payer."),
        ClaimStatus::Accepted => ("queued", "The payer has received the claim and decides it."),
        ClaimStatus::Rejected => (
            "error",
            "The payer's front end refused the claim; correct it and submit it as a replacement.",
        ),
        ClaimStatus::Pended => ("partial", "A line waits for information or for a reviewer."),
        ClaimStatus::Approved => ("complete", "All lines are covered."),
        ClaimStatus::Partial => ("complete", "Some lines are covered, some are denied."),
        ClaimStatus::Denied => ("complete", "No line is covered."),
        ClaimStatus::Payable => (
            "complete",
            "The claim is on a remittance and waits for the money.",
        ),
        ClaimStatus::Paid => ("complete", "The payer has paid."),
        ClaimStatus::Cleared => ("complete", "The payer has paid and the provider has the money."),
        ClaimStatus::Voided => ("complete", "The provider took the claim back."),
        ClaimStatus::Replaced => ("complete", "Another claim stands in its place."),
        ClaimStatus::Reversed => ("complete", "The payer took remittance or payment back."),
        _ => ("partial", "The claim is under way."),
    }
}
