//! What a member sees of their own claims: by a signed question, carried by their payer's portal.

use crate::adjudication::machine::ClaimStatus;
use crate::date::{Date, DateRange};
use crate::hashing::tagged_hash;
use crate::ids::{ClaimId, CoverageId, PatientId, Salt};
use crate::keys::PublicKey;
use serde::{Deserialize, Serialize};

/// Most claims of a [`Claims::my_claims`](super::Claims::my_claims) answer.
pub const MAX_MEMBER_CLAIMS: usize = 1_000;

/// In whose name a member's intents are signed: a member is no patient of the payer, so the name follows from payer and coverage.
pub fn member_of(payer: &str, coverage: &CoverageId) -> PatientId {
    PatientId::from_bytes(*tagged_hash("member", &[payer.as_bytes(), coverage.as_bytes()]).as_bytes())
}

/// The key with which a member asks about a coverage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberKey {
    /// The coverage.
    pub coverage: CoverageId,
    /// The key; none takes the one before away.
    #[serde(default)]
    pub key: Option<PublicKey>,
    /// Salts the private value.
    pub salt: Salt,
}

/// A member asks which claims there are for a coverage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberQuery {
    /// The coverage.
    pub coverage: CoverageId,
}

/// A member asks for the explanation of one of their claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberClaimQuery {
    /// The coverage.
    pub coverage: CoverageId,
    /// The MSP id of the provider that claims.
    pub provider: String,
    /// The claim.
    pub claim: ClaimId,
}

/// A claim in a member's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberClaim {
    /// The claim.
    pub claim: ClaimId,
    /// The MSP id of the provider that claims.
    pub provider: String,
    /// The first and the last day of service.
    pub days: DateRange,
    /// Where it stands.
    pub status: ClaimStatus,
    /// What was charged in all, in minor units.
    pub charged: i64,
    /// ISO 4217.
    pub currency: String,
    /// The day of the adjudication in force; none before the first.
    #[serde(default)]
    pub decided: Option<Date>,
}
