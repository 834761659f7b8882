//! Batches, versions, ends, attestations, verification.

use super::{ask, document, send};
use crate::fixture::{CLINIC, HOSPITAL, INSURER, REGULATOR, World, bytes, world};
use careledger_api::HealthError;
use careledger_api::codes::Category;
use careledger_api::contracts::record::{
    AttestationDetails, AttestationRole, DocumentMetadata, DocumentStatus, ProvenLeaf, RecordClient,
    Relation, Successor, Verification,
};
use careledger_api::ids::{BatchId, DocumentId, Hash};
use careledger_api::merkle::batch::{Batch, BatchBuilder};
use careledger_api::merkle::{ContentOpening, TreeBuilder};
use careledger_api::roles::Role;
use fabric_contract_mock::now;

fn opening(world: &World, content: &[u8]) -> ContentOpening {
    ContentOpening::of(world.wallet.salt(), 4, "text/plain", content).unwrap()
}

/// Three laboratory results in a batch, with their openings.
fn batch(world: &World) -> (Batch, Vec<ContentOpening>) {
    let openings: Vec<_> = [b"one".as_slice(), b"two", b"three"]
        .map(|content| opening(world, content))
        .into();
    let mut builder = BatchBuilder::new(BatchId::from_bytes(bytes(9)), world.wallet.salt());
    for opening in &openings {
        builder.push(opening.commitment()).unwrap();
    }
    (builder.finish().unwrap(), openings)
}

fn described(world: &World, batch: &Batch) -> Vec<DocumentMetadata> {
    batch
        .documents
        .iter()
        .map(|document| DocumentMetadata {
            patient: world.wallet.patient(),
            document: document.document,
            version: 1,
            category: Category::Laboratory,
            codes: vec![],
            labels: vec![],
            date: None,
            encounter: None,
            author: HOSPITAL.into(),
            emergency: false,
            proof: Some(document.proof.clone()),
            salt: world.wallet.salt(),
        })
        .collect()
}

#[tokio::test]
async fn a_batch_anchors_describes_and_releases_like_single_documents() {
    let world = world().await;
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let (batch, openings) = batch(&world);
    let metadata = described(&world, &batch);
    let half = send!(world, keeper, describe(HOSPITAL, metadata.clone()), by[HOSPITAL]);
    assert_eq!(half, Err(HealthError::NotFound), "anchored first");
    for count in [0, 4097] {
        let out = send!(world, keeper, anchor_batch(batch.batch, batch.root, count));
        assert!(matches!(out, Err(HealthError::Limit(_))));
    }
    let clinician = world.client(HOSPITAL, Role::Clinician);
    let no_keeper = send!(world, clinician, anchor_batch(batch.batch, batch.root, 3));
    assert!(matches!(no_keeper, Err(HealthError::Forbidden(_))));
    let payer = world.client(INSURER, Role::Custodian);
    let no_custodian = send!(world, payer, anchor_batch(batch.batch, batch.root, 3));
    assert!(matches!(no_custodian, Err(HealthError::Forbidden(_))));
    send!(world, keeper, anchor_batch(batch.batch, batch.root, 3)).unwrap();
    let again = send!(
        world,
        keeper,
        anchor_batch(batch.batch, Hash::from_bytes([1; 32]), 3)
    );
    assert!(matches!(again, Err(HealthError::Duplicate(_))));

    let mut wrong = metadata.clone();
    wrong[0].proof = wrong[1].proof.clone();
    let swapped = send!(world, keeper, describe(HOSPITAL, wrong), by[HOSPITAL]);
    assert_eq!(swapped, Err(HealthError::NotFound));
    let mut later = metadata.clone();
    later[0].version = 2;
    let later = send!(world, keeper, describe(HOSPITAL, later), by[HOSPITAL]);
    assert_eq!(later, Err(HealthError::NotFound));
    send!(world, keeper, describe(HOSPITAL, metadata.clone()), by[HOSPITAL]).unwrap();
    let located = world.locate().await;
    for item in &batch.documents {
        let found = located.iter().find(|l| l.metadata.document == item.document);
        let head = &found.unwrap().head;
        assert_eq!(
            (head.version, head.status, head.custodian.as_str()),
            (1, DocumentStatus::Current, HOSPITAL)
        );
    }

    let anyone = world.client(CLINIC, Role::Auditor);
    let proof = || Some(batch.documents[1].proof.clone());
    let second = batch.documents[1].document;
    let verify = |opening: &ContentOpening, version, proof| {
        ask!(anyone, verify(second, version, opening.clone(), proof))
    };
    assert_eq!(verify(&openings[1], 1, proof()).unwrap(), Verification::Match);
    assert_eq!(verify(&openings[0], 1, proof()).unwrap(), Verification::Mismatch);
    assert!(verify(&openings[1], 1, None).is_err());
    assert!(verify(&openings[1], 2, proof()).is_err());
    assert!(
        ask!(
            anyone,
            verify(
                second,
                1,
                openings[0].clone(),
                Some(batch.documents[0].proof.clone())
            )
        )
        .is_err()
    );
    assert_eq!(ask!(anyone, head(second, proof())).unwrap().version, 1);
    assert!(ask!(anyone, head(second, None)).is_err());

    let consent = world.wallet.consent(&[Category::Laboratory]);
    world
        .grant(&consent, &world.wallet.granting(&consent))
        .await
        .unwrap();
    let tx = world.access(&[Category::Laboratory]).await.unwrap();
    let release = world.release(&tx, world.now()).await.unwrap();
    assert_eq!(
        release.documents.len(),
        4,
        "one of its own head, three of the batch"
    );
}

#[tokio::test]
async fn the_first_change_of_a_batched_document_begins_with_its_proven_head() {
    let world = world().await;
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let (batch, openings) = batch(&world);
    send!(world, keeper, anchor_batch(batch.batch, batch.root, batch.count)).unwrap();
    let item = &batch.documents[2];
    let second = opening(&world, b"corrected");
    let version = || (item.document, 2, Relation::Replaces, second.commitment());
    let (d, n, r, c) = version();
    assert_eq!(
        send!(world, keeper, add_version(d, n, r, c)),
        Err(HealthError::NotFound)
    );
    let unfold = |organisation, role, proof: &careledger_api::merkle::batch::BatchProof| {
        let client = world.client(organisation, role);
        send!(world, client, unfold(item.document, proof.clone()))
    };
    let mut altered = item.proof.clone();
    altered.commitment = second.commitment();
    assert_eq!(
        unfold(HOSPITAL, Role::Custodian, &altered),
        Err(HealthError::NotFound)
    );
    for (organisation, role) in [
        (CLINIC, Role::Custodian),
        (INSURER, Role::Legal),
        (HOSPITAL, Role::Clinician),
        (REGULATOR, Role::Custodian),
    ] {
        let refused = unfold(organisation, role, &item.proof);
        assert!(matches!(refused, Err(HealthError::Forbidden(_))), "{role}");
    }
    unfold(REGULATOR, Role::Legal, &item.proof).unwrap();
    assert!(matches!(
        unfold(HOSPITAL, Role::Custodian, &item.proof),
        Err(HealthError::Duplicate(_))
    ));
    send!(world, keeper, add_version(d, n, r, c)).unwrap();
    let anyone = world.client(CLINIC, Role::Auditor);
    let anchored = ask!(anyone, version(item.document, 1)).unwrap();
    assert_eq!(anchored.batch.unwrap().index, 2);
    for (version, opening) in [(1, &openings[2]), (2, &second)] {
        let found = ask!(anyone, verify(item.document, version, opening.clone(), None));
        assert_eq!(found.unwrap(), Verification::Match);
    }
    // The head wins over the proof: it holds no second version.
    let by_proof = ask!(
        anyone,
        verify(item.document, 2, openings[2].clone(), Some(item.proof.clone()))
    );
    assert_eq!(by_proof.unwrap(), Verification::Mismatch);
    // An anchor of its own under an id of a batch is refused once the head is there, and proves nothing where it came first.
    let taken = send!(world, keeper, anchor(item.document, second.commitment()));
    assert!(matches!(taken, Err(HealthError::Duplicate(_))));
    let other = &batch.documents[0];
    send!(world, keeper, anchor(other.document, second.commitment())).unwrap();
    for opening in [&openings[0], &second] {
        let proof = Some(other.proof.clone());
        let found = ask!(anyone, verify(other.document, 1, opening.clone(), proof));
        assert_eq!(found.unwrap(), Verification::Mismatch);
    }
    assert!(matches!(
        send!(world, keeper, unfold(other.document, other.proof.clone())),
        Err(HealthError::Duplicate(_))
    ));
}

#[tokio::test]
async fn a_document_ends_once_and_names_what_took_its_place() {
    let world = world().await;
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let foreign = world.client(CLINIC, Role::Custodian);
    send!(world, foreign, anchor(document(90), Hash::from_bytes([1; 32]))).unwrap();
    let supersede = |old: u8, new: u8| {
        send!(
            world,
            keeper,
            supersede(document(old), document(new), Relation::Replaces)
        )
    };
    assert!(matches!(supersede(1, 1), Err(HealthError::InvalidCode(_))));
    assert_eq!(supersede(1, 77), Err(HealthError::NotFound));
    assert!(
        matches!(supersede(1, 90), Err(HealthError::Forbidden(_))),
        "of another custodian"
    );
    assert!(matches!(supersede(90, 1), Err(HealthError::Forbidden(_))));
    supersede(1, 2).unwrap();
    supersede(1, 2).expect("the same again");
    assert!(matches!(supersede(1, 3), Err(HealthError::ConflictState(_))));
    assert!(
        matches!(supersede(3, 1), Err(HealthError::ConflictState(_))),
        "the successor counts no longer"
    );
    let marked = send!(world, keeper, mark_error(document(1)));
    assert!(matches!(marked, Err(HealthError::ConflictState(_))));
    let head = ask!(keeper, head(document(1), None)).unwrap();
    assert_eq!(head.status, DocumentStatus::Superseded);
    assert_eq!(
        head.successor,
        Some(Successor {
            document: document(2),
            relation: Relation::Replaces
        })
    );
}

#[tokio::test]
async fn a_redaction_closes_every_version_before_it() {
    let world = world().await;
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let dpo = world.client(HOSPITAL, Role::Dpo);
    let id = document(100);
    let versions = [
        opening(&world, b"with the name"),
        opening(&world, b"with it again"),
        opening(&world, b"without it"),
    ];
    send!(world, keeper, anchor(id, versions[0].commitment())).unwrap();
    send!(
        world,
        keeper,
        add_version(id, 2, Relation::Appends, versions[1].commitment())
    )
    .unwrap();
    let sly = send!(
        world,
        keeper,
        add_version(id, 3, Relation::Redacts, versions[2].commitment())
    );
    assert!(matches!(sly, Err(HealthError::InvalidCode(_))));
    let unasked = send!(world, keeper, redact(id, 3, versions[2].commitment()));
    assert!(matches!(unasked, Err(HealthError::Forbidden(_))));
    let gap = send!(world, dpo, redact(id, 4, versions[2].commitment()));
    assert!(matches!(gap, Err(HealthError::ConflictState(_))));
    send!(world, dpo, redact(id, 3, versions[2].commitment())).unwrap();
    let found = |version: u32, opening: usize| {
        ask!(dpo, verify(id, version, versions[opening].clone(), None)).unwrap()
    };
    assert_eq!(found(1, 0), Verification::Redacted);
    assert_eq!(
        found(1, 2),
        Verification::Redacted,
        "nothing is told of a wrong opening either"
    );
    assert_eq!(found(2, 1), Verification::Redacted);
    assert_eq!(found(3, 2), Verification::Match);
    assert_eq!(found(3, 1), Verification::Mismatch);
}

#[tokio::test]
async fn a_chunk_proves_itself_against_the_anchor() {
    let world = world().await;
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let content = b"a longer document in chunks";
    let salt = world.wallet.salt();
    let opening = ContentOpening::of(salt, 4, "text/plain", content).unwrap();
    let mut builder = TreeBuilder::new(salt, 4).unwrap();
    builder.update(content);
    let tree = builder.finish();
    let id = document(101);
    send!(world, keeper, anchor(id, opening.commitment())).unwrap();
    let anyone = world.client(INSURER, Role::Auditor);
    let verify = |document: DocumentId, opening: &ContentOpening, leaf: Hash, index: u64| {
        let chunk = ProvenLeaf {
            leaf,
            proof: tree.proof(index).unwrap(),
        };
        ask!(anyone, verify_chunk(document, 1, opening.clone(), chunk, None))
    };
    let leaf = tree.proof(2).unwrap().leaf(&content[8..12]);
    assert_eq!(verify(id, &opening, leaf, 2).unwrap(), Verification::Match);
    assert_eq!(verify(id, &opening, leaf, 3).unwrap(), Verification::Mismatch);
    let altered = tree.proof(2).unwrap().leaf(b"????");
    assert_eq!(verify(id, &opening, altered, 2).unwrap(), Verification::Mismatch);
    let other = ContentOpening {
        mime: "text/html".into(),
        ..opening
    };
    assert_eq!(verify(id, &other, leaf, 2).unwrap(), Verification::Mismatch);
    assert_eq!(
        verify(document(1), &opening, leaf, 2).unwrap(),
        Verification::Mismatch
    );
    assert!(verify(document(77), &opening, leaf, 2).is_err());
}

#[tokio::test]
async fn an_attestation_is_public_and_its_meaning_is_not() {
    let world = world().await;
    let doctor = world.client(HOSPITAL, Role::Clinician);
    let attest = |organisation, role, version| {
        let client = world.client(organisation, role);
        send!(world, client, attest(document(1), version))
    };
    for (organisation, role) in [
        (CLINIC, Role::Clinician),
        (HOSPITAL, Role::Custodian),
        (HOSPITAL, Role::Portal),
    ] {
        let refused = attest(organisation, role, 1);
        assert!(matches!(refused, Err(HealthError::Forbidden(_))));
    }
    let unlicensed = world
        .mock
        .as_client(HOSPITAL, [("role", "clinician"), ("hf.EnrollmentID", "new")])
        .unwrap();
    let refused = send!(world, unlicensed, attest(document(1), 1));
    assert!(matches!(refused, Err(HealthError::Forbidden(_))), "{refused:?}");
    assert_eq!(attest(HOSPITAL, Role::Clinician, 2), Err(HealthError::NotFound));
    let attestation = send!(world, doctor, attest(document(1), 1)).unwrap();

    let anyone = world.client(INSURER, Role::Auditor);
    let public = ask!(anyone, attested(document(1), 1)).unwrap();
    assert_eq!(public.len(), 1);
    assert_eq!(public[0].tx, attestation);
    let details = AttestationDetails {
        document: document(1),
        version: 1,
        attestation,
        role: AttestationRole::Legal,
        meaning: "I take responsibility for this result".into(),
        salt: world.wallet.salt(),
    };
    let colleague = world.client(HOSPITAL, Role::Emergency);
    let stolen = send!(world, colleague, detail(HOSPITAL, details.clone()), by[HOSPITAL]);
    assert_eq!(stolen, Err(HealthError::NotFound), "another person's");
    send!(world, doctor, detail(HOSPITAL, details.clone()), by[HOSPITAL]).unwrap();
    let twice = send!(world, doctor, detail(HOSPITAL, details.clone()), by[HOSPITAL]);
    assert!(matches!(twice, Err(HealthError::Duplicate(_))));
    let keeper = world.client(HOSPITAL, Role::Custodian);
    let views = ask!(keeper, attestations(HOSPITAL, document(1), 1)).unwrap();
    assert_eq!(views.len(), 1);
    assert_eq!(views[0].details, details);
}
