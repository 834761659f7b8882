//! Payments and the word that they came: of one claim, or of claims of a remittance as one.
//!
//! Which claims are on a remittance, and what is due of each, the payer's book says, and nothing that the pair's collection shows. Each claim's book is read
//! and written, so of two payments of a claim in one block only the first is valid, whichever way they are made; and then all of a remittance's.

use super::book::{Book, CORRECTED, Entry, book_hash, book_key, is_corrected};
use super::desk::{Desk, Own};
use super::money::Remittance;
use super::provider::pair_of_either;
use super::recovering::{self, SetOff};
use super::store::{Standing, payment_key, remittance_key, set_off_key, stored, word_key};
use super::word::Word;
use super::{appeal, holding, payments, provider, reversing};
use crate::caller::Caller;
use crate::state::{Collection, derived_salt, done, registered, tx_id};
use careledger_api::adjudication::Claim;
use careledger_api::contracts::claims::{
    ClaimAct, ClaimStatus, ClaimStep, MAX_REMITTED, MoneyState, Payment, RemittanceConfirmation,
    RemittancePayment, RemittedMoney,
};
use careledger_api::event::EventKind;
use careledger_api::ids::{ClaimId, RemittanceId, Salt, TxId};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use std::collections::BTreeSet;

pub(super) fn pay(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    payment: Payment,
) -> Result<Receipt, HealthError> {
    let (desk, _) = Desk::for_payer(ctx, payer, provider)?;
    payment.salt.require_drawn()?;
    let mut entry = payable(&desk, &payment.claim, None)?;
    entry
        .book
        .money
        .pay(payment.amount, &payment.reference, &desk.tx)?;
    let salt = payment.salt;
    record(&desk, entry, &payment, &salt)?;
    done(ctx, EventKind::Claim, Some(&desk.pair))
}

pub(super) fn pay_remittance(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    payment: RemittancePayment,
) -> Result<Receipt, HealthError> {
    let (desk, _) = Desk::for_payer(ctx, payer, provider)?;
    let RemittancePayment {
        remittance,
        claims,
        expected,
        set_off,
        reference,
        salt,
    } = payment;
    salt.require_drawn()?;
    require_bounded(&claims)?;
    if !set_off.is_empty() {
        require_bounded(&set_off)?;
    }
    let (mut entries, mut amounts) = (Vec::new(), Vec::new());
    for id in &claims {
        let mut entry = payable(&desk, id, Some(&remittance))?;
        let due = entry.book.money.due();
        entry.book.money.pay(due, &reference, &desk.tx)?;
        entries.push(entry);
        amounts.push(due);
    }
    let first = entries.first().map(|entry| &entry.claim.currency);
    if entries.iter().any(|entry| Some(&entry.claim.currency) != first) {
        return Err(HealthError::ConflictState(
            "the claims are not of one currency: pay each by itself".into(),
        ));
    }
    let mut back = Vec::new();
    for id in &set_off {
        let mut entry = Entry::of(&desk, id)?;
        if Some(&entry.claim.currency) != first {
            return Err(HealthError::ConflictState(
                "money in another currency cannot be set off against this payment".into(),
            ));
        }
        // Below nothing it is refused, like every sum that is not the expected one.
        amounts.push(-recovering::come_back(
            &desk,
            &mut entry,
            &reference,
            Some(remittance),
        )?);
        back.push(entry);
    }
    require_sum(&amounts, expected)?;
    if !set_off.is_empty() {
        let listed = SetOff {
            remittance,
            claims: set_off,
            salt: derived_salt(&salt, "offset", &desk.tx),
        };
        if !desk.pair.write_once(ctx, &set_off_key(&desk.tx), &listed)? {
            return Err(HealthError::ConflictState(
                "this payment is recorded already".into(),
            ));
        }
    }
    for entry in back {
        entry.save(&desk, &salt)?;
    }
    for (entry, amount) in entries.into_iter().zip(amounts) {
        let claim = entry.claim.id;
        let paid = Payment {
            claim,
            amount,
            reference: reference.clone(),
            salt: derived_salt(&salt, &format!("payment/{claim}"), &desk.tx),
        };
        record(&desk, entry, &paid, &salt)?;
    }
    done(ctx, EventKind::Claim, Some(&desk.pair))
}

/// A claim that may be paid, as it stands once it is; of a remittance, only where it waits on that one. What was decided anew since is on none until it is put
/// on the next.
fn payable(
    desk: &Desk<'_, '_>,
    id: &ClaimId,
    remittance: Option<&RemittanceId>,
) -> Result<Entry, HealthError> {
    let mut entry = Entry::of(desk, id)?;
    let waits_on = match entry.book.status {
        ClaimStatus::Payable => entry.book.remittances.last().copied(),
        _ => None,
    };
    entry.act(ClaimAct::Pay)?;
    if remittance.is_some() && waits_on.as_ref() != remittance {
        return Err(HealthError::ConflictState(
            "a claim does not wait for its payment on this remittance: it was decided anew, put on another one, or never on this".into(),
        ));
    }
    appeal::require_settled(desk, &entry)?;
    reversing::require_answered(desk, &entry)?;
    holding::require_payable(desk, &entry)?;
    entry.book.paid_on.insert(desk.tx.clone(), waits_on);
    Ok(entry)
}

/// Writes a payment, and the claim that is paid by it.
fn record(desk: &Desk<'_, '_>, entry: Entry, payment: &Payment, salt: &Salt) -> Result<(), HealthError> {
    let key = payment_key(&payment.claim, &desk.tx);
    if !desk.pair.write_once(desk.ctx, &key, payment)? {
        return Err(HealthError::ConflictState("the claim is paid".into()));
    }
    entry.save(desk, salt)
}

/// The provider says that the newest payment came. It moves nothing of the payer's.
pub(super) fn confirm(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    step: ClaimStep,
) -> Result<Receipt, HealthError> {
    let pair = provider::pair(ctx, payer, provider)?;
    step.salt.require_drawn()?;
    stored(ctx, &pair, &step.claim)?;
    let standing = Standing::of(ctx, &pair, &step.claim)?;
    standing.status.after(ClaimAct::Confirm)?;
    let newest = standing
        .head
        .as_ref()
        .and_then(|head| head.payments.last().cloned());
    let newest = newest.ok_or(HealthError::NotFound)?;
    let salt = derived_salt(&step.salt, "confirmation", &tx_id(ctx)?);
    came(ctx, (&pair, provider), &step.claim, (standing.word, newest), salt)?;
    done(ctx, EventKind::Claim, Some(&pair))
}

pub(super) fn confirm_remittance(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    confirmation: RemittanceConfirmation,
) -> Result<Receipt, HealthError> {
    let pair = provider::pair(ctx, payer, provider)?;
    confirmation.salt.require_drawn()?;
    require_bounded(&confirmation.claims)?;
    let found: Option<Remittance> = pair.get(ctx, &remittance_key(&confirmation.remittance))?;
    let remittance = found.ok_or(HealthError::NotFound)?;
    let mut amounts = Vec::new();
    for id in &confirmation.claims {
        stored(ctx, &pair, id)?;
        let standing = Standing::of(ctx, &pair, id)?;
        let on = remittance.amounts.contains_key(id);
        let payment = match state(ctx, &pair, &standing, &remittance, id)? {
            (MoneyState::Paid, Some(payment)) if on => payment,
            (MoneyState::Confirmed, _) if on => {
                return Err(HealthError::ConflictState(
                    "the claim is CLEARED, as far as this remittance paid it".into(),
                ));
            }
            _ => {
                standing.status.after(ClaimAct::Confirm)?;
                return Err(HealthError::ConflictState(
                    "the money of a claim is not on this remittance: it was decided anew, put on another one, or never on this".into(),
                ));
            }
        };
        amounts.push(payment.amount);
        let tx = standing
            .head
            .as_ref()
            .and_then(|head| head.payments.get(payment.place).cloned());
        let tx = tx.ok_or(HealthError::NotFound)?;
        let salt = derived_salt(&confirmation.salt, &format!("confirmation/{id}"), &tx_id(ctx)?);
        came(ctx, (&pair, provider), id, (standing.word, tx), salt)?;
    }
    require_sum(&amounts, confirmation.expected)?;
    done(ctx, EventKind::Claim, Some(&pair))
}

fn came(
    ctx: &Context<'_>,
    (pair, provider): (&Collection, &str),
    id: &ClaimId,
    (mut word, payment): (Word, TxId),
    salt: Salt,
) -> Result<(), HealthError> {
    word.payment = Some(payment);
    word.keep(ctx, pair, &word_key(id), provider, salt)
}

fn require_bounded(claims: &BTreeSet<ClaimId>) -> Result<(), HealthError> {
    match (1..=MAX_REMITTED).contains(&claims.len()) {
        true => Ok(()),
        false => Err(HealthError::Limit(
            "1 to 50 claims of a remittance go together".into(),
        )),
    }
}

/// `CONFLICT_STATE` if the amounts come to another sum than the one that somebody expected.
fn require_sum(amounts: &[i64], expected: Option<i64>) -> Result<(), HealthError> {
    let sum = amounts
        .iter()
        .try_fold(0i64, |sum, amount| sum.checked_add(*amount));
    match expected {
        Some(expected) if sum != Some(expected) => Err(HealthError::ConflictState(
            "the claims come to another sum than the expected one: look what each comes to now".into(),
        )),
        _ if sum.is_some_and(|sum| sum < 0) => Err(HealthError::ConflictState(
            "more would be set off than is paid: set off less, or recover it by itself".into(),
        )),
        _ => Ok(()),
    }
}

pub(super) fn remittance_money(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    id: RemittanceId,
) -> Result<Vec<RemittedMoney>, HealthError> {
    let pair = pair_of_either(ctx, payer, provider)?;
    let own = match Caller::of(ctx)?.require(payer, &[Role::Payer]) {
        Ok(()) => Some(Own::of(ctx, &registered(ctx)?.consortium, payer)?),
        Err(_) => None,
    };
    let found: Option<Remittance> = pair.get(ctx, &remittance_key(&id))?;
    let remittance = found.ok_or(HealthError::NotFound)?;
    let claims = remittance.amounts.keys();
    claims
        .map(|claim| {
            money(
                ctx,
                &pair,
                own.as_ref().map(|own| (own, provider)),
                &remittance,
                claim,
            )
        })
        .collect()
}

fn money(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    payers: Option<(&Own, &str)>,
    remittance: &Remittance,
    id: &ClaimId,
) -> Result<RemittedMoney, HealthError> {
    let claim = stored(ctx, pair, id)?.claim;
    let standing = Standing::of(ctx, pair, id)?;
    let (state, payment) = state(ctx, pair, &standing, remittance, id)?;
    let (mut reference, mut held, mut before) = (None, None, None);
    let amount = match state {
        MoneyState::ToPay => match payers {
            Some(payers) => {
                let (due, why) = owed(ctx, (pair, payers), &claim, &standing)?;
                held = why;
                due
            }
            None => shown(ctx, pair, &standing, id)?,
        },
        MoneyState::Paid | MoneyState::Confirmed => {
            let payment = payment.ok_or(HealthError::NotFound)?;
            reference = Some(payment.reference);
            payment.amount
        }
        _ => 0,
    };
    if state == MoneyState::ToPay {
        before = recovering::before(ctx, pair, claim.replaces)?;
    }
    Ok(RemittedMoney {
        claim: *id,
        status: standing.status,
        amount,
        currency: claim.currency,
        state,
        reference,
        held,
        before,
    })
}

/// A payment of a claim, as a remittance has it.
pub(super) struct PaidBy {
    pub(super) amount: i64,
    pub(super) reference: String,
    /// Its place among the claim's payments.
    place: usize,
}

/// Where the money of a claim on a remittance stands, as the pair's collection shows it, and its payment by that remittance, also where that was taken back
/// since. What another remittance paid of the claim is that one's. Where the remittances of a claim were not kept, it is on those whose decision is in force.
pub(super) fn state(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    standing: &Standing,
    remittance: &Remittance,
    id: &ClaimId,
) -> Result<(MoneyState, Option<PaidBy>), HealthError> {
    let payment = match &standing.head {
        None => None,
        Some(head) => match payments::of_remittance(ctx, pair, head, remittance, id)? {
            None => None,
            Some(place) => {
                let payment = payments::read(ctx, pair, head, place, id)?;
                Some(PaidBy {
                    amount: payment.amount,
                    reference: payment.reference,
                    place,
                })
            }
        },
    };
    let paid = payment.as_ref().filter(|_| !standing.status.is_taken_back());
    let state = match paid {
        Some(paid) if paid.place < standing.confirmed() => MoneyState::Confirmed,
        Some(_) => MoneyState::Paid,
        None => unpaid(standing, remittance, id),
    };
    Ok((state, payment))
}

fn unpaid(standing: &Standing, remittance: &Remittance, id: &ClaimId) -> MoneyState {
    let in_force = standing.decided().map(|decided| &decided.tx);
    let told = remittance.decisions.get(id);
    let same = told.is_none() || told == in_force;
    let kept = standing.head.iter().flat_map(|head| &head.remittances).last();
    let newest = kept.map_or(same, |kept| *kept == remittance.id);
    match standing.status {
        ClaimStatus::Payable if newest => MoneyState::ToPay,
        ClaimStatus::Denied if same => MoneyState::Denied,
        _ => MoneyState::Elsewhere,
    }
}

/// What is due of a claim by the payer's book, and why it is not paid as it stands. What the provider wrote in a form of its own holds its claim alone.
fn owed(
    ctx: &ReadContext<'_>,
    (pair, (own, provider)): (&Collection, (&Own, &str)),
    claim: &Claim,
    standing: &Standing,
) -> Result<(i64, Option<String>), HealthError> {
    let found: Option<Book> = own.get(ctx, &book_key(&book_hash(own, provider, &claim.id)))?;
    let book = found.ok_or(HealthError::NotFound)?;
    let held = held(ctx, (pair, (own, provider)), claim, (&book, standing));
    let held = held.unwrap_or_else(|_| {
        Some("what the provider said of it cannot be read here: that is on its way, or has another form than the contract writes".to_owned())
    });
    Ok((book.money.due(), held))
}

fn held(
    ctx: &ReadContext<'_>,
    (pair, (own, provider)): (&Collection, (&Own, &str)),
    claim: &Claim,
    (book, standing): (&Book, &Standing),
) -> Result<Option<String>, HealthError> {
    standing.word.require()?;
    if is_corrected(ctx, own, provider, &standing.word)? {
        return Ok(Some(CORRECTED.into()));
    }
    if appeal::is_open(ctx, pair, book, &standing.word)? {
        return Ok(Some(appeal::OPEN.into()));
    }
    if reversing::open(ctx, pair, book, &standing.word)?.is_some() {
        return Ok(Some(format!("it is held: {}", reversing::ASKED)));
    }
    let reason = holding::reason(ctx, (pair, own), claim, book)?;
    Ok(reason.map(|reason| format!("it is held: {reason}")))
}

/// What is due of a claim as the pair's collection shows it.
fn shown(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    standing: &Standing,
    id: &ClaimId,
) -> Result<i64, HealthError> {
    let allowed = standing.adjudication(ctx, pair, id)?.allowed;
    let paid = standing.payments(ctx, pair, id)?;
    let due = |due: i64, paid: &Payment| due.saturating_sub(paid.amount);
    Ok(paid.iter().fold(allowed, due).max(0))
}
