//! What changes a patient's consents on the ledger: filing one, taking them back, and what a new patient starts with.

use super::authority::Under;
use super::guardians::open_guardians;
use super::held::{
    Answered, CurrentEra, Ended, Epoch, Granted, Slot, Slots, StoredConsent, consent_key, epoch_key,
    era_end_key, era_key, hash_of, no_decoys, revocation_key, slots_key,
};
use crate::identity::refuse_while_recovering;
use crate::state::{Collection, tx_id};
use careledger_api::HealthError;
use careledger_api::consortium::Consortium;
use careledger_api::contracts::consent::{CONSENT_SLOTS, Consent, EndedBy, RevocationReason, SLOTS, Taken};
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{ConsentId, Hash, PatientId, Salt, TxId};
use careledger_api::intent::SignedIntent;
use fabric_contract_core::Context;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The value of `era~P`, whose hash names the era: it is replaced when everything is taken back.
#[derive(Serialize, Deserialize)]
struct Era {
    tx: TxId,
    salt: Salt,
}

/// A consent to be filed.
pub(super) struct NewGrant {
    pub(super) consent: Consent,
    pub(super) intent: SignedIntent,
    pub(super) under: Option<Under>,
    pub(super) answers: Option<Answered>,
}

/// What goes into the slots.
pub(super) enum Filing {
    /// A consent.
    Consent(Box<NewGrant>),
    /// A blank: what a denied request leaves looks like what an accepted one leaves.
    Blank(ConsentId),
}

/// Files a consent into a free slot and says that something changed. Every slot is read and the same keys are written, whatever is filed. The slot of a
/// consent whose place it takes is free.
///
/// `CONFLICT_STATE` for a consent while the patient's account is frozen or being recovered, `EXPIRED` if the consent's period is over, `REPLAYED` if its id
/// was used, `LIMIT` if no slot is free, `NOT_FOUND` for an unknown patient.
pub(super) fn file(
    ctx: &Context<'_>,
    consortium: &Consortium,
    care: &Collection,
    patient: &PatientId,
    filing: Filing,
    salt: &Salt,
) -> Result<(), HealthError> {
    let now = ctx.timestamp().seconds;
    let era = CurrentEra::read(ctx, care, patient)?;
    let index: Option<Slots> = care.get(ctx, &slots_key(patient))?;
    let mut slots = index.ok_or(HealthError::NotFound)?.slots;
    let freed = match &filing {
        Filing::Consent(new) => new.consent.supersedes,
        Filing::Blank(_) => None,
    };
    let mut free = Vec::new();
    for (place, id) in slots.iter().enumerate() {
        let slot = Slot::read(ctx, care, patient, id)?;
        let counts = slot.counts(&consortium.policy, &era);
        if Some(*id) == freed || counts.is_none_or(|consent| consent.period.until <= now) {
            free.push(place);
        }
    }
    // Asked whatever is filed, so that the calls are the same.
    let recovering = refuse_while_recovering(ctx, care, patient);
    let (id, stored, places) = match filing {
        Filing::Blank(id) => (id, StoredConsent::blank(salt, &id), None),
        Filing::Consent(new) => {
            let NewGrant {
                consent,
                intent,
                under,
                answers,
            } = *new;
            if consent.period.until <= now {
                return Err(HealthError::Expired("the consent's period is over".into()));
            }
            recovering?;
            let places = places_for(&consent);
            let stored = StoredConsent {
                salt: consent.salt,
                granted: Some(Granted {
                    consent,
                    intent,
                    under,
                    answers,
                    tx: tx_id(ctx)?,
                    at: now,
                    nanos: ctx.timestamp().nanos,
                    era: era.id,
                }),
            };
            let granted = stored.granted.as_ref();
            (
                granted.map_or_else(|| no_decoys(0), |g| g.consent.id),
                stored,
                Some(places),
            )
        }
    };
    if !care.write_once(ctx, &consent_key(patient, &id), &stored)? {
        return Err(HealthError::Replayed(
            "a consent of this id was granted before".into(),
        ));
    }
    if let Some(places) = places {
        let place = free.into_iter().find(|place| places.contains(place));
        let slot = place.and_then(|place| slots.get_mut(place)).ok_or_else(|| {
            HealthError::Limit(
                "the patient has eight active consents here that permit something, or four that only deny; revoke one first"
                    .into(),
            )
        })?;
        *slot = id;
    }
    write_slots(ctx, care, patient, slots, salt)?;
    write_epoch(ctx, care, patient, salt)
}

fn places_for(consent: &Consent) -> Range<usize> {
    if consent.permits() {
        0..CONSENT_SLOTS
    } else {
        CONSENT_SLOTS..SLOTS
    }
}

/// Takes consents back and says that something changed, unless nothing did. Reads nothing that another act of the patient writes, but what repeats
/// it: no body, so that a withheld one does not matter, and no slot.
pub(super) fn take_back(
    ctx: &Context<'_>,
    care: &Collection,
    patient: &PatientId,
    taken: &Taken,
    (by, reason): (EndedBy, RevocationReason),
    salt: &Salt,
) -> Result<(), HealthError> {
    let ended = |tag: &str, of: &[u8]| {
        Ok::<_, HealthError>(Ended {
            tx: tx_id(ctx)?,
            at: ctx.timestamp().seconds,
            by: by.clone(),
            reason: Some(reason),
            successor: None,
            salt: salt_of(salt, tag, of),
        })
    };
    let mut changed = false;
    match taken {
        // The patient's id is in the key: naming another's consent revokes nothing of theirs.
        Taken::Consents(named) => {
            for id in named {
                let value = ended("revocation", id.as_bytes())?;
                changed |= care.write_once(ctx, &revocation_key(patient, id), &value)?;
            }
        }
        Taken::All => {
            let era = hash_of(ctx, care, &era_key(patient))?.unwrap_or_else(|| Hash::from_bytes([0; 32]));
            let value = ended("era-end", era.as_bytes())?;
            care.write_once(ctx, &era_end_key(patient, &era), &value)?;
            write_era(ctx, care, patient, salt)?;
            changed = true;
        }
    }
    if changed {
        write_epoch(ctx, care, patient, salt)?;
    }
    Ok(())
}

/// What a new patient starts with. The slots are filled with blanks from the start: an access reads as many consents whether there are any or not.
pub(crate) fn open_patient(
    ctx: &Context<'_>,
    care: &Collection,
    patient: &PatientId,
    salt: &Salt,
) -> Result<(), HealthError> {
    let blanks: Vec<ConsentId> = (0..SLOTS).map(|slot| blank(salt, slot)).collect();
    for id in &blanks {
        care.put(ctx, &consent_key(patient, id), &StoredConsent::blank(salt, id))?;
    }
    write_slots(ctx, care, patient, blanks, salt)?;
    write_era(ctx, care, patient, salt)?;
    open_guardians(ctx, care, patient, salt)?;
    write_epoch(ctx, care, patient, salt)
}

impl StoredConsent {
    fn blank(salt: &Salt, id: &ConsentId) -> Self {
        Self {
            granted: None,
            salt: salt_of(salt, "blank-salt", id.as_bytes()),
        }
    }
}

/// Says that something about the patient changed: an access decided before this transaction and ordered after it is invalid.
pub(crate) fn write_epoch(
    ctx: &Context<'_>,
    care: &Collection,
    patient: &PatientId,
    salt: &Salt,
) -> Result<(), HealthError> {
    let tx = tx_id(ctx)?;
    let salt = salt_of(salt, "epoch", tx.as_str().as_bytes());
    care.put(ctx, &epoch_key(patient), &Epoch { tx, salt })
}

fn write_slots(
    ctx: &Context<'_>,
    care: &Collection,
    patient: &PatientId,
    slots: Vec<ConsentId>,
    salt: &Salt,
) -> Result<(), HealthError> {
    let salt = salt_of(salt, "slots", tx_id(ctx)?.as_str().as_bytes());
    care.put(ctx, &slots_key(patient), &Slots { slots, salt })
}

fn write_era(
    ctx: &Context<'_>,
    care: &Collection,
    patient: &PatientId,
    salt: &Salt,
) -> Result<(), HealthError> {
    let tx = tx_id(ctx)?;
    let salt = salt_of(salt, "era", tx.as_str().as_bytes());
    care.put(ctx, &era_key(patient), &Era { tx, salt })
}

/// A salt of its own for each value of one act.
pub(super) fn salt_of(salt: &Salt, tag: &str, of: &[u8]) -> Salt {
    Salt::from_bytes(*keyed_hash(salt, tag, &[of]).as_bytes())
}

/// The id of a blank consent, which only the collection's members can compute.
fn blank(salt: &Salt, slot: usize) -> ConsentId {
    let mut id = [0; 16];
    id.copy_from_slice(&keyed_hash(salt, "blank", &[&(slot as u64).to_be_bytes()]).as_bytes()[..16]);
    ConsentId::from_bytes(id)
}
