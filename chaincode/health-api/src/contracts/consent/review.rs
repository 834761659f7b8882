//! Reviews of broken glasses.

use crate::codes::OverrideReason;
use crate::ids::{Salt, TxId};
use serde::{Deserialize, Serialize};

crate::codes::code_enum! {
    /// What a review of a broken glass found.
    ReviewOutcome {
        /// Rightly broken.
        Justified = "justified",
        /// Wrongly broken.
        Unjustified = "unjustified",
        /// It cannot be said.
        Inconclusive = "inconclusive",
    }
}

/// A finished review of a broken glass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// The break-glass transaction.
    pub access: TxId,
    /// The finding.
    pub outcome: ReviewOutcome,
    /// Salts the private value.
    pub salt: Salt,
}

/// How long a review may wait before it goes to the regulator, in seconds: 72 hours.
pub const REVIEW_SECONDS: i64 = 72 * 3_600;

/// Takes a review that waits too long to the regulator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// The break-glass transaction.
    pub access: TxId,
    /// Salts the private value.
    pub salt: Salt,
}

/// A review that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenReview {
    /// The break-glass transaction.
    pub access: TxId,
    /// When, seconds since 1970.
    pub at: i64,
    /// MSP id of the organisation that broke the glass.
    pub organisation: String,
    /// The reason given.
    pub reason: OverrideReason,
    /// The first step, if this is the second step of a broken glass.
    #[serde(default)]
    pub follows: Option<TxId>,
}
