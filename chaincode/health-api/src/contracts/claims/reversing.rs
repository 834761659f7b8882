//! What leads to a reversal: the claim's provider asks for it, or the payer learns later that what it decided does not hold.

use super::ClaimStatus;
use crate::date::{Date, DateRange};
use crate::ids::{ClaimId, CoverageId, Hash, Salt, TxId};
use serde::{Deserialize, Serialize};

/// How often a claim's provider asks for its reversal: once more after each answer.
pub const MAX_REVERSAL_REQUESTS: usize = 4;

/// The provider asks its payer to take a claim's remittance or payment back: to correct or void it, or to return what was paid too much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReversalRequest {
    /// The claim.
    pub claim: ClaimId,
    /// Why: 1 to [`MAX_TEXT`](super::MAX_TEXT) bytes, for payer and provider.
    pub reason: String,
    /// Salts the private values.
    pub salt: Salt,
}

/// The payer does not take a claim back for which its provider asked that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReversalDecline {
    /// The claim.
    pub claim: ClaimId,
    /// Which request is answered, from 1: the one that its payer has seen.
    pub request: usize,
    /// Why: 1 to [`MAX_TEXT`](super::MAX_TEXT) bytes, for payer and provider.
    pub reason: String,
    /// Salts the private values.
    pub salt: Salt,
}

/// A request for a reversal, and what the payer said to it. A reversal itself is told by the claim's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedReversal {
    /// Why the provider asks.
    pub reason: String,
    /// The day, by the provider's clock.
    pub on: Date,
    /// That the payer does not; none while it has not answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declined: Option<DeclinedReversal>,
}

/// Why a payer does not take a claim back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclinedReversal {
    /// The reason.
    pub reason: String,
    /// The day, by the payer's clock.
    pub on: Date,
    /// The transaction.
    pub tx: TxId,
}

/// Which claims of a coverage are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutdatedQuery {
    /// The coverage.
    pub coverage: CoverageId,
    /// Where the answer before ended ([`OutdatedClaims::next`]); none: from the beginning.
    #[serde(default)]
    pub after: Option<Hash>,
}

/// Some of the claims of a coverage that were decided by what the payer does not know so any more.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutdatedClaims {
    /// The claims, of all providers, in no order that means anything.
    pub claims: Vec<OutdatedClaim>,
    /// For [`OutdatedQuery::after`], where there may be more.
    pub next: Option<Hash>,
}

/// A claim that was decided by what the payer does not know so any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutdatedClaim {
    /// The claim.
    pub claim: ClaimId,
    /// The MSP id of the provider whose it is.
    pub provider: String,
    /// Where it stands for the payer; never `CLEARED`, which is the provider's word.
    pub status: ClaimStatus,
    /// What is so no more.
    pub because: Outdated,
    /// First and last day of those of its covered services of which that is so.
    pub services: DateRange,
    /// What its decision pays, in minor units.
    pub allowed: i64,
    /// What of it was paid, in minor units.
    pub paid: i64,
    /// Its currency (ISO 4217).
    pub currency: String,
    /// What puts it right.
    pub remedy: Remedy,
}

crate::codes::code_enum! {
    /// What is so no more of a decision.
    Outdated {
        /// The coverage does not hold on a day of a covered service.
        Ended = "ended",
        /// The coverage was amended for such a day, and the decision is by what it was before.
        Amended = "amended",
    }
}

crate::codes::code_enum! {
    /// What puts a decision right that does not hold any more.
    Remedy {
        /// The claim is reversed: it is on a remittance, or paid.
        Reverse = "reverse",
        /// It is adjudicated anew: no money has moved, and it is on no remittance.
        Anew = "anew",
    }
}
