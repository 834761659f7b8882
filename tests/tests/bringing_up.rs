//! From running nodes to a consortium that takes transactions, as `network up --engine fabric` does it, over the addresses of embedded nodes.

use careledger::fabric::bring::{Progress, bring_up};
use careledger::health::{self, CLINIC, Gateways, HOSPITAL};
use careledger_tests::engine;
use fabric_node::{Network, NetworkSummary};

/// What a run told: steps that had to be done, and transactions.
#[derive(Debug, Default)]
struct Told {
    done: Vec<String>,
    committed: Vec<String>,
}

async fn run(network: &NetworkSummary) -> (Gateways, Told) {
    let packages = health::in_process_packages().expect("packages");
    let mut told = Told::default();
    let mut tell = |progress| match progress {
        Progress::Doing(_) => {}
        Progress::Done(what) => told.done.push(what),
        Progress::Committed(event) => told.committed.push(event.what),
    };
    let gateways = bring_up(network, &packages, &mut tell).await.expect("comes up");
    (gateways, told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_start_that_broke_off_is_continued_and_a_finished_one_changes_nothing() {
    if engine::embedded_only("it makes a network of its own configuration") {
        return;
    }
    careledger_sdk::install_crypto_provider();
    let config = health::network_config().with_free_ports();
    let network = Network::start(config).await.expect("starts");
    let summary = network.summary();
    // It broke off behind the deployment, and one member's anchor peer is not named.
    let packages = health::in_process_packages().expect("packages");
    let gateways = Gateways::connect(summary).await.expect("the peers answer");
    let deployed = health::deploy_chaincode(&gateways, &packages)
        .await
        .expect("deployed");
    assert_eq!(health::told(&deployed).len(), 5, "four approvals and a commit");
    unname_anchor_peer(&gateways, summary).await;

    let (_, first) = run(summary).await;
    assert_eq!(first.done.len(), 1, "{first:?}");
    assert!(
        first.done[0].starts_with("ClinicMSP's anchor peer is peer0.clinic.example.com:"),
        "{first:?}"
    );
    assert!(
        first.committed.iter().all(|what| !what.contains("definition")),
        "the deployment is passed over: {first:?}"
    );
    assert!(
        first
            .committed
            .iter()
            .any(|what| what == "the consortium is established")
    );

    let (gateways, second) = run(summary).await;
    assert!(second.done.is_empty(), "{second:?}");
    assert_eq!(
        second.committed,
        ["an access without consent is recorded and refused"]
    );
    health::answers(&gateways, HOSPITAL).await.expect("answers");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_cannot_succeed_is_not_tried_for_minutes() {
    if engine::embedded_only("it makes a network of its own configuration") {
        return;
    }
    careledger_sdk::install_crypto_provider();
    let config = health::network_config().with_free_ports();
    let network = Network::start(config).await.expect("starts");
    let mut packages = health::in_process_packages().expect("packages");
    packages.remove(CLINIC);
    let refused = bring_up(network.summary(), &packages, &mut |_| {}).await;
    let reason = refused.expect_err("no package for the clinic").to_string();
    assert!(reason.contains("ClinicMSP has no package"), "{reason}");

    let mut elsewhere = network.summary().clone();
    elsewhere.genesis_block = elsewhere.dir.join("missing.block");
    let refused = bring_up(&elsewhere, &packages, &mut |_| {}).await;
    let reason = refused.expect_err("no genesis block").to_string();
    assert!(reason.contains("missing.block"), "{reason}");
    network.stop().await;
}

async fn unname_anchor_peer(gateways: &Gateways, summary: &NetworkSummary) {
    let orderer = careledger_tests::administration::Orderer::of(summary).await;
    let channel = gateways
        .user(CLINIC, "Admin")
        .expect("a gateway")
        .network(&summary.channel);
    let mut edit = channel.config_edit().await.expect("a configuration");
    edit.set_anchor_peers(CLINIC, &[]).expect("edited");
    channel
        .apply_edit(&orderer.client, &edit, &[])
        .await
        .expect("in force");
}
