//! Prior authorisations: asked for by the provider, given by the payer, used up by claims.
//!
//! The request, its answers and its end are the provider's own word. What was given and used is in the payer's book of it; the pair's collection has a copy.

use super::desk::{Desk, Own};
use super::parts::{each, formed};
use super::provider::{pair, pair_of_either};
use super::service::{Item, Open};
use super::store::{authorisation_head_key, authorisation_key, authorisation_word_key};
use super::submission::again;
use super::word::{Word, answer_to};
use crate::state::{Collection, derived_salt, done, tx_id};
use careledger_api::adjudication::machine::{AuthorisationAct, AuthorisationStatus};
use careledger_api::adjudication::npi_is_valid;
use careledger_api::contracts::claims::{
    AskedAuthorisation, AuthorisationAnswer, AuthorisationDecision, AuthorisationRequest, AuthorisationView,
    Given, MAX_LOOKED_AT, STANDARD_SECONDS, URGENT_SECONDS, check_text,
};
use careledger_api::date::Date;
use careledger_api::event::EventKind;
use careledger_api::ids::{AuthorisationId, CoverageId, Salt, TxId};
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

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
        None => {
            require_written(ctx, &desk.pair, provider, &id)?;
            if desk.pair.exists(ctx, &head_key)? {
                return Err(not_its_word());
            }
        }
        Some(_) => {}
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
    if head.status.is_given() {
        list_given(&desk, &stored.request)?;
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
    // Whoever decides on what they see here decides on what is there then: what one side can still change is not shown.
    if !pair.is_guarded(ctx, &authorisation_key(&id))? {
        return Err(not_its_word());
    }
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

/// The value of `authof~H`: what was given a provider for a member and a procedure, the newest last, at most [`MAX_LISTED`].
#[derive(Default, Serialize, Deserialize)]
struct Listed {
    given: Vec<AuthorisationId>,
    salt: Option<Salt>,
}

/// Most authorisations that are looked through where a question names none; what was given before them is named.
const MAX_LISTED: usize = 16;

/// Lists an authorisation under its member and procedure, so that it is found where nobody names it.
fn list_given(desk: &Desk<'_, '_>, request: &AuthorisationRequest) -> Result<(), HealthError> {
    let key = list_key(desk, &request.coverage, &request.procedure);
    let mut listed: Listed = desk.get(&key)?.unwrap_or_default();
    listed.given.retain(|id| *id != request.id);
    listed.given.push(request.id);
    let more = listed.given.len().saturating_sub(MAX_LISTED);
    listed.given.drain(..more);
    listed.salt = Some(desk.salt(&key));
    desk.put(&key, &listed)
}

/// What the payer gave this provider for a member and a procedure, since it is listed; whether it still stands is to be looked at.
pub(super) fn given_for(
    desk: &Desk<'_, '_>,
    coverage: &CoverageId,
    procedure: &str,
) -> Result<Vec<AuthorisationId>, HealthError> {
    let listed: Option<Listed> = desk.get(&list_key(desk, coverage, procedure))?;
    Ok(listed.unwrap_or_default().given)
}

fn list_key(desk: &Desk<'_, '_>, coverage: &CoverageId, procedure: &str) -> String {
    let parts = [
        desk.provider.as_bytes(),
        coverage.as_bytes(),
        procedure.as_bytes(),
    ];
    desk.own.key("authof", &parts)
}

/// Some requests of the pair.
pub(super) struct Requests<T> {
    pub(super) found: Vec<T>,
    /// Those that cannot be read here, or that somebody wrote otherwise than the contract does.
    pub(super) unreadable: Vec<AuthorisationId>,
    /// The last one that was looked at, where there may be more.
    pub(super) next: Option<AuthorisationId>,
}

/// A request at its payer: which, whether it is urgent, the seconds that it may take, and where it stands.
pub(super) struct OpenRequest {
    pub(super) id: AuthorisationId,
    pub(super) urgent: bool,
    pub(super) seconds: i64,
    pub(super) item: Item,
}

/// The pair's requests from behind `after` on, as far as one look goes. What `read` refuses is unreadable, and ends nobody's list.
fn requests<T>(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    after: Option<AuthorisationId>,
    read: impl Fn(Stored) -> Result<Option<T>, HealthError>,
) -> Result<Requests<T>, HealthError> {
    let (mut found, mut unreadable) = (Vec::new(), Vec::new());
    let next = each(ctx, pair, ("auth~", after), MAX_LOOKED_AT, |id, value| {
        let stored: Option<Stored> = formed(value);
        // A day that no calendar has nobody's clock has shown.
        let stored = stored.filter(|of| of.request.id == id && Date::from_unix(of.at).is_ok());
        match stored.map(&read) {
            Some(Ok(row)) => found.extend(row),
            Some(Err(_)) | None => unreadable.push(id),
        }
        Ok(())
    })?;
    Ok(Requests {
        found,
        unreadable,
        next,
    })
}

/// Requests, as the payer keeps its times with them.
pub(super) fn items(
    ctx: &ReadContext<'_>,
    (pair, own): (&Collection, &Own),
    provider: &str,
    after: Option<AuthorisationId>,
) -> Result<Requests<OpenRequest>, HealthError> {
    requests(ctx, pair, after, |Stored { request, at, .. }| {
        let seconds = match request.urgent {
            true => URGENT_SECONDS,
            false => STANDARD_SECONDS,
        };
        let book: Option<Book> = own.get(ctx, &key_of(own, provider, &request.id))?;
        if book.is_none() {
            require_written(ctx, pair, provider, &request.id)?;
            if pair.exists(ctx, &authorisation_head_key(&request.id))? {
                return Err(not_its_word());
            }
        }
        let decided = book.as_ref().and_then(|book| book.decided);
        let place = Place::of(ctx, pair, &request.id, book.map(|book| book.head))?;
        let open = match place.status {
            AuthorisationStatus::Requested => Open::Payer,
            AuthorisationStatus::Pended => Open::Provider,
            _ => Open::Nobody,
        };
        if !matches!(open, Open::Nobody) {
            place.word.require()?;
        }
        Ok(Some(OpenRequest {
            id: request.id,
            urgent: request.urgent,
            seconds,
            item: Item {
                // The time runs from the request, not from the payer's first look at it.
                received: at,
                decided,
                open,
            },
        }))
    })
}

/// The requests about which the provider is asked, in the order of their days.
pub(super) fn asked(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    provider: &str,
    after: Option<AuthorisationId>,
) -> Result<Requests<AskedAuthorisation>, HealthError> {
    let mut asked = requests(ctx, pair, after, |Stored { request, at, .. }| {
        if Place::in_pair(ctx, pair, &request.id)?.status != AuthorisationStatus::Pended {
            return Ok(None);
        }
        require_written(ctx, pair, provider, &request.id)?;
        Ok(Some(AskedAuthorisation {
            authorisation: request.id,
            coverage: request.coverage,
            status: AuthorisationStatus::Pended,
            urgent: request.urgent,
            requested: Date::from_unix(at)?,
        }))
    })?;
    asked
        .found
        .sort_by_key(|request| (request.requested, request.authorisation));
    Ok(asked)
}

/// `CONFLICT_STATE` unless neither side changes the request alone, and what the provider says of it is the provider's alone. A payer with altered code can
/// write that as well: its provider finds the request on its list then, and takes it back by that key.
fn require_written(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    provider: &str,
    id: &AuthorisationId,
) -> Result<(), HealthError> {
    let written = pair.is_guarded(ctx, &authorisation_key(id))?
        && pair.is_handed_to(ctx, &authorisation_word_key(id), provider)?;
    match written {
        true => Ok(()),
        false => Err(not_its_word()),
    }
}

fn not_its_word() -> HealthError {
    HealthError::ConflictState(
        "the request's keys are not as the contract writes them; its provider asks under a new id".into(),
    )
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
    key_of(&desk.own, desk.provider, id)
}

fn key_of(own: &Own, provider: &str, id: &AuthorisationId) -> String {
    own.key("authbook", &[provider.as_bytes(), id.as_bytes()])
}

/// The subject of a request's end.
const CANCELLED: &str = "cancelled";
