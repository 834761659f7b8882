//! Transactions through a member's gateway.

use std::time::{Duration, Instant, SystemTime};

use fabric_gateway_sdk::Gateway;
use fabric_node::Network;

use crate::world::{connect, contract, deploy_notes, gateway, health, height};

#[tokio::test(flavor = "multi_thread")]
async fn deploy_write_and_read_everywhere() {
    let begin = Instant::now();
    let network = Network::start(health()).await.expect("starts");
    let ready = begin.elapsed();
    deploy_notes(&network).await;
    let notes = contract(&network, "HospitalMSP").await;
    let written = notes.submit("write", ["a", "hello"]).await.expect("committed");
    let first = begin.elapsed();
    tracing::info!(?ready, ?first, "started");
    for member in ["HospitalMSP", "ClinicMSP", "InsurerMSP", "RegulatorMSP"] {
        height(&network, member, written.block_number + 1).await;
        let found = contract(&network, member)
            .await
            .evaluate("read", ["a"])
            .await
            .expect("evaluated");
        assert_eq!(found, b"hello", "{member}");
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn private_values_reach_members_only() {
    let network = Network::start(health()).await.expect("starts");
    deploy_notes(&network).await;
    let notes = contract(&network, "HospitalMSP").await;
    let proposal = notes
        .proposal("hide")
        .args(["a"])
        .transient("secret", br#""the patient's""#.to_vec())
        .endorsing_organizations(["HospitalMSP"]);
    let hidden = proposal.submit().await.expect("committed");
    for (member, may) in [
        ("HospitalMSP", true),
        ("RegulatorMSP", true),
        ("ClinicMSP", false),
        ("InsurerMSP", false),
    ] {
        height(&network, member, hidden.block_number + 1).await;
        let asked = contract(&network, member).await;
        let answer = asked
            .proposal("reveal")
            .args(["a"])
            .endorsing_organizations([member])
            .evaluate()
            .await;
        match answer {
            Ok(value) => assert!(may && value == b"the patient's", "{member} got {value:?}"),
            Err(error) => assert!(!may, "{member}: {error}"),
        }
        let directory = network
            .dir()
            .join("peers")
            .join(&network.summary().organisation(member).expect("a member").host);
        assert_eq!(
            holds(&directory, b"the patient's"),
            may,
            "on the disk of {member}"
        );
    }
    network.stop().await;
}

/// Whether a file below `path` holds `needle` in the clear.
fn holds(path: &std::path::Path, needle: &[u8]) -> bool {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).expect("a directory");
        return entries
            .into_iter()
            .any(|entry| holds(&entry.expect("an entry").path(), needle));
    }
    let content = std::fs::read(path).unwrap_or_default();
    content.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test(flavor = "multi_thread")]
async fn old_proposals_are_refused() {
    let network = Network::start(health()).await.expect("starts");
    deploy_notes(&network).await;
    let user = network.user("ClinicMSP", "User1").expect("a user");
    for (age, allowed) in [(240, true), (360, false)] {
        let clock = move || SystemTime::now() - Duration::from_secs(age);
        let late = Gateway::builder(connect(&network, "ClinicMSP").await)
            .identity(user.clone())
            .clock(std::sync::Arc::new(clock))
            .connect();
        let answer = late
            .network("health")
            .contract("notes")
            .evaluate("read", ["a"])
            .await;
        assert_eq!(answer.is_ok(), allowed, "{age} seconds: {answer:?}");
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_at_once() {
    let network = Network::start(health()).await.expect("starts");
    deploy_notes(&network).await;
    let gateway = gateway(&network, "ClinicMSP", "User1").await;
    let submissions = (0..100).map(|number| {
        let notes = gateway.network("health").contract("notes");
        async move {
            notes
                .submit("write", [format!("key{number}"), "x".to_owned()])
                .await
                .expect("committed")
                .block_number
        }
    });
    let blocks = futures::future::join_all(submissions).await;
    let last = blocks.iter().max().expect("some");
    let used = blocks.iter().collect::<std::collections::BTreeSet<_>>().len();
    assert!(used < 100, "{used} blocks for 100 transactions at once");
    height(&network, "RegulatorMSP", last + 1).await;
    network.stop().await;
}
