//! Copies of ciphertext at a second organisation.

use crate::ids::{DocumentId, ReplicaId, Salt, TxId};
use serde::{Deserialize, Serialize};

/// Longest locator, in bytes.
pub const MAX_LOCATOR: usize = 512;

/// A copy of ciphertext and key wraps at another member of the custodian's collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replica {
    /// A fresh random id.
    pub id: ReplicaId,
    /// Of which document; none for all that the custodian keeps.
    pub document: Option<DocumentId>,
    /// The MSP id of the organisation that holds it.
    pub organisation: String,
    /// Where it is reached, as an URL; at most [`MAX_LOCATOR`] bytes.
    pub locator: String,
    /// Salts the private value.
    pub salt: Salt,
}

crate::codes::code_enum! {
    /// What a probe of a replica found.
    ProbeResult {
        /// It answers, and what was sampled proves itself.
        Intact = "intact",
        /// It does not answer.
        Unreachable = "unreachable",
        /// It answers with something else than what was anchored.
        Damaged = "damaged",
        /// It is gone for good; the replica no longer counts.
        Lost = "lost",
    }
}

/// One probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The probed replica.
    pub replica: ReplicaId,
    /// What was found.
    pub result: ProbeResult,
    /// Salts the private value.
    pub salt: Salt,
}

/// A replica as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicaView {
    /// The registration.
    pub replica: Replica,
    /// When it was registered, seconds since 1970.
    pub registered: i64,
    /// The newest probe; none before the first.
    pub last: Option<ProbeView>,
    /// Whether a probe found it lost.
    pub lost: bool,
}

/// A probe as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeView {
    /// What was found.
    pub result: ProbeResult,
    /// When, seconds since 1970.
    pub at: i64,
    /// By which organisation.
    pub organisation: String,
    /// Its transaction.
    pub tx: TxId,
}
