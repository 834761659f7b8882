//! A remittance that is paid, and confirmed, as one: one reference of the bank's, one transaction.

use crate::adjudication::machine::ClaimStatus;
use crate::ids::{ClaimId, RemittanceId, Salt};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A payment made outside of the ledger, of claims of one remittance together. All of them are paid by it, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemittancePayment {
    /// The remittance.
    pub remittance: RemittanceId,
    /// 1 to [`MAX_REMITTED`](super::MAX_REMITTED) of its claims, which wait for their payment.
    pub claims: BTreeSet<ClaimId>,
    /// The sum that was paid, in minor units, less what is set off: another one than the payer's books say is refused. None: whatever they say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<i64>,
    /// Reversed claims between the two, in its currency, whose money comes back by so much less being paid: at most [`MAX_REMITTED`](super::MAX_REMITTED),
    /// and never more than the payment.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub set_off: BTreeSet<ClaimId>,
    /// The bank's reference: 1 to 64 printable ASCII characters.
    pub reference: String,
    /// Salts the private values.
    pub salt: Salt,
}

/// The word that the payments of claims of one remittance came. All of them are confirmed, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemittanceConfirmation {
    /// The remittance.
    pub remittance: RemittanceId,
    /// 1 to [`MAX_REMITTED`](super::MAX_REMITTED) of its claims, which are paid.
    pub claims: BTreeSet<ClaimId>,
    /// The sum that came, in minor units: another one than that of the payments is refused. None: whatever they say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<i64>,
    /// Salts the private values.
    pub salt: Salt,
}

crate::codes::code_enum! {
    /// Where the money of a claim on a remittance stands.
    MoneyState {
        /// It waits for its payment.
        ToPay = "to-pay",
        /// It is paid, and its provider has not confirmed that.
        Paid = "paid",
        /// Its provider has the money.
        Confirmed = "confirmed",
        /// It is denied: nothing is paid of it.
        Denied = "denied",
        /// Its money is not on this remittance any more: it is reversed, decided anew, or on a later one.
        Elsewhere = "elsewhere",
    }
}

/// A claim of a remittance, and its money as it stands now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemittedMoney {
    /// The claim.
    pub claim: ClaimId,
    /// Where it stands.
    pub status: ClaimStatus,
    /// What is to be paid of it, or what was paid of it by this remittance, in minor units; 0 where it is denied or elsewhere.
    pub amount: i64,
    /// Its currency (ISO 4217).
    pub currency: String,
    /// Where its money stands.
    pub state: MoneyState,
    /// The reference of that payment, where it is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Why it is not paid as it stands, for its payer alone, of one that waits for its payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// Money of the claim that it replaces, which has to come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<StillOut>,
}

/// Money of a claim that was reversed and has to come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StillOut {
    /// The claim.
    pub claim: ClaimId,
    /// How much, in minor units.
    pub amount: i64,
}
