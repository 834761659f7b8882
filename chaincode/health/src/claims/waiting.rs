//! What waits for the payer with one provider. A look, in bounded parts: it ranges over the pair's claims, and nothing is decided on it. What a provider with
//! altered code made of its own claims is told beside the others.

use super::appeal::{self, Appeal};
use super::authorisation::{self, OpenRequest};
use super::book::{Book, CORRECTED, book_hash, book_key, is_corrected, require_written, said_of};
use super::desk::Own;
use super::hindsight::Hindsight;
use super::holding;
use super::parts::each_claim;
use super::reversing;
use super::service::Open;
use super::store::{StoredClaim, word_key};
use super::word::Word;
use crate::caller::Caller;
use crate::state::{Collection, registered};
use careledger_api::HealthError;
use careledger_api::adjudication::{Claim, Frequency};
use careledger_api::contracts::claims::{
    AuthorisationStatus, CLAIM_SECONDS, ClaimStatus, Waiting, WaitingAuthorisation, WaitingClaim,
    WaitingQuery, WaitingStep,
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
    let (mut found, mut now) = (Waiting::default(), Hindsight::default());
    if query.requests_after.is_none() {
        found.next = each_claim(ctx, &pair, query.after, |id, stored| {
            let row =
                stored.map(|stored| claim(ctx, (&pair, &own), provider, stored, (query.step, &mut now)));
            match row {
                Some(Ok(row)) => found.claims.extend(row),
                // What its provider wrote in a form of its own, or withholds, ends nobody's list.
                Some(Err(_)) | None => found.unreadable.push(id),
            }
            Ok(())
        })?;
    }
    if query == WaitingQuery::default() || query.requests_after.is_some() {
        let requests = authorisation::items(ctx, (&pair, &own), provider, query.requests_after)?;
        found.authorisations = authorisations(requests.found);
        (found.unreadable_requests, found.next_request) = (requests.unreadable, requests.next);
    }
    Ok(found)
}

/// The claim, if it waits for the payer, and for that step. `CONFLICT_STATE` where its keys are not as the contract writes them, or the peer does not know
/// what its provider said.
fn claim(
    ctx: &ReadContext<'_>,
    (pair, own): (&Collection, &Own),
    provider: &str,
    stored: StoredClaim,
    (wanted, now): (Option<WaitingStep>, &mut Hindsight),
) -> Result<Option<WaitingClaim>, HealthError> {
    let StoredClaim { claim, received, .. } = stored;
    let submitted = received.first_second();
    let book: Option<Book> = own.get(ctx, &book_key(&book_hash(own, provider, &claim.id)))?;
    if let Some(book) = book.as_ref().filter(|book| is_over(book.status)) {
        return Ok(match wanted {
            None | Some(WaitingStep::Recover) => to_recover(&claim, book, submitted),
            Some(_) => None,
        });
    }
    let word = Word::of(ctx, pair, &word_key(&claim.id));
    word.require()?;
    let status = match &book {
        None => {
            require_written(ctx, pair, provider, &claim.id)?;
            ClaimStatus::Submitted
        }
        Some(book) => said_of(ctx, pair, book, &word)?,
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
        // Its provider is told, once for each decision.
        ClaimStatus::Denied if book.as_ref().is_some_and(|book| book.advised().is_none()) => {
            (WaitingStep::Remit, None)
        }
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
    let appeal = match &book {
        Some(book) if decided => Appeal::booked(ctx, pair, book, &word)?,
        _ => None,
    };
    let outside = appeal.as_ref().is_some_and(Appeal::is_open_outside);
    let appeal = appeal.filter(Appeal::is_the_payers);
    let asked = match &book {
        Some(book) => reversing::open(ctx, pair, book, &word)?,
        None => None,
    };
    let looked_for = wanted.is_none_or(|wanted| wanted == WaitingStep::Reverse);
    let reversal = match &book {
        Some(_) if asked.is_some() => Some(reversing::ASKED.to_owned()),
        Some(book) if looked_for && appeal.is_none() && status == ClaimStatus::Paid => {
            now.reason(ctx, own, &claim, book)?
        }
        _ => None,
    };
    // What has a last day comes first, and a second person's word on what is decided.
    let (step, due) = match &appeal {
        Some(appeal) => (WaitingStep::Appeal, appeal.due().map(appeal::last_second)),
        None if reversal.is_some() && step != WaitingStep::Review => (WaitingStep::Reverse, None),
        None => (step, due),
    };
    let none = step == WaitingStep::Appeal && appeal.is_none();
    if none || wanted.is_some_and(|wanted| wanted != step) {
        return Ok(None);
    }
    let held = match &book {
        Some(book) if matches!(step, WaitingStep::Remit | WaitingStep::Pay) => {
            if is_corrected(ctx, own, provider, &word)? {
                Some(CORRECTED.to_owned())
            } else if outside {
                Some(appeal::OPEN.to_owned())
            } else {
                holding::reason(ctx, (pair, own), &claim, book)?
            }
        }
        _ => reversal,
    };
    let money = |book: &Book| matches!(step, WaitingStep::Remit | WaitingStep::Pay).then(|| book.money.due());
    let payable = book.as_ref().and_then(money);
    let remittance = book.as_ref().filter(|_| step == WaitingStep::Pay);
    let remittance = remittance.and_then(|book| book.remittances.last().copied());
    let decided = book.and_then(|book| book.decision).map(|decision| decision.at);
    let asked = asked.map(|asked| asked.on.first_second());
    Ok(Some(WaitingClaim {
        claim: claim.id,
        coverage: claim.coverage,
        provider_npi: claim.provider_npi.clone(),
        status,
        step,
        since: match step {
            WaitingStep::Decide => submitted,
            WaitingStep::Reverse => asked.or(decided).unwrap_or(submitted),
            _ => decided.unwrap_or(submitted),
        },
        due,
        corrects: claim.frequency != Frequency::Original,
        charged: claim.total,
        currency: claim.currency,
        payable,
        out: None,
        remittance,
        held,
    }))
}

/// A claim whose money has to come back, whatever stands in its place.
fn to_recover(claim: &Claim, book: &Book, submitted: i64) -> Option<WaitingClaim> {
    let out = book.money.out();
    let decided = || book.decision.as_ref().map(|decision| decision.at);
    (out > 0).then(|| WaitingClaim {
        claim: claim.id,
        coverage: claim.coverage,
        provider_npi: claim.provider_npi.clone(),
        status: book.status,
        step: WaitingStep::Recover,
        since: book.reversed_at.or_else(decided).unwrap_or(submitted),
        due: None,
        corrects: claim.frequency != Frequency::Original,
        charged: claim.total,
        currency: claim.currency.clone(),
        payable: None,
        out: Some(out),
        remittance: None,
        held: None,
    })
}

/// Whether nothing of it waits for the payer any more but money that comes back, whatever its provider says.
fn is_over(status: ClaimStatus) -> bool {
    use ClaimStatus::{Rejected, Replaced, Reversed, Voided};
    matches!(status, Rejected | Replaced | Reversed | Voided)
}

/// The requests that are the payer's to decide, the most pressing first.
fn authorisations(requests: Vec<OpenRequest>) -> Vec<WaitingAuthorisation> {
    let open = requests
        .into_iter()
        .filter(|of| matches!(of.item.open, Open::Payer));
    let mut found: Vec<WaitingAuthorisation> = open
        .map(|request| WaitingAuthorisation {
            authorisation: request.id,
            status: AuthorisationStatus::Requested,
            urgent: request.urgent,
            since: request.item.received,
            due: request.item.received.saturating_add(request.seconds),
        })
        .collect();
    found.sort_by_key(|request| (request.due, request.authorisation));
    found
}
