//! Prior authorisations: asked for by the provider, given by the payer, used up by claims.

use super::store::{authorisation_head_key, authorisation_key};
use super::{as_either, as_payer, as_provider};
use crate::state::{Collection, derived_salt, done, tx_id};
use careledger_api::adjudication::machine::{AuthorisationAct, AuthorisationStatus};
use careledger_api::adjudication::{Authorised, npi_is_valid};
use careledger_api::contracts::claims::{
    AuthorisationAnswer, AuthorisationDecision, AuthorisationRequest, AuthorisationView, Given,
    STANDARD_SECONDS, URGENT_SECONDS, check_text,
};
use careledger_api::date::Date;
use careledger_api::event::EventKind;
use careledger_api::ids::{AuthorisationId, CoverageId, Salt, TxId};
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The value of `auth~A`.
#[derive(Serialize, Deserialize)]
struct Stored {
    request: AuthorisationRequest,
    at: i64,
}

/// The value of `authhead~A`, the payer's to change.
#[derive(Serialize, Deserialize)]
struct Head {
    status: AuthorisationStatus,
    given: Option<Given>,
    used: u32,
    text: Option<String>,
    tx: TxId,
    salt: Salt,
}

/// The value of `authans~A~T` (an answer to what the payer asked by transaction T) and of `authcan~A`.
#[derive(Serialize, Deserialize)]
struct Answer {
    answer: AuthorisationAnswer,
    tx: TxId,
}

/// Where a request stands, and what was said beside its head.
struct Place {
    head: Head,
    status: AuthorisationStatus,
    said: Option<Answer>,
}

impl Place {
    fn of(ctx: &ReadContext<'_>, pair: &Collection, id: &AuthorisationId) -> Result<Self, HealthError> {
        let head: Head = pair
            .get(ctx, &authorisation_head_key(id))?
            .ok_or(HealthError::NotFound)?;
        let cancelled: Option<Answer> = pair.get(ctx, &cancel_key(id))?;
        let answered: Option<Answer> = match head.status {
            AuthorisationStatus::Pended => pair.get(ctx, &answer_key(id, &head.tx))?,
            _ => None,
        };
        let status = match (&cancelled, &answered) {
            (Some(_), _) => AuthorisationStatus::Cancelled,
            (None, Some(_)) => AuthorisationStatus::Requested,
            (None, None) => head.status,
        };
        Ok(Self {
            head,
            status,
            said: cancelled.or(answered),
        })
    }
}

pub(super) fn request_authorisation(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    request: AuthorisationRequest,
) -> Result<Receipt, HealthError> {
    let pair = as_provider(ctx, payer, provider)?;
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
    let (id, salt, tx) = (request.id, request.salt, tx_id(ctx)?);
    let at = ctx.timestamp().seconds;
    if !pair.write_once(ctx, &authorisation_key(&id), &Stored { request, at })? {
        return Err(HealthError::Duplicate("this authorisation id is taken".into()));
    }
    let head = Head {
        status: AuthorisationStatus::Requested,
        given: None,
        used: 0,
        text: None,
        salt: derived_salt(&salt, "head", &tx),
        tx,
    };
    let key = authorisation_head_key(&id);
    pair.put(ctx, &key, &head)?;
    pair.hand_to(ctx, &key, payer)?;
    done(ctx, EventKind::Claim, Some(&pair))
}

pub(super) fn decide_authorisation(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    decision: AuthorisationDecision,
) -> Result<Receipt, HealthError> {
    let (pair, _, _) = as_payer(ctx, payer, provider)?;
    decision.salt.require_drawn()?;
    let place = Place::of(ctx, &pair, &decision.id)?;
    let stored: Stored = pair
        .get(ctx, &authorisation_key(&decision.id))?
        .ok_or(HealthError::NotFound)?;
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
    let tx = tx_id(ctx)?;
    let head = Head {
        status: place.status.after(decision.act)?,
        given,
        text: decision.reason,
        salt: derived_salt(&decision.salt, "head", &tx),
        tx,
        ..place.head
    };
    pair.put(ctx, &authorisation_head_key(&decision.id), &head)?;
    done(ctx, EventKind::Claim, Some(&pair))
}

pub(super) fn answer_authorisation(
    ctx: &Context<'_>,
    payer: &str,
    provider: &str,
    answer: AuthorisationAnswer,
) -> Result<Receipt, HealthError> {
    let pair = as_provider(ctx, payer, provider)?;
    answer.salt.require_drawn()?;
    check_text(&answer.text, &answer.documents)?;
    let place = Place::of(ctx, &pair, &answer.id)?;
    let key = match answer.act {
        AuthorisationAct::Inform => answer_key(&answer.id, &place.head.tx),
        AuthorisationAct::Cancel => cancel_key(&answer.id),
        _ => {
            return Err(HealthError::InvalidCode("a provider informs or cancels".into()));
        }
    };
    place.status.after(answer.act)?;
    let tx = tx_id(ctx)?;
    if !pair.write_once(ctx, &key, &Answer { answer, tx })? {
        return Err(HealthError::ConflictState("the provider said so before".into()));
    }
    done(ctx, EventKind::Claim, Some(&pair))
}

pub(super) fn authorisation(
    ctx: &ReadContext<'_>,
    payer: &str,
    provider: &str,
    id: AuthorisationId,
) -> Result<AuthorisationView, HealthError> {
    let pair = as_either(ctx, payer, provider)?;
    let Stored { request, at } = pair
        .get(ctx, &authorisation_key(&id))?
        .ok_or(HealthError::NotFound)?;
    let Place { head, status, said } = Place::of(ctx, &pair, &id)?;
    let until = head
        .given
        .map_or(request.period.until, |given| given.period.until);
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
        given: head.given,
        used: head.used,
        tx: said.as_ref().map_or(head.tx, |said| said.tx.clone()),
        text: said.map(|said| said.answer.text).or(head.text),
    })
}

/// Of the authorisations that a claim names those that were given for its coverage, with the units left; what an adjudication before used is left
/// again.
pub(super) fn given(
    ctx: &ReadContext<'_>,
    pair: &Collection,
    coverage: &CoverageId,
    named: impl Iterator<Item = AuthorisationId>,
    used_before: &BTreeMap<AuthorisationId, u32>,
) -> Result<BTreeMap<AuthorisationId, Authorised>, HealthError> {
    let mut found = BTreeMap::new();
    for id in named.collect::<BTreeSet<_>>() {
        let stored: Option<Stored> = pair.get(ctx, &authorisation_key(&id))?;
        let Some(Stored { request, .. }) = stored.filter(|stored| stored.request.coverage == *coverage)
        else {
            continue;
        };
        let place = Place::of(ctx, pair, &id)?;
        let Some(given) = place.head.given.filter(|_| place.status.is_given()) else {
            continue;
        };
        let used = place
            .head
            .used
            .saturating_sub(used_before.get(&id).copied().unwrap_or_default());
        let authorised = Authorised {
            procedure: request.procedure,
            period: given.period,
            provider_npi: request.provider_npi,
            units_left: given.units.saturating_sub(used),
        };
        found.insert(id, authorised);
    }
    Ok(found)
}

/// Counts units that a claim uses, in place of those it used before.
pub(super) fn use_up(
    ctx: &Context<'_>,
    pair: &Collection,
    before: &BTreeMap<AuthorisationId, u32>,
    now: &BTreeMap<AuthorisationId, u32>,
    salt: &Salt,
) -> Result<(), HealthError> {
    let ids: BTreeSet<&AuthorisationId> = before.keys().chain(now.keys()).collect();
    for id in ids {
        let (old, new) = (
            before.get(id).copied().unwrap_or_default(),
            now.get(id).copied().unwrap_or_default(),
        );
        if old == new {
            continue;
        }
        let key = authorisation_head_key(id);
        let head: Head = pair.get(ctx, &key)?.ok_or(HealthError::NotFound)?;
        // The transaction stays: it names the payer's word, which this is not.
        let head = Head {
            used: head.used.saturating_sub(old).saturating_add(new),
            salt: derived_salt(salt, &format!("authorisation/{id}"), &tx_id(ctx)?),
            ..head
        };
        pair.put(ctx, &key, &head)?;
    }
    Ok(())
}

fn answer_key(id: &AuthorisationId, asked: &TxId) -> String {
    format!("authans~{id}~{asked}")
}

fn cancel_key(id: &AuthorisationId) -> String {
    format!("authcan~{id}")
}
