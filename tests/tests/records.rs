//! Records over a whole network: bulk anchoring, the index for another organisation, links, attestation, and an erasure that nobody does alone.

use careledger::health::{self, CLINIC, HOSPITAL, REGULATOR};
use careledger_api::HealthError;
use careledger_api::codes::Category;
use careledger_api::contracts::record::{
    AttestationDetails, AttestationRole, Backup, DocumentMetadata, DocumentStatus, ErasureConfirmation,
    ErasureGround, Explanation, NewDocument, Purge, Verification,
};
use careledger_api::hashing::tagged_hash;
use careledger_api::ids::{BatchId, DocumentId, Hash, HoldId, TxId};
use careledger_api::merkle::ContentOpening;
use careledger_api::merkle::batch::{BatchBuilder, MAX_BATCH};
use careledger_api::roles::Role;
use careledger_sdk::anchor::{RecordBatch, unfold};
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::{ReleaseRequest, UploadRequest};
use careledger_sdk::wallet::{salt, unix_now};
use careledger_sdk::{HealthCallError, HealthClient, Wallet};
use careledger_tests::engine::Engine;
use careledger_tests::hospital::{GRANTED, Hospital};
use prost::Message;

/// What no block may show.
const REASON: &str = "Reason-Kepler-4711";

fn refusal<T: std::fmt::Debug>(result: Result<T, HealthCallError>) -> HealthError {
    match result {
        Err(HealthCallError::Contract(error)) => error,
        other => panic!("the contract's refusal was expected, not {other:?}"),
    }
}

/// A transaction as its block holds it, without the bytes around it.
async fn bytes_of(client: &HealthClient, tx: &str) -> Vec<u8> {
    let (transaction, code) = client.network().transaction(tx).await.expect("committed");
    assert!(code.is_valid());
    transaction
        .transaction_envelope
        .expect("an envelope")
        .encode_to_vec()
}

fn description(hospital: &Hospital, document: DocumentId, category: Category) -> DocumentMetadata {
    DocumentMetadata {
        patient: hospital.patient.id(),
        document,
        version: 1,
        category,
        codes: vec![],
        labels: vec![],
        date: None,
        encounter: None,
        author: HOSPITAL.to_owned(),
        emergency: false,
        proof: None,
        salt: salt(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bulk_is_one_root_on_the_chain_and_single_documents_everywhere_else() {
    let hospital = Hospital::open().await;
    let keeper = hospital.client(HOSPITAL, Role::Custodian);

    // 512 heads of their own, beside one root for 4,096.
    let singles = (0u32..512)
        .map(|n| NewDocument {
            document: DocumentId::from_bytes(rand::random()),
            commitment: tagged_hash("single", &[&n.to_be_bytes()]),
        })
        .collect();
    let single = keeper
        .records()
        .anchor_many(singles)
        .send()
        .await
        .expect("anchored");
    let mut builder = BatchBuilder::new(BatchId::from_bytes(rand::random()), salt());
    for n in 0..MAX_BATCH {
        builder
            .push(tagged_hash("item", &[&n.to_be_bytes()]))
            .expect("room");
    }
    let full = builder.finish().expect("a batch");
    let began = std::time::Instant::now();
    let root = keeper.records().anchor_batch(full.batch, full.root, full.count);
    let root = root.send().await.expect("anchored");
    let took = began.elapsed();
    let (single, root) = (
        bytes_of(&keeper, &single.tx_id).await.len(),
        bytes_of(&keeper, &root.tx_id).await.len(),
    );
    eprintln!(
        "anchor_many: {} bytes of block per document; anchor_batch: {root} bytes for {MAX_BATCH} ({:.1} each), committed in {} ms",
        single / 512,
        root as f64 / f64::from(MAX_BATCH),
        took.as_millis()
    );
    assert!(root < 16 * 1024, "{root}");
    assert!(
        single / 512 > 50 * root / MAX_BATCH as usize,
        "{single} and {root}"
    );

    // A bulk of more than one description's worth; the content of its first document is in the vault.
    let mut batch = RecordBatch::new();
    let kept = batch.next_document();
    let upload = UploadRequest {
        custodian: HOSPITAL.to_owned(),
        channel: health::consortium().channel,
        document: kept,
        version: 1,
        mime: "text/plain".to_owned(),
        size: None,
        at: unix_now(),
    };
    let custodian = hospital.identity(HOSPITAL, Role::Custodian.as_str());
    let opening = hospital
        .vault
        .upload(&custodian, upload, b"one dose a day".as_slice())
        .await
        .expect("kept");
    let medication = description(&hospital, kept, Category::Medication);
    batch.push(opening.commitment(), medication).expect("room");
    let mut openings = Vec::new();
    for n in 1..520u32 {
        let document = batch.next_document();
        let opening = ContentOpening::of(salt(), 1024, "text/plain", &n.to_be_bytes()).expect("an opening");
        let imaging = description(&hospital, document, Category::Imaging);
        batch.push(opening.commitment(), imaging).expect("room");
        openings.push((document, opening));
    }
    let batch = batch.finish().expect("a batch");
    let anchored = batch.anchor(&keeper, HOSPITAL).await.expect("anchored");
    assert_eq!((anchored.anchor.is_some(), anchored.describe.len()), (true, 2));
    let again = batch
        .anchor(&keeper, HOSPITAL)
        .await
        .expect("goes on where it ended");
    assert!(again.anchor.is_none());

    let (document, opening) = openings.last().expect("some").clone();
    let proof = batch.batch().documents.last().expect("some").proof.clone();
    let reader = hospital.client(CLINIC, Role::Auditor);
    reader
        .caught_up(&anchored.anchor.expect("anchored now").0)
        .await
        .expect("the clinic's peer follows");
    let found = reader
        .records()
        .verify(document, 1, opening.clone(), Some(proof.clone()));
    assert_eq!(found.send().await.expect("answered"), Verification::Match);

    // A requester elsewhere gets the proof with the key, and verifies on its own peer.
    hospital.grant().await;
    let kem = KemKeyPair::generate();
    let access = hospital.access(&[Category::Medication], &kem).await;
    let clinician = hospital.identity(CLINIC, Role::Clinician.as_str());
    let request = ReleaseRequest {
        custodian: HOSPITAL.to_owned(),
        channel: health::consortium().channel,
        tx: access,
        categories: vec![Category::Medication],
    };
    let released = hospital.vault.released(&clinician, request, &kem).await;
    let released = released.expect("released");
    let ours = released
        .iter()
        .find(|r| r.document == kept)
        .expect("the bulk's document");
    let content = ours.content.read(1024).await.expect("whole");
    assert_eq!(content, b"one dose a day");
    let opening = ours.content.opening().clone();
    let found = reader.records().verify(kept, 1, opening, ours.proof.clone());
    assert_eq!(found.send().await.expect("answered"), Verification::Match);

    unfold(&keeper, document, proof.clone())
        .await
        .expect("its own head");
    unfold(&keeper, document, proof)
        .await
        .expect("a second time is success");
    let marked = keeper
        .records()
        .mark_error(document)
        .send()
        .await
        .expect("marked");
    reader
        .caught_up(&marked.tx_id)
        .await
        .expect("the clinic's peer follows");
    let head = reader
        .records()
        .head(document, None)
        .send()
        .await
        .expect("a head");
    assert_eq!((head.status, head.version), (DocumentStatus::EnteredInError, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn another_organisation_locates_what_the_consent_shows() {
    let hospital = Hospital::open().await;
    let channel = health::consortium().channel;
    let clinician = hospital.identity(CLINIC, Role::Clinician.as_str());
    let vault = &hospital.vault;
    let locate = async |who, tx: &TxId| {
        vault
            .locate(who, HOSPITAL, &channel, tx)
            .await
            .expect("the vault answers")
    };
    let kem = KemKeyPair::generate();
    let refused = hospital.access(&GRANTED, &kem).await;
    assert!(locate(&clinician, &refused).await.is_empty());
    hospital.grant().await;
    let access = hospital.access(&[Category::Laboratory], &kem).await;
    let located = locate(&clinician, &access).await;
    let mut expected = hospital.documents[&Category::Laboratory].clone();
    expected.sort();
    assert_eq!(located.iter().map(|e| e.document).collect::<Vec<_>>(), expected);
    assert!(located.iter().all(|e| e.category == Category::Laboratory));
    assert_eq!(
        locate(&clinician, &access).await,
        located,
        "no key left, so it may be asked again"
    );
    let colleague = hospital.identity(CLINIC, Role::Emergency.as_str());
    assert!(
        locate(&colleague, &access).await.is_empty(),
        "another person's access"
    );
    let unknown: TxId = "00".repeat(32).parse().expect("an id");
    assert!(locate(&clinician, &unknown).await.is_empty());

    // The wallet ties its ids; nobody but the custodian and the patient sees it.
    let wallet = Wallet::generate(health::consortium());
    let elsewhere = wallet.at(CLINIC).expect("an id");
    let signed = hospital.patient.link(&elsewhere).expect("signed");
    let portal = hospital.client(CLINIC, Role::Portal);
    let linked = portal.records().link(HOSPITAL, signed.body, signed.intent);
    let linked = linked.send().await.expect("linked");
    let ask = hospital.patient.ask_records("myLinks", CLINIC).expect("signed");
    hospital
        .client(HOSPITAL, Role::Portal)
        .caught_up(&linked.tx_id)
        .await
        .expect("committed");
    let links = portal
        .records()
        .my_links(HOSPITAL, ask.body, ask.intent)
        .send()
        .await
        .expect("answered");
    assert_eq!(links[0].other_patient, elsewhere.id());
    let block = bytes_of(&portal, &linked.tx_id).await;
    let id = elsewhere.id().to_string();
    assert!(
        !block.windows(id.len()).any(|w| w == id.as_bytes()),
        "the other id is in the block"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_erasure_takes_two_organisations_and_leaves_a_receipt() {
    let hospital = Hospital::open().await;
    let document = hospital.documents[&Category::Laboratory][0];
    let keeper = hospital.client(HOSPITAL, Role::Custodian);
    let dpo = hospital.client(HOSPITAL, Role::Dpo);
    let regulator = hospital.client(REGULATOR, Role::Dpo);
    let lawyer = hospital.client(REGULATOR, Role::Legal);
    let mut transactions: Vec<String> = Vec::new();
    // One after the other, each on a peer that has the one before.
    macro_rules! act {
        ($client:expr, $call:ident($($argument:expr),*)) => {{
            if let Some(last) = transactions.last() {
                $client.caught_up(last).await.expect("the peer follows");
            }
            let result = $client.records().$call($($argument),*).send().await;
            if let Ok(committed) = &result {
                transactions.push(committed.tx_id.clone());
            }
            result
        }};
    }

    // A clinician attests first; what it means is private.
    let doctor = hospital.client(HOSPITAL, Role::Clinician);
    let attested = act!(doctor, attest(document, 1)).expect("attested");
    let details = AttestationDetails {
        document,
        version: 1,
        attestation: attested.tx_id.parse().expect("an id"),
        role: AttestationRole::Legal,
        meaning: REASON.to_owned(),
        salt: salt(),
    };
    act!(doctor, detail(HOSPITAL, details)).expect("detailed");

    let signed = hospital
        .patient
        .request_erasure(document, ErasureGround::Withdrawn)
        .expect("signed");
    let portal = hospital.client(CLINIC, Role::Portal);
    act!(portal, request_erasure(HOSPITAL, signed.body, signed.intent)).expect("asked");
    let hold = HoldId::from_bytes(rand::random());
    let held = act!(dpo, place_hold(document, hold)).expect("placed");
    let explanation = Explanation {
        act: held.tx_id.parse().expect("an id"),
        document,
        reason: REASON.to_owned(),
        salt: salt(),
    };
    act!(dpo, explain(HOSPITAL, explanation)).expect("explained");
    act!(lawyer, place_hold(document, hold)).expect("placed by the second");
    act!(dpo, open_erasure(document)).expect("opened");
    act!(dpo, approve_erasure(document)).expect("approved");
    let alone = act!(keeper, approve_erasure(document));
    assert!(matches!(refusal(alone), HealthError::SodViolation(_)));
    act!(regulator, approve_erasure(document)).expect("approved by the second");
    let kept = act!(keeper, execute_erasure(document));
    assert!(matches!(refusal(kept), HealthError::LegalHold(_)));
    act!(dpo, release_hold(document, hold)).expect("released");
    act!(lawyer, release_hold(document, hold)).expect("released by the second");
    let alone = keeper
        .records()
        .execute_erasure(document)
        .endorsed_by([HOSPITAL])
        .send()
        .await;
    assert!(
        matches!(alone, Err(HealthCallError::Transport(_))),
        "one organisation's endorsement: {alone:?}"
    );
    act!(keeper, execute_erasure(document)).expect("executed");
    let purge = Purge {
        patient: hospital.patient.id(),
        documents: vec![document],
        corrections: vec![],
        salt: salt(),
    };
    act!(keeper, purge_erased(HOSPITAL, purge)).expect("purged");
    let confirmation = ErasureConfirmation {
        document,
        backups: vec![Backup {
            name: REASON.to_owned(),
            expires: "2027-06-30".parse().expect("a date"),
        }],
        salt: salt(),
    };
    act!(keeper, confirm_erasure(HOSPITAL, confirmation)).expect("confirmed");

    let reader = hospital.client(CLINIC, Role::Auditor);
    reader
        .caught_up(transactions.last().expect("some"))
        .await
        .expect("the peer follows");
    let opening = ContentOpening::of(salt(), 1024, "text/plain", b"x").expect("an opening");
    let verified = reader.records().verify(document, 1, opening, None).send().await;
    assert_eq!(verified.expect("answered"), Verification::Erased);
    let back = act!(
        keeper,
        describe(
            HOSPITAL,
            vec![description(&hospital, document, Category::Laboratory)]
        )
    );
    assert_eq!(refusal(back), HealthError::NotFound);
    let stray = act!(keeper, anchor(document, Hash::from_bytes([1; 32])));
    assert!(matches!(refusal(stray), HealthError::Duplicate(_)));
    let asked = hospital
        .patient
        .ask_erasure_receipt(document, HOSPITAL)
        .expect("signed");
    let own = hospital.client(HOSPITAL, Role::Portal);
    let receipt = own
        .records()
        .my_erasure_receipt(HOSPITAL, asked.body, asked.intent)
        .send()
        .await
        .expect("a receipt");
    assert_eq!(receipt.erasure.approvals.len(), 2);
    assert!(receipt.purged.is_some());
    // On a network whose own vaults run, the regulator holds copies of everything, and its vault was not asked here.
    let may_miss = match Engine::of_environment() {
        Engine::Embedded => vec![],
        Engine::Fabric(_) => vec![REGULATOR.to_owned()],
    };
    assert!(
        receipt.missing.iter().all(|member| may_miss.contains(member)),
        "{receipt:?}"
    );

    assert!(transactions.len() > 12);
    for tx in &transactions {
        let block = bytes_of(&keeper, tx).await;
        for word in [REASON, "consent-withdrawn", "2027-06-30"] {
            assert!(
                !block.windows(word.len()).any(|w| w == word.as_bytes()),
                "{word} in {tx}"
            );
        }
    }
}
