//! What travels between requester and vault: JSON over TLS.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use careledger_api::codes::Category;
use careledger_api::hashing::canonical;
use careledger_api::ids::{DocumentId, TxId};
use careledger_api::merkle::ContentOpening;
use serde::{Deserialize, Serialize};

/// Asks for the keys of documents that a committed access opens. Every named category must be permitted, or nothing is released.
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

/// A [`ReleaseRequest`] under the signature of the access transaction's creator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedRequest {
    /// The request.
    pub request: ReleaseRequest,
    /// The creator's SerializedIdentity (msp/identities.proto), base64.
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

impl SignedRequest {
    /// Signs a request: `sign` gets [`message`](Self::message)'s bytes.
    pub fn new<E: From<WireError>>(
        request: ReleaseRequest,
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

fn message(request: &ReleaseRequest) -> Result<Vec<u8>, WireError> {
    let mut message = b"careledger/v1/release-request\0".to_vec();
    message.extend(canonical(request).map_err(|_| WireError::Canonical)?);
    Ok(message)
}

/// What a vault releases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseResponse {
    /// One item for each document.
    pub items: Vec<ReleasedItem>,
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
    /// HPKE's encapsulated key, base64.
    pub encapsulated: String,
    /// The sealed [`SealedContent`], base64.
    pub sealed: String,
    /// The encrypted file, base64.
    pub file: String,
}

/// What the seal hides: the file's key and what opens its anchor.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedContent {
    /// The data-encryption key, hex.
    pub dek: String,
    /// What opens the public commitment.
    pub opening: ContentOpening,
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
}
