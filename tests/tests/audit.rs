//! The auditor: live nodes, ledger directories and files give one verdict, and proofs hold with public tools alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use careledger_tests::command;
use careledger_tests::engine;
use careledger_tests::ledgers::{genesis_hash, ledger, traffic};
use careledger_tests::members::start;
use fabric_ledger::BlockFiles;
use fabric_node::{NetworkConfig, NetworkSummary};
use prost::Message;
use serde_json::Value;
use sha2::{Digest, Sha256};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_nodes_directories_and_files_give_one_verdict() {
    if engine::embedded_only("it reads or changes the nodes' own files") {
        return;
    }
    let temp = tempfile::tempdir().expect("a temporary directory");
    let dir = temp.path().join("network");
    let path = |name: &str| temp.path().join(name).to_string_lossy().into_owned();
    let (network, members) = start(NetworkConfig::test_network().with_dir(&dir)).await;
    let (valid, conflicting) = traffic(&members, 120, 4).await;
    members.settle().await;
    let summary = network.summary().clone();
    let hash = genesis_hash(&summary.genesis_block);

    let live = document(&["verify", "--network", text(&dir)], true).await;
    let verdict = agreed(&live, 4);
    let codes = &live["ledgers"][0]["codes"];
    for code in ["VALID", "MVCC_READ_CONFLICT", "ENDORSEMENT_POLICY_FAILURE"] {
        assert!(codes[code].as_u64().is_some_and(|count| count >= 4), "{codes}");
    }
    assert_eq!(live["trusted"]["genesis_hash"], hash.as_str());
    let (peak, blocks) = (live["peak_blocks"].as_u64(), verdict.0.as_u64());
    assert!(
        peak.zip(blocks)
            .is_some_and(|(peak, blocks)| peak <= 40 && blocks > 3 * peak),
        "memory is bounded: {peak:?} of {blocks:?} blocks"
    );

    // The same nodes by a profile, trusting a hash; without trust there is no verdict.
    fs::write(path("profile.toml"), profile(&summary)).expect("written");
    let connect = ["verify", "--connect", &path("profile.toml")];
    let by_profile = document(&[&connect[..], &["--genesis-hash", &hash]].concat(), true).await;
    assert_eq!(agreed(&by_profile, 4), verdict);
    let refused = document(&connect, false).await;
    assert!(
        refused.as_str().is_some_and(|text| text.contains(&hash)),
        "{refused}"
    );
    let other = document(
        &[&connect[..], &["--genesis-hash", &"ab".repeat(32)]].concat(),
        false,
    )
    .await;
    assert!(
        other.as_str().is_some_and(|text| text.contains("no copy begins")),
        "{other}"
    );

    for (name, tx, code) in [("valid", &valid, 0), ("conflicting", &conflicting, 11)] {
        let mut export = vec!["export", "proof", "--network", text(&dir), "--tx", tx];
        let out = path(name);
        export.extend(["--out", &out]);
        // One with the chain of headers, one without.
        export.extend((code == 0).then_some("--chain"));
        let made = document(&export, true).await;
        assert_eq!(
            (&made["statements"], &made["validation_code"]),
            (&Value::from(3), &Value::from(code))
        );
        proof_holds(&temp.path().join(name), &hash, tx).await;
    }
    touched_proofs_do_not_hold(&temp.path().join("valid"), &hash, &["chain.der"]).await;
    let parts = [
        "header.der",
        "envelope.bin",
        "metadata-signatures.bin",
        "config-header.der",
        "config-data.bin",
        "statements/1/response.bin",
        "statements/2/proposal.bin",
        "proof.txt",
    ];
    touched_proofs_do_not_hold(&temp.path().join("conflicting"), &hash, &parts).await;
    let nobody = [
        "export",
        "proof",
        "--network",
        text(&dir),
        "--tx",
        "00",
        "--out",
        &path("nobody"),
    ];
    document(&nobody, false).await;
    assert!(!temp.path().join("nobody").exists());
    network.stop().await;

    let before = contents(&dir);
    let stopped = document(&["verify", "--dir", text(&dir)], true).await;
    assert_eq!(agreed(&stopped, 4), verdict);
    assert_eq!(contents(&dir), before, "nothing was written");
    let one = ledger(&dir, &summary, 1);
    let single = document(&["verify", "--dir", text(&one), "--genesis-hash", &hash], true).await;
    assert_eq!(agreed(&single, 1), verdict);

    document(
        &["export", "blocks", "--dir", text(&dir), "--out", &path("blocks")],
        true,
    )
    .await;
    let plain: Vec<u8> = BlockFiles::open(&one)
        .expect("a ledger")
        .flat_map(|block| block.expect("a block").encode_to_vec())
        .collect();
    fs::write(path("plain"), plain).expect("written");
    let genesis = text(&summary.genesis_block);
    let files = [
        "verify",
        "--file",
        &path("blocks"),
        "--file",
        &path("plain"),
        "--genesis",
        genesis,
    ];
    assert_eq!(agreed(&document(&files, true).await, 2), verdict);

    let export = [
        "export",
        "state",
        "--genesis",
        genesis,
        "--file",
        &path("blocks"),
        "--out",
    ];
    let from_file = document(&[&export[..], &[&path("state1")]].concat(), true).await;
    let from_dir = ["export", "state", "--dir", text(&dir), "--out", &path("state2")];
    assert_eq!(document(&from_dir, true).await["digest"], from_file["digest"]);
    check_state(&temp.path().join("state1"), &from_file);
    let [third, fourth] = [path("state3"), path("state4")];
    let early = [&export[..], &[&third, "--block", "9"]].concat();
    let early = document(&early, true).await;
    assert!(
        early["entries"].as_u64() < from_file["entries"].as_u64() && early["digest"] != from_file["digest"]
    );
    let beyond = [&export[..], &[&fourth, "--block", "99999"]].concat();
    document(&beyond, false).await;
    assert!(!temp.path().join("state4").exists());

    // A proof without running peers has no statements, and says so.
    let export = [
        "export",
        "proof",
        "--dir",
        text(&dir),
        "--tx",
        &valid,
        "--out",
        &path("offline"),
    ];
    let made = document(&export, true).await;
    assert_eq!(made["statements"], 0);
    assert_eq!(made["recorded_by"].as_array().map(Vec::len), Some(3));
    let said = check(&temp.path().join("offline"), &hash).expect("holds");
    assert!(said.contains("no peer's signature"), "{said}");
}

/// The check with public tools and our own agree.
async fn proof_holds(dir: &Path, hash: &str, tx: &str) {
    let said = check(dir, hash).unwrap_or_else(|said| panic!("{said}"));
    assert!(
        said.contains(&format!("proven: transaction {tx} is in block")),
        "{said}"
    );
    assert_eq!(said.matches("states validation code").count(), 3, "{said}");
    let ours = document(&["verify", "--proof", text(dir), "--genesis-hash", hash], true).await;
    assert_eq!(ours["stated_by"].as_array().map(Vec::len), Some(3));
    let other = "00".repeat(32);
    check(dir, &other).expect_err("another channel is trusted");
    document(&["verify", "--proof", text(dir), "--genesis-hash", &other], false).await;
}

/// No byte in the middle of a file of the proof can be another.
async fn touched_proofs_do_not_hold(dir: &Path, hash: &str, files: &[&str]) {
    for name in files {
        let path = dir.join(name);
        let good = fs::read(&path).expect("a file of the proof");
        let mut bad = good.clone();
        let at = if *name == "proof.txt" { 9 } else { bad.len() / 2 };
        bad[at] ^= 1;
        fs::write(&path, bad).expect("changed");
        check(dir, hash).expect_err(name);
        document(&["verify", "--proof", text(dir), "--genesis-hash", hash], false).await;
        fs::write(&path, good).expect("mended");
    }
    check(dir, hash).expect("holds again");
}

/// Runs the proof's own check with public tools; its output is the error when it fails.
fn check(dir: &Path, hash: &str) -> Result<String, String> {
    let openssl = Command::new("openssl").arg("version").output();
    assert!(
        openssl.is_ok(),
        "this test needs openssl, as check.sh does: install it"
    );
    let output = Command::new("sh")
        .arg(dir.join("check.sh"))
        .arg(hash)
        .output()
        .expect("a shell");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    if output.status.success() {
        Ok(said)
    } else {
        Err(said)
    }
}

/// The lines are sorted and the digest is that of the lines, as `head -n -1 | sha256sum` would compute it.
fn check_state(file: &Path, document: &Value) {
    let text = fs::read_to_string(file).expect("lines");
    let (lines, last) = text.trim_end().rsplit_once('\n').expect("several lines");
    let last: Value = serde_json::from_str(last).expect("JSON");
    let digest = hex::encode(Sha256::digest(format!("{lines}\n")));
    assert_eq!(
        (&last["digest"], &document["digest"]),
        (&Value::from(digest.clone()), &Value::from(digest))
    );
    let keys: Vec<(String, String, String)> = lines
        .lines()
        .map(|line| {
            let entry: Value = serde_json::from_str(line).expect("JSON");
            let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            (
                text("collection"),
                text("namespace"),
                text("key") + &text("key_hash"),
            )
        })
        .collect();
    let sorted: BTreeSet<_> = keys.iter().cloned().collect();
    assert_eq!(sorted.len(), keys.len(), "every key once");
    let public = keys.iter().filter(|(collection, ..)| collection.is_empty());
    assert!(public.is_sorted(), "in order");
    assert!(keys.contains(&(String::new(), "kv".into(), "key7".into())));
    assert!(
        keys.iter()
            .any(|(collection, namespace, _)| collection == "pair" && namespace == "kv")
    );
    assert!(!text.contains("hidden"), "private values are not on the chain");
}

/// The program's document; `ok` is whether it must succeed.
async fn document(args: &[&str], ok: bool) -> Value {
    let args: Vec<String> = ["audit"]
        .iter()
        .chain(args)
        .map(|arg| (*arg).to_owned())
        .collect();
    let output = tokio::task::spawn_blocking(move || {
        let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
        args.push("--json");
        command::run(&args)
    });
    let output = output.await.expect("runs");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.success(), ok, "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap_or(Value::String(stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

/// What all copies must agree in.
fn agreed(document: &Value, copies: usize) -> (Value, Value, Value, Value) {
    let ledgers = document["ledgers"].as_array().expect("ledgers");
    assert_eq!(ledgers.len(), copies, "{document}");
    let of = |ledger: &Value| {
        assert_eq!(ledger["problem"], Value::Null);
        let field = |name: &str| ledger[name].clone();
        (
            field("blocks"),
            field("codes"),
            field("last_hash"),
            field("commit_hash"),
        )
    };
    let first = of(&ledgers[0]);
    assert!(ledgers.iter().all(|ledger| of(ledger) == first), "{document}");
    first
}

/// Every file below a directory with its content's hash.
fn contents(dir: &Path) -> Vec<(PathBuf, [u8; 32])> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let hash = Sha256::digest(fs::read(&path).expect("a file")).into();
            found.push((path, hash));
        }
    }
    found.sort();
    found
}

fn profile(summary: &NetworkSummary) -> String {
    let mut text = format!("channel = {:?}\nchaincode = \"kv\"\n", summary.channel);
    for member in &summary.organisations {
        text += &format!(
            "[[organisations]]\nmsp_id = {:?}\nendpoint = \"{}\"\nserver_name = {:?}\ntls_ca = {:?}\nuser = {:?}\n",
            member.msp_id, member.endpoint, member.host, member.tls_ca, member.users["User1"]
        );
    }
    let orderer = &summary.orderer;
    text + &format!(
        "[[orderers]]\nendpoint = \"{}\"\nserver_name = {:?}\ntls_ca = {:?}\n",
        orderer.endpoint, orderer.host, orderer.tls_ca
    )
}
