//! A vault that compares its files with the ledger finds what was changed on its disk, and an edit of its own peer's state database; its reports are on
//! every organisation's ledger.

use std::path::Path;

use careledger::health::{CLINIC, HOSPITAL, REGULATOR, consortium};
use careledger_api::codes::Category;
use careledger_api::contracts::record::Verification;
use careledger_api::roles::Role;
use careledger_sdk::vault::{CheckAnswer, CheckRequest, Gap, GapKind, VaultClient, VaultError};
use careledger_sdk::wallet::unix_now;
use careledger_tests::engine;
use careledger_tests::hospital::Hospital;

fn request(holder: &str, chunks: Option<u32>) -> CheckRequest {
    CheckRequest {
        holder: holder.to_owned(),
        custodian: HOSPITAL.to_owned(),
        channel: consortium().channel,
        chunks,
        at: unix_now(),
    }
}

async fn check(hospital: &Hospital, holder: &str, vault: &VaultClient) -> CheckAnswer {
    let keeper = hospital.identity(holder, Role::Custodian.as_str());
    vault
        .check(&keeper, request(holder, None))
        .await
        .expect("checked")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_on_disk_or_in_the_state_database_is_in_the_signed_and_anchored_report() {
    if engine::embedded_only("it reads or changes the nodes' own files") {
        return;
    }
    let hospital = Hospital::open().await;
    let keeper = hospital.identity(HOSPITAL, Role::Custodian.as_str());
    let records: usize = hospital.documents.values().map(Vec::len).sum();
    let clean = check(&hospital, HOSPITAL, &hospital.vault).await;
    let report = &clean.report.request;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(
        (report.documents, report.versions),
        (records as u64, records as u64)
    );
    assert!(report.chunks >= report.versions);
    let holders = check(&hospital, REGULATOR, &hospital.replica.vault).await;
    assert!(
        holders.report.request.is_clean(),
        "it holds nothing, and need not"
    );

    // Everybody has the report's hash on their own ledger.
    let clinic = hospital.client(CLINIC, Role::Portal);
    let anchor = clean.anchor.as_ref().expect("anchored");
    clinic.caught_up(anchor.as_str()).await.expect("follows");
    let anchored = clinic
        .records()
        .reports(HOSPITAL)
        .endorsed_by([CLINIC])
        .send()
        .await;
    let anchored = anchored.expect("answered");
    assert_eq!(anchored.len(), 1);
    assert_eq!(
        (anchored[0].report, &anchored[0].tx),
        (report.hash().expect("a hash"), anchor)
    );

    let flipped = hospital.documents[&Category::Laboratory][0];
    let path = hospital.store.local_path(flipped, 1).await.expect("on disk");
    let mut bytes = std::fs::read(&path).expect("reads");
    bytes[40] ^= 1;
    std::fs::write(&path, &bytes).expect("writes");
    let edited = hospital.documents[&Category::Medication][0];
    edit_state(&hospital, &format!("ver~{edited}~1")).await;
    let found = check(&hospital, HOSPITAL, &hospital.vault).await;
    let gap = |document, what| Gap {
        document,
        version: 1,
        what,
    };
    let mut expected = vec![
        gap(flipped, GapKind::Altered),
        gap(edited, GapKind::NotTheAnchored),
    ];
    expected.sort_unstable();
    assert_eq!(found.report.request.gaps, expected);
    assert_eq!(
        found.report.request.previous,
        Some(report.hash().expect("a hash"))
    );
    assert!(found.report.request.consistent, "the blocks are the same");

    // The other organisations' ledgers were not edited, and this one builds its state from its blocks again.
    bytes[40] ^= 1;
    std::fs::write(&path, &bytes).expect("writes");
    let opening = hospital.store.reopen(edited, 1).await.expect("whole");
    let verified = clinic
        .records()
        .verify(edited, 1, opening, None)
        .endorsed_by([CLINIC])
        .send();
    assert_eq!(verified.await.expect("answered"), Verification::Match);
    rebuild(&hospital).await;
    let again = check(&hospital, HOSPITAL, &hospital.vault).await;
    assert!(again.report.request.is_clean(), "{:?}", again.report.request);

    let doctor = hospital.identity(HOSPITAL, Role::Clinician.as_str());
    let stranger = hospital.identity(CLINIC, Role::Custodian.as_str());
    let old = CheckRequest {
        at: unix_now() - 400,
        ..request(HOSPITAL, None)
    };
    for (who, request) in [
        (&doctor, request(HOSPITAL, None)),
        (&stranger, request(HOSPITAL, None)),
        (&keeper, request(CLINIC, None)),
        (&keeper, old),
    ] {
        let refused = hospital.vault.check(who, request).await;
        assert!(matches!(refused, Err(VaultError::NotTaken)), "{refused:?}");
    }
}

/// The hospital's peer is stopped, and somebody with its disk writes another value under the key.
async fn edit_state(hospital: &Hospital, key: &str) {
    let channel = hospital
        .network
        .peer(HOSPITAL)
        .expect("runs")
        .channel(&consortium().channel);
    let dir = channel.expect("joined").ledger().dir().join("db");
    hospital.network.stop_peer(HOSPITAL, 0).await.expect("stops");
    let edited = edit(&dir, key.as_bytes());
    assert_eq!(edited, 1, "{key} is in the state once");
    // As after a crash: nothing says how the files looked when they were closed.
    std::fs::remove_file(dir.with_extension("seal")).expect("removed");
    hospital.network.start_peer(HOSPITAL, 0).await.expect("starts");
}

fn edit(dir: &Path, key: &[u8]) -> usize {
    let database = fjall::Database::builder(dir).open().expect("opens");
    let main = database
        .keyspace("main", fjall::KeyspaceCreateOptions::default)
        .expect("opens");
    let mut edited = 0;
    for entry in main.iter() {
        let (found, value) = entry.into_inner().expect("reads");
        let place = value.windows(14).position(|part| part == b"\"commitment\":\"");
        if let Some(place) = place.filter(|_| found.ends_with(key)) {
            let mut value = value.to_vec();
            let digit = &mut value[place + 14];
            *digit = if *digit == b'0' { b'1' } else { b'0' };
            main.insert(found, value).expect("writes");
            edited += 1;
        }
    }
    database.persist(fjall::PersistMode::SyncAll).expect("synced");
    edited
}

async fn rebuild(hospital: &Hospital) {
    let channel = hospital
        .network
        .peer(HOSPITAL)
        .expect("runs")
        .channel(&consortium().channel);
    let dir = channel.expect("joined").ledger().dir().join("db");
    hospital.network.stop_peer(HOSPITAL, 0).await.expect("stops");
    std::fs::remove_dir_all(dir).expect("removed");
    hospital.network.start_peer(HOSPITAL, 0).await.expect("starts");
}
