//! Public and private keys on aws-lc-rs.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1,
    ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1,
    ECDSA_P521_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    ParsedPublicKey, UnparsedPublicKey, VerificationAlgorithm,
};
use p256::ecdsa::signature::Signer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::error::MspError;
use crate::memo;
use crate::pem;
use crate::signature::{Curve, EcdsaSignature};

/// The kinds of public key an identity or a CA may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum KeyAlgorithm {
    /// ECDSA on NIST P-256.
    #[default]
    P256,
    /// ECDSA on NIST P-384; for verification only.
    P384,
    /// ECDSA on NIST P-521; for verification only.
    P521,
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
            ("1.2.840.10045.2.1", Some("1.3.132.0.35")) => KeyAlgorithm::P521,
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
            KeyAlgorithm::P521 => &ECDSA_P521_SHA256_ASN1,
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
            (KeyAlgorithm::P521, SignatureScheme::EcdsaSha256) => &ECDSA_P521_SHA256_ASN1,
            (KeyAlgorithm::P521, SignatureScheme::EcdsaSha384) => &ECDSA_P521_SHA384_ASN1,
            (KeyAlgorithm::P521, SignatureScheme::EcdsaSha512) => &ECDSA_P521_SHA512_ASN1,
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
            KeyAlgorithm::P521 => Some(Curve::P521),
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

/// A P-256 or Ed25519 private key. Never shown: `Debug` prints the public key.
pub struct PrivateKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    P256 {
        pair: EcdsaKeyPair,
        /// Set for keys made from a seed: they also sign reproducibly (RFC 6979).
        deterministic: Option<p256::ecdsa::SigningKey>,
    },
    Ed25519(Ed25519KeyPair),
}

impl PrivateKey {
    /// A new random key.
    ///
    /// # Errors
    /// [`MspError::UnsupportedKey`] for other algorithms than P-256 and Ed25519, [`MspError::Crypto`] when the random source
    /// fails.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, MspError> {
        match algorithm {
            KeyAlgorithm::P256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
                    .map_err(|_| MspError::Crypto("no P-256 key could be generated"))?;
                Self::from_pair(pair, None)
            }
            KeyAlgorithm::Ed25519 => {
                let pair = Ed25519KeyPair::generate()
                    .map_err(|_| MspError::Crypto("no Ed25519 key could be generated"))?;
                Self::from_edwards(pair)
            }
            other => Err(MspError::UnsupportedKey(format!(
                "{other:?} keys are not made here"
            ))),
        }
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

    /// The Ed25519 key of a seed: reproducible, for tests only.
    pub(crate) fn from_edwards_seed(seed: &[u8; 32]) -> Result<Self, MspError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed)
            .map_err(|_| MspError::Crypto("the seeded key was refused"))?;
        Self::from_edwards(pair)
    }

    /// Reads a P-256 key from PKCS#8 (`PRIVATE KEY`) or SEC1 (`EC PRIVATE KEY`) PEM, or an Ed25519 key from PKCS#8.
    ///
    /// # Errors
    /// [`MspError::Pem`] or [`MspError::UnsupportedKey`].
    pub fn from_pem(text: &[u8]) -> Result<Self, MspError> {
        let der = pem::decode_as(text, &[pem::PRIVATE_KEY, "EC PRIVATE KEY"])?;
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der) {
            return Self::from_edwards(pair);
        }
        let pair =
            EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, &der).map_err(|error| {
                MspError::UnsupportedKey(format!("not a P-256 or Ed25519 private key: {error}"))
            })?;
        Self::from_pair(pair, None)
    }

    /// The key as PKCS#8 PEM.
    ///
    /// # Errors
    /// [`MspError::Crypto`] when the library cannot encode it.
    pub fn to_pem(&self) -> Result<String, MspError> {
        let failed = |_| MspError::Crypto("the key could not be encoded");
        let der = match &self.pair {
            Pair::P256 { pair, .. } => pair.to_pkcs8v1().map_err(failed)?,
            Pair::Ed25519(pair) => pair.to_pkcs8v1().map_err(failed)?,
        };
        Ok(pem::encode(pem::PRIVATE_KEY, der.as_ref()))
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `message`: ECDSA over its SHA-256, DER, low S; or Ed25519 over the message itself.
    ///
    /// # Errors
    /// [`MspError::Crypto`] when the library fails.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, MspError> {
        let raw = match &self.pair {
            Pair::Ed25519(pair) => {
                let signature = pair
                    .try_sign(message)
                    .map_err(|_| MspError::Crypto("signing failed"))?;
                return Ok(signature.as_ref().to_vec());
            }
            Pair::P256 {
                deterministic: Some(key),
                ..
            } => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Pair::P256 { pair, .. } => pair
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
        let failed = |_| MspError::Crypto("the public key could not be encoded");
        Ok(match &self.pair {
            Pair::P256 { pair, .. } => pair.public_key().as_der().map_err(failed)?.as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.public_key().as_der().map_err(failed)?.as_ref().to_vec(),
        })
    }

    fn from_pair(
        pair: EcdsaKeyPair,
        deterministic: Option<p256::ecdsa::SigningKey>,
    ) -> Result<Self, MspError> {
        let public = PublicKey::from_point(KeyAlgorithm::P256, pair.public_key().as_ref())?;
        Ok(Self {
            pair: Pair::P256 { pair, deterministic },
            public,
        })
    }

    fn from_edwards(pair: Ed25519KeyPair) -> Result<Self, MspError> {
        let public = PublicKey::from_point(KeyAlgorithm::Ed25519, pair.public_key().as_ref())?;
        Ok(Self {
            pair: Pair::Ed25519(pair),
            public,
        })
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PrivateKey(of {:?})", self.public)
    }
}
