//! What a patient does about accesses: reads the own record and the log, disputes, and can be found in an emergency.

use careledger_api::HealthError;
use careledger_api::codes::{Category, Purpose};
use careledger_api::contracts::consent::{
    AccessRequest, CodeRegistration, CodeRemoval, Dispute, LogCursor, LogKind, LogQuery, NotificationChoice,
};
use careledger_api::ids::{FindCode, KemPublicKey, TxId};

use super::{INTENT_SECONDS, PatientAt, QUERY_SECONDS, Signed, nonce, salt};

impl PatientAt {
    /// Reads the own record (`consent.accessOwn`): all current documents of these categories, sealed to `kem_key`.
    pub fn access_own(
        &self,
        categories: &[Category],
        kem_key: KemPublicKey,
    ) -> Result<Signed<AccessRequest>, HealthError> {
        let body = AccessRequest::new(self.id, Purpose::PatientRequest, categories, kem_key);
        self.sign("consent", "accessOwn", "request", nonce(), INTENT_SECONDS, body)
    }

    /// Asks for a page of the log (`consent.myLog`), of these kinds (none: all), behind `after`. Clients of the organisation `reader` carry
    /// the answer.
    pub fn log(
        &self,
        reader: &str,
        kinds: &[LogKind],
        after: Option<LogCursor>,
        limit: u16,
    ) -> Result<Signed<LogQuery>, HealthError> {
        let body = LogQuery {
            patient: self.id,
            reader: reader.to_owned(),
            kinds: kinds.to_vec(),
            since: None,
            after,
            limit,
        };
        self.sign("consent", "myLog", "query", nonce(), QUERY_SECONDS, body)
    }

    /// Switches notifications of accesses on or off (`consent.chooseNotifications`); the log is written all the same.
    pub fn choose_notifications(&self, wanted: bool) -> Result<Signed<NotificationChoice>, HealthError> {
        let nonce = nonce();
        let body = NotificationChoice {
            patient: self.id,
            wanted,
            nonce,
            salt: salt(),
        };
        self.sign(
            "consent",
            "chooseNotifications",
            "choice",
            nonce,
            INTENT_SECONDS,
            body,
        )
    }

    /// Objects to an access, a broken glass or a disclosure (`consent.dispute`).
    pub fn dispute(&self, subject: TxId, reason: &str) -> Result<Signed<Dispute>, HealthError> {
        let nonce = nonce();
        let body = Dispute {
            patient: self.id,
            subject,
            reason: reason.to_owned(),
            nonce,
            salt: salt(),
        };
        self.sign("consent", "dispute", "dispute", nonce, INTENT_SECONDS, body)
    }

    /// Registers a code by which the patient is found in an emergency (`consent.registerCode`). The code itself goes on a card or a phone's
    /// lock screen and nowhere else.
    pub fn register_code(&self, code: &FindCode) -> Result<Signed<CodeRegistration>, HealthError> {
        let hash = code.hash(&self.custodian);
        let body = CodeRegistration {
            patient: self.id,
            code: hash,
            salt: salt(),
        };
        let nonce = FindCode::nonce_of(&hash);
        self.sign(
            "consent",
            "registerCode",
            "registration",
            nonce,
            INTENT_SECONDS,
            body,
        )
    }

    /// Takes a code back (`consent.revokeCode`), as when the card is lost.
    pub fn revoke_code(&self, code: &FindCode) -> Result<Signed<CodeRemoval>, HealthError> {
        let body = CodeRemoval {
            patient: self.id,
            code: code.hash(&self.custodian),
            salt: salt(),
        };
        self.sign("consent", "revokeCode", "removal", nonce(), INTENT_SECONDS, body)
    }
}
