//! Public anchors: heads, versions, batches, attestations.

use crate::ids::{BatchId, DocumentId, Hash, TxId};
use crate::merkle::ChunkProof;
use serde::{Deserialize, Serialize};

crate::codes::code_enum! {
    /// Where a document stands. Public.
    DocumentStatus {
        /// The newest version counts.
        Current = "current",
        /// Another document took its place.
        Superseded = "superseded",
        /// It should not have been there.
        EnteredInError = "entered-in-error",
        /// Its content, keys and description were destroyed; for good.
        Erased = "erased",
    }
}

crate::codes::code_enum! {
    /// How a version relates to the one before, or a document to the one it takes the place of (FHIR DocumentReference.relatesTo).
    Relation {
        /// Takes its place.
        Replaces = "replaces",
        /// The same content in another form.
        Transforms = "transforms",
        /// Adds to it.
        Appends = "appends",
        /// Signs it.
        Signs = "signs",
        /// Takes its place, and what is left out in it is no longer to be shown.
        Redacts = "redacts",
    }
}

crate::codes::code_enum! {
    /// What a verification found.
    Verification {
        /// The opening is the anchored content's.
        Match = "MATCH",
        /// It is not.
        Mismatch = "MISMATCH",
        /// The document was erased; nothing is compared.
        Erased = "ERASED",
        /// A later version redacts this one; nothing is compared.
        Redacted = "REDACTED",
    }
}

/// A chunk's leaf hash with its path; the chunk itself need not travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenLeaf {
    /// [`ChunkProof::leaf`] of the chunk.
    pub leaf: Hash,
    /// Its path.
    pub proof: ChunkProof,
}

/// A document's public head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentHead {
    /// The document.
    pub document: DocumentId,
    /// The MSP id of the organisation that keeps it.
    pub custodian: String,
    /// The newest version, from 1.
    pub version: u32,
    /// Where it stands.
    pub status: DocumentStatus,
    /// The newest version that a later one redacts, and with it all before it; 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub redacted: u32,
    /// The document that took its place, and how, where it is superseded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<Successor>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The document that took another's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Successor {
    /// Which document.
    pub document: DocumentId,
    /// How it relates to the one before.
    pub relation: Relation,
}

/// One version's public anchor, written once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentVersion {
    /// The document.
    pub document: DocumentId,
    /// From 1.
    pub version: u32,
    /// Salted commitment to the content: [`ContentOpening::commitment`](crate::merkle::ContentOpening::commitment).
    pub commitment: Hash,
    /// How it relates to the version before; none for the first.
    pub relation: Option<Relation>,
    /// The transaction that anchored it; for a version 1 out of a batch, the batch's.
    pub tx: TxId,
    /// Where it lies in a batch, if it was anchored in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchPlace>,
}

/// A place in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchPlace {
    /// The batch.
    pub batch: BatchId,
    /// From 0.
    pub index: u32,
}

/// Many documents' first versions under one root, written once. A document in it has no head of its own until it changes: see `unfold`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchoredBatch {
    /// The batch.
    pub batch: BatchId,
    /// The MSP id of the organisation that keeps the documents.
    pub custodian: String,
    /// Root of the tree over its items ([`crate::merkle::batch`]).
    pub root: Hash,
    /// Number of documents, 1 to [`MAX_BATCH`](crate::merkle::batch::MAX_BATCH).
    pub count: u32,
    /// The transaction that anchored it.
    pub tx: TxId,
}

/// A document to anchor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDocument {
    /// Its id.
    pub document: DocumentId,
    /// Commitment of version 1.
    pub commitment: Hash,
}

/// That somebody attested a version. Public, and says nothing more; who as what is in [`AttestationDetails`](super::AttestationDetails).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// The document.
    pub document: DocumentId,
    /// The attested version.
    pub version: u32,
    /// The transaction; also the attestation's id.
    pub tx: TxId,
    /// Tagged hash of the attesting person and the transaction: only that person can add the details.
    pub by: Hash,
}
