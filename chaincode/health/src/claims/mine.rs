//! A member's view of their own claims, by a question signed with the key that the payer took down for the coverage.
//!
//! `of~H(coverage)~B` lists a claim (B names its book) for its member. It is written once, with the payer's first step, so claims of one member do not meet
//! in a key.

use super::book::Entry;
use super::desk::{Desk, Own};
use super::members;
use super::parts::formed;
use super::reading::explained;
use super::store::{Standing, stored};
use crate::caller::Caller;
use crate::intent::{scope, short_lived};
use crate::state::{Collection, Established, registered};
use careledger_api::HealthError;
use careledger_api::contracts::claims::{
    ExplanationOfBenefits, MAX_LOOKED_AT, MAX_MEMBER_CLAIMS, MAX_READ, MemberClaim, MemberClaimQuery,
    MemberQuery, member_of,
};
use careledger_api::date::DateRange;
use careledger_api::ids::{ClaimId, CoverageId, Hash, Salt};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use fabric_contract_core::ReadContext;
use serde::{Deserialize, Serialize};

/// The value of `of~H~B`.
#[derive(Serialize, Deserialize)]
struct Listed {
    claim: ClaimId,
    provider: String,
    salt: Salt,
}

/// Lists a claim for its member.
pub(super) fn list(desk: &Desk<'_, '_>, entry: &Entry) -> Result<(), HealthError> {
    let prefix = prefix(&desk.own, &entry.claim.coverage);
    let key = format!("{prefix}{}", entry.hash);
    let value = Listed {
        claim: entry.claim.id,
        provider: desk.provider.to_owned(),
        salt: desk.salt(&key),
    };
    desk.put(&key, &value)
}

pub(super) fn claims(
    ctx: &ReadContext<'_>,
    payer: &str,
    query: &MemberQuery,
    intent: &SignedIntent,
) -> Result<Vec<MemberClaim>, HealthError> {
    let (consortium, own) = asked(ctx, payer, &query.coverage, intent)?;
    let listed: Vec<Listed> = own.collection.list(ctx, &prefix(&own, &query.coverage))?;
    let mut found = Vec::with_capacity(listed.len());
    for Listed { claim, provider, .. } in listed {
        match seen(ctx, &consortium, payer, provider, &claim) {
            // Of a provider that left the consortium nothing is shown, nor of what this peer has not got.
            Err(HealthError::InvalidCode(_) | HealthError::NotFound | HealthError::Ledger(_)) => {}
            one => found.extend(one?),
        }
    }
    found.sort_by_key(|of| (std::cmp::Reverse(of.days.until), of.claim));
    found.truncate(MAX_MEMBER_CLAIMS);
    Ok(found)
}

/// Shows the received claims of a coverage, each by what names its book and the MSP id of its provider, in parts of up to [`MAX_LOOKED_AT`]: from behind one
/// on. The last one that was shown, where there may be more.
pub(super) fn each(
    ctx: &ReadContext<'_>,
    own: &Own,
    coverage: &CoverageId,
    after: Option<Hash>,
    mut show: impl FnMut(Hash, String) -> Result<(), HealthError>,
) -> Result<Option<Hash>, HealthError> {
    let begun = ctx.bytes_read();
    let prefix = prefix(own, coverage);
    let start = after.map_or_else(|| prefix.clone(), |after| format!("{prefix}{after}"));
    let keys = ctx.private_range(&own.collection.name, &start, &format!("{prefix}~"))?;
    let mut shown = 0;
    for entry in keys {
        let entry = entry?;
        let name = entry.key.strip_prefix(&prefix).and_then(|name| name.parse().ok());
        let Some(hash) = name.filter(|hash| Some(*hash) != after) else {
            continue;
        };
        if let Some(Listed { provider, .. }) = formed(&entry.value) {
            show(hash, provider)?;
        }
        shown += 1;
        if shown >= MAX_LOOKED_AT || ctx.bytes_read().saturating_sub(begun) >= MAX_READ {
            return Ok(Some(hash));
        }
    }
    Ok(None)
}

/// A claim as the list has it; none without lines.
fn seen(
    ctx: &ReadContext<'_>,
    consortium: &Established,
    payer: &str,
    provider: String,
    claim: &ClaimId,
) -> Result<Option<MemberClaim>, HealthError> {
    let pair = Collection::pair(consortium, payer, &provider)?;
    let body = stored(ctx, &pair, claim)?.claim;
    let standing = Standing::of(ctx, &pair, claim)?;
    let days = body.lines.iter().map(|line| line.date);
    let (Some(from), Some(until)) = (days.clone().min(), days.max()) else {
        return Ok(None);
    };
    Ok(Some(MemberClaim {
        claim: *claim,
        provider,
        days: DateRange { from, until },
        status: standing.status,
        charged: body.total,
        currency: body.currency,
        decided: standing.decided().map(|decided| decided.on),
    }))
}

pub(super) fn explanation(
    ctx: &ReadContext<'_>,
    payer: &str,
    query: &MemberClaimQuery,
    intent: &SignedIntent,
) -> Result<ExplanationOfBenefits, HealthError> {
    let (consortium, _) = asked(ctx, payer, &query.coverage, intent)?;
    let pair = Collection::pair(&consortium, payer, &query.provider)?;
    let claim = stored(ctx, &pair, &query.claim)?.claim;
    if claim.coverage != query.coverage {
        return Err(HealthError::NotFound);
    }
    let mut told = explained(ctx, &pair, &claim)?;
    // That money comes back the member is told; by which payments, and with what else, is between the other two.
    if let Some(back) = &mut told.taken_back {
        back.references.clear();
        if let Some(came) = &mut back.recovered {
            came.reference.clear();
            came.remittance = None;
        }
    }
    Ok(told)
}

/// The payer's own collection, for its portal with a member's question.
fn asked(
    ctx: &ReadContext<'_>,
    payer: &str,
    coverage: &CoverageId,
    intent: &SignedIntent,
) -> Result<(Established, Own), HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(payer, &[Role::Portal])?;
    let own = Own::of(ctx, &consortium, payer)?;
    let unproven = || {
        let reason = "the payer has no key of this coverage's member, or another one than signed: it takes down the key that the member's wallet shows";
        HealthError::BadIntent(reason.into())
    };
    let signed = &intent.intent;
    let theirs = signed.patient == member_of(payer, coverage) && signed.authority.is_none();
    let key = members::member_key(ctx, &own, coverage)?;
    let key = key
        .filter(|key| theirs && key.id() == signed.key)
        .ok_or_else(unproven)?;
    let at = ctx.timestamp().seconds;
    intent.verify(&scope(ctx, &consortium), &(payer,), ctx.transient(), &key, at)?;
    short_lived(intent)?;
    Ok((consortium, own))
}

fn prefix(own: &Own, coverage: &CoverageId) -> String {
    format!("{}~", own.key("of", &[coverage.as_bytes()]))
}
