//! Claims come in: the first, the one that replaces, the one that takes back.

use super::store::{Head, Mark, Standing, StoredClaim, claim_key, put_head, replaced_key, void_key};
use super::{as_provider, deciding};
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
use std::collections::{BTreeMap, BTreeSet};

/// The value of `fp~F`: which chain of claims has the service.
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
    let pair = as_provider(ctx, payer, provider)?;
    let ClaimBody { claim, salt } = body;
    accepted(&claim, &salt)?;
    if claim.frequency != Frequency::Original {
        return Err(HealthError::InvalidCode(
            "a replacement or void is submitted by replaceClaim".into(),
        ));
    }
    let id = claim.id;
    let before: Option<StoredClaim> = pair.get(ctx, &claim_key(&id))?;
    if let Some(before) = before {
        if before.claim != claim || before.salt != salt {
            return Err(HealthError::Duplicate("this claim id is taken".into()));
        }
        let tx = tx_id(ctx)?;
        let salt = derived_salt(&salt, "again", &tx);
        pair.put(ctx, &format!("again~{tx}"), &Again { salt })?;
        return done(ctx, EventKind::Claim, Some(&pair));
    }
    take_in(ctx, &pair, claim, id, &salt, (ClaimStatus::Submitted, payer))?;
    done(ctx, EventKind::Claim, Some(&pair))
}

pub(super) fn replace_claim(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    body: ClaimBody,
) -> Result<Receipt, HealthError> {
    let pair = as_provider(ctx, payer, provider)?;
    let own = Collection::payer(&registered(ctx)?.consortium, payer)?;
    let ClaimBody { claim, salt } = body;
    accepted(&claim, &salt)?;
    let (old, voids) = match (claim.frequency, claim.replaces) {
        (Frequency::Replacement, Some(old)) => (old, false),
        (Frequency::Void, Some(old)) => (old, true),
        _ => {
            return Err(HealthError::InvalidCode(
                "a claim of frequency 7 or 8 that names the one it is for is expected".into(),
            ));
        }
    };
    let before: StoredClaim = pair.get(ctx, &claim_key(&old))?.ok_or(HealthError::NotFound)?;
    // Its lines are those of the claim that it took back: replaced in its turn, they would be claimed beside that one's replacement.
    if before.claim.frequency == Frequency::Void {
        return Err(HealthError::InvalidCode(
            "a void is neither replaced nor voided; name the claim that it took back".into(),
        ));
    }
    let standing = Standing::of(ctx, &pair, &old)?;
    let act = if voids { ClaimAct::Void } else { ClaimAct::Replace };
    standing.status.after(act)?;
    if claim.coverage != before.claim.coverage {
        return Err(HealthError::InvalidCode(
            "a replacement or void is for the same coverage as the claim before".into(),
        ));
    }
    if voids && claim.lines != before.claim.lines {
        return Err(HealthError::InvalidCode(
            "a void has the lines of the claim that it takes back".into(),
        ));
    }
    if !matches!(standing.status, ClaimStatus::Voided | ClaimStatus::Reversed) {
        deciding::undo(ctx, &own, &pair, &before, &standing, &salt)?;
    }
    let key = if voids { void_key(&old) } else { replaced_key(&old) };
    let mark = Mark {
        by: Some(claim.id),
        text: None,
        salt: derived_salt(&salt, "mark", &tx_id(ctx)?),
    };
    if !pair.write_once(ctx, &key, &mark)? {
        return Err(HealthError::ConflictState(
            "the claim is replaced or voided already".into(),
        ));
    }
    let status = if voids {
        ClaimStatus::Voided
    } else {
        ClaimStatus::Submitted
    };
    take_in(ctx, &pair, claim, before.root, &salt, (status, payer))?;
    done(ctx, EventKind::Claim, Some(&pair))
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

/// Writes a claim, its services' fingerprints and where it stands.
fn take_in(
    ctx: &Context<'_>,
    pair: &Collection,
    claim: Claim,
    root: ClaimId,
    salt: &Salt,
    (status, next): (ClaimStatus, &str),
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
        if pair.write_once(ctx, &key, &Fingerprint { claim: root, salt })? {
            continue;
        }
        let before: Option<Fingerprint> = pair.get(ctx, &key)?;
        if before.is_none_or(|before| before.claim != root) {
            return Err(HealthError::Duplicate(
                "a service of this claim (member, provider, procedure, day) was claimed from this payer before".into(),
            ));
        }
    }
    let (id, tx) = (claim.id, tx_id(ctx)?);
    let stored = StoredClaim {
        claim,
        received: Date::from_unix(ctx.timestamp().seconds)?,
        root,
        salt: *salt,
    };
    if !pair.write_once(ctx, &claim_key(&id), &stored)? {
        return Err(HealthError::Duplicate("this claim id is taken".into()));
    }
    let head = Head {
        status,
        salt: derived_salt(salt, "head", &tx),
        tx,
        decided: None,
        deciders: BTreeSet::new(),
        rulings: BTreeMap::new(),
    };
    put_head(ctx, pair, &id, &head, next)
}
