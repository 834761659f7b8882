//! Records: public anchors, their private description, verification.

use crate::codes::{Category, Code, Label};
use crate::contracts::identity::PatientQuery;
use crate::date::Date;
use crate::ids::{DocumentId, Hash, Nonce, PatientId, Salt, TxId};
use crate::intent::SignedIntent;
use crate::merkle::ContentOpening;
use crate::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext, contract};
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
    }
}

crate::codes::code_enum! {
    /// How a version relates to the one before (FHIR DocumentReference.relatesTo).
    Relation {
        /// Takes its place.
        Replaces = "replaces",
        /// The same content in another form.
        Transforms = "transforms",
        /// Adds to it.
        Appends = "appends",
        /// Signs it.
        Signs = "signs",
    }
}

/// A document's public head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentHead {
    /// The document.
    pub document: DocumentId,
    /// The MSP id of the organisation that keeps it.
    pub custodian: String,
    /// The newest version, from 1.
    pub version: u32,
    /// Where it stands.
    pub status: DocumentStatus,
}

/// One version's public anchor, written once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentVersion {
    /// The document.
    pub document: DocumentId,
    /// From 1.
    pub version: u32,
    /// Salted commitment to the content: [`ContentOpening::commitment`].
    pub commitment: Hash,
    /// How it relates to the version before; none for the first.
    pub relation: Option<Relation>,
    /// The transaction that anchored it.
    pub tx: TxId,
}

/// A document's private description, which consent decisions read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentMetadata {
    /// Whose record it is.
    pub patient: PatientId,
    /// The anchored document.
    pub document: DocumentId,
    /// The anchored version this describes.
    pub version: u32,
    /// Data category.
    pub category: Category,
    /// Clinical codes.
    #[serde(default)]
    pub codes: Vec<Code>,
    /// All sensitivity and confidentiality labels; an empty list says that there are none.
    #[serde(default)]
    pub labels: Vec<Label>,
    /// Clinical date.
    #[serde(default)]
    pub date: Option<Date>,
    /// The MSP id of the authoring organisation.
    pub author: String,
    /// Part of the emergency summary that break-glass opens.
    #[serde(default)]
    pub emergency: bool,
    /// Salts the private value.
    pub salt: Salt,
}

/// A patient's word on whether a document belongs to the emergency summary; it stands over the custodian's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmergencyChoice {
    /// Who decides.
    pub patient: PatientId,
    /// About which document.
    pub document: DocumentId,
    /// In or out.
    pub include: bool,
    /// The intent's nonce.
    pub nonce: Nonce,
    /// Salts the private value.
    pub salt: Salt,
}

crate::codes::code_enum! {
    /// What a verification found.
    Verification {
        /// The opening is the anchored content's.
        Match = "MATCH",
        /// It is not.
        Mismatch = "MISMATCH",
    }
}

/// A described document, for its custodian.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocatedDocument {
    /// The public head.
    pub head: DocumentHead,
    /// The private description.
    pub metadata: DocumentMetadata,
    /// Whether it belongs to the emergency summary: the patient's word, else the description's.
    pub emergency: bool,
}

/// Record anchors. Heads and versions are public state under the channel's majority; descriptions lie in `care_<custodian>`.
///
/// Anchoring takes two transactions: `anchor` (or `add_version`), then `describe`, which is repeated until it holds.
#[contract(name = "record", error = HealthError)]
pub trait Record {
    /// Anchors version 1 of a document. Role `custodian` of an organisation with the custodian role, which becomes its custodian.
    /// `DUPLICATE` if the id is taken.
    #[submit]
    fn anchor(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        commitment: Hash,
    ) -> Result<Receipt, HealthError>;

    /// Anchors many documents' first versions at once (1 to 512), all or none. As `anchor`.
    #[submit]
    fn anchor_many(&self, ctx: &Context<'_>, documents: Vec<NewDocument>) -> Result<Receipt, HealthError>;

    /// Anchors the next version. Role `custodian` of the document's custodian. `CONFLICT_STATE` unless `version` is the newest plus one and
    /// the document is current.
    #[submit]
    fn add_version(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        version: u32,
        relation: Relation,
        commitment: Hash,
    ) -> Result<Receipt, HealthError>;

    /// Ends a current document: superseded or entered in error. Role `custodian` of its custodian. The same status again is success,
    /// `CONFLICT_STATE` for a way back.
    #[submit]
    fn mark(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        status: DocumentStatus,
    ) -> Result<Receipt, HealthError>;

    /// Writes descriptions of anchored documents (1 to 512) to `care_<custodian>`. Role `custodian` of the custodian. Repeating is harmless;
    /// the newest description counts. `NOT_FOUND` without the anchor of that version.
    #[submit]
    fn describe(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] metadata: Vec<DocumentMetadata>,
    ) -> Result<Receipt, HealthError>;

    /// Puts a document into the emergency summary or takes it out. Any organisation's client, with the patient's intent.
    #[submit]
    fn choose_emergency(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] choice: EmergencyChoice,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Compares an opening with the anchored version, on the asked peer's own copy of the ledger. Anybody. `NOT_FOUND` without that version.
    #[evaluate]
    fn verify(
        &self,
        ctx: &ReadContext<'_>,
        document: DocumentId,
        version: u32,
        #[transient] opening: ContentOpening,
    ) -> Result<Verification, HealthError>;

    /// A document's public head. Anybody.
    #[evaluate]
    fn head(&self, ctx: &ReadContext<'_>, document: DocumentId) -> Result<DocumentHead, HealthError>;

    /// A version's public anchor. Anybody.
    #[evaluate]
    fn version(
        &self,
        ctx: &ReadContext<'_>,
        document: DocumentId,
        version: u32,
    ) -> Result<DocumentVersion, HealthError>;

    /// A patient's described documents. Role `custodian` or `vault` of the custodian. Empty for an unknown patient.
    #[evaluate]
    fn locate(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: PatientQuery,
    ) -> Result<Vec<LocatedDocument>, HealthError>;
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
