//! Money: remittances, payments, reversals, what members have paid. A payment is an instruction and a bank's reference, never a token; whoever else
//! releases money by the ledger (a trial's milestone) can use the same two steps.

use crate::adjudication::{Accumulators, Standing};
use crate::date::Date;
use crate::ids::{ClaimId, CoverageId, RemittanceId, Salt, TxId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most claims of a remittance.
pub const MAX_REMITTED: usize = 50;
/// Most deltas that are folded at once.
pub const MAX_FOLDED: usize = 200;

/// The payer puts claims on a remittance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemittanceBody {
    /// Its id, drawn by the payer.
    pub id: RemittanceId,
    /// 1 to [`MAX_REMITTED`] approved or partly approved claims of the pair.
    pub claims: BTreeSet<ClaimId>,
    /// Salts the private values.
    pub salt: Salt,
}

/// A remittance as payer and provider see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemittanceView {
    /// Its id.
    pub id: RemittanceId,
    /// What is paid for each claim.
    pub amounts: BTreeMap<ClaimId, i64>,
    /// Their sum.
    pub total: i64,
    /// The transaction.
    pub tx: TxId,
}

/// The payer takes a remittance or a payment of a claim back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reversal {
    /// The claim.
    pub claim: ClaimId,
    /// Why: 1 to 2000 bytes.
    pub reason: String,
    /// Salts the private values.
    pub salt: Salt,
}

/// The last day of a coverage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoverageEnd {
    /// The coverage.
    pub coverage: CoverageId,
    /// Its last day, within its period.
    pub last: Date,
    /// Salts the private value.
    pub salt: Salt,
}

/// How a provider stands with the payer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingBody {
    /// National Provider Identifier.
    pub npi: String,
    /// How it stands.
    pub standing: Standing,
    /// Salts the private value.
    pub salt: Salt,
}

/// What a claim added to what its member paid, where it was not added to the sum at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delta {
    /// The adjudication's transaction.
    pub tx: TxId,
    /// What it added.
    pub added: Accumulators,
    /// Salts the private value.
    pub salt: Salt,
}

/// Adds deltas to their sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fold {
    /// Whose.
    pub coverage: CoverageId,
    /// Of which year.
    pub year: u16,
    /// Transactions of the deltas, 1 to [`MAX_FOLDED`].
    pub deltas: BTreeSet<TxId>,
    /// Salts the private value.
    pub salt: Salt,
}

/// Whose claims are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoverageQuery {
    /// Whose.
    pub coverage: CoverageId,
}

/// Which year's deltas are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberQuery {
    /// Whose.
    pub coverage: CoverageId,
    /// Of which year.
    pub year: u16,
}
