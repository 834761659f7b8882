//! The consent contract: what changes it here, the questions in `questions`, accesses in `access`.

mod access;
mod lifecycle;
mod questions;
mod release;
mod review;

use crate::state::{Collection, tx_id};
use careledger_api::contracts::consent::{
    AccessRecord, AccessRequest, BreakGlassRequest, CONSENT_SLOTS, Consent, ConsentView, Consents,
    Notification, OpenReview, Release, Requester, Review, Revocation, SignedQuery,
};
use careledger_api::contracts::identity::PatientQuery;
use careledger_api::decision::Decision;
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{ConsentId, PatientId, Salt, TxId};
use careledger_api::intent::SignedIntent;
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
        lifecycle::grant(ctx, &custodian, consent, intent)
    }

    fn revoke(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        revocation: Revocation,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        lifecycle::revoke(ctx, &custodian, revocation, intent)
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
        review::review(ctx, &custodian, review)
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
