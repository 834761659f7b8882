//! Accesses and broken glasses: decide, and write what came of it. Whatever is decided, the calls and the sizes are the same.

use super::held;
use super::review::review_key;
use crate::caller::Caller;
use crate::identity::patient_key;
use crate::state::{Collection, derived_salt, done, registered, tx_id};
use careledger_api::codes::Category;
use careledger_api::contracts::consent::{
    AccessKind, AccessRecord, AccessRequest, BreakGlassRequest, Consent, OpenReview, Outcome, RELEASE_SECONDS,
};
use careledger_api::decision::{Verdict, decide};
use careledger_api::event::EventKind;
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{ConsentId, PatientId, Salt, TxId};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

/// Every access record has this size: the longest a valid request gives, with room.
pub(super) const RECORD_BYTES: usize = 6144;

/// The value of `acc~P~T`.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredAccess {
    pub(super) record: AccessRecord,
    /// Of the second of `record.at`, so that a patient's accesses have an order.
    pub(super) nanos: i32,
}

/// The value of `tx~T`: whose access it is.
#[derive(Serialize, Deserialize)]
struct Pointer {
    patient: PatientId,
    salt: Salt,
}

/// The value of `bg~T`.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredReview {
    pub(super) open: OpenReview,
    salt: Salt,
}

pub(super) fn access(
    ctx: &Context<'_>,
    custodian: &str,
    request: AccessRequest,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    let role = caller.require_role(&consortium, &[Role::Clinician, Role::Emergency, Role::Researcher])?;
    let care = Collection::care(&consortium, custodian)?;
    request.validate()?;
    let (tx, at) = (tx_id(ctx)?, ctx.timestamp().seconds);
    let secret = care.secret(ctx)?;
    let held = held(ctx, &care, &request.patient, |slot| decoy(&secret, &tx, slot))?;
    let consents: Vec<Consent> = held.live.into_iter().map(|g| g.consent).collect();
    let requester = caller.requester(role);
    let decision = decide(&consents, &requester, &request, at);
    let permitted = decision.verdict == Verdict::Permit;
    let record = AccessRecord {
        kind: AccessKind::Access,
        at,
        requester,
        outcome: if permitted {
            Outcome::Permitted
        } else {
            Outcome::Refused
        },
        permitted: decision.permitted,
        obligations: if permitted {
            decision.obligations
        } else {
            Vec::new()
        },
        basis: decision.basis,
        expires_at: decision
            .ends_at
            .map_or(at, |end| end.min(at.saturating_add(RELEASE_SECONDS))),
        epoch: held.epoch,
        salt: derived_salt(&secret, "access", &tx),
        tx,
        request: Some(request),
        emergency: None,
    };
    write_record(ctx, &care, &secret, record)?;
    done(ctx, EventKind::Access, Some(&care))
}

/// Reads no epoch: whatever the patient's wallet does at that moment, an emergency does not fail on it.
pub(super) fn break_glass(
    ctx: &Context<'_>,
    custodian: &str,
    request: BreakGlassRequest,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    let role = caller.require_role(&consortium, &[Role::Emergency])?;
    let care = Collection::care(&consortium, custodian)?;
    request.validate()?;
    let (tx, at) = (tx_id(ctx)?, ctx.timestamp().seconds);
    let secret = care.secret(ctx)?;
    let known = care.exists(ctx, &patient_key(&request.patient))?;
    let requester = caller.requester(role);
    let open = OpenReview {
        access: tx.clone(),
        at,
        organisation: requester.organisation.clone(),
        reason: request.reason,
    };
    let record = AccessRecord {
        kind: AccessKind::BreakGlass,
        at,
        requester,
        outcome: if known {
            Outcome::Permitted
        } else {
            Outcome::Refused
        },
        permitted: if known {
            vec![Category::EmergencySummary]
        } else {
            Vec::new()
        },
        obligations: Vec::new(),
        basis: Vec::new(),
        expires_at: at.saturating_add(i64::from(request.minutes) * 60),
        epoch: None,
        salt: derived_salt(&secret, "access", &tx),
        tx: tx.clone(),
        request: None,
        emergency: Some(request),
    };
    write_record(ctx, &care, &secret, record)?;
    let key = review_key(&tx);
    care.put(
        ctx,
        &key,
        &StoredReview {
            open,
            salt: derived_salt(&secret, "review", &tx),
        },
    )?;
    care.guard(ctx, &key)?;
    done(ctx, EventKind::Access, Some(&care))
}

/// The committed record of an access; `None` if there is none.
pub(super) fn committed(
    ctx: &ReadContext<'_>,
    care: &Collection,
    tx: &TxId,
) -> Result<Option<AccessRecord>, HealthError> {
    let pointer: Option<Pointer> = care.get(ctx, &pointer_key(tx))?;
    match pointer {
        Some(pointer) => {
            let stored: Option<StoredAccess> = care.get(ctx, &record_key(&pointer.patient, tx))?;
            Ok(stored.map(|s| s.record))
        }
        None => Ok(None),
    }
}

/// Prefix of a patient's access records.
pub(super) fn records_of(patient: &PatientId) -> String {
    format!("acc~{patient}~")
}

/// The keys hold the transaction's id, which no other transaction can have: no absence to check.
fn write_record(
    ctx: &Context<'_>,
    care: &Collection,
    secret: &Salt,
    record: AccessRecord,
) -> Result<(), HealthError> {
    let patient = record
        .patient()
        .ok_or_else(|| HealthError::Ledger("an access without a request".into()))?;
    let tx = record.tx.clone();
    let key = record_key(&patient, &tx);
    care.put_padded(
        ctx,
        &key,
        &StoredAccess {
            record,
            nanos: ctx.timestamp().nanos,
        },
        RECORD_BYTES,
    )?;
    care.guard(ctx, &key)?;
    let key = pointer_key(&tx);
    care.put(
        ctx,
        &key,
        &Pointer {
            patient,
            salt: derived_salt(secret, "pointer", &tx),
        },
    )?;
    care.guard(ctx, &key)
}

fn record_key(patient: &PatientId, tx: &TxId) -> String {
    format!("{}{tx}", records_of(patient))
}

fn pointer_key(tx: &TxId) -> String {
    format!("tx~{tx}")
}

/// A consent id that is not there, different in every transaction.
fn decoy(secret: &Salt, tx: &TxId, slot: usize) -> ConsentId {
    let hash = keyed_hash(
        secret,
        "decoy",
        &[tx.as_str().as_bytes(), &(slot as u64).to_be_bytes()],
    );
    let mut id = [0; 16];
    id.copy_from_slice(&hash.as_bytes()[..16]);
    ConsentId::from_bytes(id)
}
