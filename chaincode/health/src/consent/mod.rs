//! The consent contract: what changes it here, the questions in `questions`, accesses in `access`.

mod access;
mod questions;
mod release;

use crate::caller::Caller;
use crate::intent::{check_act, check_nonce};
use crate::state::{Collection, done, registered, tx_id};
use careledger_api::consortium::{Consortium, OrganisationRole};
use careledger_api::contracts::consent::{
    AccessRecord, AccessRequest, BreakGlassRequest, CONSENT_SLOTS, Consent, ConsentView, Consents,
    Notification, OpenReview, Release, Requester, Review, Revocation, SignedQuery,
};
use careledger_api::contracts::identity::PatientQuery;
use careledger_api::decision::Decision;
use careledger_api::event::EventKind;
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{ConsentId, PatientId, Salt, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

pub(crate) struct ConsentRules;

/// The value of `consent~P~C`: a consent with the intent that proves it, or a blank that fills a slot.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredConsent {
    granted: Option<Granted>,
    salt: Salt,
}

/// A granted consent.
#[derive(Serialize, Deserialize)]
struct Granted {
    consent: Consent,
    intent: SignedIntent,
    tx: TxId,
}

/// The value of `pidx~P`: the patient's consents that count, blanks included; always [`CONSENT_SLOTS`].
#[derive(Serialize, Deserialize)]
struct Slots {
    slots: Vec<ConsentId>,
    salt: Salt,
}

/// The value of `epoch~P`: the last grant or revocation. Written blindly, so that two of a block do not conflict.
#[derive(Serialize, Deserialize)]
struct Epoch {
    tx: TxId,
    salt: Salt,
}

/// The value of `revoke~P~C`.
#[derive(Serialize, Deserialize)]
struct Revoked {
    tx: TxId,
    at: i64,
    salt: Salt,
}

/// The value of `bgrev~T`.
#[derive(Serialize, Deserialize)]
struct Reviewed {
    review: Review,
    organisation: String,
    tx: TxId,
}

impl StoredConsent {
    pub(crate) fn blank(salt: &Salt, id: &ConsentId) -> Self {
        Self {
            granted: None,
            salt: Salt::from_bytes(*keyed_hash(salt, "blank-salt", &[id.as_bytes()]).as_bytes()),
        }
    }
}

pub(crate) fn consent_key(patient: &PatientId, id: &ConsentId) -> String {
    format!("consent~{patient}~{id}")
}

fn revocation_key(patient: &PatientId, id: &ConsentId) -> String {
    format!("revoke~{patient}~{id}")
}

fn slots_key(patient: &PatientId) -> String {
    format!("pidx~{patient}")
}

fn epoch_key(patient: &PatientId) -> String {
    format!("epoch~{patient}")
}

fn review_key(access: &TxId) -> String {
    format!("bg~{access}")
}

fn review_done_key(access: &TxId) -> String {
    format!("bgrev~{access}")
}

/// Says that something about the patient changed: an access decided before this transaction and ordered after it is invalid.
pub(crate) fn write_epoch(
    ctx: &Context<'_>,
    care: &Collection,
    patient: &PatientId,
    salt: &Salt,
) -> Result<(), HealthError> {
    let tx = tx_id(ctx)?;
    let salt = Salt::from_bytes(*keyed_hash(salt, "epoch", &[tx.as_str().as_bytes()]).as_bytes());
    care.put(ctx, &epoch_key(patient), &Epoch { tx, salt })
}

/// Writes the patient's slots.
pub(crate) fn write_slots(
    ctx: &Context<'_>,
    care: &Collection,
    patient: &PatientId,
    slots: Vec<ConsentId>,
    salt: &Salt,
) -> Result<(), HealthError> {
    let tx = tx_id(ctx)?;
    let salt = Salt::from_bytes(*keyed_hash(salt, "slots", &[tx.as_str().as_bytes()]).as_bytes());
    care.put(ctx, &slots_key(patient), &Slots { slots, salt })
}

impl Consents for ConsentRules {
    fn grant(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        consent: Consent,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        let consortium = registered(ctx)?.consortium;
        Caller::of(ctx)?.require_member(&consortium)?;
        let care = Collection::care(&consortium, &custodian)?;
        consent.validate()?;
        let patient = consent.patient;
        check_act(ctx, &consortium, &care, &custodian, &patient, &intent)?;
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

    fn revoke(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        revocation: Revocation,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        let consortium = registered(ctx)?.consortium;
        Caller::of(ctx)?.require_member(&consortium)?;
        let care = Collection::care(&consortium, &custodian)?;
        revocation.validate()?;
        let Revocation {
            patient,
            consents,
            salt,
        } = revocation;
        check_act(ctx, &consortium, &care, &custodian, &patient, &intent)?;
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

    fn access(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        request: AccessRequest,
    ) -> Result<Receipt, HealthError> {
        access::access(ctx, &custodian, request)
    }

    fn break_glass(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        request: BreakGlassRequest,
    ) -> Result<Receipt, HealthError> {
        access::break_glass(ctx, &custodian, request)
    }

    fn review(&self, ctx: &Context<'_>, custodian: String, review: Review) -> Result<Receipt, HealthError> {
        let consortium = registered(ctx)?.consortium;
        let caller = Caller::of(ctx)?;
        require_reviewer(&consortium, &caller, &custodian)?;
        let care = Collection::care(&consortium, &custodian)?;
        review.salt.require_drawn()?;
        let open: OpenReview = care
            .get::<access::StoredReview>(ctx, &review_key(&review.access))?
            .ok_or(HealthError::NotFound)?
            .open;
        if open.organisation == caller.organisation {
            return Err(HealthError::SodViolation(
                "another organisation than the one that broke the glass reviews it".into(),
            ));
        }
        let key = review_done_key(&review.access);
        if !care.write_once(
            ctx,
            &key,
            &Reviewed {
                review,
                organisation: caller.organisation,
                tx: tx_id(ctx)?,
            },
        )? {
            return Err(HealthError::NotFound);
        }
        done(ctx, EventKind::Access, Some(&care))
    }

    fn decide(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        requester: Requester,
        request: AccessRequest,
    ) -> Result<Decision, HealthError> {
        questions::decide(ctx, &custodian, &requester, &request)
    }

    fn outcome(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        tx: TxId,
    ) -> Result<AccessRecord, HealthError> {
        questions::outcome(ctx, &custodian, &tx)
    }

    fn release(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        tx: TxId,
        now: i64,
    ) -> Result<Release, HealthError> {
        release::release(ctx, &custodian, &tx, now)
    }

    fn notifications(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: PatientQuery,
    ) -> Result<Vec<Notification>, HealthError> {
        questions::notifications(ctx, &custodian, &query.patient)
    }

    fn my_notifications(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: SignedQuery,
        intent: SignedIntent,
    ) -> Result<Vec<Notification>, HealthError> {
        questions::my_notifications(ctx, &custodian, &query, &intent)
    }

    fn my_consents(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: SignedQuery,
        intent: SignedIntent,
    ) -> Result<Vec<ConsentView>, HealthError> {
        questions::my_consents(ctx, &custodian, &query, &intent)
    }

    fn open_reviews(&self, ctx: &ReadContext<'_>, custodian: String) -> Result<Vec<OpenReview>, HealthError> {
        questions::open_reviews(ctx, &custodian)
    }
}

/// A patient's consents as an access reads them.
struct Held {
    /// Granted and not revoked, with their intents.
    live: Vec<Granted>,
    /// Granted and revoked.
    revoked: Vec<Granted>,
    /// The patient's epoch.
    epoch: Option<TxId>,
}

/// Reads a patient's epoch and slots: the same calls for every patient, known or not. Where there is no index, `decoys` are read.
fn held(
    ctx: &ReadContext<'_>,
    care: &Collection,
    patient: &PatientId,
    decoys: impl Fn(usize) -> ConsentId,
) -> Result<Held, HealthError> {
    let epoch: Option<Epoch> = care.get(ctx, &epoch_key(patient))?;
    let index: Option<Slots> = care.get(ctx, &slots_key(patient))?;
    let slots = index.map(|i| i.slots).unwrap_or_default();
    let (mut live, mut revoked) = (Vec::new(), Vec::new());
    for place in 0..CONSENT_SLOTS {
        let id = slots.get(place).copied().unwrap_or_else(|| decoys(place));
        let stored: Option<StoredConsent> = care.get(ctx, &consent_key(patient, &id))?;
        let taken_back = care.exists(ctx, &revocation_key(patient, &id))?;
        if let Some(granted) = stored.and_then(|s| s.granted) {
            if taken_back {
                revoked.push(granted)
            } else {
                live.push(granted)
            }
        }
    }
    Ok(Held {
        live,
        revoked,
        epoch: epoch.map(|e| e.tx),
    })
}

/// Decoys for a question, which writes nothing and so leaves no read set: any id that is not there serves.
fn no_decoys(_: usize) -> ConsentId {
    ConsentId::from_bytes([0; 16])
}

/// Reviewers of a custodian's broken glasses are the data protection officers of the custodian and of the regulators.
fn require_reviewer(consortium: &Consortium, caller: &Caller, custodian: &str) -> Result<(), HealthError> {
    let organisation = if caller.organisation == custodian {
        OrganisationRole::Custodian
    } else {
        OrganisationRole::Regulator
    };
    caller.require_in(consortium, organisation, &[Role::Dpo])
}
