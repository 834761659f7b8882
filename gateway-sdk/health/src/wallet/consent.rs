//! Acts on the consent contract.

use careledger_api::HealthError;
use careledger_api::contracts::consent::{Consent, Provision, Revocation, SignedQuery};
use careledger_api::date::Period;
use careledger_api::ids::ConsentId;

use super::{INTENT_SECONDS, PatientAt, QUERY_SECONDS, Signed, nonce, salt};

impl PatientAt {
    /// Grants a consent (`consent.grant`) with a fresh id.
    pub fn grant(&self, period: Period, provisions: Vec<Provision>) -> Result<Signed<Consent>, HealthError> {
        let id = ConsentId::from_bytes(rand::random());
        let body = Consent {
            id,
            patient: self.id,
            period,
            provisions,
            salt: salt(),
        };
        self.sign("consent", "grant", "consent", id.nonce(), INTENT_SECONDS, body)
    }

    /// Takes consents back (`consent.revoke`).
    pub fn revoke(&self, consents: Vec<ConsentId>) -> Result<Signed<Revocation>, HealthError> {
        let body = Revocation {
            patient: self.id,
            consents,
            salt: salt(),
        };
        self.sign("consent", "revoke", "revocation", nonce(), INTENT_SECONDS, body)
    }

    /// A signed question whose answer clients of the organisation `reader` carry (`consent.myNotifications`, `consent.myConsents`).
    pub fn ask(&self, function: &str, reader: &str) -> Result<Signed<SignedQuery>, HealthError> {
        let body = SignedQuery {
            patient: self.id,
            reader: reader.to_owned(),
        };
        self.sign("consent", function, "query", nonce(), QUERY_SECONDS, body)
    }
}
