//! A plan, a coverage and a claim as they are handed in, each with its salt; and a claim as payer and provider see it.

use super::{AppealView, AskedReversal, Attachment, ClaimStatus, Payment, Reviewer, TakenBack};
use crate::HealthError;
use crate::adjudication::{Adjudication, Claim, Coverage, Edit, Plan};
use crate::date::Date;
use crate::ids::{ClaimId, Hash, RemittanceId, Salt, TxId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A plan with its salt, as it is loaded; the public commitment is [`PlanBody::commitment`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanBody {
    /// The plan.
    pub plan: Plan,
    /// Salts the commitment and the private value.
    pub salt: Salt,
}

impl PlanBody {
    /// What `publish_plan` anchors.
    pub fn commitment(&self) -> Result<Hash, HealthError> {
        crate::hashing::commit("plan", &self.salt, &self.plan)
    }
}

/// A coverage with its salt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoverageBody {
    /// The coverage.
    pub coverage: Coverage,
    /// Salts the private value.
    pub salt: Salt,
}

/// A claim with its salt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimBody {
    /// The claim.
    pub claim: Claim,
    /// Salts the private values.
    pub salt: Salt,
}

/// Names a claim for a step that brings nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimStep {
    /// The claim.
    pub claim: ClaimId,
    /// Salts the private values of the step.
    pub salt: Salt,
}

/// A claim as payer and provider see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimView {
    /// The claim.
    pub claim: Claim,
    /// Where it stands.
    pub status: ClaimStatus,
    /// The adjudication, once there is one.
    pub adjudication: Option<Adjudication>,
    /// The newest payment, once there is one.
    pub payment: Option<Payment>,
    /// All payments, in their order: a second one pays the difference that an appeal made.
    #[serde(default)]
    pub payments: Vec<Payment>,
    /// What the payer's front end found, if it rejected the claim.
    #[serde(default)]
    pub rejection: Vec<Edit>,
    /// Remittances that it was put on, the newest last; not those of before this was kept.
    #[serde(default)]
    pub remittances: Vec<RemittanceId>,
    /// Those of its remittances that told a denial: nothing was to be paid of it by them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub denials: BTreeSet<RemittanceId>,
    /// Documents that the provider attached.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// There may be more documents than the first 500 keys, or 8 MiB, of them: somebody has written what no claim has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more_attachments: bool,
    /// What the provider answered to questions.
    #[serde(default)]
    pub information: Vec<String>,
    /// The last day on which the provider answers what a pended claim asks it; none where the payer looks for itself alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_until: Option<Date>,
    /// The appeal, if there is one.
    #[serde(default)]
    pub appeal: Option<AppealView>,
    /// Who has taken the appeal up outside of the payer, and so reads the claim while it is open there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reviewers: Vec<Reviewer>,
    /// The claim that stands in its place, or takes it back.
    #[serde(default)]
    pub successor: Option<ClaimId>,
    /// A replacement or void of it that is submitted, and takes effect once the payer receives it.
    #[serde(default)]
    pub correction: Option<ClaimId>,
    /// Why it was reversed.
    #[serde(default)]
    pub reversal: Option<String>,
    /// What the provider said when it asked for its reversal, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reversals: Vec<AskedReversal>,
    /// Of each payment, in their order, the remittance that it paid; none where it was made without one, or of before this was kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paid_on: Vec<Option<RemittanceId>>,
    /// What was paid of it and taken back, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<TakenBack>,
    /// The transaction of the payer's last step; the provider's submission before the first.
    pub tx: TxId,
}
