//! Plans, coverage, authorisations, claims, adjudication, reviews and appeals, payment.
//!
//! A claim's states are [`ClaimStatus`], an appeal's [`AppealStatus`], an authorisation's [`AuthorisationStatus`].

mod authorisation;
mod explanation;
mod review;
mod screening;
mod settlement;

pub use crate::adjudication::machine::{
    AppealAct, AppealStatus, AuthorisationAct, AuthorisationStatus, ClaimAct, ClaimStatus,
};
pub use authorisation::*;
pub use explanation::*;
pub use review::*;
pub use screening::*;
pub use settlement::*;

use crate::adjudication::{Accumulators, Adjudication, Claim, Coverage, Edit, Plan};
use crate::date::Date;
use crate::ids::{AuthorisationId, ClaimId, CoverageId, Hash, PlanId, RemittanceId, Salt, TxId};
use crate::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext, contract};
use serde::{Deserialize, Serialize};

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
    /// The newest payment, once there is one.
    pub payment: Option<Payment>,
    /// All payments, in their order: a second one pays the difference that an appeal made.
    #[serde(default)]
    pub payments: Vec<Payment>,
    /// What the payer's front end found, if it rejected the claim.
    #[serde(default)]
    pub rejection: Vec<Edit>,
    /// Documents that the provider attached.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
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
    /// The transaction of the payer's last step; the provider's submission before the first.
    pub tx: TxId,
}

/// Claims between one payer and one provider lie in `pair_<payer>_<provider>`: the provider's statements, and the payer's copy of what it made of them.
/// What decides about the payer's money lies in `payer_<payer>`, which the payer alone writes: its book of each claim and authorisation, plans' rules,
/// coverage, providers' standing, what members used and paid. Public are the versions and salted commitments of plans.
///
/// Two organisations share the pair's collection, and either can write a key of it that is not there yet. So the payer's functions take nothing about
/// money from it but what the provider says for itself, and the provider's statements are guarded by both once they are written. A claim whose pair
/// holds something that the payer's book does not know is refused with `CONFLICT_STATE` until its provider submits it under a new id. Claims that were
/// open before the payer kept a book are decided before a network is upgraded to this version, and plans, coverage and standing are loaded again after it.
///
/// People of the payer who rule, who decide appeals and who clear flags need a credential of their organisation besides their role: its issuer vouches that
/// two certificates are two people.
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

    /// Asks for an authorisation; the same request once more is success. Role `provider-billing` of the provider. `DUPLICATE` if the id is taken, `INVALID_CODE` for a request that no payer
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

    /// Submits a first claim, at the provider's own peer. Role `provider-billing` of the provider. Its id makes it idempotent: the same body once more
    /// is success and changes nothing. Refused at the front: `INVALID_CODE` for what a claim form's checks find (the NPI's check digit, dates, amounts),
    /// `DUPLICATE` if this pair has the same service of that period already, or another claim of that id, `CONFLICT_STATE` for a service that the patient
    /// paid in full and keeps from the payer, and for days for which the patient's payment consent is not given.
    #[submit]
    fn submit_claim(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] claim: ClaimBody,
    ) -> Result<Receipt, HealthError>;

    /// Submits a claim that replaces (frequency 7) or voids (8) one before; the same body once more is success: that one goes, with what it used up, and its services may be claimed by
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

    /// Receives submitted claims: each is accepted, or rejected with what the payer's front end found (the 277CA of X12). The day counts for timely
    /// filing. Role `payer` of the payer. `LIMIT` unless there are 1 to [`MAX_REMITTED`] claims, `NOT_FOUND` for one that was not submitted,
    /// `CONFLICT_STATE` if all of them were received before, or one is not as it was submitted.
    #[submit]
    fn acknowledge(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] batch: ClaimBatch,
    ) -> Result<Receipt, HealthError>;

    /// Decides a claim by its member's plan, and receives it first where that was not done; the payer's systems may do it without a person. Role `payer`
    /// of the payer. `CONFLICT_STATE` unless it is
    /// submitted or accepted.
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

    /// Attaches a document to a claim by its hash. Role `provider-billing` of the provider. `NOT_FOUND` for an unknown claim, `INVALID_CODE` for a line
    /// that is not there, `DUPLICATE` for a hash that is attached.
    #[submit]
    fn submit_attachment(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] attachment: Attachment,
    ) -> Result<Receipt, HealthError>;

    /// Flags an undecided claim, or a line of it, for a person's look: it is pended when it is adjudicated, never denied by itself. Receives the claim
    /// where that was not done. Role `payer` of the payer. `CONFLICT_STATE` for a decided claim, `LIMIT` after [`MAX_FLAGS`].
    #[submit]
    fn flag(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] flag: FraudFlag,
    ) -> Result<Receipt, HealthError>;

    /// Takes a flag away, with the reason: a pended claim without any other waits for the payer's adjudication again. Role `payer` of the payer, a person
    /// with a credential. `NOT_FOUND` for an unknown flag, `CONFLICT_STATE` for one that was taken away.
    #[submit]
    fn clear_flag(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] clearance: FlagClearance,
    ) -> Result<Receipt, HealthError>;

    /// The member's word on whether a line's service was rendered. A "no" flags an undecided claim; of a decided one it is kept in the book. Role `payer`
    /// or `portal` of the payer. `INVALID_CODE` for a line that is not there, `DUPLICATE` for what was said before.
    #[submit]
    fn feedback(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] feedback: Feedback,
    ) -> Result<Receipt, HealthError>;

    /// Takes down the patient's payment consent for a coverage, or that it is refused or taken back; the newest counts. Role `provider-billing` of the
    /// provider, whose peer alone writes it. Claims of days that it is not given for are not submitted, and submitted ones not paid.
    #[submit]
    fn record_consent(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] consent: PaymentConsent,
    ) -> Result<Receipt, HealthError>;

    /// Keeps services that the patient paid in full from their payer, or lifts that; it lies in `care_<custodian>`, where no payer is. `submitClaim` refuses
    /// them; `replaceClaim`, which runs at the payer, cannot know, so a provider's own systems ask before they replace. Role `provider-billing`,
    /// `registrar` or `custodian` of the provider. `NOT_FOUND` to lift what is not restricted.
    #[submit]
    fn restrict_payer(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] payment: SelfPayment,
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

    /// Appeals an adjudication that denied or reduced lines, also when the claim is paid, or an appeal's decision at the next level. Role
    /// `provider-billing` of the provider. `CONFLICT_STATE` while an appeal is open, after the last level or a withdrawal, or if
    /// there is nothing to appeal; `EXPIRED` after [`APPEAL_DAYS`].
    #[submit]
    fn appeal(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] appeal: AppealBody,
    ) -> Result<Receipt, HealthError>;

    /// Takes an open appeal back; there is no other one of the claim afterwards. Role `provider-billing` of the provider. `CONFLICT_STATE` unless one
    /// is open.
    #[submit]
    fn withdraw_appeal(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] step: ClaimStep,
    ) -> Result<Receipt, HealthError>;

    /// Decides an appeal; unless it is upheld, the claim is adjudicated anew with the rulings given, and what it allows more is paid. Role `payer` of
    /// the payer for its two levels; for the external one role `legal` of a regulator, at the payer's peer. `SOD_VIOLATION` for anybody who has decided
    /// about the claim before, `CONFLICT_STATE` if the claim would be paid less than before, `INVALID_CODE` to overturn with something left to appeal.
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
    /// is not what is due: the allowed one, less what was paid before an appeal. `CONFLICT_STATE` otherwise.
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

    /// Adds what claims added beside to the sum of what a member has paid in a year, each once. Role `payer` of that payer. `NOT_FOUND` if there is
    /// nothing beside.
    #[submit]
    fn fold_accumulators(
        &self,
        ctx: &Context<'_>,
        payer: String,
        #[transient] fold: Fold,
    ) -> Result<Receipt, HealthError>;

    /// How the payer keeps its times with a provider. Role `payer` of the payer. Reads every claim and request of the pair.
    #[evaluate]
    fn service_report(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
    ) -> Result<ServiceReport, HealthError>;

    /// The payer's book of a claim: what its money rests on. Role `payer` of the payer. `NOT_FOUND` for a claim that the payer has not received.
    #[evaluate]
    fn book(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        claim: ClaimId,
    ) -> Result<BookView, HealthError>;

    /// A claim, its adjudication and payments, as the pair's collection shows them. Role `payer` of the payer or `provider-billing` of the provider, or,
    /// once an appeal has come to the external level, role `legal` of a regulator.
    #[evaluate]
    fn claim(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        claim: ClaimId,
    ) -> Result<ClaimView, HealthError>;

    /// The explanation of benefits: line by line what is paid, what the member owes, and why. Roles as for `claim`. `NOT_FOUND` before the adjudication.
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
