//! What payer and provider see.

use super::appeal::Appeal;
use super::book::{Book, book_hash, book_key};
use super::desk::Own;
use super::money::Remittance;
use super::provider::{pair_of_claim, pair_of_either, readable};
use super::store::{
    Head, Standing, attachment_prefix, information_prefix, payment_key, remittance_key, stored,
};
use crate::caller::Caller;
use crate::state::{Collection, registered, tx_id};
use careledger_api::HealthError;
use careledger_api::contracts::claims::{
    APPEAL_DAYS, Attachment, BookView, ClaimStatus, ClaimView, ExplanationOfBenefits, Information, Payment,
    RemittanceView,
};
use careledger_api::date::Date;
use careledger_api::ids::{ClaimId, RemittanceId};
use careledger_api::roles::Role;
use fabric_contract_core::ReadContext;
use std::collections::BTreeSet;

pub(super) fn book(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    id: ClaimId,
) -> Result<BookView, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(payer, &[Role::Payer])?;
    Collection::pair(&consortium, payer, provider)?;
    let own = Own::of(ctx, &consortium, payer)?;
    let book: Option<Book> = own.get(ctx, &book_key(&book_hash(&own, provider, &id)))?;
    Ok(book.ok_or(HealthError::NotFound)?.view())
}

pub(super) fn claim(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    id: ClaimId,
) -> Result<ClaimView, HealthError> {
    let pair = pair_of_claim(ctx, payer, provider, &id)?;
    let stored = stored(ctx, &pair, &id)?;
    let standing = Standing::of(ctx, &pair, &id)?;
    let adjudication = match standing.decided() {
        Some(_) => Some(standing.adjudication(ctx, &pair, &id)?),
        None => None,
    };
    let attachments: Vec<Attachment> = readable(ctx, &pair, &attachment_prefix(&id))?;
    let information: Vec<Information> = readable(ctx, &pair, &information_prefix(&id))?;
    let appeal = Appeal::of(ctx, &pair, &id)?.map(Appeal::view);
    let head = standing.head;
    let payments = head.iter().flat_map(|head| &head.payments);
    let payments: Vec<Payment> = payments
        .map(|tx| pair.get(ctx, &payment_key(&id, tx))?.ok_or(HealthError::NotFound))
        .collect::<Result<_, _>>()?;
    let tx = match (&head, stored.tx) {
        (Some(head), _) => head.tx.clone(),
        (None, Some(tx)) => tx,
        (None, None) => tx_id(ctx)?,
    };
    let (successor, reversal, rejection) = match head {
        Some(Head {
            successor,
            reversal,
            rejection,
            ..
        }) => (successor, reversal, rejection),
        None => (None, None, Vec::new()),
    };
    Ok(ClaimView {
        claim: stored.claim,
        status: standing.status,
        adjudication,
        payment: payments.last().cloned(),
        payments,
        rejection,
        attachments,
        information: information.into_iter().map(|said| said.text).collect(),
        appeal,
        successor,
        reversal,
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
    let stored = stored(ctx, &pair, &id)?;
    let standing = Standing::of(ctx, &pair, &id)?;
    let adjudication = standing.adjudication(ctx, &pair, &id)?;
    let decided = standing.decided().ok_or(HealthError::NotFound)?;
    let until = Date::from_unix((decided.on.days() + APPEAL_DAYS) * 86_400)?;
    Ok(ExplanationOfBenefits::of(
        &stored.claim,
        standing.status,
        &adjudication,
        until,
    ))
}

pub(super) fn remittance(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    id: RemittanceId,
) -> Result<RemittanceView, HealthError> {
    let pair = pair_of_either(ctx, payer, provider)?;
    let found: Option<Remittance> = pair.get(ctx, &remittance_key(&id))?;
    let Remittance { id, amounts, tx, .. } = found.ok_or(HealthError::NotFound)?;
    let mut reversed = BTreeSet::new();
    for claim in amounts.keys() {
        let head = Standing::of(ctx, &pair, claim)?.head;
        // A replaced one was reversed before.
        if head.is_some_and(|head| head.status == ClaimStatus::Reversed || head.reversal.is_some()) {
            reversed.insert(*claim);
        }
    }
    let sum = |amounts: &mut dyn Iterator<Item = (&ClaimId, &i64)>| {
        amounts.fold(0i64, |sum, (_, amount)| sum.saturating_add(*amount))
    };
    Ok(RemittanceView {
        id,
        total: sum(&mut amounts.iter()),
        standing: sum(&mut amounts.iter().filter(|(claim, _)| !reversed.contains(claim))),
        reversed,
        amounts,
        tx,
    })
}
