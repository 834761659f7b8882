//! Finding a patient at a custodian's vault: the question behind a committed search, and its sealed answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use careledger_api::contracts::consent::{Demographics, FindQuery};
use careledger_api::ids::{KemPublicKey, PatientId, Salt, TxId};
use fabric_gateway_sdk::SigningIdentity;
use serde::{Deserialize, Serialize};

use super::client::{DEADLINE, VaultClient, signed};
use super::error::VaultError;
use super::wire::VaultRequest;
use crate::sealing::{Binding, KemKeyPair, SealError, Sealed, length_prefixed, seal};

/// Bytes of every answer before it is sealed: whether somebody was found, and an id.
const ANSWER: usize = 1 + PatientId::LEN;

/// Opens the query that a committed search (`consent.find`) is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindQuestion {
    /// MSP id of the vault's organisation.
    pub custodian: String,
    /// The channel of the search.
    pub channel: String,
    /// The committed search.
    pub tx: TxId,
    /// Whom it looks for.
    pub query: FindQuery,
    /// With which the search's commitment was salted.
    pub salt: Salt,
}

impl VaultRequest for FindQuestion {
    const DOMAIN: &'static str = "careledger/v1/find-question";
}

/// A vault's answer: the same size whether somebody was found or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindReply {
    /// HPKE's encapsulated key, base64.
    pub encapsulated: String,
    /// The sealed answer, base64.
    pub sealed: String,
}

/// What the own organisation's vault is told of a patient, so that a search by identity documents finds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonEntry {
    /// MSP id of the vault's organisation.
    pub custodian: String,
    /// The channel of the vault.
    pub channel: String,
    /// Who.
    pub patient: PatientId,
    /// What identity documents say; none takes the patient out of the index.
    pub person: Option<Demographics>,
    /// When it was signed, seconds since 1970. A vault takes it for five minutes.
    pub at: i64,
}

impl VaultRequest for PersonEntry {
    const DOMAIN: &'static str = "careledger/v1/person-entry";
}

/// An answer is for one search.
struct Answer<'a> {
    channel: &'a str,
    tx: &'a TxId,
}

impl Binding for Answer<'_> {
    fn info(&self) -> Vec<u8> {
        length_prefixed(
            b"careledger/v1/find-answer",
            &[self.channel.as_bytes(), self.tx.as_str().as_bytes()],
        )
    }
}

impl FindReply {
    /// Seals an answer to the searcher's key. Fails for a key of low order.
    pub fn seal(
        to: &KemPublicKey,
        channel: &str,
        tx: &TxId,
        found: Option<PatientId>,
    ) -> Result<Self, SealError> {
        let mut answer = [0; ANSWER];
        if let Some(patient) = found {
            answer[0] = 1;
            answer[1..].copy_from_slice(patient.as_bytes());
        }
        let sealed = seal(to, Answer { channel, tx }, &answer)?;
        Ok(Self {
            encapsulated: STANDARD.encode(sealed.encapsulated),
            sealed: STANDARD.encode(sealed.ciphertext),
        })
    }

    /// Opens the answer with the search's key.
    pub fn open(&self, kem: &KemKeyPair, channel: &str, tx: &TxId) -> Result<Option<PatientId>, SealError> {
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| SealError);
        let sealed = Sealed {
            encapsulated: decode(&self.encapsulated)?,
            ciphertext: decode(&self.sealed)?,
        };
        let answer = kem.open(Answer { channel, tx }, &sealed)?;
        match <[u8; ANSWER]>::try_from(answer.as_slice()) {
            Ok([1, id @ ..]) => Ok(Some(PatientId::from_bytes(id))),
            Ok([0, ..]) => Ok(None),
            _ => Err(SealError),
        }
    }
}

impl VaultClient {
    /// Asks whom a committed search found; none for nobody and for several alike. `kem` is the pair whose public half the search carried.
    ///
    /// Fails with [`VaultError::NotReleased`] when the vault does not answer: a search that is not the identity's, too old, answered before,
    /// about another query, or over the limits.
    pub async fn find(
        &self,
        identity: &SigningIdentity,
        question: FindQuestion,
        kem: &KemKeyPair,
    ) -> Result<Option<PatientId>, VaultError> {
        let question = signed(identity, question)?;
        let response = self.post("/v1/find", DEADLINE, &question).await?;
        let reply: FindReply = match response.status().as_u16() {
            200 => self.json(response).await?,
            404 => return Err(VaultError::NotReleased),
            status => return Err(self.failed(status)),
        };
        reply
            .open(kem, &question.request.channel, &question.request.tx)
            .map_err(|_| VaultError::BadAnswer("it was not sealed for this search"))
    }

    /// Tells the own organisation's vault what identity documents say of a patient. The vault keeps a keyed hash of it.
    ///
    /// Fails with [`VaultError::NotTaken`] unless the identity is a custodian of the vault's organisation.
    pub async fn enter_person(
        &self,
        identity: &SigningIdentity,
        entry: PersonEntry,
    ) -> Result<(), VaultError> {
        let entry = signed(identity, entry)?;
        let response = self.post("/v1/persons", DEADLINE, &entry).await?;
        match response.status().as_u16() {
            204 => Ok(()),
            403 => Err(VaultError::NotTaken),
            status => Err(self.failed(status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_and_not_found_have_one_size_and_open_for_their_search_alone() {
        let kem = KemKeyPair::generate();
        let tx: TxId = "aa".parse().unwrap();
        let patient = PatientId::from_bytes([7; 32]);
        let found = FindReply::seal(&kem.public(), "health", &tx, Some(patient)).unwrap();
        let nobody = FindReply::seal(&kem.public(), "health", &tx, None).unwrap();
        assert_eq!(found.sealed.len(), nobody.sealed.len());
        assert_eq!(found.open(&kem, "health", &tx), Ok(Some(patient)));
        assert_eq!(nobody.open(&kem, "health", &tx), Ok(None));
        assert_eq!(found.open(&kem, "health", &"ab".parse().unwrap()), Err(SealError));
        assert_eq!(found.open(&KemKeyPair::generate(), "health", &tx), Err(SealError));
    }
}
