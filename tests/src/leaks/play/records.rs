//! Records: anchored singly and in bulk, described, changed, attested, verified, linked, corrected, found before they are ordered again.

use careledger::health::{CLINIC, HOSPITAL, consortium};
use careledger_api::codes::{Category, Code, LOINC};
use careledger_api::contracts::identity::PatientQuery;
use careledger_api::contracts::record::{
    AttestationDetails, AttestationRole, CorrectionAnswer, CorrectionOutcome, DocumentMetadata,
    DuplicateOrder, EmergencySummary, NewDocument, PriorResultQuery, ProvenLeaf, Relation, SummaryEntry,
    SummarySection,
};
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::{BatchId, DocumentId, EncounterId, Hash};
use careledger_api::merkle::batch::BatchBuilder;
use careledger_api::merkle::{ChunkProof, ContentOpening};
use careledger_api::roles::Role;
use careledger_sdk::Wallet;
use careledger_sdk::wallet::{salt, unix_now};

use super::super::Story;
use super::accesses::Access;
use super::{ask, refused, submit};

/// Plays all of it.
pub(super) async fn play(story: &Story, accesses: &[Access]) {
    let documents = anchored(story).await;
    changed(story, &documents).await;
    attested(story, documents[1]).await;
    verified(story, documents[1]).await;
    described(story).await;
    linked(story).await;
    corrected(story, documents[1]).await;
    ordered(story, accesses).await;
}

/// A new id, which anchors make public.
pub(super) fn new_document(story: &Story) -> DocumentId {
    let document = DocumentId::from_bytes(rand::random());
    story.publish(&document);
    document
}

/// A description with everything stated.
pub(super) fn description(story: &Story, document: DocumentId) -> DocumentMetadata {
    DocumentMetadata {
        patient: story.hospital.patient.id(),
        document,
        version: 1,
        category: Category::Imaging,
        codes: vec![Code {
            system: LOINC.to_owned(),
            code: "24725-4".to_owned(),
        }],
        labels: vec![
            "OPIOIDUD".parse().expect("a label"),
            "PREGNANT".parse().expect("a label"),
        ],
        date: Some("1941-05-13".parse().expect("a date")),
        encounter: Some(EncounterId::from_bytes(rand::random())),
        author: HOSPITAL.to_owned(),
        emergency: false,
        proof: None,
        salt: salt(),
    }
}

fn commitment() -> Hash {
    Hash::from_bytes(rand::random())
}

/// Documents with heads of their own: anchored alone, two together, one out of a batch.
async fn anchored(story: &Story) -> Vec<DocumentId> {
    let keeper = story.client(HOSPITAL, Role::Custodian);
    let mut documents: Vec<DocumentId> = (0..5).map(|_| new_document(story)).collect();
    submit!(story, keeper, records.anchor(documents[0], commitment()));
    refused!(story, keeper, records.anchor(documents[0], commitment()));
    let many = documents[1..].iter().map(|document| NewDocument {
        document: *document,
        commitment: commitment(),
    });
    submit!(story, keeper, records.anchor_many(many.collect()));
    let mut builder = BatchBuilder::new(BatchId::from_bytes(rand::random()), salt());
    for _ in 0..3 {
        builder.push(commitment()).expect("room");
    }
    let batch = builder.finish().expect("a batch");
    submit!(
        story,
        keeper,
        records.anchor_batch(batch.batch, batch.root, batch.count)
    );
    ask!(story, keeper, records.batch(batch.batch));
    // What is unfolded publishes its place in the batch.
    let unfolded = &batch.documents[0];
    story.publish(&unfolded.document);
    story.publish(&batch.batch);
    for hash in unfolded.proof.path.iter().chain([&unfolded.proof.commitment]) {
        story.publish(hash);
    }
    story.publish(&unfolded.proof.salt);
    submit!(
        story,
        keeper,
        records.unfold(unfolded.document, unfolded.proof.clone())
    );
    refused!(
        story,
        keeper,
        records.unfold(unfolded.document, unfolded.proof.clone())
    );
    documents.push(unfolded.document);
    let described: Vec<DocumentMetadata> = documents.iter().map(|d| description(story, *d)).collect();
    submit!(story, keeper, records.describe(HOSPITAL, described));
    // To describe one that is still folded asks whether it has a head, by its id.
    story.publish(&batch.documents[1].document);
    let folded = DocumentMetadata {
        proof: Some(batch.documents[1].proof.clone()),
        ..description(story, batch.documents[1].document)
    };
    submit!(story, keeper, records.describe(HOSPITAL, vec![folded]));
    refused!(
        story,
        keeper,
        records.describe(
            HOSPITAL,
            vec![description(story, DocumentId::from_bytes(rand::random()))]
        )
    );
    documents
}

async fn changed(story: &Story, documents: &[DocumentId]) {
    let (keeper, dpo) = (
        story.client(HOSPITAL, Role::Custodian),
        story.client(HOSPITAL, Role::Dpo),
    );
    let (replaced, kept, wrong) = (documents[0], documents[1], documents[2]);
    submit!(
        story,
        keeper,
        records.add_version(kept, 2, Relation::Replaces, commitment())
    );
    refused!(
        story,
        keeper,
        records.add_version(kept, 2, Relation::Replaces, commitment())
    );
    submit!(story, dpo, records.redact(kept, 3, commitment()));
    submit!(
        story,
        keeper,
        records.supersede(replaced, kept, Relation::Replaces)
    );
    submit!(story, keeper, records.mark_error(wrong));
    refused!(story, keeper, records.mark_error(replaced));
    ask!(story, keeper, records.head(kept, None));
    ask!(story, keeper, records.version(kept, 2));
    ask!(story, keeper, records.standing(kept));
}

async fn attested(story: &Story, document: DocumentId) {
    let doctor = story.client(HOSPITAL, Role::Clinician);
    let attestation = submit!(story, doctor, records.attest(document, 1));
    let details = AttestationDetails {
        document,
        version: 1,
        attestation,
        role: AttestationRole::Authenticator,
        meaning: "read and agreed by Isambard-Kingsley".to_owned(),
        salt: salt(),
    };
    submit!(story, doctor, records.detail(HOSPITAL, details.clone()));
    refused!(story, doctor, records.detail(HOSPITAL, details));
    ask!(story, doctor, records.attested(document, 1));
    let keeper = story.client(HOSPITAL, Role::Custodian);
    ask!(story, keeper, records.attestations(HOSPITAL, document, 1));
}

/// Openings travel as transient input of questions, which reach no block, only a log that would write them down.
async fn verified(story: &Story, document: DocumentId) {
    let reader = story.client(CLINIC, Role::Auditor);
    let opening = ContentOpening::of(salt(), 1024, "application/x-Thornbury", b"small").expect("an opening");
    ask!(story, reader, records.verify(document, 1, opening.clone(), None));
    let chunk = ProvenLeaf {
        leaf: commitment(),
        proof: ChunkProof {
            index: 0,
            count: 1,
            size: 5,
            leaf_salt: salt(),
            path: vec![],
        },
    };
    ask!(
        story,
        reader,
        records.verify_chunk(document, 1, opening, chunk, None)
    );
}

async fn described(story: &Story) {
    let me = &story.hospital.patient;
    let (keeper, portal) = (
        story.client(HOSPITAL, Role::Custodian),
        story.client(CLINIC, Role::Portal),
    );
    let document = story.hospital.documents[&Category::Allergy][0];
    submit!(
        story,
        portal,
        records.choose_emergency[me.choose_emergency(document, true)]
    );
    let summary = EmergencySummary {
        patient: me.id(),
        entries: vec![SummaryEntry {
            section: SummarySection::AdvanceDirective,
            document,
        }],
        salt: salt(),
    };
    submit!(story, keeper, records.publish_summary(HOSPITAL, summary.clone()));
    let mut strange = summary;
    strange.entries[0].document = DocumentId::from_bytes(rand::random());
    refused!(story, keeper, records.publish_summary(HOSPITAL, strange));
    ask!(
        story,
        keeper,
        records.locate(HOSPITAL, PatientQuery { patient: me.id() })
    );
}

async fn linked(story: &Story) {
    let me = &story.hospital.patient;
    let (registrar, portal) = (
        story.client(HOSPITAL, Role::Registrar),
        story.client(CLINIC, Role::Portal),
    );
    let elsewhere = Wallet::generate(consortium()).at(CLINIC).expect("a wallet");
    story.plant(&elsewhere.id().to_string());
    let signed = me.link(&elsewhere).expect("signed");
    let link = signed.body.nonce;
    submit!(story, portal, records.link[Ok::<_, ()>(signed.clone())]);
    refused!(story, portal, records.link[Ok::<_, ()>(signed)]);
    ask!(
        story,
        registrar,
        records.links(HOSPITAL, PatientQuery { patient: me.id() })
    );
    ask!(story, portal, records.my_links[me.ask_records("myLinks", CLINIC)]);
    submit!(story, portal, records.unlink[me.unlink(link)]);
    refused!(story, portal, records.unlink[me.unlink(link)]);
}

async fn corrected(story: &Story, document: DocumentId) {
    let me = &story.hospital.patient;
    let (keeper, portal) = (
        story.client(HOSPITAL, Role::Custodian),
        story.client(CLINIC, Role::Portal),
    );
    let signed = me
        .request_correction(document, "my left kidney was removed, Wolverhampton 1988")
        .expect("signed");
    let correction = signed.body.nonce;
    submit!(
        story,
        portal,
        records.request_correction[Ok::<_, ()>(signed.clone())]
    );
    refused!(story, portal, records.request_correction[Ok::<_, ()>(signed)]);
    let answer = CorrectionAnswer {
        patient: me.id(),
        correction,
        outcome: CorrectionOutcome::Denied,
        text: "operation report of Nethermere-Infirmary says right".to_owned(),
        salt: salt(),
    };
    submit!(
        story,
        keeper,
        records.respond_correction(HOSPITAL, answer.clone())
    );
    refused!(story, keeper, records.respond_correction(HOSPITAL, answer));
    ask!(
        story,
        keeper,
        records.corrections(HOSPITAL, PatientQuery { patient: me.id() })
    );
    ask!(
        story,
        portal,
        records.my_corrections[me.ask_records("myCorrections", CLINIC)]
    );
}

async fn ordered(story: &Story, accesses: &[Access]) {
    let keeper = story.client(HOSPITAL, Role::Custodian);
    let query = PriorResultQuery {
        patient: story.hospital.patient.id(),
        category: Category::Imaging,
        code: Code {
            system: LOINC.to_owned(),
            code: "24725-4".to_owned(),
        },
        window: DateRange {
            from: "1941-05-01".parse().expect("a date"),
            until: "1941-05-31".parse().expect("a date"),
        },
    };
    ask!(story, keeper, records.prior_results(HOSPITAL, query));
    let order = DuplicateOrder {
        category: Category::Imaging,
        access: Some(accesses[0].tx.clone()),
        salt: salt(),
    };
    submit!(story, keeper, records.report_duplicate_order(HOSPITAL, order));
    let today = Date::from_unix(unix_now()).expect("a date");
    let days = DateRange {
        from: today,
        until: today,
    };
    ask!(story, keeper, records.avoided_orders(HOSPITAL, days));
}
