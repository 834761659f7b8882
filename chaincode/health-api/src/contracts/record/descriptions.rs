//! What a custodian keeps about a document in its own collection.

use super::DocumentHead;
use crate::codes::{Category, Code, Label};
use crate::date::Date;
use crate::ids::{DocumentId, EncounterId, Nonce, PatientId, Salt, TxId};
use crate::merkle::batch::BatchProof;
use serde::{Deserialize, Serialize};

/// Most entries of an emergency summary.
pub const MAX_SUMMARY: usize = 64;
/// Longest reason or text of an explanation, a correction or its answer, in bytes.
pub const MAX_TEXT: usize = 2_000;

/// A document's private description, which consent decisions read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentMetadata {
    /// Whose record it is.
    pub patient: PatientId,
    /// The anchored document.
    pub document: DocumentId,
    /// The anchored version this describes.
    pub version: u32,
    /// Data category.
    pub category: Category,
    /// Clinical codes.
    #[serde(default)]
    pub codes: Vec<Code>,
    /// All sensitivity and confidentiality labels; an empty list says that there are none.
    #[serde(default)]
    pub labels: Vec<Label>,
    /// Clinical date.
    #[serde(default)]
    pub date: Option<Date>,
    /// The encounter it belongs to, where recorded.
    #[serde(default)]
    pub encounter: Option<EncounterId>,
    /// The MSP id of the authoring organisation.
    pub author: String,
    /// Part of the emergency summary that break-glass opens.
    #[serde(default)]
    pub emergency: bool,
    /// Proves version 1 of a document that was anchored in a batch; it stays with the description after the document has a head of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<BatchProof>,
    /// Salts the private value.
    pub salt: Salt,
}

/// A patient's word on whether a document belongs to the emergency summary; it stands over the custodian's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmergencyChoice {
    /// Who decides.
    pub patient: PatientId,
    /// About which document.
    pub document: DocumentId,
    /// In or out.
    pub include: bool,
    /// The intent's nonce.
    pub nonce: Nonce,
    /// Salts the private value.
    pub salt: Salt,
}

/// A described document, for its custodian.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocatedDocument {
    /// The public head; of a document that has none, what its batch proves: version 1, current.
    pub head: DocumentHead,
    /// The private description.
    pub metadata: DocumentMetadata,
    /// Whether it belongs to the emergency summary: the patient's word, else the published summary's or the description's.
    pub emergency: bool,
}

crate::codes::code_enum! {
    /// A section of the emergency summary (after HL7's International Patient Summary).
    SummarySection {
        /// Allergies and intolerances.
        Allergies = "allergies",
        /// Medications.
        Medications = "medications",
        /// Problems.
        Problems = "problems",
        /// Implants and devices.
        Implants = "implants",
        /// Blood group.
        BloodGroup = "blood-group",
        /// Whom to call.
        Contacts = "contacts",
        /// Advance directive.
        AdvanceDirective = "advance-directive",
    }
}

/// Which documents make up a patient's emergency summary: pointers, no content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmergencySummary {
    /// Whose.
    pub patient: PatientId,
    /// 0 to [`MAX_SUMMARY`] described documents of this patient, each once.
    pub entries: Vec<SummaryEntry>,
    /// Salts the private value.
    pub salt: Salt,
}

/// One pointer of an emergency summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SummaryEntry {
    /// Which section it fills.
    pub section: SummarySection,
    /// The document.
    pub document: DocumentId,
}

crate::codes::code_enum! {
    /// As what somebody attests a version (FHIR Composition.attester.mode).
    AttestationRole {
        /// Wrote it.
        Author = "author",
        /// Vouches for its authenticity.
        Authenticator = "authenticator",
        /// Takes legal responsibility for it.
        Legal = "legal",
    }
}

/// What a public attestation means. Written once by the attesting person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttestationDetails {
    /// The document.
    pub document: DocumentId,
    /// The attested version.
    pub version: u32,
    /// The public attestation's transaction.
    pub attestation: TxId,
    /// As what.
    pub role: AttestationRole,
    /// The meaning of the signature, in words (21 CFR 11.50); at most [`MAX_TEXT`] bytes.
    pub meaning: String,
    /// Salts the private value.
    pub salt: Salt,
}

/// An attestation with its details, for the custodian.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttestationView {
    /// The details.
    pub details: AttestationDetails,
    /// Who: tagged hash of the certificate, as in [`Requester::person`](crate::contracts::consent::Requester::person).
    pub person: String,
    /// When the details were written, seconds since 1970.
    pub at: i64,
}

/// Why a public act was done: its reason is never public. Written once for each act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explanation {
    /// The public act's transaction.
    pub act: TxId,
    /// The document it was about.
    pub document: DocumentId,
    /// The reason, in words; at most [`MAX_TEXT`] bytes.
    pub reason: String,
    /// Salts the private value.
    pub salt: Salt,
}

/// An explanation as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplanationView {
    /// What was said.
    pub explanation: Explanation,
    /// The explaining person's organisation.
    pub organisation: String,
    /// When, seconds since 1970.
    pub at: i64,
}

/// A patient's request to correct a document (45 CFR 164.526, GDPR 16).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Correction {
    /// Whose record.
    pub patient: PatientId,
    /// The document.
    pub document: DocumentId,
    /// The intent's nonce; also the correction's id.
    pub nonce: Nonce,
    /// What is wrong and what would be right; at most [`MAX_TEXT`] bytes.
    pub text: String,
    /// Salts the private value.
    pub salt: Salt,
}

crate::codes::code_enum! {
    /// What a custodian makes of a correction.
    CorrectionOutcome {
        /// A new version or document says so.
        Accepted = "accepted",
        /// Not; the answer says why, and the request stays with the record.
        Denied = "denied",
    }
}

/// A custodian's answer to a correction. Written once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorrectionAnswer {
    /// Whose record.
    pub patient: PatientId,
    /// Which correction.
    pub correction: Nonce,
    /// What came of it.
    pub outcome: CorrectionOutcome,
    /// Why; at most [`MAX_TEXT`] bytes.
    pub text: String,
    /// Salts the private value.
    pub salt: Salt,
}

/// A correction with its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorrectionView {
    /// What was asked for.
    pub correction: Correction,
    /// When, seconds since 1970.
    pub at: i64,
    /// Until when the custodian answers, seconds since 1970: 60 days after.
    pub due: i64,
    /// The answer, if there is one.
    pub answer: Option<CorrectionAnswer>,
}
