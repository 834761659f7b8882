//! Rich queries through a whole network: with CouchDB's behaviour they find JSON values, sort and page them by the indexes of the
//! chaincode's package, and their results are reads of the transaction; with LevelDB's they are refused.

use careledger_tests::engine;
use careledger_tests::kv;
use careledger_tests::members::{Members, start};
use fabric_gateway_sdk::{ChaincodePackage, ValidationCode};
use fabric_node::{Network, NetworkConfig, StateDatabase};
use serde::de::DeserializeOwned;

const INDEX: &str = r#"{"index": {"fields": ["size"]}, "ddoc": "sizeDoc", "name": "size", "type": "json"}"#;
const BY_SIZE: &str = r#"{"selector": {"size": {"$gte": 10}}, "sort": [{"size": "desc"}]}"#;
const BLUE: &str = r#"{"selector": {"color": "blue"}}"#;

fn couchdb() -> NetworkConfig {
    NetworkConfig {
        state_database: StateDatabase::CouchDb,
        ..NetworkConfig::test_network()
    }
}

/// A network with CouchDB's behaviour, and the chaincode with indexes in its package.
async fn start_couchdb(config: NetworkConfig) -> (Network, Members) {
    let config = config
        .with_free_ports()
        .with_chaincode(kv::CHAINCODE, kv::in_process());
    let network = Network::start(config).await.expect("the network starts");
    let members = Members::connect(network.summary()).await;
    let package = ChaincodePackage::in_process("kv_1", kv::CHAINCODE)
        .and_then(|package| package.index("size.json", INDEX))
        .and_then(|package| package.index("broken.json", "no JSON"))
        .and_then(|package| package.collection_index(kv::COLLECTION, "size.json", INDEX))
        .expect("a package");
    members.deploy_kv_package(&package).await;
    (network, members)
}

async fn marbles(members: &Members) {
    for (key, color, size) in [
        ("m1", "blue", 35),
        ("m2", "red", 50),
        ("m3", "blue", 70),
        ("m4", "blue", 5),
    ] {
        let value = format!(r#"{{"size":{size}, "color":"{color}"}}"#);
        let kv = members.kv("Org1MSP");
        kv.submit("put", [key, value.as_str()]).await.expect("committed");
    }
    members.settle().await;
}

async fn ask<T: DeserializeOwned>(members: &Members, msp_id: &str, function: &str, args: &[&str]) -> T {
    let answer = members.kv(msp_id).evaluate(function, args.iter().copied()).await;
    serde_json::from_slice(&answer.unwrap_or_else(|error| panic!("{function} {args:?}: {error}")))
        .expect("JSON")
}

async fn refusal(members: &Members, function: &str, args: &[&str]) -> String {
    let answer = members
        .kv("Org1MSP")
        .evaluate(function, args.iter().copied())
        .await;
    let error = answer.expect_err("refused");
    error
        .details()
        .first()
        .map_or_else(|| error.to_string(), |detail| detail.message.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_are_found_sorted_and_paged_on_every_peer() {
    if engine::embedded_only("it makes a network of its own configuration") {
        return;
    }
    let (network, members) = start_couchdb(couchdb()).await;
    marbles(&members).await;
    for msp_id in members.msp_ids() {
        let found: Vec<(String, String)> = ask(&members, msp_id, "query", &[BY_SIZE]).await;
        let expected = [("m3", "blue", 70), ("m2", "red", 50), ("m1", "blue", 35)];
        let expected = expected
            .map(|(key, color, size)| (key.to_owned(), format!(r#"{{"color":"{color}","size":{size}}}"#)));
        assert_eq!(found, expected, "{msp_id}");
        // A read gives Go's form too.
        let value = members.value(msp_id, "m1").await;
        assert_eq!(value.as_deref(), Some(r#"{"color":"blue","size":35}"#));
    }
    let (first, bookmark): (Vec<String>, String) =
        ask(&members, "Org2MSP", "queryPage", &[BY_SIZE, "2", ""]).await;
    assert_eq!(first, ["m3", "m2"]);
    let (second, last): (Vec<String>, String) =
        ask(&members, "Org3MSP", "queryPage", &[BY_SIZE, "2", &bookmark]).await;
    assert_eq!(second, ["m1"]);
    let (none, again): (Vec<String>, String) =
        ask(&members, "Org1MSP", "queryPage", &[BY_SIZE, "2", &last]).await;
    assert_eq!((none, again), (Vec::new(), last));

    let unsorted = refusal(
        &members,
        "query",
        &[r#"{"selector": {"color": "blue"}, "sort": ["color"]}"#],
    )
    .await;
    assert!(
        unsorted.contains(
            "error handling CouchDB request. Error:no_usable_index,  Status Code:400,  Reason:No index exists for this sort, try \
             indexing by the sort fields."
        ),
        "{unsorted}"
    );
    let reserved = members
        .kv("Org1MSP")
        .submit("put", ["k", r#"{"_id": "x"}"#])
        .await;
    let reserved = format!("{:?}", reserved.expect_err("refused"));
    assert!(
        reserved.contains("field [_id] is not valid for the CouchDB state database"),
        "{reserved}"
    );
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_are_reads_of_the_transaction() {
    if engine::embedded_only("it makes a network of its own configuration") {
        return;
    }
    let (network, members) = start_couchdb(couchdb()).await;
    marbles(&members).await;
    let kv = members.kv("Org1MSP");
    let count = async |key: &str| {
        let proposal = kv.proposal("count").arg(BLUE).arg(key).build();
        proposal.endorse().await.expect("all peers find the same")
    };
    let (overtaken, unharmed) = (count("first").await, count("second").await);
    // A new match is a phantom, which rich queries do not see.
    kv.submit("put", ["m5", r#"{"color":"blue"}"#])
        .await
        .expect("committed");
    let commit = unharmed.submit().await.expect("taken");
    assert_eq!(
        commit.status().await.expect("a status").code,
        ValidationCode::VALID
    );
    kv.submit("put", ["m1", r#"{"color":"green"}"#])
        .await
        .expect("committed");
    let commit = overtaken.submit().await.expect("taken");
    assert_eq!(
        commit.status().await.expect("a status").code,
        ValidationCode::MVCC_READ_CONFLICT
    );
    members.settle().await;
    assert_eq!(members.value("Org1MSP", "second").await.as_deref(), Some("3"));
    assert_eq!(members.value("Org1MSP", "first").await, None);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_documents_are_found_by_members_and_after_a_restart() {
    if engine::embedded_only("it makes a network of its own configuration") {
        return;
    }
    let dir = tempfile::tempdir().expect("temp dir");
    let (network, members) = start_couchdb(couchdb().with_dir(dir.path())).await;
    for (key, size) in [("p1", 30), ("p2", 5), ("p3", 20)] {
        let proposal = members.kv("Org1MSP").proposal("putPrivate").arg(key);
        let value = serde_json::to_vec(&format!(r#"{{"size":{size}}}"#)).expect("JSON");
        let proposal = proposal
            .transient("value", value)
            .endorsing_organizations(["Org1MSP", "Org2MSP"]);
        proposal.submit().await.expect("committed");
    }
    marbles(&members).await;
    for msp_id in kv::PAIR {
        let found: Vec<String> = ask(&members, msp_id, "queryPrivate", &[BY_SIZE]).await;
        assert_eq!(found, ["p1", "p3"], "{msp_id}");
    }
    network.stop().await;
    // Databases are derived: without them the peers build state and indexes anew.
    for peer in ["org1", "org2", "org3"] {
        let channels = walk(dir.path(), peer);
        assert!(!channels.is_empty(), "{peer} has a database");
        for db in channels {
            std::fs::remove_dir_all(db).expect("removes");
        }
    }
    let config = couchdb()
        .with_dir(dir.path())
        .with_free_ports()
        .with_chaincode(kv::CHAINCODE, kv::in_process());
    let network = Network::start(config).await.expect("the network starts again");
    let members = Members::connect(network.summary()).await;
    let found: Vec<(String, String)> = ask(&members, "Org3MSP", "query", &[BY_SIZE]).await;
    assert_eq!(
        found.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(),
        ["m3", "m2", "m1"]
    );
    let found: Vec<String> = ask(&members, "Org2MSP", "queryPrivate", &[BY_SIZE]).await;
    assert_eq!(found, ["p1", "p3"]);
    network.stop().await;
}

/// The ledger databases below `dir` whose way names `part`.
fn walk(dir: &std::path::Path, part: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("reads") {
        let path = entry.expect("an entry").path();
        if !path.is_dir() {
            continue;
        }
        if path.file_name().is_some_and(|name| name == "db") && path.to_string_lossy().contains(part) {
            found.push(path);
        } else {
            found.extend(walk(&path, part));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_leveldb_they_are_refused() {
    if engine::embedded_only("it makes a network of its own configuration") {
        return;
    }
    let (network, members) = start(NetworkConfig::test_network()).await;
    let text = refusal(&members, "query", &[BLUE]).await;
    assert!(text.contains("ExecuteQuery not supported for leveldb"), "{text}");
    let text = refusal(&members, "queryPage", &[BLUE, "2", ""]).await;
    assert!(
        text.contains("ExecuteQueryWithMetadata not supported for leveldb"),
        "{text}"
    );
    network.stop().await;
}
