//! `fp~F`: which chain of claims has a service, seen at the provider's own peer. It saves the provider a claim that the payer would deny; the payer itself
//! decides by its own count of what the member used, and by what was doubted of the service on any claim ([`doubts`](super::doubts)).

use super::store::{StoredClaim, claim_key, word_key};
use super::word::Word;
use crate::state::Collection;
use careledger_api::HealthError;
use careledger_api::adjudication::{Claim, Frequency};
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{ClaimId, Hash, Salt};
use fabric_contract_core::Context;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How often one service is given back and claimed again by a first claim.
const TIMES: usize = 8;
/// Corrections of a claim that are followed to the one that stands.
const CORRECTIONS: usize = 64;

/// The value of `fp~F`, and of `fp~F~N` once the chains before have given the service back.
#[derive(Serialize, Deserialize)]
struct Fingerprint {
    claim: ClaimId,
    salt: Salt,
}

/// Takes a claim's services for its chain. `DUPLICATE` where another chain has one of them: one that was not taken back, and whose claim that stands has it.
pub(super) fn take(
    ctx: &Context<'_>,
    pair: &Collection,
    claim: &Claim,
    chain: ClaimId,
    salt: &Salt,
) -> Result<(), HealthError> {
    let secret = pair.secret(ctx)?;
    // A line that repeats another of the same claim is the payer's to deny.
    for fingerprint in fingerprints(&secret, claim)? {
        take_one(ctx, pair, &secret, &fingerprint, chain, salt)?;
    }
    Ok(())
}

fn take_one(
    ctx: &Context<'_>,
    pair: &Collection,
    secret: &Salt,
    fingerprint: &Hash,
    chain: ClaimId,
    salt: &Salt,
) -> Result<(), HealthError> {
    let mut holder = None;
    for time in 0..TIMES {
        let key = match time {
            0 => format!("fp~{fingerprint}"),
            again => format!("fp~{fingerprint}~{again}"),
        };
        let found: Option<Fingerprint> = pair.get(ctx, &key)?;
        if let Some(found) = found {
            holder = Some(found.claim);
            continue;
        }
        if holder == Some(chain) {
            return Ok(());
        }
        if let Some(other) = holder
            && has(ctx, pair, secret, fingerprint, other)?
        {
            return Err(taken());
        }
        let salt = Salt::from_bytes(*keyed_hash(salt, "service", &[key.as_bytes()]).as_bytes());
        return match pair.write_once(ctx, &key, &Fingerprint { claim: chain, salt })? {
            true => Ok(()),
            false => Err(taken()),
        };
    }
    match holder == Some(chain) {
        true => Ok(()),
        false => Err(taken()),
    }
}

fn taken() -> HealthError {
    HealthError::Duplicate(
        "a service of this claim (member, performer, procedure, day) was claimed from this payer before, and that claim stands: correct it by a \
         replacement (frequency 7), or void it (frequency 8) before it is claimed anew"
            .into(),
    )
}

/// Whether the claim of a chain that stands has the service: its last one, as the provider itself has corrected it.
fn has(
    ctx: &Context<'_>,
    pair: &Collection,
    secret: &Salt,
    fingerprint: &Hash,
    chain: ClaimId,
) -> Result<bool, HealthError> {
    let mut standing = chain;
    for _ in 0..CORRECTIONS {
        let word = Word::of(ctx, pair, &word_key(&standing));
        word.require()?;
        if let Some(successor) = word.successor {
            standing = successor;
            continue;
        }
        let Some(StoredClaim { claim, .. }) = pair.get(ctx, &claim_key(&standing))? else {
            return Ok(true);
        };
        return Ok(claim.frequency != Frequency::Void && fingerprints(secret, &claim)?.contains(fingerprint));
    }
    Ok(true)
}

fn fingerprints(secret: &Salt, claim: &Claim) -> Result<BTreeSet<Hash>, HealthError> {
    let period = claim.year()?.to_be_bytes();
    let services = claim.services()?;
    Ok(services
        .iter()
        .map(|service| keyed_hash(secret, "service", &[&period, service]))
        .collect())
}
