//! The official Node client and Node chaincode against `careledger network up`, unchanged. They need the packages of `tests/node`
//! (`npm ci`), which `scripts/test` installs before it runs these tests; a plain `cargo test` leaves them out.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use careledger_tests::command::Running;
use fabric_gateway_sdk::{
    ChaincodeDefinition, ChaincodePackage, ChaincodeService, CollectionConfig, Deployer, Endpoint, Gateway,
    SigningIdentity, deploy,
};
use fabric_node::NetworkSummary;
use serde_json::{Value, json};

const CHANNEL: &str = "mychannel";
const CHAINCODE: &str = "notes";
/// The network of Fabric's samples, with CouchDB's behaviour.
const CONSORTIUM: &str = r#"
channel = "mychannel"
state_database = "CouchDB"
[[organisations]]
msp_id = "Org1MSP"
domain = "org1.example.com"
[[organisations]]
msp_id = "Org2MSP"
domain = "org2.example.com"
[[organisations]]
msp_id = "Org3MSP"
domain = "org3.example.com"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the npm packages of tests/node; scripts/test installs them and runs this"]
async fn official_node_client_and_chaincode_run_unchanged() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let consortium = dir.path().join("consortium.toml");
    std::fs::write(&consortium, CONSORTIUM).expect("writes");
    let consortium = consortium.to_str().expect("a path in UTF-8");
    let network = Running::start(
        &dir.path().join("network"),
        &["--consortium", consortium, "--base-port", "0"],
    );
    let summary = network.summary();

    let service = free_address();
    let package = ChaincodePackage::service("notes_1", &ChaincodeService::plain(service.to_string()))
        .and_then(|package| {
            package.index(
                "size.json",
                r#"{"index": {"fields": ["size"]}, "ddoc": "d", "name": "size"}"#,
            )
        })
        .expect("a package");
    let _chaincode = NodeChaincode::start(service, &package.id());

    // Deployed by our SDK through the lifecycle, with Fabric's default policy: a majority of the organisations.
    let mut deployers = Vec::new();
    for organisation in &summary.organisations {
        let admin = gateway(&summary, &organisation.msp_id, "Admin").await;
        deployers.push(Deployer::new(admin, package.clone()));
    }
    let definition = ChaincodeDefinition::new(CHAINCODE, "1")
        .collection(&CollectionConfig::new("pair", ["Org1MSP", "Org2MSP"]))
        .expect("a collection");
    deploy(CHANNEL, &definition, &deployers)
        .await
        .expect("the chaincode is deployed");

    // Our SDK invokes the official chaincode.
    let contract = gateway(&summary, "Org2MSP", "User1")
        .await
        .network(CHANNEL)
        .contract(CHAINCODE);
    let submitted = contract
        .submit("put", ["beta", "from Rust"])
        .await
        .expect("our SDK submits");
    assert_eq!(submitted.result, b"from Rust");
    let read = contract
        .evaluate("read", ["beta"])
        .await
        .expect("our SDK evaluates");
    assert_eq!(read, b"from Rust");

    // The official chaincode's rich queries find JSON notes, by the index of its package.
    for (key, size) in [("j1", 30), ("j2", 10), ("j3", 20), ("j4", 1)] {
        let note = format!(r#"{{"size":{size}}}"#);
        contract
            .submit("put", [key, note.as_str()])
            .await
            .expect("our SDK submits");
    }
    let by_size = r#"{"selector": {"size": {"$gt": 1}}, "sort": ["size"]}"#;
    let found = contract
        .evaluate("query", [by_size])
        .await
        .expect("our SDK evaluates");
    assert_eq!(
        serde_json::from_slice::<Value>(&found).expect("JSON"),
        json!([
            { "key": "j2", "value": "{\"size\":10}" },
            { "key": "j3", "value": "{\"size\":20}" },
            { "key": "j1", "value": "{\"size\":30}" },
        ])
    );
    let (mut bookmark, mut pages) = (String::new(), Vec::new());
    for _ in 0..2 {
        let page = contract
            .evaluate("queryPage", [by_size, "2", bookmark.as_str()])
            .await
            .expect("our SDK evaluates");
        let page: Value = serde_json::from_slice(&page).expect("JSON");
        page["bookmark"]
            .as_str()
            .expect("a bookmark")
            .clone_into(&mut bookmark);
        pages.push((page["keys"].clone(), page["count"].clone()));
    }
    assert_eq!(
        pages,
        [(json!(["j2", "j3"]), json!(2)), (json!(["j1"]), json!(1))]
    );

    // The official client invokes it, too.
    let seen = node_client(&summary);
    assert_eq!(seen["submitted"], "one");
    assert_eq!(
        seen["status"],
        json!({ "successful": true, "code": 0, "valid": 0, "sameTx": true })
    );
    assert_eq!(seen["evaluated"], "two");
    assert_eq!(seen["range"], json!([{ "key": "alpha", "value": "two" }]));
    assert_eq!(seen["history"], json!(["two", "one"]));
    assert_eq!(seen["who"], "Org1MSP");
    assert_eq!(
        seen["event"],
        json!({ "name": "NotePut", "payload": "alpha", "sameTx": true })
    );
    assert_eq!(seen["error"]["name"], "GatewayError");
    let details = seen["error"]["details"].as_array().expect("error details");
    assert!(
        details[0]["message"]
            .as_str()
            .is_some_and(|m| m.contains("no note absent")),
        "{details:?}"
    );
    assert_eq!(details[0]["mspId"], "Org1MSP");
    assert_eq!(seen["endorseError"]["name"], "EndorseError");
    assert_eq!(seen["kept"], "kept apart");
    assert_eq!(seen["deletes"], json!([true, false]));
    assert_eq!(seen["labels"], json!([["red", "a"], ["red", "b"]]));
    assert_eq!(seen["pages"], json!([["j1", "j2", "j3"], ["j4"]]));
    assert_eq!(seen["query"], json!(["j3", "j1"]));
    assert_eq!(seen["guards"], json!(["Org3MSP"]));
    assert_eq!(
        seen["unguarded"],
        json!({ "name": "CommitError", "code": 10, "policy": 10 })
    );
    assert_eq!(seen["guarded"], "planned");
    assert_eq!(seen["shared"], "{\"size\":7}");
    assert_eq!(seen["sharedRange"], json!(["s1"]));
    assert_eq!(seen["sharedQuery"], json!(["s1"]));
    assert_eq!(seen["sharedHash"], true, "SHA-256 of what was shared");
    let refused = seen["notShared"][0].as_str().expect("a refusal");
    assert!(
        refused.contains("private data matching public hash version is not available"),
        "{refused}"
    );
    assert_eq!(seen["purged"], "");
    assert_eq!(seen["blocks"], json!([true, true, true]));
    assert_eq!(seen["checkpoint"][0], "alpha");
    assert_ne!(seen["checkpoint"][1], "alpha", "the next event, not the same");
    assert!(network.stop().success(), "SIGTERM ends the network cleanly");
}

fn node_client(summary: &NetworkSummary) -> Value {
    let organisation = summary.organisation("Org1MSP").expect("Org1 is a member");
    let user = organisation.users.get("User1").expect("the network has User1");
    let at = json!({
        "endpoint": organisation.endpoint.to_string(),
        "host": organisation.host,
        "tlsCa": organisation.tls_ca,
        "cert": only_file(&user.join("signcerts")),
        "key": only_file(&user.join("keystore")),
        "mspId": "Org1MSP",
        "channel": CHANNEL,
        "chaincode": CHAINCODE,
    });
    let output = Command::new("node")
        .arg("client.mjs")
        .arg(at.to_string())
        .current_dir(node_dir())
        .output()
        .expect("node is installed");
    assert!(
        output.status.success(),
        "the official client failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("the client prints one JSON document")
}

async fn gateway(summary: &NetworkSummary, msp_id: &str, user: &str) -> Gateway {
    let organisation = summary.organisation(msp_id).expect("a member");
    let identity =
        SigningIdentity::from_msp_dir(&organisation.users[user], msp_id).expect("the user's MSP directory");
    let channel = Endpoint::tls_ca_file(organisation.endpoint.to_string(), &organisation.tls_ca)
        .expect("the TLS CA")
        .server_name(&organisation.host)
        .connect()
        .await
        .expect("the peer answers");
    Gateway::builder(channel).identity(identity).connect()
}

/// An official Node chaincode process.
struct NodeChaincode(Child);

impl NodeChaincode {
    fn start(address: SocketAddr, package_id: &str) -> Self {
        let program = node_dir().join("node_modules/.bin/fabric-chaincode-node");
        let child = Command::new(program)
            .arg("server")
            .arg(format!("--chaincode-address={address}"))
            .arg(format!("--chaincode-id={package_id}"))
            .env("CORE_PEER_LOCALMSPID", "Org1MSP")
            .current_dir(node_dir().join("chaincode"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the npm packages of tests/node are installed");
        let started = Self(child);
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
            assert!(
                Instant::now() < deadline,
                "the Node chaincode does not listen on {address}"
            );
            std::thread::yield_now();
        }
        started
    }
}

impl Drop for NodeChaincode {
    fn drop(&mut self) {
        let _already_gone = self.0.kill();
        let _already_waited = self.0.wait();
    }
}

fn node_dir() -> PathBuf {
    // Cargo's word at run time: a target directory may be shared by several checkouts.
    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    Path::new(&here).join("node")
}

/// The one file of a directory, as cryptogen leaves certificates and keys.
fn only_file(dir: &Path) -> PathBuf {
    let mut files = std::fs::read_dir(dir)
        .expect("an MSP directory")
        .map(|entry| entry.expect("an entry").path());
    files.next().expect("a file")
}

/// A free port: bound and released, so that the chaincode can bind it next.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address")
}
