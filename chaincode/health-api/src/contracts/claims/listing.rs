//! Claims and remittances between a payer and a provider, for both: by status, day and coverage, and what waits for the provider.

use super::{AuthorisationStatus, ClaimStatus};
use crate::date::{Date, DateRange};
use crate::ids::{AuthorisationId, ClaimId, CoverageId, RemittanceId};
use serde::{Deserialize, Serialize};

/// Most remittances that one answer looks at; the rest is asked for with [`RemittanceList::next`]. Each may have 50 claims, whose
/// states are read for it; [`MAX_LOOKED_AT`](super::MAX_LOOKED_AT) says why there are no more.
pub const MAX_REMITTANCES: usize = 20;

/// Which claims are listed. What is not named is not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListQuery {
    /// Only those that stand there.
    pub status: Option<ClaimStatus>,
    /// Only those that were submitted on that day or later, by the provider's clock.
    pub since: Option<Date>,
    /// Only those of that coverage.
    pub coverage: Option<CoverageId>,
    /// Only those with something for the provider to do, and requests for authorisations that the payer asked it about.
    pub for_provider: bool,
    /// Where the answer before ended; none: from the beginning.
    pub after: Option<ClaimId>,
}

crate::codes::code_enum! {
    /// What a provider has to do, or can do, about a claim of its own.
    ProviderStep {
        /// Answer what the payer asks.
        Answer = "answer",
        /// Submit it anew, as a replacement: the payer's front end refused it.
        Correct = "correct",
        /// Appeal the decision, or take an appeal to the next level.
        Appeal = "appeal",
        /// Confirm that the money came.
        Confirm = "confirm",
        /// Submit another in its place: the payer took remittance or payment back.
        Replace = "replace",
        /// Wait: it corrects another one, and the payer has not received it.
        Receipt = "receipt",
    }
}

/// Some of the claims of a payer and a provider.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimList {
    /// Claims, in the order of their ids.
    pub claims: Vec<ListedClaim>,
    /// Requests that the payer asked about; in the first part alone, and there only for [`ListQuery::for_provider`] and nothing else.
    pub authorisations: Vec<AskedAuthorisation>,
    /// Claims of which the peer cannot read where they stand: something is on its way to it, or has another form than the contract writes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<ClaimId>,
    /// For [`ListQuery::after`], where there may be more.
    pub next: Option<ClaimId>,
}

/// A claim of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedClaim {
    /// The claim.
    pub claim: ClaimId,
    /// Its member's coverage.
    pub coverage: CoverageId,
    /// Where it stands.
    pub status: ClaimStatus,
    /// The day of its submission by the provider's clock.
    pub submitted: Date,
    /// First and last day of its services.
    pub services: DateRange,
    /// The day of the decision in force.
    pub decided: Option<Date>,
    /// What is charged, in minor units of its currency.
    pub charged: i64,
    /// Its currency (ISO 4217).
    pub currency: String,
    /// What the decision in force pays, in all; none where there is none, or the claim was taken back.
    pub allowed: Option<i64>,
    /// What the payer has paid, also where that was taken back since.
    pub paid: i64,
    /// Remittances that it was put on, the newest last; not those of before this was kept.
    pub remittances: Vec<RemittanceId>,
    /// The claim that it replaces or voids.
    pub corrects: Option<ClaimId>,
    /// A correction of it that the payer has not received.
    pub correction: Option<ClaimId>,
    /// The claim that stands in its place, or took it back.
    pub successor: Option<ClaimId>,
    /// What the provider has to do, or can do.
    pub step: Option<ProviderStep>,
    /// The last day for that, where it has one.
    pub until: Option<Date>,
    /// The last day of an appeal, or of its next level, where that can still be made.
    pub appeal_until: Option<Date>,
}

/// A request for an authorisation that the payer asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedAuthorisation {
    /// The request.
    pub authorisation: AuthorisationId,
    /// Whose coverage it is about.
    pub coverage: CoverageId,
    /// Where it stands.
    pub status: AuthorisationStatus,
    /// Whether it is urgent.
    pub urgent: bool,
    /// The day on which it was made.
    pub requested: Date,
}

/// Which remittances are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RemittanceQuery {
    /// Only those that were issued on that day or later, and those of before their day was kept.
    pub since: Option<Date>,
    /// Where the answer before ended; none: from the beginning.
    pub after: Option<RemittanceId>,
}

/// Some of the remittances of a payer and a provider.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemittanceList {
    /// Remittances, in the order of their ids.
    pub remittances: Vec<ListedRemittance>,
    /// Those of which the peer cannot read where their claims stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<RemittanceId>,
    /// For [`RemittanceQuery::after`], where there may be more.
    pub next: Option<RemittanceId>,
}

/// A remittance of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedRemittance {
    /// Its id.
    pub remittance: RemittanceId,
    /// The day on which it was issued; not kept by older ones.
    pub issued: Option<Date>,
    /// How many claims are on it.
    pub claims: usize,
    /// The sum as it was issued, in minor units.
    pub total: i64,
    /// The sum of what stands of it.
    pub standing: i64,
    /// Its currency (ISO 4217); none where its first claim is not there.
    pub currency: Option<String>,
    /// How many of its claims wait for the payer's payment.
    pub to_pay: usize,
    /// How many of its claims are paid, and not confirmed.
    pub to_confirm: usize,
}
