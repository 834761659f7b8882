//! Acts on the identity contract.

use careledger_api::HealthError;
use careledger_api::contracts::identity::Enrolment;
use careledger_api::intent::SignedIntent;

use super::{INTENT_SECONDS, PatientAt, Signed, salt};

impl PatientAt {
    /// Enrols the device key (`identity.enrol`).
    pub fn enrol(&self) -> Result<Signed<Enrolment>, HealthError> {
        let body = Enrolment {
            key: self.key.public_key(),
            random: self.random,
            salt: salt(),
        };
        self.sign(
            "identity",
            "enrol",
            "enrolment",
            SignedIntent::nonce_of(self.id.as_bytes()),
            INTENT_SECONDS,
            body,
        )
    }
}
