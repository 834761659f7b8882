//! Keys and ids of a wallet that do not follow from its secret: a second device, a rotation, a recovery; and what goes to guardians and on a card.
//!
//! A new key is in the file before the ledger hears of it, so that a crash in between locks nobody out.

use careledger_api::HealthError;
use careledger_api::consortium::Consortium;
use careledger_api::ids::{FindCode, PatientId, RecoveryId};
use careledger_api::keys::{Algorithm, DeviceKey, PublicKey};

pub use super::content::StartedRecovery;
use super::content::{Place, StoredKey};
use super::{WalletFile, WalletFileError};
use crate::wallet::{GuardianCard, PatientAt, Restoring};

impl WalletFile {
    /// The patient at a custodian, with this wallet's present key there.
    pub fn patient_at(&self, custodian: &str, consortium: &Consortium) -> Result<PatientAt, WalletFileError> {
        let mut patient = self.wallet(consortium.clone())?.at(custodian)?;
        if let Some(place) = self.content.places.get(custodian) {
            if let Some(key) = &place.key {
                patient = patient.with_key(key.key()?);
            }
            if let Some(id) = place.patient {
                patient = patient.of_patient(id);
            }
        }
        Ok(patient)
    }

    /// Makes this wallet another device of a patient, with a fresh key. It acts once one of the patient's devices added that key. Joining the same patient
    /// again gives the same key. `CONFLICT_STATE` where the wallet is somebody there already.
    pub fn join(
        &mut self,
        custodian: &str,
        patient: PatientId,
        algorithm: Algorithm,
    ) -> Result<PublicKey, WalletFileError> {
        let joined = self.content.places.get(custodian);
        if let Some((id, Some(key))) = joined.and_then(|p| Some((p.patient?, p.key.as_ref())))
            && id == patient
            && key.algorithm == algorithm
        {
            return Ok(key.key()?.public_key());
        }
        self.require_nobody_at(custodian)?;
        let key = StoredKey::draw(algorithm);
        let public = key.key()?.public_key();
        let place = Place {
            patient: Some(patient),
            key: Some(key),
            ..Place::default()
        };
        self.content.places.insert(custodian.to_owned(), place);
        self.content.enrolled.insert(custodian.to_owned());
        self.store()?;
        Ok(public)
    }

    /// The key that is to replace the present one at a custodian, drawn at the first call and kept until [`adopt_key`](Self::adopt_key) or
    /// [`forget_key`](Self::forget_key).
    pub fn prepare_key(
        &mut self,
        custodian: &str,
        algorithm: Algorithm,
    ) -> Result<DeviceKey, WalletFileError> {
        if let Some(key) = self.prepared_key(custodian)? {
            return Ok(key);
        }
        let key = StoredKey::draw(algorithm);
        let drawn = key.key()?;
        self.content.place(custodian).next = Some(key);
        self.store()?;
        Ok(drawn)
    }

    /// The key that waits to replace the present one.
    pub fn prepared_key(&self, custodian: &str) -> Result<Option<DeviceKey>, WalletFileError> {
        let next = self.content.places.get(custodian).and_then(|p| p.next.as_ref());
        Ok(next.map(StoredKey::key).transpose()?)
    }

    /// The prepared key is live: it is this wallet's from now on.
    pub fn adopt_key(&mut self, custodian: &str) -> Result<(), WalletFileError> {
        let place = self.content.place(custodian);
        if let Some(next) = place.next.take() {
            place.key = Some(next);
            self.store()?;
        }
        Ok(())
    }

    /// Gives the prepared key up. Only where it is certain that the ledger has not taken it.
    pub fn forget_key(&mut self, custodian: &str) -> Result<(), WalletFileError> {
        self.content.place(custodian).next = None;
        self.store()
    }

    /// Begins to restore a patient's keys with this wallet's; the same recovery at every call until it is executed or given up.
    /// `CONFLICT_STATE` where the wallet is somebody there already, or restores another patient.
    pub fn start_recovery(
        &mut self,
        custodian: &str,
        patient: PatientId,
    ) -> Result<StartedRecovery, WalletFileError> {
        match self.started_recovery(custodian) {
            Some(started) if started.patient == patient => return Ok(started),
            Some(_) => {
                return Err(HealthError::ConflictState(
                    "this wallet restores another patient's keys there; use a new wallet".into(),
                )
                .into());
            }
            None => self.require_nobody_at(custodian)?,
        }
        let started = StartedRecovery {
            patient,
            recovery: RecoveryId::from_bytes(rand::random()),
        };
        self.content.place(custodian).restoring = Some(started);
        self.store()?;
        Ok(started)
    }

    /// The recovery that this wallet began at a custodian.
    pub fn started_recovery(&self, custodian: &str) -> Option<StartedRecovery> {
        self.content.places.get(custodian)?.restoring
    }

    /// Its acts. `NOT_FOUND` where none was begun.
    pub fn restoring(&self, custodian: &str, consortium: &Consortium) -> Result<Restoring, WalletFileError> {
        let started = self.started_recovery(custodian).ok_or(HealthError::NotFound)?;
        let patient = self.patient_at(custodian, consortium)?;
        Ok(patient.resuming(started.patient, started.recovery))
    }

    /// The recovery was executed: this wallet is the patient's from now on.
    pub fn finish_recovery(&mut self, custodian: &str) -> Result<(), WalletFileError> {
        let place = self.content.place(custodian);
        if let Some(started) = place.restoring.take() {
            place.patient = Some(started.patient);
            self.content.enrolled.insert(custodian.to_owned());
            self.store()?;
        }
        Ok(())
    }

    /// The recovery was vetoed or has expired; another may begin.
    pub fn give_up_recovery(&mut self, custodian: &str) -> Result<(), WalletFileError> {
        self.content.place(custodian).restoring = None;
        self.store()
    }

    /// Keeps the cards of the patient's guardians. Earlier ones stay: a policy that waits leaves the old one in force.
    pub fn keep_cards(&mut self, cards: &[GuardianCard]) -> Result<(), WalletFileError> {
        self.content.cards.extend_from_slice(cards);
        self.store()
    }

    /// The cards that were given to guardians.
    pub fn cards(&self) -> &[GuardianCard] {
        &self.content.cards
    }

    /// The code by which the patient is found in an emergency, drawn and kept at the first call.
    pub fn make_code(&mut self) -> Result<FindCode, WalletFileError> {
        if let Some(code) = self.content.code {
            return Ok(code);
        }
        let code = FindCode::from_bytes(rand::random());
        self.content.code = Some(code);
        self.store()?;
        Ok(code)
    }

    /// The code, if there is one.
    pub fn code(&self) -> Option<FindCode> {
        self.content.code
    }

    /// The code was taken back everywhere.
    pub fn forget_code(&mut self) -> Result<(), WalletFileError> {
        self.content.code = None;
        self.store()
    }

    fn require_nobody_at(&self, custodian: &str) -> Result<(), WalletFileError> {
        if self.content.enrolled.contains(custodian) {
            return Err(HealthError::ConflictState(
                "this wallet is a patient's at that custodian already; use a new wallet".into(),
            )
            .into());
        }
        Ok(())
    }
}
