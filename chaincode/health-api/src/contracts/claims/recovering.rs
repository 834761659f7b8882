//! Money that was paid of a claim and taken back: it is the payer's until it comes back.

use crate::date::Date;
use crate::ids::{ClaimId, RemittanceId, Salt, TxId};
use serde::{Deserialize, Serialize};

/// The payer says that the money of a claim came back, outside of the ledger. How much that is the contract knows: all that is out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// The claim, which was reversed.
    pub claim: ClaimId,
    /// The bank's reference: 1 to 64 printable ASCII characters.
    pub reference: String,
    /// Salts the private values.
    pub salt: Salt,
}

/// Money that came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovered {
    /// Minor units: all that was out.
    pub amount: i64,
    /// By which reference; empty for a member.
    pub reference: String,
    /// The remittance against whose payment it was set off; none where it came by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remittance: Option<RemittanceId>,
    /// The day, by the payer's clock.
    pub on: Date,
    /// The transaction that says so.
    pub tx: TxId,
}

/// What was paid of a claim that stands no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakenBack {
    /// What was paid in all, in minor units.
    pub paid: i64,
    /// By which references, in the order of the payments; none for a member.
    pub references: Vec<String>,
    /// What of it has to come back still: all, or nothing.
    pub out: i64,
    /// The second (since 1970) in which it was taken back, by the payer's clock; not kept of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// How it came back, once it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Recovered>,
}
