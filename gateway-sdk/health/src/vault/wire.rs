//! What travels between requester and vault: JSON over TLS.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use careledger_api::codes::{Category, Obligation};
use careledger_api::hashing::canonical;
use careledger_api::ids::{DocumentId, TxId};
use careledger_api::merkle::ContentOpening;
use careledger_api::merkle::batch::BatchProof;
use serde::{Deserialize, Serialize};

/// Asks for the keys of documents that a committed access opens. Every named category must be permitted, or nothing is released. On the first step of a
/// broken glass `emergency-summary` names all that it opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRequest {
    /// MSP id of the vault's organisation: a request to one vault is none to another.
    pub custodian: String,
    /// The channel of the access.
    pub channel: String,
    /// The committed access or break-glass transaction.
    pub tx: TxId,
    /// Categories to release, 1 to 13.
    pub categories: Vec<Category>,
}

/// Asks an organisation's own vault to keep a version's content, which follows as the request's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadRequest {
    /// MSP id of the vault's organisation.
    pub custodian: String,
    /// The channel of the vault.
    pub channel: String,
    /// The document: a fresh random id for a first version.
    pub document: DocumentId,
    /// The version, from 1.
    pub version: u32,
    /// Media type.
    pub mime: String,
    /// Bytes of the content where they are known: another number is then refused.
    pub size: Option<u64>,
    /// When it was signed, seconds since 1970. A vault takes it for five minutes.
    pub at: i64,
}

/// What may be asked of a vault under a signature.
pub trait VaultRequest: Serialize {
    /// Begins the signed bytes, so that a signature under one kind of request is none under another.
    const DOMAIN: &'static str;
}

impl VaultRequest for ReleaseRequest {
    const DOMAIN: &'static str = "careledger/v1/release-request";
}

impl VaultRequest for UploadRequest {
    const DOMAIN: &'static str = "careledger/v1/upload-request";
}

/// A request under the signature of a Fabric identity: for a [`ReleaseRequest`] the access transaction's creator, for an [`UploadRequest`] a
/// custodian of the vault's organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedRequest<R = ReleaseRequest> {
    /// The request.
    pub request: R,
    /// The signer's SerializedIdentity (msp/identities.proto), base64.
    pub identity: String,
    /// ECDSA over [`SignedRequest::message`], DER with low S as Fabric signs, base64.
    pub signature: String,
}

/// A request that cannot be read or written.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WireError {
    /// A field is not base64.
    #[error("field {0} is not base64")]
    Base64(&'static str),
    /// The request has no canonical JSON form.
    #[error("the request has no canonical JSON form")]
    Canonical,
}

impl<R: VaultRequest> SignedRequest<R> {
    /// Signs a request: `sign` gets [`message`](Self::message)'s bytes.
    pub fn new<E: From<WireError>>(
        request: R,
        identity: &[u8],
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        let signature = sign(&message(&request)?)?;
        Ok(Self {
            request,
            identity: STANDARD.encode(identity),
            signature: STANDARD.encode(signature),
        })
    }

    /// The signed bytes: a domain tag and the request in canonical JSON (RFC 8785).
    pub fn message(&self) -> Result<Vec<u8>, WireError> {
        message(&self.request)
    }

    /// The signer's serialized identity.
    pub fn identity_bytes(&self) -> Result<Vec<u8>, WireError> {
        STANDARD
            .decode(&self.identity)
            .map_err(|_| WireError::Base64("identity"))
    }

    /// The signature.
    pub fn signature_bytes(&self) -> Result<Vec<u8>, WireError> {
        STANDARD
            .decode(&self.signature)
            .map_err(|_| WireError::Base64("signature"))
    }
}

fn message<R: VaultRequest>(request: &R) -> Result<Vec<u8>, WireError> {
    let mut message = [R::DOMAIN.as_bytes(), b"\0"].concat();
    message.extend(canonical(request).map_err(|_| WireError::Canonical)?);
    Ok(message)
}

/// What a vault releases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseResponse {
    /// One item for each document. None only where a permitted broken glass opens nothing.
    pub items: Vec<ReleasedItem>,
    /// What the requester is obliged to with all of them. That something was left out is not among it.
    #[serde(default)]
    pub obligations: Vec<Obligation>,
    /// When the requester deletes all of them, seconds since 1970, where a consent that they rest on says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erase_at: Option<i64>,
}

/// One document: its encrypted file, and its key sealed to the requester.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedItem {
    /// The document.
    pub document: DocumentId,
    /// Its version.
    pub version: u32,
    /// Its category.
    pub category: Category,
    /// What shows on the ledger a first version that was anchored in a batch.
    #[serde(default)]
    pub proof: Option<BatchProof>,
    /// HPKE's encapsulated key, base64.
    pub encapsulated: String,
    /// The sealed [`SealedContent`], base64.
    pub sealed: String,
    /// The encrypted file, base64, where it is small; a larger one is fetched with the seal's ticket.
    pub file: Option<String>,
}

/// What the seal hides: the file's key and what opens its anchor.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedContent {
    /// The data-encryption key, hex.
    pub dek: String,
    /// What opens the public commitment.
    pub opening: ContentOpening,
    /// For how long, and with what bearer token, the vault gives the encrypted file of this document and version.
    pub ticket: String,
}

impl std::fmt::Debug for SealedContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedContent")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_bytes_change_with_every_field() {
        let request = ReleaseRequest {
            custodian: "HospitalMSP".into(),
            channel: "health".into(),
            tx: "aa".parse().unwrap(),
            categories: vec![Category::Laboratory],
        };
        let bytes = message(&request).unwrap();
        for other in [
            ReleaseRequest {
                custodian: "ClinicMSP".into(),
                ..request.clone()
            },
            ReleaseRequest {
                channel: "other".into(),
                ..request.clone()
            },
            ReleaseRequest {
                tx: "ab".parse().unwrap(),
                ..request.clone()
            },
            ReleaseRequest {
                categories: vec![Category::Note],
                ..request
            },
        ] {
            assert_ne!(message(&other).unwrap(), bytes);
        }
    }

    #[test]
    fn a_signature_under_one_kind_of_request_is_none_under_another() {
        let upload = UploadRequest {
            custodian: "HospitalMSP".into(),
            channel: "health".into(),
            document: DocumentId::from_bytes([1; 16]),
            version: 1,
            mime: "text/plain".into(),
            size: None,
            at: 0,
        };
        let bytes = message(&upload).unwrap();
        assert!(bytes.starts_with(b"careledger/v1/upload-request\0"));
        let later = UploadRequest { at: 1, ..upload };
        assert_ne!(message(&later).unwrap(), bytes);
    }
}
