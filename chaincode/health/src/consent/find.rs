//! Finding a patient in an emergency: codes that patients register, searches, and what the vault writes before it answers one.

use super::access::{EMERGENCY, asker, point};
use super::questions::own;
use crate::caller::Caller;
use crate::intent::{acted, check_nonce};
use crate::state::{Collection, derived_salt, done, registered, tx_id};
use careledger_api::contracts::consent::{
    CodeQuery, CodeRegistration, CodeRemoval, FIND_WINDOW_SECONDS, FINDS_PER_ORGANISATION, FINDS_PER_PERSON,
    FindAnswer, FindRecord, FindRequest, FindView, FoundEntry, RELEASE_SECONDS,
};
use careledger_api::event::EventKind;
use careledger_api::ids::{FindCode, Hash, PatientId, Salt, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

/// Every search has this size: the longest a valid request gives, with room.
const FIND_BYTES: usize = 2_048;
/// Prefix of searches.
const FINDS: &str = "find~";

/// The value of `code~H`.
#[derive(Serialize, Deserialize)]
struct StoredCode {
    patient: PatientId,
    tx: TxId,
    salt: Salt,
}

/// The value of `coderev~H` and `findans~T`.
#[derive(Serialize, Deserialize)]
struct Mark {
    tx: TxId,
    salt: Salt,
}

/// The value of `found~P~T`.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredFound {
    pub(super) tx: TxId,
    pub(super) at: i64,
    pub(super) nanos: i32,
    pub(super) entry: FoundEntry,
    salt: Salt,
}

/// Prefix of the searches that found a patient.
pub(super) fn found_of(patient: &PatientId) -> String {
    format!("found~{patient}~")
}

pub(super) fn found_key(patient: &PatientId, tx: &TxId) -> String {
    format!("{}{tx}", found_of(patient))
}

fn code_key(code: &Hash) -> String {
    format!("code~{code}")
}

fn code_removal_key(code: &Hash) -> String {
    format!("coderev~{code}")
}

fn find_key(tx: &TxId) -> String {
    format!("{FINDS}{tx}")
}

fn answer_key(tx: &TxId) -> String {
    format!("findans~{tx}")
}

pub(super) fn register_code(
    ctx: &Context<'_>,
    custodian: &str,
    registration: CodeRegistration,
    intent: SignedIntent,
) -> Result<Receipt, HealthError> {
    let CodeRegistration { patient, code, salt } = registration;
    let care = acted(ctx, custodian, &patient, &intent, &salt)?;
    check_nonce(&intent, FindCode::nonce_of(&code))?;
    let stored = StoredCode {
        patient,
        tx: tx_id(ctx)?,
        salt,
    };
    if !care.write_once(ctx, &code_key(&code), &stored)? {
        return Err(HealthError::Duplicate(
            "this code was registered before; draw another".into(),
        ));
    }
    done(ctx, EventKind::Consent, Some(&care))
}

pub(super) fn revoke_code(
    ctx: &Context<'_>,
    custodian: &str,
    removal: CodeRemoval,
    intent: SignedIntent,
) -> Result<Receipt, HealthError> {
    let care = acted(ctx, custodian, &removal.patient, &intent, &removal.salt)?;
    let stored: Option<StoredCode> = care.get(ctx, &code_key(&removal.code))?;
    if stored.is_none_or(|s| s.patient != removal.patient) {
        return Err(HealthError::NotFound);
    }
    let mark = Mark {
        tx: tx_id(ctx)?,
        salt: removal.salt,
    };
    if !care.write_once(ctx, &code_removal_key(&removal.code), &mark)? {
        return Err(HealthError::Duplicate("this code was taken back before".into()));
    }
    done(ctx, EventKind::Consent, Some(&care))
}

/// Reads nothing of anybody: what is searched for is not on the ledger.
pub(super) fn find(ctx: &Context<'_>, custodian: &str, request: FindRequest) -> Result<Receipt, HealthError> {
    let (consortium, requester) = asker(ctx, EMERGENCY)?;
    let care = Collection::care(&consortium, custodian)?;
    request.validate()?;
    let tx = tx_id(ctx)?;
    let secret = care.secret(ctx)?;
    let key = find_key(&tx);
    let record = FindRecord {
        at: ctx.timestamp().seconds,
        requester,
        request,
        salt: derived_salt(&secret, "find", &tx),
        tx,
    };
    care.put_padded(ctx, &key, &record, FIND_BYTES)?;
    care.guard(ctx, &key)?;
    done(ctx, EventKind::Access, Some(&care))
}

pub(super) fn log_find(
    ctx: &Context<'_>,
    custodian: &str,
    answer: FindAnswer,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, &[Role::Vault])?;
    let care = Collection::care(&consortium, custodian)?;
    answer.salt.require_drawn()?;
    let FindAnswer { find, patient, salt } = answer;
    let searched: FindRecord = care.get(ctx, &find_key(&find))?.ok_or(HealthError::NotFound)?;
    let tx = tx_id(ctx)?;
    let mark = Mark {
        tx: tx.clone(),
        salt: derived_salt(&salt, "answer", &tx),
    };
    if !care.write_once(ctx, &answer_key(&find), &mark)? {
        return Err(HealthError::Replayed("this search was answered before".into()));
    }
    point(ctx, &care, &care.secret(ctx)?, patient, &tx)?;
    let key = found_key(&patient, &tx);
    let stored = StoredFound {
        tx,
        at: ctx.timestamp().seconds,
        nanos: ctx.timestamp().nanos,
        entry: FoundEntry {
            find,
            organisation: searched.requester.organisation,
            role: searched.requester.role,
            reason: searched.request.reason,
        },
        salt,
    };
    care.put_padded(ctx, &key, &stored, FIND_BYTES)?;
    care.guard(ctx, &key)?;
    done(ctx, EventKind::Access, Some(&care))
}

pub(super) fn find_record(
    ctx: &ReadContext<'_>,
    custodian: &str,
    tx: &TxId,
    now: i64,
) -> Result<FindView, HealthError> {
    let care = own(ctx, custodian, &[Role::Vault, Role::Custodian])?;
    let record: FindRecord = care.get(ctx, &find_key(tx))?.ok_or(HealthError::NotFound)?;
    let (mut by_person, mut by_organisation) = (0u32, 0u32);
    // Its own time counts, not the vault's: of searches that were all within the limits when they came, none falls out later.
    let window = record.at.saturating_sub(FIND_WINDOW_SECONDS)..=record.at;
    for other in care.list::<FindRecord>(ctx, FINDS)? {
        if window.contains(&other.at) && (other.at, &other.tx) <= (record.at, &record.tx) {
            by_person += u32::from(other.requester.person == record.requester.person);
            by_organisation += u32::from(other.requester.organisation == record.requester.organisation);
        }
    }
    let age = now.checked_sub(record.at);
    Ok(FindView {
        fresh: age.is_some_and(|age| (-RELEASE_SECONDS..=RELEASE_SECONDS).contains(&age)),
        within_limits: by_person <= FINDS_PER_PERSON && by_organisation <= FINDS_PER_ORGANISATION,
        answered: care.exists(ctx, &answer_key(tx))?,
        record,
    })
}

pub(super) fn code_holder(
    ctx: &ReadContext<'_>,
    custodian: &str,
    query: &CodeQuery,
) -> Result<Option<PatientId>, HealthError> {
    let care = own(ctx, custodian, &[Role::Vault])?;
    let stored: Option<StoredCode> = care.get(ctx, &code_key(&query.code))?;
    let revoked = care.exists(ctx, &code_removal_key(&query.code))?;
    Ok(stored.filter(|_| !revoked).map(|s| s.patient))
}
