//! Grants and revocations.

use super::{
    Granted, Revoked, Slots, StoredConsent, consent_key, revocation_key, slots_key, write_epoch, write_slots,
};
use crate::caller::Caller;
use crate::intent::{check_act, check_nonce};
use crate::state::{Collection, done, registered, tx_id};
use careledger_api::contracts::consent::{Consent, Revocation};
use careledger_api::event::EventKind;
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::Salt;
use careledger_api::intent::SignedIntent;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::Context;

pub(super) fn grant(
    ctx: &Context<'_>,
    custodian: &str,
    consent: Consent,
    intent: SignedIntent,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require_member(&consortium)?;
    let care = Collection::care(&consortium, custodian)?;
    consent.validate()?;
    let patient = consent.patient;
    check_act(ctx, &consortium, &care, custodian, &patient, &intent)?;
    check_nonce(&intent, consent.id.nonce())?;
    let now = ctx.timestamp().seconds;
    if consent.period.until <= now {
        return Err(HealthError::Expired("the consent's period is over".into()));
    }
    let (id, salt) = (consent.id, consent.salt);
    let slots: Option<Slots> = care.get(ctx, &slots_key(&patient))?;
    let mut slots = slots.ok_or(HealthError::NotFound)?.slots;
    let stored = StoredConsent {
        granted: Some(Granted {
            consent,
            intent,
            tx: tx_id(ctx)?,
        }),
        salt,
    };
    if !care.write_once(ctx, &consent_key(&patient, &id), &stored)? {
        return Err(HealthError::Replayed(
            "a consent of this id was granted before".into(),
        ));
    }
    let mut free = None;
    for (place, slot) in slots.iter().enumerate() {
        let used: Option<StoredConsent> = care.get(ctx, &consent_key(&patient, slot))?;
        let over = used
            .and_then(|s| s.granted)
            .is_none_or(|g| g.consent.period.until <= now);
        if over || care.exists(ctx, &revocation_key(&patient, slot))? {
            free = Some(place);
            break;
        }
    }
    match free.and_then(|place| slots.get_mut(place)) {
        Some(slot) => *slot = id,
        None => {
            return Err(HealthError::Limit(
                "the patient has eight active consents here; revoke one first".into(),
            ));
        }
    }
    write_slots(ctx, &care, &patient, slots, &salt)?;
    write_epoch(ctx, &care, &patient, &salt)?;
    done(ctx, EventKind::Consent, Some(&care))
}

pub(super) fn revoke(
    ctx: &Context<'_>,
    custodian: &str,
    revocation: Revocation,
    intent: SignedIntent,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require_member(&consortium)?;
    let care = Collection::care(&consortium, custodian)?;
    revocation.validate()?;
    let Revocation {
        patient,
        consents,
        salt,
    } = revocation;
    check_act(ctx, &consortium, &care, custodian, &patient, &intent)?;
    // The patient's id is in the key: naming another's consent revokes nothing of theirs. No body is read, so that a withheld one does
    // not stop a revocation.
    for id in &consents {
        let salt = Salt::from_bytes(*keyed_hash(&salt, "revocation", &[id.as_bytes()]).as_bytes());
        let revoked = Revoked {
            tx: tx_id(ctx)?,
            at: ctx.timestamp().seconds,
            salt,
        };
        care.write_once(ctx, &revocation_key(&patient, id), &revoked)?;
    }
    write_epoch(ctx, &care, &patient, &salt)?;
    done(ctx, EventKind::Consent, Some(&care))
}
