//! Indexes of chaincode packages, on a peer with CouchDB's behaviour beside peers with LevelDB's.

use fabric_ledger::StateDatabase;
use fabric_protos::lifecycle as proto;
use fabric_protos::peer::CollectionConfigPackage;

use super::lifecycle::approval;
use crate::testing::{CHAINCODE, Net, Request, package_with, payload};

const SORTED: &str = r#"{"selector": {"size": {"$gt": 1}}, "sort": ["size"]}"#;

/// The keys that a sorted query finds on the first peer, or why it does not.
fn sorted(net: &Net) -> Result<Vec<String>, String> {
    let query = net.channel(0).ledger().query();
    let rows = query
        .rich_query(CHAINCODE, SORTED)
        .map_err(|error| error.to_string())?;
    Ok(rows.map(|row| row.expect("reads").key).collect())
}

fn reopened(net: &mut Net, state_database: StateDatabase) {
    drop(net.peers.remove(0));
    let peer = net.open_peer_with(0, net.network.clone(), |config| {
        config.state_database = state_database
    });
    net.peers.insert(0, peer);
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_created_once_package_and_definition_are_there() {
    let mut net = Net::new();
    reopened(&mut net, StateDatabase::CouchDb);
    net.deploy(1, CollectionConfigPackage::default()).await;
    let write = net.endorsed(&["put", "a", r#"{"size":3}"#], &[0, 1, 2]).await;
    assert_eq!(net.order([write]).await, [0]);
    assert!(sorted(&net).expect_err("no index").contains("no_usable_index"));

    // The next definition's package is not installed when it comes into force.
    let index = br#"{"index": {"fields": ["size"]}, "ddoc": "d", "name": "n"}"#;
    let package = package_with(
        "store_2",
        CHAINCODE,
        &[("META-INF/statedb/couchdb/indexes/size.json", index)],
    );
    let id = fabric_chaincode_host::package_id("store_2", &package);
    for index in 0..3 {
        let mut args = approval(2, "1.0", &id);
        args.collections = Some(CollectionConfigPackage::default());
        let request = Request::system("_lifecycle", "ApproveChaincodeDefinitionForMyOrg", &args);
        let envelope = request.endorsed(&net.admin(index), [&net.peers[index]]).await;
        assert_eq!(net.order([envelope]).await, [0]);
    }
    let args = net.commit_args(2, CollectionConfigPackage::default());
    let request = Request::system("_lifecycle", "CommitChaincodeDefinition", &args);
    let envelope = request.endorsed(&net.admin(0), &net.peers).await;
    assert_eq!(net.order([envelope]).await, [0]);
    assert!(sorted(&net).is_err());
    let args = proto::InstallChaincodeArgs {
        chaincode_install_package: package,
    };
    let request = Request::system("_lifecycle", "InstallChaincode", &args).on("");
    payload(&request.sent(&net.admin(0), &net.peers[0]).await);
    assert_eq!(sorted(&net).expect("an index"), ["a"]);

    // It is gone after a time with LevelDB's behaviour, and comes back with CouchDB's.
    reopened(&mut net, StateDatabase::GoLevelDb);
    assert_eq!(
        sorted(&net).expect_err("refused"),
        "ExecuteQuery not supported for leveldb"
    );
    reopened(&mut net, StateDatabase::CouchDb);
    assert_eq!(sorted(&net).expect("an index"), ["a"]);
}
