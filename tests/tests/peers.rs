//! Two peers in each of three organisations: one that stops is planned around, and catches up when it comes back.

use std::collections::BTreeSet;
use std::sync::Arc;

use careledger_tests::engine;
use careledger_tests::kv;
use careledger_tests::members::{Members, start};
use fabric_gateway_sdk::{Contract, EndorseError};
use fabric_node::{Network, NetworkConfig};

const ORGANISATIONS: [&str; 3] = ["Org1MSP", "Org2MSP", "Org3MSP"];
const CLIENTS: usize = 4;

async fn two_each() -> (Network, Members) {
    let config = NetworkConfig::test_network()
        .with_peers_per_organisation(2)
        .expect("two peers");
    start(config).await
}

/// The key-value chaincode through one of a member's peers.
fn kv_at(members: &Members, msp_id: &str, index: usize) -> Contract {
    members
        .gateway_at(msp_id, index, "User1")
        .network(members.summary().channel.clone())
        .contract(kv::CHAINCODE)
}

async fn put(contract: &Contract, key: &str) -> u64 {
    let put = contract.submit("put", [key, "value"]).await;
    put.unwrap_or_else(|error| panic!("{key}: {error}")).block_number
}

/// Waits until the refusals are the expected ones: a gateway learns a moment after they stop that peers are gone, and until
/// then names those that it could not reach.
async fn says(refused: impl AsyncFn() -> String, expected: &str) {
    let wait = async {
        loop {
            let said = refused().await;
            if said.contains(expected) {
                return;
            }
            assert!(said.contains("rpc error: code = Unavailable"), "{said}");
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), wait)
        .await
        .unwrap_or_else(|_| panic!("never said: {expected}"));
}

/// Waits until every running peer has `height` blocks, and checks that their chains are the same.
async fn all_agree(network: &Network, height: u64) {
    let mut chains = BTreeSet::new();
    let mut running = 0;
    for (msp_id, index) in ORGANISATIONS.iter().flat_map(|msp_id| [(msp_id, 0), (msp_id, 1)]) {
        let Some(peer) = network.peer_at(msp_id, index) else {
            continue;
        };
        let channel = peer.channel(network.channel()).expect("has joined");
        let mut heights = channel.heights();
        let reached = heights.wait_for(|now| *now >= height);
        tokio::time::timeout(std::time::Duration::from_secs(60), reached)
            .await
            .unwrap_or_else(|_| panic!("{msp_id}'s peer {index} has only {} blocks", channel.height()))
            .expect("the peer runs");
        let block = channel
            .ledger()
            .block(height - 1)
            .expect("reads")
            .expect("the block is there");
        chains.insert((
            block.header.clone().map(|header| header.data_hash),
            block.metadata.clone().map(|metadata| metadata.metadata),
        ));
        running += 1;
    }
    assert!(running > 1);
    assert_eq!(
        chains.len(),
        1,
        "the same block with the same codes and commit hash"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_come_and_go_under_load_and_no_client_notices() {
    if engine::embedded_only(
        "it stops and starts nodes of its own (fabric_faults.rs does so with containers)",
    ) {
        return;
    }
    let (network, members) = two_each().await;
    let members = Arc::new(members);
    let goes_on = tokio::sync::watch::Sender::new(true);
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let (members, goes_on) = (Arc::clone(&members), goes_on.subscribe());
        clients.spawn(async move {
            let contract = members.kv("Org1MSP");
            let mut last = 0;
            let mut number = 0;
            while *goes_on.borrow() {
                last = put(&contract, &format!("{client}-{number}")).await;
                number += 1;
            }
            (last, number)
        });
    }
    let observer = members.kv("Org2MSP");
    for round in 0..2 {
        for (msp_id, index) in [("Org2MSP", 1), ("Org3MSP", 0), ("Org1MSP", 1)] {
            put(&observer, &format!("before-{round}-{msp_id}")).await;
            network.stop_peer(msp_id, index).await.expect("stops");
            put(&observer, &format!("without-{round}-{msp_id}")).await;
        }
        for (msp_id, index) in [("Org1MSP", 1), ("Org3MSP", 0), ("Org2MSP", 1)] {
            network.start_peer(msp_id, index).await.expect("starts again");
        }
    }
    goes_on.send_replace(false);
    let (mut last, mut written) = (0, 0);
    while let Some(done) = clients.join_next().await {
        let (block, number) = done.expect("a client met no error");
        last = last.max(block);
        written += number;
    }
    assert!(written > CLIENTS, "{written} transactions");
    all_agree(&network, last + 1).await;
    // Its state is the others', too: it answers by itself.
    for (msp_id, index) in [("Org2MSP", 1), ("Org3MSP", 0), ("Org1MSP", 1)] {
        let value = kv_at(&members, msp_id, index)
            .evaluate("get", ["without-1-Org1MSP"])
            .await;
        assert_eq!(value.expect("evaluated"), b"\"value\"", "{msp_id}'s peer {index}");
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_peer_of_each_organisation_is_enough_and_a_majority_of_organisations() {
    if engine::embedded_only(
        "it stops and starts nodes of its own (fabric_faults.rs does so with containers)",
    ) {
        return;
    }
    let (network, members) = two_each().await;
    for msp_id in ORGANISATIONS {
        network.stop_peer(msp_id, 0).await.expect("stops");
    }
    let contract = kv_at(&members, "Org3MSP", 1);
    let last = put(&contract, "half").await;
    let all = contract
        .proposal("put")
        .args(["all", "value"])
        .endorsing_organizations(ORGANISATIONS)
        .build();
    let all = all.endorse().await.expect("every organisation has one left");
    all.submit()
        .await
        .expect("taken")
        .status()
        .await
        .expect("committed");
    // Two of three organisations are a majority, one is none.
    network.stop_peer("Org2MSP", 1).await.expect("stops");
    put(&contract, "two").await;
    network.stop_peer("Org1MSP", 1).await.expect("stops");
    let refused = async || {
        let outcome = contract.submit("put", ["one", "value"]).await;
        outcome.expect_err("no majority is left").to_string()
    };
    says(
        refused,
        "no combination of peers can be derived which satisfy the endorsement policy",
    )
    .await;
    // Reading goes on, of the own organisation or of the one that is named.
    assert_eq!(
        contract.evaluate("get", ["two"]).await.expect("evaluated"),
        b"\"value\""
    );
    network.start_peer("Org1MSP", 0).await.expect("starts again");
    all_agree(&network, last + 1).await;
    put(&contract, "two again").await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evaluations_and_endorsements_go_where_they_are_sent() {
    if engine::embedded_only("it brings chaincode of its own") {
        return;
    }
    let (network, members) = two_each().await;
    let contract = members.kv("Org1MSP");
    let last = put(&contract, "a").await;
    // Its status is Org1's; the others are asked what they have.
    all_agree(&network, last + 1).await;
    let at_org3 = |contract: &Contract| {
        let proposal = contract
            .proposal("get")
            .args(["a"])
            .endorsing_organizations(["Org3MSP"]);
        proposal.build()
    };
    let value = at_org3(&contract).evaluate().await.expect("evaluated");
    assert_eq!(value, b"\"value\"");
    network.stop_peer("Org3MSP", 0).await.expect("stops");
    let value = at_org3(&contract)
        .evaluate()
        .await
        .expect("evaluated by the other peer");
    assert_eq!(value, b"\"value\"");
    network.stop_peer("Org3MSP", 1).await.expect("stops");
    let refused = async || {
        let outcome = at_org3(&contract).evaluate().await;
        outcome.expect_err("none is left").to_string()
    };
    says(refused, "no peers available to evaluate chaincode kv").await;
    let named = contract
        .proposal("put")
        .args(["b", "value"])
        .endorsing_organizations(["Org1MSP", "Org3MSP"])
        .build();
    let error: EndorseError = named.endorse().await.expect_err("none is left");
    assert!(
        error
            .to_string()
            .contains("failed to find any endorsing peers for org(s): Org3MSP"),
        "{error}"
    );
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_the_orderer_is_stopped_and_started() {
    if engine::embedded_only(
        "it stops and starts nodes of its own (fabric_faults.rs does so with containers)",
    ) {
        return;
    }
    let (network, members) = two_each().await;
    let contract = members.kv("Org1MSP");
    let mut last = put(&contract, "before").await;
    for round in 0..3 {
        network.stop_orderer().await;
        let error = contract
            .submit("put", ["lost", "value"])
            .await
            .expect_err("nobody orders");
        assert!(
            error
                .to_string()
                .contains("no orderers could successfully process transaction"),
            "{error}"
        );
        network.start_orderer().await.expect("starts again");
        let next = put(&contract, &format!("after-{round}")).await;
        assert_eq!(next, last + 1, "what was refused is in no block");
        last = next;
    }
    all_agree(&network, last + 1).await;
    assert_eq!(members.value("Org3MSP", "lost").await, None);
    assert_eq!(
        members.value("Org3MSP", "after-2").await.as_deref(),
        Some("value")
    );
    network.stop().await;
}
