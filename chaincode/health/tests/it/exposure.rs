//! What a block shows of whatever any test of these contracts submits, refused or not: nothing of the transient input, no private key that could be
//! guessed, no private value without its salt, and no public key beside a private body. Every test's transactions are looked at.

use crate::fixture::{CHANNEL, CONSORTIUM, HOSPITAL, ORGANISATIONS, world};
use careledger_api::codes::Category;
use careledger_api::ids::TxId;
use fabric_contract_mock::{Event, Simulation, Submission};
use fabric_protos::kvrwset::KvrwSet;
use prost::Message as _;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Kinds of public keys whose ids are public: documents, batches, attestations, plans, credentials.
const PUBLIC: [&str; 7] = ["doc", "ver", "batch", "att", "keep", "plan", "cred"];
/// Codes that are words of the contracts' own refusals as well.
const VOCABULARY: [&str; 2] = ["permit", "deny"];
/// Shorter words are found by chance.
const SHORTEST: usize = 5;
/// Hex digits of 128 random bits.
const UNGUESSABLE: usize = 32;

/// Fails the test whose transaction shows too much.
pub fn check(submission: &Submission<'_>, simulation: &Simulation) {
    let faults = faults(submission, simulation);
    let function = String::from_utf8_lossy(submission.args.first().map_or(&[], Vec::as_slice)).into_owned();
    assert!(faults.is_empty(), "{function}: {faults:#?}");
}

fn faults(submission: &Submission<'_>, simulation: &Simulation) -> Vec<String> {
    let mut faults = Vec::new();
    let shown = shown(submission, simulation);
    let shows = |bytes: &[u8]| shown.windows(bytes.len()).any(|found| found == bytes);
    // What moves here from another channel comes as the key and the value that it is: the chain shows their hashes, as of every private key and value.
    let as_they_are: BTreeSet<Vec<u8>> = private_writes(simulation)
        .into_iter()
        .flat_map(|(key, value)| [Some(key.into_bytes()), value])
        .flatten()
        .collect();
    for word in words(submission).difference(&public_ids(simulation)) {
        let hash = Sha256::digest(word.as_bytes());
        let forms = [
            ("itself", word.as_bytes().to_vec()),
            ("as bytes", hex::decode(word).unwrap_or_default()),
            ("as a plain hash", hash.to_vec()),
            ("as a plain hash in hex", hex::encode(hash).into_bytes()),
        ];
        for (form, bytes) in forms {
            if form == "as a plain hash" && as_they_are.contains(word.as_bytes()) {
                continue;
            }
            if bytes.len() >= SHORTEST && shows(&bytes) {
                faults.push(format!("the block shows {word} {form}"));
            }
        }
    }
    let mut bodies = 0;
    for (key, value) in private_writes(simulation) {
        bodies += 1;
        let random = |part: &str| part.len() >= UNGUESSABLE && part.bytes().all(|b| b.is_ascii_hexdigit());
        if key != "secret" && !key.split('~').skip(1).any(random) {
            faults.push(format!("the private key {key} can be guessed"));
        }
        if value.is_some_and(|value| !is_salted(&value)) {
            faults.push(format!("the private value of {key} has no salt"));
        }
    }
    if bodies > 0 {
        let public = simulation.public_keys_written();
        faults.extend(public.map(|key| format!("the public key {key} is written beside a private body")));
    }
    faults
}

/// All that goes to every organisation: arguments, answer, event, read-write set with the hashes of what is private.
fn shown(submission: &Submission<'_>, simulation: &Simulation) -> Vec<u8> {
    let mut shown = submission.args.concat();
    shown.extend_from_slice(&simulation.response.payload);
    shown.extend_from_slice(simulation.response.message.as_bytes());
    if let Some(Event { name, payload }) = &simulation.event {
        shown.extend_from_slice(name.as_bytes());
        shown.extend_from_slice(payload);
    }
    shown.extend_from_slice(&simulation.results);
    shown
}

/// Every text of the transient input but the names that are public anyway: organisations, channel, consortium, and what the call itself is named.
fn words(submission: &Submission<'_>) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for value in submission.transient.values() {
        collect(
            &serde_json::from_slice(value).expect("transient input is JSON"),
            &mut words,
        );
    }
    let called = String::from_utf8_lossy(submission.args.first().map_or(&[], Vec::as_slice)).into_owned();
    let public = [CHANNEL, CONSORTIUM, careledger_chaincode::CHAINCODE_NAME];
    words.retain(|word| {
        word.len() >= SHORTEST
            && !ORGANISATIONS.contains(&word.as_str())
            && !public.contains(&word.as_str())
            && !VOCABULARY.contains(&word.as_str())
            && !called.contains(word.as_str())
    });
    words
}

/// The ids in the public keys that are read or written.
fn public_ids(simulation: &Simulation) -> BTreeSet<String> {
    let sets = simulation.rwset.namespaces.iter().map(|set| &set.rwset);
    let keys = sets.flat_map(|set| {
        let read = set.reads.iter().map(|read| &read.key);
        read.chain(set.writes.iter().map(|write| &write.key))
    });
    let ids = keys.filter_map(|key| key.split_once('~').filter(|(kind, _)| PUBLIC.contains(kind)));
    ids.flat_map(|(_, ids)| ids.split('~').map(str::to_owned))
        .collect()
}

fn collect(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(into.insert(text.clone())),
        Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
        Value::Object(members) => members.values().for_each(|value| collect(value, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The private keys that are written, with the values; none for a key that goes.
fn private_writes(simulation: &Simulation) -> Vec<(String, Option<Vec<u8>>)> {
    let sets = simulation.private.iter().flat_map(|set| &set.ns_pvt_rwset);
    let sets = sets.flat_map(|set| &set.collection_pvt_rwset);
    let writes = sets.flat_map(|set| KvrwSet::decode(set.rwset.as_slice()).expect("a set").writes);
    let write = |write: fabric_protos::kvrwset::KvWrite| {
        let kept = !write.is_delete && !write.value.is_empty();
        (write.key, kept.then_some(write.value))
    };
    writes.map(write).collect()
}

/// Whether 32 bytes are in it under a name that says what they are for.
fn is_salted(value: &[u8]) -> bool {
    fn find(value: &Value) -> bool {
        let salt = |(name, value): (&String, &Value)| {
            ["salt", "secret"].contains(&name.as_str()) && value.as_str().is_some_and(|salt| salt.len() == 64)
                || find(value)
        };
        match value {
            Value::Object(members) => members.iter().any(salt),
            Value::Array(values) => values.iter().any(find),
            _ => false,
        }
    }
    serde_json::from_slice(value).is_ok_and(|value| find(&value))
}

#[tokio::test]
async fn what_shows_too_much_is_found() {
    let world = world().await;
    let request = world.request(world.wallet.patient(), &[Category::Laboratory]);
    let transient = BTreeMap::from([("request".to_owned(), serde_json::to_vec(&request).unwrap())]);
    let args = vec![b"consent:access".to_vec(), HOSPITAL.as_bytes().to_vec()];
    let submission = Submission {
        args: &args,
        transient: &transient,
    };
    let clean = world.mock.last_simulation().expect("the world was set up");
    assert_eq!(faults(&submission, &clean), [""; 0]);

    let patient = request.patient.to_string();
    let leaks: [(&str, Vec<u8>); 4] = [
        ("itself", patient.clone().into_bytes()),
        ("as bytes", request.patient.as_bytes().to_vec()),
        ("as a plain hash", Sha256::digest(patient.as_bytes()).to_vec()),
        (
            "as a plain hash in hex",
            hex::encode(Sha256::digest(patient.as_bytes())).into_bytes(),
        ),
    ];
    for (form, leak) in leaks {
        let mut leaking = clean.clone();
        leaking.event = Some(Event {
            name: "careledger".into(),
            payload: leak,
        });
        assert_eq!(
            faults(&submission, &leaking),
            [format!("the block shows {patient} {form}")]
        );
    }

    let tx: TxId = "00".repeat(32).parse().unwrap();
    for (key, value, found) in [
        ("acc~4711", r#"{"salt":"00"}"#.to_owned(), 2),
        ("pat~mrn-4711", format!(r#"{{"salt":"{tx}"}}"#), 1),
        (&format!("acc~{tx}"), r#"{"at":1}"#.to_owned(), 1),
        (
            &format!("acc~{tx}"),
            format!(r#"{{"record":{{"salt":"{tx}"}}}}  "#),
            0,
        ),
    ] {
        let simulation = with_private_write(&clean, key, value.as_bytes());
        assert_eq!(faults(&submission, &simulation).len(), found, "{key} {value}");
    }
}

fn with_private_write(simulation: &Simulation, key: &str, value: &[u8]) -> Simulation {
    use fabric_protos::kvrwset::KvWrite;
    use fabric_protos::rwset::{CollectionPvtReadWriteSet, NsPvtReadWriteSet, TxPvtReadWriteSet};
    let writes = vec![KvWrite {
        key: key.to_owned(),
        is_delete: false,
        value: value.to_vec(),
    }];
    let set = KvrwSet {
        writes,
        ..KvrwSet::default()
    };
    let collection = CollectionPvtReadWriteSet {
        collection_name: "care_HospitalMSP".to_owned(),
        rwset: set.encode_to_vec(),
    };
    let namespace = NsPvtReadWriteSet {
        namespace: "careledger".to_owned(),
        collection_pvt_rwset: vec![collection],
    };
    Simulation {
        private: Some(TxPvtReadWriteSet {
            data_model: 0,
            ns_pvt_rwset: vec![namespace],
        }),
        ..simulation.clone()
    }
}
