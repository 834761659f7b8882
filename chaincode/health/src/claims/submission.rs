//! Claims come in: the first, the one that replaces, the one that takes back.

use super::book::Entry;
use super::deciding;
use super::desk::Desk;
use super::disclosure;
use super::provider;
use super::store::{Confirmation, StoredClaim, claim_key, confirmation_key};
use crate::state::{Collection, derived_salt, done, registered, tx_id};
use careledger_api::adjudication::{Claim, Frequency, check};
use careledger_api::contracts::claims::{ClaimAct, ClaimBody, ClaimStatus};
use careledger_api::date::Date;
use careledger_api::event::EventKind;
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{ClaimId, Hash, Salt};
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::Context;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The value of `fp~F`: which chain of claims has the service. It saves the provider a claim that the payer would deny; the payer itself decides by its
/// own count of what the member used.
#[derive(Serialize, Deserialize)]
struct Fingerprint {
    claim: ClaimId,
    salt: Salt,
}

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
    let pair = provider::pair(ctx, payer, provider)?;
    let ClaimBody { claim, salt } = body;
    accepted(&claim, &salt)?;
    if claim.frequency != Frequency::Original {
        return Err(HealthError::InvalidCode(
            "a replacement or void is submitted by replaceClaim".into(),
        ));
    }
    let id = claim.id;
    if said_before(ctx, &pair, &claim, &salt)? {
        return done(ctx, EventKind::Claim, Some(&pair));
    }
    disclosure::check(ctx, &registered(ctx)?.consortium, &pair, provider, &claim)?;
    take_in(ctx, &pair, claim, &id, &salt, provider)?;
    done(ctx, EventKind::Claim, Some(&pair))
}

pub(super) fn replace_claim(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    body: ClaimBody,
) -> Result<Receipt, HealthError> {
    let desk = Desk::for_provider(ctx, payer, provider)?;
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
    if said_before(ctx, &desk.pair, &claim, &salt)? {
        return done(ctx, EventKind::Claim, Some(&desk.pair));
    }
    let mut before = Entry::of(&desk, &old)?;
    follows(&claim, &before)?;
    before.act(act)?;
    deciding::undo(&desk, &mut before)?;
    before.book.successor = Some(claim.id);
    let root = before.book.root;
    // A correction of days that were claimed in time is in time.
    let days: BTreeSet<Date> = before.claim.lines.iter().map(|line| line.date).collect();
    let corrects = claim.lines.iter().all(|line| days.contains(&line.date));
    let filed = corrects.then_some(before.book.filed);
    before.save(&desk, &salt)?;
    take_in(ctx, &desk.pair, claim.clone(), &root, &salt, provider)?;
    let mut entry = Entry::new(&desk, claim, root)?;
    entry.book.filed = filed.unwrap_or(entry.book.filed);
    // A void has taken its claim back, and waits for nobody.
    entry.book.status = match act {
        ClaimAct::Void => ClaimStatus::Voided,
        _ => ClaimStatus::Accepted,
    };
    entry.save(&desk, &salt)?;
    done(ctx, EventKind::Claim, Some(&desk.pair))
}

/// Whether the same body was submitted before, which is then written down, since every transaction writes something. `DUPLICATE` for another body.
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
    again(ctx, pair, salt)?;
    Ok(true)
}

/// Writes down that something was said once more.
pub(super) fn again(ctx: &Context<'_>, pair: &Collection, salt: &Salt) -> Result<(), HealthError> {
    let tx = tx_id(ctx)?;
    let salt = derived_salt(salt, "again", &tx);
    pair.put(ctx, &format!("again~{tx}"), &Again { salt })
}

/// A claim may stand in the place of the one before, or take it back.
fn follows(claim: &Claim, before: &Entry) -> Result<(), HealthError> {
    if before.book.money.has_moved() {
        return Err(HealthError::ConflictState(
            "money was paid for the claim; its payer reverses it first".into(),
        ));
    }
    let rules = [
        (
            // Its lines are those of the claim that it took back: replaced in its turn, they would be claimed beside that one's replacement.
            before.claim.frequency != Frequency::Void,
            "a void is neither replaced nor voided; name the claim that it took back",
        ),
        (
            claim.coverage == before.claim.coverage,
            "a replacement or void is for the same coverage as the claim before",
        ),
        (
            claim.frequency != Frequency::Void || claim.lines == before.claim.lines,
            "a void has the lines of the claim that it takes back",
        ),
    ];
    if let Some((_, reason)) = rules.into_iter().find(|(holds, _)| !holds) {
        return Err(HealthError::InvalidCode(reason.to_owned()));
    }
    Ok(())
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

/// Writes a claim, its services' fingerprints, and the provider's word that no money came yet.
fn take_in(
    ctx: &Context<'_>,
    pair: &Collection,
    claim: Claim,
    root: &ClaimId,
    salt: &Salt,
    provider: &str,
) -> Result<(), HealthError> {
    let secret = pair.secret(ctx)?;
    let period = claim.year()?.to_be_bytes();
    let services = claim.services()?;
    // A line that repeats another of the same claim is the payer's to deny.
    let fingerprints: BTreeSet<Hash> = services
        .iter()
        .map(|service| keyed_hash(&secret, "service", &[&period, service]))
        .collect();
    for fingerprint in fingerprints {
        let key = format!("fp~{fingerprint}");
        let salt = Salt::from_bytes(*keyed_hash(salt, "service", &[fingerprint.as_bytes()]).as_bytes());
        if pair.write_once(ctx, &key, &Fingerprint { claim: *root, salt })? {
            continue;
        }
        let before: Option<Fingerprint> = pair.get(ctx, &key)?;
        if before.is_none_or(|before| before.claim != *root) {
            return Err(HealthError::Duplicate(
                "a service of this claim (member, performer, procedure, day) was claimed from this payer before".into(),
            ));
        }
    }
    let (id, tx) = (claim.id, tx_id(ctx)?);
    let none = Confirmation {
        payment: None,
        salt: derived_salt(salt, "confirmation", &tx),
    };
    let stored = StoredClaim {
        claim,
        received: Date::from_unix(ctx.timestamp().seconds)?,
        tx: Some(tx),
        salt: *salt,
    };
    if !pair.write_once(ctx, &claim_key(&id), &stored)? {
        return Err(HealthError::Duplicate("this claim id is taken".into()));
    }
    // Whether money came is the provider's to say: from now on nobody else writes the key.
    let key = confirmation_key(&id);
    pair.put(ctx, &key, &none)?;
    pair.hand_to(ctx, &key, provider)
}
