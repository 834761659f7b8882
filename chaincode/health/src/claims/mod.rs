//! The claims contract.
//!
//! ```text
//! desk           where the payer works: pair, own collection, secret
//! book           the payer's book of each claim: what decides about its money       payer_<payer>
//! history, sums  what members used and paid                                         payer
//! members        plans, coverage, standing of providers                             payer
//! authorisation  requests, decisions, answers; the book of each                     pair_<payer>_<provider>, payer
//! submission     claims, replacements, voids                                        pair, payer
//! receipt        the payer's stamp and front end                                    payer
//! deciding       facts -> engine -> adjudication, what it uses up                   both
//! review         information, attachments, rulings of two                           pair, payer
//! screening      flags, members' words: they pend                                   payer
//! disclosure     payment consent, payment by the patient                            pair, care_<provider>
//! service        whether the payer keeps its times                                  payer, pair
//! appeal         three levels                                                       pair, payer
//! money          remittance, payment, confirmation, reversal                        both
//! reading        views                                                              pair, payer
//! store          values and keys of the pair
//! ```
//!
//! # Who writes what
//! Either member of the pair's collection alone can write a key of it that is absent. So the provider's statements (`claim~`, `info~`, `appeal~`,
//! `auth~`, ...) are guarded by both once they are there, and whether money came (`conf~`) is handed to the provider when the claim is submitted. All that
//! moves money lies in the payer's book, under keyed hashes, in a collection that nobody else writes; `head~` is a copy of it for the provider, from the
//! payer's first step on handed to the payer for good. A claim with a `head~` that the book does not know is refused.
//!
//! # What is read of the pair in a decision
//! The claim's own body, held against the hash that the book keeps since its receipt; whether a question was answered; whether an appeal is open; whether
//! an authorisation was cancelled. A provider with altered code can say these for itself.
//!
//! # What a payer with altered code can do
//! It can write in the provider's name what is absent: that a question was answered (`info~`), that an appeal was made or taken back (`appeal~`, `appwd~`),
//! that a request was cancelled (`authcan~`), a payment consent (`payc~`), and, where it runs `replaceClaim`, that the replacement's money came. That
//! moves none of the provider's money, which lies with the payer, but it delays or refuses what is owed, as such a payer can by not answering at all; who
//! submitted each is in the block's certificate.

mod appeal;
mod authorisation;
mod book;
mod deciding;
mod desk;
mod disclosure;
mod history;
mod members;
mod money;
mod provider;
mod reading;
mod receipt;
mod review;
mod screening;
mod service;
mod store;
mod submission;
mod sums;

use careledger_api::contracts::claims::{
    AdjudicationStep, AppealBody, AppealDecision, Attachment, AuthorisationAnswer, AuthorisationDecision,
    AuthorisationRequest, AuthorisationView, BookView, ClaimBatch, ClaimBody, ClaimStep, ClaimView, Claims,
    CoverageBody, CoverageEnd, Eligibility, EligibilityQuery, ExplanationOfBenefits, Feedback, FlagClearance,
    Fold, FraudFlag, Information, Payment, PaymentConsent, PlanBody, RemittanceBody, RemittanceView,
    Reversal, RulingProposal, SelfPayment, ServiceReport, StandingBody,
};
use careledger_api::ids::{AuthorisationId, ClaimId, Hash, PlanId, RemittanceId};
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

    of_payer! {
        Context members::load_plan(PlanBody) -> Receipt;
        Context members::enrol_member(CoverageBody) -> Receipt;
        Context members::end_coverage(CoverageEnd) -> Receipt;
        Context members::set_standing(StandingBody) -> Receipt;
        ReadContext members::eligibility(EligibilityQuery) -> Eligibility;
        Context money::fold_accumulators(Fold) -> Receipt;
        Context disclosure::restrict_payer(SelfPayment) -> Receipt;
        ReadContext service::service_report(String) -> ServiceReport;
    }

    of_pair! {
        Context authorisation::request_authorisation(AuthorisationRequest) -> Receipt;
        Context authorisation::decide_authorisation(AuthorisationDecision) -> Receipt;
        Context authorisation::answer_authorisation(AuthorisationAnswer) -> Receipt;
        ReadContext authorisation::authorisation(AuthorisationId) -> AuthorisationView;
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
        Context review::confirm_ruling(AdjudicationStep) -> Receipt;
        Context appeal::appeal(AppealBody) -> Receipt;
        Context appeal::withdraw_appeal(ClaimStep) -> Receipt;
        Context appeal::decide_appeal(AppealDecision) -> Receipt;
        Context money::remit(RemittanceBody) -> Receipt;
        Context money::pay(Payment) -> Receipt;
        Context money::confirm(ClaimStep) -> Receipt;
        Context money::reverse(Reversal) -> Receipt;
        ReadContext reading::remittance(RemittanceId) -> RemittanceView;
        ReadContext reading::book(ClaimId) -> BookView;
        ReadContext reading::claim(ClaimId) -> ClaimView;
        ReadContext reading::explanation(ClaimId) -> ExplanationOfBenefits;
    }
}
