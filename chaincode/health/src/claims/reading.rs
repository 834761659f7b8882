//! What payer and provider see.

use super::appeal::Appeal;
use super::money::Remittance;
use super::store::{
    Mark, Services, Standing, delta_prefix, information_prefix, payment_key, remittance_key, replaced_key,
    reversal_key, services_prefix, void_key,
};
use super::{as_either, deciding, own};
use careledger_api::HealthError;
use careledger_api::contracts::claims::{
    APPEAL_DAYS, ClaimView, CoverageQuery, Delta, ExplanationOfBenefits, Information, MemberQuery,
    RemittanceView,
};
use careledger_api::date::Date;
use careledger_api::ids::{ClaimId, RemittanceId};
use fabric_contract_core::ReadContext;

pub(super) fn claim(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    id: ClaimId,
) -> Result<ClaimView, HealthError> {
    let pair = as_either(ctx, payer, provider)?;
    let stored = deciding::stored(ctx, &pair, &id)?;
    let standing = Standing::of(ctx, &pair, &id)?;
    let adjudication = match standing.head.decided {
        Some(_) => Some(standing.adjudication(ctx, &pair, &id)?),
        None => None,
    };
    let information: Vec<Information> = pair.list(ctx, &information_prefix(&id))?;
    let mark = |key: String| -> Result<Option<Mark>, HealthError> { pair.get(ctx, &key) };
    let (replaced, voided) = (mark(replaced_key(&id))?, mark(void_key(&id))?);
    Ok(ClaimView {
        claim: stored.claim,
        status: standing.status,
        adjudication,
        payment: pair.get(ctx, &payment_key(&id))?,
        information: information.into_iter().map(|said| said.text).collect(),
        appeal: Appeal::of(ctx, &pair, &id)?.map(Appeal::view),
        successor: replaced.or(voided).and_then(|mark| mark.by),
        reversal: mark(reversal_key(&id))?.and_then(|mark| mark.text),
        tx: standing.head.tx,
    })
}

pub(super) fn explanation(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    id: ClaimId,
) -> Result<ExplanationOfBenefits, HealthError> {
    let pair = as_either(ctx, payer, provider)?;
    let stored = deciding::stored(ctx, &pair, &id)?;
    let standing = Standing::of(ctx, &pair, &id)?;
    let adjudication = standing.adjudication(ctx, &pair, &id)?;
    let decided = standing.head.decided.as_ref().ok_or(HealthError::NotFound)?;
    let until = Date::from_unix((decided.on.days() + APPEAL_DAYS) * 86_400)?;
    Ok(ExplanationOfBenefits::of(
        &stored.claim,
        standing.status,
        &adjudication,
        until,
    ))
}

pub(super) fn remittance(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    id: RemittanceId,
) -> Result<RemittanceView, HealthError> {
    let pair = as_either(ctx, payer, provider)?;
    let found: Option<Remittance> = pair.get(ctx, &remittance_key(&id))?;
    let Remittance { id, amounts, tx, .. } = found.ok_or(HealthError::NotFound)?;
    Ok(RemittanceView {
        id,
        total: amounts
            .values()
            .fold(0, |sum, amount| sum.saturating_add(*amount)),
        amounts,
        tx,
    })
}

pub(super) fn deltas(
    ctx: &ReadContext<'_>,
    payer: &str,
    query: MemberQuery,
) -> Result<Vec<Delta>, HealthError> {
    let own = own(ctx, payer)?;
    own.list(ctx, &delta_prefix(&query.coverage, query.year))
}

pub(super) fn member_claims(
    ctx: &ReadContext<'_>,
    payer: &str,
    query: CoverageQuery,
) -> Result<Vec<ClaimId>, HealthError> {
    let own = own(ctx, payer)?;
    let all: Vec<Services> = own.list(ctx, &services_prefix(&query.coverage))?;
    let covered = all.into_iter().filter(|claim| !claim.services.is_empty());
    Ok(covered.map(|claim| claim.claim).collect())
}
