//! The claims contract.
//!
//! ```text
//! members      plans, coverage, standing of providers           payer_<payer>
//! authorisation  requests, decisions, answers                   pair_<payer>_<provider>
//! submission   claims, replacements, voids                      pair
//! deciding     facts → engine → adjudication, what it uses up   both
//! review       information, rulings of two, appeals             pair
//! money        remittance, payment, reversal, accumulators      both
//! reading      views                                            pair
//! store        values, keys, where a claim stands
//! ```
//!
//! # Whose step a key is
//! `head~I` is the payer's from the submission to the payment, then the provider's. What the other side says in between has its own write-once key
//! (`info~`, `appeal~`, `void~`, `repl~`), and so has what the payer takes back (`rev~`): where a claim stands is read from all of them
//! (`store::Standing`), and each function that moves the head reads them too, so that of two acts of one block only the first is valid.
//!
//! # What a member paid
//! `paid~C~Y` is the sum. Claims of one member conflict on it only where a cap is within reach: while the deductible is not met, or once the member
//! has paid half of the year's maximum. In between each claim writes its own `acc~C~Y~T` blindly, and `foldAccumulators` adds them to the sum, each
//! once.

mod appeal;
mod authorisation;
mod deciding;
mod members;
mod money;
mod reading;
mod review;
mod store;
mod submission;

use crate::caller::Caller;
use crate::state::{Collection, registered};
use careledger_api::contracts::claims::{
    AdjudicationStep, AppealBody, AppealDecision, AuthorisationAnswer, AuthorisationDecision,
    AuthorisationRequest, AuthorisationView, ClaimBody, ClaimStep, ClaimView, Claims, CoverageBody,
    CoverageEnd, CoverageQuery, Delta, Eligibility, EligibilityQuery, ExplanationOfBenefits, Fold,
    Information, MemberQuery, Payment, PlanBody, RemittanceBody, RemittanceView, Reversal, RulingProposal,
    StandingBody,
};
use careledger_api::ids::{AuthorisationId, ClaimId, Hash, PlanId, RemittanceId};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};

pub(crate) struct ClaimRules;

/// The payer's own collection, for its own clients.
fn own(ctx: &ReadContext<'_>, payer: &str) -> Result<Collection, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(payer, &[Role::Payer])?;
    Collection::payer(&consortium, payer)
}

/// The pair's and the payer's collections and the caller, who is the payer's.
fn as_payer(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
) -> Result<(Collection, Collection, Caller), HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    caller.require(payer, &[Role::Payer])?;
    Ok((
        Collection::pair(&consortium, payer, provider)?,
        Collection::payer(&consortium, payer)?,
        caller,
    ))
}

/// The pair's collection, for the provider's clients.
fn as_provider(ctx: &ReadContext<'_>, payer: &str, provider: &str) -> Result<Collection, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(provider, &[Role::ProviderBilling])?;
    Collection::pair(&consortium, payer, provider)
}

/// The pair's collection, for clients of either.
fn as_either(ctx: &ReadContext<'_>, payer: &str, provider: &str) -> Result<Collection, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    if caller.require(payer, &[Role::Payer]).is_err() {
        caller.require(provider, &[Role::ProviderBilling])?;
    }
    Collection::pair(&consortium, payer, provider)
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

    fn load_plan(&self, ctx: &Context<'_>, payer: String, plan: PlanBody) -> Result<Receipt, HealthError> {
        members::load_plan(ctx, &payer, plan)
    }

    fn enrol_member(
        &self,
        ctx: &Context<'_>,
        payer: String,
        coverage: CoverageBody,
    ) -> Result<Receipt, HealthError> {
        members::enrol_member(ctx, &payer, coverage)
    }

    fn end_coverage(
        &self,
        ctx: &Context<'_>,
        payer: String,
        end: CoverageEnd,
    ) -> Result<Receipt, HealthError> {
        members::end_coverage(ctx, &payer, end)
    }

    fn set_standing(
        &self,
        ctx: &Context<'_>,
        payer: String,
        standing: StandingBody,
    ) -> Result<Receipt, HealthError> {
        members::set_standing(ctx, &payer, standing)
    }

    fn eligibility(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        query: EligibilityQuery,
    ) -> Result<Eligibility, HealthError> {
        members::eligibility(ctx, &payer, query)
    }

    fn request_authorisation(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        request: AuthorisationRequest,
    ) -> Result<Receipt, HealthError> {
        authorisation::request_authorisation(ctx, &payer, &provider, request)
    }

    fn decide_authorisation(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        decision: AuthorisationDecision,
    ) -> Result<Receipt, HealthError> {
        authorisation::decide_authorisation(ctx, &payer, &provider, decision)
    }

    fn answer_authorisation(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        answer: AuthorisationAnswer,
    ) -> Result<Receipt, HealthError> {
        authorisation::answer_authorisation(ctx, &payer, &provider, answer)
    }

    fn authorisation(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        id: AuthorisationId,
    ) -> Result<AuthorisationView, HealthError> {
        authorisation::authorisation(ctx, &payer, &provider, id)
    }

    fn submit_claim(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        claim: ClaimBody,
    ) -> Result<Receipt, HealthError> {
        submission::submit_claim(ctx, &payer, &provider, claim)
    }

    fn replace_claim(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        claim: ClaimBody,
    ) -> Result<Receipt, HealthError> {
        submission::replace_claim(ctx, &payer, &provider, claim)
    }

    fn adjudicate(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        step: AdjudicationStep,
    ) -> Result<Receipt, HealthError> {
        deciding::adjudicate(ctx, &payer, &provider, step)
    }

    fn provide_information(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        information: Information,
    ) -> Result<Receipt, HealthError> {
        review::provide_information(ctx, &payer, &provider, information)
    }

    fn propose_ruling(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        proposal: RulingProposal,
    ) -> Result<Receipt, HealthError> {
        review::propose_ruling(ctx, &payer, &provider, proposal)
    }

    fn confirm_ruling(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        step: AdjudicationStep,
    ) -> Result<Receipt, HealthError> {
        review::confirm_ruling(ctx, &payer, &provider, step)
    }

    fn appeal(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        appeal: AppealBody,
    ) -> Result<Receipt, HealthError> {
        appeal::appeal(ctx, &payer, &provider, appeal)
    }

    fn decide_appeal(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        decision: AppealDecision,
    ) -> Result<Receipt, HealthError> {
        appeal::decide_appeal(ctx, &payer, &provider, decision)
    }

    fn remit(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        remittance: RemittanceBody,
    ) -> Result<Receipt, HealthError> {
        money::remit(ctx, &payer, &provider, remittance)
    }

    fn pay(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        payment: Payment,
    ) -> Result<Receipt, HealthError> {
        money::pay(ctx, &payer, &provider, payment)
    }

    fn confirm(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        step: ClaimStep,
    ) -> Result<Receipt, HealthError> {
        money::confirm(ctx, &payer, &provider, step)
    }

    fn reverse(
        &self,
        ctx: &Context<'_>,
        payer: String,
        provider: String,
        reversal: Reversal,
    ) -> Result<Receipt, HealthError> {
        money::reverse(ctx, &payer, &provider, reversal)
    }

    fn fold_accumulators(
        &self,
        ctx: &Context<'_>,
        payer: String,
        fold: Fold,
    ) -> Result<Receipt, HealthError> {
        money::fold_accumulators(ctx, &payer, fold)
    }

    fn remittance(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        id: RemittanceId,
    ) -> Result<RemittanceView, HealthError> {
        reading::remittance(ctx, &payer, &provider, id)
    }

    fn deltas(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        query: MemberQuery,
    ) -> Result<Vec<Delta>, HealthError> {
        reading::deltas(ctx, &payer, query)
    }

    fn member_claims(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        query: CoverageQuery,
    ) -> Result<Vec<ClaimId>, HealthError> {
        reading::member_claims(ctx, &payer, query)
    }

    fn claim(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        id: ClaimId,
    ) -> Result<ClaimView, HealthError> {
        reading::claim(ctx, &payer, &provider, id)
    }

    fn explanation(
        &self,
        ctx: &ReadContext<'_>,
        payer: String,
        provider: String,
        id: ClaimId,
    ) -> Result<ExplanationOfBenefits, HealthError> {
        reading::explanation(ctx, &payer, &provider, id)
    }
}
