//! Certificates are replaced in time, or with their keys, and what they follow counts no more where it should not.

use std::path::Path;

use careledger::network::args::{CertificateKind, CertificatesArgs, RenewArgs, RotateCaArgs};
use careledger::network::{authority, certificates, renewal};
use careledger::output::Output;
use careledger_tests::administration::caught_up;
use careledger_tests::engine;
use careledger_tests::kv;
use careledger_tests::members::{self, Members};
use fabric_channel::Bundle;
use fabric_gateway_sdk::SigningIdentity;
use fabric_msp::Certificate;
use fabric_msp::cryptogen::Organization;
use fabric_node::{Network, NetworkConfig, UserSpec};
use fabric_protos::etcdraft::ConfigMetadata;
use prost::Message;
use tempfile::TempDir;

const ORG: &str = "Org1MSP";
const PEER: &str = "peer0.org1.example.com";
const ORDERER: &str = "orderer.example.com";

/// Org1 to Org3 with the key-value chaincode, on files that stay.
async fn start(dir: &TempDir) -> (Network, Members) {
    careledger_sdk::install_crypto_provider();
    members::start(NetworkConfig::test_network().with_dir(dir.path())).await
}

/// The same network once more, on other ports.
async fn again(dir: &Path) -> (Network, Members) {
    let config = NetworkConfig::test_network()
        .with_dir(dir)
        .with_free_ports()
        .with_chaincode(kv::CHAINCODE, kv::in_process());
    let network = Network::start(config).await.expect("starts again");
    let members = Members::connect(network.summary()).await;
    (network, members)
}

fn renew(dir: &TempDir, msp_id: &str, holders: &[&str]) -> RenewArgs {
    RenewArgs {
        msp_id: msp_id.to_owned(),
        holders: holders.iter().map(|&holder| holder.to_owned()).collect(),
        dir: dir.path().to_owned(),
        only: None,
        new_key: true,
        revoke: false,
        revoke_only: false,
        days: None,
    }
}

async fn put_as(members: &Members, identity: SigningIdentity, key: &str) -> Result<Vec<u8>, String> {
    let submitted = members.kv_as(identity).submit("put", [key, "value"]).await;
    let submitted = submitted.map_err(|error| error.to_string())?;
    let block = members.network(ORG).block(submitted.block_number).await;
    Ok(block.expect("the block").encode_to_vec())
}

/// Waits until every member's peer has what Org1's has: what it was told of the channel's configuration counts at all endorsers then.
async fn level(network: &Network, members: &Members) {
    let height = members.height(ORG).await;
    for msp_id in members.msp_ids() {
        caught_up(network, msp_id, network.channel(), height).await;
    }
}

fn holds(bytes: &[u8], certificate: &Certificate) -> bool {
    let pem = certificate.pem();
    bytes.windows(pem.len()).any(|window| window == pem.as_bytes())
}

fn tree(network: &Network) -> Organization {
    network.organisation(ORG).expect("a member").clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_renewed_identity_counts_at_once_and_a_revoked_one_no_more() {
    if engine::embedded_only("it renews certificates of a network of its own") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let (network, members) = start(&dir).await;
    let old = members.identity(ORG, "User1");
    let output = Output::new(false);

    // The same key in a new certificate: both count.
    let mut args = renew(&dir, ORG, &["User1"]);
    (args.new_key, args.days) = (false, Some(30));
    renewal::run(&args, &output).await.expect("renewed");
    let same = members.identity(ORG, "User1");
    let (before, after) = (old.identity().certificate(), same.identity().certificate());
    assert_eq!(before.key().bytes(), after.key().bytes());
    assert_ne!(before.serial(), after.serial());
    assert!(after.not_after() < before.not_after());
    assert_eq!(before.subject_der(), after.subject_der());
    put_as(&members, old.clone(), "old").await.expect("not revoked");
    put_as(&members, same.clone(), "same").await.expect("a member");

    // Another key, and what was before it is refused.
    let mut args = renew(&dir, ORG, &["User1@org1.example.com"]);
    (args.only, args.revoke) = (Some(CertificateKind::Identity), true);
    renewal::run(&args, &output).await.expect("renewed and revoked");
    let new = members.identity(ORG, "User1");
    assert_ne!(new.identity().certificate().key().bytes(), before.key().bytes());
    for revoked in [old, same] {
        let reason = put_as(&members, revoked, "x").await.expect_err("revoked");
        assert!(
            reason.contains("access denied") || reason.contains("revoked"),
            "{reason}"
        );
    }
    put_as(&members, new, "new").await.expect("a member");

    let refused = renewal::run(&renew(&dir, ORG, &["peer7"]), &output).await;
    let reason = refused.expect_err("nobody").to_string();
    assert!(
        reason.contains("Org1MSP has no node and no user peer7"),
        "{reason}"
    );
    let refused = renewal::run(&renew(&dir, "Org7MSP", &[]), &output).await;
    let reason = refused.expect_err("nobody").to_string();
    assert!(
        reason.contains("choose one of OrdererMSP, Org1MSP, Org2MSP, Org3MSP"),
        "{reason}"
    );
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_start_again_with_new_certificates_and_the_old_ones_endorse_nothing() {
    if engine::embedded_only("it renews certificates of a network of its own") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let (network, members) = start(&dir).await;
    let output = Output::new(false);
    let own = tree(&network);
    let kept = dir.path().join("kept");
    fabric_node::copy_tree(&own.node_dir("peer0").join("msp"), &kept).expect("copied");
    let certificate = |tree: &Organization| {
        let identity = tree.node_identity("peer0").expect("an identity");
        identity.identity().certificate().clone()
    };
    let old = certificate(&own);

    renewal::run(&renew(&dir, ORG, &[PEER]), &output)
        .await
        .expect("renewed");
    renewal::run(&renew(&dir, "OrdererMSP", &[ORDERER]), &output)
        .await
        .expect("renewed");
    let new = certificate(&own);
    assert_ne!(old.key().bytes(), new.key().bytes());

    // The channel names the ordering node's new TLS certificate.
    let config = members.network(ORG).config().await.expect("a configuration");
    let bundle = Bundle::from_config(network.channel(), config).expect("usable");
    let mapping =
        ConfigMetadata::decode(bundle.orderer_config().consensus_metadata.as_slice()).expect("a mapping");
    let served =
        std::fs::read(dir.path().join(
            "organizations/ordererOrganizations/example.com/orderers/orderer.example.com/tls/server.crt",
        ))
        .expect("a certificate");
    assert_eq!(mapping.consenters[0].server_tls_cert, served);
    assert_eq!(mapping.consenters[0].client_tls_cert, served);
    network.stop().await;

    let (network, members) = again(dir.path()).await;
    let block = put_as(&members, members.identity(ORG, "User1"), "new")
        .await
        .expect("committed");
    let both = members
        .kv(ORG)
        .proposal("put")
        .args(["both", "value"])
        .endorsing_organizations([ORG, "Org2MSP"])
        .submit()
        .await
        .expect("the new certificate endorses");
    let block_of_both = members
        .network(ORG)
        .block(both.block_number)
        .await
        .expect("the block");
    assert!(holds(&block_of_both.encode_to_vec(), &new));
    assert!(!holds(&block, &old));
    let mut args = renew(&dir, ORG, &[PEER]);
    (args.new_key, args.revoke_only) = (false, true);
    renewal::run(&args, &output)
        .await
        .expect("the old one is revoked");
    assert_eq!(certificate(&own).serial(), new.serial(), "and nothing renewed");
    put_as(&members, members.identity(ORG, "User1"), "still")
        .await
        .expect("the new one goes on");
    network.stop().await;

    // Whoever has the old key runs a peer with it: nothing that it endorses is valid.
    let msp = own.node_dir("peer0").join("msp");
    std::fs::remove_dir_all(&msp).expect("removed");
    fabric_node::copy_tree(&kept, &msp).expect("put back");
    let (network, members) = again(dir.path()).await;
    let call = members.kv("Org2MSP").proposal("put").args(["stolen", "value"]);
    let refused = call.endorsing_organizations([ORG, "Org2MSP"]).submit().await;
    refused.expect_err("a revoked endorsement does not count");
    assert_eq!(members.value("Org2MSP", "stolen").await, None);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn another_ca_follows_and_the_old_one_counts_no_more() {
    if engine::embedded_only("it replaces the CAs of a network of its own") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let (network, members) = start(&dir).await;
    let output = Output::new(false);
    let args = |msp_id: &str, finish| RotateCaArgs {
        msp_id: msp_id.to_owned(),
        dir: dir.path().to_owned(),
        finish,
    };
    let old = members.identity(ORG, "User1");
    for organisation in [ORG, "OrdererMSP"] {
        authority::run(&args(organisation, false), &output)
            .await
            .expect("both are trusted");
        // A run that broke off is continued; there is nothing left here.
        authority::run(&args(organisation, false), &output)
            .await
            .expect("again");
    }
    level(&network, &members).await;
    let new = members.identity(ORG, "User1");
    let (before, after) = (old.identity().certificate(), new.identity().certificate());
    assert_eq!(
        before.issuer_der(),
        after.issuer_der(),
        "contracts know people by it"
    );
    put_as(&members, old.clone(), "old").await.expect("still trusted");
    put_as(&members, new.clone(), "new")
        .await
        .expect("trusted already");

    let own = tree(&network);
    network.stop().await;
    let (network, members) = again(dir.path()).await;
    for organisation in [ORG, "OrdererMSP"] {
        authority::run(&args(organisation, true), &output)
            .await
            .expect("finished");
    }
    let reason = put_as(&members, old, "x").await.expect_err("of the old CA");
    assert!(reason.contains("access denied"), "{reason}");
    put_as(&members, new, "after").await.expect("of the new one");
    let endorsed = members
        .kv(ORG)
        .proposal("put")
        .args(["endorsed", "value"])
        .endorsing_organizations([ORG, "Org3MSP"])
        .submit()
        .await;
    endorsed.expect("the peer's identity is of the new CA, too");
    assert_eq!(
        own.previous_ca().expect("readable").map(|ca| ca.fingerprint()),
        None
    );
    let config = members.network(ORG).config_edit().await.expect("a configuration");
    assert_eq!(config.msp(ORG).expect("an MSP").root_certs.len(), 1);
    network.stop().await;
    // And once more from its files.
    let (network, members) = again(dir.path()).await;
    assert_eq!(members.value(ORG, "endorsed").await.as_deref(), Some("value"));
    put_as(&members, members.identity(ORG, "User1"), "last")
        .await
        .expect("committed");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_expires_soon_is_told_before() {
    if engine::embedded_only("it lists certificates of a network of its own") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let config = NetworkConfig::test_network()
        .with_free_ports()
        .with_dir(dir.path());
    let network = Network::start(config).await.expect("starts");
    let output = Output::new(false);
    let within = |days, organisation: Option<&str>| {
        let args = CertificatesArgs {
            dir: dir.path().to_owned(),
            organisation: organisation.map(str::to_owned),
            within: days,
        };
        certificates::run(&args, &output).map_err(|error| error.to_string())
    };
    within(None, None).expect("listed");
    within(Some(365), None).expect("nothing expires within a year");
    assert!(
        within(Some(36_500), None)
            .expect_err("ten years")
            .contains("certificates expire within 36500 days")
    );
    let soon = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    let locum = UserSpec {
        not_after: Some(i64::try_from(soon.as_secs()).expect("fits") + 5 * 86_400 + 3_600),
        ..UserSpec::client("locum@org2.example.com")
    };
    network.add_user("Org2MSP", &locum).expect("issued");
    within(Some(5), None).expect("five days and an hour are left");
    assert_eq!(
        within(Some(6), None),
        Err("one certificate expires within 6 days".to_owned())
    );
    assert_eq!(
        within(Some(6), Some("Org2MSP")),
        Err("one certificate expires within 6 days".to_owned())
    );
    within(Some(6), Some("Org1MSP")).expect("none of its own");
    within(None, Some("Org7MSP")).expect_err("nobody");
    network.stop().await;
}
