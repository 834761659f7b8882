//! Accesses and broken glasses: decide, and write what came of it. Whatever is decided, the calls and the sizes are the same.

use super::held::held;
use super::review::review_key;
use crate::caller::Caller;
use crate::identity::patient_key;
use crate::state::{Collection, Established, derived_salt, done, registered, tx_id};
use careledger_api::codes::{Category, Obligation, OverrideReason, Purpose};
use careledger_api::consortium::OrganisationRole;
use careledger_api::contracts::consent::{
    AccessKind, AccessRecord, AccessRequest, BreakGlassRequest, FullBreakGlassRequest, OpenReview, Outcome,
    RELEASE_SECONDS, Requester, SLOTS,
};
use careledger_api::decision::{Verdict, decide};
use careledger_api::event::EventKind;
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{ConsentId, PatientId, Salt, TxId};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

/// Access records have a multiple of this size, in bytes.
const SIZE_CLASS: usize = 512;

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
    let (consortium, requester) = asker(ctx, ORDINARY)?;
    let care = Collection::care(&consortium, custodian)?;
    request.validate()?;
    if requester.role == Role::Payer && !Purpose::Payment.covers(request.purpose) {
        return Err(HealthError::Forbidden(
            "a payer asks for payment: HPAYMT, or one of the purposes below it".into(),
        ));
    }
    let (tx, at) = (tx_id(ctx)?, ctx.timestamp().seconds);
    let secret = care.secret(ctx)?;
    let held = held(
        ctx,
        &consortium,
        &care,
        &request.patient,
        |slot| decoy(&secret, &tx, slot),
        |keys| care.gets(ctx, keys),
    )?;
    let epoch = held.epoch.clone();
    let consents = held.consents();
    let decision = decide(&consents, &requester, &request, &consortium.policy, at);
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
        // What the consortium's policy permits has no end of its own.
        expires_at: match (permitted, decision.ends_at) {
            (true, end) => end.unwrap_or(i64::MAX).min(at.saturating_add(RELEASE_SECONDS)),
            (false, _) => at,
        },
        epoch,
        salt: derived_salt(&secret, "access", &tx),
        tx,
        request: Some(request),
        emergency: None,
        follows: None,
        intent: None,
        offline: None,
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
    let (consortium, requester) = asker(ctx, EMERGENCY)?;
    let care = Collection::care(&consortium, custodian)?;
    request.validate()?;
    let known = care.exists(ctx, &patient_key(&request.patient))?;
    let permitted = if known {
        vec![Category::EmergencySummary]
    } else {
        Vec::new()
    };
    write_glass(ctx, &care, requester, request, permitted, None)
}

/// The second step. Patient and reason are those of the first; an unknown patient stays one.
pub(super) fn break_glass_full(
    ctx: &Context<'_>,
    custodian: &str,
    request: FullBreakGlassRequest,
) -> Result<Receipt, HealthError> {
    let (consortium, requester) = asker(ctx, EMERGENCY)?;
    let care = Collection::care(&consortium, custodian)?;
    request.validate()?;
    let first = committed(ctx, &care, &request.first)?.filter(|first| {
        first.kind == AccessKind::BreakGlass
            && first.requester.organisation == requester.organisation
            && first.requester.person == requester.person
    });
    let first = first.ok_or(HealthError::NotFound)?;
    if ctx.timestamp().seconds >= first.expires_at {
        return Err(HealthError::Expired(
            "the window of the first step is over; break the glass again".into(),
        ));
    }
    let permitted = match first.outcome {
        Outcome::Permitted => Category::ALL.to_vec(),
        _ => Vec::new(),
    };
    let emergency = first.emergency.ok_or(HealthError::NotFound)?;
    let emergency = BreakGlassRequest {
        minutes: request.minutes,
        attest: request.attest,
        kem_key: request.kem_key,
        ..emergency
    };
    write_glass(ctx, &care, requester, emergency, permitted, Some(request.first))
}

/// Writes the record and the review of a step.
fn write_glass(
    ctx: &Context<'_>,
    care: &Collection,
    requester: Requester,
    request: BreakGlassRequest,
    permitted: Vec<Category>,
    follows: Option<TxId>,
) -> Result<Receipt, HealthError> {
    let (tx, at) = (tx_id(ctx)?, ctx.timestamp().seconds);
    let secret = care.secret(ctx)?;
    let reason = request.reason;
    let (kind, outcome) = match (&follows, permitted.is_empty()) {
        (None, false) => (AccessKind::BreakGlass, Outcome::Permitted),
        (None, true) => (AccessKind::BreakGlass, Outcome::Refused),
        (Some(_), false) => (AccessKind::BreakGlassFull, Outcome::Permitted),
        (Some(_), true) => (AccessKind::BreakGlassFull, Outcome::Refused),
    };
    let record = AccessRecord {
        kind,
        at,
        requester,
        outcome,
        permitted,
        obligations: Vec::new(),
        basis: Vec::new(),
        expires_at: at.saturating_add(i64::from(request.minutes) * 60),
        epoch: None,
        salt: derived_salt(&secret, "access", &tx),
        tx: tx.clone(),
        request: None,
        emergency: Some(request),
        follows,
        intent: None,
        offline: None,
    };
    write_reviewed(ctx, care, &secret, record, reason)?;
    done(ctx, EventKind::Access, Some(care))
}

/// Writes the record of a broken glass and opens its review.
pub(super) fn write_reviewed(
    ctx: &Context<'_>,
    care: &Collection,
    secret: &Salt,
    record: AccessRecord,
    reason: OverrideReason,
) -> Result<(), HealthError> {
    let stored = StoredReview {
        open: OpenReview {
            access: record.tx.clone(),
            at: record.at,
            organisation: record.requester.organisation.clone(),
            reason,
            follows: record.follows.clone(),
        },
        salt: derived_salt(secret, "review", &record.tx),
    };
    let key = review_key(&record.tx);
    write_record(ctx, care, secret, record)?;
    care.put(ctx, &key, &stored)?;
    care.guard(ctx, &key)
}

/// Who may ask for an access; payers for payment alone.
const ORDINARY: &[Role] = &[Role::Clinician, Role::Emergency, Role::Researcher, Role::Payer];
/// Who cares for patients or does research on their data, and so checks orders.
pub(super) const PROFESSIONAL: &[Role] = &[Role::Clinician, Role::Emergency, Role::Researcher];
/// Who may break the glass.
pub(super) const EMERGENCY: &[Role] = &[Role::Emergency];

/// The consortium and the caller as the one who asks: what every function checks first by which somebody reaches for a patient's data.
pub(super) fn asker(ctx: &ReadContext<'_>, roles: &[Role]) -> Result<(Established, Requester), HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    let role = caller.require_role(&consortium, roles)?;
    if role == Role::Payer {
        caller.require_in(&consortium, OrganisationRole::Payer, &[role])?;
    }
    if role.needs_credential() {
        caller.require_credential(ctx, ctx.timestamp().seconds)?;
    }
    Ok((consortium, caller.requester(role)))
}

/// The committed record of an access; `None` if there is none.
pub(super) fn committed(
    ctx: &ReadContext<'_>,
    care: &Collection,
    tx: &TxId,
) -> Result<Option<AccessRecord>, HealthError> {
    match pointed(ctx, care, tx)? {
        Some(patient) => {
            let stored: Option<StoredAccess> = care.get(ctx, &record_key(&patient, tx))?;
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
pub(super) fn write_record(
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
    let stored = StoredAccess {
        record,
        nanos: ctx.timestamp().nanos,
    };
    let size = size_class(&stored)?;
    care.put_padded(ctx, &key, &stored, size)?;
    care.guard(ctx, &key)?;
    point(ctx, care, secret, patient, &tx)
}

/// The size to which a record is filled up: what was asked, by whom and when, and room for the longest that can come of it. So it says nothing of
/// what did.
fn size_class(stored: &StoredAccess) -> Result<usize, HealthError> {
    let record = &stored.record;
    let decided = (
        record.outcome,
        &record.permitted,
        &record.obligations,
        &record.basis,
        record.expires_at,
        &record.epoch,
    );
    let asked = record.request.as_ref().map(|request| &request.categories[..]);
    let longest = (
        Outcome::Permitted,
        asked.unwrap_or(Category::ALL),
        Obligation::ALL,
        [ConsentId::from_bytes([0; 16]); SLOTS],
        i64::MIN,
        Some(&record.tx),
    );
    let rest = json_length(stored)?.saturating_sub(json_length(&decided)?);
    Ok((rest + json_length(&longest)?).next_multiple_of(SIZE_CLASS))
}

fn json_length<T: Serialize>(value: &T) -> Result<usize, HealthError> {
    serde_json::to_vec(value)
        .map(|bytes| bytes.len())
        .map_err(|_| HealthError::Ledger("a value could not be written".into()))
}

/// Writes the way from a transaction to its patient.
pub(super) fn point(
    ctx: &Context<'_>,
    care: &Collection,
    secret: &Salt,
    patient: PatientId,
    tx: &TxId,
) -> Result<(), HealthError> {
    let key = pointer_key(tx);
    let salt = derived_salt(secret, "pointer", tx);
    care.put(ctx, &key, &Pointer { patient, salt })?;
    care.guard(ctx, &key)
}

/// Whose access a transaction is; `None` if it is none.
pub(super) fn pointed(
    ctx: &ReadContext<'_>,
    care: &Collection,
    tx: &TxId,
) -> Result<Option<PatientId>, HealthError> {
    let pointer: Option<Pointer> = care.get(ctx, &pointer_key(tx))?;
    Ok(pointer.map(|p| p.patient))
}

pub(super) fn record_key(patient: &PatientId, tx: &TxId) -> String {
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
