//! Device keys: what enrols, adds, replaces and takes them away, and what freezes an account.

use super::recovery::GuardianApproval;
use crate::ids::{KeyId, Nonce, PatientId, Salt, TxId};
use crate::keys::PublicKey;
use serde::{Deserialize, Serialize};

/// What enrols a patient: the id is `PatientId::derive(key, random)`. The intent is signed with `key`, and its nonce is the first half of
/// the patient's id ([`SignedIntent::nonce_of`](crate::intent::SignedIntent::nonce_of)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// The first device key.
    pub key: PublicKey,
    /// Drawn by the wallet for this custodian.
    pub random: Salt,
    /// Salts the private value.
    pub salt: Salt,
}

/// A further device key. The intent is signed with a live key; its nonce is the first half of the new key's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyAddition {
    /// Whose.
    pub patient: PatientId,
    /// The new key.
    pub key: PublicKey,
    /// Salts the private value.
    pub salt: Salt,
}

/// A device key in the place of the one that signs. The intent's nonce is the first half of the new key's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRotation {
    /// Whose.
    pub patient: PatientId,
    /// The new key.
    pub key: PublicKey,
    /// Salts the private values.
    pub salt: Salt,
}

/// Takes a device key away for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRemoval {
    /// Whose.
    pub patient: PatientId,
    /// Which.
    pub key: KeyId,
    /// Salts the private value.
    pub salt: Salt,
}

/// Freezes an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountFreeze {
    /// Whose.
    pub patient: PatientId,
    /// A lost device's key, which is taken away in the same transaction.
    #[serde(default)]
    pub lost: Option<KeyId>,
    /// Salts the private values.
    pub salt: Salt,
}

/// The guardians' word that a frozen account may be opened. It counts for the present freeze alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unfreezing {
    /// Whose.
    pub patient: PatientId,
    /// At least as many as the policy asks for, each another guardian's; at most 8.
    pub approvals: Vec<GuardianApproval>,
    /// Salts the private value.
    pub salt: Salt,
}

/// A spent single-use number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpentNonce {
    /// Whose intent used it.
    pub patient: PatientId,
    /// The number.
    pub nonce: Nonce,
}

/// A patient named in a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatientQuery {
    /// The patient.
    pub patient: PatientId,
}

/// A device key as the custodian sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceKeyView {
    /// The key's id.
    pub id: KeyId,
    /// The key.
    pub key: PublicKey,
    /// The transaction that added it.
    pub added: TxId,
    /// Whether it was taken away.
    pub revoked: bool,
}
