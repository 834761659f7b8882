//! What makes a claim be looked at, or kept from its payer: flags, patients' words, payment consents, payment by the patient; and how long it all takes.

#[cfg(doc)]
use super::authorisation::MAX_TEXT;
use crate::HealthError;
use crate::date::{Date, DateRange};
use crate::ids::{AuthorisationId, ClaimId, CoverageId, DocumentId, Hash, Salt, TxId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most flags of a claim.
pub const MAX_FLAGS: usize = 64;
/// Highest score of a flag.
pub const MAX_SCORE: u16 = 1_000;
/// Most services of a [`SelfPayment`].
pub const MAX_SELF_PAID: usize = 50;
/// Seconds in which a claim is decided: 7 days, as a standard authorisation.
pub const CLAIM_SECONDS: i64 = super::authorisation::STANDARD_SECONDS;
/// The kind of the flag that a patient's "no" raises.
pub const NOT_RENDERED: &str = "not-rendered";

/// A screening asks for a person's look. It denies nothing: a flagged line is pended when the claim is adjudicated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FraudFlag {
    /// The claim.
    pub claim: ClaimId,
    /// The line; none: all of them.
    #[serde(default)]
    pub line: Option<u16>,
    /// What was noticed: 1 to 32 lower-case letters, digits or `-`.
    pub kind: String,
    /// How sure the screening is, up to [`MAX_SCORE`].
    pub score: u16,
    /// Why, in words that a person can check: 1 to [`MAX_TEXT`] bytes.
    pub explanation: String,
    /// Salts the private values.
    pub salt: Salt,
}

impl FraudFlag {
    /// `INVALID_CODE` unless kind, score and explanation have their form.
    pub fn validate(&self) -> Result<(), HealthError> {
        super::check_text(&self.explanation, &[])?;
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=32).contains(&self.kind.len()) && self.kind.bytes().all(plain) && self.score <= MAX_SCORE {
            Ok(())
        } else {
            Err(HealthError::InvalidCode(
                "a flag's kind has 1 to 32 lower-case letters, digits or -, and its score is at most 1000"
                    .into(),
            ))
        }
    }
}

/// A person has looked, and takes a flag away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlagClearance {
    /// The claim.
    pub claim: ClaimId,
    /// The flag, by its transaction.
    pub flag: TxId,
    /// Why: 1 to [`MAX_TEXT`] bytes.
    pub reason: String,
    /// Salts the private values.
    pub salt: Salt,
}

/// A flag as the payer sees it; the provider sees the pended line alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlagView {
    /// The transaction that raised it.
    pub flag: TxId,
    /// The line; none: all of them.
    pub line: Option<u16>,
    /// What was noticed.
    pub kind: String,
    /// How sure the screening is.
    pub score: u16,
    /// Why.
    pub explanation: String,
    /// Why a person took it away, once one did.
    pub cleared: Option<String>,
}

/// A line's service was flagged, called not rendered by the member, or denied by people on another claim, and that was not settled there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoubtView {
    /// The line.
    pub line: u16,
    /// Who made the other claim.
    pub provider: String,
    /// The other claim.
    pub claim: ClaimId,
}

/// The member says whether a service was rendered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feedback {
    /// The claim.
    pub claim: ClaimId,
    /// The line.
    pub line: u16,
    /// Whether it was.
    pub rendered: bool,
    /// Salts the private values.
    pub salt: Salt,
}

/// A document of a claim that lies outside of the ledger, by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// The claim.
    pub claim: ClaimId,
    /// The line; none: the claim as a whole.
    #[serde(default)]
    pub line: Option<u16>,
    /// A salted hash of the document: a plain one of a short document can be guessed.
    pub hash: Hash,
    /// What it is: 1 to [`MAX_TEXT`] bytes.
    pub title: String,
    /// Salts the private value.
    pub salt: Salt,
}

/// The patient's word, as the provider took it down, on whether the payer may be told of services and pay for them. The newest counts; where there is
/// none, none is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentConsent {
    /// The member's coverage.
    pub coverage: CoverageId,
    /// False: refused, or taken back.
    pub given: bool,
    /// Days of service that it is for.
    pub period: DateRange,
    /// The signed form, as a document of the ledger.
    #[serde(default)]
    pub document: Option<DocumentId>,
    /// Salts the private value.
    pub salt: Salt,
}

/// Services that the patient paid in full and that their payer is not told of (45 CFR 164.522(a)(1)(vi)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfPayment {
    /// The member's coverage, of which nothing is to be claimed.
    pub coverage: CoverageId,
    /// Procedure codes and days, 1 to [`MAX_SELF_PAID`].
    pub services: BTreeSet<(String, Date)>,
    /// False lifts the restriction: the patient has agreed, or the payment bounced.
    pub restricted: bool,
    /// Salts the private values.
    pub salt: Salt,
}

/// Which part of a payer's report is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReportQuery {
    /// Where the claims of the part before ended: those after that one, and no requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<ClaimId>,
    /// Where its requests ended: those after that one, and no claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_after: Option<AuthorisationId>,
}

/// How a payer keeps its times with a provider (CMS-0057-F for authorisations: 72 hours, 7 days): a part of it, or what several come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceReport {
    /// When it was made (seconds since 1970).
    pub at: i64,
    /// Claims, due [`CLAIM_SECONDS`] after the beginning of the day on which they were submitted.
    pub claims: ServiceLevel,
    /// Urgent requests for authorisations.
    pub urgent: ServiceLevel,
    /// Other requests.
    pub standard: ServiceLevel,
    /// Levels of appeals that are the payer's to answer; one that the provider went on from without an answer counts as late.
    #[serde(default)]
    pub appeals: ServiceLevel,
    /// What is open and overdue, the oldest first.
    pub overdue: Vec<Overdue>,
    /// Claims that are not counted, because the peer cannot read where they stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<ClaimId>,
    /// Requests that are not counted, for the same reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable_requests: Vec<AuthorisationId>,
    /// For [`ReportQuery::after`], where there may be more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ClaimId>,
    /// For [`ReportQuery::requests_after`], where there may be more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_request: Option<AuthorisationId>,
}

impl ServiceReport {
    /// Adds another part. Where that goes on is the caller's to see.
    pub fn add(&mut self, part: Self) {
        self.claims.add(part.claims);
        self.urgent.add(part.urgent);
        self.standard.add(part.standard);
        self.appeals.add(part.appeals);
        self.overdue.extend(part.overdue);
        self.overdue.sort();
        self.unreadable.extend(part.unreadable);
        self.unreadable_requests.extend(part.unreadable_requests);
    }
}

/// Counts of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceLevel {
    /// Wait for the payer.
    pub open: u32,
    /// Of these, those past their time.
    pub overdue: u32,
    /// Wait for the provider's information.
    pub pended: u32,
    /// Decided first within their time.
    pub in_time: u32,
    /// Decided first after it.
    pub late: u32,
}

impl ServiceLevel {
    fn add(&mut self, part: Self) {
        for (count, more) in [
            (&mut self.open, part.open),
            (&mut self.overdue, part.overdue),
            (&mut self.pended, part.pended),
            (&mut self.in_time, part.in_time),
            (&mut self.late, part.late),
        ] {
            *count = count.saturating_add(more);
        }
    }
}

/// Something open and overdue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overdue {
    /// Since when (seconds since 1970).
    pub due: i64,
    /// Which.
    pub what: OpenItem,
}

/// What waits for a payer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenItem {
    /// A claim.
    Claim(ClaimId),
    /// A request for an authorisation.
    Authorisation(AuthorisationId),
    /// The appeal of a claim.
    Appeal(ClaimId),
}

impl SelfPayment {
    /// `INVALID_CODE` unless there are 1 to [`MAX_SELF_PAID`] services with codes of up to 16 characters.
    pub fn validate(&self) -> Result<(), HealthError> {
        let codes = self
            .services
            .iter()
            .all(|(code, _)| (1..=16).contains(&code.len()));
        if codes && (1..=MAX_SELF_PAID).contains(&self.services.len()) {
            Ok(())
        } else {
            Err(HealthError::InvalidCode(
                "1 to 50 services are restricted at once, each with a procedure code of up to 16 characters"
                    .into(),
            ))
        }
    }
}
