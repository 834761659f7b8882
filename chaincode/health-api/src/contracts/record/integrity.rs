//! What a vault compares its files with, and the reports that come of it.

use crate::contracts::record::DocumentStatus;
use crate::ids::{DocumentId, Hash, PatientId, TxId};
use crate::merkle::batch::BatchProof;
use serde::{Deserialize, Serialize};

/// Documents of a full page of an inventory.
pub const INVENTORY_PAGE: usize = 256;

/// Asks for a page of what a custodian's collection describes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InventoryQuery {
    /// Where the page before ended; none for the first.
    pub after: Option<InventoryPlace>,
}

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InventoryPlace {
    /// The last description's patient.
    pub patient: PatientId,
    /// Its document.
    pub document: DocumentId,
}

/// A page of an inventory, in no order that means something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InventoryPage {
    /// Anchored and described documents, at most [`INVENTORY_PAGE`].
    pub documents: Vec<InventoryItem>,
    /// Where to go on; none after the last page.
    pub next: Option<InventoryPlace>,
}

/// A document as a vault must have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InventoryItem {
    /// The document.
    pub document: DocumentId,
    /// Its newest version; the ones before it are kept as well.
    pub version: u32,
    /// Its status.
    pub status: DocumentStatus,
    /// What proves version 1 where only its batch anchors it.
    pub proof: Option<BatchProof>,
}

/// An anchored report: what the organisation's vault found is in the report itself, which the vault keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchoredReport {
    /// The MSP id of the vault's organisation.
    pub organisation: String,
    /// The report's hash.
    pub report: Hash,
    /// When it was anchored, seconds since 1970.
    pub at: i64,
    /// The anchor's transaction.
    pub tx: TxId,
}
