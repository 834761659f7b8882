//! The claims contract.
//!
//! ```text
//! desk           where the payer works: pair, own collection, secret
//! book           the payer's book of each claim: what decides about its money       payer_<payer>
//! history, sums  what members used and paid                                         payer
//! members        plans, members' keys, standing of providers                        payer
//! coverage       versions of coverage, its end                                      payer
//! authorisation  requests, decisions, answers; the book of each                     pair_<payer>_<provider>, payer
//! units          what claims may use of authorisations                              payer
//! eligibility    questions of a front desk, the payer's answers                     pair, payer
//! submission     claims, replacements, voids                                        pair, care_<provider>
//! services       which chain of claims has a service                                pair
//! receipt        the payer's stamp and front end                                    pair, payer
//! elsewhere      marks of services across payers                                    log
//! quarters       whose services are compared, by which of the regulator's keys      log, public
//! deciding       facts -> engine -> adjudication, what it uses up                   both
//! review         information, attachments, rulings of two                           pair, payer
//! screening      flags, members' words: they pend                                   payer
//! doubts         services that were flagged, or denied by people, on any claim      payer
//! disclosure     payment consent, payment by the patient                            pair, care_<provider>
//! service        whether the payer keeps its times                                  payer, pair
//! waiting        what waits for the payer                                           payer, pair
//! listing        lists for both, what waits for the provider                        pair
//! parts          looks over the pair's keys that end in time                        pair
//! appeal         three levels                                                       pair, payer
//! outside        what the reviewer of the third one sees                            pair
//! holding        what keeps money from leaving for a decided claim                  both
//! money          remittance, reversal                                               both
//! paying         payments and their confirmation, of a claim or of a remittance     both
//! payments       which payment was which remittance's                               pair
//! reversing      a provider asks for a reversal                                     pair, payer
//! recovering     money that comes back after a reversal                             both
//! hindsight      decisions that do not hold by what is known now                    payer
//! word           what the provider itself said, by its own key                      pair
//! advice         what a remittance was made of                                      pair
//! reading        views                                                              pair, payer
//! mine           the member's own                                                   payer, pair
//! store          values and keys of the pair
//! ```
//!
//! # Who writes what
//! Either member of the pair's collection alone can write a key of it that is absent. So what the provider has said of a claim is listed in one key that is
//! handed to it with the submission (`conf~`; `authsaid~` of a request): that money came, which claim is to stand in the place of this one, and each answer,
//! appeal, withdrawal and request for a reversal by its key and the hash of its value. Statements (`claim~`, `auth~`, `info~`, `appeal~`, `revreq~`, ...) are guarded by both once they are
//! there, and count if they are listed. All that moves money lies in the payer's book, under keyed hashes, in a collection that nobody else writes; `head~` is a copy of it for the provider, from the
//! payer's first step on handed to the payer for good. A claim with a `head~` that the book does not know, or whose `conf~` is not its provider's, is refused.
//! A request (`auth~`) that one side could still change alone is neither shown nor decided: a provider would put another one in its place between look and approval.
//!
//! # A claim in the place of another
//! A replacement or void is submitted at the provider's own peer, which alone knows what the patient keeps from the payer, and takes effect when the payer
//! receives it: the payer opens its book of the claim before, takes back what that used up, and looks for itself whether it may. In between nothing is
//! decided and nothing is paid of the claim before. One that cannot be taken back has its correction rejected, with what is to be done.
//!
//! # What is read of the pair in a decision
//! The claim's own body, held against the hash that the book keeps since its receipt; by the provider's key whether a question was answered, whether an
//! appeal is open, whether a correction waits, whether an authorisation was cancelled; the patient's payment consent. A provider with altered code can say
//! these for itself, and stops its own money with it. That an answer came within its days is checked at the provider's peer: one with altered code can be
//! late, until the payer has decided, and an appeal after its 180 days; it can say an earlier day for its appeal than the block's, down to that of the first
//! decision, and so come to the next level before its payer's 30 days for an answer are over; and it can unsay what it said, as long as no decision of the payer rests on it. Where the payer's peer
//! has not got what the provider said, it decides and pays nothing of that claim, reverses it if it has to, and goes on with all others.
//!
//! # Lists and reports
//! Whatever either side writes of its own, no list, report or decision of the other's about anything else ends with it. What is not as the contract writes it,
//! or has not come, is told beside by its id (`unreadable`), and counts for nothing. Every key and every byte that a look meets counts, so that each part of it
//! ends in time; what a range brings, Fabric reads 100 values at a time, in a message of up to 100 MiB.
//!
//! # What a payer with altered code can do
//! It can write under the provider's names what is absent and what no word lists: a document's hash (`file~`), a service's fingerprint (`fp~`), a payment
//! consent or its refusal (`payc~`), that a reviewer outside looked (`look~`), and claims, requests and questions that their provider never made, which it
//! would pay or answer itself; those whose word it hands to the provider are on the provider's list, which takes them back by that key. It can take a key before its
//! provider, whose submission is then refused as `DUPLICATE` under that id; ids are random. None of that moves the provider's money, but it can delay or
//! refuse what is owed, as such a payer can by not answering at all; who wrote each is in the block's certificate.

mod advice;
mod appeal;
mod authorisation;
mod book;
mod coverage;
mod deciding;
mod desk;
mod disclosure;
mod doubts;
mod eligibility;
mod elsewhere;
mod hindsight;
mod history;
mod holding;
mod listing;
mod members;
mod mine;
mod money;
mod outside;
mod parts;
mod paying;
mod payments;
mod provider;
mod quarters;
mod reading;
mod receipt;
mod recovering;
mod reversing;
mod review;
mod screening;
mod service;
mod services;
mod store;
mod submission;
mod sums;
mod units;
mod waiting;
mod word;

use careledger_api::contracts::claims::{
    AdjudicationStep, AppealBody, AppealDecision, Attachment, AuthorisationAnswer, AuthorisationDecision,
    AuthorisationRequest, AuthorisationView, BookView, ClaimBatch, ClaimBody, ClaimList, ClaimStep,
    ClaimView, Claims, CoverageAmendment, CoverageBody, CoverageEnd, Eligibility, EligibilityQuery,
    EligibilityQuestion, EligibilityView, ExplanationOfBenefits, ExternalAppeals, ExternalQuery, Feedback,
    FingerprintKey, FingerprintOpening, FingerprintPeriod, FlagClearance, Fold, FraudFlag, Information,
    ListQuery, MemberClaim, MemberClaimQuery, MemberKey, MemberQuery, OutdatedClaims, OutdatedQuery, Payment,
    PaymentConsent, Period, PlanBody, QuestionBatch, QuestionList, QuestionQuery, QuestionStep, Recovery,
    RemittanceBody, RemittanceConfirmation, RemittanceList, RemittancePayment, RemittanceQuery,
    RemittanceView, RemittedClaim, RemittedMoney, ReportQuery, Reversal, ReversalDecline, ReversalRequest,
    RulingConfirmation, RulingProposal, SelfPayment, ServiceReport, StandingBody, Waiting, WaitingQuery,
};
use careledger_api::ids::{AuthorisationId, ClaimId, Hash, PlanId, QuestionId, RemittanceId};
use careledger_api::intent::SignedIntent;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};

pub(crate) struct ClaimRules;

/// Functions of a payer: contract function, where its rule is, what it takes and gives.
macro_rules! of_payer {
    ($($context:ident $module:ident::$name:ident($body:ty) -> $out:ty;)+) => {$(
        fn $name(&self, ctx: &$context<'_>, payer: String, body: $body) -> Result<$out, HealthError> {
            $module::$name(ctx, &payer, body)
        }
    )+};
}

/// The same of a payer and a provider.
macro_rules! of_pair {
    ($($context:ident $module:ident::$name:ident($body:ty) -> $out:ty;)+) => {$(
        fn $name(
            &self,
            ctx: &$context<'_>,
            payer: String,
            provider: String,
            body: $body,
        ) -> Result<$out, HealthError> {
            $module::$name(ctx, &payer, &provider, body)
        }
    )+};
}

impl Claims for ClaimRules {
    fn publish_plan(
        &self,
        ctx: &Context<'_>,
        plan: PlanId,
        version: u32,
        commitment: Hash,
    ) -> Result<Receipt, HealthError> {
        members::publish_plan(ctx, plan, version, commitment)
    }

    fn open_fingerprints(
        &self,
        ctx: &Context<'_>,
        regulator: String,
        period: FingerprintPeriod,
    ) -> Result<Receipt, HealthError> {
        quarters::open(ctx, &regulator, &period)
    }

    fn announce_fingerprints(
        &self,
        ctx: &Context<'_>,
        opening: FingerprintOpening,
    ) -> Result<Receipt, HealthError> {
        quarters::announce(ctx, opening)
    }

    fn close_fingerprints(
        &self,
        ctx: &Context<'_>,
        regulator: String,
        period: Period,
    ) -> Result<Receipt, HealthError> {
        quarters::close(ctx, &regulator, period)
    }

    fn fingerprint_key(&self, ctx: &ReadContext<'_>, period: Period) -> Result<FingerprintKey, HealthError> {
        quarters::key(ctx, period)
    }

    fn my_claims(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        query: MemberQuery,
        intent: SignedIntent,
    ) -> Result<Vec<MemberClaim>, HealthError> {
        mine::claims(ctx, &payer, &query, &intent)
    }

    fn my_explanation(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        query: MemberClaimQuery,
        intent: SignedIntent,
    ) -> Result<ExplanationOfBenefits, HealthError> {
        mine::explanation(ctx, &payer, &query, &intent)
    }

    of_payer! {
        Context members::load_plan(PlanBody) -> Receipt;
        Context coverage::enrol_member(CoverageBody) -> Receipt;
        Context coverage::amend_coverage(CoverageAmendment) -> Receipt;
        Context coverage::end_coverage(CoverageEnd) -> Receipt;
        Context members::set_member_key(MemberKey) -> Receipt;
        Context members::set_standing(StandingBody) -> Receipt;
        ReadContext coverage::eligibility(EligibilityQuery) -> Eligibility;
        ReadContext hindsight::outdated_claims(OutdatedQuery) -> OutdatedClaims;
        Context money::fold_accumulators(Fold) -> Receipt;
        Context disclosure::restrict_payer(SelfPayment) -> Receipt;
    }

    of_pair! {
        Context authorisation::request_authorisation(AuthorisationRequest) -> Receipt;
        Context authorisation::decide_authorisation(AuthorisationDecision) -> Receipt;
        Context authorisation::answer_authorisation(AuthorisationAnswer) -> Receipt;
        ReadContext authorisation::authorisation(AuthorisationId) -> AuthorisationView;
        Context eligibility::ask_eligibility(EligibilityQuestion) -> Receipt;
        Context eligibility::answer_eligibility(QuestionStep) -> Receipt;
        Context eligibility::drop_questions(QuestionBatch) -> Receipt;
        Context eligibility::drop_answers(QuestionBatch) -> Receipt;
        ReadContext eligibility::eligibility_answer(QuestionId) -> EligibilityView;
        ReadContext eligibility::eligibility_questions(QuestionQuery) -> QuestionList;
        ReadContext eligibility::eligibility_over(QuestionQuery) -> Vec<QuestionId>;
        Context submission::submit_claim(ClaimBody) -> Receipt;
        Context submission::replace_claim(ClaimBody) -> Receipt;
        Context receipt::acknowledge(ClaimBatch) -> Receipt;
        Context deciding::adjudicate(AdjudicationStep) -> Receipt;
        Context review::provide_information(Information) -> Receipt;
        Context review::submit_attachment(Attachment) -> Receipt;
        Context screening::flag(FraudFlag) -> Receipt;
        Context screening::clear_flag(FlagClearance) -> Receipt;
        Context screening::feedback(Feedback) -> Receipt;
        Context disclosure::record_consent(PaymentConsent) -> Receipt;
        Context review::propose_ruling(RulingProposal) -> Receipt;
        Context review::confirm_ruling(RulingConfirmation) -> Receipt;
        Context appeal::appeal(AppealBody) -> Receipt;
        Context appeal::withdraw_appeal(ClaimStep) -> Receipt;
        Context appeal::decide_appeal(AppealDecision) -> Receipt;
        ReadContext outside::external_appeals(ExternalQuery) -> ExternalAppeals;
        Context outside::take_up_appeal(ClaimStep) -> Receipt;
        Context money::remit(RemittanceBody) -> Receipt;
        Context paying::pay(Payment) -> Receipt;
        Context paying::confirm(ClaimStep) -> Receipt;
        Context paying::pay_remittance(RemittancePayment) -> Receipt;
        Context paying::confirm_remittance(RemittanceConfirmation) -> Receipt;
        ReadContext paying::remittance_money(RemittanceId) -> Vec<RemittedMoney>;
        Context money::reverse(Reversal) -> Receipt;
        Context reversing::request_reversal(ReversalRequest) -> Receipt;
        Context reversing::decline_reversal(ReversalDecline) -> Receipt;
        Context recovering::recover(Recovery) -> Receipt;
        ReadContext reading::remittance(RemittanceId) -> RemittanceView;
        ReadContext advice::remitted(RemittanceId) -> Vec<RemittedClaim>;
        ReadContext service::service_report(ReportQuery) -> ServiceReport;
        ReadContext waiting::waiting(WaitingQuery) -> Waiting;
        ReadContext listing::list_claims(ListQuery) -> ClaimList;
        ReadContext listing::remittances(RemittanceQuery) -> RemittanceList;
        ReadContext reading::book(ClaimId) -> BookView;
        ReadContext reading::claim(ClaimId) -> ClaimView;
        ReadContext reading::explanation(ClaimId) -> ExplanationOfBenefits;
    }
}
