//! Records in one call each, over a whole network: a custodian anchors a stream, a requester of another organisation fetches it verified.

use std::io::Cursor;

use careledger::health::{CLINIC, HOSPITAL};
use careledger_api::codes::Category;
use careledger_api::contracts::record::{DocumentMetadata, Verification};
use careledger_api::ids::DocumentId;
use careledger_api::roles::Role;
use careledger_sdk::anchor::{NewRecord, anchor_records, metadata_of};
use careledger_sdk::fhir;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::{
    Archive, ArchiveError, NewContent, RecordRequest, ReleasedRecord, VaultError, VerifiedStream,
};
use careledger_tests::hospital::Hospital;
use futures::TryStreamExt;
use tokio::io::AsyncReadExt;

/// A laboratory record of the hospital's patient.
fn metadata(hospital: &Hospital) -> DocumentMetadata {
    let records = fhir::parse(fhir::generate(11, "2024-06-30").to_string().as_bytes()).expect("a bundle");
    let laboratory = records
        .iter()
        .find(|record| record.category == Category::Laboratory.as_str() && record.labels.is_empty())
        .expect("a laboratory record");
    let document = DocumentId::from_bytes(rand::random());
    metadata_of(laboratory, hospital.patient.id(), document, HOSPITAL).expect("metadata")
}

fn record(hospital: &Hospital, document: DocumentId) -> RecordRequest {
    let access = hospital.request(&[Category::Laboratory], KemKeyPair::generate().public());
    RecordRequest { document, access }
}

/// Content of which no two parts of 4 KiB are the same.
fn content(size: usize) -> Vec<u8> {
    let mut content = vec![0x5a; size];
    for (index, part) in content.chunks_mut(4_096).enumerate() {
        part[0] = index as u8;
        let end = part.len() - 1;
        part[end] = (index >> 8) as u8;
    }
    content
}

/// The error that ends a stream, with nothing but a true beginning of the content before it.
async fn spoilt(mut stream: VerifiedStream, content: &[u8], what: &str) {
    let mut out = Vec::new();
    loop {
        match stream.try_next().await {
            Ok(Some(bytes)) => out.extend_from_slice(&bytes),
            Ok(None) => panic!("{what}: it came whole"),
            Err(_) => break,
        }
    }
    assert!(
        content.starts_with(&out) && out.len() < content.len(),
        "{what}: wrong bytes came out"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_record_is_anchored_and_fetched_in_one_call_each() {
    let hospital = Hospital::open().await;
    let custodian = hospital.identity(HOSPITAL, "custodian");
    let hospitals = hospital.client(HOSPITAL, Role::Custodian);
    let keeps = Archive::new(&hospitals, &hospital.vault, &custodian, HOSPITAL);
    let clinician = hospital.identity(CLINIC, "clinician");
    let clinics = hospital.client(CLINIC, Role::Clinician);
    let reads = Archive::new(&clinics, &hospital.vault, &clinician, HOSPITAL);

    let content = content((3 << 20) + 7);
    let of = NewContent::of("application/dicom");
    let (deposit, anchored) = keeps
        .anchor(Cursor::new(content.clone()), of.clone(), metadata(&hospital))
        .await
        .expect("anchored");
    let document = deposit.metadata.document;
    clinics
        .caught_up(&anchored.describe.0)
        .await
        .expect("the clinic's peer has the anchor");
    let again = keeps
        .anchor(
            Cursor::new(b"other".to_vec()),
            of.clone(),
            deposit.metadata.clone(),
        )
        .await;
    assert!(
        matches!(again, Err(ArchiveError::Vault(VaultError::Exists { .. }))),
        "{again:?}"
    );

    let without = reads.fetch(record(&hospital, document)).await;
    assert!(
        matches!(without, Err(ArchiveError::Vault(VaultError::NotReleased))),
        "{without:?}"
    );
    hospital.grant().await;
    let mut stream = reads.fetch(record(&hospital, document)).await.expect("fetched");
    let mut read = Vec::new();
    stream.read_to_end(&mut read).await.expect("verified to its end");
    assert!(read == content);

    // One access opens the small records with their keys and the long one by its ticket, whole or in part.
    let opened = reads
        .open(record(&hospital, document).access)
        .await
        .expect("released");
    assert_eq!(opened.len(), hospital.documents[&Category::Laboratory].len() + 1);
    let long: &ReleasedRecord = opened
        .iter()
        .find(|record| record.document == document)
        .expect("the long record");
    let (from, to) = (1_000_000, 1_100_000);
    let mut part = Vec::new();
    let mut stream = long.content.range(from..to).expect("a range of it");
    stream.read_to_end(&mut part).await.expect("verified");
    assert!(part == content[from as usize..to as usize]);

    // What is altered or exchanged on the vault's disk does not come out, though key and ticket hold.
    let path = hospital.store.local_path(document, 1).await.expect("on disk");
    let whole = std::fs::read(&path).expect("the file");
    let mut altered = whole.clone();
    altered[2 << 20] ^= 1;
    let mut other = metadata(&hospital);
    other.document = DocumentId::from_bytes(rand::random());
    let swapped = {
        let same_length = vec![1; content.len()];
        let put = hospital.store.put(other.document, 1, "x", same_length.as_slice());
        let opening = put.await.expect("stored");
        let path = hospital
            .store
            .local_path(other.document, 1)
            .await
            .expect("on disk");
        (opening, std::fs::read(path).expect("the file"))
    };
    for (what, bytes) in [("altered", &altered), ("swapped", &swapped.1)] {
        std::fs::write(&path, bytes).expect("written");
        spoilt(long.content.stream(), &content, what).await;
    }
    std::fs::write(&path, &whole).expect("written");
    assert!(long.content.read(u64::MAX).await.expect("whole again") == content);

    // A vault that keeps something else than the ledger says: the clinic's own peer tells, before any byte.
    let document = other.document;
    let lie = NewRecord {
        document,
        commitment: deposit.opening.commitment(),
        metadata: other,
    };
    let anchored = anchor_records(&hospitals, HOSPITAL, vec![lie])
        .await
        .expect("anchored");
    clinics
        .caught_up(&anchored[0].describe.0)
        .await
        .expect("the clinic's peer has it");
    let refused = reads.fetch(record(&hospital, document)).await;
    assert!(
        matches!(
            refused,
            Err(ArchiveError::NotTheAnchored {
                found: Verification::Mismatch,
                ..
            })
        ),
        "{refused:?}"
    );
    hospital.server.stop().await;
    hospital.network.stop().await;
}
