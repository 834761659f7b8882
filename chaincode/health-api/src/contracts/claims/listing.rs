//! Claims and remittances between a payer and a provider, for both: by status, day and coverage, and what waits for the provider.

use super::{AuthorisationStatus, ClaimStatus, TakenBack};
use crate::date::{Date, DateRange};
use crate::ids::{AuthorisationId, ClaimId, CoverageId, RemittanceId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

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
    /// Only those with something for the provider to do, or with money to give back, and requests for authorisations that the payer asked it about.
    pub for_provider: bool,
    /// Where the claims of the answer before ended; none: from the beginning.
    pub after: Option<ClaimId>,
    /// Where its requests ended: what comes after that one, and no claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_after: Option<AuthorisationId>,
}

crate::codes::code_enum! {
    /// What a provider has to do, or can do, about a claim of its own.
    ProviderStep {
        /// Answer what the payer asks.
        Answer = "answer",
        /// Submit it anew, as a replacement: the payer's front end refused it.
        Correct = "correct",
        /// Appeal the decision, or take an appeal to the next level: after its answer, or after the payer's last day for one.
        Appeal = "appeal",
        /// Confirm that the money came.
        Confirm = "confirm",
        /// Submit another in its place: the payer took remittance or payment back.
        Replace = "replace",
        /// Wait: it corrects another one, and the payer has not received it.
        Receipt = "receipt",
        /// Give back what was paid of it: it was reversed.
        GiveBack = "give-back",
    }
}

/// Some of the claims of a payer and a provider.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimList {
    /// Claims, in the order of their ids.
    pub claims: Vec<ListedClaim>,
    /// Requests that the payer asked about; in the first part, for [`ListQuery::for_provider`] and nothing else, and in those that go on with them.
    pub authorisations: Vec<AskedAuthorisation>,
    /// Claims of which the peer cannot read where they stand: something is on its way to it, or somebody wrote it otherwise than the contract does. Nothing
    /// says that their provider made them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<ClaimId>,
    /// Requests of which that is so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable_requests: Vec<AuthorisationId>,
    /// For [`ListQuery::after`], where there may be more.
    pub next: Option<ClaimId>,
    /// For [`ListQuery::requests_after`], where there may be more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_request: Option<AuthorisationId>,
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
    /// What was paid of it and taken back, where that is so. While some of that is out, the provider has to give it back, beside what its step is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<TakenBack>,
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
    /// The second in which it was (seconds since 1970); not kept by older ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
    /// The bank's references by which claims were paid by it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub references: BTreeSet<String>,
    /// How many claims are on it.
    pub claims: usize,
    /// The sum as it was issued, in minor units.
    pub total: i64,
    /// The sum of what stands of it.
    pub standing: i64,
    /// Its currency (ISO 4217); none where its first claim is not there.
    pub currency: Option<String>,
    /// How many of its claims it tells as denied: nothing is paid of them by it.
    #[serde(default)]
    pub denied: usize,
    /// How many of its claims wait for the payer's payment by it.
    pub to_pay: usize,
    /// How many of its claims are paid by it, and not confirmed.
    pub to_confirm: usize,
    /// What was paid by it of claims that were reversed since, and has to come back, in minor units.
    #[serde(default)]
    pub out: i64,
}
