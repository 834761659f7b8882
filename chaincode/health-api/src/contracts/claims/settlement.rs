//! Money: remittances, payments, reversals, what members have paid. A payment is an instruction and a bank's reference, never a token.

use super::paying::MoneyState;
use super::recovering::Recovered;
use super::review::{MadeRulings, ProposedRulings, Rulings};
use super::screening::{DoubtView, FlagView};
use crate::adjudication::machine::ClaimStatus;
use crate::adjudication::{Adjudication, Claim, Coverage, Standing};
use crate::date::Date;
use crate::ids::{ClaimId, CoverageId, RemittanceId, Salt, TxId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most claims of a remittance.
pub const MAX_REMITTED: usize = 50;

/// Most organisations that bill under one provider's number.
pub const MAX_BILLING: usize = 64;

/// The payer puts claims on a remittance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemittanceBody {
    /// Its id, drawn by the payer.
    pub id: RemittanceId,
    /// 1 to [`MAX_REMITTED`] claims of the pair: approved, partly approved, or denied by a decision that no remittance has told.
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
    /// Their sum, as it was issued.
    pub total: i64,
    /// Those of its claims that were reversed since.
    #[serde(default)]
    pub reversed: BTreeSet<ClaimId>,
    /// The sum without these, and without claims that were decided anew before they were paid.
    #[serde(default)]
    pub standing: i64,
    /// Those of its claims that it tells as denied: nothing is paid of them by it, whatever was decided since.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub denied: BTreeSet<ClaimId>,
    /// Where each of its claims stands.
    #[serde(default)]
    pub statuses: BTreeMap<ClaimId, ClaimStatus>,
    /// Where the money of each of its claims stands, as far as it is this remittance's.
    #[serde(default)]
    pub money: BTreeMap<ClaimId, MoneyState>,
    /// What was paid by it of claims that were reversed since, and has to come back.
    #[serde(default)]
    pub out: i64,
    /// What came back of other claims, which were reversed, by so much less being paid of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set_off: BTreeMap<ClaimId, i64>,
    /// Its currency (ISO 4217), that of its first claim.
    #[serde(default)]
    pub currency: Option<String>,
    /// The day on which it was issued, by the payer's clock; not kept by older ones.
    #[serde(default)]
    pub issued: Option<Date>,
    /// The second in which it was issued (seconds since 1970), by the same clock; not kept by older ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
    /// The bank's references by which its claims were paid by it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub references: BTreeSet<String>,
    /// The transaction.
    pub tx: TxId,
}

/// A claim as it was put on a remittance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemittedClaim {
    /// The claim.
    pub claim: Claim,
    /// The decision that was in force then.
    pub adjudication: Adjudication,
    /// What was put on the remittance: what the decision allowed, less what was paid before.
    pub amount: i64,
    /// The decision is still in force, or was paid as the remittance says, or denied all: a later remittance takes that back. A claim that was decided anew or
    /// reversed before it was paid is paid otherwise, or not.
    pub stands: bool,
    /// It was on a remittance before that was never paid: both together say more than is paid.
    pub again: bool,
    /// What a remittance before told of it, and this one takes back and says what stands in its place: a denial, or the decision that was paid, where this one
    /// pays the difference. Less what the former allowed, the decision comes to the amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Adjudication>,
    /// It is none of the remittance's claims: it was reversed, and its money, the amount, came back by so much less being paid of this remittance. The decision
    /// is the one that was paid.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub set_off: bool,
}

/// A payment made outside the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// The claim.
    pub claim: ClaimId,
    /// Minor units; must equal what is due: what the adjudication in force allows, less what was paid before.
    pub amount: i64,
    /// The bank's reference: 1 to 64 printable ASCII characters.
    pub reference: String,
    /// Salts the private values.
    pub salt: Salt,
}

/// Names claims that the payer receives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimBatch {
    /// 1 to [`MAX_REMITTED`].
    pub claims: BTreeSet<ClaimId>,
    /// Salts the private values of the step.
    pub salt: Salt,
}

/// The payer's book of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BookView {
    /// The claim.
    pub claim: ClaimId,
    /// Where it stands for the payer; never `CLEARED`, which is the provider's word.
    pub status: ClaimStatus,
    /// The second in which the payer received it (seconds since 1970).
    pub received: i64,
    /// The first claim of the chain of replacements that it is of.
    pub root: ClaimId,
    /// What the decision in force allows; none before the first.
    pub allowed: Option<i64>,
    /// What was paid of it.
    pub paid: i64,
    /// What is still to be paid of it.
    pub due: i64,
    /// What was paid of it, was taken back and has to come back.
    #[serde(default)]
    pub out: i64,
    /// How that came back, once it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Recovered>,
    /// How many people decided about it so far.
    pub deciders: usize,
    /// What reviewers made of what rules found.
    pub rulings: Rulings,
    /// When, by whom and why, the oldest first; not those of before this was kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<MadeRulings>,
    /// Rulings that wait for a second person; those proposed on an adjudication that has changed since are not confirmed any more, and not shown.
    pub proposal: Option<ProposedRulings>,
    /// Flags, cleared ones too.
    #[serde(default)]
    pub flags: Vec<FlagView>,
    /// Whether the member says that lines were rendered, by line.
    #[serde(default)]
    pub feedback: BTreeMap<u16, bool>,
    /// Other claims of its services that are doubted; not named are those of a procedure that is doubted too often in a year to keep them all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<DoubtView>,
    /// Remittances that it was put on.
    pub remittances: Vec<RemittanceId>,
    /// The one that told the decision in force, where that denied all lines and was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advised: Option<RemittanceId>,
    /// The claim that stands in its place, or takes it back.
    pub successor: Option<ClaimId>,
    /// Why it was reversed.
    pub reversal: Option<String>,
    /// The transaction of the payer's last step.
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

/// Most versions of a coverage after the first.
pub const MAX_AMENDMENTS: usize = 100;

/// A coverage as it is from a day of service on: birth, sex, who pays first, version of the plan, period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoverageAmendment {
    /// The first day of service on which it is so; up to the day from which a later version counts.
    pub from: Date,
    /// All of it, under the id under which it was enrolled.
    pub coverage: Coverage,
    /// Salts the private value.
    pub salt: Salt,
}

/// The last day of a coverage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoverageEnd {
    /// The coverage.
    pub coverage: CoverageId,
    /// Its last day, within its period; or the day before its first, where it never held.
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
    /// Which organisations bill under the number, by MSP id; at most [`MAX_BILLING`]. Where it names some, another one's claim under the number is denied;
    /// where it names none, any provider's is taken. Who performs may work for anybody.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub bills_for: BTreeSet<String>,
    /// Salts the private value.
    pub salt: Salt,
}

/// Adds what claims added beside to the sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fold {
    /// Whose.
    pub coverage: CoverageId,
    /// Of which year.
    pub year: u16,
    /// Salts the private value.
    pub salt: Salt,
}
