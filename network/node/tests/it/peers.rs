//! Several peers of each organisation, some of them stopped.

use fabric_node::{Network, NetworkConfig, NetworkError, PeerSummary};

use crate::chaincode::notes;
use crate::world::{contract, deploy_notes, height, height_at};

/// The health consortium with two peers of each organisation.
fn twice() -> NetworkConfig {
    NetworkConfig::health()
        .with_peers_per_organisation(2)
        .expect("two peers")
        .with_free_ports()
        .with_chaincode("notes", notes())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_peer_has_its_own_name_keys_and_ledger() {
    let network = Network::start(twice()).await.expect("starts");
    let mut identities = std::collections::BTreeSet::new();
    for member in &network.summary().organisations {
        let hosts: Vec<_> = member.peers.iter().map(|peer| peer.host.clone()).collect();
        assert_eq!(
            hosts,
            ["peer0", "peer1"].map(|name| format!("{name}.{}", member.domain))
        );
        let first = PeerSummary {
            host: member.host.clone(),
            endpoint: member.endpoint,
            chaincode: member.chaincode,
            operations: member.operations,
            tls_ca: member.tls_ca.clone(),
        };
        assert_eq!(member.peers[0], first);
        for (index, host) in hosts.iter().enumerate() {
            let peer = network.peer_at(&member.msp_id, index).expect("runs");
            identities.insert(peer.signer().serialized().to_vec());
            assert!(network.dir().join("peers").join(host).is_dir());
            height_at(&network, &member.msp_id, index, 1).await;
        }
    }
    assert_eq!(identities.len(), 8);
    assert!(network.peer_at("ClinicMSP", 2).is_none());
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_peer_is_planned_around_and_catches_up() {
    let network = Network::start(twice()).await.expect("starts");
    deploy_notes(&network).await;
    let notes = contract(&network, "HospitalMSP").await;
    notes.submit("write", ["a", "before"]).await.expect("committed");
    // A majority of four must endorse, so at least two of the three others are asked; each has one peer left.
    for (msp_id, index) in [("ClinicMSP", 0), ("InsurerMSP", 1), ("RegulatorMSP", 0)] {
        network.stop_peer(msp_id, index).await.expect("stops");
        assert!(network.peer_at(msp_id, index).is_none());
    }
    let mut last = 0;
    for number in 0..5 {
        let key = format!("k{number}");
        let written = notes.submit("write", [key.as_str(), "during"]).await;
        last = written.expect("planned around").block_number;
    }
    network.start_peer("ClinicMSP", 0).await.expect("starts again");
    network.start_peer("ClinicMSP", 0).await.expect("runs already");
    height_at(&network, "ClinicMSP", 0, last + 1).await;
    let clinic = contract(&network, "ClinicMSP").await;
    assert_eq!(
        clinic.evaluate("read", ["k4"]).await.expect("evaluated"),
        b"during"
    );
    // It endorses again: the clinic's other peer is gone now.
    network.stop_peer("ClinicMSP", 1).await.expect("stops");
    let written = clinic.submit("write", ["b", "after"]).await.expect("committed");
    height(&network, "HospitalMSP", written.block_number + 1).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_orderer_is_stopped_and_started() {
    let network = Network::start(twice()).await.expect("starts");
    deploy_notes(&network).await;
    let notes = contract(&network, "HospitalMSP").await;
    network.stop_orderer().await;
    assert!(network.orderer().is_none());
    let refused = notes
        .submit("write", ["a", "lost"])
        .await
        .expect_err("no orderer");
    assert!(
        refused
            .to_string()
            .contains("no orderers could successfully process transaction"),
        "{refused}"
    );
    assert_eq!(notes.evaluate("read", ["a"]).await.expect("reading goes on"), b"");
    network.start_orderer().await.expect("starts again");
    let written = notes.submit("write", ["a", "kept"]).await.expect("committed");
    for index in 0..2 {
        height_at(&network, "RegulatorMSP", index, written.block_number + 1).await;
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_not_there_is_named() {
    let network = Network::start(twice()).await.expect("starts");
    let error = network
        .stop_peer("ClinicMSP", 2)
        .await
        .expect_err("two peers only");
    assert!(matches!(&error, NetworkError::NoPeer { index: 2, .. }), "{error}");
    let error = network.start_peer("NobodyMSP", 0).await.expect_err("nobody");
    assert!(matches!(error, NetworkError::NoOrganisation(_)));
    network.stop().await;
}
