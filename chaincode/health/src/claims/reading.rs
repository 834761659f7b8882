//! What payer and provider see.

use super::advice::stands;
use super::appeal::Appeal;
use super::book::{Book, book_hash, book_key};
use super::desk::Own;
use super::money::Remittance;
use super::provider::{pair_of_claim, pair_of_either, readable};
use super::store::{Head, Standing, attachment_prefix, payment_key, remittance_key, stored};
use super::word::ANSWERS;
use crate::caller::Caller;
use crate::state::{Collection, registered, tx_id};
use careledger_api::HealthError;
use careledger_api::adjudication::Claim;
use careledger_api::contracts::claims::{
    Attachment, BookView, ClaimStatus, ClaimView, ExplanationOfBenefits, Information, Payment, RemittanceView,
};
use careledger_api::ids::{ClaimId, RemittanceId};
use careledger_api::roles::Role;
use fabric_contract_core::ReadContext;
use std::collections::{BTreeMap, BTreeSet};

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
    let information: Vec<Information> = standing.word.read_all(ctx, &pair, ANSWERS)?;
    let appeal = Appeal::of(ctx, &pair, &id)?.map(Appeal::view);
    let answer_until = standing.answer_until();
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
    let (remittances, successor, reversal, rejection) = match head {
        Some(Head {
            remittances,
            successor,
            reversal,
            rejection,
            ..
        }) => (remittances, successor, reversal, rejection),
        None => (Vec::new(), None, None, Vec::new()),
    };
    Ok(ClaimView {
        claim: stored.claim,
        status: standing.status,
        adjudication,
        payment: payments.last().cloned(),
        payments,
        rejection,
        remittances,
        attachments,
        information: information.into_iter().map(|said| said.text).collect(),
        answer_until,
        appeal,
        successor,
        correction: standing.waiting,
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
    let until = Appeal::until(appeal.as_ref(), decided.on)?;
    Ok(ExplanationOfBenefits {
        answer_until: standing.answer_until(),
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
        id,
        amounts,
        decisions,
        on,
        tx,
        ..
    } = remittance;
    let currency = match amounts.keys().next() {
        Some(first) => stored(ctx, pair, first).ok().map(|stored| stored.claim.currency),
        None => None,
    };
    let mut statuses = BTreeMap::new();
    let (mut reversed, mut superseded) = (BTreeSet::new(), BTreeSet::new());
    for (claim, amount) in &amounts {
        if let Some(decision) = decisions.get(claim)
            && !stands(ctx, pair, claim, decision, *amount)?
        {
            superseded.insert(*claim);
        }
        let standing = Standing::of(ctx, pair, claim)?;
        statuses.insert(*claim, standing.status);
        let head = standing.head;
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
        standing: sum(&mut amounts
            .iter()
            .filter(|(claim, _)| !reversed.contains(claim) && !superseded.contains(claim))),
        reversed,
        amounts,
        statuses,
        currency,
        issued: on,
        tx,
    })
}
