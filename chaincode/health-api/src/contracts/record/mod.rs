//! Records: public anchors, their private description, verification, keeping, erasure.

mod anchors;
mod descriptions;
mod index;
mod integrity;
mod keeping;
mod links;
mod replicas;

pub use anchors::{
    AnchoredBatch, Attestation, BatchPlace, DocumentHead, DocumentStatus, DocumentVersion, NewDocument,
    ProvenLeaf, Relation, Successor, Verification,
};
pub use descriptions::{
    AttestationDetails, AttestationRole, AttestationView, Correction, CorrectionAnswer, CorrectionOutcome,
    CorrectionView, DocumentMetadata, EmergencyChoice, EmergencySummary, Explanation, ExplanationView,
    LocatedDocument, MAX_SUMMARY, MAX_TEXT, SummaryEntry, SummarySection,
};
pub use index::{
    AvoidedOrders, DuplicateOrder, INDEX_ENTRIES, IndexEntry, IndexPage, PAGE_BYTES, PriorResultQuery,
};
pub use integrity::{
    AnchoredReport, INVENTORY_PAGE, InventoryItem, InventoryPage, InventoryPlace, InventoryQuery,
};
pub use keeping::{
    Backup, ConfirmedErasure, ERASURE_APPROVALS, Erasure, ErasureConfirmation, ErasureGround, ErasureQuery,
    ErasureReceipt, ErasureRequest, ErasureRequestView, Hold, Keeping, MAX_BACKUPS, MAX_HOLDS, MAX_PURGED,
    MAX_RETENTION_YEARS, Purge, Standing, Step, Transfer,
};
pub use links::{Link, LinkProof, LinkView, Unlink};
pub use replicas::{MAX_LOCATOR, Probe, ProbeResult, ProbeView, Replica, ReplicaView};

use crate::contracts::consent::SignedQuery;
use crate::contracts::identity::PatientQuery;
use crate::date::DateRange;
use crate::ids::{BatchId, DocumentId, Hash, HoldId, TxId};
use crate::intent::SignedIntent;
use crate::merkle::ContentOpening;
use crate::merkle::batch::BatchProof;
use crate::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext, contract};

/// Record anchors. Heads, versions, batches and what is done with them are public state under the channel's majority; descriptions, reasons and
/// copies lie in `care_<custodian>`.
///
/// Anchoring takes two transactions: `anchor` (or `add_version`, `anchor_batch`), then `describe`, which is repeated until it holds. The reason of a
/// public act, and what an attestation means, follow in the same way with `explain` and `detail`.
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

    /// Anchors many documents' first versions at once (1 to 512), all or none, each with its own head. As `anchor`.
    #[submit]
    fn anchor_many(&self, ctx: &Context<'_>, documents: Vec<NewDocument>) -> Result<Receipt, HealthError>;

    /// Anchors up to [`MAX_BATCH`](crate::merkle::batch::MAX_BATCH) documents' first versions under one root; they get no heads of their own. Who as
    /// for `anchor`. `DUPLICATE` if the batch id is taken, `LIMIT` for a count out of bounds.
    #[submit]
    fn anchor_batch(
        &self,
        ctx: &Context<'_>,
        batch: BatchId,
        root: Hash,
        count: u32,
    ) -> Result<Receipt, HealthError>;

    /// Gives a document of a batch its own head and version 1, proven: the first step of any change of it. Role `custodian` or `dpo` of its custodian,
    /// `dpo` or `legal` of a regulator. `DUPLICATE` if it has a head, `NOT_FOUND` if the proof does not hold for an anchored batch.
    #[submit]
    fn unfold(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        proof: BatchProof,
    ) -> Result<Receipt, HealthError>;

    /// Anchors the next version. Role `custodian` of the document's custodian. `CONFLICT_STATE` unless `version` is the newest plus one and
    /// the document is current. [`Relation::Redacts`] is for `redact`.
    #[submit]
    fn add_version(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        version: u32,
        relation: Relation,
        commitment: Hash,
    ) -> Result<Receipt, HealthError>;

    /// Anchors the next version as a redaction: from then on every version before it verifies as REDACTED. Role `dpo` of the document's custodian; states
    /// as for `add_version`.
    #[submit]
    fn redact(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        version: u32,
        commitment: Hash,
    ) -> Result<Receipt, HealthError>;

    /// Ends a current document in favour of another current one of the same custodian. Role `custodian` of it. The same again is success;
    /// `CONFLICT_STATE` if the document ended otherwise, `INVALID_CODE` for itself as successor.
    #[submit]
    fn supersede(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        by: DocumentId,
        relation: Relation,
    ) -> Result<Receipt, HealthError>;

    /// Marks a current document as entered in error. Role `custodian` of its custodian. The same again is success, `CONFLICT_STATE` if it ended
    /// otherwise.
    #[submit]
    fn mark_error(&self, ctx: &Context<'_>, document: DocumentId) -> Result<Receipt, HealthError>;

    /// Attests a version of a current document: public is only that somebody did. Role `clinician` or `emergency` of its custodian, with an active
    /// credential. `NOT_FOUND` without that version.
    #[submit]
    fn attest(&self, ctx: &Context<'_>, document: DocumentId, version: u32) -> Result<Receipt, HealthError>;

    /// Sets the last year in which a document must be kept. Role `custodian` of its custodian, who can only lengthen it; a regulator's `dpo` may also
    /// shorten it (`FORBIDDEN` otherwise). `LIMIT` for a year that is past or more than [`MAX_RETENTION_YEARS`] ahead.
    #[submit]
    fn set_retention(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        year: u16,
    ) -> Result<Receipt, HealthError>;

    /// Places a legal hold, or adds the second signature to it: it is in force once a `dpo` and a `legal` of two organisations among custodian and
    /// regulators placed it. `CONFLICT_STATE` if the caller's office in this organisation placed it, or the document is erased; `LIMIT` past
    /// [`MAX_HOLDS`].
    #[submit]
    fn place_hold(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        hold: HoldId,
    ) -> Result<Receipt, HealthError>;

    /// Releases a legal hold, or adds the second signature to its release; who and when as for placing. `NOT_FOUND` for an unknown one.
    #[submit]
    fn release_hold(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        hold: HoldId,
    ) -> Result<Receipt, HealthError>;

    /// Opens an erasure. Role `custodian` or `dpo` of the custodian, or `dpo` of a regulator. `CONFLICT_STATE` if one is open or done.
    #[submit]
    fn open_erasure(&self, ctx: &Context<'_>, document: DocumentId) -> Result<Receipt, HealthError>;

    /// Approves an open erasure for the caller's organisation; who as for opening. `SOD_VIOLATION` if the organisation approved already.
    #[submit]
    fn approve_erasure(&self, ctx: &Context<'_>, document: DocumentId) -> Result<Receipt, HealthError>;

    /// Ends an open erasure without it: a legal duty stands against it. Role `dpo` of custodian or regulator; the reason follows with `explain`.
    #[submit]
    fn refuse_erasure(&self, ctx: &Context<'_>, document: DocumentId) -> Result<Receipt, HealthError>;

    /// Erases: the head says so for ever. Who as for opening. `CONFLICT_STATE` before [`ERASURE_APPROVALS`] organisations approved, `LEGAL_HOLD` while a
    /// hold is in force or the retention runs. The purge of the descriptions follows in a transaction of its own.
    #[submit]
    fn execute_erasure(&self, ctx: &Context<'_>, document: DocumentId) -> Result<Receipt, HealthError>;

    /// Offers a document to another custodian; again to change or, with the own MSP id, to take back the offer. Role `custodian` of its custodian.
    /// `CONFLICT_STATE` while an erasure is open or the document is not current.
    #[submit]
    fn offer_custody(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        to: String,
    ) -> Result<Receipt, HealthError>;

    /// Accepts an offered document: from now on the caller's organisation is its custodian, and describes it under the id by which it knows the patient.
    /// Role `custodian` of the organisation that the offer names. `CONFLICT_STATE` without an offer.
    #[submit]
    fn accept_custody(&self, ctx: &Context<'_>, document: DocumentId) -> Result<Receipt, HealthError>;

    /// Anchors the hash of a vault's signed integrity report for the caller's organisation. Role `vault` of any member.
    #[submit]
    fn anchor_report(&self, ctx: &Context<'_>, report: Hash) -> Result<Receipt, HealthError>;

    /// Writes descriptions of anchored documents (1 to 512) to `care_<custodian>`. Role `custodian` of the custodian. Repeating is harmless;
    /// the newest description counts. `NOT_FOUND` without the anchor of that version, for an erased document, and for a proof that does not hold.
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

    /// Publishes which documents make up a patient's emergency summary, for those who may open it; replaces the one before. Role `custodian` of the
    /// custodian. `NOT_FOUND` if one of them is not described for this patient.
    #[submit]
    fn publish_summary(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] summary: EmergencySummary,
    ) -> Result<Receipt, HealthError>;

    /// Says what an attestation means, once, by the person that attested. `NOT_FOUND` without that attestation, `DUPLICATE` a second time.
    #[submit]
    fn detail(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] details: AttestationDetails,
    ) -> Result<Receipt, HealthError>;

    /// Gives the reason of a public act on a document, once. Roles `custodian`, `dpo`, `legal` of the collection's members. `DUPLICATE` a second time.
    #[submit]
    fn explain(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] explanation: Explanation,
    ) -> Result<Receipt, HealthError>;

    /// Asks for an erasure. Any organisation's client, with the patient's intent. `DUPLICATE` if this patient asked for this document.
    #[submit]
    fn request_erasure(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] request: ErasureRequest,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Purges descriptions, choices and correction texts of erased documents, or of documents that another custodian accepted, from the collection, with
    /// every earlier value. Role `custodian` or `dpo` of the collection's members. `CONFLICT_STATE` for a document that is neither.
    #[submit]
    fn purge_erased(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] purge: Purge,
    ) -> Result<Receipt, HealthError>;

    /// Confirms, once for the caller's organisation, that it destroyed what it held of an erased document, and names the backups. Roles `custodian`,
    /// `vault`, `dpo` of the collection's members. `CONFLICT_STATE` before the erasure, `DUPLICATE` a second time.
    #[submit]
    fn confirm_erasure(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] confirmation: ErasureConfirmation,
    ) -> Result<Receipt, HealthError>;

    /// Registers a copy at another member of the collection. Roles `custodian` and `vault` of the custodian. `DUPLICATE` if the id is taken, `INVALID_CODE` if the
    /// organisation is no other member.
    #[submit]
    fn register_replica(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] replica: Replica,
    ) -> Result<Receipt, HealthError>;

    /// Records a probe of a replica. Roles `vault` and `custodian` of the custodian. `NOT_FOUND` for an unknown one, `CONFLICT_STATE` for a lost one.
    #[submit]
    fn probe_replica(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] probe: Probe,
    ) -> Result<Receipt, HealthError>;

    /// Ties the patient's id here to its id at another custodian. Any organisation's client, with the patient's intent; the other id proves itself.
    /// `DUPLICATE` if the link is there.
    #[submit]
    fn link(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] link: Link,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Purges a link with every earlier value. Any organisation's client, with the patient's intent. `NOT_FOUND` without it.
    #[submit]
    fn unlink(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] unlink: Unlink,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Records an order that was not placed because its result was there. Roles `custodian`, `clinician`, `emergency` of the custodian.
    #[submit]
    fn report_duplicate_order(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] order: DuplicateOrder,
    ) -> Result<Receipt, HealthError>;

    /// Asks for a correction. Any organisation's client, with the patient's intent. `DUPLICATE` a second time.
    #[submit]
    fn request_correction(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] correction: Correction,
        #[transient] intent: SignedIntent,
    ) -> Result<Receipt, HealthError>;

    /// Answers a correction, once. Role `custodian` of the custodian. `NOT_FOUND` without it, `DUPLICATE` a second time.
    #[submit]
    fn respond_correction(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        #[transient] answer: CorrectionAnswer,
    ) -> Result<Receipt, HealthError>;

    /// Compares an opening with the anchored version, on the asked peer's own copy of the ledger. Anybody. A version 1 without a head is found by its
    /// batch's proof; where a head is there, the proof must be of the batch it came from, else MISMATCH. `NOT_FOUND` without that version.
    #[evaluate]
    fn verify(
        &self,
        ctx: &ReadContext<'_>,
        document: DocumentId,
        version: u32,
        #[transient] opening: ContentOpening,
        #[transient] proof: Option<BatchProof>,
    ) -> Result<Verification, HealthError>;

    /// As `verify`, of one chunk, by its leaf hash and path against the opening.
    #[evaluate]
    fn verify_chunk(
        &self,
        ctx: &ReadContext<'_>,
        document: DocumentId,
        version: u32,
        #[transient] opening: ContentOpening,
        #[transient] chunk: ProvenLeaf,
        #[transient] proof: Option<BatchProof>,
    ) -> Result<Verification, HealthError>;

    /// A document's public head; of a document that has none, what its batch's proof shows: version 1, current. Anybody.
    #[evaluate]
    fn head(
        &self,
        ctx: &ReadContext<'_>,
        document: DocumentId,
        #[transient] proof: Option<BatchProof>,
    ) -> Result<DocumentHead, HealthError>;

    /// A version's public anchor. Anybody.
    #[evaluate]
    fn version(
        &self,
        ctx: &ReadContext<'_>,
        document: DocumentId,
        version: u32,
    ) -> Result<DocumentVersion, HealthError>;

    /// A batch's public anchor. Anybody.
    #[evaluate]
    fn batch(&self, ctx: &ReadContext<'_>, batch: BatchId) -> Result<AnchoredBatch, HealthError>;

    /// A document's head with retention, holds, erasure and transfer. Anybody.
    #[evaluate]
    fn standing(&self, ctx: &ReadContext<'_>, document: DocumentId) -> Result<Standing, HealthError>;

    /// That a version was attested, in no order. Anybody.
    #[evaluate]
    fn attested(
        &self,
        ctx: &ReadContext<'_>,
        document: DocumentId,
        version: u32,
    ) -> Result<Vec<Attestation>, HealthError>;

    /// The anchored integrity reports of an organisation's vault, oldest first. Anybody.
    #[evaluate]
    fn reports(
        &self,
        ctx: &ReadContext<'_>,
        organisation: String,
    ) -> Result<Vec<AnchoredReport>, HealthError>;

    /// What a custodian's collection describes, by pages, for a vault to compare its files with. Roles `custodian`, `vault` of the collection's members.
    #[evaluate]
    fn inventory(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: InventoryQuery,
    ) -> Result<InventoryPage, HealthError>;

    /// A patient's described documents. Role `custodian` or `vault` of the custodian. Empty for an unknown patient.
    #[evaluate]
    fn locate(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: PatientQuery,
    ) -> Result<Vec<LocatedDocument>, HealthError>;

    /// What a committed access of another organisation's requester shows of the patient's documents at `now` (seconds since 1970): a page of one size,
    /// blank where the access shows nothing, for whatever reason. Who as for [`release`](crate::contracts::consent::Consents::release). The vault passes
    /// it on to the access's creator alone.
    #[evaluate]
    fn index(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        tx: TxId,
        now: i64,
        page: u32,
    ) -> Result<IndexPage, HealthError>;

    /// Which results of a category and code lie in a window, before the custodian's own system orders them again: a page of one size. Role `custodian`
    /// of the custodian. A requester elsewhere asks for access with code and dates, and reads the `index`.
    #[evaluate]
    fn prior_results(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: PriorResultQuery,
    ) -> Result<IndexPage, HealthError>;

    /// How many orders were avoided in a range of days. Roles `custodian`, `auditor` of the custodian.
    #[evaluate]
    fn avoided_orders(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        days: DateRange,
    ) -> Result<AvoidedOrders, HealthError>;

    /// What the attestations of a version mean. Roles `custodian`, `vault` of the custodian.
    #[evaluate]
    fn attestations(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        document: DocumentId,
        version: u32,
    ) -> Result<Vec<AttestationView>, HealthError>;

    /// The reason of a public act. Roles `custodian`, `dpo`, `legal` of the collection's members. `NOT_FOUND` without one.
    #[evaluate]
    fn explanation(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        act: TxId,
    ) -> Result<ExplanationView, HealthError>;

    /// What patients asked to have erased and is not erased yet, oldest first. Role `custodian` of the custodian, `dpo` of the collection's members.
    #[evaluate]
    fn erasure_requests(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
    ) -> Result<Vec<ErasureRequestView>, HealthError>;

    /// What is left of an erased document. Roles `custodian`, `vault`, `dpo` of the collection's members. `NOT_FOUND` before the erasure.
    #[evaluate]
    fn erasure_receipt(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        document: DocumentId,
    ) -> Result<ErasureReceipt, HealthError>;

    /// The patient's own receipt for a document it asked to have erased, as a question signed under the `reader`'s organisation. `NOT_FOUND` without the
    /// request or before the erasure.
    #[evaluate]
    fn my_erasure_receipt(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: ErasureQuery,
        #[transient] intent: SignedIntent,
    ) -> Result<ErasureReceipt, HealthError>;

    /// The custodian's replicas, lost ones included. Roles `custodian`, `vault` of the collection's members.
    #[evaluate]
    fn replicas(&self, ctx: &ReadContext<'_>, custodian: String) -> Result<Vec<ReplicaView>, HealthError>;

    /// A patient's links. Roles `custodian`, `registrar` of the custodian.
    #[evaluate]
    fn links(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: PatientQuery,
    ) -> Result<Vec<LinkView>, HealthError>;

    /// The patient's own links, as a signed question.
    #[evaluate]
    fn my_links(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: SignedQuery,
        #[transient] intent: SignedIntent,
    ) -> Result<Vec<LinkView>, HealthError>;

    /// A patient's corrections with their answers, oldest first. Role `custodian` of the custodian.
    #[evaluate]
    fn corrections(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: PatientQuery,
    ) -> Result<Vec<CorrectionView>, HealthError>;

    /// The patient's own corrections, as a signed question.
    #[evaluate]
    fn my_corrections(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        #[transient] query: SignedQuery,
        #[transient] intent: SignedIntent,
    ) -> Result<Vec<CorrectionView>, HealthError>;
}
