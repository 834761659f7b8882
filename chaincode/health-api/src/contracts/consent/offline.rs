//! A glass broken while the network could not be reached: care does not wait for a log, and the log is made up for.
//!
//! The emergency doctor signs a ticket with the key of their certificate. The custodian's vault checks certificate and signature, asks its own peer what
//! the ticket opens ([`Consents::offline_opening`](super::Consents::offline_opening)), keeps the ticket, and files it
//! ([`Consents::backfill`](super::Consents::backfill)): before it hands the emergency summary out where the ledger can be written, and otherwise when that
//! is so again. It is then an entry of the patient's log, told and reviewed as any broken glass, and says when it happened and whether it was filed late.

use super::access::{BreakGlassRequest, ReleasableDocument};
use crate::HealthError;
use crate::hashing::canonical;
use crate::ids::{Salt, TicketId};
use fabric_contract_core::{ClientIdentity, Creator};
use p256::ecdsa::signature::Verifier as _;
use serde::{Deserialize, Serialize};

/// Until when after it happened an offline glass is filed in time, seconds: 24 hours. Later is accepted as well, and marked.
pub const BACKFILL_SECONDS: i64 = 24 * 3_600;
/// How far the doctor's and the custodian's clock may differ, seconds.
pub const TICKET_SKEW_SECONDS: i64 = 300;
/// Most tickets of one person that a custodian takes within an hour.
pub const TICKETS_PER_PERSON: usize = 6;
/// Most tickets of one organisation's people that a custodian takes within an hour.
pub const TICKETS_PER_ORGANISATION: usize = 60;
/// What an hour is to these limits, in seconds.
pub const TICKET_WINDOW_SECONDS: i64 = 3_600;
/// Longest certificate of a ticket, in bytes of PEM.
const MAX_CERTIFICATE_BYTES: usize = 8_192;
const DOMAIN: &str = "careledger/v1/offline-ticket";

/// What an emergency doctor asks for without the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfflineTicket {
    /// Drawn by the doctor's device.
    pub id: TicketId,
    /// The consortium's id.
    pub consortium: String,
    /// MSP id of the custodian that is asked.
    pub custodian: String,
    /// Whose summary, why and for how long. Its key is where the custodian seals to.
    pub request: BreakGlassRequest,
    /// When, seconds since 1970, by the doctor's clock.
    pub at: i64,
}

impl OfflineTicket {
    /// The signed bytes: a domain tag, a zero byte and the ticket in canonical JSON (RFC 8785).
    pub fn message(&self) -> Result<Vec<u8>, HealthError> {
        let mut message = [DOMAIN.as_bytes(), b"\0"].concat();
        message.extend(canonical(self)?);
        Ok(message)
    }

    /// Signs it: `sign` gets [`OfflineTicket::message`] and answers with an ECDSA signature on P-256 with SHA-256 in DER, as Fabric's identities sign.
    pub fn sign<E: From<HealthError>>(
        self,
        organisation: &str,
        certificate_pem: &str,
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<SignedTicket, E> {
        let signature = hex::encode(sign(&self.message()?)?);
        Ok(SignedTicket {
            ticket: self,
            organisation: organisation.to_owned(),
            certificate: certificate_pem.to_owned(),
            signature,
        })
    }
}

/// A ticket with the doctor's certificate and signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedTicket {
    /// What was signed.
    pub ticket: OfflineTicket,
    /// MSP id of the doctor's organisation.
    pub organisation: String,
    /// The doctor's certificate, in PEM.
    pub certificate: String,
    /// ECDSA on P-256 with SHA-256, DER, hex.
    pub signature: String,
}

impl SignedTicket {
    /// Who signed. `UNAUTHENTICATED` for a certificate that cannot be read, `BAD_INTENT` for a signature that is not its key's.
    ///
    /// That the organisation's authority issued the certificate, and that it is not revoked, is the custodian's to check before it hands anything out; no
    /// contract knows the channel's authorities. The ticket is kept whole, so that a reviewer can check it again.
    pub fn signer(&self) -> Result<ClientIdentity, HealthError> {
        if self.certificate.len() > MAX_CERTIFICATE_BYTES {
            return Err(HealthError::Limit("a certificate has at most 8,192 bytes".into()));
        }
        let client = ClientIdentity::from_creator(&Creator {
            msp_id: self.organisation.clone(),
            certificate_pem: self.certificate.clone().into_bytes(),
        })?;
        let message = self.ticket.message()?;
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(client.public_key());
        let signature = hex::decode(&self.signature)
            .ok()
            .and_then(|der| p256::ecdsa::Signature::from_der(&der).ok());
        match (key, signature) {
            (Ok(key), Some(signature)) if key.verify(&message, &signature).is_ok() => Ok(client),
            _ => Err(HealthError::BadIntent(
                "the ticket's signature does not verify with the certificate's P-256 key".into(),
            )),
        }
    }
}

/// What a ticket opens, as the custodian's own peer has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfflineOpening {
    /// The doctor holds a credential that counts at the asked time, as far as this peer knows.
    pub credentialed: bool,
    /// The emergency summary, without what the patient or the consortium's policy keeps from a broken glass; nothing unless the doctor is credentialed.
    pub documents: Vec<ReleasableDocument>,
}

/// What a custodian files of a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfflineReport {
    /// The ticket.
    pub signed: SignedTicket,
    /// Whether the summary was handed out.
    pub opened: bool,
    /// When it was handed out or refused, seconds since 1970, by the custodian's clock.
    pub at: i64,
    /// Salts the private values.
    pub salt: Salt,
}

/// What the log says of a glass that was broken without the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offline {
    /// The ticket's id.
    pub ticket: TicketId,
    /// When it happened, seconds since 1970, by the custodian's clock.
    pub at: i64,
    /// It was filed more than [`BACKFILL_SECONDS`] later.
    pub late: bool,
    /// The doctor's credential counts for that time, as far as the ledger says now: one suspended since then does not.
    pub credentialed: bool,
}
