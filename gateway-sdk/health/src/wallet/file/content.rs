//! What a wallet's file holds.

use std::collections::{BTreeMap, BTreeSet};

use careledger_api::HealthError;
use careledger_api::ids::{FindCode, PatientId, RecoveryId};
use careledger_api::keys::{Algorithm, DeviceKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::wallet::GuardianCard;

/// Everything in the file, as it is stored, in plain or under a passphrase.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    /// Hex of 32 bytes.
    pub(super) secret: Zeroizing<String>,
    pub(super) enrolled: BTreeSet<String>,
    /// By custodian, where something there does not follow from the secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) places: BTreeMap<String, Place>,
    /// What was given to guardians.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) cards: Vec<GuardianCard>,
    /// By which the patient is found in an emergency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<FindCode>,
}

/// What does not follow from the secret at one custodian.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Place {
    /// The patient whom this wallet acts for: another device's, or whose keys it restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) patient: Option<PatientId>,
    /// The device key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<StoredKey>,
    /// The key that is to replace it, written down before the ledger hears of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<StoredKey>,
    /// A recovery that this wallet began and has not executed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) restoring: Option<StartedRecovery>,
}

/// A recovery that a wallet began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartedRecovery {
    /// Whose keys are restored.
    pub patient: PatientId,
    /// The recovery's id.
    pub recovery: RecoveryId,
}

/// A device key that was drawn at random.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredKey {
    pub(super) algorithm: Algorithm,
    /// Hex of 32 bytes.
    secret: Zeroizing<String>,
}

impl Content {
    /// A wallet's that is enrolled nowhere.
    pub(super) fn of_secret(secret: &[u8; 32]) -> Self {
        Self {
            secret: Zeroizing::new(hex::encode(secret)),
            enrolled: BTreeSet::new(),
            places: BTreeMap::new(),
            cards: Vec::new(),
            code: None,
        }
    }

    pub(super) fn place(&mut self, custodian: &str) -> &mut Place {
        self.places.entry(custodian.to_owned()).or_default()
    }
}

impl StoredKey {
    /// A fresh key.
    pub(super) fn draw(algorithm: Algorithm) -> Self {
        loop {
            let secret = Zeroizing::new(rand::random::<[u8; 32]>());
            // One draw in 2^32 is no P-256 key.
            if DeviceKey::from_secret(algorithm, &secret).is_ok() {
                return Self {
                    algorithm,
                    secret: Zeroizing::new(hex::encode(secret.as_slice())),
                };
            }
        }
    }

    /// The key; `INVALID_CODE` where the file was altered.
    pub(super) fn key(&self) -> Result<DeviceKey, HealthError> {
        let secret = secret_of(&self.secret).ok_or_else(|| {
            HealthError::InvalidCode("a device key in the wallet is not 64 hex digits".into())
        })?;
        DeviceKey::from_secret(self.algorithm, &secret)
    }
}

/// 32 bytes from their hex.
pub(super) fn secret_of(hex_digits: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut secret = Zeroizing::new([0; 32]);
    hex::decode_to_slice(hex_digits.as_bytes(), secret.as_mut_slice()).ok()?;
    Some(secret)
}
