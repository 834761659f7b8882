//! A running network is measured by a profile, or by its directory.

use clap::Parser;
use fabric_node::Network;
use serde_json::Value;

use super::{embedded, of_profile, of_running};
use crate::args::{BenchArgs, BenchMode, Cli, Command};
use crate::output::Output;

/// The profile of an embedded network, as its operator would write it from `network.json`.
fn profile_of(network: &Network) -> String {
    let mut text = format!(
        "channel = {:?}\nchaincode = \"keyvalue\"\n[private]\ncollection = \"pair\"\nmembers = [\"Org1MSP\", \"Org2MSP\"]\n",
        network.channel()
    );
    for organisation in &network.summary().organisations {
        let user = organisation
            .users
            .get("User1")
            .expect("every organisation has a user");
        text += &format!(
            "[[organisations]]\nmsp_id = {:?}\nendpoint = \"{}\"\nserver_name = {:?}\ntls_ca = {:?}\nuser = {user:?}\n",
            organisation.msp_id, organisation.endpoint, organisation.host, organisation.tls_ca
        );
    }
    text
}

/// One second of a mode by five clients, with so many keys that no two meet.
fn asked(mode: &str) -> BenchArgs {
    let line = [
        "careledger",
        "bench",
        "--mode",
        mode,
        "--clients",
        "5",
        "--seconds",
        "1",
        "--keys",
        "1000000000000",
    ];
    match Cli::parse_from(line).command {
        Command::Bench(args) => args,
        _ => panic!("another command"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_network_is_measured_by_its_profile() {
    let output = Output::new(true);
    let network = Network::start(embedded::network_config(BenchMode::Private, 3))
        .await
        .expect("starts");
    embedded::prepare(&network, &asked("private"), &output)
        .await
        .expect("deploys");
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("profile.toml");
    std::fs::write(&path, profile_of(&network)).expect("written");

    for mode in ["put", "get", "range", "update", "private"] {
        let document = of_profile(&asked(mode), &path, &output)
            .await
            .expect("measured")
            .document();
        assert!(
            document.get("committed").and_then(Value::as_u64) > Some(0),
            "{document}"
        );
        assert_eq!(document.get("errors"), Some(&serde_json::json!({})), "{document}");
        assert_eq!(document.get("engine"), Some(&Value::from("profile")));
    }

    // Whom the network does not know is refused, with the reason.
    let text = profile_of(&network).replace("chaincode = \"keyvalue\"", "chaincode = \"nobody\"");
    std::fs::write(&path, text).expect("written");
    let error = of_profile(&asked("put"), &path, &output)
        .await
        .expect_err("no such chaincode")
        .to_string();
    assert!(
        error.contains("the first transaction failed") && error.contains("nobody"),
        "{error}"
    );
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_are_measured_on_the_running_network_of_a_directory() {
    let output = Output::new(true);
    let network = Network::start(embedded::network_config(BenchMode::Claim, 4))
        .await
        .expect("starts");
    super::claims::established(&network).await.expect("established");
    let dir = network.summary().dir.clone();
    let of_month = |seed| BenchArgs {
        seconds: 10,
        clients: 2,
        transactions: Some(4),
        patients: Some(60),
        month_seed: seed,
        ..asked("claim")
    };
    for seed in [7, 8] {
        let measured = of_running(&of_month(seed), &dir, &output)
            .await
            .expect("measured");
        let document = measured.document();
        assert_eq!(document["committed"], 4, "{document}");
        assert_eq!(document["engine"], "directory", "{document}");
    }
    // The same month is there already.
    let again = of_running(&of_month(7), &dir, &output).await;
    let refused = again.expect_err("a second time").to_string();
    assert!(refused.contains("--month-seed"), "{refused}");
    let other = of_running(&asked("access"), &dir, &output).await;
    assert!(other.expect_err("another mode").to_string().contains("--profile"));
    network.stop().await;
}
