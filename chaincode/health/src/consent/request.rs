//! Asking a patient for a consent, and the patient's answer.

use super::filing::{Filing, NewGrant, file, salt_of};
use super::held::Answered;
use crate::caller::Caller;
use crate::intent::{Acting, acted_with, check_nonce};
use crate::state::{Collection, derived_salt, done, registered, tx_id};
use careledger_api::contracts::consent::{
    ConsentRequest, EndedBy, OPEN_REQUESTS, Power, RequestWithdrawal, Requester, Response,
};
use careledger_api::event::EventKind;
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{ConsentId, PatientId, RequestId, Salt, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::Context;
use serde::{Deserialize, Serialize};

/// Every request has this size: the longest valid one, with room.
const REQUEST_BYTES: usize = 4096;
/// Every list of an organisation's open requests has this size.
const OPEN_BYTES: usize = 1024;

/// The value of `req~P~R`.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredRequest {
    pub(super) request: ConsentRequest,
    pub(super) requester: Requester,
    pub(super) at: i64,
    /// Of the second of `at`, so that requests have an order.
    pub(super) nanos: i32,
    pub(super) tx: TxId,
}

/// The value of `reqs~H`: an organisation's requests that may be open to one patient. It frees up by time and by withdrawal alone, never by an
/// answer, which would tell the requester that there was one.
#[derive(Serialize, Deserialize)]
struct OpenRequests {
    open: Vec<OpenRequest>,
    salt: Salt,
}

#[derive(Serialize, Deserialize)]
struct OpenRequest {
    request: RequestId,
    until: i64,
}

/// The value of `ans~P~R`.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredAnswer {
    /// The consent that accepted it; none for a denial.
    pub(super) consent: Option<ConsentId>,
    at: i64,
    by: EndedBy,
    tx: TxId,
    salt: Salt,
}

/// The value of `reqend~P~R`: a request taken back.
#[derive(Serialize, Deserialize)]
struct Withdrawn {
    tx: TxId,
    salt: Salt,
}

pub(super) fn requests_of(patient: &PatientId) -> String {
    format!("req~{patient}~")
}

fn request_key(patient: &PatientId, id: &RequestId) -> String {
    format!("{}{id}", requests_of(patient))
}

pub(super) fn answer_key(patient: &PatientId, id: &RequestId) -> String {
    format!("ans~{patient}~{id}")
}

pub(super) fn withdrawal_key(patient: &PatientId, id: &RequestId) -> String {
    format!("reqend~{patient}~{id}")
}

/// Reads nothing of the patient: whether the id is known here makes no difference to anything that happens.
pub(super) fn request(
    ctx: &Context<'_>,
    custodian: &str,
    request: ConsentRequest,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    let role = caller.require_role(&consortium, &[Role::Clinician, Role::Researcher])?;
    let now = ctx.timestamp().seconds;
    caller.require_credential(ctx, now)?;
    let care = Collection::care(&consortium, custodian)?;
    request.validate(now)?;
    let secret = care.secret(ctx)?;
    let (patient, id, until) = (request.patient, request.id, request.open_until);
    let stored = StoredRequest {
        request,
        requester: caller.requester(role),
        at: now,
        nanos: ctx.timestamp().nanos,
        tx: tx_id(ctx)?,
    };
    let key = request_key(&patient, &id);
    if care.exists(ctx, &key)? {
        return Err(HealthError::Duplicate("there is a request of this id".into()));
    }
    care.put_padded(ctx, &key, &stored, REQUEST_BYTES)?;
    care.guard(ctx, &key)?;
    change_open(
        ctx,
        &care,
        &secret,
        &patient,
        &stored.requester.organisation,
        |open| {
            if open.len() >= OPEN_REQUESTS {
                return Err(HealthError::Limit(
                "the organisation has eight open requests to this patient; withdraw one or wait until one is over".into(),
            ));
            }
            open.push(OpenRequest { request: id, until });
            Ok(())
        },
    )?;
    done(ctx, EventKind::Consent, Some(&care))
}

/// Reads no answer: whether there is one, the requester does not learn here.
pub(super) fn withdraw(
    ctx: &Context<'_>,
    custodian: &str,
    withdrawal: RequestWithdrawal,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    let role = caller.require_role(&consortium, &[Role::Clinician, Role::Researcher])?;
    let care = Collection::care(&consortium, custodian)?;
    withdrawal.salt.require_drawn()?;
    let requester = caller.requester(role);
    let RequestWithdrawal {
        request: id,
        patient,
        salt,
    } = withdrawal;
    let stored: Option<StoredRequest> = care.get(ctx, &request_key(&patient, &id))?;
    let theirs = |s: &StoredRequest| {
        s.requester.organisation == requester.organisation && s.requester.person == requester.person
    };
    if !stored.is_some_and(|s| theirs(&s)) {
        return Err(HealthError::NotFound);
    }
    let withdrawn = Withdrawn {
        tx: tx_id(ctx)?,
        salt,
    };
    if !care.write_once(ctx, &withdrawal_key(&patient, &id), &withdrawn)? {
        return Err(HealthError::ConflictState(
            "the request was withdrawn before".into(),
        ));
    }
    let secret = care.secret(ctx)?;
    change_open(ctx, &care, &secret, &patient, &requester.organisation, |open| {
        open.retain(|one| one.request != id);
        Ok(())
    })?;
    done(ctx, EventKind::Consent, Some(&care))
}

/// Accepting and denying write the same keys: what was answered is between the patient and the custodian.
pub(super) fn respond(
    ctx: &Context<'_>,
    custodian: &str,
    response: Response,
    intent: SignedIntent,
) -> Result<Receipt, HealthError> {
    response.salt.require_drawn()?;
    let Response {
        request: id,
        patient,
        consent,
        salt,
    } = response;
    let powers: &[Power] = if consent.is_some() {
        &[Power::Request, Power::Grant]
    } else {
        &[Power::Request]
    };
    let Acting {
        consortium,
        care,
        under,
    } = acted_with(ctx, custodian, &patient, &intent, powers)?;
    check_nonce(&intent, id.nonce())?;
    let now = ctx.timestamp().seconds;
    let stored: Option<StoredRequest> = care.get(ctx, &request_key(&patient, &id))?;
    let stored = stored.ok_or(HealthError::NotFound)?;
    let withdrawn = care.exists(ctx, &withdrawal_key(&patient, &id))?;
    let answer = StoredAnswer {
        consent: consent.as_ref().map(|c| c.id),
        at: now,
        by: super::grant::ended_by(&intent),
        tx: tx_id(ctx)?,
        salt: salt_of(&salt, "answer", id.as_bytes()),
    };
    let first = care.write_once(ctx, &answer_key(&patient, &id), &answer)?;
    if !first || withdrawn || stored.request.open_until <= now {
        return Err(HealthError::ConflictState(
            "the request was answered or withdrawn, or its time is over".into(),
        ));
    }
    let filing = match consent {
        Some(consent) => {
            consent.validate()?;
            if consent.patient != patient || consent.supersedes.is_some() {
                return Err(HealthError::InvalidCode(
                    "an answer grants a new consent of the patient who is asked".into(),
                ));
            }
            let answers = Some(Answered { request: id, salt });
            Filing::Consent(Box::new(NewGrant {
                consent,
                intent,
                under,
                answers,
            }))
        }
        None => Filing::Blank(ConsentId::from_bytes(first_half(&salt_of(
            &salt,
            "denied",
            id.as_bytes(),
        )))),
    };
    file(ctx, &consortium, &care, &patient, filing, &salt)?;
    done(ctx, EventKind::Consent, Some(&care))
}

/// Changes the list of what an organisation has open to a patient, without what is over. Its key is of the collection's secret: whoever knows the
/// patient's id still cannot tell who asks them.
fn change_open(
    ctx: &Context<'_>,
    care: &Collection,
    secret: &Salt,
    patient: &PatientId,
    organisation: &str,
    change: impl FnOnce(&mut Vec<OpenRequest>) -> Result<(), HealthError>,
) -> Result<(), HealthError> {
    let hash = keyed_hash(
        secret,
        "open-requests",
        &[patient.as_bytes(), organisation.as_bytes()],
    );
    let key = format!("reqs~{hash}");
    let stored: Option<OpenRequests> = care.get(ctx, &key)?;
    let mut open = stored.map(|s| s.open).unwrap_or_default();
    open.retain(|one| one.until > ctx.timestamp().seconds);
    change(&mut open)?;
    let salt = derived_salt(secret, "open-requests", &tx_id(ctx)?);
    care.put_padded(ctx, &key, &OpenRequests { open, salt }, OPEN_BYTES)
}

fn first_half(salt: &Salt) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&salt.as_bytes()[..16]);
    half
}
