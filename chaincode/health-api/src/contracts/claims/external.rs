//! The level outside of the payer: which appeals wait there, and who has taken one up.

use crate::date::Date;
use crate::ids::ClaimId;
use serde::{Deserialize, Serialize};

/// Which part of a reviewer's list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExternalQuery {
    /// Where the answer before ended; none: from the beginning.
    pub after: Option<ClaimId>,
}

/// A part of the appeals that wait outside of a payer, of one provider.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalAppeals {
    /// In the order of their claims' ids.
    pub appeals: Vec<ExternalAppeal>,
    /// How many claims the peer cannot read, of which an appeal may wait as well: something is on its way to it, or somebody wrote it otherwise than the
    /// contract does. Which ones is told to payer and provider alone.
    #[serde(default)]
    pub unreadable: usize,
    /// For [`ExternalQuery::after`], where there may be more. A claim that was looked at, and opens nothing by itself.
    pub next: Option<ClaimId>,
}

/// An appeal that waits for a reviewer outside of the payer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalAppeal {
    /// The claim.
    pub claim: ClaimId,
    /// The day on which the provider took it there, by the provider's clock; none where the peer cannot read that. A last day for the answer there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Date>,
    /// What is charged, in minor units of its currency.
    pub charged: i64,
    /// Its currency (ISO 4217).
    pub currency: String,
    /// Whether whoever asks has taken it up, and so reads the claim.
    pub taken_up: bool,
}

/// Somebody outside of the payer who has taken a claim's appeal up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reviewer {
    /// The regulator, by MSP id.
    pub organisation: String,
    /// Who, as [`Requester::person`](crate::contracts::consent::Requester::person).
    pub person: String,
    /// When (seconds since 1970), by the reviewer's clock.
    pub at: i64,
}
