//! Identities: a certificate that speaks for an organisation, with or without its private key.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{Context, SHA256, digest};
use fabric_protos::msp::SerializedIdentity;
use prost::Message;

use crate::certificate::Certificate;
use crate::error::MspError;
use crate::key::PrivateKey;
use crate::msp::directory;

/// A parsed identity. Cheap to clone.
///
/// One that an [`Msp`](crate::Msp) or [`MspManager`](crate::MspManager) gave chains to that MSP's roots, but need not be valid:
/// ask [`Msp::validate`](crate::Msp::validate). One that a [`SigningIdentity`] gave is only parsed.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    msp_id: String,
    serialized: Vec<u8>,
    certificate: Arc<Certificate>,
    id: [u8; 32],
    origin: Option<Origin>,
}

/// What the MSP that gave the identity found out about it.
struct Origin {
    /// The number of that MSP instance.
    msp: u64,
    /// The issuers, from the one that signed the certificate to the root.
    issuers: Vec<Arc<Certificate>>,
    /// SHA-256 over the issuers' DER: Fabric's "certifiers identifier".
    certifiers: [u8; 32],
    validity: OnceLock<Result<(), MspError>>,
}

impl Identity {
    /// An identity outside any MSP.
    pub(crate) fn unattached(msp_id: &str, certificate: Certificate) -> Self {
        let serialized = serialize(msp_id, certificate.pem().into_bytes());
        Self::build(msp_id, serialized, Arc::new(certificate), None)
    }

    /// An identity of the MSP instance `msp` that chains through `issuers`.
    pub(crate) fn attached(
        msp_id: &str,
        serialized: Vec<u8>,
        certificate: Arc<Certificate>,
        msp: u64,
        issuers: Vec<Arc<Certificate>>,
    ) -> Self {
        let certifiers = certifiers_identifier(&issuers);
        let origin = Origin {
            msp,
            issuers,
            certifiers,
            validity: OnceLock::new(),
        };
        Self::build(msp_id, serialized, certificate, Some(origin))
    }

    fn build(
        msp_id: &str,
        serialized: Vec<u8>,
        certificate: Arc<Certificate>,
        origin: Option<Origin>,
    ) -> Self {
        let id = sha256(certificate.der());
        Self(Arc::new(Inner {
            msp_id: msp_id.to_owned(),
            serialized,
            certificate,
            id,
            origin,
        }))
    }

    /// The MSP that the identity claims to belong to.
    pub fn msp_id(&self) -> &str {
        &self.0.msp_id
    }

    /// The `SerializedIdentity` bytes, exactly as received; what creators and endorsers put into messages.
    pub fn serialized(&self) -> &[u8] {
        &self.0.serialized
    }

    /// The certificate, with its signature in low-S form.
    pub fn certificate(&self) -> &Certificate {
        &self.0.certificate
    }

    /// The certificate's DER.
    pub fn certificate_der(&self) -> &[u8] {
        self.0.certificate.der()
    }

    /// The certificate's PEM.
    pub fn certificate_pem(&self) -> String {
        self.0.certificate.pem()
    }

    /// SHA-256 of the certificate: with the MSP id, what makes two identities the same.
    pub fn id(&self) -> &[u8; 32] {
        &self.0.id
    }

    /// The organisational units of the subject.
    pub fn organizational_units(&self) -> &[String] {
        self.0.certificate.organizational_units()
    }

    /// End of validity, in seconds of the Unix epoch. Validation of blocks ignores it (see [`Msp`](crate::Msp)); whoever takes
    /// requests must compare it with its clock.
    pub fn expires_at(&self) -> i64 {
        self.0.certificate.not_after()
    }

    /// Verifies a signature of this identity over `message`; see [`PublicKey::verify`](crate::PublicKey::verify).
    ///
    /// # Errors
    /// [`MspError::Signature`] when it is malformed, high-S, or not by this identity.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), MspError> {
        self.0.certificate.key().verify(message, signature)
    }

    pub(crate) fn belongs_to(&self, msp: u64) -> bool {
        self.0.origin.as_ref().is_some_and(|origin| origin.msp == msp)
    }

    pub(crate) fn issuers(&self) -> &[Arc<Certificate>] {
        self.0.origin.as_ref().map_or(&[], |origin| &origin.issuers)
    }

    /// `None` for an identity outside any MSP.
    pub(crate) fn certifiers(&self) -> Option<&[u8; 32]> {
        self.0.origin.as_ref().map(|origin| &origin.certifiers)
    }

    /// The verdict of the MSP it belongs to, reached once.
    pub(crate) fn validity(&self, judge: impl FnOnce() -> Result<(), MspError>) -> Result<(), MspError> {
        match &self.0.origin {
            Some(origin) => origin.validity.get_or_init(judge).clone(),
            None => judge(),
        }
    }
}

impl PartialEq for Identity {
    /// Same MSP id and same certificate.
    fn eq(&self, other: &Self) -> bool {
        self.0.msp_id == other.0.msp_id && self.0.id == other.0.id
    }
}

impl Eq for Identity {}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Identity({} {})",
            self.msp_id(),
            hex::encode(&self.0.id[..8])
        )
    }
}

/// An identity and its private key.
#[derive(Clone, Debug)]
pub struct SigningIdentity {
    identity: Identity,
    key: Arc<PrivateKey>,
}

impl SigningIdentity {
    /// From PEM texts; the key must belong to the certificate.
    ///
    /// # Errors
    /// [`MspError::Pem`], [`MspError::Certificate`], [`MspError::UnsupportedKey`] or [`MspError::KeyMismatch`].
    pub fn from_pem(msp_id: &str, certificate_pem: &[u8], key_pem: &[u8]) -> Result<Self, MspError> {
        let certificate = Certificate::from_pem(certificate_pem)?;
        let key = PrivateKey::from_pem(key_pem)?;
        if certificate.key().bytes() != key.public().bytes() {
            return Err(MspError::KeyMismatch(msp_id.to_owned()));
        }
        Ok(Self {
            identity: Identity::unattached(msp_id, certificate),
            key: Arc::new(key),
        })
    }

    /// From an MSP directory with `signcerts` and `keystore`: the first certificate, and the key that belongs to it.
    ///
    /// # Errors
    /// [`MspError::Io`] when the directory is not there or empty, and the errors of [`SigningIdentity::from_pem`].
    pub fn from_msp_dir(path: impl AsRef<Path>, msp_id: &str) -> Result<Self, MspError> {
        let path = path.as_ref();
        let certificates = directory::pem_files(&path.join("signcerts"))?;
        let certificate = certificates.first().ok_or_else(|| MspError::Io {
            path: path.join("signcerts"),
            detail: "no certificate here; expected one PEM file".into(),
        })?;
        let keys = directory::pem_files(&path.join("keystore"))?;
        let mut last = MspError::Io {
            path: path.join("keystore"),
            detail: "no key here; expected one PEM file".into(),
        };
        for key in &keys {
            match Self::from_pem(msp_id, certificate, key) {
                Ok(found) => return Ok(found),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The key.
    pub(crate) fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// The identity without the key.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The MSP it belongs to.
    pub fn msp_id(&self) -> &str {
        self.identity.msp_id()
    }

    /// The `SerializedIdentity` bytes.
    pub fn serialized(&self) -> &[u8] {
        self.identity.serialized()
    }

    /// Signs `message`: ECDSA over its SHA-256, DER, low S; or Ed25519 over the message itself.
    ///
    /// # Errors
    /// [`MspError::Crypto`] when the library fails, which only happens without memory or randomness.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, MspError> {
        self.key.sign(message)
    }
}

/// The `SerializedIdentity` message of a certificate.
pub fn serialize(msp_id: &str, certificate_pem: Vec<u8>) -> Vec<u8> {
    SerializedIdentity {
        mspid: msp_id.to_owned(),
        id_bytes: certificate_pem,
    }
    .encode_to_vec()
}

/// SHA-256 over the DER of the certificates, in order.
pub(crate) fn certifiers_identifier(chain: &[Arc<Certificate>]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for certificate in chain {
        context.update(certificate.der());
    }
    let mut out = [0u8; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0u8; 32];
    out.copy_from_slice(digest(&SHA256, data).as_ref());
    out
}
