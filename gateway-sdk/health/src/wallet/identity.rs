//! Acts on the identity contract: device keys, freezing, and who may restore the keys.

use careledger_api::HealthError;
use careledger_api::contracts::consent::SignedQuery;
use careledger_api::contracts::identity::{
    AccountFreeze, AccountStep, Enrolment, KeyAddition, KeyRemoval, KeyRotation, PolicyChoice, RecoveryStep,
};
use careledger_api::ids::{KeyId, Nonce, PatientId, RecoveryId};
use careledger_api::intent::SignedIntent;
use careledger_api::keys::{DeviceKey, PublicKey};
use careledger_api::recovery::RecoveryPolicy;

use super::{INTENT_SECONDS, PatientAt, QUERY_SECONDS, Signed, nonce, salt};

impl PatientAt {
    /// The device key's public half: another device's wallet is added by it.
    pub fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    /// The same patient with another device key, once `add_key` or `rotate_key` has made it live.
    pub fn with_key(&self, key: DeviceKey) -> Self {
        Self { key, ..self.clone() }
    }

    /// This device acting for a patient under whose id another device was enrolled: once that one added this device's key, or a recovery made it live.
    pub fn of_patient(&self, patient: PatientId) -> Self {
        Self {
            id: patient,
            authority: None,
            ..self.clone()
        }
    }

    /// Enrols the device key (`identity.enrol`).
    pub fn enrol(&self) -> Result<Signed<Enrolment>, HealthError> {
        let body = Enrolment {
            key: self.key.public_key(),
            random: self.random,
            salt: salt(),
        };
        let nonce = SignedIntent::nonce_of(self.id.as_bytes());
        self.sign("identity", "enrol", "enrolment", nonce, INTENT_SECONDS, body)
    }

    /// Adds another device's key (`identity.addKey`).
    pub fn add_key(&self, key: PublicKey) -> Result<Signed<KeyAddition>, HealthError> {
        let nonce = SignedIntent::nonce_of(key.id().as_bytes());
        let body = KeyAddition {
            patient: self.id,
            key,
            salt: salt(),
        };
        self.sign("identity", "addKey", "addition", nonce, INTENT_SECONDS, body)
    }

    /// Puts a new key in the place of this one (`identity.rotateKey`).
    pub fn rotate_key(&self, key: PublicKey) -> Result<Signed<KeyRotation>, HealthError> {
        let nonce = SignedIntent::nonce_of(key.id().as_bytes());
        let body = KeyRotation {
            patient: self.id,
            key,
            salt: salt(),
        };
        self.sign("identity", "rotateKey", "rotation", nonce, INTENT_SECONDS, body)
    }

    /// Takes a key away (`identity.revokeKey`).
    pub fn revoke_key(&self, key: KeyId) -> Result<Signed<KeyRemoval>, HealthError> {
        let body = KeyRemoval {
            patient: self.id,
            key,
            salt: salt(),
        };
        self.sign("identity", "revokeKey", "removal", nonce(), INTENT_SECONDS, body)
    }

    /// Freezes the account; a lost device's key is taken away with it (`identity.freeze`).
    pub fn freeze(&self, lost: Option<KeyId>) -> Result<Signed<AccountFreeze>, HealthError> {
        let body = AccountFreeze {
            patient: self.id,
            lost,
            salt: salt(),
        };
        self.sign("identity", "freeze", "freeze", nonce(), INTENT_SECONDS, body)
    }

    /// Opens the account that another device froze (`identity.unfreeze`).
    pub fn unfreeze(&self) -> Result<Signed<AccountStep>, HealthError> {
        self.account_step("unfreeze")
    }

    /// Chooses who may restore the keys, and after how long (`identity.chooseGuardians`).
    pub fn choose_guardians(&self, policy: RecoveryPolicy) -> Result<Signed<PolicyChoice>, HealthError> {
        let body = PolicyChoice {
            patient: self.id,
            policy,
            salt: salt(),
        };
        self.sign(
            "identity",
            "chooseGuardians",
            "choice",
            nonce(),
            INTENT_SECONDS,
            body,
        )
    }

    /// Renews the guardians who count, for a year (`identity.renewGuardians`).
    pub fn renew_guardians(&self) -> Result<Signed<AccountStep>, HealthError> {
        self.account_step("renewGuardians")
    }

    /// Cancels a choice that waits (`identity.cancelChoice`).
    pub fn cancel_choice(&self) -> Result<Signed<AccountStep>, HealthError> {
        self.account_step("cancelChoice")
    }

    /// Vetoes a recovery (`identity.vetoRecovery`).
    pub fn veto_recovery(&self, recovery: RecoveryId) -> Result<Signed<RecoveryStep>, HealthError> {
        self.recovery_step("vetoRecovery", recovery)
    }

    /// A signed question for the account (`identity.myAccount`), whose answer clients of the organisation `reader` carry.
    pub fn ask_account(&self, reader: &str) -> Result<Signed<SignedQuery>, HealthError> {
        let body = SignedQuery {
            patient: self.id,
            reader: reader.to_owned(),
        };
        self.sign("identity", "myAccount", "query", nonce(), QUERY_SECONDS, body)
    }

    pub(super) fn recovery_step(
        &self,
        function: &str,
        recovery: RecoveryId,
    ) -> Result<Signed<RecoveryStep>, HealthError> {
        let body = RecoveryStep {
            patient: self.id,
            recovery,
            salt: salt(),
        };
        let nonce = Nonce::from_bytes(*recovery.as_bytes());
        self.sign("identity", function, "step", nonce, INTENT_SECONDS, body)
    }

    fn account_step(&self, function: &str) -> Result<Signed<AccountStep>, HealthError> {
        let body = AccountStep {
            patient: self.id,
            salt: salt(),
        };
        self.sign("identity", function, "step", nonce(), INTENT_SECONDS, body)
    }
}
