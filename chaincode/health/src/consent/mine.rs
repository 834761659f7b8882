//! A patient's questions about what they decided, signed by them or by who may see it for them.

use super::authority::Given;
use super::authority::{StoredAssent, StoredAuthority, assent_key, authorities_of, authority_end_key};
use super::held::{
    CurrentEra, Ended, Granted, Slot, StoredConsent, consent_key, consents_of, era_end_key, hash_of,
    revocation_key,
};
use super::request::{StoredAnswer, StoredRequest, answer_key, requests_of, withdrawal_key};
use crate::caller::Caller;
use crate::intent::check_question_with;
use crate::state::{Collection, Established, registered};
use careledger_api::HealthError;
use careledger_api::contracts::consent::{
    AuthorityView, ConsentEnd, ConsentQuery, ConsentState, ConsentView, Power, ReceiptBasis, RequestState,
    RequestView, RevocationReason, SignedQuery,
};
use careledger_api::hashing::sha256;
use careledger_api::ids::{ConsentId, PatientId};
use careledger_api::intent::SignedIntent;
use fabric_contract_core::ReadContext;
use serde::de::DeserializeOwned;

pub(super) fn consents(
    ctx: &ReadContext<'_>,
    custodian: &str,
    query: &SignedQuery,
    intent: &SignedIntent,
) -> Result<Vec<ConsentView>, HealthError> {
    let asked = (&query.patient, query.reader.as_str());
    let care = asked_by_patient(ctx, custodian, asked, intent, Power::View)?;
    let mut granted: Vec<Granted> = care
        .list::<StoredConsent>(ctx, &consents_of(&query.patient))?
        .into_iter()
        .filter_map(|stored| stored.granted)
        .collect();
    granted.sort_by(|a, b| (a.at, a.nanos, &a.tx).cmp(&(b.at, b.nanos, &b.tx)));
    let mut views = Vec::new();
    for granted in granted {
        views.extend(view(ctx, &care, &query.patient, &granted.consent.id)?);
    }
    Ok(views)
}

pub(super) fn requests(
    ctx: &ReadContext<'_>,
    custodian: &str,
    query: &SignedQuery,
    intent: &SignedIntent,
) -> Result<Vec<RequestView>, HealthError> {
    let patient = &query.patient;
    let care = asked_by_patient(ctx, custodian, (patient, &query.reader), intent, Power::Request)?;
    let mut asked: Vec<StoredRequest> = care.list(ctx, &requests_of(patient))?;
    asked.sort_by(|a, b| (a.at, a.nanos, &a.tx).cmp(&(b.at, b.nanos, &b.tx)));
    let mut views = Vec::new();
    for stored in asked {
        let StoredRequest {
            request,
            requester,
            at,
            tx,
            ..
        } = stored;
        let answer: Option<StoredAnswer> = care.get(ctx, &answer_key(patient, &request.id))?;
        let withdrawn = care.exists(ctx, &withdrawal_key(patient, &request.id))?;
        let consent = answer.as_ref().and_then(|a| a.consent);
        let state = match (answer, withdrawn) {
            (Some(_), _) if consent.is_some() => RequestState::Accepted,
            (Some(_), _) => RequestState::Denied,
            (None, true) => RequestState::Withdrawn,
            (None, false) if request.open_until <= ctx.timestamp().seconds => RequestState::Expired,
            (None, false) => RequestState::Open,
        };
        views.push(RequestView {
            request,
            requester,
            at,
            tx,
            state,
            consent,
        });
    }
    Ok(views)
}

pub(super) fn authorities(
    ctx: &ReadContext<'_>,
    custodian: &str,
    query: &SignedQuery,
    intent: &SignedIntent,
) -> Result<Vec<AuthorityView>, HealthError> {
    let patient = &query.patient;
    let care = asked_by_patient(ctx, custodian, (patient, &query.reader), intent, Power::View)?;
    let mut views = Vec::new();
    for stored in care.list::<StoredAuthority>(ctx, &authorities_of(patient))? {
        views.push(AuthorityView {
            ended: care.exists(ctx, &authority_end_key(patient, &stored.id))?,
            act: match stored.given {
                Given::Officers(act) => Some(act),
                Given::Patient { .. } => None,
            },
            id: stored.id,
            holder: stored.holder,
            relation: stored.relation,
            powers: stored.powers,
            period: stored.period,
            tx: stored.tx,
        });
    }
    views.sort_by_key(|view| (view.period.from, view.id));
    Ok(views)
}

pub(super) fn receipt(
    ctx: &ReadContext<'_>,
    custodian: &str,
    query: &ConsentQuery,
    intent: &SignedIntent,
) -> Result<ReceiptBasis, HealthError> {
    let patient = &query.patient;
    let care = asked_by_patient(ctx, custodian, (patient, &query.reader), intent, Power::View)?;
    let view = view(ctx, &care, patient, &query.consent)?.ok_or(HealthError::NotFound)?;
    let key = consent_key(patient, &query.consent);
    let value = ctx.private_get(&care.name, &key)?.ok_or(HealthError::NotFound)?;
    Ok(ReceiptBasis {
        view,
        key_hash: sha256(key.as_bytes()),
        value_hash: hash_of(ctx, &care, &key)?.ok_or(HealthError::NotFound)?,
        value: String::from_utf8(value)
            .map_err(|_| HealthError::Ledger("a private value is not text".into()))?,
        collection: care.name,
    })
}

/// The custodian's collection, for a client of the organisation that the patient's signed question names.
pub(crate) fn asked_by_patient(
    ctx: &ReadContext<'_>,
    custodian: &str,
    (patient, reader): (&PatientId, &str),
    intent: &SignedIntent,
    power: Power,
) -> Result<Collection, HealthError> {
    let (consortium, care) = read_for_patient(ctx, custodian, reader)?;
    check_question_with(ctx, &consortium, &care, custodian, patient, intent, &[power])?;
    Ok(care)
}

/// The consortium and the custodian's collection, for a client of the organisation that a patient's question names as its reader. The question itself is
/// not checked.
pub(crate) fn read_for_patient(
    ctx: &ReadContext<'_>,
    custodian: &str,
    reader: &str,
) -> Result<(Established, Collection), HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    caller.require_member(&consortium)?;
    if caller.organisation != reader {
        return Err(HealthError::Forbidden(
            "the patient's question names another organisation as its reader".into(),
        ));
    }
    let care = Collection::care(&consortium, custodian)?;
    Ok((consortium, care))
}

/// A consent with what became of it; `None` if there is none of this id.
fn view(
    ctx: &ReadContext<'_>,
    care: &Collection,
    patient: &PatientId,
    id: &ConsentId,
) -> Result<Option<ConsentView>, HealthError> {
    let slot = Slot::read(ctx, care, patient, id)?;
    let (revoked, lapsed) = (slot.revoked, slot.authority_ended);
    let Some(granted) = slot.granted else {
        return Ok(None);
    };
    let over = !CurrentEra::read(ctx, care, patient)?.goes_on(&granted.era) && granted.consent.permits();
    let ended: Option<Ended> = match (revoked, &granted.era) {
        (true, _) => present(ctx, care, &revocation_key(patient, id))?,
        (false, Some(era)) if over => present(ctx, care, &era_end_key(patient, era))?,
        _ => None,
    };
    let assent: Option<StoredAssent> = care.get(ctx, &assent_key(patient, id))?;
    Ok(Some(ConsentView {
        state: state(
            &granted,
            ended.as_ref(),
            revoked || over,
            lapsed,
            ctx.timestamp().seconds,
        ),
        given: granted.at,
        until: granted.until(),
        under: granted.under.as_ref().map(|under| under.authority),
        ended: ended.map(|ended| ConsentEnd {
            at: ended.at,
            tx: ended.tx,
            by: ended.by,
            successor: ended.successor,
        }),
        assent: assent.map(|stored| stored.assent.assents),
        consent: granted.consent,
        tx: granted.tx,
    }))
}

fn state(granted: &Granted, ended: Option<&Ended>, revoked: bool, lapsed: bool, now: i64) -> ConsentState {
    if revoked {
        return match ended {
            Some(ended) if ended.successor.is_some() => ConsentState::Superseded,
            Some(ended) if ended.reason == Some(RevocationReason::Mistake) => ConsentState::EnteredInError,
            _ => ConsentState::Revoked,
        };
    }
    match (
        lapsed,
        granted.until() <= now,
        granted.until() < granted.consent.period.until,
    ) {
        (true, _, _) | (false, true, true) => ConsentState::Lapsed,
        (false, true, false) => ConsentState::Expired,
        (false, false, _) => ConsentState::Active,
    }
}

/// A body that may be withheld from this peer: its key is known to be there.
fn present<T: DeserializeOwned>(
    ctx: &ReadContext<'_>,
    care: &Collection,
    key: &str,
) -> Result<Option<T>, HealthError> {
    match care.get(ctx, key) {
        Err(HealthError::Ledger(_)) if care.exists(ctx, key)? => Ok(None),
        read => read,
    }
}
