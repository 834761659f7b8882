//! Plans, coverage, claims, adjudication, payment.

use crate::adjudication::{Accumulators, Adjudication, Claim, Coverage, Plan};
use crate::date::Date;
use crate::ids::{ClaimId, CoverageId, Hash, PlanId, Salt, TxId};
use crate::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext, contract};
use serde::{Deserialize, Serialize};

crate::codes::code_enum! {
    /// Where a claim stands.
    ClaimStatus {
        /// Accepted by the front end; waits for the payer.
        Submitted = "SUBMITTED",
        /// Every line is paid as the plan says.
        Approved = "APPROVED",
        /// Some lines are denied.
        Partial = "PARTIAL",
        /// All lines are denied.
        Denied = "DENIED",
        /// The payer has paid.
        Paid = "PAID",
        /// The provider has the money.
        Cleared = "CLEARED",
    }
}

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

/// Names a claim for a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimStep {
    /// The claim.
    pub claim: ClaimId,
    /// Salts the private values of the step.
    pub salt: Salt,
}

/// A payment made outside the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// The claim.
    pub claim: ClaimId,
    /// Minor units; must equal what the adjudication allowed.
    pub amount: i64,
    /// The bank's reference: 1 to 64 printable ASCII characters.
    pub reference: String,
    /// Salts the private values.
    pub salt: Salt,
}

/// A question about coverage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EligibilityQuery {
    /// The coverage.
    pub coverage: CoverageId,
    /// On which day.
    pub on: Date,
}

/// Whether a coverage holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eligibility {
    /// It holds on that day.
    pub covered: bool,
    /// What the member has paid this year.
    pub accumulators: Accumulators,
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
    /// The payment, once there is one.
    pub payment: Option<Payment>,
    /// The transaction of the last step.
    pub tx: TxId,
}

/// Claims between one payer and one provider lie in `pair_<payer>_<provider>`; plans' rules, coverage and what members have paid lie in
/// `payer_<payer>`. Public are the versions and salted commitments of plans.
#[contract(name = "claims", error = HealthError)]
pub trait Claims {
    /// Anchors a version of a plan. Role `payer` of a payer organisation; only the first publisher of an id may publish its next version.
    /// `CONFLICT_STATE` unless `version` is the next.
    #[submit]
    fn publish_plan(
        &self,
        ctx: &Context<'_>,
        plan: PlanId,
        version: u32,
        commitment: Hash,
    ) -> Result<Receipt, HealthError>;

    /// Writes a published plan's rules to `payer_<payer>`. Role `payer` of that payer. `NOT_FOUND` if that version is not published by it,
    /// `CONFLICT_STATE` if the body is not what was published, `INVALID_CODE` if the rules are not consistent. Repeating is harmless.
    #[submit]
    fn load_plan(
        &self,
        ctx: &Context<'_>,
        payer: String,
        #[transient] plan: PlanBody,
    ) -> Result<Receipt, HealthError>;

    /// Writes a member's coverage. Role `payer` of that payer. `DUPLICATE` if the id is taken, `NOT_FOUND` if its plan is not loaded.
    #[submit]
    fn enrol_member(
        &self,
        ctx: &Context<'_>,
        payer: String,
        #[transient] coverage: CoverageBody,
    ) -> Result<Receipt, HealthError>;

    /// Submits a claim. Role `provider-billing` of the provider. Refused at the front: `INVALID_CODE` for what a claim form's checks find
    /// (the NPI's check digit, dates, amounts), `DUPLICATE` if this pair has the same service of that period already, or that claim id.
    #[submit]
    fn submit_claim(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] claim: ClaimBody,
    ) -> Result<Receipt, HealthError>;

    /// Decides a submitted claim by its member's plan. Role `payer` of the payer. `CONFLICT_STATE` unless it is submitted.
    #[submit]
    fn adjudicate(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] step: ClaimStep,
    ) -> Result<Receipt, HealthError>;

    /// Records the payment of an approved or partly approved claim. Role `payer` of the payer. `INVALID_CODE` if the amount is not the
    /// allowed one, `CONFLICT_STATE` otherwise.
    #[submit]
    fn pay(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] payment: Payment,
    ) -> Result<Receipt, HealthError>;

    /// Confirms that the money came. Role `provider-billing` of the provider. `CONFLICT_STATE` unless it is paid.
    #[submit]
    fn confirm(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] step: ClaimStep,
    ) -> Result<Receipt, HealthError>;

    /// A claim, its adjudication and payment. Role `payer` of the payer or `provider-billing` of the provider.
    #[evaluate]
    fn claim(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        claim: ClaimId,
    ) -> Result<ClaimView, HealthError>;

    /// Whether a coverage holds on a day. Role `payer` of the payer. `NOT_FOUND` for an unknown coverage.
    #[evaluate]
    fn eligibility(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        #[transient] query: EligibilityQuery,
    ) -> Result<Eligibility, HealthError>;
}
