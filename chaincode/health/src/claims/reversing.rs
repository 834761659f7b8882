//! A provider asks for the reversal of its claim: to correct or void it, or to give back what was paid too much.
//!
//! What it asks lies under its own key, one statement for each request; that the payer declines lies in the payer's book, with a copy for the provider. What
//! answers a request otherwise is the reversal itself. A request moves no money; while it waits, no more of it leaves, since its own provider says that the claim
//! is wrong.

use super::book::{Book, Entry};
use super::desk::Desk;
use super::provider;
use super::store::{Head, Standing, stored, word_key};
use super::word::Word;
use crate::state::{Collection, derived_salt, done, tx_id};
use careledger_api::contracts::claims::{
    AskedReversal, ClaimAct, ClaimStatus, DeclinedReversal, MAX_REVERSAL_REQUESTS, ReversalDecline,
    ReversalRequest, check_text,
};
use careledger_api::date::Date;
use careledger_api::event::EventKind;
use careledger_api::ids::{ClaimId, Salt};
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

/// The value of `revreq~I~N~T`.
#[derive(Serialize, Deserialize)]
struct Asked {
    claim: ClaimId,
    reason: String,
    /// By the provider's clock.
    on: Date,
    salt: Salt,
}

/// A request that the payer has not answered.
pub(super) struct Open {
    /// From 1.
    number: usize,
    /// By the provider's clock.
    pub(super) on: Date,
}

pub(super) fn request_reversal(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    request: ReversalRequest,
) -> Result<Receipt, HealthError> {
    let pair = provider::pair(ctx, payer, provider)?;
    let ReversalRequest { claim, reason, salt } = request;
    salt.require_drawn()?;
    check_text(&reason, &[])?;
    stored(ctx, &pair, &claim)?;
    let standing = Standing::of(ctx, &pair, &claim)?;
    standing.require_in_force()?;
    let head = reversible(&standing)?;
    let number = head.declined.len() + 1;
    if number > MAX_REVERSAL_REQUESTS {
        return Err(HealthError::Limit(
            "the claim's reversal was asked for and declined as often as the ledger takes it; what is left is settled outside of it".into(),
        ));
    }
    let Standing { mut word, .. } = standing;
    if word.said(ctx, &pair, &asked(number))?.is_some() {
        return Err(HealthError::Duplicate(
            "the claim's reversal is asked for already, and its payer has not answered".into(),
        ));
    }
    let tx = tx_id(ctx)?;
    let statement = Asked {
        claim,
        reason,
        on: Date::from_unix(ctx.timestamp().seconds)?,
        salt,
    };
    let key = format!("revreq~{claim}~{number}");
    word.say(ctx, &pair, asked(number), &key, &statement)?;
    let said = derived_salt(&salt, "said", &tx);
    word.keep(ctx, &pair, &word_key(&claim), provider, said)?;
    done(ctx, EventKind::Claim, Some(&pair))
}

/// The payer's copy of a claim that was paid, or waits for its payment on a remittance; what is neither is corrected without its payer.
fn reversible(standing: &Standing) -> Result<&Head, HealthError> {
    let head = standing.head.as_ref();
    let moved = |head: &&Head| !head.payments.is_empty() || head.status == ClaimStatus::Payable;
    match head.filter(moved) {
        Some(head) if standing.status.after(ClaimAct::Reverse).is_ok() => Ok(head),
        _ => Err(HealthError::ConflictState(format!(
            "the claim is {}: a reversal is asked for of one that is paid, or on a remittance to be paid; any other one is corrected by a replacement or void (frequency 7 or 8) where it stands",
            standing.status
        ))),
    }
}

pub(super) fn decline_reversal(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    decline: ReversalDecline,
) -> Result<Receipt, HealthError> {
    let (desk, _) = Desk::for_payer(ctx, payer, provider)?;
    let ReversalDecline {
        claim,
        request,
        reason,
        salt,
    } = decline;
    salt.require_drawn()?;
    check_text(&reason, &[])?;
    let mut entry = Entry::of(&desk, &claim)?;
    entry.word.require()?;
    entry.book.status.after(ClaimAct::Reverse)?;
    match open(ctx, &desk.pair, &entry.book, &entry.word)? {
        Some(open) if open.number == request => {}
        _ => {
            return Err(HealthError::ConflictState(
                "no such request waits for its answer: look at the claim".into(),
            ));
        }
    }
    entry.book.declined.push(DeclinedReversal {
        reason,
        on: desk.today()?,
        tx: desk.tx.clone(),
    });
    // Nothing is decided by it: questions and proposals stay.
    entry.tell(&desk, &salt)?;
    done(ctx, EventKind::Claim, Some(&desk.pair))
}

/// The request that waits for the payer, if one does and there is something to reverse; one of another form, or that the peer has not got, is none.
pub(super) fn open(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    book: &Book,
    word: &Word,
) -> Result<Option<Open>, HealthError> {
    let moved = book.was_remitted() || book.money.has_moved();
    if !moved || book.status.after(ClaimAct::Reverse).is_err() {
        return Ok(None);
    }
    let number = book.declined.len() + 1;
    let said = read(ctx, pair, (&book.claim, word), number)?;
    Ok(said.map(|said| Open { number, on: said.on }))
}

/// `CONFLICT_STATE` while a request waits for the payer.
pub(super) fn require_answered(desk: &Desk<'_, '_>, entry: &Entry) -> Result<(), HealthError> {
    match open(desk.ctx, &desk.pair, &entry.book, &entry.word)? {
        None => Ok(()),
        Some(_) => Err(HealthError::ConflictState(format!("the claim is held: {ASKED}"))),
    }
}

/// Why nothing more is paid of a claim whose reversal is asked for, and what leads on.
pub(super) const ASKED: &str =
    "its provider asks for its reversal; reverse the claim, or decline that with a reason";

/// What the provider asked and the payer said to it, as the pair's collection shows it.
pub(super) fn view(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    of: (&ClaimId, &Word),
    head: Option<&Head>,
) -> Result<Vec<AskedReversal>, HealthError> {
    let declined = head.map_or(&[][..], |head| head.declined.as_slice());
    let mut found = Vec::new();
    for number in 1..=MAX_REVERSAL_REQUESTS {
        let Some(said) = read(ctx, pair, of, number)? else {
            break;
        };
        found.push(AskedReversal {
            reason: said.reason,
            on: said.on,
            declined: declined.get(number - 1).cloned(),
        });
    }
    Ok(found)
}

fn read(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    (claim, word): (&ClaimId, &Word),
    number: usize,
) -> Result<Option<Asked>, HealthError> {
    if number > MAX_REVERSAL_REQUESTS {
        return Ok(None);
    }
    let said: Option<Asked> = word.read(ctx, pair, &asked(number))?;
    Ok(said.filter(|said| said.claim == *claim && check_text(&said.reason, &[]).is_ok()))
}

/// The subject of a request.
fn asked(number: usize) -> String {
    format!("reversal/{number}")
}
