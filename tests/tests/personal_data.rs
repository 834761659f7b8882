//! No personal data where it may not be: after the whole story nothing of the patient's bundle is in any block, in any log line, or on the disk of
//! an organisation that is no member of the collection it went to. And the search finds what is planted.
//!
//! What may lie where, by decision:
//! - the hospital's vault: ciphertext only;
//! - the hospital's and the regulator's peers are members of `care_HospitalMSP`: they hold each record's description (category, code, labels, date), and
//!   nothing else of the bundle;
//! - the insurer's peer holds the claim of the visit (`pair_InsurerMSP_HospitalMSP`) and so its procedure code;
//! - everywhere else, and in every block of every ledger: nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use careledger_sdk::fhir;
use careledger_tests::command;
use careledger_tests::engine;
use careledger_tests::kv;
use careledger_tests::members::Members;
use careledger_tests::scan::{Hit, Needles};
use fabric_ledger::BlockFiles;
use fabric_node::{Network, NetworkConfig};
use fabric_protos::common::Block;
use prost::Message;
use serde_json::{Value, json};

/// Words of the bundle that are the specifications' own or a role's name, so that they say nothing about a person: FHIR codes and resource types, an arc of HL7's OIDs, and
/// `emergency`, which is a role in certificates.
const VOCABULARY: [&str; 28] = [
    "113883",
    "active",
    "AllergyIntolerance",
    "Bundle",
    "collection",
    "Condition",
    "current",
    "DocumentReference",
    "emergency",
    "Encounter",
    "final",
    "finished",
    "laboratory",
    "MedicationRequest",
    "Observation",
    "official",
    "order",
    "Patient",
    "phone",
    "signs",
    "system",
    "terminology",
    "units",
    "vital",
    "vital-signs",
    "visit",
    "weekly",
    "without",
];
/// The procedure code of the visit, which the hospital claims from the insurer.
const VISIT: &str = "X-0042";
/// Peers that are members of the hospital's care collection.
const MEMBERS: [&str; 2] = ["hospital.example.com", "regulator.example.com"];

#[test]
fn the_story_leaves_no_personal_data_where_it_may_not_be() {
    if engine::embedded_only("it reads or changes the nodes' own files") {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let kept = dir.path().join("network");
    let bundle = fhir::generate(99, "2019-06-15");
    let file = dir.path().join("input");
    std::fs::write(&file, bundle.to_string()).expect("a file");

    let output = command::run(&[
        "demo",
        "--json",
        "--log",
        "debug",
        "--bundle",
        &file.to_string_lossy(),
        "--dir",
        &kept.to_string_lossy(),
    ]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let everything = Needles::from_json(&bundle, &vocabulary());
    assert!(
        everything.tokens() > 90,
        "only {} tokens are looked for",
        everything.tokens()
    );
    let undescribed = undescribed(&bundle);
    assert!(
        undescribed.tokens() > 40,
        "only {} tokens are looked for",
        undescribed.tokens()
    );

    assert!(output.stderr.len() > 10_000, "the log is not at debug level");
    assert_clean(everything.scan("log", &without_times(&output.stderr)));
    assert_clean(everything.scan("document", &output.stdout));

    let ledgers = ledgers(&kept);
    assert_eq!(ledgers.len(), 4);
    for ledger in &ledgers {
        let blocks = blocks(ledger);
        assert!(
            blocks.len() > 20,
            "{} has {} blocks",
            ledger.display(),
            blocks.len()
        );
        for block in &blocks {
            let number = block.header.as_ref().map_or(0, |h| h.number);
            assert_clean(everything.scan(
                &format!("{} block {number}", ledger.display()),
                &block.encode_to_vec(),
            ));
        }
    }

    let members: Vec<PathBuf> = ledgers
        .iter()
        .filter(|l| MEMBERS.iter().any(|m| l.to_string_lossy().contains(m)))
        .cloned()
        .collect();
    assert_eq!(members.len(), 2);
    let insurer = ledgers
        .iter()
        .find(|l| l.to_string_lossy().contains("insurer"))
        .expect("the insurer has a ledger")
        .clone();
    let unbilled = Needles::new(everything.iter().filter(|token| *token != VISIT));
    let elsewhere = everything
        .scan_tree(&kept, &|path| {
            path == insurer || members.iter().any(|m| path == m)
        })
        .expect("readable files");
    assert!(elsewhere.files > 100, "only {} files were read", elsewhere.files);
    assert_clean(elsewhere.hits);
    assert_clean(
        unbilled
            .scan_tree(&insurer, &|_| false)
            .expect("readable files")
            .hits,
    );
    let mut described = 0;
    for member in &members {
        assert_clean(
            undescribed
                .scan_tree(member, &|_| false)
                .expect("readable files")
                .hits,
        );
        described += everything
            .scan_tree(member, &|_| false)
            .expect("readable files")
            .hits
            .len();
    }
    assert!(
        described > 0,
        "the members hold the descriptions, so the search must find them there"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contract_that_leaks_is_caught() {
    if engine::embedded_only("it reads or changes the nodes' own files") {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let kept = dir.path().join("network");
    let config = NetworkConfig::test_network()
        .with_free_ports()
        .with_dir(&kept)
        .with_chaincode(kv::CHAINCODE, kv::in_process());
    let network = Network::start(config).await.expect("a network");
    let members = Members::connect(network.summary()).await;
    members.deploy_kv().await;

    let needles = Needles::new(["Velasquez"]);
    let clean = blocks(&ledgers(&kept)[0]).len();
    let leaks: [(&str, Value); 4] = [
        ("text", json!("Velasquez")),
        ("hex", json!(hex::encode("Velasquez"))),
        (
            "inside JSON inside base64",
            json!(base64(json!({ "family": "Velasquez" }).to_string().as_bytes())),
        ),
        ("plain hash", json!(sha256_hex(b"Velasquez"))),
    ];
    for (_, leak) in &leaks {
        let leak = leak.as_str().expect("text").to_owned();
        let proposal = members
            .kv("Org1MSP")
            .proposal("leak")
            .transient("value", json!(leak).to_string());
        proposal.submit().await.expect("the leaking function runs");
    }
    // A private key's and value's plain hash is in the block of a careless contract, too.
    let careless = members
        .kv("Org1MSP")
        .proposal("putPrivate")
        .arg("Velasquez")
        .transient("value", json!("Velasquez").to_string());
    careless.submit().await.expect("the careless function runs");
    members.settle().await;
    network.stop().await;

    for ledger in ledgers(&kept) {
        let blocks = blocks(&ledger);
        let leaking = &blocks[clean..clean + leaks.len() + 1];
        for (block, (form, _)) in leaking
            .iter()
            .zip(leaks.iter().chain([&("private key", Value::Null)]))
        {
            assert!(
                !needles.scan("block", &block.encode_to_vec()).is_empty(),
                "a leak as {form} was missed"
            );
        }
        for block in &blocks[..clean] {
            assert_clean(needles.scan("clean block", &block.encode_to_vec()));
        }
    }
    // On the disk of Org3, which is no member of the collection, the leaked events are found as well.
    let org3 = kept.join("peers/peer0.org3.example.com");
    assert!(
        !needles
            .scan_tree(&org3, &|_| false)
            .expect("readable files")
            .hits
            .is_empty()
    );
}

/// A log without its lines' times, whose microseconds can be any number.
fn without_times(log: &[u8]) -> Vec<u8> {
    let message = |line: &[u8]| {
        let end_of_time = line.iter().take(40).position(|b| *b == b'Z').map_or(0, |z| z + 1);
        line[end_of_time..].to_vec()
    };
    log.split(|b| *b == b'\n')
        .map(message)
        .collect::<Vec<_>>()
        .join(&b'\n')
}

fn assert_clean(hits: Vec<Hit>) {
    let shown: Vec<&Hit> = hits.iter().take(10).collect();
    assert!(hits.is_empty(), "{} hits, the first: {shown:#?}", hits.len());
}

fn vocabulary() -> BTreeSet<&'static str> {
    VOCABULARY.into()
}

/// The tokens that are in no record's description.
fn undescribed(bundle: &Value) -> Needles {
    let records = fhir::parse(bundle.to_string().as_bytes()).expect("our own bundle");
    let mut descriptions = String::new();
    for record in &records {
        let (system, code) = record.code.as_ref().map_or(("", ""), |c| (&c.system, &c.code));
        let date = record.date.as_deref().unwrap_or_default();
        descriptions.push_str(&format!(
            "{} {system} {code} {date} {} ",
            record.category,
            record.labels.join(" ")
        ));
    }
    let mut tokens = BTreeSet::new();
    careledger_tests::scan::tokens(bundle, &mut tokens);
    tokens.retain(|t| !VOCABULARY.contains(&t.as_str()) && !descriptions.contains(t.as_str()));
    Needles::new(tokens)
}

/// Every organisation's ledger directory below a network's.
fn ledgers(network: &Path) -> Vec<PathBuf> {
    let peers = std::fs::read_dir(network.join("peers")).expect("a network has peers");
    let channels = peers.flat_map(|peer| {
        std::fs::read_dir(peer.expect("an entry").path().join("channels")).expect("a peer has channels")
    });
    let mut ledgers: Vec<PathBuf> = channels
        .map(|channel| channel.expect("an entry").path())
        .collect();
    ledgers.sort();
    ledgers
}

fn blocks(ledger: &Path) -> Vec<Arc<Block>> {
    BlockFiles::open(ledger)
        .expect("block files")
        .map(|block| block.expect("a whole block"))
        .collect()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn sha256_hex(bytes: &[u8]) -> String {
    use sha2::Digest;
    hex::encode(sha2::Sha256::digest(bytes))
}
