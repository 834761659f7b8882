//! Guardians and recoveries. Whatever anybody signed or attested is kept beside the head, under a write-once key that two organisations guard.

use super::account::{self, Loaded, change, close, salt_for, tell};
use super::keys::{write_key, write_revocation};
use super::{guardian_statement, load_for_stranger};
use crate::caller::Caller;
use crate::consent::{is_dead, write_epoch};
use crate::intent::{acted, check_nonce, scope};
use crate::state::{Collection, Established, registered, tx_id};
use careledger_api::consortium::Consortium;
use careledger_api::contracts::identity::{
    AccountStep, GuardianAct, GuardianApproval, IdentityAct, PolicyChoice, RecoveryApproval,
    RecoveryAttestation, RecoveryOpening, RecoveryStep,
};
use careledger_api::ids::{KeyId, Nonce, PatientId, PersonId, RecoveryId, Salt, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::keys::PublicKey;
use careledger_api::recovery::{Act, Approver, RecoveryPolicy};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};
use std::fmt::Display;

/// The value of `rec~P~R`: the key that asks for the recovery.
#[derive(Serialize, Deserialize)]
struct StoredCandidate {
    key: PublicKey,
    tx: TxId,
    salt: Salt,
}

/// The value of `recap~P~R~A`, whose A is the guardian's commitment or the officer.
#[derive(Serialize, Deserialize)]
struct StoredApproval<T> {
    approved: T,
    intent: Option<SignedIntent>,
    tx: TxId,
    salt: Salt,
}

/// The value of `polset~P~T`: a choice with the patient's signature.
#[derive(Serialize, Deserialize)]
struct StoredChoice {
    policy: RecoveryPolicy,
    intent: SignedIntent,
    salt: Salt,
}

pub(super) fn choose_guardians(
    ctx: &Context<'_>,
    custodian: &str,
    choice: PolicyChoice,
    intent: SignedIntent,
) -> Result<Receipt, HealthError> {
    let PolicyChoice {
        patient,
        policy,
        salt,
    } = choice;
    let (care, mut loaded) = account::open(ctx, custodian, &patient, &intent, &salt)?;
    let by = intent.intent.key;
    loaded.apply(
        ctx,
        &Act::Choose {
            by,
            policy: policy.clone(),
        },
    )?;
    let key = format!("polset~{patient}~{}", tx_id(ctx)?);
    let stored = StoredChoice {
        policy,
        intent,
        salt: salt_for(ctx, &salt, "choice")?,
    };
    care.put(ctx, &key, &stored)?;
    care.guard(ctx, &key)?;
    close(ctx, &care, loaded, IdentityAct::PolicyChosen, &salt)
}

pub(super) fn cancel_choice(
    ctx: &Context<'_>,
    custodian: &str,
    step: &AccountStep,
    intent: &SignedIntent,
) -> Result<Receipt, HealthError> {
    let by = intent.intent.key;
    let act = (Act::Cancel { by }, IdentityAct::PolicyCancelled);
    change(ctx, custodian, step, intent, act)
}

pub(super) fn begin_delay(
    ctx: &Context<'_>,
    custodian: &str,
    step: &AccountStep,
) -> Result<Receipt, HealthError> {
    let AccountStep { patient, salt } = step;
    let (_, care) = carried(ctx, custodian, salt)?;
    let mut loaded = load_for_stranger(ctx, &care, patient)?;
    loaded.apply(ctx, &Act::Begin)?;
    close(ctx, &care, loaded, IdentityAct::DelayBegun, salt)
}

pub(super) fn init_recovery(
    ctx: &Context<'_>,
    custodian: &str,
    opening: RecoveryOpening,
    intent: SignedIntent,
) -> Result<Receipt, HealthError> {
    let RecoveryOpening {
        patient,
        recovery,
        key,
        approval,
        salt,
    } = opening;
    let (consortium, care) = carried(ctx, custodian, &salt)?;
    signed_by_new_key(ctx, &consortium, custodian, (&patient, &recovery, &key), &intent)?;
    let by = approver(
        ctx,
        &consortium,
        custodian,
        (&patient, &recovery, &key.id()),
        &approval,
    )?;
    let place = approval.commitment()?;
    let mut loaded = load_for_stranger(ctx, &care, &patient)?;
    loaded.apply(
        ctx,
        &Act::Open {
            id: recovery,
            key: key.id(),
            by,
        },
    )?;
    write_candidate(ctx, &care, (&patient, &recovery), key, &salt)?;
    write_approval(
        ctx,
        &care,
        (&patient, &recovery, &place),
        (approval, Some(intent)),
        &salt,
    )?;
    close(ctx, &care, loaded, IdentityAct::RecoveryOpened, &salt)
}

pub(super) fn approve_recovery(
    ctx: &Context<'_>,
    custodian: &str,
    given: RecoveryApproval,
) -> Result<Receipt, HealthError> {
    let RecoveryApproval {
        patient,
        recovery,
        key,
        approval,
        salt,
    } = given;
    let (consortium, care) = carried(ctx, custodian, &salt)?;
    let by = approver(
        ctx,
        &consortium,
        custodian,
        (&patient, &recovery, &key),
        &approval,
    )?;
    let place = approval.commitment()?;
    let mut loaded = load_for_stranger(ctx, &care, &patient)?;
    loaded.apply(
        ctx,
        &Act::Approve {
            id: recovery,
            key,
            by,
        },
    )?;
    write_approval(ctx, &care, (&patient, &recovery, &place), (approval, None), &salt)?;
    close(ctx, &care, loaded, IdentityAct::RecoveryApproved, &salt)
}

pub(super) fn attest_recovery(
    ctx: &Context<'_>,
    custodian: &str,
    attestation: RecoveryAttestation,
    intent: SignedIntent,
) -> Result<Receipt, HealthError> {
    let RecoveryAttestation {
        patient,
        recovery,
        key,
        proof,
        salt,
    } = attestation;
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    caller.require_role(&consortium, &[Role::RecoveryOfficer])?;
    let care = Collection::care(&consortium, custodian)?;
    if !care.has_member(&caller.organisation) {
        return Err(HealthError::Forbidden(
            "only officers of the custodian or a regulator attest who its patients are".into(),
        ));
    }
    salt.require_drawn()?;
    signed_by_new_key(ctx, &consortium, custodian, (&patient, &recovery, &key), &intent)?;
    let person: PersonId = caller.person().parse()?;
    let by = Approver::Officer {
        organisation: caller.organisation,
        person,
    };
    if is_dead(ctx, &care, &patient)? {
        return Err(HealthError::ConflictState(
            "the patient's death is registered; an executor acts under an authority of two officers".into(),
        ));
    }
    let mut loaded = Loaded::load(ctx, &care, &patient)?;
    let id = recovery;
    let act = match &loaded.account.recovery {
        Some(open) if open.id == id => Act::Approve {
            id,
            key: key.id(),
            by,
        },
        _ => Act::Open {
            id,
            key: key.id(),
            by,
        },
    };
    loaded.apply(ctx, &act)?;
    if matches!(act, Act::Open { .. }) {
        write_candidate(ctx, &care, (&patient, &recovery), key, &salt)?;
    }
    write_approval(
        ctx,
        &care,
        (&patient, &recovery, &person),
        (proof, Some(intent)),
        &salt,
    )?;
    close(ctx, &care, loaded, IdentityAct::RecoveryAttested, &salt)
}

pub(super) fn veto_recovery(
    ctx: &Context<'_>,
    custodian: &str,
    step: &RecoveryStep,
    intent: &SignedIntent,
) -> Result<Receipt, HealthError> {
    let RecoveryStep {
        patient,
        recovery,
        salt,
    } = step;
    let care = acted(ctx, custodian, patient, intent, salt)?;
    let mut loaded = Loaded::load(ctx, &care, patient)?;
    let by = intent.intent.key;
    loaded.apply(ctx, &Act::Veto { by, id: *recovery })?;
    loaded.mark_vetoed(ctx, &care, (recovery, by), salt)?;
    tell(ctx, &care, patient, IdentityAct::RecoveryVetoed, salt)
}

pub(super) fn execute_recovery(
    ctx: &Context<'_>,
    custodian: &str,
    step: &RecoveryStep,
    intent: &SignedIntent,
) -> Result<Receipt, HealthError> {
    let RecoveryStep {
        patient,
        recovery,
        salt,
    } = step;
    let (consortium, care) = carried(ctx, custodian, salt)?;
    let candidate: Option<StoredCandidate> = care.get(ctx, &candidate_key(patient, recovery))?;
    let key = candidate.ok_or(HealthError::NotFound)?.key;
    signed_by_new_key(ctx, &consortium, custodian, (patient, recovery, &key), intent)?;
    let mut loaded = load_for_stranger(ctx, &care, patient)?;
    let old = loaded.account.live.clone();
    loaded.apply(ctx, &Act::Execute { id: *recovery })?;
    if !loaded.account.live.contains(&key.id()) {
        return Err(HealthError::Ledger(
            "the recovery's key is not the one that asked for it".into(),
        ));
    }
    for gone in &old {
        write_revocation(ctx, &care, patient, gone, salt)?;
    }
    write_key(ctx, &care, patient, key, salt)?;
    write_epoch(ctx, &care, patient, salt)?;
    close(ctx, &care, loaded, IdentityAct::RecoveryExecuted, salt)
}

/// The consortium and the custodian's collection, for what any member's client may carry.
pub(super) fn carried(
    ctx: &ReadContext<'_>,
    custodian: &str,
    salt: &Salt,
) -> Result<(Established, Collection), HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require_member(&consortium)?;
    let care = Collection::care(&consortium, custodian)?;
    salt.require_drawn()?;
    Ok((consortium, care))
}

/// The new key signed the act itself: who opens or executes a recovery holds it.
fn signed_by_new_key(
    ctx: &ReadContext<'_>,
    consortium: &Consortium,
    custodian: &str,
    (patient, recovery, key): (&PatientId, &RecoveryId, &PublicKey),
    intent: &SignedIntent,
) -> Result<(), HealthError> {
    if intent.intent.patient != *patient {
        return Err(HealthError::BadIntent("it was signed for another patient".into()));
    }
    check_nonce(intent, Nonce::from_bytes(*recovery.as_bytes()))?;
    intent.verify(
        &scope(ctx, consortium),
        &(custodian,),
        ctx.transient(),
        key,
        ctx.timestamp().seconds,
    )
}

/// The guardian who signed for this key in this recovery.
fn approver(
    ctx: &ReadContext<'_>,
    consortium: &Consortium,
    custodian: &str,
    (patient, recovery, key): (&PatientId, &RecoveryId, &KeyId),
    approval: &GuardianApproval,
) -> Result<Approver, HealthError> {
    let to = GuardianAct::Recover {
        recovery: *recovery,
        key: *key,
    };
    approval.verify(&guardian_statement(ctx, consortium, custodian, *patient, to))?;
    Ok(Approver::Guardian {
        commitment: approval.commitment()?,
        key: approval.guardian.id(),
    })
}

fn write_candidate(
    ctx: &Context<'_>,
    care: &Collection,
    (patient, recovery): (&PatientId, &RecoveryId),
    key: PublicKey,
    salt: &Salt,
) -> Result<(), HealthError> {
    let candidate = StoredCandidate {
        key,
        tx: tx_id(ctx)?,
        salt: salt_for(ctx, salt, "candidate")?,
    };
    if care.write_once(ctx, &candidate_key(patient, recovery), &candidate)? {
        Ok(())
    } else {
        Err(HealthError::Replayed(
            "a recovery of this id was opened before; draw another".into(),
        ))
    }
}

fn write_approval<T: Serialize>(
    ctx: &Context<'_>,
    care: &Collection,
    (patient, recovery, by): (&PatientId, &RecoveryId, &impl Display),
    (approved, intent): (T, Option<SignedIntent>),
    salt: &Salt,
) -> Result<(), HealthError> {
    let stored = StoredApproval {
        approved,
        intent,
        tx: tx_id(ctx)?,
        salt: salt_for(ctx, salt, "approval")?,
    };
    let key = format!("recap~{patient}~{recovery}~{by}");
    if care.write_once(ctx, &key, &stored)? {
        Ok(())
    } else {
        Err(HealthError::Duplicate("this approval was given before".into()))
    }
}

fn candidate_key(patient: &PatientId, recovery: &RecoveryId) -> String {
    format!("rec~{patient}~{recovery}")
}
