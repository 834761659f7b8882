//! Who may call for the provider, and who may read what a pair's collection holds.

use super::outside;
use crate::caller::Caller;
use crate::state::{Collection, Established, registered};
use careledger_api::HealthError;
use careledger_api::ids::ClaimId;
use careledger_api::roles::Role;
use fabric_contract_core::ReadContext;

/// The pair's collection, for the provider's clients.
pub(super) fn pair(ctx: &ReadContext<'_>, payer: &str, provider: &str) -> Result<Collection, HealthError> {
    Ok(pair_and_consortium(ctx, payer, provider)?.0)
}

/// The same with the consortium that it is a collection of.
pub(super) fn pair_and_consortium(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
) -> Result<(Collection, Established), HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(provider, &[Role::ProviderBilling])?;
    Ok((Collection::pair(&consortium, payer, provider)?, consortium))
}

/// The pair's collection, for clients of either.
pub(super) fn pair_of_either(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
) -> Result<Collection, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    if caller.require(payer, &[Role::Payer]).is_err() {
        caller.require(provider, &[Role::ProviderBilling])?;
    }
    Collection::pair(&consortium, payer, provider)
}

/// The pair's collection, for clients of either, and for the reviewer outside who has taken the claim's appeal up, while that is open.
pub(super) fn pair_of_claim(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    claim: &ClaimId,
) -> Result<Collection, HealthError> {
    match pair_of_either(ctx, payer, provider) {
        Err(refused @ HealthError::Forbidden(_)) => {
            outside::pair_of_taken_up(ctx, payer, provider, claim)?.ok_or(refused)
        }
        other => other,
    }
}
