//! What real Fabric's nodes go through under load, on a network that `careledger network up --engine fabric` started with Compose: nothing
//! acknowledged is lost. By hand, one after the other, for they kill containers:
//!
//! ```console
//! $ CARELEDGER_ENGINE=fabric CARELEDGER_NETWORK_DIR=my-fabric cargo test -p careledger-tests --test e2e fabric_faults:: -- --ignored --test-threads 1 --nocapture
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use careledger::fabric::bring::{Progress, bring_up, orderer_admin};
use careledger::fabric::compose::Compose;
use careledger::fabric::layout;
use careledger::fabric::upgrade::upgrade;
use careledger::health::{self, CLINIC, Gateways, HOSPITAL};
use careledger::network;
use careledger_api::contracts::consent::{LogKind, MAX_LOG_PAGE};
use careledger_api::roles::Role;
use careledger_sdk::wallet::{Signed, unix_now};
use careledger_tests::engine::Engine;
use careledger_tests::hospital::Hospital;
use careledger_tests::load::{Load, Outcome, has_all};
use fabric_node::NetworkSummary;

const CLIENTS: usize = 8;
/// Commits before a fault, and after it.
const SOME: usize = 40;

struct Case {
    dir: PathBuf,
    network: NetworkSummary,
    compose: Compose,
    hospital: Hospital,
}

impl Case {
    async fn open() -> Self {
        let Engine::Fabric(dir) = Engine::of_environment() else {
            panic!("set CARELEDGER_ENGINE=fabric and CARELEDGER_NETWORK_DIR");
        };
        let network = network::summary(&dir).expect("a network");
        let files = layout::read(&dir).expect("a layout").compose;
        Self {
            compose: Compose::find(&files).await.expect("Compose"),
            hospital: Hospital::open().await,
            network,
            dir,
        }
    }

    async fn compose(&self, words: &[&str]) {
        self.compose.run(words).await.expect("Compose does it");
    }

    /// Every member's peer has every acknowledged transaction and calls it valid.
    async fn nothing_is_lost(&self, what: &str, outcome: &Outcome) {
        for member in &self.network.organisations {
            let peer = self.hospital.client(&member.msp_id, Role::Dpo);
            has_all(&peer, &outcome.acknowledged).await;
        }
        let rate = outcome.acknowledged.len() as f64 / outcome.lasted.as_secs_f64();
        println!(
            "{what}: {} acknowledged in {:.1} s ({rate:.0}/s), every one valid at all {} peers; {} calls failed; longest wait of a client {:.1} s",
            outcome.acknowledged.len(),
            outcome.lasted.as_secs_f64(),
            self.network.organisations.len(),
            outcome.failed.len(),
            outcome.longest_wait.as_secs_f64(),
        );
        let mut reasons = outcome.failed.clone();
        reasons.sort();
        reasons.dedup_by_key(|reason| reason.chars().skip(90).take(60).collect::<String>());
        for reason in reasons.iter().take(6) {
            println!("    {reason}");
        }
    }
}

fn docker(words: &[&str]) {
    let done = std::process::Command::new("docker").args(words).output();
    let done = done.expect("docker runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "restarts a container of a running network"]
async fn a_chaincode_service_restarts_under_load() {
    let case = Case::open().await;
    let load = Load::start(&case.hospital, CLIENTS);
    load.more(SOME).await;
    let layout = layout::read(&case.dir).expect("a layout");
    let running = layout.chaincodes.last().expect("a version");
    case.compose(&["restart", &running.host("hospital.example.com")])
        .await;
    load.more(SOME).await;
    let outcome = load.finish().await;
    case.nothing_is_lost("chaincode restarted", &outcome).await;
    let gateways = Gateways::connect(&case.network).await.expect("the peers answer");
    let back = Instant::now();
    while let Err(error) = health::answers(&gateways, HOSPITAL).await {
        assert!(back.elapsed() < Duration::from_secs(60), "{error}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!(
        "    it answers {:.1} s after the load",
        back.elapsed().as_secs_f64()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "kills a container of a running network"]
async fn one_of_three_ordering_nodes_is_lost() {
    let case = Case::open().await;
    for orderer in &case.network.orderers {
        let load = Load::start(&case.hospital, CLIENTS);
        load.more(SOME).await;
        case.compose(&["kill", &orderer.host]).await;
        load.more(SOME).await;
        case.compose(&["start", &orderer.host]).await;
        let outcome = load.finish().await;
        case.nothing_is_lost(&format!("{} killed", orderer.host), &outcome)
            .await;

        let height = async |of: &fabric_node::OrdererSummary| {
            let admin = orderer_admin(&case.network, of).expect("certificates");
            admin
                .channel(&case.network.channel)
                .await
                .map(|channel| channel.height)
        };
        let began = Instant::now();
        loop {
            let mut heights = Vec::new();
            for other in &case.network.orderers {
                heights.push(height(other).await.ok());
            }
            if heights[0].is_some() && heights.iter().all(|one| *one == heights[0]) {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{heights:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        println!(
            "    it has every block {:.1} s after it was started",
            began.elapsed().as_secs_f64()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "kills and wipes a container of a running network"]
async fn a_peer_that_was_killed_and_wiped_rejoins() {
    let case = Case::open().await;
    let peer = case
        .network
        .organisation(HOSPITAL)
        .expect("a member")
        .host
        .clone();
    case.hospital.grant().await;
    let load = Load::start(&case.hospital, CLIENTS);
    load.more(SOME).await;
    // The container that hands the volumes over holds on to them, too.
    case.compose(&["rm", "--force", "--stop", "-v", &peer, "volumes"])
        .await;
    let volume = format!(
        "{}_{peer}",
        layout::read(&case.dir).expect("a layout").compose.project
    );
    docker(&["volume", "rm", &volume]);
    // The regulator's peer endorses alone meanwhile.
    load.more(SOME).await;
    // With what it depends on: somebody has to give the new volume to the peer's user.
    case.compose(&["up", "-d", &peer]).await;
    let began = Instant::now();
    let packages = layout::packages(&layout::read(&case.dir).expect("a layout")).expect("packages");
    let mut done = Vec::new();
    let mut tell = |progress| {
        if let Progress::Done(what) = progress {
            done.push(what);
        }
    };
    let gateways = bring_up(&case.network, &packages, &mut tell)
        .await
        .expect("it rejoins");
    println!("rejoined after {:.1} s: {done:?}", began.elapsed().as_secs_f64());
    assert!(done.iter().any(|what| what.contains(&peer)), "{done:?}");
    let outcome = load.finish().await;
    case.nothing_is_lost("peer wiped", &outcome).await;

    // Private data come from the regulator's peer: the patient's log, read at the hospital's peer alone, has every access.
    let began = Instant::now();
    let portal = gateways.health(HOSPITAL, Role::Portal).expect("a client");
    loop {
        let Signed { body, intent } = case
            .hospital
            .patient
            .log(HOSPITAL, &[LogKind::Access], None, MAX_LOG_PAGE)
            .expect("signed");
        let asked = portal
            .consents()
            .my_log(HOSPITAL, body, intent)
            .endorsed_by([HOSPITAL]);
        match asked.send().await {
            Ok(page) if !page.entries.is_empty() => break,
            other => assert!(began.elapsed() < Duration::from_secs(180), "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    println!(
        "    its private data are there {:.1} s later",
        began.elapsed().as_secs_f64()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "commits another definition on a running network"]
async fn an_upgrade_does_not_stop_readers() {
    let case = Case::open().await;
    let gateways = Gateways::connect(&case.network).await.expect("the peers answer");
    let stop = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for member in &case.network.organisations {
        let (stop, msp_id) = (Arc::clone(&stop), member.msp_id.clone());
        let client = case
            .hospital
            .client_alone(&msp_id, case.hospital.identity(&msp_id, "Admin"));
        readers.push(tokio::spawn(async move {
            let (mut reads, mut failed) = (0, Vec::new());
            while !stop.load(Ordering::Relaxed) {
                let read = client
                    .registry()
                    .consortium()
                    .endorsed_by([msp_id.as_str()])
                    .send()
                    .await;
                reads += 1;
                let Err(first) = read else { continue };
                // A peer that commits the definition refuses what it is asked in that very moment, and answers at once when asked again.
                println!("    asked again: {first}");
                tokio::task::yield_now().await;
                let again = client.registry().consortium().endorsed_by([msp_id.as_str()]);
                if let Err(error) = again.send().await {
                    failed.push(error.to_string());
                }
            }
            (reads, failed)
        }));
    }
    let load = Load::start(&case.hospital, CLIENTS);
    load.more(SOME).await;
    // The same program under another version: its services are other containers, and its packages others.
    let before = layout::read(&case.dir).expect("a layout").chaincodes;
    let old = &before.last().expect("a version").version;
    let version = format!("{}-{}", env!("CARGO_PKG_VERSION"), unix_now());
    docker(&[
        "tag",
        &format!("careledger/chaincode:{old}"),
        &format!("careledger/chaincode:{version}"),
    ]);
    let began = Instant::now();
    let mut committed = Vec::new();
    let mut tell = |progress| {
        if let Progress::Committed(event) = progress {
            committed.push(event.what);
        }
    };
    upgrade(&case.dir, &version, true, &mut tell)
        .await
        .expect("upgraded");
    println!(
        "upgraded in {:.1} s: {committed:?}",
        began.elapsed().as_secs_f64()
    );
    assert_eq!(committed.len(), case.network.organisations.len() + 1);
    let after = layout::read(&case.dir).expect("a layout").chaincodes;
    assert_eq!(after.len(), 1, "the old one has ended");
    assert_eq!(after[0].version, version);
    load.more(SOME).await;
    let outcome = load.finish().await;
    stop.store(true, Ordering::Relaxed);
    let (mut reads, mut failed) = (0, Vec::new());
    for reader in readers {
        let one: (usize, Vec<String>) = reader.await.expect("a reader does not panic");
        reads += one.0;
        failed.extend(one.1);
    }
    println!("    {reads} reads, {} failed", failed.len());
    case.nothing_is_lost("upgraded", &outcome).await;
    assert_eq!(failed, Vec::<String>::new());
    // The patient's keys count as before.
    case.hospital.grant().await;
    health::answers(&gateways, CLINIC).await.expect("answers");
}
