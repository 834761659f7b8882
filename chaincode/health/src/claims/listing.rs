//! Lists for both sides, and what waits for the provider. Looks, in bounded parts: they range over what the pair's collection shows, and nothing is decided
//! on them.

use super::appeal::Appeal;
use super::authorisation;
use super::money::Remittance;
use super::provider::pair_of_either;
use super::reading;
use super::store::{Standing, StoredClaim, claim_key, payment_key, remittance_key};
use crate::state::Collection;
use careledger_api::HealthError;
use careledger_api::adjudication::{Adjudication, Claim, Effect, Frequency};
use careledger_api::contracts::claims::{
    AppealAct, ClaimList, ClaimStatus, ListQuery, ListedClaim, ListedRemittance, MAX_LOOKED_AT,
    MAX_REMITTANCES, Payment, ProviderStep, RemittanceList, RemittanceQuery,
};
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::{ClaimId, RemittanceId};
use fabric_contract_core::ReadContext;

pub(super) fn list_claims(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    query: ListQuery,
) -> Result<ClaimList, HealthError> {
    let pair = pair_of_either(ctx, payer, provider)?;
    let today = Date::from_unix(ctx.timestamp().seconds)?;
    let mut found = ClaimList::default();
    found.next = each_claim(ctx, &pair, query.after, |stored| {
        let asked = query.since.is_none_or(|since| stored.received >= since)
            && query
                .coverage
                .is_none_or(|coverage| stored.claim.coverage == coverage);
        if !asked {
            return Ok(());
        }
        let id = stored.claim.id;
        // What the other side wrote in a form of its own ends nobody's list.
        let Ok(row) = row(ctx, &pair, stored, today) else {
            found.unreadable.push(id);
            return Ok(());
        };
        let wanted = query.status.is_none_or(|status| row.status == status)
            && (!query.for_provider || row.step.is_some());
        if wanted {
            found.claims.push(row);
        }
        Ok(())
    })?;
    let everything = ListQuery {
        for_provider: true,
        ..ListQuery::default()
    };
    if query == everything {
        found.authorisations = authorisation::asked(ctx, &pair)?;
    }
    Ok(found)
}

pub(super) fn remittances(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    query: RemittanceQuery,
) -> Result<RemittanceList, HealthError> {
    let pair = pair_of_either(ctx, payer, provider)?;
    let mut found = RemittanceList::default();
    let start = query.after.map_or_else(
        || "rem~".to_owned(),
        |after| format!("{}~", remittance_key(&after)),
    );
    let mut looked_at = 0;
    for entry in ctx.private_range(&pair.name, &start, "rem~~")? {
        let entry = entry?;
        let named: Option<RemittanceId> = entry.key.strip_prefix("rem~").and_then(|id| id.parse().ok());
        let Some(id) = named else { continue };
        looked_at += 1;
        let stored: Option<Remittance> = serde_json::from_slice(&entry.value).ok();
        let stored = stored.filter(|stored| stored.id == id);
        let asked = |of: &Remittance| query.since.is_none_or(|since| of.on.is_none_or(|on| on >= since));
        if let Some(stored) = stored.filter(asked) {
            match reading::of_remittance(ctx, &pair, stored) {
                Ok(view) => {
                    let standing =
                        |wanted| view.statuses.values().filter(|status| **status == wanted).count();
                    found.remittances.push(ListedRemittance {
                        remittance: id,
                        claims: view.amounts.len(),
                        total: view.total,
                        standing: view.standing,
                        to_pay: standing(ClaimStatus::Payable),
                        to_confirm: standing(ClaimStatus::Paid),
                        issued: view.issued,
                        currency: view.currency,
                    });
                }
                Err(_) => found.unreadable.push(id),
            }
        }
        if looked_at == MAX_REMITTANCES {
            found.next = Some(id);
            break;
        }
    }
    Ok(found)
}

/// Shows claims of the pair in the order of their ids, from the first one after `after` on, and the last one where there may be more than [`MAX_LOOKED_AT`].
/// What has no form, or stands under another claim's id, is no claim: somebody with altered code wrote it.
pub(super) fn each_claim(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    after: Option<ClaimId>,
    mut show: impl FnMut(StoredClaim) -> Result<(), HealthError>,
) -> Result<Option<ClaimId>, HealthError> {
    // The first key after that claim's.
    let start = after.map_or_else(|| "claim~".to_owned(), |after| format!("{}~", claim_key(&after)));
    let mut looked_at = 0;
    for entry in ctx.private_range(&pair.name, &start, "claim~~")? {
        let entry = entry?;
        let named: Option<ClaimId> = entry.key.strip_prefix("claim~").and_then(|id| id.parse().ok());
        let Some(id) = named else { continue };
        looked_at += 1;
        let stored: Option<StoredClaim> = serde_json::from_slice(&entry.value).ok();
        if let Some(stored) = stored.filter(|stored| stored.claim.id == id) {
            show(stored)?;
        }
        if looked_at == MAX_LOOKED_AT {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

fn row(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    stored: StoredClaim,
    today: Date,
) -> Result<ListedClaim, HealthError> {
    let StoredClaim { claim, received, .. } = stored;
    let id = claim.id;
    let standing = Standing::of(ctx, pair, &id)?;
    let adjudication = match standing.decided() {
        Some(_) => Some(standing.adjudication(ctx, pair, &id)?),
        None => None,
    };
    let appeal_until = match &adjudication {
        Some(adjudication) => appeal_until(ctx, pair, &id, &standing, adjudication)?,
        None => None,
    };
    let appeal_until = appeal_until.filter(|until| today <= *until);
    let (step, until) = match step(&claim, &standing, adjudication.as_ref(), appeal_until) {
        Some((_, Some(until))) if until < today => (None, None),
        Some((step, until)) => (Some(step), until),
        None => (None, None),
    };
    let mut paid = 0i64;
    for tx in standing.head.iter().flat_map(|head| &head.payments) {
        let payment: Option<Payment> = pair.get(ctx, &payment_key(&id, tx))?;
        paid = paid.saturating_add(payment.ok_or(HealthError::NotFound)?.amount);
    }
    let decided = matches!(
        standing.status,
        ClaimStatus::Approved
            | ClaimStatus::Partial
            | ClaimStatus::Denied
            | ClaimStatus::Payable
            | ClaimStatus::Paid
            | ClaimStatus::Cleared
    );
    let head = standing.head.as_ref();
    Ok(ListedClaim {
        claim: id,
        coverage: claim.coverage,
        status: standing.status,
        submitted: received,
        services: services(&claim, received),
        decided: standing.decided().map(|decided| decided.on),
        charged: claim.total,
        currency: claim.currency,
        allowed: adjudication
            .filter(|_| decided)
            .map(|adjudication| adjudication.allowed),
        paid,
        remittances: head.map_or(Vec::new(), |head| head.remittances.clone()),
        corrects: claim.replaces,
        correction: standing.waiting,
        successor: head.and_then(|head| head.successor),
        step,
        until,
        appeal_until,
    })
}

/// What the provider does next, and until when.
fn step(
    claim: &Claim,
    standing: &Standing,
    adjudication: Option<&Adjudication>,
    appeal_until: Option<Date>,
) -> Option<(ProviderStep, Option<Date>)> {
    // It waits for its correction, which has its own row.
    if standing.waiting.is_some() {
        return None;
    }
    let denied = adjudication.is_some_and(|adjudication| {
        let edits = adjudication.lines.iter().flat_map(|line| &line.edits);
        edits.into_iter().any(|edit| edit.effect == Effect::Denied)
    });
    match standing.status {
        ClaimStatus::Submitted if claim.frequency != Frequency::Original => {
            Some((ProviderStep::Receipt, None))
        }
        ClaimStatus::Pended => Some((ProviderStep::Answer, Some(standing.answer_until()?))),
        ClaimStatus::Rejected => Some((ProviderStep::Correct, None)),
        ClaimStatus::Paid => Some((ProviderStep::Confirm, None)),
        ClaimStatus::Reversed => Some((ProviderStep::Replace, None)),
        ClaimStatus::Denied | ClaimStatus::Partial | ClaimStatus::Payable | ClaimStatus::Cleared
            if denied =>
        {
            Some((ProviderStep::Appeal, Some(appeal_until?)))
        }
        _ => None,
    }
}

/// The last day of an appeal or of its next level; none where there is none to make: nothing can be appealed, one is open, or it is at its end.
fn appeal_until(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    id: &ClaimId,
    standing: &Standing,
    adjudication: &Adjudication,
) -> Result<Option<Date>, HealthError> {
    let Some(decided) = standing.decided().filter(|_| standing.waiting.is_none()) else {
        return Ok(None);
    };
    if !Appeal::is_of(standing.status) || !adjudication.can_be_appealed() {
        return Ok(None);
    }
    let before = Appeal::said(ctx, pair, id, &standing.word)?;
    if before
        .as_ref()
        .is_some_and(|appeal| appeal.status().after(AppealAct::Escalate).is_err())
    {
        return Ok(None);
    }
    Appeal::until(before.as_ref(), decided.on).map(Some)
}

/// First and last day of its services; the day of its submission where it has no lines, which the front end refuses.
fn services(claim: &Claim, submitted: Date) -> DateRange {
    let days = || claim.lines.iter().map(|line| line.date);
    DateRange {
        from: days().min().unwrap_or(submitted),
        until: days().max().unwrap_or(submitted),
    }
}
