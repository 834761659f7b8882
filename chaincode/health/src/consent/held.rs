//! What a patient decided, as the ledger holds it: consents in slots, what ends them, and what of them counts.
//!
//! A consent counts while it is in a slot, its revocation is absent, the era in which it was granted goes on, and the authority under which it
//! was given, if any, was not ended. All of that is read by point reads, the same for every patient, known or not.

use super::authority::{Under, authority_end_key};
use crate::state::Collection;
use careledger_api::HealthError;
use careledger_api::consortium::{Consortium, Policy};
use careledger_api::contracts::consent::{Consent, EndedBy, Response, RevocationReason, SLOTS};
use careledger_api::ids::{AuthorityId, ConsentId, Hash, PatientId, RequestId, Salt, TxId};
use careledger_api::intent::SignedIntent;
use fabric_contract_core::ReadContext;
use serde::{Deserialize, Serialize};

/// The value of `consent~P~C`: a consent with the intent that proves it, or a blank that fills a slot.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredConsent {
    pub(super) granted: Option<Granted>,
    pub(super) salt: Salt,
}

/// A granted consent.
#[derive(Serialize, Deserialize)]
pub(super) struct Granted {
    pub(super) consent: Consent,
    pub(super) intent: SignedIntent,
    pub(super) tx: TxId,
    pub(super) at: i64,
    /// Of the second of `at`, so that a patient's consents have an order.
    pub(super) nanos: i32,
    /// The era in which it was granted: revoking all ends it.
    pub(super) era: Option<Hash>,
    /// Given under an authority.
    pub(super) under: Option<Under>,
    /// The request it accepted.
    pub(super) answers: Option<Answered>,
}

/// What of a [`Response`] is not in the consent that it granted.
#[derive(Serialize, Deserialize)]
pub(super) struct Answered {
    pub(super) request: RequestId,
    pub(super) salt: Salt,
}

/// The value of `pidx~P`: the patient's consents that count, blanks included; always [`SLOTS`].
#[derive(Serialize, Deserialize)]
pub(super) struct Slots {
    pub(super) slots: Vec<ConsentId>,
    pub(super) salt: Salt,
}

/// The value of `epoch~P`: the last act that changed what counts. Written blindly, so that two of a block do not conflict.
#[derive(Serialize, Deserialize)]
pub(super) struct Epoch {
    pub(super) tx: TxId,
    pub(super) salt: Salt,
}

/// The value of `revoke~P~C` and `eraend~P~E`.
#[derive(Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) tx: TxId,
    pub(super) at: i64,
    pub(super) by: EndedBy,
    /// None for a consent whose place another took.
    pub(super) reason: Option<RevocationReason>,
    pub(super) successor: Option<ConsentId>,
    pub(super) salt: Salt,
}

pub(super) fn consents_of(patient: &PatientId) -> String {
    format!("consent~{patient}~")
}

pub(super) fn consent_key(patient: &PatientId, id: &ConsentId) -> String {
    format!("{}{id}", consents_of(patient))
}

pub(super) fn revocation_key(patient: &PatientId, id: &ConsentId) -> String {
    format!("revoke~{patient}~{id}")
}

pub(super) fn era_end_key(patient: &PatientId, era: &Hash) -> String {
    format!("eraend~{patient}~{era}")
}

pub(super) fn epoch_key(patient: &PatientId) -> String {
    format!("epoch~{patient}")
}

pub(super) fn slots_key(patient: &PatientId) -> String {
    format!("pidx~{patient}")
}

pub(super) fn era_key(patient: &PatientId) -> String {
    format!("era~{patient}")
}

/// A patient's consents as an access reads them.
pub(super) struct Held {
    /// What counts.
    pub(super) live: Vec<Counted>,
    /// The patient's epoch.
    pub(super) epoch: Option<TxId>,
}

/// A consent that counts.
pub(super) struct Counted {
    /// What of it counts: its period ends with its authority's, a guardian's opens no label that a minor keeps, and of what was taken back
    /// with everything else the denials stay.
    pub(super) consent: Consent,
    /// As it was granted.
    pub(super) signed: Granted,
}

impl Held {
    /// The consents that count.
    pub(super) fn consents(self) -> Vec<Consent> {
        self.live.into_iter().map(|counted| counted.consent).collect()
    }
}

/// Reads a patient's epoch, era and slots: the same calls for every patient, known or not. Where there is no index, `decoys` are read. `consents`
/// reads the consents of all slots: together in a transaction, one by one for a question.
pub(super) fn held(
    ctx: &ReadContext<'_>,
    consortium: &Consortium,
    care: &Collection,
    patient: &PatientId,
    decoys: impl Fn(usize) -> ConsentId,
    consents: impl FnOnce(&[String]) -> Result<Vec<Option<StoredConsent>>, HealthError>,
) -> Result<Held, HealthError> {
    let epoch: Option<Epoch> = care.get(ctx, &epoch_key(patient))?;
    let era = CurrentEra::read(ctx, care, patient)?;
    let index: Option<Slots> = care.get(ctx, &slots_key(patient))?;
    let ids = index.map(|i| i.slots).unwrap_or_default();
    let ids: Vec<ConsentId> = (0..SLOTS)
        .map(|place| {
            // Made whether it is needed or not: hashing takes time.
            let decoy = decoys(place);
            ids.get(place).copied().unwrap_or(decoy)
        })
        .collect();
    let keys: Vec<String> = ids.iter().map(|id| consent_key(patient, id)).collect();
    let stored = consents(&keys)?;
    let mut live = Vec::new();
    for (id, stored) in ids.iter().zip(stored) {
        let slot = Slot::with(ctx, care, patient, id, stored)?;
        if let Some(consent) = slot.counts(&consortium.policy, &era)
            && let Some(signed) = slot.granted
        {
            live.push(Counted { consent, signed });
        }
    }
    Ok(Held {
        live,
        epoch: epoch.map(|e| e.tx),
    })
}

/// Decoys for a question, which writes nothing and so leaves no read set: any id that is not there serves.
pub(super) fn no_decoys(_: usize) -> ConsentId {
    ConsentId::from_bytes([0; 16])
}

/// The era that goes on.
pub(super) struct CurrentEra {
    pub(super) id: Option<Hash>,
    ended: bool,
}

impl CurrentEra {
    /// By hashes alone: a withheld body does not matter. An era that was put back after its end is over all the same, since its end is written once.
    pub(super) fn read(
        ctx: &ReadContext<'_>,
        care: &Collection,
        patient: &PatientId,
    ) -> Result<Self, HealthError> {
        let id = hash_of(ctx, care, &era_key(patient))?;
        let named = id.unwrap_or_else(|| Hash::from_bytes([0; 32]));
        let ended = care.exists(ctx, &era_end_key(patient, &named))?;
        Ok(Self { id, ended })
    }

    /// Whether what was granted in `era` is not taken back with everything else.
    pub(super) fn goes_on(&self, era: &Option<Hash>) -> bool {
        self.id == *era && !self.ended
    }
}

/// One slot, by the three reads that every slot takes.
pub(super) struct Slot {
    pub(super) granted: Option<Granted>,
    pub(super) revoked: bool,
    pub(super) authority_ended: bool,
}

impl Slot {
    pub(super) fn read(
        ctx: &ReadContext<'_>,
        care: &Collection,
        patient: &PatientId,
        id: &ConsentId,
    ) -> Result<Self, HealthError> {
        let stored = care.get(ctx, &consent_key(patient, id))?;
        Self::with(ctx, care, patient, id, stored)
    }

    /// The slot of a consent that was read, with what ends it: by hashes, since who carries a revocation can keep its body back.
    fn with(
        ctx: &ReadContext<'_>,
        care: &Collection,
        patient: &PatientId,
        id: &ConsentId,
        stored: Option<StoredConsent>,
    ) -> Result<Self, HealthError> {
        let revoked = care.exists(ctx, &revocation_key(patient, id))?;
        // A consent moved under another key would escape its revocation.
        let granted = stored
            .and_then(|s| s.granted)
            .filter(|g| g.consent.id == *id && g.consent.patient == *patient);
        let under = granted.as_ref().and_then(|g| g.under.as_ref());
        // No authority has a consent's id.
        let authority = under.map_or(AuthorityId::from_bytes(*id.as_bytes()), |u| u.authority);
        let authority_ended = care.exists(ctx, &authority_end_key(patient, &authority))?;
        Ok(Self {
            granted,
            revoked,
            authority_ended,
        })
    }

    /// What of the consent counts; none if nothing does.
    pub(super) fn counts(&self, policy: &Policy, era: &CurrentEra) -> Option<Consent> {
        let granted = self
            .granted
            .as_ref()
            .filter(|_| !self.revoked && !self.authority_ended)?;
        let mut consent = granted.consent.clone();
        if !era.goes_on(&granted.era) {
            consent.deny_only();
        }
        if let Some(under) = &granted.under {
            consent.period.until = granted.until();
            if under.relation.of_a_minor() {
                consent.close(&policy.minor_only);
            }
        }
        (!consent.provisions.is_empty()).then_some(consent)
    }
}

impl Granted {
    /// When it ends by itself: an authority's end is also that of what was given under it.
    pub(super) fn until(&self) -> i64 {
        let own = self.consent.period.until;
        self.under.as_ref().map_or(own, |under| own.min(under.until))
    }

    /// The function that granted it, and the input that was signed.
    pub(super) fn signed_input(
        &self,
    ) -> Result<(&'static str, &'static str, serde_json::Value), HealthError> {
        let value = |result: Result<_, serde_json::Error>| {
            result.map_err(|_| HealthError::Ledger("a consent could not be written".into()))
        };
        Ok(match (&self.answers, self.consent.supersedes) {
            (Some(answered), _) => {
                let response = Response {
                    request: answered.request,
                    patient: self.consent.patient,
                    consent: Some(self.consent.clone()),
                    salt: answered.salt,
                };
                ("respond", "response", value(serde_json::to_value(response))?)
            }
            (None, Some(_)) => ("amend", "consent", value(serde_json::to_value(&self.consent))?),
            (None, None) => ("grant", "consent", value(serde_json::to_value(&self.consent))?),
        })
    }
}

/// A value's hash on the chain.
pub(super) fn hash_of(
    ctx: &ReadContext<'_>,
    care: &Collection,
    key: &str,
) -> Result<Option<Hash>, HealthError> {
    let found = ctx.private_hash(&care.name, key)?;
    found
        .map(|bytes| {
            <[u8; 32]>::try_from(bytes.as_slice())
                .map(Hash::from_bytes)
                .map_err(|_| HealthError::Ledger("a private value's hash has 32 bytes".into()))
        })
        .transpose()
}
