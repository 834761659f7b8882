//! Definitions that follow each other: an upgrade takes the next sequence number, and readers never notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use careledger_tests::engine;
use careledger_tests::kv;
use careledger_tests::members::{self, Members};
use fabric_gateway_sdk::{ChaincodeDefinition, ChaincodePackage, Deployed, Deployer, Lifecycle, deploy_next};
use fabric_node::NetworkConfig;

async fn deploy(members: &Members, version: &str, label: &str) -> Deployed {
    let package = ChaincodePackage::in_process(label, kv::CHAINCODE).expect("a package");
    let deployers: Vec<Deployer> = members
        .msp_ids()
        .into_iter()
        .map(|msp_id| Deployer::new(members.gateway(msp_id, "Admin"), package.clone()))
        .collect();
    // Its own number does not count.
    let definition = ChaincodeDefinition::new("other", version).sequence(7);
    deploy_next(&members.summary().channel, &definition, &deployers)
        .await
        .expect("deployed")
}

async fn sequence(members: &Members) -> i64 {
    let lifecycle = Lifecycle::new(&members.network("Org1MSP"));
    let committed = lifecycle.committed("other").await.expect("an answer");
    committed.expect("a definition").sequence
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_upgrade_is_the_next_definition_and_readers_go_on() {
    if engine::embedded_only(
        "it brings chaincode of its own (fabric_faults.rs upgrades the health chaincode)",
    ) {
        return;
    }
    let (network, members) = members::start(NetworkConfig::test_network()).await;
    let first = deploy(&members, "1", "other_1").await;
    assert_eq!((first.approvals.len(), first.commit.is_some()), (3, true));
    assert_eq!(sequence(&members).await, 1);
    let again = deploy(&members, "1", "other_1").await;
    assert_eq!((again.approvals.len(), again.commit), (0, None));

    let stop = Arc::new(AtomicBool::new(false));
    let reader = {
        let (stop, contract) = (Arc::clone(&stop), members.network("Org2MSP").contract("other"));
        tokio::spawn(async move {
            let mut reads = 0;
            while !stop.load(Ordering::Relaxed) {
                contract
                    .evaluate("get", ["a"])
                    .await
                    .expect("a reader notices nothing");
                reads += 1;
            }
            reads
        })
    };
    let second = deploy(&members, "2", "other_2").await;
    assert_eq!((second.approvals.len(), second.commit.is_some()), (3, true));
    let approved: Vec<&str> = second
        .approvals
        .iter()
        .map(|(msp_id, _)| msp_id.as_str())
        .collect();
    assert_eq!(approved, ["Org1MSP", "Org2MSP", "Org3MSP"]);
    assert_eq!(sequence(&members).await, 2);

    // The same definition from another package: approved again at the same number.
    let repackaged = deploy(&members, "2", "other_2.1").await;
    assert_eq!((repackaged.approvals.len(), repackaged.commit), (3, None));
    assert_eq!(sequence(&members).await, 2);
    stop.store(true, Ordering::Relaxed);
    assert!(reader.await.expect("every read succeeded") > 0);
    network.stop().await;
}
