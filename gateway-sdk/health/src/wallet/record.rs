//! Acts on the record contract.

use careledger_api::HealthError;
use careledger_api::contracts::consent::SignedQuery;
use careledger_api::contracts::record::{
    Correction, EmergencyChoice, ErasureGround, ErasureQuery, ErasureRequest, Link, Unlink,
};
use careledger_api::ids::{DocumentId, Nonce};

use super::{INTENT_SECONDS, PatientAt, QUERY_SECONDS, Signed, nonce, salt};

impl PatientAt {
    /// Puts a document into the emergency summary or takes it out (`record.chooseEmergency`).
    pub fn choose_emergency(
        &self,
        document: DocumentId,
        include: bool,
    ) -> Result<Signed<EmergencyChoice>, HealthError> {
        let nonce = nonce();
        let body = EmergencyChoice {
            patient: self.id,
            document,
            include,
            nonce,
            salt: salt(),
        };
        self.sign("record", "chooseEmergency", "choice", nonce, INTENT_SECONDS, body)
    }

    /// Asks for the erasure of a document (`record.requestErasure`).
    pub fn request_erasure(
        &self,
        document: DocumentId,
        ground: ErasureGround,
    ) -> Result<Signed<ErasureRequest>, HealthError> {
        let nonce = nonce();
        let body = ErasureRequest {
            patient: self.id,
            document,
            ground,
            nonce,
            salt: salt(),
        };
        self.sign("record", "requestErasure", "request", nonce, INTENT_SECONDS, body)
    }

    /// The question for the receipt of an erasure the patient asked for, carried by clients of the organisation `reader`
    /// (`record.myErasureReceipt`).
    pub fn ask_erasure_receipt(
        &self,
        document: DocumentId,
        reader: &str,
    ) -> Result<Signed<ErasureQuery>, HealthError> {
        let body = ErasureQuery {
            patient: self.id,
            reader: reader.to_owned(),
            document,
        };
        self.sign(
            "record",
            "myErasureReceipt",
            "query",
            nonce(),
            QUERY_SECONDS,
            body,
        )
    }

    /// Ties this id to the same wallet's id at another custodian (`record.link`): nobody else can, since that id's own first key proves it.
    pub fn link(&self, other: &Self) -> Result<Signed<Link>, HealthError> {
        let nonce = nonce();
        let body = Link::new(
            self.id,
            &other.custodian,
            other.id,
            (&other.key, other.random),
            nonce,
            salt(),
        )?;
        self.sign("record", "link", "link", nonce, INTENT_SECONDS, body)
    }

    /// Takes a link back by its id (`record.unlink`).
    pub fn unlink(&self, link: Nonce) -> Result<Signed<Unlink>, HealthError> {
        let nonce = nonce();
        let body = Unlink {
            patient: self.id,
            link,
            nonce,
            salt: salt(),
        };
        self.sign("record", "unlink", "unlink", nonce, INTENT_SECONDS, body)
    }

    /// Asks for a correction (`record.requestCorrection`); the custodian answers within 60 days.
    pub fn request_correction(
        &self,
        document: DocumentId,
        text: &str,
    ) -> Result<Signed<Correction>, HealthError> {
        let nonce = nonce();
        let body = Correction {
            patient: self.id,
            document,
            nonce,
            text: text.to_owned(),
            salt: salt(),
        };
        self.sign(
            "record",
            "requestCorrection",
            "correction",
            nonce,
            INTENT_SECONDS,
            body,
        )
    }

    /// A signed question to the record contract (`myLinks`, `myCorrections`), whose answer clients of the organisation `reader` carry.
    pub fn ask_records(&self, function: &str, reader: &str) -> Result<Signed<SignedQuery>, HealthError> {
        let body = SignedQuery {
            patient: self.id,
            reader: reader.to_owned(),
        };
        self.sign("record", function, "query", nonce(), QUERY_SECONDS, body)
    }
}
