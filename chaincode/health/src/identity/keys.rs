//! Enrolment, device keys, freezing.

use super::account::{self, Loaded, change, close, salt_for, tell};
use super::recovery::carried;
use super::{guardian_statement, patient_key};
use crate::caller::Caller;
use crate::consent::{open_patient, write_epoch};
use crate::intent::{StoredKey, acted, check_nonce, key_key, key_revocation_key, scope};
use crate::state::{Collection, registered, tx_id};
use careledger_api::contracts::identity::{
    AccountFreeze, AccountStep, Enrolment, GuardianAct, IdentityAct, KeyAddition, KeyRemoval, KeyRotation,
    Unfreezing,
};
use careledger_api::ids::{KeyId, PatientId, Salt, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::keys::PublicKey;
use careledger_api::recovery::{Act, MAX_GUARDIANS, Signers};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::Context;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The value of `pat~P`.
#[derive(Serialize, Deserialize)]
struct StoredPatient {
    enrolled: TxId,
    salt: Salt,
}

/// The value of `keyrev~P~K`.
#[derive(Serialize, Deserialize)]
struct Revoked {
    tx: TxId,
    salt: Salt,
}

pub(super) fn enrol(
    ctx: &Context<'_>,
    custodian: &str,
    enrolment: Enrolment,
    intent: &SignedIntent,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, &[Role::Registrar, Role::Custodian])?;
    let care = Collection::care(&consortium, custodian)?;
    enrolment.salt.require_drawn()?;
    let Enrolment { key, random, salt } = enrolment;
    let patient = PatientId::derive(&key, &random);
    if intent.intent.patient != patient {
        return Err(HealthError::BadIntent("it was signed for another patient".into()));
    }
    check_nonce(intent, SignedIntent::nonce_of(patient.as_bytes()))?;
    intent.verify(
        &scope(ctx, &consortium),
        &(custodian,),
        ctx.transient(),
        &key,
        ctx.timestamp().seconds,
    )?;

    let enrolled = StoredPatient {
        enrolled: tx_id(ctx)?,
        salt,
    };
    if !care.write_once(ctx, &patient_key(&patient), &enrolled)? {
        return Err(HealthError::Duplicate("this id is enrolled".into()));
    }
    account::create(ctx, &care, &patient, (&key, &random), &salt)?;
    write_key(ctx, &care, &patient, key, &salt)?;
    open_patient(ctx, &care, &patient, &salt)?;
    tell(ctx, &care, &patient, IdentityAct::Enrolled, &salt)
}

pub(super) fn add_key(
    ctx: &Context<'_>,
    custodian: &str,
    addition: KeyAddition,
    intent: &SignedIntent,
) -> Result<Receipt, HealthError> {
    let KeyAddition { patient, key, salt } = addition;
    let act = Act::AddKey {
        by: intent.intent.key,
        key: key.id(),
    };
    let (care, loaded) = with_new_key(ctx, custodian, &patient, (key, &act), intent, &salt)?;
    close(ctx, &care, loaded, IdentityAct::KeyAdded, &salt)
}

pub(super) fn rotate_key(
    ctx: &Context<'_>,
    custodian: &str,
    rotation: KeyRotation,
    intent: &SignedIntent,
) -> Result<Receipt, HealthError> {
    let KeyRotation { patient, key, salt } = rotation;
    let by = intent.intent.key;
    let act = Act::RotateKey { by, key: key.id() };
    let (care, loaded) = with_new_key(ctx, custodian, &patient, (key, &act), intent, &salt)?;
    write_revocation(ctx, &care, &patient, &by, &salt)?;
    write_epoch(ctx, &care, &patient, &salt)?;
    close(ctx, &care, loaded, IdentityAct::KeyRotated, &salt)
}

/// The account after an act that brings a new key, which is written. The intent's nonce is the new key's.
fn with_new_key(
    ctx: &Context<'_>,
    custodian: &str,
    patient: &PatientId,
    (key, act): (PublicKey, &Act),
    intent: &SignedIntent,
    salt: &Salt,
) -> Result<(Collection, Loaded), HealthError> {
    let care = acted(ctx, custodian, patient, intent, salt)?;
    check_nonce(intent, SignedIntent::nonce_of(key.id().as_bytes()))?;
    let mut loaded = Loaded::load(ctx, &care, patient)?;
    loaded.apply(ctx, act)?;
    write_key(ctx, &care, patient, key, salt)?;
    Ok((care, loaded))
}

/// Reads no head, so that nothing that goes on with the account stops it.
pub(super) fn revoke_key(
    ctx: &Context<'_>,
    custodian: &str,
    removal: &KeyRemoval,
    intent: &SignedIntent,
) -> Result<Receipt, HealthError> {
    let KeyRemoval { patient, key, salt } = removal;
    let care = acted(ctx, custodian, patient, intent, salt)?;
    write_revocation(ctx, &care, patient, key, salt)?;
    // Also when the key was revoked before: the transaction must write something.
    write_epoch(ctx, &care, patient, salt)?;
    tell(ctx, &care, patient, IdentityAct::KeyRevoked, salt)
}

pub(super) fn freeze(
    ctx: &Context<'_>,
    custodian: &str,
    freeze: &AccountFreeze,
    intent: &SignedIntent,
) -> Result<Receipt, HealthError> {
    let AccountFreeze { patient, lost, salt } = freeze;
    let (care, mut loaded) = account::open(ctx, custodian, patient, intent, salt)?;
    let by = intent.intent.key;
    loaded.apply(ctx, &Act::Freeze { by })?;
    loaded.mark_frozen(ctx, &care, by, salt)?;
    if let Some(lost) = lost {
        write_revocation(ctx, &care, patient, lost, salt)?;
        write_epoch(ctx, &care, patient, salt)?;
    }
    tell(ctx, &care, patient, IdentityAct::Frozen, salt)
}

pub(super) fn unfreeze(
    ctx: &Context<'_>,
    custodian: &str,
    step: &AccountStep,
    intent: &SignedIntent,
) -> Result<Receipt, HealthError> {
    let by = Signers::Key(intent.intent.key);
    let act = (Act::Unfreeze { by }, IdentityAct::Unfrozen);
    change(ctx, custodian, step, intent, act)
}

pub(super) fn unfreeze_by_guardians(
    ctx: &Context<'_>,
    custodian: &str,
    unfreezing: &Unfreezing,
) -> Result<Receipt, HealthError> {
    let Unfreezing {
        patient,
        approvals,
        salt,
    } = unfreezing;
    let (consortium, care) = carried(ctx, custodian, salt)?;
    if approvals.len() > MAX_GUARDIANS {
        return Err(HealthError::Limit("a patient has at most 8 guardians".into()));
    }
    let mut loaded = super::load_for_stranger(ctx, &care, patient)?;
    let freeze = loaded.account.freezes_ended;
    let statement = guardian_statement(
        ctx,
        &consortium,
        custodian,
        *patient,
        GuardianAct::Unfreeze { freeze },
    );
    let mut signers = BTreeMap::new();
    for approval in approvals {
        approval.verify(&statement)?;
        signers.insert(approval.commitment()?, approval.guardian.id());
    }
    let by = Signers::Guardians(signers);
    loaded.apply(ctx, &Act::Unfreeze { by })?;
    close(ctx, &care, loaded, IdentityAct::Unfrozen, salt)
}

/// Writes a device key; `DUPLICATE` if it was written or taken away before.
pub(super) fn write_key(
    ctx: &Context<'_>,
    care: &Collection,
    patient: &PatientId,
    key: PublicKey,
    salt: &Salt,
) -> Result<(), HealthError> {
    let place = key_key(patient, &key.id());
    let gone = care.exists(ctx, &key_revocation_key(patient, &key.id()))?;
    let stored = StoredKey {
        key,
        added: tx_id(ctx)?,
        salt: salt_for(ctx, salt, "key")?,
    };
    if gone || !care.write_once(ctx, &place, &stored)? {
        return Err(HealthError::Duplicate("the patient has or had this key".into()));
    }
    Ok(())
}

/// Takes a key away. Gone already is success.
pub(super) fn write_revocation(
    ctx: &Context<'_>,
    care: &Collection,
    patient: &PatientId,
    key: &KeyId,
    salt: &Salt,
) -> Result<(), HealthError> {
    let mark = Revoked {
        tx: tx_id(ctx)?,
        salt: salt_for(ctx, salt, &format!("revocation/{key}"))?,
    };
    care.write_once(ctx, &key_revocation_key(patient, key), &mark)
        .map(drop)
}
