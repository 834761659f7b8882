//! The identity contract.

use crate::caller::Caller;
use crate::consent::{StoredConsent, consent_key, write_epoch, write_slots};
use crate::intent::{StoredKey, check_act, check_nonce, key_key, key_revocation_key, scope};
use crate::state::{Collection, done, registered, tx_id};
use careledger_api::contracts::consent::CONSENT_SLOTS;
use careledger_api::contracts::identity::{
    DeviceKeyView, Enrolment, Identity, KeyAddition, KeyRemoval, PatientQuery, SpentNonce,
};
use careledger_api::event::EventKind;
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{ConsentId, Nonce, PatientId, Salt, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

/// Seconds after an intent's end before its nonce may go: twice what peers let a proposal's time differ.
const PRUNE_AFTER: i64 = 600;
/// Most nonces of one pruning.
const MAX_PRUNED: usize = 64;

pub(crate) struct IdentityRules;

/// The value of `pat~P`.
#[derive(Serialize, Deserialize)]
struct StoredPatient {
    enrolled: TxId,
    salt: Salt,
}

/// The value of `keyrev~P~K` and other marks.
#[derive(Serialize, Deserialize)]
struct Mark {
    tx: TxId,
    salt: Salt,
}

/// The value of `nonce~P~N`.
#[derive(Serialize, Deserialize)]
struct StoredNonce {
    until: i64,
    salt: Salt,
}

pub(crate) fn patient_key(patient: &PatientId) -> String {
    format!("pat~{patient}")
}

impl Identity for IdentityRules {
    fn enrol(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        enrolment: Enrolment,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        let consortium = registered(ctx)?.consortium;
        Caller::of(ctx)?.require(&custodian, &[Role::Registrar, Role::Custodian])?;
        let care = Collection::care(&consortium, &custodian)?;
        enrolment.salt.require_drawn()?;
        let Enrolment { key, random, salt } = enrolment;
        let patient = PatientId::derive(&key, &random);
        if intent.intent.patient != patient {
            return Err(HealthError::BadIntent("it was signed for another patient".into()));
        }
        check_nonce(&intent, SignedIntent::nonce_of(patient.as_bytes()))?;
        let at = ctx.timestamp().seconds;
        intent.verify(
            &scope(ctx, &consortium),
            &(&custodian,),
            ctx.transient(),
            &key,
            at,
        )?;

        let tx = tx_id(ctx)?;
        if !care.write_once(
            ctx,
            &patient_key(&patient),
            &StoredPatient {
                enrolled: tx.clone(),
                salt,
            },
        )? {
            return Err(HealthError::Duplicate("this id is enrolled".into()));
        }
        let stored = StoredKey { added: tx, salt, key };
        care.put(ctx, &key_key(&patient, &stored.key.id()), &stored)?;
        care.guard(ctx, &key_key(&patient, &stored.key.id()))?;
        // The slots are filled with blanks from the start: an access reads as many consents whether there are any or not.
        let blanks: Vec<ConsentId> = (0..CONSENT_SLOTS).map(|slot| blank(&salt, slot)).collect();
        for id in &blanks {
            care.put(ctx, &consent_key(&patient, id), &StoredConsent::blank(&salt, id))?;
        }
        write_slots(ctx, &care, &patient, blanks, &salt)?;
        write_epoch(ctx, &care, &patient, &salt)?;
        done(ctx, EventKind::Identity, Some(&care))
    }

    fn add_key(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        addition: KeyAddition,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        let consortium = registered(ctx)?.consortium;
        Caller::of(ctx)?.require_member(&consortium)?;
        let care = Collection::care(&consortium, &custodian)?;
        addition.salt.require_drawn()?;
        let KeyAddition { patient, key, salt } = addition;
        check_act(ctx, &consortium, &care, &custodian, &patient, &intent)?;
        check_nonce(&intent, SignedIntent::nonce_of(key.id().as_bytes()))?;
        let at = key_key(&patient, &key.id());
        if !care.write_once(
            ctx,
            &at,
            &StoredKey {
                key,
                added: tx_id(ctx)?,
                salt,
            },
        )? {
            return Err(HealthError::Duplicate("the patient has this key".into()));
        }
        done(ctx, EventKind::Identity, Some(&care))
    }

    fn revoke_key(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        removal: KeyRemoval,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        let consortium = registered(ctx)?.consortium;
        Caller::of(ctx)?.require_member(&consortium)?;
        let care = Collection::care(&consortium, &custodian)?;
        removal.salt.require_drawn()?;
        check_act(ctx, &consortium, &care, &custodian, &removal.patient, &intent)?;
        let mark = Mark {
            tx: tx_id(ctx)?,
            salt: removal.salt,
        };
        care.write_once(ctx, &key_revocation_key(&removal.patient, &removal.key), &mark)?;
        // Also when the key was revoked before: the transaction must write something.
        write_epoch(ctx, &care, &removal.patient, &removal.salt)?;
        done(ctx, EventKind::Identity, Some(&care))
    }

    fn prune_nonces(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        nonces: Vec<SpentNonce>,
    ) -> Result<Receipt, HealthError> {
        let consortium = registered(ctx)?.consortium;
        Caller::of(ctx)?.require(&custodian, &[Role::Custodian])?;
        let care = Collection::care(&consortium, &custodian)?;
        if !(1..=MAX_PRUNED).contains(&nonces.len()) {
            return Err(HealthError::Limit("1 to 64 nonces are pruned at a time".into()));
        }
        for SpentNonce { patient, nonce } in &nonces {
            let key = nonce_key(patient, nonce);
            let stored: StoredNonce = care.get(ctx, &key)?.ok_or(HealthError::NotFound)?;
            if stored.until.saturating_add(PRUNE_AFTER) > ctx.timestamp().seconds {
                return Err(HealthError::ConflictState(
                    "an intent that ended less than ten minutes ago".into(),
                ));
            }
            ctx.private_del(&care.name, &key)?;
        }
        done(ctx, EventKind::Identity, Some(&care))
    }

    fn keys(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: PatientQuery,
    ) -> Result<Vec<DeviceKeyView>, HealthError> {
        let consortium = registered(ctx)?.consortium;
        Caller::of(ctx)?.require(&custodian, &[Role::Registrar, Role::Custodian])?;
        let care = Collection::care(&consortium, &custodian)?;
        let stored: Vec<StoredKey> = care.list(ctx, &format!("key~{}~", query.patient))?;
        let view = |stored: StoredKey| {
            let id = stored.key.id();
            let revoked = care.exists(ctx, &key_revocation_key(&query.patient, &id))?;
            Ok(DeviceKeyView {
                id,
                key: stored.key,
                added: stored.added,
                revoked,
            })
        };
        stored.into_iter().map(view).collect()
    }
}

/// Marks an intent's nonce as used; `REPLAYED` if it was.
pub(crate) fn spend_nonce(
    ctx: &Context<'_>,
    care: &Collection,
    intent: &SignedIntent,
    salt: &Salt,
) -> Result<(), HealthError> {
    let intent = &intent.intent;
    let stored = StoredNonce {
        until: intent.period.until,
        salt: *salt,
    };
    if care.write_once(ctx, &nonce_key(&intent.patient, &intent.nonce), &stored)? {
        Ok(())
    } else {
        Err(HealthError::Replayed("sign a new intent with a new nonce".into()))
    }
}

fn nonce_key(patient: &PatientId, nonce: &Nonce) -> String {
    format!("nonce~{patient}~{nonce}")
}

/// The id of a blank consent, which only the collection's members can compute.
fn blank(salt: &Salt, slot: usize) -> ConsentId {
    let hash = keyed_hash(salt, "blank", &[&(slot as u64).to_be_bytes()]);
    let mut id = [0; 16];
    id.copy_from_slice(&hash.as_bytes()[..16]);
    ConsentId::from_bytes(id)
}
