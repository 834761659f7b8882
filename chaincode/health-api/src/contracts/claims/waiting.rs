//! What waits for a payer: its people's and its programs' list of the day.

use super::{AuthorisationStatus, ClaimStatus};
use crate::ids::{AuthorisationId, ClaimId, CoverageId, RemittanceId};
use serde::{Deserialize, Serialize};

/// Most claims that one answer looks at; the rest is asked for with [`Waiting::next`]. Each takes some ten reads, each of which real Fabric's chaincode asks its
/// peer for; a part has to be answered within the five seconds that clients give an evaluation.
pub const MAX_LOOKED_AT: usize = 200;

/// Bytes of values from which on a look ends, also before it came to [`MAX_LOOKED_AT`]: what others wrote has any size.
pub const MAX_READ: u64 = 8 << 20;

/// Which part of a payer's list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WaitingQuery {
    /// Only claims that wait for this; none: for anything, and requests for authorisations with them.
    pub step: Option<WaitingStep>,
    /// Where the claims of the answer before ended; none: from the beginning.
    pub after: Option<ClaimId>,
    /// Where its requests ended: what comes after that one, and no claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_after: Option<AuthorisationId>,
}

crate::codes::code_enum! {
    /// What a claim waits for.
    WaitingStep {
        /// To be adjudicated: it was submitted, received, or its question is answered or was not in time.
        Decide = "decide",
        /// It is pended: for the provider's answer, or for two people's ruling; or, pended, denied or partly denied, for the second of the two.
        Review = "review",
        /// Somebody of the payer decides its appeal.
        Appeal = "appeal",
        /// To be put on a remittance; a denied one, so that its provider is told.
        Remit = "remit",
        /// It is on a remittance, and its payment is not recorded.
        Pay = "pay",
        /// It was reversed, and what was paid of it has not come back.
        Recover = "recover",
        /// Somebody looks whether it is reversed: its provider asks for that, or what was paid does not hold by what the payer knows now
        /// ([`WaitingClaim::held`]).
        Reverse = "reverse",
    }
}

/// A part of what waits for a payer with one provider.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// Claims, in the order of their ids.
    pub claims: Vec<WaitingClaim>,
    /// Requests for authorisations that the payer has not decided, in the order of their due times; in the first part, where nothing else was asked for, and
    /// in those that go on with them.
    pub authorisations: Vec<WaitingAuthorisation>,
    /// Claims of which the peer cannot read where they stand: something is on its way to it, or somebody wrote it otherwise than the contract does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<ClaimId>,
    /// Requests of which that is so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable_requests: Vec<AuthorisationId>,
    /// For [`WaitingQuery::after`], where there may be more.
    pub next: Option<ClaimId>,
    /// For [`WaitingQuery::requests_after`], where there may be more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_request: Option<AuthorisationId>,
}

/// A claim that waits for its payer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitingClaim {
    /// The claim.
    pub claim: ClaimId,
    /// Its member's coverage: claims of one are decided one after the other.
    pub coverage: CoverageId,
    /// Who bills (NPI), which is who is paid by an 835; not told by older ones.
    #[serde(default)]
    pub provider_npi: String,
    /// Where it stands.
    pub status: ClaimStatus,
    /// What it waits for.
    pub step: WaitingStep,
    /// Since when (seconds since 1970): the beginning of the day of its submission by the provider's clock, or the payer's decision, or its reversal.
    pub since: i64,
    /// By when it is decided, or its appeal answered (seconds since 1970), if that is what it waits for.
    pub due: Option<i64>,
    /// It replaces or voids another one.
    pub corrects: bool,
    /// What is charged, in minor units of its currency.
    pub charged: i64,
    /// Its currency (ISO 4217).
    pub currency: String,
    /// What is to be paid of it, in minor units, where it waits for a remittance or its payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payable: Option<i64>,
    /// What has to come back of it, in minor units, where it waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out: Option<i64>,
    /// The remittance that it waits on for its payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remittance: Option<RemittanceId>,
    /// Why nothing is paid of it as it stands, or why it is to be reversed, where that is so, and what leads on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
}

/// A request for an authorisation that waits for its payer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitingAuthorisation {
    /// The request.
    pub authorisation: AuthorisationId,
    /// Where it stands.
    pub status: AuthorisationStatus,
    /// Whether it is urgent: 72 hours instead of 7 days.
    pub urgent: bool,
    /// The second in which it was made (since 1970).
    pub since: i64,
    /// The second by which it is decided (since 1970).
    pub due: i64,
}
