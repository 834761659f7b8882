//! What payer and provider see.

use super::advice::is_in_force;
use super::appeal::Appeal;
use super::book::{Book, book_hash, book_key};
use super::desk::Own;
use super::doubts;
use super::money::Remittance;
use super::parts::some;
use super::provider::{pair_of_claim, pair_of_either};
use super::store::{Head, Standing, attachment_prefix, remittance_key, require_own, stored};
use super::word::ANSWERS;
use super::{outside, paying, recovering, reversing};
use crate::caller::Caller;
use crate::state::{Collection, registered, tx_id};
use careledger_api::HealthError;
use careledger_api::adjudication::Claim;
use careledger_api::contracts::claims::{
    Attachment, BookView, ClaimView, ExplanationOfBenefits, Information, RemittanceView,
};
use careledger_api::date::Date;
use careledger_api::ids::{ClaimId, RemittanceId};
use careledger_api::roles::Role;
use fabric_contract_core::ReadContext;
use std::collections::{BTreeMap, BTreeSet};

/// Most documents of a claim that are looked at to show them; those of the first keys.
const MAX_SHOWN: usize = 500;

pub(super) fn book(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    id: ClaimId,
) -> Result<BookView, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(payer, &[Role::Payer])?;
    let pair = Collection::pair(&consortium, payer, provider)?;
    let own = Own::of(ctx, &consortium, payer)?;
    let hash = book_hash(&own, provider, &id);
    let book: Option<Book> = own.get(ctx, &book_key(&hash))?;
    let book = book.ok_or(HealthError::NotFound)?;
    // Without the claim as it was received the payer's own words are there all the same.
    let doubts = match stored(ctx, &pair, &id) {
        Ok(stored) if book.is_of(&stored.claim)? => doubts::view(ctx, &own, &stored.claim, &hash)?,
        _ => Vec::new(),
    };
    Ok(BookView {
        doubts,
        ..book.view()
    })
}

pub(super) fn claim(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    id: ClaimId,
) -> Result<ClaimView, HealthError> {
    let pair = pair_of_claim(ctx, payer, provider, &id)?;
    let stored = stored(ctx, &pair, &id)?;
    require_own(ctx, &pair, provider, &id)?;
    let standing = Standing::of(ctx, &pair, &id)?;
    let adjudication = match standing.decided() {
        Some(_) => Some(standing.adjudication(ctx, &pair, &id)?),
        None => None,
    };
    let (attachments, more_attachments): (Vec<Attachment>, bool) =
        some(ctx, &pair, &attachment_prefix(&id), MAX_SHOWN)?;
    let reversals = reversing::view(ctx, &pair, (&id, &standing.word), standing.head.as_ref())?;
    let information: Vec<Information> = standing.word.read_all(ctx, &pair, ANSWERS)?;
    let appeal = Appeal::said(ctx, &pair, &id, &standing.word)?.map(Appeal::view);
    let reviewers = outside::reviewers(ctx, &pair, &id)?;
    let answer_until = standing.answer_until();
    let payments = standing.payments(ctx, &pair, &id)?;
    let head = standing.head;
    let taken_back = recovering::taken_back(head.as_ref(), &payments);
    let paid_on = head.iter().flat_map(|head| {
        let on = |tx| head.paid_on.get(tx).copied().flatten();
        head.payments.iter().map(on)
    });
    let paid_on: Vec<_> = paid_on.collect();
    let tx = match (&head, stored.tx) {
        (Some(head), _) => head.tx.clone(),
        (None, Some(tx)) => tx,
        (None, None) => tx_id(ctx)?,
    };
    let (remittances, denials, successor, reversal, rejection) = match head {
        Some(Head {
            remittances,
            denials,
            successor,
            reversal,
            rejection,
            ..
        }) => (remittances, denials, successor, reversal, rejection),
        None => (Vec::new(), BTreeSet::new(), None, None, Vec::new()),
    };
    Ok(ClaimView {
        claim: stored.claim,
        status: standing.status,
        adjudication,
        payment: payments.last().cloned(),
        payments,
        rejection,
        remittances,
        denials,
        attachments,
        more_attachments,
        information: information.into_iter().map(|said| said.text).collect(),
        answer_until,
        appeal,
        reviewers,
        successor,
        correction: standing.waiting,
        reversal,
        reversals,
        paid_on,
        taken_back,
        tx,
    })
}

pub(super) fn explanation(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    id: ClaimId,
) -> Result<ExplanationOfBenefits, HealthError> {
    let pair = pair_of_claim(ctx, payer, provider, &id)?;
    explained(ctx, &pair, &stored(ctx, &pair, &id)?.claim)
}

/// The explanation of a claim of the pair; `CONFLICT_STATE` before the adjudication.
pub(super) fn explained(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    claim: &Claim,
) -> Result<ExplanationOfBenefits, HealthError> {
    let standing = Standing::of(ctx, pair, &claim.id)?;
    let Some(decided) = standing.decided() else {
        return Err(HealthError::ConflictState(format!(
            "the claim is {}, and no decision of it is there to explain",
            standing.status
        )));
    };
    let adjudication = standing.adjudication(ctx, pair, &claim.id)?;
    let appeal = Appeal::said(ctx, pair, &claim.id, &standing.word)?;
    let today = Date::from_unix(ctx.timestamp().seconds)?;
    let until = Appeal::until(appeal.as_ref(), decided.on, today)?;
    let open = appeal.filter(|_| Appeal::is_of(standing.status));
    let payments = match standing.status.is_taken_back() {
        true => standing.payments(ctx, pair, &claim.id)?,
        false => Vec::new(),
    };
    Ok(ExplanationOfBenefits {
        appeal_due: open.and_then(|appeal| appeal.due()),
        answer_until: standing.answer_until(),
        taken_back: recovering::taken_back(standing.head.as_ref(), &payments),
        ..ExplanationOfBenefits::of(claim, standing.status, &adjudication, until)
    })
}

pub(super) fn remittance(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    id: RemittanceId,
) -> Result<RemittanceView, HealthError> {
    let pair = pair_of_either(ctx, payer, provider)?;
    let found: Option<Remittance> = pair.get(ctx, &remittance_key(&id))?;
    of_remittance(ctx, &pair, found.ok_or(HealthError::NotFound)?)
}

/// A remittance of the pair, with what became of it since.
pub(super) fn of_remittance(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    remittance: Remittance,
) -> Result<RemittanceView, HealthError> {
    let Remittance {
        amounts,
        decisions,
        denied,
        ..
    } = &remittance;
    let currency = match amounts.keys().next() {
        Some(first) => stored(ctx, pair, first).ok().map(|stored| stored.claim.currency),
        None => None,
    };
    let mut statuses = BTreeMap::new();
    let (mut reversed, mut superseded) = (BTreeSet::new(), BTreeSet::new());
    let (mut money, mut out) = (BTreeMap::new(), 0i64);
    let (mut references, mut paid_by) = (BTreeSet::new(), BTreeSet::new());
    for claim in amounts.keys() {
        let standing = Standing::of(ctx, pair, claim)?;
        statuses.insert(*claim, standing.status);
        let (state, payment) = paying::state(ctx, pair, &standing, &remittance, claim)?;
        money.insert(*claim, state);
        references.extend(payment.as_ref().map(|paid| paid.reference.clone()));
        let head = standing.head.as_ref();
        let as_told = payment.as_ref().map(|paid| &paid.amount) == amounts.get(claim);
        let stands = as_told || head.is_some_and(|head| is_in_force(head, claim, &remittance));
        if decisions.contains_key(claim) && !denied.contains(claim) && !stands {
            superseded.insert(*claim);
        }
        let payments = head.into_iter().flat_map(|head| head.paid_by(&remittance.id));
        paid_by.extend(payments.cloned());
        if let Some(head) = head.filter(|head| head.is_reversed()) {
            reversed.insert(*claim);
            let paid = payment.filter(|_| head.recovered.is_none());
            out = out.saturating_add(paid.map_or(0, |paid| paid.amount));
        }
    }
    let sum = |amounts: &mut dyn Iterator<Item = (&ClaimId, &i64)>| {
        amounts.fold(0i64, |sum, (_, amount)| sum.saturating_add(*amount))
    };
    let set_off = recovering::amounts(ctx, pair, &remittance.id, &paid_by)?;
    let Remittance {
        id,
        amounts,
        denied,
        on,
        at,
        tx,
        ..
    } = remittance;
    Ok(RemittanceView {
        id,
        total: sum(&mut amounts.iter()),
        standing: sum(&mut amounts
            .iter()
            .filter(|(claim, _)| !reversed.contains(claim) && !superseded.contains(claim))),
        reversed,
        amounts,
        denied,
        statuses,
        money,
        out,
        set_off,
        currency,
        issued: on,
        at,
        references,
        tx,
    })
}
