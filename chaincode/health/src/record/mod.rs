//! The record contract: public anchors and what is done with them, private descriptions and what hangs on them.

mod anchors;
mod corrections;
mod descriptions;
mod erasure;
mod index;
mod integrity;
mod keeping;
mod links;
mod replicas;
mod verification;

pub(crate) use descriptions::{DescribedDocument, described_where};

use crate::caller::Caller;
use careledger_api::contracts::consent::SignedQuery;
use careledger_api::contracts::identity::PatientQuery;
use careledger_api::contracts::record::{
    AnchoredBatch, AnchoredReport, Attestation, AttestationDetails, AttestationView, AvoidedOrders,
    Correction, CorrectionAnswer, CorrectionView, DocumentHead, DocumentMetadata, DocumentVersion,
    DuplicateOrder, EmergencyChoice, EmergencySummary, ErasureConfirmation, ErasureQuery, ErasureReceipt,
    ErasureRequest, ErasureRequestView, Explanation, ExplanationView, IndexPage, InventoryPage,
    InventoryQuery, Link, LinkView, LocatedDocument, MAX_TEXT, NewDocument, PriorResultQuery, Probe,
    ProvenLeaf, Purge, Record, Relation, Replica, ReplicaView, Standing, Successor, Unlink, Verification,
};
use careledger_api::date::DateRange;
use careledger_api::ids::{BatchId, DocumentId, Hash, HoldId, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::merkle::ContentOpening;
use careledger_api::merkle::batch::BatchProof;
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};

pub(crate) struct RecordRules;

impl Record for RecordRules {
    fn anchor(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        commitment: Hash,
    ) -> Result<Receipt, HealthError> {
        anchors::anchor_many(ctx, vec![NewDocument { document, commitment }])
    }

    fn anchor_report(&self, ctx: &Context<'_>, report: Hash) -> Result<Receipt, HealthError> {
        integrity::anchor_report(ctx, report)
    }

    fn anchor_many(&self, ctx: &Context<'_>, documents: Vec<NewDocument>) -> Result<Receipt, HealthError> {
        anchors::anchor_many(ctx, documents)
    }

    fn anchor_batch(
        &self,
        ctx: &Context<'_>,
        batch: BatchId,
        root: Hash,
        count: u32,
    ) -> Result<Receipt, HealthError> {
        anchors::anchor_batch(ctx, batch, root, count)
    }

    fn unfold(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        proof: BatchProof,
    ) -> Result<Receipt, HealthError> {
        anchors::unfold(ctx, document, proof)
    }

    fn add_version(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        version: u32,
        relation: Relation,
        commitment: Hash,
    ) -> Result<Receipt, HealthError> {
        if relation == Relation::Redacts {
            return Err(HealthError::InvalidCode(
                "a redaction has its own function".into(),
            ));
        }
        anchors::add_version(ctx, document, version, relation, commitment)
    }

    fn redact(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        version: u32,
        commitment: Hash,
    ) -> Result<Receipt, HealthError> {
        anchors::add_version(ctx, document, version, Relation::Redacts, commitment)
    }

    fn supersede(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        by: DocumentId,
        relation: Relation,
    ) -> Result<Receipt, HealthError> {
        anchors::supersede(
            ctx,
            document,
            Successor {
                document: by,
                relation,
            },
        )
    }

    fn mark_error(&self, ctx: &Context<'_>, document: DocumentId) -> Result<Receipt, HealthError> {
        anchors::mark_error(ctx, document)
    }

    fn attest(&self, ctx: &Context<'_>, document: DocumentId, version: u32) -> Result<Receipt, HealthError> {
        verification::attest(ctx, document, version)
    }

    fn set_retention(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        year: u16,
    ) -> Result<Receipt, HealthError> {
        keeping::set_retention(ctx, &document, year)
    }

    fn place_hold(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        hold: HoldId,
    ) -> Result<Receipt, HealthError> {
        keeping::place_hold(ctx, &document, hold)
    }

    fn release_hold(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        hold: HoldId,
    ) -> Result<Receipt, HealthError> {
        keeping::release_hold(ctx, &document, hold)
    }

    fn open_erasure(&self, ctx: &Context<'_>, document: DocumentId) -> Result<Receipt, HealthError> {
        erasure::open(ctx, &document)
    }

    fn approve_erasure(&self, ctx: &Context<'_>, document: DocumentId) -> Result<Receipt, HealthError> {
        erasure::approve(ctx, &document)
    }

    fn refuse_erasure(&self, ctx: &Context<'_>, document: DocumentId) -> Result<Receipt, HealthError> {
        erasure::refuse(ctx, &document)
    }

    fn execute_erasure(&self, ctx: &Context<'_>, document: DocumentId) -> Result<Receipt, HealthError> {
        erasure::execute(ctx, &document)
    }

    fn offer_custody(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        to: String,
    ) -> Result<Receipt, HealthError> {
        keeping::offer_custody(ctx, &document, to)
    }

    fn accept_custody(&self, ctx: &Context<'_>, document: DocumentId) -> Result<Receipt, HealthError> {
        keeping::accept_custody(ctx, &document)
    }

    fn describe(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        metadata: Vec<DocumentMetadata>,
    ) -> Result<Receipt, HealthError> {
        descriptions::describe(ctx, &custodian, &metadata)
    }

    fn choose_emergency(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        choice: EmergencyChoice,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        descriptions::choose_emergency(ctx, &custodian, choice, &intent)
    }

    fn publish_summary(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        summary: EmergencySummary,
    ) -> Result<Receipt, HealthError> {
        descriptions::publish_summary(ctx, &custodian, &summary)
    }

    fn detail(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        details: AttestationDetails,
    ) -> Result<Receipt, HealthError> {
        verification::detail(ctx, &custodian, details)
    }

    fn explain(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        explanation: Explanation,
    ) -> Result<Receipt, HealthError> {
        descriptions::explain(ctx, &custodian, explanation)
    }

    fn request_erasure(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        request: ErasureRequest,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        erasure::request(ctx, &custodian, request, &intent)
    }

    fn purge_erased(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        purge: Purge,
    ) -> Result<Receipt, HealthError> {
        erasure::purge(ctx, &custodian, &purge)
    }

    fn confirm_erasure(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        confirmation: ErasureConfirmation,
    ) -> Result<Receipt, HealthError> {
        erasure::confirm(ctx, &custodian, confirmation)
    }

    fn register_replica(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        replica: Replica,
    ) -> Result<Receipt, HealthError> {
        replicas::register(ctx, &custodian, replica)
    }

    fn probe_replica(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        probe: Probe,
    ) -> Result<Receipt, HealthError> {
        replicas::probe(ctx, &custodian, &probe)
    }

    fn link(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        link: Link,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        links::link(ctx, &custodian, link, &intent)
    }

    fn unlink(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        unlink: Unlink,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        links::unlink(ctx, &custodian, &unlink, &intent)
    }

    fn report_duplicate_order(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        order: DuplicateOrder,
    ) -> Result<Receipt, HealthError> {
        index::report_duplicate_order(ctx, &custodian, order)
    }

    fn request_correction(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        correction: Correction,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        corrections::request(ctx, &custodian, correction, &intent)
    }

    fn respond_correction(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        answer: CorrectionAnswer,
    ) -> Result<Receipt, HealthError> {
        corrections::respond(ctx, &custodian, &answer)
    }

    fn verify(
        &self,
        ctx: &ReadContext<'_>,
        document: DocumentId,
        version: u32,
        opening: ContentOpening,
        proof: Option<BatchProof>,
    ) -> Result<Verification, HealthError> {
        verification::verify(ctx, &document, version, &opening, proof.as_ref(), |_| true)
    }

    fn verify_chunk(
        &self,
        ctx: &ReadContext<'_>,
        document: DocumentId,
        version: u32,
        opening: ContentOpening,
        chunk: ProvenLeaf,
        proof: Option<BatchProof>,
    ) -> Result<Verification, HealthError> {
        verification::verify(ctx, &document, version, &opening, proof.as_ref(), |opening| {
            opening.proves(&chunk.leaf, &chunk.proof)
        })
    }

    fn head(
        &self,
        ctx: &ReadContext<'_>,
        document: DocumentId,
        proof: Option<BatchProof>,
    ) -> Result<DocumentHead, HealthError> {
        verification::head(ctx, &document, proof.as_ref())
    }

    fn version(
        &self,
        ctx: &ReadContext<'_>,
        document: DocumentId,
        version: u32,
    ) -> Result<DocumentVersion, HealthError> {
        verification::version(ctx, &document, version)
    }

    fn batch(&self, ctx: &ReadContext<'_>, batch: BatchId) -> Result<AnchoredBatch, HealthError> {
        anchors::batch(ctx, &batch)
    }

    fn standing(&self, ctx: &ReadContext<'_>, document: DocumentId) -> Result<Standing, HealthError> {
        keeping::standing(ctx, &document)
    }

    fn attested(
        &self,
        ctx: &ReadContext<'_>,
        document: DocumentId,
        version: u32,
    ) -> Result<Vec<Attestation>, HealthError> {
        verification::attested(ctx, &document, version)
    }

    fn reports(
        &self,
        ctx: &ReadContext<'_>,
        organisation: String,
    ) -> Result<Vec<AnchoredReport>, HealthError> {
        integrity::reports(ctx, &organisation)
    }

    fn inventory(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: InventoryQuery,
    ) -> Result<InventoryPage, HealthError> {
        integrity::inventory(ctx, &custodian, &query)
    }

    fn locate(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: PatientQuery,
    ) -> Result<Vec<LocatedDocument>, HealthError> {
        descriptions::locate(ctx, &custodian, &query.patient)
    }

    fn index(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        tx: TxId,
        now: i64,
        page: u32,
    ) -> Result<IndexPage, HealthError> {
        index::index(ctx, &custodian, &tx, now, page)
    }

    fn prior_results(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: PriorResultQuery,
    ) -> Result<IndexPage, HealthError> {
        index::prior_results(ctx, &custodian, &query)
    }

    fn avoided_orders(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        days: DateRange,
    ) -> Result<AvoidedOrders, HealthError> {
        index::avoided_orders(ctx, &custodian, &days)
    }

    fn attestations(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        document: DocumentId,
        version: u32,
    ) -> Result<Vec<AttestationView>, HealthError> {
        verification::attestations(ctx, &custodian, &document, version)
    }

    fn explanation(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        act: TxId,
    ) -> Result<ExplanationView, HealthError> {
        descriptions::explanation(ctx, &custodian, &act)
    }

    fn erasure_requests(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
    ) -> Result<Vec<ErasureRequestView>, HealthError> {
        erasure::requests(ctx, &custodian)
    }

    fn erasure_receipt(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        document: DocumentId,
    ) -> Result<ErasureReceipt, HealthError> {
        erasure::receipt(ctx, &custodian, document)
    }

    fn my_erasure_receipt(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: ErasureQuery,
        intent: SignedIntent,
    ) -> Result<ErasureReceipt, HealthError> {
        erasure::my_receipt(ctx, &custodian, &query, &intent)
    }

    fn replicas(&self, ctx: &ReadContext<'_>, custodian: String) -> Result<Vec<ReplicaView>, HealthError> {
        replicas::list(ctx, &custodian)
    }

    fn links(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: PatientQuery,
    ) -> Result<Vec<LinkView>, HealthError> {
        links::links(ctx, &custodian, &query.patient)
    }

    fn my_links(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: SignedQuery,
        intent: SignedIntent,
    ) -> Result<Vec<LinkView>, HealthError> {
        links::mine(ctx, &custodian, &query, &intent)
    }

    fn corrections(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: PatientQuery,
    ) -> Result<Vec<CorrectionView>, HealthError> {
        corrections::corrections(ctx, &custodian, &query.patient)
    }

    fn my_corrections(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: SignedQuery,
        intent: SignedIntent,
    ) -> Result<Vec<CorrectionView>, HealthError> {
        corrections::mine(ctx, &custodian, &query, &intent)
    }
}

/// The head of a document; `NOT_FOUND` without it.
fn head_of(ctx: &ReadContext<'_>, document: &DocumentId) -> Result<DocumentHead, HealthError> {
    find_head(ctx, document)?.ok_or(HealthError::NotFound)
}

fn find_head(ctx: &ReadContext<'_>, document: &DocumentId) -> Result<Option<DocumentHead>, HealthError> {
    Ok(ctx.get_json(&head_key(document))?)
}

/// The head of a document that the caller's organisation keeps, for one of its clients with one of these roles.
fn own_head(
    ctx: &ReadContext<'_>,
    document: &DocumentId,
    roles: &[Role],
) -> Result<DocumentHead, HealthError> {
    let head = head_of(ctx, document)?;
    Caller::of(ctx)?.require(&head.custodian, roles)?;
    Ok(head)
}

/// `LIMIT` for an empty text or one longer than [`MAX_TEXT`].
fn text(text: &str) -> Result<(), HealthError> {
    if (1..=MAX_TEXT).contains(&text.len()) {
        Ok(())
    } else {
        Err(HealthError::Limit("a text has 1 to 2000 bytes".into()))
    }
}

fn head_key(document: &DocumentId) -> String {
    format!("doc~{document}")
}

fn version_key(document: &DocumentId, version: u32) -> String {
    format!("ver~{document}~{version}")
}
