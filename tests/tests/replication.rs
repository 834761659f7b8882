//! Copies at the regulator that the hospital's vault makes by itself; and what they are for: with the hospital gone, a clinic still reads what it may,
//! under the same rule, with its trace on the ledger.

use std::io::Cursor;
use std::path::Path;

use careledger::health::{CLINIC, HOSPITAL, REGULATOR, consortium};
use careledger_api::codes::{Category, OverrideReason};
use careledger_api::contracts::consent::BreakGlassRequest;
use careledger_api::contracts::record::{DocumentMetadata, DocumentStatus, ProbeResult, Relation};
use careledger_api::ids::DocumentId;
use careledger_api::roles::Role;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::{
    Archive, ArchiveError, NewContent, ReleaseRequest, ReplicationRequest, VaultError, Vaults,
};
use careledger_sdk::wallet::{salt, unix_now};
use careledger_tests::command::{self, Running};
use careledger_tests::engine;
use careledger_tests::hospital::{GRANTED, Hospital};
use careledger_vault::replication::Timing;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_hospitals_peer_and_vault_gone_its_patients_are_still_treated() {
    if engine::embedded_only(
        "it stops and starts nodes of its own (fabric_faults.rs does so with containers)",
    ) {
        return;
    }
    let hospital = Hospital::open_replicating(Timing::default()).await;
    let all: usize = hospital.documents.values().map(Vec::len).sum();
    hospital.replicated(all as u64).await;
    probed_on_the_ledger(&hospital).await;
    let summary = hospital.documents[&Category::EmergencySummary][0];
    let content = hospital.store.record(summary, 1).await.expect("kept");
    let content = content.read(1 << 20).await.expect("reads");

    let (kem, clinician) = (KemKeyPair::generate(), hospital.identity(CLINIC, "clinician"));
    let physician = hospital.identity(CLINIC, Role::Emergency.as_str());
    let granted = hospital.grant().await;
    let first = hospital.access(&GRANTED, &kem).await;
    let second = hospital.access(&GRANTED, &kem).await;
    let regulators = hospital.client(REGULATOR, Role::Dpo);
    regulators.caught_up(second.as_str()).await.expect("it follows");
    let clinics = hospital.client(CLINIC, Role::Emergency);
    let portal = hospital.client(CLINIC, Role::Portal);
    let Hospital {
        server,
        network,
        vault,
        replica,
        patient,
        ..
    } = hospital;
    server.stop().await;
    network.stop_peer(HOSPITAL, 0).await.expect("stops");

    // What a consent permits comes from the replica; once it is taken back, at another organisation's portal, it does not.
    let vaults = Vaults::new(vault.clone(), [replica.vault.clone()]);
    let request = |tx| ReleaseRequest {
        custodian: HOSPITAL.to_owned(),
        channel: consortium().channel,
        tx,
        categories: vec![Category::Laboratory],
    };
    let released = vaults
        .release(&clinician, &request(first), &kem)
        .await
        .expect("released");
    assert!(!released.is_empty());
    let revoked = patient.revoke(vec![granted.body.id]).expect("signed");
    let revoked = portal
        .consents()
        .revoke(HOSPITAL, revoked.body, revoked.intent)
        .send()
        .await
        .expect("the regulator's peer endorses");
    regulators.caught_up(&revoked.tx_id).await.expect("it follows");
    let refused = vaults.release(&clinician, &request(second), &kem).await;
    assert!(matches!(refused, Err(VaultError::NotReleased)), "{refused:?}");

    // The emergency summary, in one call.
    let replicas = [replica.vault.clone()];
    let archive = Archive::new(&clinics, &vault, &physician, HOSPITAL).with_replicas(&replicas);
    let glass = BreakGlassRequest {
        patient: patient.id(),
        reason: OverrideReason::Emergency,
        minutes: 30,
        attest: true,
        encounter: None,
        kem_key: kem.public(),
    };
    let released = archive.break_glass(glass.clone()).await.expect("released");
    assert_eq!(released.len(), 1);
    assert_eq!(released[0].document, summary);
    assert_eq!(released[0].vault, replica.vault.url());
    assert_eq!(released[0].content.read(1 << 20).await.expect("reads"), content);
    // Without the replica there is nobody to ask.
    let alone = Archive::new(&clinics, &vault, &physician, HOSPITAL);
    let nobody = alone.break_glass(glass).await;
    assert!(
        matches!(nobody, Err(ArchiveError::Vault(ref error)) if error.is_unavailable()),
        "{nobody:?}"
    );

    // Both are in the regulator's collection at once, to be reviewed; and at the hospital when it is back.
    let reviews = regulators
        .consents()
        .open_reviews(HOSPITAL)
        .endorsed_by([REGULATOR])
        .send()
        .await
        .expect("answered");
    assert_eq!(reviews.len(), 2);
    assert!(reviews.iter().all(|review| review.organisation == CLINIC));
    network.start_peer(HOSPITAL, 0).await.expect("starts");
    let peer = network.peer(HOSPITAL).expect("runs");
    let channel = peer.channel(&consortium().channel).expect("joined");
    let height = {
        let regulator = network.peer(REGULATOR).expect("runs");
        regulator.channel(&consortium().channel).expect("joined").height()
    };
    let mut heights = channel.heights();
    heights
        .wait_for(|now| *now >= height)
        .await
        .expect("it catches up");
    peer.reconcile(&channel).await.expect("completes");
    let state = channel.ledger().query();
    let care = format!("care_{HOSPITAL}");
    let glasses = state
        .private_range(careledger::health::CHAINCODE, &care, "bg~", "bg~~")
        .expect("a range")
        .filter(Result::is_ok)
        .count();
    assert_eq!(glasses, 2, "the hospital has the trace as well");
    replica.server.stop().await;
    network.stop().await;
}

/// The vault said once on the ledger that the regulator keeps copies of all records; a probe, asked for now, is there as well.
async fn probed_on_the_ledger(hospital: &Hospital) {
    let keeper = hospital.identity(HOSPITAL, Role::Custodian.as_str());
    let request = ReplicationRequest {
        custodian: HOSPITAL.to_owned(),
        channel: consortium().channel,
        retry: false,
        probe: true,
        proofs: vec![],
        at: unix_now(),
    };
    hospital
        .vault
        .replication(&keeper, request)
        .await
        .expect("answered");
    let mut report = hospital.server.replication().remove(0);
    let probed = report.wait_for(|report| report.probed.is_some()).await;
    let probed = probed.expect("the vault runs").probed.expect("probed");
    assert_eq!(probed.result, ProbeResult::Intact);
    let replicas = hospital
        .client(HOSPITAL, Role::Custodian)
        .records()
        .replicas(HOSPITAL)
        .send()
        .await
        .expect("answered");
    assert_eq!(replicas.len(), 1, "{replicas:?}");
    let replica = &replicas[0];
    assert_eq!(
        (
            replica.replica.organisation.as_str(),
            replica.replica.document,
            replica.replica.locator.as_str()
        ),
        (REGULATOR, None, hospital.replica.vault.url())
    );
    assert_eq!(
        replica.last.as_ref().map(|probe| probe.result),
        Some(ProbeResult::Intact)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_version_and_a_correction_are_anchored_in_one_call_and_copied() {
    let hospital = Hospital::open_replicating(Timing::default()).await;
    let all = hospital.documents.values().map(Vec::len).sum::<usize>() as u64;
    let keeper = hospital.identity(HOSPITAL, Role::Custodian.as_str());
    let client = hospital.client(HOSPITAL, Role::Custodian);
    let archive = Archive::new(&client, &hospital.vault, &keeper, HOSPITAL);
    let described = |document, version| DocumentMetadata {
        patient: hospital.patient.id(),
        document,
        version,
        category: Category::Laboratory,
        codes: vec![],
        labels: vec![],
        date: None,
        encounter: None,
        author: HOSPITAL.to_owned(),
        emergency: false,
        proof: None,
        salt: salt(),
    };
    let text = |text: &str| Cursor::new(text.as_bytes().to_vec());
    let of = || NewContent::of("text/plain");
    let draw = || DocumentId::from_bytes(rand::random());

    let document = draw();
    let (first, _) = archive
        .anchor(text("first"), of(), described(document, 1))
        .await
        .expect("anchored");
    let not_a_version = archive
        .add_version(text("x"), of(), described(draw(), 1), Relation::Replaces)
        .await;
    assert!(matches!(not_a_version, Err(ArchiveError::Version(1))));
    let not_a_document = archive.anchor(text("x"), of(), described(draw(), 2)).await;
    assert!(matches!(not_a_document, Err(ArchiveError::Version(2))));
    archive
        .add_version(text("second"), of(), described(document, 2), Relation::Replaces)
        .await
        .expect("the next version");
    let gap = archive
        .add_version(text("x"), of(), described(document, 4), Relation::Replaces)
        .await;
    assert!(matches!(gap, Err(ArchiveError::NotAnchored { .. })), "{gap:?}");

    // What was anchored before is not anchored again, and another content is not taken for it.
    archive.complete(&first).await.expect("completed again");
    let mut other = first.clone();
    other.opening.size += 1;
    assert!(matches!(
        archive.complete(&other).await,
        Err(ArchiveError::NotAnchored { .. })
    ));

    let correction = draw();
    let (deposit, anchored) = archive
        .replace(
            text("corrected"),
            of(),
            described(correction, 1),
            document,
            Relation::Replaces,
        )
        .await
        .expect("replaced");
    assert!(anchored.superseded.is_some());
    archive.complete(&deposit).await.expect("the same again");
    let head = client
        .records()
        .head(document, None)
        .send()
        .await
        .expect("a head");
    assert_eq!(
        (head.status, head.version, head.successor.map(|s| s.document)),
        (DocumentStatus::Superseded, 2, Some(correction))
    );
    // Both versions and the correction are copied; the version that was never anchored waits.
    let mut report = hospital.server.replication().remove(0);
    let done = report.wait_for(|report| report.copied == all + 3 && report.waiting == 1);
    tokio::time::timeout(std::time::Duration::from_secs(60), done)
        .await
        .expect("in time")
        .expect("the vault runs");
    hospital.server.stop().await;
    hospital.network.stop().await;
}

#[test]
fn the_commands_start_and_show_copies_and_fall_over_to_them() {
    if engine::embedded_only(
        "it stops and starts nodes of its own (fabric_faults.rs does so with containers)",
    ) {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let network = Running::start(
        &dir.path().join("network"),
        &["--base-port", "0", "--listen", "127.0.0.2", "--probe-every", "2h"],
    );
    let run = |args: &[&str]| {
        let output = command::run(&[args, &["--dir", &path("network"), "--json"]].concat());
        let text = String::from_utf8_lossy(&output.stdout);
        let document: Value = serde_json::from_str(text.lines().next().unwrap_or("null")).expect("JSON");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), document, stderr)
    };
    let done = |args: &[&str]| {
        let (code, document, stderr) = run(args);
        assert_eq!(code, Some(0), "{args:?}: {stderr}");
        document
    };
    let wallet = path("wallet");
    assert!(
        command::run(&["wallet", "new", "--wallet", &wallet])
            .status
            .success()
    );
    let patient = done(&["wallet", "enrol", "--at", "HospitalMSP", "--wallet", &wallet]);
    let patient = patient["patient"].as_str().expect("an id").to_owned();
    let file = path("summary");
    std::fs::write(&file, "penicillin: anaphylaxis").expect("written");
    let at = ["--at", "HospitalMSP", "--patient", &patient];
    let anchored = done(
        &[
            &["record", "anchor", &file, "--category", "emergency-summary"],
            &at[..],
        ]
        .concat(),
    );
    let document = anchored["document"].as_str().expect("an id").to_owned();

    let copied = done(&["record", "replicate", "--at", "HospitalMSP", "--probe"]);
    assert_eq!(
        (
            &copied["complete"],
            &copied["holders"][0]["holder"],
            &copied["holders"][0]["copied"]
        ),
        (&Value::from(true), &Value::from("RegulatorMSP"), &Value::from(1))
    );
    let shown = done(&["record", "replicas", "--at", "HospitalMSP"]);
    assert_eq!(shown["vault"], copied["holders"]);
    assert_eq!(shown["ledger"][0]["last"]["result"], "intact", "{shown}");
    let locator = shown["ledger"][0]["replica"]["locator"].as_str().expect("an URL");

    // The hospital's vault is not where it was: the replica that health.json names next answers.
    let emergency = |out: &str| {
        let out = path(out);
        let mut args = vec![
            "record",
            "emergency",
            "--as",
            "ClinicMSP",
            "--attest",
            "--out",
            &out,
        ];
        args.extend_from_slice(&at);
        done(&args)
    };
    let file = dir.path().join("network").join("health.json");
    let health: Value = serde_json::from_slice(&std::fs::read(&file).expect("read")).expect("JSON");
    let own = &health["vaults"]["HospitalMSP"]["url"];
    assert!(
        own.as_str()
            .is_some_and(|url| url.starts_with("https://127.0.0.2:")),
        "{own}"
    );
    assert_eq!(health["replicas"]["HospitalMSP"][0]["url"], locator);
    assert_eq!(&emergency("own")["documents"][0]["vault"], own);
    let mut gone = health.clone();
    gone["vaults"]["HospitalMSP"]["url"] = "https://127.0.0.1:1".into();
    std::fs::write(&file, gone.to_string()).expect("written");
    let released = emergency("replica");
    assert_eq!(released["documents"][0]["vault"], locator);
    let read = std::fs::read(Path::new(&path("replica")).join(&document)).expect("a file");
    assert_eq!(read, b"penicillin: anaphylaxis");
    let shown = done(&["record", "replicas", "--at", "HospitalMSP"]);
    assert_eq!(
        shown["vault"],
        Value::Array(vec![]),
        "the vault does not answer, the ledger does"
    );
    assert_eq!(shown["ledger"][0]["replica"]["locator"], locator);
    assert!(network.stop().success());
}
