//! Prior authorisations: asked for by the provider, given by the payer, used up by claims.
//!
//! The request, its answers and its end are the provider's own word. What was given and used is in the payer's book of it; the pair's collection has a copy.

use super::desk::{Desk, Own};
use super::provider::{pair, pair_of_either, readable};
use super::service::{Item, Open};
use super::store::{authorisation_head_key, authorisation_key, authorisation_word_key};
use super::submission::again;
use super::word::{Word, answer_to};
use crate::state::{Collection, derived_salt, done, tx_id};
use careledger_api::adjudication::machine::{AuthorisationAct, AuthorisationStatus};
use careledger_api::adjudication::npi_is_valid;
use careledger_api::contracts::claims::{
    AskedAuthorisation, AuthorisationAnswer, AuthorisationDecision, AuthorisationRequest, AuthorisationView,
    Given, STANDARD_SECONDS, URGENT_SECONDS, check_text,
};
use careledger_api::date::Date;
use careledger_api::event::EventKind;
use careledger_api::ids::{AuthorisationId, Salt, TxId};
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The value of `auth~A`.
#[derive(Serialize, Deserialize)]
struct Stored {
    request: AuthorisationRequest,
    /// The second of the request, by the provider's clock.
    at: i64,
    #[serde(default)]
    tx: Option<TxId>,
}

/// The value of `authbook~H` in the payer's own collection.
#[derive(Serialize, Deserialize)]
pub(super) struct Book {
    id: AuthorisationId,
    provider: String,
    /// The request as the payer decided on it.
    pub(super) request: AuthorisationRequest,
    /// When the payer decided; none while it is pended.
    decided: Option<i64>,
    pub(super) head: Head,
}

/// The value of `authhead~A`: the copy for the provider, which the payer alone changes from its first step on.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Head {
    status: AuthorisationStatus,
    pub(super) given: Option<Given>,
    pub(super) used: u32,
    text: Option<String>,
    tx: TxId,
    pub(super) salt: Salt,
}

/// The value of `authans~A~T~U` (an answer to what the payer asked by transaction T) and of `authcan~A~U`, said by transaction U.
#[derive(Serialize, Deserialize)]
struct Answer {
    answer: AuthorisationAnswer,
    tx: TxId,
}

/// Where a request stands, and what was said beside.
pub(super) struct Place {
    /// None before the payer's first step.
    head: Option<Head>,
    pub(super) status: AuthorisationStatus,
    said: Option<Answer>,
    pub(super) word: Word,
}

impl Place {
    /// By the payer's last word on it, which is the pair's copy or the payer's book's.
    pub(super) fn of(
        ctx: &ReadContext<'_>,
        pair: &Collection,
        id: &AuthorisationId,
        head: Option<Head>,
    ) -> Result<Self, HealthError> {
        let word = Word::of(ctx, pair, &authorisation_word_key(id));
        let cancelled = word.said(ctx, pair, CANCELLED)?.is_some();
        let status = head
            .as_ref()
            .map_or(AuthorisationStatus::Requested, |head| head.status);
        // Where nothing was asked there is nothing to answer, whatever a provider lists.
        let subject = match &head {
            _ if cancelled => Some(CANCELLED.to_owned()),
            Some(head) if status == AuthorisationStatus::Pended => Some(answer_to(&head.tx)),
            _ => None,
        };
        let (answered, said) = match &subject {
            Some(subject) => (
                word.said(ctx, pair, subject)?.is_some(),
                word.read(ctx, pair, subject)?,
            ),
            None => (false, None),
        };
        let status = match (cancelled, answered) {
            (true, _) => AuthorisationStatus::Cancelled,
            (false, true) => AuthorisationStatus::Requested,
            (false, false) => status,
        };
        Ok(Self {
            head,
            status,
            said,
            word,
        })
    }

    /// As the pair's collection shows it.
    fn in_pair(ctx: &ReadContext<'_>, pair: &Collection, id: &AuthorisationId) -> Result<Self, HealthError> {
        let head: Option<Head> = pair.get(ctx, &authorisation_head_key(id))?;
        Self::of(ctx, pair, id, head)
    }
}

pub(super) fn request_authorisation(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    request: AuthorisationRequest,
) -> Result<Receipt, HealthError> {
    let pair = pair(ctx, payer, provider)?;
    request.salt.require_drawn()?;
    check_text(&request.procedure, &request.documents)?;
    let fits = (1..=16).contains(&request.procedure.len())
        && (1..=999).contains(&request.units)
        && request.period.from <= request.period.until
        && npi_is_valid(&request.provider_npi);
    if !fits {
        return Err(HealthError::InvalidCode(
            "a request names a procedure code of up to 16 characters, 1 to 999 units, days in their order and a valid NPI".into(),
        ));
    }
    let before: Option<Stored> = pair.get(ctx, &authorisation_key(&request.id))?;
    if before.is_some_and(|before| before.request == request) {
        again(ctx, &pair, &request.salt)?;
        return done(ctx, EventKind::Claim, Some(&pair));
    }
    let stored = Stored {
        at: ctx.timestamp().seconds,
        tx: Some(tx_id(ctx)?),
        request,
    };
    if !pair.write_once(ctx, &authorisation_key(&stored.request.id), &stored)? {
        return Err(HealthError::Duplicate("this authorisation id is taken".into()));
    }
    let salt = derived_salt(&stored.request.salt, "said", &tx_id(ctx)?);
    let key = authorisation_word_key(&stored.request.id);
    Word::begin(ctx, &pair, &key, provider, salt)?;
    done(ctx, EventKind::Claim, Some(&pair))
}

pub(super) fn decide_authorisation(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    decision: AuthorisationDecision,
) -> Result<Receipt, HealthError> {
    let (desk, _) = Desk::for_payer(ctx, payer, provider)?;
    decision.salt.require_drawn()?;
    let id = decision.id;
    let stored = stored(ctx, &desk.pair, &id)?;
    let book: Option<Book> = desk.get(&book_key(&desk, &id))?;
    let head_key = authorisation_head_key(&id);
    match &book {
        Some(book) if book.request != stored.request => {
            return Err(HealthError::ConflictState(
                "the request is not the one that the payer saw; its provider asks under a new id".into(),
            ));
        }
        None if desk.pair.exists(ctx, &head_key)?
            || !desk
                .pair
                .is_handed_to(ctx, &authorisation_word_key(&id), provider)? =>
        {
            return Err(HealthError::ConflictState(
                "somebody else than the payer wrote where this request stands, or than the provider what it says of it; its provider asks under a new id"
                    .into(),
            ));
        }
        _ => {}
    }
    let known = book.is_some();
    let place = Place::of(ctx, &desk.pair, &id, book.map(|book| book.head))?;
    place.word.require()?;
    use AuthorisationAct::{Approve, Deny, Modify, Pend};
    if !matches!(decision.act, Approve | Modify | Deny | Pend) {
        return Err(HealthError::InvalidCode(
            "a payer approves, modifies, denies or pends".into(),
        ));
    }
    match &decision.reason {
        Some(reason) => check_text(reason, &[])?,
        None if decision.act == Approve => {}
        None => {
            return Err(HealthError::InvalidCode(
                "whatever is not approved as asked needs its reason".into(),
            ));
        }
    }
    let given = match (decision.act, decision.given) {
        (Approve, None) => Some(Given {
            units: stored.request.units,
            period: stored.request.period,
        }),
        (Modify, Some(given))
            if (1..=999).contains(&given.units) && given.period.from <= given.period.until =>
        {
            Some(given)
        }
        (Deny | Pend, None) => None,
        _ => {
            return Err(HealthError::InvalidCode(
                "only a modification says what is given instead: 1 to 999 units, days in their order".into(),
            ));
        }
    };
    let head = Head {
        status: place.status.after(decision.act)?,
        given,
        used: place.head.map_or(0, |head| head.used),
        text: decision.reason,
        salt: derived_salt(&decision.salt, "head", &desk.tx),
        tx: desk.tx.clone(),
    };
    desk.pair.put(ctx, &head_key, &head)?;
    if !known {
        desk.pair.hand_to(ctx, &head_key, payer)?;
    }
    let book = Book {
        id,
        provider: provider.to_owned(),
        request: stored.request,
        decided: (decision.act != Pend).then_some(desk.now),
        head,
    };
    keep(&desk, book)?;
    done(ctx, EventKind::Claim, Some(&desk.pair))
}

pub(super) fn answer_authorisation(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    answer: AuthorisationAnswer,
) -> Result<Receipt, HealthError> {
    let pair = pair(ctx, payer, provider)?;
    answer.salt.require_drawn()?;
    check_text(&answer.text, &answer.documents)?;
    stored(ctx, &pair, &answer.id)?;
    let place = Place::in_pair(ctx, &pair, &answer.id)?;
    let id = answer.id;
    let (subject, key) = match (answer.act, &place.head) {
        (AuthorisationAct::Inform, Some(head)) => (answer_to(&head.tx), format!("authans~{id}~{}", head.tx)),
        (AuthorisationAct::Inform, None) => {
            return Err(HealthError::ConflictState(
                "the payer has not asked anything".into(),
            ));
        }
        (AuthorisationAct::Cancel, _) => (CANCELLED.to_owned(), format!("authcan~{id}")),
        _ => {
            return Err(HealthError::InvalidCode("a provider informs or cancels".into()));
        }
    };
    place.status.after(answer.act)?;
    let (tx, mut word) = (tx_id(ctx)?, place.word);
    let salt = derived_salt(&answer.salt, "said", &tx);
    word.say(ctx, &pair, subject, &key, &Answer { answer, tx })?;
    word.keep(ctx, &pair, &authorisation_word_key(&id), provider, salt)?;
    done(ctx, EventKind::Claim, Some(&pair))
}

pub(super) fn authorisation(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    id: AuthorisationId,
) -> Result<AuthorisationView, HealthError> {
    let pair = pair_of_either(ctx, payer, provider)?;
    let Stored { request, at, tx } = stored(ctx, &pair, &id)?;
    let Place {
        head, status, said, ..
    } = Place::in_pair(ctx, &pair, &id)?;
    let given = head.as_ref().and_then(|head| head.given);
    let until = given.map_or(request.period.until, |given| given.period.until);
    let over = Date::from_unix(ctx.timestamp().seconds)? > until;
    let status = match status.after(AuthorisationAct::Expire) {
        Ok(expired) if over => expired,
        _ => status,
    };
    let seconds = if request.urgent {
        URGENT_SECONDS
    } else {
        STANDARD_SECONDS
    };
    Ok(AuthorisationView {
        due: at.saturating_add(seconds),
        requested: Date::from_unix(at)?,
        request,
        status,
        given,
        used: head.as_ref().map_or(0, |head| head.used),
        tx: match (&said, &head, tx) {
            (Some(said), _, _) => said.tx.clone(),
            (None, Some(head), _) => head.tx.clone(),
            (None, None, Some(tx)) => tx,
            (None, None, None) => tx_id(ctx)?,
        },
        text: said
            .map(|said| said.answer.text)
            .or_else(|| head.and_then(|head| head.text)),
    })
}

/// Writes the book of an authorisation.
pub(super) fn keep(desk: &Desk<'_, '_>, mut book: Book) -> Result<(), HealthError> {
    let key = book_key(desk, &book.id);
    book.head.salt = desk.salt(&key);
    desk.put(&key, &book)
}

/// Every request of the pair: which, whether it is urgent, the seconds that it may take, and where it stands.
pub(super) fn items(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    own: &Own,
    provider: &str,
) -> Result<Vec<(AuthorisationId, bool, i64, Item)>, HealthError> {
    let books: Vec<Book> = own.collection.list(ctx, "authbook~")?;
    let books = books.into_iter().filter(|book| book.provider == provider);
    let mut books: BTreeMap<AuthorisationId, Book> = books.map(|book| (book.id, book)).collect();
    let all: Vec<Stored> = readable(ctx, pair, "auth~")?;
    let mut items = Vec::new();
    for Stored { request, at, .. } in all {
        let seconds = if request.urgent {
            URGENT_SECONDS
        } else {
            STANDARD_SECONDS
        };
        let book = books.remove(&request.id);
        let decided = book.as_ref().and_then(|book| book.decided);
        let place = Place::of(ctx, pair, &request.id, book.map(|book| book.head))?;
        let open = match place.status {
            AuthorisationStatus::Requested => Open::Payer,
            AuthorisationStatus::Pended => Open::Provider,
            _ => Open::Nobody,
        };
        let item = Item {
            // The time runs from the request, not from the payer's first look at it.
            received: at,
            decided,
            open,
        };
        items.push((request.id, request.urgent, seconds, item));
    }
    Ok(items)
}

/// The requests about which the provider is asked, in the order of their days. What is not readable is left out.
pub(super) fn asked(
    ctx: &ReadContext<'_>,
    pair: &Collection,
) -> Result<Vec<AskedAuthorisation>, HealthError> {
    let all: Vec<Stored> = readable(ctx, pair, "auth~")?;
    let mut found = Vec::new();
    for Stored { request, at, .. } in all {
        let status = Place::in_pair(ctx, pair, &request.id).map(|place| place.status);
        if matches!(status, Ok(AuthorisationStatus::Pended)) {
            found.push(AskedAuthorisation {
                authorisation: request.id,
                coverage: request.coverage,
                status: AuthorisationStatus::Pended,
                urgent: request.urgent,
                requested: Date::from_unix(at)?,
            });
        }
    }
    found.sort_by_key(|request| (request.requested, request.authorisation));
    Ok(found)
}

/// The request as it was made; `NOT_FOUND` for an unknown one.
fn stored(ctx: &ReadContext<'_>, pair: &Collection, id: &AuthorisationId) -> Result<Stored, HealthError> {
    let found: Option<Stored> = pair.get(ctx, &authorisation_key(id))?;
    found
        .filter(|stored| stored.request.id == *id)
        .ok_or(HealthError::NotFound)
}

/// The provider is in the key, as in a claim's.
pub(super) fn book_key(desk: &Desk<'_, '_>, id: &AuthorisationId) -> String {
    desk.own
        .key("authbook", &[desk.provider.as_bytes(), id.as_bytes()])
}

/// The subject of a request's end.
const CANCELLED: &str = "cancelled";
