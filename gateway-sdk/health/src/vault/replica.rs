//! Copies of a custodian's ciphertext and keys at a second organisation's vault, and asking whichever vault answers.
//!
//! ```text
//! custodian's vault --GET  /v1/replicas/key------------> key-exchange key of the holder's vault, made when that started
//!                   --PUT  /v1/replicas/{doc}/{version}-> ciphertext; in its head, signed: {DEK, opening} sealed to that key
//!                   --POST /v1/probes------------------> proof that ciphertext and key are there
//! requester: Vaults::release: the custodian's vault, or the next one when that does not answer
//! ```

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use careledger_api::ids::{DocumentId, KemPublicKey};
use careledger_api::merkle::ContentOpening;
use careledger_api::merkle::batch::BatchProof;
use fabric_gateway_sdk::SigningIdentity;
use futures::Stream;
use serde::{Deserialize, Serialize};

use super::client::{OpenedRecord, ReleasedRecord, VaultClient, signed};
use super::content::SourceError;
use super::error::VaultError;
use super::wire::{ReleaseRequest, VaultRequest, WireError};
use crate::sealing::{Binding, KemKeyPair, SealError, Sealed, length_prefixed};

/// The longest wait for an answer to a question; a probe reads up to 8 MiB of a file.
const DEADLINE: Duration = Duration::from_secs(120);

/// Asks a vault to keep a copy of a version; its ciphertext follows as the request's body. Signed by the custodian's vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicaRequest {
    /// What is copied, from where to where.
    pub copy: ReplicaOf,
    /// What the document's batch anchor proves, where it has no anchor of its own.
    pub proof: Option<BatchProof>,
    /// Whether a copy that is there already is read and, where it is damaged, made anew.
    pub check: bool,
    /// HPKE's encapsulated key, base64.
    pub encapsulated: String,
    /// The sealed [`SealedCopy`], base64.
    pub sealed: String,
    /// When it was signed, seconds since 1970. A vault takes it for five minutes.
    pub at: i64,
}

impl VaultRequest for ReplicaRequest {
    const DOMAIN: &'static str = "careledger/v1/replica-request";
}

/// One version's copy at one vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicaOf {
    /// MSP id of the document's custodian.
    pub custodian: String,
    /// MSP id of the vault that holds the copy.
    pub holder: String,
    /// The channel.
    pub channel: String,
    /// The document.
    pub document: DocumentId,
    /// Its version, from 1.
    pub version: u32,
}

impl Binding for ReplicaOf {
    fn info(&self) -> Vec<u8> {
        length_prefixed(
            b"careledger/v1/replica-key",
            &[
                self.custodian.as_bytes(),
                self.holder.as_bytes(),
                self.channel.as_bytes(),
                self.document.as_bytes(),
                &self.version.to_be_bytes(),
            ],
        )
    }
}

/// What the seal of a copy hides.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedCopy {
    /// The data-encryption key, hex.
    pub dek: String,
    /// What opens the public commitment.
    pub opening: ContentOpening,
}

impl std::fmt::Debug for SealedCopy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedCopy")
    }
}

/// A vault's key-exchange key for copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicaKey {
    /// The key.
    pub key: KemPublicKey,
}

/// Asks for a proof that a copy is there, ciphertext and key. Signed by the custodian's vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeRequest {
    /// The copy.
    pub copy: ReplicaOf,
    /// 32 fresh random bytes, hex: no earlier answer fits.
    pub nonce: String,
    /// When it was signed, seconds since 1970. A vault takes it for five minutes.
    pub at: i64,
}

impl VaultRequest for ProbeRequest {
    const DOMAIN: &'static str = "careledger/v1/probe-request";
}

/// The answer to a [`ProbeRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeAnswer {
    /// HMAC-SHA-256 under the file's key over nonce and SHA-256 of the blocks of the ciphertext that the nonce picks, hex. The custodian computes the
    /// same.
    pub proof: String,
}

impl VaultClient {
    /// The key to which a copy's key is sealed. It is the vault's own: TLS says so.
    pub async fn replica_key(&self) -> Result<KemPublicKey, VaultError> {
        let response = self.get("/v1/replicas/key", DEADLINE).await?;
        match response.status().as_u16() {
            200 => Ok(self.json::<ReplicaKey>(response).await?.key),
            404 => Err(VaultError::NotTaken),
            status => Err(self.failed(status)),
        }
    }

    /// Has the vault keep a copy. It takes it if the ciphertext opens to what the custodian anchored; a copy that is there already is success.
    ///
    /// Fails with [`VaultError::NotTaken`] where the vault holds no replicas of this custodian, the document was erased, or the copy is not what
    /// was anchored.
    pub async fn replicate(
        &self,
        identity: &SigningIdentity,
        request: ReplicaRequest,
        ciphertext: impl Stream<Item = Result<Bytes, SourceError>> + Send + 'static,
    ) -> Result<(), VaultError> {
        let path = format!("/v1/replicas/{}/{}", request.copy.document, request.copy.version);
        let authority = serde_json::to_vec(&signed(identity, request)?).map_err(|_| WireError::Canonical)?;
        let authority = format!("Careledger {}", STANDARD.encode(authority));
        let body = reqwest::Body::wrap_stream(ciphertext);
        let response = self.put(&path, authority, body).await?;
        match response.status().as_u16() {
            200 | 201 => Ok(()),
            403 | 409 => Err(VaultError::NotTaken),
            status => Err(self.failed(status)),
        }
    }

    /// Asks for a proof that a copy is there; `None` where the vault has none.
    pub async fn probe(
        &self,
        identity: &SigningIdentity,
        request: ProbeRequest,
    ) -> Result<Option<ProbeAnswer>, VaultError> {
        let response = self
            .post("/v1/probes", DEADLINE, &signed(identity, request)?)
            .await?;
        match response.status().as_u16() {
            200 => self.json(response).await.map(Some),
            404 => Ok(None),
            403 => Err(VaultError::NotTaken),
            status => Err(self.failed(status)),
        }
    }
}

/// Seals a copy's key and opening to the vault that will hold it.
///
/// # Errors
/// [`SealError`] where its key is no key.
pub fn seal_copy(to: &KemPublicKey, copy: &ReplicaOf, content: &SealedCopy) -> Result<Sealed, SealError> {
    let json = zeroize::Zeroizing::new(serde_json::to_vec(content).map_err(|_| SealError)?);
    crate::sealing::seal(to, copy, &json)
}

/// Opens what [`seal_copy`] made for `kem`.
///
/// # Errors
/// [`SealError`] where it was made for another key or copy, or altered.
pub fn open_copy(kem: &KemKeyPair, copy: &ReplicaOf, sealed: &Sealed) -> Result<SealedCopy, SealError> {
    let json = zeroize::Zeroizing::new(kem.open(copy, sealed)?);
    serde_json::from_slice(&json).map_err(|_| SealError)
}

/// A custodian's vault and those that hold replicas, in the order in which they are asked.
///
/// Every one of them applies the same rule, on its own organisation's peer. The next one is asked when one does not answer or fails, and never
/// after one has refused.
#[derive(Debug, Clone)]
pub struct Vaults(Vec<VaultClient>);

impl Vaults {
    /// The custodian's own vault first.
    pub fn new(own: VaultClient, replicas: impl IntoIterator<Item = VaultClient>) -> Self {
        Self(std::iter::once(own).chain(replicas).collect())
    }

    /// As [`VaultClient::released`], of the first vault that answers. Fails as the last one did.
    pub async fn released(
        &self,
        identity: &SigningIdentity,
        request: &ReleaseRequest,
        kem: &KemKeyPair,
    ) -> Result<Vec<ReleasedRecord>, VaultError> {
        let mut last = VaultError::NotReleased;
        for vault in &self.0 {
            match vault.released(identity, request.clone(), kem).await {
                Err(error) if error.is_unavailable() => last = error,
                answered => return answered,
            }
        }
        Err(last)
    }

    /// As [`VaultClient::release`], of the first vault that answers. Fails as the last one did.
    pub async fn release(
        &self,
        identity: &SigningIdentity,
        request: &ReleaseRequest,
        kem: &KemKeyPair,
    ) -> Result<Vec<OpenedRecord>, VaultError> {
        let mut last = VaultError::NotReleased;
        for vault in &self.0 {
            match vault.release(identity, request.clone(), kem).await {
                Err(error) if error.is_unavailable() => last = error,
                answered => return answered,
            }
        }
        Err(last)
    }
}

#[cfg(test)]
mod tests {
    use careledger_api::ids::Salt;

    use super::*;

    fn copy() -> ReplicaOf {
        ReplicaOf {
            custodian: "HospitalMSP".into(),
            holder: "RegulatorMSP".into(),
            channel: "health".into(),
            document: DocumentId::from_bytes([1; 16]),
            version: 1,
        }
    }

    #[test]
    fn a_copy_opens_for_its_holder_and_as_what_it_is() {
        let opening =
            ContentOpening::of(Salt::from_bytes([7; 32]), 65_536, "text/plain", b"a").expect("an opening");
        let content = SealedCopy {
            dek: hex::encode([9; 32]),
            opening,
        };
        let kem = KemKeyPair::generate();
        let sealed = seal_copy(&kem.public(), &copy(), &content).expect("sealed");
        assert_eq!(open_copy(&kem, &copy(), &sealed).expect("opens").dek, content.dek);
        assert!(open_copy(&KemKeyPair::generate(), &copy(), &sealed).is_err());
        let (custodian, holder) = ("HospitalMSPR".to_owned(), "egulatorMSP".to_owned());
        for other in [
            ReplicaOf {
                custodian,
                holder,
                ..copy()
            },
            ReplicaOf {
                document: DocumentId::from_bytes([2; 16]),
                ..copy()
            },
            ReplicaOf { version: 2, ..copy() },
        ] {
            assert!(open_copy(&kem, &other, &sealed).is_err(), "{other:?}");
        }
    }
}
