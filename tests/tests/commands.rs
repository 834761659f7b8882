//! The command's other words as scripts use them: `bench` and `network`.

use std::process::Command;

use careledger_tests::command::{self, Running};
use careledger_tests::engine;
use serde_json::Value;

/// What a program writes to a full disk is lost, and it says so; a reader that has gone away is no failure.
#[cfg(target_os = "linux")]
#[test]
fn results_that_cannot_be_written_are_a_failure() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut wrong = Command::new(command::program());
    let wrong = wrong
        .args(["claim", "fraud-report", "--patients", "20", "--seed", "1"])
        .stdout(full);
    let wrong = wrong.output().unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    let told = String::from_utf8_lossy(&wrong.stderr);
    assert!(told.contains("could not be written"), "{told}");
}

#[test]
fn bench_prints_its_document_in_every_mode() {
    if engine::embedded_only("it measures embedded networks (bench --mode claim --dir measures this one)") {
        return;
    }
    for mode in [
        "put",
        "get",
        "range",
        "update",
        "private",
        "access",
        "fetch",
        "emergency",
    ] {
        let output = command::run(&[
            "bench",
            "--mode",
            mode,
            "--clients",
            "2",
            "--seconds",
            "1",
            // So many that no two updates meet.
            "--keys",
            "1000000000000",
            "--json",
        ]);
        assert!(
            output.status.success(),
            "{mode}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
        assert_eq!(report["mode"], mode);
        assert_eq!(
            (&report["clients"], &report["seconds"]),
            (&Value::from(2), &Value::from(1))
        );
        for number in [
            "organisations",
            "committed",
            "tps",
            "p50_ms",
            "p95_ms",
            "p99_ms",
            "cpu_ms_per_tx",
            "rss_mib",
        ] {
            assert!(
                report[number].as_f64().is_some_and(|n| n > 0.0),
                "{mode}: {number} is {}",
                report[number]
            );
        }
        assert_eq!(report["errors"], serde_json::json!({}), "{mode}");
    }
}

#[test]
fn a_health_network_comes_back_as_it_was() {
    if engine::embedded_only(
        "it stops and starts nodes of its own (fabric_faults.rs does so with containers)",
    ) {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let kept = dir.path().join("network");
    let path = kept.to_string_lossy().into_owned();
    let status = || command::run(&["network", "status", "--json", "--dir", &path]);

    let network = Running::start(&kept, &["--base-port", "0"]);
    assert!(status().status.success(), "every node is healthy");
    assert!(network.stop().success(), "SIGTERM ends it cleanly");
    let stopped = status();
    assert_eq!(stopped.status.code(), Some(1), "nobody answers");
    let down: Value = serde_json::from_slice(&stopped.stdout).expect("one JSON document");
    assert_eq!(down["down"].as_array().map(Vec::len), Some(5));
    let before = audit(&path);

    // State and indexes can be thrown away and made again, of one organisation or of all.
    let rebuild = |more: &[&str]| {
        let output = command::run(&[&["network", "rebuild", "--json", "--dir", &path], more].concat());
        let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), document)
    };
    let (code, one) = rebuild(&["--organisation", "ClinicMSP"]);
    assert_eq!(
        (code, one["rebuilt"].as_array().map(Vec::len)),
        (Some(0), Some(1))
    );
    assert_eq!(one["rebuilt"][0]["blocks"], before[0]["blocks"], "{one}");
    let (code, all) = rebuild(&[]);
    assert_eq!(
        (code, all["rebuilt"].as_array().map(Vec::len)),
        (Some(0), Some(4))
    );
    assert_eq!(rebuild(&["--organisation", "NobodyMSP"]).0, Some(1));

    // Started again: nothing is deployed or established a second time.
    let again = Running::start(&kept, &["--base-port", "0"]);
    assert!(status().status.success());
    assert!(again.stop().success());
    assert_eq!(audit(&path), before);
}

/// What the audit says of every copy of the chain.
fn audit(dir: &str) -> Value {
    let output = command::run(&["audit", "verify", "--json", "--dir", dir]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut verdict: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(verdict["ok"], true);
    verdict["ledgers"].take()
}
