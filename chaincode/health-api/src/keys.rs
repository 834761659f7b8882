//! Patients' device keys: P-256 (passkeys, secure elements) and Ed25519. Signing is for the wallet, verifying for the contract.

use crate::HealthError;
use crate::hashing::tagged_hash;
use crate::ids::KeyId;
use ed25519_dalek::{Signer as _, Verifier as _};
use serde::{Deserialize, Serialize};
use std::fmt;

crate::codes::code_enum! {
    /// Signature algorithm of a device key.
    Algorithm {
        /// ECDSA on P-256 with SHA-256; key SEC1 compressed (33 bytes), signature r then s (64 bytes), s in the lower half.
        P256 = "p256",
        /// Ed25519 (RFC 8032); key 32 bytes, signature 64 bytes.
        Ed25519 = "ed25519",
    }
}

/// A public device key. Its bytes are checked when it verifies, its length when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawKey", into = "RawKey")]
pub struct PublicKey {
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

impl PublicKey {
    /// A key from its bytes (see [`Algorithm`]); another length is `INVALID_CODE`.
    pub fn new(algorithm: Algorithm, bytes: Vec<u8>) -> Result<Self, HealthError> {
        let length = match algorithm {
            Algorithm::P256 => 33,
            Algorithm::Ed25519 => 32,
        };
        if bytes.len() == length {
            Ok(Self { algorithm, bytes })
        } else {
            Err(HealthError::InvalidCode(format!(
                "a public key of {algorithm} has {length} bytes"
            )))
        }
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key's id.
    pub fn id(&self) -> KeyId {
        let hash = tagged_hash("device-key", &[self.algorithm.as_str().as_bytes(), &self.bytes]);
        KeyId::from_bytes(*hash.as_bytes())
    }

    /// Checks a signature over `message`. `BAD_INTENT` if it does not hold, has another form (a P-256 signature whose s is in the upper
    /// half would be a second valid signature of the same act) or the key is no point of its curve.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), HealthError> {
        #[cfg(feature = "counted")]
        crate::counted::verified();
        let holds = match self.algorithm {
            Algorithm::P256 => {
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&self.bytes);
                let signature = p256::ecdsa::Signature::from_slice(signature);
                matches!((key, signature), (Ok(key), Ok(signature))
                    if signature.normalize_s() == signature && key.verify(message, &signature).is_ok())
            }
            Algorithm::Ed25519 => {
                let key =
                    <&[u8; 32]>::try_from(self.bytes.as_slice()).map(ed25519_dalek::VerifyingKey::from_bytes);
                let signature = ed25519_dalek::Signature::from_slice(signature);
                matches!((key, signature), (Ok(Ok(key)), Ok(signature)) if key.verify_strict(message, &signature).is_ok())
            }
        };
        if holds {
            Ok(())
        } else {
            Err(HealthError::BadIntent(
                "the signature does not verify with the device key".into(),
            ))
        }
    }
}

/// A patient's private device key. `Debug` shows the algorithm only.
#[derive(Clone)]
pub struct DeviceKey(Secret);

#[derive(Clone)]
enum Secret {
    P256(p256::ecdsa::SigningKey),
    Ed25519(Box<ed25519_dalek::SigningKey>),
}

impl DeviceKey {
    /// A key from 32 secret bytes, drawn at random or derived by the wallet. For P-256 about one value in 2^32 is no valid scalar and is
    /// refused with `INVALID_CODE`: draw again.
    pub fn from_secret(algorithm: Algorithm, secret: &[u8; 32]) -> Result<Self, HealthError> {
        Ok(Self(match algorithm {
            Algorithm::P256 => Secret::P256(p256::ecdsa::SigningKey::from_slice(secret).map_err(|_| {
                HealthError::InvalidCode("these bytes are no P-256 private key; draw others".into())
            })?),
            Algorithm::Ed25519 => Secret::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(secret))),
        }))
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        match &self.0 {
            Secret::P256(key) => PublicKey {
                algorithm: Algorithm::P256,
                bytes: key.verifying_key().to_sec1_point(true).as_bytes().to_vec(),
            },
            Secret::Ed25519(key) => PublicKey {
                algorithm: Algorithm::Ed25519,
                bytes: key.verifying_key().to_bytes().to_vec(),
            },
        }
    }

    /// Signs `message`: 64 bytes, deterministic (RFC 6979, RFC 8032).
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.0 {
            Secret::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.normalize_s().to_bytes().to_vec()
            }
            Secret::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
        }
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeviceKey")
            .field(&self.public_key().algorithm)
            .finish()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKey {
    algorithm: Algorithm,
    key: String,
}

impl TryFrom<RawKey> for PublicKey {
    type Error = HealthError;
    fn try_from(raw: RawKey) -> Result<Self, HealthError> {
        let bytes = hex::decode(&raw.key)
            .map_err(|_| HealthError::InvalidCode("a public key is written in hex".into()))?;
        Self::new(raw.algorithm, bytes)
    }
}

impl From<PublicKey> for RawKey {
    fn from(key: PublicKey) -> Self {
        Self {
            algorithm: key.algorithm,
            key: hex::encode(key.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_verifies_with_both_algorithms() {
        for algorithm in Algorithm::ALL {
            let key = DeviceKey::from_secret(*algorithm, &[9; 32]).unwrap();
            let public: PublicKey =
                serde_json::from_str(&serde_json::to_string(&key.public_key()).unwrap()).unwrap();
            let signature = key.sign(b"grant");
            assert_eq!(public.verify(b"grant", &signature), Ok(()));
            assert!(public.verify(b"grant!", &signature).is_err());
            assert!(public.verify(b"grant", &signature[..63]).is_err());
            let other = DeviceKey::from_secret(*algorithm, &[8; 32]).unwrap().public_key();
            assert!(other.verify(b"grant", &signature).is_err());
            assert_ne!(other.id(), public.id());
        }
    }

    #[test]
    fn refuses_the_mirrored_p256_signature() {
        let key = DeviceKey::from_secret(Algorithm::P256, &[9; 32]).unwrap();
        let signature = p256::ecdsa::Signature::from_slice(&key.sign(b"m")).unwrap();
        let (r, s) = signature.split_scalars();
        let mirrored = p256::ecdsa::Signature::from_scalars(*r, -*s).unwrap();
        assert!(key.public_key().verify(b"m", &mirrored.to_bytes()).is_err());
    }

    #[test]
    fn refuses_keys_of_another_length_or_off_the_curve() {
        assert!(PublicKey::new(Algorithm::P256, vec![2; 32]).is_err());
        let off = PublicKey::new(Algorithm::P256, vec![0xff; 33]).unwrap();
        assert!(off.verify(b"m", &[1; 64]).is_err());
        assert!(DeviceKey::from_secret(Algorithm::P256, &[0; 32]).is_err());
        assert!(serde_json::from_str::<PublicKey>(r#"{"algorithm":"ed25519","key":"zz"}"#).is_err());
    }
}
