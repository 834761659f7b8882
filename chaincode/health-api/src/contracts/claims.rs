//! Plans, coverage, authorisations, claims, adjudication, reviews and appeals, payment.
//!
//! A claim's states are [`ClaimStatus`], an appeal's [`AppealStatus`], an authorisation's [`AuthorisationStatus`].

mod authorisation;
mod explanation;
mod review;
mod settlement;

pub use crate::adjudication::machine::{
    AppealAct, AppealStatus, AuthorisationAct, AuthorisationStatus, ClaimAct, ClaimStatus,
};
pub use authorisation::*;
pub use explanation::*;
pub use review::*;
pub use settlement::*;

use crate::adjudication::{Accumulators, Adjudication, Claim, Coverage, Plan};
use crate::date::Date;
use crate::ids::{AuthorisationId, ClaimId, CoverageId, Hash, PlanId, RemittanceId, Salt, TxId};
use crate::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext, contract};
use serde::{Deserialize, Serialize};

/// Most other claims of the member that an adjudication looks at.
pub const MAX_PRIOR: usize = 200;

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
    /// What the provider answered to questions.
    #[serde(default)]
    pub information: Vec<String>,
    /// The appeal, if there is one.
    #[serde(default)]
    pub appeal: Option<AppealView>,
    /// The claim that stands in its place, or takes it back.
    #[serde(default)]
    pub successor: Option<ClaimId>,
    /// Why it was reversed.
    #[serde(default)]
    pub reversal: Option<String>,
    /// The transaction of the last step.
    pub tx: TxId,
}

/// Claims between one payer and one provider lie in `pair_<payer>_<provider>`; plans' rules, coverage, providers' standing and what members have
/// paid lie in `payer_<payer>`. Public are the versions and salted commitments of plans.
///
/// Roles: `payer` of the payer, `provider-billing` of the provider. Whoever else calls is refused with `FORBIDDEN`.
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

    /// Ends a coverage before its period does; the newest word counts. Role `payer` of that payer. `NOT_FOUND` for an unknown coverage,
    /// `INVALID_CODE` for a day outside of its period.
    #[submit]
    fn end_coverage(
        &self,
        ctx: &Context<'_>,
        payer: String,
        #[transient] end: CoverageEnd,
    ) -> Result<Receipt, HealthError>;

    /// Says how a provider stands with the payer: credential, network, exclusion. The newest word counts. Role `payer` of that payer.
    /// `INVALID_CODE` for an NPI whose check digit is wrong.
    #[submit]
    fn set_standing(
        &self,
        ctx: &Context<'_>,
        payer: String,
        #[transient] standing: StandingBody,
    ) -> Result<Receipt, HealthError>;

    /// Asks for an authorisation. Role `provider-billing` of the provider. `DUPLICATE` if the id is taken, `INVALID_CODE` for a request that no payer
    /// could grant.
    #[submit]
    fn request_authorisation(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] request: AuthorisationRequest,
    ) -> Result<Receipt, HealthError>;

    /// Decides a request, or asks for more. Role `payer` of the payer. `INVALID_CODE` without the reason that anything but an approval needs,
    /// `CONFLICT_STATE` for what does not lead on from where it stands: a denial is never changed.
    #[submit]
    fn decide_authorisation(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] decision: AuthorisationDecision,
    ) -> Result<Receipt, HealthError>;

    /// The provider gives the information that was asked for, or takes its request back. Role `provider-billing` of the provider.
    /// `CONFLICT_STATE` for what does not lead on from where it stands.
    #[submit]
    fn answer_authorisation(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] answer: AuthorisationAnswer,
    ) -> Result<Receipt, HealthError>;

    /// A request for an authorisation and what became of it. Role `payer` of the payer or `provider-billing` of the provider.
    #[evaluate]
    fn authorisation(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        authorisation: AuthorisationId,
    ) -> Result<AuthorisationView, HealthError>;

    /// Submits a first claim. Role `provider-billing` of the provider. Its id makes it idempotent: the same body once more is success and changes
    /// nothing. Refused at the front: `INVALID_CODE` for what a claim form's checks find (the NPI's check digit, dates, amounts), `DUPLICATE` if
    /// this pair has the same service of that period already, or another claim of that id.
    #[submit]
    fn submit_claim(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] claim: ClaimBody,
    ) -> Result<Receipt, HealthError>;

    /// Submits a claim that replaces (frequency 7) or voids (8) one before: that one goes, with what it used up, and its services may be claimed by
    /// the replacement. A void has the lines of the claim it takes back, and is never adjudicated. Role `provider-billing` of the provider; it runs
    /// at the payer, whose money it moves. `NOT_FOUND` without that claim, `CONFLICT_STATE` once it is paid and not reversed.
    #[submit]
    fn replace_claim(
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
        #[transient] step: AdjudicationStep,
    ) -> Result<Receipt, HealthError>;

    /// Answers what a pended claim asks: it waits for the payer again. Role `provider-billing` of the provider. `CONFLICT_STATE` unless it is
    /// pended.
    #[submit]
    fn provide_information(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] information: Information,
    ) -> Result<Receipt, HealthError>;

    /// Proposes rulings on what the rules found. Role `payer` of the payer. `INVALID_CODE` for rules that nobody sets aside or lines that are not
    /// there, `CONFLICT_STATE` unless the claim is pended, denied or partly denied. The newest proposal counts.
    #[submit]
    fn propose_ruling(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] proposal: RulingProposal,
    ) -> Result<Receipt, HealthError>;

    /// Confirms the rulings that are proposed and adjudicates anew with them. Role `payer` of the payer; `SOD_VIOLATION` for who proposed them,
    /// `NOT_FOUND` without a proposal.
    #[submit]
    fn confirm_ruling(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] step: AdjudicationStep,
    ) -> Result<Receipt, HealthError>;

    /// Appeals an adjudication that denied or reduced lines, or an appeal's decision at the next level. Role `provider-billing` of the provider.
    /// `CONFLICT_STATE` while an appeal is open, after the last level, or unless the claim is decided; `EXPIRED` after [`APPEAL_DAYS`].
    #[submit]
    fn appeal(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] appeal: AppealBody,
    ) -> Result<Receipt, HealthError>;

    /// Decides an appeal; unless it is upheld, the claim is adjudicated anew with the rulings given. Role `payer` of the payer. `SOD_VIOLATION` for
    /// anybody who has decided about the claim before.
    #[submit]
    fn decide_appeal(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] decision: AppealDecision,
    ) -> Result<Receipt, HealthError>;

    /// Puts approved claims on a remittance. Role `payer` of the payer. `DUPLICATE` if its id is taken, `CONFLICT_STATE` for a claim that is not
    /// approved or partly approved.
    #[submit]
    fn remit(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] remittance: RemittanceBody,
    ) -> Result<Receipt, HealthError>;

    /// A remittance. Role `payer` of the payer or `provider-billing` of the provider.
    #[evaluate]
    fn remittance(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        remittance: RemittanceId,
    ) -> Result<RemittanceView, HealthError>;

    /// Records the payment of a claim that is approved, partly approved, or on a remittance. Role `payer` of the payer. `INVALID_CODE` if the amount
    /// is not the allowed one, `CONFLICT_STATE` otherwise.
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

    /// Takes a remittance or payment of a claim back, with what the claim used up. Role `payer` of the payer. `CONFLICT_STATE` unless the claim is
    /// payable, paid or cleared.
    #[submit]
    fn reverse(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] reversal: Reversal,
    ) -> Result<Receipt, HealthError>;

    /// Adds what claims added beside to the sum of what a member has paid in a year; each delta counts once. Role `payer` of that payer. `NOT_FOUND`
    /// for a delta that is not there, or was added before.
    #[submit]
    fn fold_accumulators(
        &self,
        ctx: &Context<'_>,
        payer: String,
        #[transient] fold: Fold,
    ) -> Result<Receipt, HealthError>;

    /// What claims of a year added beside, not folded yet. Role `payer` of that payer.
    #[evaluate]
    fn deltas(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        #[transient] query: MemberQuery,
    ) -> Result<Vec<Delta>, HealthError>;

    /// The member's claims that have covered services, for [`AdjudicationStep::prior`]. Role `payer` of that payer.
    #[evaluate]
    fn member_claims(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        #[transient] query: CoverageQuery,
    ) -> Result<Vec<ClaimId>, HealthError>;

    /// A claim, its adjudication and payment. Role `payer` of the payer or `provider-billing` of the provider.
    #[evaluate]
    fn claim(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        claim: ClaimId,
    ) -> Result<ClaimView, HealthError>;

    /// The explanation of benefits: line by line what is paid, what the member owes, and why. Role `payer` of the payer or `provider-billing` of the
    /// provider. `NOT_FOUND` before the adjudication.
    #[evaluate]
    fn explanation(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        claim: ClaimId,
    ) -> Result<ExplanationOfBenefits, HealthError>;

    /// Whether a coverage holds on a day. Role `payer` of the payer. `NOT_FOUND` for an unknown coverage.
    #[evaluate]
    fn eligibility(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        #[transient] query: EligibilityQuery,
    ) -> Result<Eligibility, HealthError>;
}
