//! Claims come in: the first, the one that replaces, the one that takes back.

use super::disclosure;
use super::provider;
use super::receipt::{OF_REJECTED, OF_STANDING, corrects, misfit};
use super::services;
use super::store::{Head, Standing, StoredClaim, claim_key, head_key, stored, word_key};
use super::word::Word;
use crate::state::{Collection, derived_salt, done, tx_id};
use careledger_api::adjudication::{Claim, Frequency, check};
use careledger_api::contracts::claims::{ClaimAct, ClaimBody, ClaimStatus};
use careledger_api::date::Date;
use careledger_api::event::EventKind;
use careledger_api::ids::{ClaimId, Salt};
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::Context;
use serde::{Deserialize, Serialize};

/// The value of `again~T`: a claim that was submitted once more.
#[derive(Serialize, Deserialize)]
struct Again {
    salt: Salt,
}

pub(super) fn submit_claim(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    body: ClaimBody,
) -> Result<Receipt, HealthError> {
    let (pair, consortium) = provider::pair_and_consortium(ctx, payer, provider)?;
    let ClaimBody { claim, salt } = body;
    accepted(&claim, &salt)?;
    if claim.frequency != Frequency::Original {
        return Err(HealthError::InvalidCode(
            "a replacement or void is submitted by replaceClaim".into(),
        ));
    }
    if said_before(ctx, &pair, &claim, &salt)? {
        return done(ctx, EventKind::Claim, Some(&pair));
    }
    disclosure::check(ctx, &consortium, &pair, provider, &claim)?;
    take_in(ctx, &pair, claim, None, &salt, provider)?;
    done(ctx, EventKind::Claim, Some(&pair))
}

/// At the provider's own peer, as a first claim. It takes effect when the payer receives it.
pub(super) fn replace_claim(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    body: ClaimBody,
) -> Result<Receipt, HealthError> {
    let (pair, consortium) = provider::pair_and_consortium(ctx, payer, provider)?;
    let ClaimBody { claim, salt } = body;
    accepted(&claim, &salt)?;
    let (old, act) = match (claim.frequency, claim.replaces) {
        (Frequency::Replacement, Some(old)) => (old, ClaimAct::Replace),
        (Frequency::Void, Some(old)) => (old, ClaimAct::Void),
        _ => {
            return Err(HealthError::InvalidCode(
                "a claim of frequency 7 or 8 that names the one it is for is expected".into(),
            ));
        }
    };
    if said_before(ctx, &pair, &claim, &salt)? {
        return done(ctx, EventKind::Claim, Some(&pair));
    }
    let before = stored(ctx, &pair, &old)?;
    let standing = Standing::of(ctx, &pair, &old)?;
    replaceable(&claim, &before.claim, &standing, act)?;
    disclosure::check(ctx, &consortium, &pair, provider, &claim)?;
    let Standing { mut word, .. } = standing;
    word.successor = Some(claim.id);
    let said = derived_salt(&salt, "successor", &tx_id(ctx)?);
    word.keep(ctx, &pair, &word_key(&old), provider, said)?;
    let root = before.root.unwrap_or(old);
    take_in(ctx, &pair, claim, Some(root), &salt, provider)?;
    done(ctx, EventKind::Claim, Some(&pair))
}

/// Whether a claim can be taken back by that correction, as far as the pair shows it; the payer looks at it in its book again.
fn replaceable(claim: &Claim, before: &Claim, standing: &Standing, act: ClaimAct) -> Result<(), HealthError> {
    if let Some(reason) = misfit(claim, before) {
        return Err(HealthError::InvalidCode(reason.to_owned()));
    }
    standing.require_in_force()?;
    let conflict = |reason: &str| Err(HealthError::ConflictState(reason.to_owned()));
    match &standing.head {
        None if corrects(before) => {
            return conflict(
                "the claim is a correction that its payer has not received yet; it is corrected after that",
            );
        }
        Some(head) if head.status == ClaimStatus::Rejected && corrects(before) => {
            return conflict(OF_REJECTED);
        }
        Some(head) if !head.payments.is_empty() && head.reversal.is_none() => {
            return conflict(
                "money was paid for the claim: its payer reverses it first, which its provider asks for by requestReversal (`careledger claim reversal request`)",
            );
        }
        _ => {}
    }
    match standing.status.after(act) {
        Ok(_) => Ok(()),
        Err(_) => conflict(&format!("{OF_STANDING} (it is {})", standing.status)),
    }
}

/// Whether the same body was submitted before, which is then written down, since every transaction writes something. `DUPLICATE` for another body,
/// `CONFLICT_STATE` where the payer has rejected it, or where it was taken back.
fn said_before(
    ctx: &Context<'_>,
    pair: &Collection,
    claim: &Claim,
    salt: &Salt,
) -> Result<bool, HealthError> {
    let before: Option<StoredClaim> = pair.get(ctx, &claim_key(&claim.id))?;
    let Some(before) = before else {
        return Ok(false);
    };
    if before.claim != *claim || before.salt != *salt {
        return Err(HealthError::Duplicate("this claim id is taken".into()));
    }
    let head: Option<Head> = pair.get(ctx, &head_key(&claim.id))?;
    let status = head.map_or(ClaimStatus::Submitted, |head| head.status);
    // Whoever sends it again means another service, which nobody would ever pay.
    if status.is_taken_back() {
        return Err(HealthError::ConflictState(format!(
            "this claim was submitted before and is {status}: what is claimed anew is another claim, under a number of its own"
        )));
    }
    if status == ClaimStatus::Rejected {
        return Err(HealthError::ConflictState(
            "the payer rejected this claim, and says why in it: what is mended is another claim, under an id of its own".into(),
        ));
    }
    again(ctx, pair, salt)?;
    Ok(true)
}

/// Writes down that something was said once more.
pub(super) fn again(ctx: &Context<'_>, pair: &Collection, salt: &Salt) -> Result<(), HealthError> {
    let tx = tx_id(ctx)?;
    let salt = derived_salt(salt, "again", &tx);
    pair.put(ctx, &format!("again~{tx}"), &Again { salt })
}

/// What the front end refuses, refused.
fn accepted(claim: &Claim, salt: &Salt) -> Result<(), HealthError> {
    salt.require_drawn()?;
    match check(claim).first() {
        None => Ok(()),
        Some(edit) => Err(HealthError::InvalidCode(format!(
            "{}: {}",
            edit.code, edit.explanation
        ))),
    }
}

/// Writes a claim, its services' fingerprints, and the key of what the provider says of it. The root is another claim's, if it is a correction.
fn take_in(
    ctx: &Context<'_>,
    pair: &Collection,
    claim: Claim,
    root: Option<ClaimId>,
    salt: &Salt,
    provider: &str,
) -> Result<(), HealthError> {
    services::take(ctx, pair, &claim, root.unwrap_or(claim.id), salt)?;
    let (id, tx) = (claim.id, tx_id(ctx)?);
    let nothing_said = derived_salt(salt, "confirmation", &tx);
    let stored = StoredClaim {
        claim,
        received: Date::from_unix(ctx.timestamp().seconds)?,
        tx: Some(tx),
        root,
        salt: *salt,
    };
    if !pair.write_once(ctx, &claim_key(&id), &stored)? {
        return Err(HealthError::Duplicate("this claim id is taken".into()));
    }
    // From now on nobody else says anything of it for the provider.
    Word::begin(ctx, pair, &word_key(&id), provider, nothing_said)
}
