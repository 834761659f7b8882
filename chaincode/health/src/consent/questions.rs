//! Questions about consents and accesses. Each checks its caller before it reads a body.

use super::access::{StoredAccess, StoredReview, committed, records_of};
use super::review::{require_reviewer, review_done_key};
use super::{held, no_decoys};
use crate::caller::Caller;
use crate::intent::check_question;
use crate::state::{Collection, registered};
use careledger_api::HealthError;
use careledger_api::codes::{Category, Purpose};
use careledger_api::consortium::Consortium;
use careledger_api::contracts::consent::{
    AccessRecord, AccessRequest, Consent, ConsentView, Notification, OpenReview, Requester, SignedQuery,
};
use careledger_api::decision::{self, Decision};
use careledger_api::ids::{PatientId, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use fabric_contract_core::ReadContext;

pub(super) fn decide(
    ctx: &ReadContext<'_>,
    custodian: &str,
    requester: &Requester,
    request: &AccessRequest,
) -> Result<Decision, HealthError> {
    let care = own(ctx, custodian, &[Role::Custodian])?;
    request.validate()?;
    let held = held(ctx, &care, &request.patient, no_decoys)?;
    let consents: Vec<Consent> = held.live.into_iter().map(|g| g.consent).collect();
    Ok(decision::decide(
        &consents,
        requester,
        request,
        ctx.timestamp().seconds,
    ))
}

pub(super) fn outcome(
    ctx: &ReadContext<'_>,
    custodian: &str,
    tx: &TxId,
) -> Result<AccessRecord, HealthError> {
    let care = own(ctx, custodian, &[Role::Vault, Role::Custodian])?;
    committed(ctx, &care, tx)?.ok_or(HealthError::NotFound)
}

pub(super) fn notifications(
    ctx: &ReadContext<'_>,
    custodian: &str,
    patient: &PatientId,
) -> Result<Vec<Notification>, HealthError> {
    let care = own(ctx, custodian, &[Role::Notifier, Role::Custodian])?;
    list_notifications(ctx, &care, patient)
}

pub(super) fn my_notifications(
    ctx: &ReadContext<'_>,
    custodian: &str,
    query: &SignedQuery,
    intent: &SignedIntent,
) -> Result<Vec<Notification>, HealthError> {
    let care = asked_by_patient(ctx, custodian, query, intent)?;
    list_notifications(ctx, &care, &query.patient)
}

pub(super) fn my_consents(
    ctx: &ReadContext<'_>,
    custodian: &str,
    query: &SignedQuery,
    intent: &SignedIntent,
) -> Result<Vec<ConsentView>, HealthError> {
    let care = asked_by_patient(ctx, custodian, query, intent)?;
    let held = held(ctx, &care, &query.patient, no_decoys)?;
    let view = |revoked| {
        move |granted: super::Granted| ConsentView {
            consent: granted.consent,
            revoked,
        }
    };
    let mut views: Vec<ConsentView> = held.live.into_iter().map(view(false)).collect();
    views.extend(held.revoked.into_iter().map(view(true)));
    Ok(views)
}

pub(super) fn open_reviews(ctx: &ReadContext<'_>, custodian: &str) -> Result<Vec<OpenReview>, HealthError> {
    let consortium = registered(ctx)?.consortium;
    require_reviewer(&consortium, &Caller::of(ctx)?, custodian)?;
    let care = Collection::care(&consortium, custodian)?;
    let mut open = Vec::new();
    for stored in care.list::<StoredReview>(ctx, "bg~")? {
        if !care.exists(ctx, &review_done_key(&stored.open.access))? {
            open.push(stored.open);
        }
    }
    open.sort_by(|a, b| (a.at, &a.access).cmp(&(b.at, &b.access)));
    Ok(open)
}

/// The custodian's collection, for one of its own clients with one of these roles.
pub(super) fn own(ctx: &ReadContext<'_>, custodian: &str, roles: &[Role]) -> Result<Collection, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, roles)?;
    Collection::care(&consortium, custodian)
}

/// The custodian's collection, for a client of the organisation that the patient's signed question names.
fn asked_by_patient(
    ctx: &ReadContext<'_>,
    custodian: &str,
    query: &SignedQuery,
    intent: &SignedIntent,
) -> Result<Collection, HealthError> {
    let consortium: Consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    caller.require_member(&consortium)?;
    if caller.organisation != query.reader {
        return Err(HealthError::Forbidden(
            "the patient's question names another organisation as its reader".into(),
        ));
    }
    let care = Collection::care(&consortium, custodian)?;
    check_question(ctx, &consortium, &care, custodian, &query.patient, intent)?;
    Ok(care)
}

fn list_notifications(
    ctx: &ReadContext<'_>,
    care: &Collection,
    patient: &PatientId,
) -> Result<Vec<Notification>, HealthError> {
    let mut stored: Vec<StoredAccess> = care.list(ctx, &records_of(patient))?;
    let order = |s: &StoredAccess| (s.record.at, s.nanos);
    stored.sort_by(|a, b| {
        order(a)
            .cmp(&order(b))
            .then_with(|| a.record.tx.cmp(&b.record.tx))
    });
    Ok(stored.into_iter().map(|s| notification(s.record)).collect())
}

fn notification(record: AccessRecord) -> Notification {
    let reason = record.emergency.as_ref().map(|e| e.reason);
    let (purpose, requested) = match record.request {
        Some(request) => (request.purpose, request.categories),
        None => (Purpose::BreakTheGlass, vec![Category::EmergencySummary]),
    };
    Notification {
        tx: record.tx,
        kind: record.kind,
        at: record.at,
        organisation: record.requester.organisation,
        role: record.requester.role,
        purpose,
        reason,
        requested,
        permitted: record.permitted,
        outcome: record.outcome,
    }
}
