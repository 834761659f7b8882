//! Public and private keys on aws-lc-rs.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1,
    ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ED25519, EcdsaKeyPair, KeyPair,
    ParsedPublicKey, UnparsedPublicKey, VerificationAlgorithm,
};
use p256::ecdsa::signature::Signer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::error::MspError;
use crate::memo;
use crate::pem;
use crate::signature::{Curve, EcdsaSignature};

/// The kinds of public key an identity or a CA may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyAlgorithm {
    /// ECDSA on NIST P-256.
    P256,
    /// ECDSA on NIST P-384.
    P384,
    /// Ed25519; an identity's key only under channel capability V3_0.
    Ed25519,
}

/// How a certificate or a revocation list is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignatureScheme {
    EcdsaSha256,
    EcdsaSha384,
    EcdsaSha512,
    Ed25519,
}

impl SignatureScheme {
    pub(crate) fn from_oid(dotted: &str) -> Option<Self> {
        match dotted {
            "1.2.840.10045.4.3.2" => Some(Self::EcdsaSha256),
            "1.2.840.10045.4.3.3" => Some(Self::EcdsaSha384),
            "1.2.840.10045.4.3.4" => Some(Self::EcdsaSha512),
            "1.3.101.112" => Some(Self::Ed25519),
            _ => None,
        }
    }
}

/// A public key, parsed once.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: KeyAlgorithm,
    parsed: ParsedPublicKey,
    fingerprint: [u8; 32],
}

impl PublicKey {
    pub(crate) fn from_spki(spki: &SubjectPublicKeyInfo<'_>) -> Result<Self, MspError> {
        let point = spki.subject_public_key.data.as_ref();
        let curve = spki
            .algorithm
            .parameters
            .as_ref()
            .and_then(|parameters| parameters.as_oid().ok())
            .map(|oid| oid.to_id_string());
        let algorithm = match (spki.algorithm.algorithm.to_id_string().as_str(), curve.as_deref()) {
            ("1.2.840.10045.2.1", Some("1.2.840.10045.3.1.7")) => KeyAlgorithm::P256,
            ("1.2.840.10045.2.1", Some("1.3.132.0.34")) => KeyAlgorithm::P384,
            ("1.3.101.112", _) => KeyAlgorithm::Ed25519,
            (other, curve) => {
                let curve = curve.unwrap_or("none");
                return Err(MspError::UnsupportedKey(format!(
                    "algorithm {other}, curve {curve}"
                )));
            }
        };
        Self::from_point(algorithm, point)
    }

    pub(crate) fn from_point(algorithm: KeyAlgorithm, point: &[u8]) -> Result<Self, MspError> {
        if algorithm != KeyAlgorithm::Ed25519 && point.first() != Some(&4) {
            return Err(MspError::UnsupportedKey(
                "the point is not in uncompressed form".into(),
            ));
        }
        let verification: &'static dyn VerificationAlgorithm = match algorithm {
            KeyAlgorithm::P256 => &ECDSA_P256_SHA256_ASN1,
            KeyAlgorithm::P384 => &ECDSA_P384_SHA256_ASN1,
            KeyAlgorithm::Ed25519 => &ED25519,
        };
        let parsed = ParsedPublicKey::new(verification, point)
            .map_err(|error| MspError::UnsupportedKey(format!("not a valid {algorithm:?} key: {error}")))?;
        let mut fingerprint = [0u8; 32];
        fingerprint.copy_from_slice(digest(&SHA256, &[&[algorithm as u8], point].concat()).as_ref());
        Ok(Self {
            algorithm,
            parsed,
            fingerprint,
        })
    }

    /// The kind of key.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The key's bytes: an uncompressed point, or the 32 bytes of an Ed25519 key.
    pub fn bytes(&self) -> &[u8] {
        self.parsed.as_ref()
    }

    /// Verifies a signature over `message` as Fabric's `identity.Verify`: ECDSA over its SHA-256 with low S only, Ed25519 over
    /// the message itself. A success is remembered for the whole process.
    ///
    /// # Errors
    /// [`MspError::Signature`] when the signature is malformed, high-S, or not by this key.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), MspError> {
        let hash = digest(&SHA256, message);
        let Some(curve) = self.curve() else {
            return memo::once(&self.fingerprint, hash.as_ref(), signature, || {
                self.parsed.verify_sig(message, signature).map_err(|_| WRONG)
            });
        };
        let parsed = EcdsaSignature::parse(signature)
            .ok_or(MspError::Signature("it is not a DER encoded ECDSA signature"))?;
        if !parsed.is_low(curve) {
            return Err(MspError::Signature(
                "its S is above half the group order; sign with low S",
            ));
        }
        let strict = parsed.encode();
        memo::once(&self.fingerprint, hash.as_ref(), &strict, || {
            self.parsed.verify_digest_sig(&hash, &strict).map_err(|_| WRONG)
        })
    }

    /// Verifies the signature of a certificate or revocation list, whose S may be high.
    pub(crate) fn verify_signed(
        &self,
        scheme: SignatureScheme,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), MspError> {
        let algorithm: &'static dyn VerificationAlgorithm = match (self.algorithm, scheme) {
            (KeyAlgorithm::P256, SignatureScheme::EcdsaSha256) => &ECDSA_P256_SHA256_ASN1,
            (KeyAlgorithm::P256, SignatureScheme::EcdsaSha384) => &ECDSA_P256_SHA384_ASN1,
            (KeyAlgorithm::P256, SignatureScheme::EcdsaSha512) => &ECDSA_P256_SHA512_ASN1,
            (KeyAlgorithm::P384, SignatureScheme::EcdsaSha256) => &ECDSA_P384_SHA256_ASN1,
            (KeyAlgorithm::P384, SignatureScheme::EcdsaSha384) => &ECDSA_P384_SHA384_ASN1,
            (KeyAlgorithm::P384, SignatureScheme::EcdsaSha512) => &ECDSA_P384_SHA512_ASN1,
            (KeyAlgorithm::Ed25519, SignatureScheme::Ed25519) => &ED25519,
            _ => {
                return Err(MspError::Signature(
                    "the issuer's key is of another kind than the signature",
                ));
            }
        };
        UnparsedPublicKey::new(algorithm, self.bytes())
            .verify(signed, signature)
            .map_err(|_| WRONG)
    }

    pub(crate) fn curve(&self) -> Option<Curve> {
        match self.algorithm {
            KeyAlgorithm::P256 => Some(Curve::P256),
            KeyAlgorithm::P384 => Some(Curve::P384),
            KeyAlgorithm::Ed25519 => None,
        }
    }
}

const WRONG: MspError = MspError::Signature("it was not made by this key over this message");

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "PublicKey({:?} {})",
            self.algorithm,
            hex::encode(&self.fingerprint[..8])
        )
    }
}

/// A P-256 private key. Never shown: `Debug` prints the public key.
pub struct PrivateKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
    /// Set for keys made from a seed: they also sign reproducibly (RFC 6979).
    deterministic: Option<p256::ecdsa::SigningKey>,
}

impl PrivateKey {
    /// A new random key.
    ///
    /// # Errors
    /// [`MspError::Crypto`] when the random source fails.
    pub fn generate() -> Result<Self, MspError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
            .map_err(|_| MspError::Crypto("no P-256 key could be generated"))?;
        Self::from_pair(pair, None)
    }

    /// The key with the given secret number: reproducible, for tests only. `None` when the number is not in `1..order`.
    pub(crate) fn from_secret(secret: &[u8; 32]) -> Option<Result<Self, MspError>> {
        let deterministic = p256::ecdsa::SigningKey::from_slice(secret).ok()?;
        let point = deterministic.verifying_key().to_sec1_point(false);
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_ASN1_SIGNING,
            secret,
            point.as_bytes(),
        )
        .map_err(|_| MspError::Crypto("the seeded key was refused"));
        Some(pair.and_then(|pair| Self::from_pair(pair, Some(deterministic))))
    }

    /// Reads a P-256 key from PKCS#8 (`PRIVATE KEY`) or SEC1 (`EC PRIVATE KEY`) PEM.
    ///
    /// # Errors
    /// [`MspError::Pem`] or [`MspError::UnsupportedKey`].
    pub fn from_pem(text: &[u8]) -> Result<Self, MspError> {
        let der = pem::decode_as(text, &[pem::PRIVATE_KEY, "EC PRIVATE KEY"])?;
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, &der)
            .map_err(|error| MspError::UnsupportedKey(format!("not a P-256 private key: {error}")))?;
        Self::from_pair(pair, None)
    }

    /// The key as PKCS#8 PEM.
    ///
    /// # Errors
    /// [`MspError::Crypto`] when the library cannot encode it.
    pub fn to_pem(&self) -> Result<String, MspError> {
        let der = self
            .pair
            .to_pkcs8v1()
            .map_err(|_| MspError::Crypto("the key could not be encoded"))?;
        Ok(pem::encode(pem::PRIVATE_KEY, der.as_ref()))
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs the SHA-256 of `message`; DER, low S.
    ///
    /// # Errors
    /// [`MspError::Crypto`] when the library fails.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, MspError> {
        let raw = match &self.deterministic {
            Some(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            None => self
                .pair
                .sign(&SystemRandom::new(), message)
                .map_err(|_| MspError::Crypto("signing failed"))?
                .as_ref()
                .to_vec(),
        };
        EcdsaSignature::parse(&raw)
            .and_then(|signature| signature.encode_low(Curve::P256))
            .ok_or(MspError::Crypto("the library made an unreadable signature"))
    }

    /// The DER SubjectPublicKeyInfo of the public half.
    pub(crate) fn spki(&self) -> Result<Vec<u8>, MspError> {
        let der = self
            .pair
            .public_key()
            .as_der()
            .map_err(|_| MspError::Crypto("the public key could not be encoded"))?;
        Ok(der.as_ref().to_vec())
    }

    fn from_pair(
        pair: EcdsaKeyPair,
        deterministic: Option<p256::ecdsa::SigningKey>,
    ) -> Result<Self, MspError> {
        let public = PublicKey::from_point(KeyAlgorithm::P256, pair.public_key().as_ref())?;
        Ok(Self {
            pair,
            public,
            deterministic,
        })
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PrivateKey(of {:?})", self.public)
    }
}
