//! Lists for both sides, and what waits for the provider. Looks, in bounded parts: they range over what the pair's collection shows, and nothing is decided
//! on them.

use super::appeal::Appeal;
use super::authorisation;
use super::money::Remittance;
use super::parts::{each, each_claim, formed};
use super::provider::pair_of_either;
use super::store::{Standing, StoredClaim, require_own};
use super::{reading, recovering};
use crate::state::Collection;
use careledger_api::HealthError;
use careledger_api::adjudication::{Adjudication, Claim, Effect, Frequency};
use careledger_api::contracts::claims::{
    ClaimList, ClaimStatus, ListQuery, ListedClaim, ListedRemittance, MAX_REMITTANCES, MAX_REMITTED,
    MoneyState, ProviderStep, RemittanceList, RemittanceQuery, RemittanceView,
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
    if query.requests_after.is_none() {
        found.next = each_claim(ctx, &pair, query.after, |id, stored| {
            // What the other side wrote in a form of its own, or in the provider's name, ends nobody's list.
            match stored.map(|stored| asked(ctx, (&pair, provider), stored, (&query, today))) {
                Some(Ok(row)) => found.claims.extend(row),
                Some(Err(_)) | None => found.unreadable.push(id),
            }
            Ok(())
        })?;
    }
    let everything = ListQuery {
        for_provider: true,
        ..ListQuery::default()
    };
    if query == everything || query.requests_after.is_some() {
        let requests = authorisation::asked(ctx, &pair, provider, query.requests_after)?;
        found.authorisations = requests.found;
        (found.unreadable_requests, found.next_request) = (requests.unreadable, requests.next);
    }
    Ok(found)
}

/// The claim's row, if it is asked for. `CONFLICT_STATE` where what its provider says of it is not the provider's alone.
fn asked(
    ctx: &ReadContext<'_>,
    (pair, provider): (&Collection, &str),
    stored: StoredClaim,
    (query, today): (&ListQuery, Date),
) -> Result<Option<ListedClaim>, HealthError> {
    let since = query.since.is_none_or(|since| stored.received >= since);
    let coverage = query.coverage;
    if !since || coverage.is_some_and(|coverage| stored.claim.coverage != coverage) {
        return Ok(None);
    }
    require_own(ctx, pair, provider, &stored.claim.id)?;
    let row = row(ctx, pair, stored, today)?;
    let wanted =
        query.status.is_none_or(|status| row.status == status) && (!query.for_provider || row.step.is_some());
    Ok(wanted.then_some(row))
}

pub(super) fn remittances(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    query: RemittanceQuery,
) -> Result<RemittanceList, HealthError> {
    let pair = pair_of_either(ctx, payer, provider)?;
    let mut found = RemittanceList::default();
    let part = ("rem~", query.after);
    found.next = each(ctx, &pair, part, MAX_REMITTANCES, |id, value| {
        let stored: Option<Remittance> = formed(value);
        // More claims than the contract puts on one would be looked up for it.
        let stored = stored.filter(|stored| stored.id == id && stored.amounts.len() <= MAX_REMITTED);
        let asked = |of: &Remittance| query.since.is_none_or(|since| of.on.is_none_or(|on| on >= since));
        match stored {
            Some(stored) if !asked(&stored) => {}
            Some(stored) => match reading::of_remittance(ctx, &pair, stored) {
                Ok(view) => found.remittances.push(listed(id, view)),
                Err(_) => found.unreadable.push(id),
            },
            None => found.unreadable.push(id),
        }
        Ok(())
    })?;
    Ok(found)
}

fn listed(id: RemittanceId, view: RemittanceView) -> ListedRemittance {
    let standing = |wanted| view.money.values().filter(|money| **money == wanted).count();
    ListedRemittance {
        remittance: id,
        claims: view.amounts.len(),
        total: view.total,
        standing: view.standing,
        denied: view.denied.len(),
        to_pay: standing(MoneyState::ToPay),
        to_confirm: standing(MoneyState::Paid),
        out: view.out,
        issued: view.issued,
        at: view.at,
        references: view.references,
        currency: view.currency,
    }
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
        Some(adjudication) => appeal_until(ctx, pair, (&id, today), &standing, adjudication)?,
        None => None,
    };
    let appeal_until = appeal_until.filter(|until| today <= *until);
    let payments = standing.payments(ctx, pair, &id)?;
    let paid = payments
        .iter()
        .fold(0i64, |sum, payment| sum.saturating_add(payment.amount));
    let taken_back = recovering::taken_back(standing.head.as_ref(), &payments);
    let out = taken_back.as_ref().is_some_and(|back| back.out > 0);
    let (step, until) = match step(&claim, &standing, adjudication.as_ref(), appeal_until) {
        Some((_, Some(until))) if until < today => (None, None),
        Some((step, until)) => (Some(step), until),
        None if out => (Some(ProviderStep::GiveBack), None),
        None => (None, None),
    };
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
        taken_back,
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

/// The last day of an appeal or of its next level; none where there is none to make: nothing can be appealed, one is the payer's to answer, or it is at its end.
fn appeal_until(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    (id, today): (&ClaimId, Date),
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
        .is_some_and(|appeal| appeal.next(Some(today)).is_err())
    {
        return Ok(None);
    }
    Appeal::until(before.as_ref(), decided.on, today).map(Some)
}

/// First and last day of its services; the day of its submission where it has no lines, which the front end refuses.
fn services(claim: &Claim, submitted: Date) -> DateRange {
    let days = || claim.lines.iter().map(|line| line.date);
    DateRange {
        from: days().min().unwrap_or(submitted),
        until: days().max().unwrap_or(submitted),
    }
}
