//! What waits for the payer with one provider. A look, in bounded parts: it ranges over the pair's claims, and nothing is decided on it.

use super::appeal::Appeal;
use super::authorisation;
use super::book::{Book, Entry, book_hash, book_key};
use super::desk::Own;
use super::holding;
use super::listing::each_claim;
use super::service::Open;
use super::store::StoredClaim;
use crate::caller::Caller;
use crate::state::{Collection, registered};
use careledger_api::HealthError;
use careledger_api::adjudication::Frequency;
use careledger_api::contracts::claims::{
    AppealStatus, AuthorisationStatus, CLAIM_SECONDS, ClaimStatus, Waiting, WaitingAuthorisation,
    WaitingClaim, WaitingQuery, WaitingStep,
};
use careledger_api::roles::Role;
use fabric_contract_core::ReadContext;

pub(super) fn waiting(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    query: WaitingQuery,
) -> Result<Waiting, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(payer, &[Role::Payer])?;
    let pair = Collection::pair(&consortium, payer, provider)?;
    let own = Own::of(ctx, &consortium, payer)?;
    let mut found = Waiting::default();
    found.next = each_claim(ctx, &pair, query.after, |stored| {
        let claim = claim(ctx, &pair, &own, provider, stored, query.step)?;
        found.claims.extend(claim);
        Ok(())
    })?;
    if query == WaitingQuery::default() {
        found.authorisations = authorisations(ctx, &pair, &own, provider)?;
    }
    Ok(found)
}

/// The claim, if it waits for the payer, and for that step.
fn claim(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    own: &Own,
    provider: &str,
    stored: StoredClaim,
    wanted: Option<WaitingStep>,
) -> Result<Option<WaitingClaim>, HealthError> {
    let StoredClaim { claim, received, .. } = stored;
    let submitted = received.days() * 86_400;
    let book: Option<Book> = own.get(ctx, &book_key(&book_hash(own, provider, &claim.id)))?;
    let status = match &book {
        None => ClaimStatus::Submitted,
        Some(book) => Entry::status(ctx, pair, book)?,
    };
    let (step, due) = match status {
        // A second person looks at it first.
        ClaimStatus::Accepted | ClaimStatus::Pended | ClaimStatus::Denied | ClaimStatus::Partial
            if book.as_ref().is_some_and(|book| book.proposed().is_some()) =>
        {
            (WaitingStep::Review, None)
        }
        ClaimStatus::Submitted | ClaimStatus::Accepted => {
            let resumed = book.as_ref().and_then(|book| book.resumed);
            let from = resumed.map_or(submitted, |from| from.max(submitted));
            (WaitingStep::Decide, Some(from.saturating_add(CLAIM_SECONDS)))
        }
        ClaimStatus::Pended => match book.as_ref().and_then(Book::unanswered_from) {
            Some(from) if from <= ctx.timestamp().seconds => {
                (WaitingStep::Decide, Some(from.saturating_add(CLAIM_SECONDS)))
            }
            _ => (WaitingStep::Review, None),
        },
        ClaimStatus::Approved | ClaimStatus::Partial => (WaitingStep::Remit, None),
        ClaimStatus::Payable => (WaitingStep::Pay, None),
        ClaimStatus::Denied | ClaimStatus::Paid => (WaitingStep::Appeal, None),
        _ => return Ok(None),
    };
    let decided = matches!(
        status,
        ClaimStatus::Approved
            | ClaimStatus::Partial
            | ClaimStatus::Denied
            | ClaimStatus::Payable
            | ClaimStatus::Paid
    );
    // Money that is appealed about waits for the appeal's end.
    let appealed = decided && Appeal::of(ctx, pair, &claim.id)?.is_some_and(is_the_payers);
    let step = if appealed { WaitingStep::Appeal } else { step };
    let none = step == WaitingStep::Appeal && !appealed;
    if none || wanted.is_some_and(|wanted| wanted != step) {
        return Ok(None);
    }
    let held = match &book {
        Some(book) if matches!(step, WaitingStep::Remit | WaitingStep::Pay) => {
            holding::reason(ctx, (pair, own), &claim, book)?
        }
        _ => None,
    };
    let money = |book: &Book| matches!(step, WaitingStep::Remit | WaitingStep::Pay).then(|| book.money.due());
    let payable = book.as_ref().and_then(money);
    let remittance = book.as_ref().filter(|_| step == WaitingStep::Pay);
    let remittance = remittance.and_then(|book| book.remittances.last().copied());
    let decision = book.and_then(|book| book.decision);
    Ok(Some(WaitingClaim {
        claim: claim.id,
        coverage: claim.coverage,
        status,
        step,
        since: match step {
            WaitingStep::Decide => submitted,
            _ => decision.map_or(submitted, |decision| decision.at),
        },
        due,
        corrects: claim.frequency != Frequency::Original,
        charged: claim.total,
        currency: claim.currency,
        payable,
        remittance,
        held,
    }))
}

/// Whether it is open at one of the payer's own levels; the last one is decided outside.
fn is_the_payers(appeal: Appeal) -> bool {
    !appeal.is_external() && matches!(appeal.view().status, AppealStatus::First | AppealStatus::Second)
}

/// The requests that are the payer's to decide, the most pressing first.
fn authorisations(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    own: &Own,
    provider: &str,
) -> Result<Vec<WaitingAuthorisation>, HealthError> {
    let mut found: Vec<WaitingAuthorisation> = authorisation::items(ctx, pair, own, provider)?
        .into_iter()
        .filter(|(.., item)| matches!(item.open, Open::Payer))
        .map(|(authorisation, urgent, seconds, item)| WaitingAuthorisation {
            authorisation,
            status: AuthorisationStatus::Requested,
            urgent,
            since: item.received,
            due: item.received.saturating_add(seconds),
        })
        .collect();
    found.sort_by_key(|request| (request.due, request.authorisation));
    Ok(found)
}
