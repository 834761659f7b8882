//! What the reviewer outside of the payer sees: a regulator's lawyer, whose organisation is no member of the pair's collection.
//!
//! The reviewer asks a peer of either side, with the role `legal` of a regulator and a credential that counts. Of all claims it learns which appeals wait at
//! the last level, and reads one once it has taken that up: a transaction, which payer and provider see beside the claim (`look~I~P`), so that nobody reads
//! without a trace. It reads as long as the appeal is open there; what it decided stays with payer and provider. Whether there is another claim, or an appeal
//! at another level, it is not told.

use super::appeal::{self, Appeal};
use super::parts::{each_claim, some};
use super::store::{Standing, StoredClaim, require_own};
use crate::caller::Caller;
use crate::state::{Collection, Established, derived_salt, done, registered, tx_id};
use careledger_api::contracts::claims::{
    ClaimStep, ExternalAppeal, ExternalAppeals, ExternalQuery, Reviewer,
};
use careledger_api::event::EventKind;
use careledger_api::ids::{ClaimId, Salt};
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

/// Most reviewers of a claim that are shown: a regulator has a few.
const MAX_REVIEWERS: usize = 50;

/// The value of `look~I~P`.
#[derive(Serialize, Deserialize)]
struct Look {
    reviewer: Reviewer,
    salt: Salt,
}

pub(super) fn external_appeals(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    query: ExternalQuery,
) -> Result<ExternalAppeals, HealthError> {
    let (consortium, caller) = reviewer(ctx)?;
    let pair = Collection::pair(&consortium, payer, provider)?;
    let mut found = ExternalAppeals::default();
    found.next = each_claim(ctx, &pair, query.after, |id, stored| {
        match (waiting(ctx, (&pair, provider), &id), stored) {
            (Ok(None), _) => {}
            (Ok(Some(appeal)), Some(StoredClaim { claim, .. })) => found.appeals.push(ExternalAppeal {
                claim: id,
                since: appeal.newest(),
                charged: claim.total,
                currency: claim.currency,
                taken_up: pair.exists(ctx, &look_key(&id, &caller))?,
            }),
            // What somebody with altered code made of a claim ends no list.
            (Ok(Some(_)), None) | (Err(_), _) => found.unreadable += 1,
        }
        Ok(())
    })?;
    Ok(found)
}

pub(super) fn take_up_appeal(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    step: ClaimStep,
) -> Result<Receipt, HealthError> {
    let (consortium, caller) = reviewer(ctx)?;
    let pair = Collection::pair(&consortium, payer, provider)?;
    step.salt.require_drawn()?;
    let Ok(Some(_)) = waiting(ctx, (&pair, provider), &step.claim) else {
        return Err(not_there());
    };
    let key = look_key(&step.claim, &caller);
    let look = Look {
        reviewer: Reviewer {
            person: caller.person().to_owned(),
            organisation: caller.organisation,
            at: ctx.timestamp().seconds,
        },
        salt: derived_salt(&step.salt, "look", &tx_id(ctx)?),
    };
    match pair.write_once(ctx, &key, &look)? {
        true => done(ctx, EventKind::Claim, Some(&pair)),
        false => Err(HealthError::Duplicate(
            "this person has taken the appeal up before".into(),
        )),
    }
}

/// The pair's collection, for a reviewer who has taken the claim's appeal up, while that is open; none for whoever is no reviewer.
pub(super) fn pair_of_taken_up(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    claim: &ClaimId,
) -> Result<Option<Collection>, HealthError> {
    let (consortium, caller) = (registered(ctx)?.consortium, Caller::of(ctx)?);
    if appeal::outside(&consortium, &caller).is_err() {
        return Ok(None);
    }
    caller.require_credential(ctx, ctx.timestamp().seconds)?;
    let pair = Collection::pair(&consortium, payer, provider)?;
    let taken_up = pair.exists(ctx, &look_key(claim, &caller))?;
    match waiting(ctx, (&pair, provider), claim) {
        Ok(Some(_)) if taken_up => Ok(Some(pair)),
        Ok(Some(_)) => Err(HealthError::ConflictState(
            "the appeal is taken up first (takeUpAppeal): payer and provider see who reads the claim".into(),
        )),
        Err(error) if taken_up => Err(error),
        // A peer that lacks what is there would say by its error that it is there.
        Ok(None) | Err(_) => Err(not_there()),
    }
}

/// Who has taken the claim's appeal up.
pub(super) fn reviewers(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    claim: &ClaimId,
) -> Result<Vec<Reviewer>, HealthError> {
    let (looks, _more): (Vec<Look>, bool) = some(ctx, pair, &look_prefix(claim), MAX_REVIEWERS)?;
    Ok(looks.into_iter().map(|look| look.reviewer).collect())
}

/// A reviewer with a credential that counts.
fn reviewer(ctx: &ReadContext<'_>) -> Result<(Established, Caller), HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    appeal::outside(&consortium, &caller)?;
    caller.require_credential(ctx, ctx.timestamp().seconds)?;
    Ok((consortium, caller))
}

/// The claim's appeal, if it waits for the reviewer outside. `CONFLICT_STATE` for one of a claim that is not its provider's, or where the peer has not got what
/// the provider said.
fn waiting(
    ctx: &ReadContext<'_>,
    (pair, provider): (&Collection, &str),
    claim: &ClaimId,
) -> Result<Option<Appeal>, HealthError> {
    let standing = Standing::of(ctx, pair, claim)?;
    standing.word.require()?;
    // What was taken back meanwhile is decided by nobody.
    if !Appeal::is_of(standing.status) {
        return Ok(None);
    }
    let appeal = Appeal::said(ctx, pair, claim, &standing.word)?;
    let appeal = appeal.filter(Appeal::is_open_outside);
    if appeal.is_some() {
        require_own(ctx, pair, provider, claim)?;
    }
    Ok(appeal)
}

/// The same of a claim that is not there, so that nobody learns by it which there are.
fn not_there() -> HealthError {
    HealthError::Forbidden("no appeal of such a claim waits for the reviewer outside of the payer".into())
}

fn look_prefix(claim: &ClaimId) -> String {
    format!("look~{claim}~")
}

/// The claim's id is known to nobody else, so the person, who is public, is not found by the key's hash.
fn look_key(claim: &ClaimId, by: &Caller) -> String {
    format!("{}{}", look_prefix(claim), by.person())
}
