//! Questions about consents and accesses. Each checks its caller before it reads a body.

use super::access::{StoredAccess, committed, pointed, records_of};
use super::find::{StoredFound, found_key};
use super::held::{held, no_decoys};
use super::release::leave_out_used_up;
use super::telling::wanted;
use crate::caller::Caller;
use crate::state::{Collection, registered};
use careledger_api::HealthError;
use careledger_api::codes::{Category, Purpose};
use careledger_api::contracts::consent::{
    AccessKind, AccessRecord, AccessRequest, Notice, Notification, Outcome, Requester,
};
use careledger_api::decision::{self, Decision};
use careledger_api::ids::{PatientId, TxId};
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
    let (consortium, now) = (registered(ctx)?.consortium, ctx.timestamp().seconds);
    let one_by_one = |keys: &[String]| care.get_each(ctx, keys);
    let held = held(ctx, &consortium, &care, &request.patient, no_decoys, one_by_one)?;
    let mut consents = held.consents();
    leave_out_used_up(ctx, &care, &request.patient, &mut consents, (now, Some(now)))?;
    Ok(decision::decide(
        &consents,
        requester,
        request,
        &consortium.policy,
        now,
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

pub(super) fn notice(ctx: &ReadContext<'_>, custodian: &str, tx: &TxId) -> Result<Notice, HealthError> {
    let care = own(ctx, custodian, &[Role::Notifier, Role::Custodian])?;
    let patient = pointed(ctx, &care, tx)?.ok_or(HealthError::NotFound)?;
    let found: Option<StoredFound> = care.get(ctx, &found_key(&patient, tx))?;
    let notification = match found {
        Some(found) => found_notification(found),
        None => notification(committed(ctx, &care, tx)?.ok_or(HealthError::NotFound)?),
    };
    Ok(Notice {
        patient,
        notification,
        wanted: wanted(ctx, &care, &patient)?,
    })
}

/// The custodian's collection, for one of its own clients with one of these roles.
pub(super) fn own(ctx: &ReadContext<'_>, custodian: &str, roles: &[Role]) -> Result<Collection, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, roles)?;
    Collection::care(&consortium, custodian)
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

fn found_notification(found: StoredFound) -> Notification {
    Notification {
        tx: found.tx,
        kind: AccessKind::Find,
        at: found.at,
        organisation: found.entry.organisation,
        role: found.entry.role,
        purpose: Purpose::BreakTheGlass,
        reason: Some(found.entry.reason),
        requested: Vec::new(),
        permitted: Vec::new(),
        outcome: Outcome::Permitted,
        offline: None,
    }
}

pub(super) fn notification(record: AccessRecord) -> Notification {
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
        offline: record.offline,
    }
}
