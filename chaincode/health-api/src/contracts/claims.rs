//! Plans, coverage, authorisations, claims, adjudication, reviews and appeals, payment.
//!
//! A claim's states are [`ClaimStatus`], an appeal's [`AppealStatus`], an authorisation's [`AuthorisationStatus`].

mod authorisation;
mod body;
mod eligibility;
mod explanation;
mod external;
mod fingerprints;
mod listing;
mod members;
mod paying;
mod recovering;
mod reversing;
mod review;
mod screening;
mod settlement;
mod waiting;

pub use crate::adjudication::machine::{
    AppealAct, AppealStatus, AuthorisationAct, AuthorisationStatus, ClaimAct, ClaimStatus,
};
pub use authorisation::*;
pub use body::*;
pub use eligibility::*;
pub use explanation::*;
pub use external::*;
pub use fingerprints::*;
pub use listing::*;
pub use members::*;
pub use paying::*;
pub use recovering::*;
pub use reversing::*;
pub use review::*;
pub use screening::*;
pub use settlement::*;
pub use waiting::*;

use crate::ids::{AuthorisationId, ClaimId, Hash, PlanId, QuestionId, RemittanceId};
use crate::intent::SignedIntent;
use crate::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext, contract};

/// Claims between one payer and one provider lie in `pair_<payer>_<provider>`: the provider's statements, and the payer's copy of what it made of them.
/// What decides about the payer's money lies in `payer_<payer>`, which the payer alone writes: its book of each claim and authorisation, plans' rules,
/// coverage, providers' standing, what members used and paid. Public are the versions and salted commitments of plans.
///
/// Two organisations share the pair's collection, and either can write a key of it that is not there yet. So the payer's functions take nothing about
/// money from it but what the provider says for itself, under a key that is handed to it when it submits a claim or a request; statements that this key
/// does not list do not count. A claim whose pair holds something that the payer's book does not know is refused with `CONFLICT_STATE` until its provider
/// submits it under a new id. What is open (claims with questions, appeals or authorisations) is decided before a network is upgraded from a version
/// without the payer's book or without that key; authorisations are then asked for anew, and plans, coverage and standing loaded again. A claim that
/// was itself a correction before that is not corrected any more: its services are those of another chain.
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

    /// Says how a coverage is from a day of service on; what was said before stays. On a day the version counts that begins last up to it, and of those that
    /// begin on one day the newest. What the member used and paid goes on under the same id. What is decided stays decided, until somebody has it decided anew
    /// ([`AdjudicationStep::anew`]); a claim with lines under versions that differ is denied, to be claimed apart. An end of the coverage stays. Role `payer`
    /// of that payer. `NOT_FOUND` for an unknown coverage or a version of the plan that is not loaded, `INVALID_CODE` for another plan or currency and for days
    /// out of order, `DUPLICATE` if it is so from that day on, `LIMIT` after [`MAX_AMENDMENTS`].
    #[submit]
    fn amend_coverage(
        &self,
        ctx: &Context<'_>,
        payer: String,
        #[transient] amendment: CoverageAmendment,
    ) -> Result<Receipt, HealthError>;

    /// Ends a coverage, all versions of it, before its period does; the newest word counts, so a later day lengthens it again. The day before its first one says
    /// that it never held. Role `payer` of that payer. `NOT_FOUND` for an unknown coverage, `INVALID_CODE` for any other day outside of its period.
    #[submit]
    fn end_coverage(
        &self,
        ctx: &Context<'_>,
        payer: String,
        #[transient] end: CoverageEnd,
    ) -> Result<Receipt, HealthError>;

    /// Sets the key with which a member asks about a coverage, or takes it away; the newest counts. Role `payer` of that payer, which has seen who the member
    /// is. `NOT_FOUND` for an unknown coverage.
    #[submit]
    fn set_member_key(
        &self,
        ctx: &Context<'_>,
        payer: String,
        #[transient] key: MemberKey,
    ) -> Result<Receipt, HealthError>;

    /// A member's claims at the payer that it has received, the newest day of service first, at most [`MAX_MEMBER_CLAIMS`], without those that it received
    /// under an older version, whose provider left the consortium, or that its peer has not got; by a question signed with the member's key in the name of [`member_of`]. Role `portal` of the payer. `BAD_INTENT` for an unknown coverage, one without a key and a bad signature
    /// alike, `EXPIRED` outside of the question's ten minutes.
    #[evaluate]
    fn my_claims(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        #[transient] query: MemberQuery,
        #[transient] intent: SignedIntent,
    ) -> Result<Vec<MemberClaim>, HealthError>;

    /// The explanation of one of a member's own claims, as `explanation`, by a signed question as for `my_claims`. Role `portal` of the payer. `NOT_FOUND`
    /// for a claim of another member as for one that is not there, or not adjudicated.
    #[evaluate]
    fn my_explanation(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        #[transient] query: MemberClaimQuery,
        #[transient] intent: SignedIntent,
    ) -> Result<ExplanationOfBenefits, HealthError>;

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
    /// `CONFLICT_STATE` for what does not lead on from where it stands (a denial is never changed), and for a request that is not written as the contract does.
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

    /// A request for an authorisation and what became of it. Role `payer` of the payer or `provider-billing` of the provider. `CONFLICT_STATE` for one that a
    /// side could still change alone, which altered code leaves so: it would not be decided as it was seen.
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

    /// Submits a claim that replaces (frequency 7) or voids (8) one before, at the provider's own peer; the same body once more is success. It takes effect
    /// when the payer receives it ([`Claims::acknowledge`]): the claim before goes, with what it used up, and the replacement is decided in its place; a void is
    /// never adjudicated. Until then nothing is decided or paid of the claim before. A void has the lines of the claim it takes back, and may take back what
    /// the patient keeps from the payer since. Role `provider-billing` of the provider. Refused as a first claim is (`DUPLICATE` unless its services are those
    /// of the claims before, or nobody's); `NOT_FOUND` without that claim, `INVALID_CODE` if it is no correction of that one (another coverage, other lines
    /// of a void, of a void), `CONFLICT_STATE` once that one is remitted or paid and not reversed, is replaced, or while another correction of it waits.
    #[submit]
    fn replace_claim(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] claim: ClaimBody,
    ) -> Result<Receipt, HealthError>;

    /// Receives submitted claims: each is accepted, or rejected with what the payer's front end found (the 277CA of X12). The day counts for timely
    /// filing; a correction of days that were claimed before has the day of the claim that it corrects. A replacement or void takes effect: the claim before is
    /// replaced or voided, and what it used up is given back; the correction is rejected where that one is not taken back any more, because money moved
    /// meanwhile. Role `payer` of the payer. `LIMIT` unless there are 1 to [`MAX_REMITTED`] claims, `NOT_FOUND` for one that was not submitted,
    /// `CONFLICT_STATE` if all of them were received before, one is not as it was submitted, or one corrects a correction that was not received; and for
    /// corrections of several decided claims of one coverage, or that were compared with other payers: those are received one after the other.
    #[submit]
    fn acknowledge(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] batch: ClaimBatch,
    ) -> Result<Receipt, HealthError>;

    /// Decides a claim by its member's plan, and receives it first where that was not done; the payer's systems may do it without a person. A pended
    /// claim is decided anew once the provider's [`ANSWER_DAYS`] have passed: what it was asked and is still in question is denied then. Role `payer` of
    /// the payer. With [`AdjudicationStep::anew`] also one that is decided, if no money moved and it is not on a remittance: what the payer knows of coverage
    /// or provider has changed. `CONFLICT_STATE` unless it is submitted or accepted, or pended and not answered in time; anew while an appeal is open, and after
    /// the reviewer outside decided it, unless that decision is held; while a correction of it waits to be received; and
    /// for a replacement that is not received yet of a claim that used something up, which [`Claims::acknowledge`] gives back first.
    #[submit]
    fn adjudicate(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] step: AdjudicationStep,
    ) -> Result<Receipt, HealthError>;

    /// Answers what a pended claim asks: it waits for the payer again, which does not ask the same once more, but looks at it. Role `provider-billing` of the provider. `CONFLICT_STATE` unless it is
    /// pended, `EXPIRED` after the last day for it ([`ANSWER_DAYS`]).
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

    /// Flags a claim, or a line of it, for a person's look: it is pended when it is adjudicated, never denied by itself. Receives the claim
    /// where that was not done. A decision for which no money moved, which is on no remittance and not under appeal, is taken back: the claim is `ACCEPTED`, and
    /// adjudicated anew. What else is to be paid of a claim waits until a person takes the flag away. What two people said of flags before does not answer
    /// this one. Role `payer` of the payer. `CONFLICT_STATE` for a claim of which nothing is to be paid or that the reviewer outside decided, `LIMIT` after
    /// [`MAX_FLAGS`].
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

    /// The member's word on whether a line's service was rendered. A "no" flags the claim where [`Claims::flag`] would; of any other one it is kept in the book,
    /// for the claim in its place. Either way other claims of the service wait for people's look.
    /// Receives the claim where that was not done. Role `payer` or `portal` of the payer. `INVALID_CODE` for a line that is not there, `DUPLICATE` for what was said before.
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

    /// Keeps services that the patient paid in full from their payer, or lifts that; it lies in `care_<custodian>`, where no payer is. `submitClaim` and
    /// `replaceClaim` refuse them; a void of a claim that told of them before takes that back. Role `provider-billing`,
    /// `registrar` or `custodian` of the provider. `NOT_FOUND` to lift what is not restricted.
    #[submit]
    fn restrict_payer(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] payment: SelfPayment,
    ) -> Result<Receipt, HealthError>;

    /// Proposes rulings on what the rules found. Role `payer` of the payer. `INVALID_CODE` for rules that nobody sets aside or lines that are not
    /// there, `CONFLICT_STATE` unless the claim is pended, denied or partly denied, or was pended and waits to be decided anew. The newest proposal counts.
    #[submit]
    fn propose_ruling(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] proposal: RulingProposal,
    ) -> Result<Receipt, HealthError>;

    /// Confirms rulings by the transaction that proposed them, and adjudicates anew with them: behind what is set aside another rule may deny or ask. Role
    /// `payer` of the payer; `SOD_VIOLATION` for who proposed them, `NOT_FOUND` without a proposal on the claim as it stands, `CONFLICT_STATE` if the newest
    /// proposal is another one, if nothing of the decision changes, or if less would be paid than was paid before; it names what speaks then.
    #[submit]
    fn confirm_ruling(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] confirmation: RulingConfirmation,
    ) -> Result<Receipt, HealthError>;

    /// Appeals an adjudication that denied or reduced lines, also when the claim is paid, or an appeal's decision at the next level. Role
    /// `provider-billing` of the provider. One of the payer's levels that is not answered within [`APPEAL_ANSWER_DAYS`] counts as exhausted (29 CFR 2560.503-1(l)):
    /// the provider may go on without an answer. `CONFLICT_STATE` while an appeal is open and its payer may answer, after the last level or a withdrawal, or if
    /// there is nothing to appeal; `EXPIRED` once [`APPEAL_DAYS`] have passed since the adjudication and since the answer to the level before, or the last day for it.
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
    /// about the claim before; `CONFLICT_STATE` if what is approved would be denied or asked about, or less would be paid than was; `INVALID_CODE` to
    /// overturn with something left to appeal or to ask, to leave a question at the last level, or to divide with nothing changed. Each names lines and rules
    /// that still speak. An answer after its last day counts until the provider goes on; then `CONFLICT_STATE`, if it names its level
    /// ([`AppealDecision::level`]) or the next one is outside.
    #[submit]
    fn decide_appeal(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] decision: AppealDecision,
    ) -> Result<Receipt, HealthError>;

    /// Appeals that wait at the external level, in parts that each look at up to [`MAX_LOOKED_AT`] claims. Nothing is told of other claims. Role `legal` of a
    /// regulator, with a credential, at a peer of either side.
    #[evaluate]
    fn external_appeals(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        #[transient] query: ExternalQuery,
    ) -> Result<ExternalAppeals, HealthError>;

    /// Takes up an appeal that is open at the external level: while it is, this person reads the claim, and payer and provider see who does
    /// ([`ClaimView::reviewers`]). Role `legal` of a regulator, with a credential, at a peer of either side. `FORBIDDEN` where no appeal of such a claim is open
    /// there, whether there is a claim or not; `DUPLICATE` where this person has taken it up before.
    #[submit]
    fn take_up_appeal(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] step: ClaimStep,
    ) -> Result<Receipt, HealthError>;

    /// Puts decided claims on a remittance: approved ones, of which it says what is paid, and denied ones, each once for each decision; they stay `DENIED`.
    /// Role `payer` of the payer. `DUPLICATE` if its id is taken, `CONFLICT_STATE` for a claim that is not
    /// approved, partly approved or denied, is denied and was told so, is under appeal, or whose correction waits to be received, or on which a ruling waits for
    /// its second person; and, with the reason, for one that is held
    /// ([`WaitingClaim::held`]): on a covered line's day the provider is excluded or its credential does not count, the coverage does not hold, a flag is open that
    /// two people did not set aside, or the patient's payment consent is not given.
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

    /// What a remittance was made of: each claim with the decision that was in force when it was issued, whatever became of the claim since. Roles as for
    /// `remittance`. `NOT_FOUND` also for one that was issued before its decisions were kept with it.
    #[evaluate]
    fn remitted(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        remittance: RemittanceId,
    ) -> Result<Vec<RemittedClaim>, HealthError>;

    /// Records the payment of a claim that is approved, partly approved, or on a remittance. Role `payer` of the payer. `INVALID_CODE` if the amount
    /// is not what is due: the allowed one, less what was paid before an appeal. `CONFLICT_STATE` otherwise, and for one that is held, as for `remit`.
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

    /// Records one payment of claims of a remittance: of each what is due by the payer's book, all of one reference. All are paid or none. Role `payer` of the
    /// payer. `CONFLICT_STATE` for a claim that does not wait for its payment on that remittance (paid, decided anew, reversed, on a later one), or is under
    /// appeal or held, as for `remit`; and if they come to another sum than the expected one. `LIMIT` unless there are 1 to [`MAX_REMITTED`]. Money of other
    /// claims that has to come back may be set off against it ([`RemittancePayment::set_off`]): it is recovered by the same reference, in the same transaction.
    /// `CONFLICT_STATE` where nothing of such a claim is out, and where they come to more than is paid.
    #[submit]
    fn pay_remittance(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] payment: RemittancePayment,
    ) -> Result<Receipt, HealthError>;

    /// Confirms that the money of claims of a remittance came: of each what was paid by that remittance, with what was paid before. All are confirmed or none. Role `provider-billing` of the provider.
    /// `CONFLICT_STATE` for a claim that is not paid, or whose money is not on that remittance (any more), and if the payments come to another sum than the
    /// expected one. `LIMIT` unless there are 1 to [`MAX_REMITTED`].
    #[submit]
    fn confirm_remittance(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] confirmation: RemittanceConfirmation,
    ) -> Result<Receipt, HealthError>;

    /// The claims of a remittance, each with its money as it stands now. Role `payer` of the payer, whose own peer tells what is held, or `provider-billing` of
    /// the provider.
    #[evaluate]
    fn remittance_money(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        remittance: RemittanceId,
    ) -> Result<Vec<RemittedMoney>, HealthError>;

    /// Takes a remittance or payment of a claim back, with what the claim used up. What was paid of it has to come back from then on
    /// ([`Claims::recover`]), whatever becomes of the claim. Role `payer` of the payer. `CONFLICT_STATE` unless the claim is
    /// payable, paid or cleared.
    #[submit]
    fn reverse(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] reversal: Reversal,
    ) -> Result<Receipt, HealthError>;

    /// Asks the payer to reverse a claim that it has on a remittance, or paid: to correct or void it, or to give back what was too much. It moves no money; until
    /// the payer has answered, no more is remitted or paid of the claim. Role `provider-billing` of the provider. `CONFLICT_STATE` unless there is something to
    /// reverse, `DUPLICATE` while the request before waits for its answer, `LIMIT` after [`MAX_REVERSAL_REQUESTS`].
    #[submit]
    fn request_reversal(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] request: ReversalRequest,
    ) -> Result<Receipt, HealthError>;

    /// Answers such a request with the reason why the claim is not reversed; otherwise it is answered by [`Claims::reverse`]. Role `payer` of the payer.
    /// `CONFLICT_STATE` unless that request is the one that waits.
    #[submit]
    fn decline_reversal(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] decline: ReversalDecline,
    ) -> Result<Receipt, HealthError>;

    /// Claims of a coverage that are approved or paid by what the payer does not know so any more, since the coverage was ended or amended; in parts that each
    /// look at up to [`MAX_LOOKED_AT`] of its claims. Not those that were received under a version which did not list a coverage's claims. Role `payer` of that
    /// payer. `NOT_FOUND` for an unknown coverage.
    #[evaluate]
    fn outdated_claims(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        #[transient] query: OutdatedQuery,
    ) -> Result<OutdatedClaims, HealthError>;

    /// Says that the money of a reversed claim came back: all that is out of it by the payer's book, once. Role `payer` of the payer. `CONFLICT_STATE` where
    /// nothing is out (any more), `INVALID_CODE` for a reference that no payment could have. What comes back by less being paid is
    /// [`RemittancePayment::set_off`].
    #[submit]
    fn recover(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] recovery: Recovery,
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

    /// Lays down the salt of a quarter's marks in `log`, the regulator's alone to purge: the first half of opening it. Role `vault` of the regulator, at its
    /// peer. The receipt's transaction is what [`announce_fingerprints`](Claims::announce_fingerprints) names; until then nothing is compared by it.
    /// `CONFLICT_STATE` for a quarter that ended more than [`COMPARED_DAYS`] ago.
    #[submit]
    fn open_fingerprints(
        &self,
        ctx: &Context<'_>,
        regulator: String,
        #[transient] period: FingerprintPeriod,
    ) -> Result<Receipt, HealthError>;

    /// Opens a quarter: from now on payers compare its services, by this key and the salt of that transaction. Public, so that no organisation alone can
    /// open one or keep the regulator from it. Role `vault` of a regulator. `DUPLICATE` for a quarter that is open, unless its key is named
    /// ([`FingerprintOpening::instead_of`]); `CONFLICT_STATE` if another regulator of the consortium opened it, or if it ended more than [`COMPARED_DAYS`] ago.
    #[submit]
    fn announce_fingerprints(
        &self,
        ctx: &Context<'_>,
        opening: FingerprintOpening,
    ) -> Result<Receipt, HealthError>;

    /// Closes a quarter: its salt is purged, and what marks are left says nothing of anybody any more. Role `vault` of the regulator that opened it, at its
    /// peer. `NOT_FOUND` for a quarter that it did not open or that is closed, `CONFLICT_STATE` until [`COMPARED_DAYS`] after its end.
    #[submit]
    fn close_fingerprints(
        &self,
        ctx: &Context<'_>,
        regulator: String,
        period: Period,
    ) -> Result<Receipt, HealthError>;

    /// The key of an open quarter, by which the vault's answers are checked. Role `payer` of any payer, `vault` of any regulator. `NOT_FOUND` unless one of
    /// the consortium's regulators opened it.
    #[evaluate]
    fn fingerprint_key(&self, ctx: &ReadContext<'_>, period: Period) -> Result<FingerprintKey, HealthError>;

    /// How the payer keeps its times with a provider, in parts that each look at up to [`MAX_LOOKED_AT`] claims and as many requests; each begins where the
    /// one before ended. Role `payer` of the payer.
    #[evaluate]
    fn service_report(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        #[transient] query: ReportQuery,
    ) -> Result<ServiceReport, HealthError>;

    /// What waits for the payer with a provider, in parts that each look at up to [`MAX_LOOKED_AT`] claims, and as many requests. What cannot be read is told
    /// beside, and ends no list. Role `payer` of the payer.
    #[evaluate]
    fn waiting(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        #[transient] query: WaitingQuery,
    ) -> Result<Waiting, HealthError>;

    /// Claims by status, day and coverage, with what the provider has to do about each, in parts that each look at up to [`MAX_LOOKED_AT`] claims, and as many
    /// requests. What cannot be read, or is not under the provider's own word, is told beside. Role `payer` of the payer or `provider-billing` of the provider.
    #[evaluate]
    fn list_claims(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        #[transient] query: ListQuery,
    ) -> Result<ClaimList, HealthError>;

    /// Remittances, in parts that each look at up to [`MAX_REMITTANCES`]. Roles as for `list_claims`.
    #[evaluate]
    fn remittances(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        #[transient] query: RemittanceQuery,
    ) -> Result<RemittanceList, HealthError>;

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
    /// while its appeal is open at the external level, role `legal` of a regulator, with a credential: `CONFLICT_STATE` until that person has taken it up
    /// ([`Claims::take_up_appeal`]).
    #[evaluate]
    fn claim(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        claim: ClaimId,
    ) -> Result<ClaimView, HealthError>;

    /// The explanation of benefits: line by line what is paid, what the member owes, and why. Roles as for `claim`. `CONFLICT_STATE` before the adjudication.
    #[evaluate]
    fn explanation(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        claim: ClaimId,
    ) -> Result<ExplanationOfBenefits, HealthError>;

    /// Whether a coverage holds on a day, and how it is on it. Role `payer` of the payer. `NOT_FOUND` for an unknown coverage.
    #[evaluate]
    fn eligibility(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        #[transient] query: EligibilityQuery,
    ) -> Result<Eligibility, HealthError>;

    /// Asks the payer about a coverage, and what services would come to, at the provider's own peer; the same question once more is success. Role
    /// `provider-billing` of the provider. `DUPLICATE` if the id is taken, `INVALID_CODE` for a question that no payer could answer, `CONFLICT_STATE` for a
    /// service that the patient paid in full and keeps from the payer and for a day for which the patient's payment consent is not given, `LIMIT` while
    /// [`MAX_OPEN_QUESTIONS`] of its part wait.
    #[submit]
    fn ask_eligibility(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] question: EligibilityQuestion,
    ) -> Result<Receipt, HealthError>;

    /// Answers a question by the payer's own plans, coverages and sums: the contract computes it, and nothing is used up. A coverage that is not the payer's
    /// is [`CoverageStanding::Unknown`], whosever it is. Role `payer` of the payer. `NOT_FOUND` for an unknown question, `CONFLICT_STATE` for one that is
    /// answered or that is not its provider's, `EXPIRED` [`QUESTION_DAYS`] after it was asked.
    #[submit]
    fn answer_eligibility(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] step: QuestionStep,
    ) -> Result<Receipt, HealthError>;

    /// Destroys questions, answered or not. Role `provider-billing` of the provider. What is not there is passed over; `NOT_FOUND` if none is.
    #[submit]
    fn drop_questions(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] batch: QuestionBatch,
    ) -> Result<Receipt, HealthError>;

    /// Destroys answers, and what the payer keeps of them, [`QUESTION_DAYS`] after they were given. Role `payer` of the payer. `CONFLICT_STATE` for one that is
    /// younger, `NOT_FOUND` if none is there.
    #[submit]
    fn drop_answers(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        #[transient] batch: QuestionBatch,
    ) -> Result<Receipt, HealthError>;

    /// A question and its answer. Role `payer` of the payer or `provider-billing` of the provider.
    #[evaluate]
    fn eligibility_answer(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        #[transient] question: QuestionId,
    ) -> Result<EligibilityView, HealthError>;

    /// Questions of the provider, in parts that each look at up to [`MAX_LOOKED_AT`] keys or [`MAX_READ`] bytes. Roles as for `eligibility_answer`.
    #[evaluate]
    fn eligibility_questions(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        #[transient] query: QuestionQuery,
    ) -> Result<QuestionList, HealthError>;

    /// Questions that are older than [`QUESTION_DAYS`], for `drop_questions`; at the payer answers, for `drop_answers`. Of the first [`MAX_LOOKED_AT`] keys, or
    /// [`MAX_READ`] bytes, behind [`QuestionQuery::after`], which may be drawn at random, at most [`MAX_DROPPED`]. Roles as for `eligibility_answer`, each for
    /// its own.
    #[evaluate]
    fn eligibility_over(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        #[transient] query: QuestionQuery,
    ) -> Result<Vec<QuestionId>, HealthError>;
}
