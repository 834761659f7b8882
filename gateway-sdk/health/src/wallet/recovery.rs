//! Restoring a patient's keys: the guardian's side, and the new wallet's.
//!
//! ```text
//! before:    patient  GuardianCard::issue(guardian's public key) -> card, to the guardian;  policy_of(cards, M, delay) -> choose_guardians
//! the loss:  new wallet  Wallet::at(custodian)?.restoring(patient) -> Restoring, tells recovery id and new key to the guardians
//!            guardian    GuardianKey::approve(card, recovery, key) -> RecoveryApproval, which anybody carries
//!            new wallet  open(first approval); begin_delay once M approved; execute once the delay is over; then patient() acts
//! ```

use careledger_api::HealthError;
use careledger_api::consortium::Consortium;
use careledger_api::contracts::identity::{
    AccountStep, GuardianAct, GuardianApproval, GuardianStatement, RecoveryApproval, RecoveryAttestation,
    RecoveryOpening, RecoveryStep, Unfreezing, guardian_commitment,
};
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{Hash, KeyId, Nonce, PatientId, RecoveryId, Salt};
use careledger_api::keys::{Algorithm, DeviceKey, PublicKey};
use careledger_api::recovery::RecoveryPolicy;
use serde::{Deserialize, Serialize};

use super::{INTENT_SECONDS, PatientAt, Signed, Wallet, nonce, salt};

/// A guardian's own key, derived from the guardian's wallet: one for all patients whom they guard. `Debug` shows the algorithm only.
#[derive(Debug, Clone)]
pub struct GuardianKey {
    key: DeviceKey,
    consortium: Consortium,
}

/// What a patient gives to a guardian, and keeps: it opens the commitment in the patient's policy. Who has it knows who guards whom, so it is for the two
/// alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardianCard {
    /// MSP id of the custodian.
    pub custodian: String,
    /// The patient's id there.
    pub patient: PatientId,
    /// The guardian's public key.
    pub guardian: PublicKey,
    /// The salt of the commitment.
    pub opening: Salt,
}

/// A patient whose keys are being restored: the new wallet's key, and the old id.
#[derive(Debug, Clone)]
pub struct Restoring {
    patient: PatientAt,
    recovery: RecoveryId,
}

impl Wallet {
    /// The key with which this wallet's owner guards others: the same every time.
    pub fn guardian_key(&self) -> Result<GuardianKey, HealthError> {
        let secret = keyed_hash(
            &self.secret,
            "wallet/guardian-key",
            &[self.consortium.id.as_bytes()],
        );
        Ok(GuardianKey {
            key: DeviceKey::from_secret(Algorithm::Ed25519, secret.as_bytes())?,
            consortium: self.consortium.clone(),
        })
    }
}

impl GuardianCard {
    /// A card for a guardian of this patient, with a fresh opening.
    pub fn issue(patient: &PatientAt, guardian: PublicKey) -> Self {
        Self {
            custodian: patient.custodian().to_owned(),
            patient: patient.id(),
            guardian,
            opening: salt(),
        }
    }
}

/// The policy by which `threshold` of the cards' guardians restore the keys after `delay` seconds; `institutional`: or two officers of two organisations,
/// after a longer delay.
pub fn policy_of(
    cards: &[GuardianCard],
    threshold: u8,
    delay: i64,
    institutional: bool,
) -> Result<RecoveryPolicy, HealthError> {
    let commitment = |card: &GuardianCard| guardian_commitment(&card.guardian, &card.opening);
    Ok(RecoveryPolicy {
        guardians: cards.iter().map(commitment).collect::<Result<_, _>>()?,
        threshold,
        delay,
        institutional,
    })
}

impl GuardianKey {
    /// The public half, for the patient's card.
    pub fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    /// Approves that a key becomes the patient's (`identity.approveRecovery`). Ask the person, not the message: whoever holds the key will be the patient.
    pub fn approve(
        &self,
        card: &GuardianCard,
        recovery: RecoveryId,
        key: KeyId,
    ) -> Result<RecoveryApproval, HealthError> {
        Ok(RecoveryApproval {
            patient: card.patient,
            recovery,
            key,
            approval: self.sign(card, GuardianAct::Recover { recovery, key })?,
            salt: salt(),
        })
    }

    /// Approves that the account is opened after its freeze of this number, for [`unfreezing`].
    pub fn unfreeze(&self, card: &GuardianCard, freeze: u32) -> Result<GuardianApproval, HealthError> {
        self.sign(card, GuardianAct::Unfreeze { freeze })
    }

    fn sign(&self, card: &GuardianCard, to: GuardianAct) -> Result<GuardianApproval, HealthError> {
        GuardianStatement::new(&self.consortium, &card.custodian, card.patient, to).sign(
            &self.key,
            card.opening,
            nonce(),
        )
    }
}

/// The guardians' signatures as one act (`identity.unfreezeByGuardians`).
pub fn unfreezing(patient: PatientId, approvals: Vec<GuardianApproval>) -> Unfreezing {
    Unfreezing {
        patient,
        approvals,
        salt: salt(),
    }
}

impl PatientAt {
    /// This wallet's key for the id of a patient whose keys are lost. The guardians, or the officers, are told [`Restoring::recovery`] and
    /// [`Restoring::key`].
    pub fn restoring(&self, patient: PatientId) -> Restoring {
        self.resuming(patient, RecoveryId::from_bytes(rand::random()))
    }

    /// The same for a recovery that this wallet began before.
    pub fn resuming(&self, patient: PatientId, recovery: RecoveryId) -> Restoring {
        Restoring {
            patient: self.of_patient(patient),
            recovery,
        }
    }
}

impl Restoring {
    /// The recovery's id.
    pub fn recovery(&self) -> RecoveryId {
        self.recovery
    }

    /// The id of the new key.
    pub fn key(&self) -> KeyId {
        self.patient.key.public_key().id()
    }

    /// Opens the recovery with the first guardian's approval (`identity.initRecovery`).
    pub fn open(&self, first: RecoveryApproval) -> Result<Signed<RecoveryOpening>, HealthError> {
        let body = RecoveryOpening {
            patient: self.patient.id,
            recovery: self.recovery,
            key: self.patient.key.public_key(),
            approval: first.approval,
            salt: salt(),
        };
        let nonce = self.nonce();
        self.patient
            .sign("identity", "initRecovery", "opening", nonce, INTENT_SECONDS, body)
    }

    /// The attestation that a recovery officer carries (`identity.attestRecovery`); `proof` is the officer's salted digest of what proved the identity.
    /// Each officer gets one of its own.
    pub fn attestation(&self, proof: Hash) -> Result<Signed<RecoveryAttestation>, HealthError> {
        let body = RecoveryAttestation {
            patient: self.patient.id,
            recovery: self.recovery,
            key: self.patient.key.public_key(),
            proof,
            salt: salt(),
        };
        let nonce = self.nonce();
        self.patient.sign(
            "identity",
            "attestRecovery",
            "attestation",
            nonce,
            INTENT_SECONDS,
            body,
        )
    }

    /// Lets the delay count once the recovery is approved (`identity.beginDelay`): right after the last approval is committed.
    pub fn begin_delay(&self) -> AccountStep {
        AccountStep {
            patient: self.patient.id,
            salt: salt(),
        }
    }

    /// Takes over once the delay is over (`identity.executeRecovery`).
    pub fn execute(&self) -> Result<Signed<RecoveryStep>, HealthError> {
        self.patient.recovery_step("executeRecovery", self.recovery)
    }

    /// The patient with the new key, for everything after the execution.
    pub fn into_patient(self) -> PatientAt {
        self.patient
    }

    fn nonce(&self) -> Nonce {
        Nonce::from_bytes(*self.recovery.as_bytes())
    }
}
