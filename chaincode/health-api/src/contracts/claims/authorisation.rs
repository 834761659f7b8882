//! Prior authorisations.

use crate::adjudication::machine::{AuthorisationAct, AuthorisationStatus};
use crate::date::{Date, DateRange};
use crate::ids::{AuthorisationId, CoverageId, DocumentId, Salt, TxId};
use serde::{Deserialize, Serialize};

/// Seconds in which an urgent request is decided: 72 hours (CMS-0057-F).
pub const URGENT_SECONDS: i64 = 72 * 3_600;
/// Seconds in which any other request is decided: 7 days (CMS-0057-F).
pub const STANDARD_SECONDS: i64 = 7 * 86_400;
/// Longest text of a reason or an answer, in bytes.
pub const MAX_TEXT: usize = 2_000;
/// Most documents that a request, an answer or an appeal names.
pub const MAX_ATTACHMENTS: usize = 32;

/// A request for an authorisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorisationRequest {
    /// Its id, drawn by the provider; claims name it.
    pub id: AuthorisationId,
    /// The member's coverage.
    pub coverage: CoverageId,
    /// Procedure code.
    pub procedure: String,
    /// 1 to 999.
    pub units: u32,
    /// Days on which it is to be done.
    pub period: DateRange,
    /// NPI of who is to do it, or to bill it.
    pub provider_npi: String,
    /// Waiting could harm: decided within [`URGENT_SECONDS`].
    pub urgent: bool,
    /// Documents of the ledger that show why, at most [`MAX_ATTACHMENTS`].
    #[serde(default)]
    pub documents: Vec<DocumentId>,
    /// Salts the private values.
    pub salt: Salt,
}

/// The payer's decision on a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorisationDecision {
    /// Which.
    pub id: AuthorisationId,
    /// `approve`, `modify`, `deny` or `pend`.
    pub act: AuthorisationAct,
    /// What is given instead of what was asked; with `modify` alone.
    #[serde(default)]
    pub given: Option<Given>,
    /// Why, in words that who asked can act on: 1 to [`MAX_TEXT`] bytes. Needed for everything but `approve`.
    #[serde(default)]
    pub reason: Option<String>,
    /// Salts the private value.
    pub salt: Salt,
}

/// What an authorisation gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// Units.
    pub units: u32,
    /// Days on which it holds.
    pub period: DateRange,
}

/// The provider's word on its request: information that was asked for, or that it is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorisationAnswer {
    /// Which.
    pub id: AuthorisationId,
    /// `inform` or `cancel`.
    pub act: AuthorisationAct,
    /// 1 to [`MAX_TEXT`] bytes.
    pub text: String,
    /// Documents of the ledger, at most [`MAX_ATTACHMENTS`].
    #[serde(default)]
    pub documents: Vec<DocumentId>,
    /// Salts the private values.
    pub salt: Salt,
}

/// An authorisation as payer and provider see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorisationView {
    /// The request.
    pub request: AuthorisationRequest,
    /// Where it stands on the day asked for; `EXPIRED` is computed, never written.
    pub status: AuthorisationStatus,
    /// What is given, once it is.
    pub given: Option<Given>,
    /// Units that claims have used.
    pub used: u32,
    /// The reason or the answer of the last act.
    pub text: Option<String>,
    /// The second by which the payer decides (seconds since 1970).
    pub due: i64,
    /// The day it was asked for.
    pub requested: Date,
    /// The transaction of the last act.
    pub tx: TxId,
}
