//! The emergency, end to end: in process, and as the command with its `--json`.

use std::path::{Path, PathBuf};

use careledger::args::{self, DemoArgs};
use careledger::demo;
use careledger::output::Output;
use careledger_tests::command;
use careledger_tests::engine::Engine;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_story_holds_in_process() {
    let (engine, dir) = match Engine::of_environment() {
        Engine::Embedded => (args::Engine::Embedded, None),
        Engine::Fabric(dir) => (args::Engine::Fabric, Some(dir)),
    };
    let args = DemoArgs {
        engine,
        bundle: None,
        dir,
        no_containers: true,
        patient_seed: 7,
    };
    let report = demo::play(&args, &Output::new(true))
        .await
        .expect("the story plays");
    assert_eq!(report.broken_promises(), Vec::<String>::new());
    assert_eq!(report.categories_read, ["laboratory", "medication"]);
    assert_eq!((report.accesses, report.notifications), (4, 4));
    assert_eq!(report.organisations, 4);
    assert!(report.emergency_access_ms > 0.0 && report.emergency_access_ms < 47_000.0);
    assert!(report.audit.blocks > 4 * 15, "{:?}", report.audit);
    let committed = report.steps.iter().filter(|s| s.code == "VALID").count();
    assert!(committed > 15);
    let refused: Vec<&str> = report
        .steps
        .iter()
        .filter(|s| s.code != "VALID")
        .map(|s| s.code.as_str())
        .collect();
    assert_eq!(refused.len(), 4);
    assert_eq!(refused[..2], ["REPLAYED", "BAD_INTENT"]);
}

#[test]
fn the_command_prints_one_document_and_keeps_the_files() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (kept, engine) = place(dir.path());
    let demo = [&["demo", "--json", "--dir", &kept][..], &engine].concat();
    let output = command::run(&demo);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    assert_eq!(text.trim_end().lines().count(), 1, "exactly one document");
    let document: Value = serde_json::from_str(&text).expect("a JSON document");
    for field in [
        "steps",
        "emergency_access_ms",
        "access_before_consent",
        "categories_read",
        "access_after_revoke",
        "replay",
        "forged_intent",
        "tamper",
        "claim",
        "duplicate_claim",
        "bad_npi_claim",
        "notifications",
        "accesses",
        "audit",
        "organisations",
    ] {
        assert!(!document[field].is_null(), "{field} is missing");
    }
    assert_eq!(document["claim"]["status"], "PAID");
    assert_eq!(document["tamper"], "MISMATCH");
    for step in document["steps"].as_array().expect("steps") {
        assert!(step["name"].is_string() && step["code"].is_string() && step["ms"].is_number());
    }
    // The kept network verifies again, as an auditor would do it later; one that runs on is asked.
    let (option, ordering) = if engine.is_empty() {
        ("--dir", 1)
    } else {
        ("--network", 3)
    };
    let audit = command::run(&["audit", "verify", "--json", option, &kept]);
    assert!(
        audit.status.success(),
        "{}",
        String::from_utf8_lossy(&audit.stderr)
    );
    let verdict: Value = serde_json::from_slice(&audit.stdout).expect("a JSON document");
    assert_eq!(verdict["ok"], true);
    // Four organisations and the ordering nodes.
    assert_eq!(verdict["ledgers"].as_array().map(Vec::len), Some(4 + ordering));
}

/// Where `demo` plays, and with which further arguments: a new directory below `dir`, or real Fabric's.
fn place(dir: &Path) -> (String, Vec<&'static str>) {
    match Engine::of_environment() {
        Engine::Embedded => (dir.join("network").to_string_lossy().into_owned(), Vec::new()),
        Engine::Fabric(network) => (
            network.to_string_lossy().into_owned(),
            vec!["--engine", "fabric", "--no-containers"],
        ),
    }
}

#[test]
fn a_bundle_of_ones_own_without_laboratory_results_plays_as_well() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let bundle = dir.path().join("bundle.json");
    let entries =
        r#"[{"resource":{"resourceType":"Patient"}},{"resource":{"resourceType":"MedicationRequest"}}]"#;
    std::fs::write(
        &bundle,
        format!(r#"{{"resourceType":"Bundle","entry":{entries}}}"#),
    )
    .expect("a file");
    let (kept, engine) = place(dir.path());
    let bundle = bundle.to_string_lossy();
    let demo = [
        &["demo", "--json", "--bundle", &bundle, "--dir", &kept][..],
        &engine,
    ]
    .concat();
    let output = command::run(&demo);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let document: Value = serde_json::from_slice(&output.stdout).expect("a JSON document");
    assert_eq!(document["categories_read"], serde_json::json!(["medication"]));
}

#[test]
fn a_bad_bundle_is_refused_before_anything_starts() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let bundle: PathBuf = dir.path().join("bundle.json");
    std::fs::write(&bundle, r#"{"resourceType":"Patient","name":"Velasquez"}"#).expect("a file");
    let kept = dir.path().join("network");
    let output = command::run(&[
        "demo",
        "--bundle",
        &bundle.to_string_lossy(),
        "--dir",
        &kept.to_string_lossy(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    let reason = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(reason.contains("not a FHIR Bundle"), "{reason}");
    assert!(!reason.contains("Velasquez"));
    assert!(!kept.exists(), "nothing was started");
}

#[test]
fn wrong_usage_exits_with_2() {
    assert_eq!(command::run(&["demo", "--no-such-flag"]).status.code(), Some(2));
    assert_eq!(command::run(&["bench", "--clients", "0"]).status.code(), Some(2));
    assert_eq!(
        command::run(&["audit", "verify", "--dir", "/nonexistent"])
            .status
            .code(),
        Some(1)
    );
}
