//! Ids: random or hash-derived bytes, written as lower-case hex. Parsed once; a value of these types is well formed.
//!
//! Private-data keys are built from these ids alone, because Fabric publishes an unsalted hash of every private key: at 128 random bits
//! or more such a hash cannot be guessed.

use crate::HealthError;
use crate::hashing::tagged_hash;
use crate::keys::PublicKey;
use crate::text::as_text;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! hex_type {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $bytes;

            /// From bytes the caller drew at random or derived.
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), hex::encode(self.0))
            }
        }

        impl FromStr for $name {
            type Err = HealthError;

            /// Lower-case hex of exactly the type's length; anything else is `INVALID_CODE`.
            fn from_str(text: &str) -> Result<Self, HealthError> {
                let mut bytes = [0; $bytes];
                let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
                match (lower, hex::decode_to_slice(text, &mut bytes)) {
                    (true, Ok(())) => Ok(Self(bytes)),
                    _ => Err(HealthError::InvalidCode(format!(
                        "{} must be {} lower-case hex digits",
                        stringify!($name),
                        2 * $bytes
                    ))),
                }
            }
        }

        as_text!($name);
    };
}

hex_type! {
    /// A patient at one custodian: `SHA-256(tag, first public key, random)`, so that only that key can enrol it, and no two custodians
    /// know the same person by the same id.
    PatientId, 32
}
hex_type! {
    /// A device key: the tagged hash of algorithm and public key.
    KeyId, 32
}
hex_type! {
    /// A consent; 16 random bytes drawn by the wallet. It is also the nonce of the intent that grants it.
    ConsentId, 16
}
hex_type! {
    /// What lets somebody act for a patient: a delegation or a guardianship; 16 random bytes drawn by who makes it.
    AuthorityId, 16
}
hex_type! {
    /// A request for a consent; 16 random bytes drawn by the requester.
    RequestId, 16
}
hex_type! {
    /// An act of two officers; 16 random bytes drawn by the one who proposes it.
    ActId, 16
}
hex_type! {
    /// A broken glass without the network; 16 random bytes drawn by the emergency doctor's device.
    TicketId, 16
}
hex_type! {
    /// A document; 16 random bytes drawn by its custodian. Public.
    DocumentId, 16
}
hex_type! {
    /// An encounter, such as one stay at a hospital; 16 bytes that its custodian drew at random or derived with a secret from its own
    /// number. It stays in private values.
    EncounterId, 16
}
hex_type! {
    /// A batch of documents anchored under one root; 16 random bytes drawn by its custodian. Public.
    BatchId, 16
}
hex_type! {
    /// A matter for which documents are held; 16 random bytes drawn by whoever places the hold. Public.
    HoldId, 16
}
hex_type! {
    /// A copy of ciphertext at a second organisation; 16 random bytes drawn by the custodian.
    ReplicaId, 16
}
hex_type! {
    /// The holder of a certificate: a tagged hash of MSP id, subject and issuer. Only the holder's organisation knows who that is.
    PersonId, 32
}
hex_type! {
    /// A recovery of a patient's keys; 16 random bytes drawn by the new wallet.
    RecoveryId, 16
}
hex_type! {
    /// A claim; 16 random bytes drawn by the provider.
    ClaimId, 16
}
hex_type! {
    /// A remittance; 16 random bytes drawn by the payer.
    RemittanceId, 16
}
hex_type! {
    /// A prior authorisation; 16 random bytes drawn by the provider who asks for it.
    AuthorisationId, 16
}
hex_type! {
    /// A provider's question about a coverage; 16 random bytes drawn by the provider.
    QuestionId, 16
}
hex_type! {
    /// A member's coverage at a payer; 16 random bytes drawn by the payer.
    CoverageId, 16
}
hex_type! {
    /// A benefit plan; 16 random bytes drawn by the payer. Public.
    PlanId, 16
}
hex_type! {
    /// 32 random bytes that keep a value from being guessed by its hash. Drawn afresh for every value, destroyed with it.
    Salt, 32
}
hex_type! {
    /// A code by which its patient is found in an emergency; 16 random bytes drawn by the wallet, on a card or a locked phone. Whoever holds
    /// it can ask for the patient's id under break-glass conditions.
    FindCode, 16
}
hex_type! {
    /// A SHA-256 hash or salted commitment.
    Hash, 32
}
hex_type! {
    /// A single-use number of a signed intent that creates nothing with an id of its own; 16 random bytes drawn by the wallet.
    Nonce, 16
}
hex_type! {
    /// The X25519 public key to which a vault seals the file keys of one access. Fresh for every access.
    KemPublicKey, 32
}

impl Salt {
    /// `SALT_MISSING` for zeros, which nobody drew.
    pub fn require_drawn(&self) -> Result<(), HealthError> {
        if self.0 == [0; 32] {
            return Err(HealthError::SaltMissing(
                "32 random bytes are expected, not zeros".into(),
            ));
        }
        Ok(())
    }
}

impl PatientId {
    /// The id of the patient whose first device key is `first_key`, at the custodian for which `random` was drawn.
    pub fn derive(first_key: &PublicKey, random: &Salt) -> Self {
        let hash = tagged_hash(
            "patient",
            &[
                first_key.algorithm().as_str().as_bytes(),
                first_key.as_bytes(),
                random.as_bytes(),
            ],
        );
        Self(*hash.as_bytes())
    }
}

impl ConsentId {
    /// The single-use number of the intent that grants this consent.
    pub fn nonce(&self) -> Nonce {
        Nonce(self.0)
    }
}

impl AuthorityId {
    /// The single-use number of the intent that delegates.
    pub fn nonce(&self) -> Nonce {
        Nonce(self.0)
    }
}

impl RequestId {
    /// The single-use number of the intent that answers this request.
    pub fn nonce(&self) -> Nonce {
        Nonce(self.0)
    }
}

/// A transaction's id as the ledger gives it: 1 to 128 characters of `0-9 A-Z a-z - _` (Fabric's are 64 hex digits).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TxId(String);

impl TxId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TxId {
    type Err = HealthError;
    fn from_str(text: &str) -> Result<Self, HealthError> {
        let fits = (1..=128).contains(&text.len());
        if fits
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(HealthError::InvalidCode(
                "a transaction id has 1 to 128 letters, digits, - or _".into(),
            ))
        }
    }
}

as_text!(TxId);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Algorithm;

    #[test]
    fn parses_only_its_own_length_and_case() {
        assert!("00".repeat(16).parse::<ConsentId>().is_ok());
        assert!("00".repeat(15).parse::<ConsentId>().is_err());
        assert!("00".repeat(17).parse::<ConsentId>().is_err());
        assert!("AA".repeat(16).parse::<ConsentId>().is_err());
        assert!("zz".repeat(16).parse::<ConsentId>().is_err());
        assert!(serde_json::from_str::<PatientId>("\"12\"").is_err());
    }

    #[test]
    fn a_transaction_id_cannot_carry_a_separator() {
        assert!("a~b".parse::<TxId>().is_err());
        assert!("".parse::<TxId>().is_err());
        assert!("ab01".parse::<TxId>().is_ok());
    }

    #[test]
    fn a_patient_id_depends_on_key_and_random() {
        let key = PublicKey::new(Algorithm::Ed25519, vec![7; 32]).unwrap();
        let other = PublicKey::new(Algorithm::Ed25519, vec![8; 32]).unwrap();
        let random = Salt::from_bytes([1; 32]);
        assert_eq!(PatientId::derive(&key, &random), PatientId::derive(&key, &random));
        assert_ne!(
            PatientId::derive(&key, &random),
            PatientId::derive(&other, &random)
        );
        assert_ne!(
            PatientId::derive(&key, &random),
            PatientId::derive(&key, &Salt::from_bytes([2; 32]))
        );
    }
}
