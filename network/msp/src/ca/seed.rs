//! Reproducible secrets for test networks.

use std::fmt;

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};

use crate::error::MspError;
use crate::key::PrivateKey;

/// Separates these secrets from every other use of the same seed.
const SALT: &[u8] = b"careledger insecure test keys v1";

/// A seed from which all keys, serial numbers and validity periods of a test network follow.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed(Vec<u8>);

impl Seed {
    /// Any bytes make a seed.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// 32 bytes that depend on the seed and `label` only (HKDF-SHA-256).
    pub(super) fn derive(&self, label: &str) -> Result<[u8; 32], MspError> {
        let mut out = [0u8; 32];
        Salt::new(HKDF_SHA256, SALT)
            .extract(&self.0)
            .expand(&[label.as_bytes()], HKDF_SHA256)
            .and_then(|material| material.fill(&mut out))
            .map_err(|_| MspError::Crypto("key derivation failed"))?;
        Ok(out)
    }

    /// The key of `label`. About one in 2³² labels needs a second derivation, because its first number is not a P-256 secret.
    pub(super) fn key(&self, label: &str) -> Result<PrivateKey, MspError> {
        for attempt in 0u8..=u8::MAX {
            let secret = self.derive(&format!("key/{attempt}/{label}"))?;
            if let Some(key) = PrivateKey::from_secret(&secret) {
                return key;
            }
        }
        Err(MspError::Crypto("no key follows from this seed"))
    }

    /// The Ed25519 key of `label`.
    pub(super) fn edwards_key(&self, label: &str) -> Result<PrivateKey, MspError> {
        PrivateKey::from_edwards_seed(&self.derive(&format!("ed25519/{label}"))?)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Seed(…)")
    }
}
