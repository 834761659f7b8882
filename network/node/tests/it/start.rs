//! Starting, stopping, starting again.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fabric_msp::SigningIdentity;
use fabric_node::{Network, NetworkConfig, NetworkError, NetworkSummary, UserSpec};

use crate::world::{broadcast, contract, deploy_notes, health, height, message, status};
use fabric_protos::common::Status;

#[tokio::test(flavor = "multi_thread")]
async fn the_health_consortium_starts_with_everything_in_its_place() {
    let temp = tempfile::tempdir().expect("temporary directory");
    let network = Network::start(health().with_dir(temp.path().join("network")))
        .await
        .expect("starts");
    let summary = network.summary();
    assert_eq!(network.channel(), "health");
    let members: Vec<_> = summary
        .organisations
        .iter()
        .map(|member| member.msp_id.as_str())
        .collect();
    assert_eq!(
        members,
        ["HospitalMSP", "ClinicMSP", "InsurerMSP", "RegulatorMSP"]
    );
    for member in &summary.organisations {
        let peer = network.peer(&member.msp_id).expect("a peer");
        assert_eq!(peer.channel("health").expect("joined").height(), 1);
        assert!(member.tls_ca.is_file());
        for user in ["Admin", "User1"] {
            SigningIdentity::from_msp_dir(&member.users[user], &member.msp_id).expect("the user's identity");
        }
        assert!(network.dir().join("peers").join(&member.host).is_dir());
    }
    let file = std::fs::read(network.dir().join("network.json")).expect("network.json");
    assert_eq!(
        serde_json::from_slice::<NetworkSummary>(&file).expect("parses"),
        *summary
    );
    let tree = network
        .dir()
        .join("organizations/peerOrganizations/clinic.example.com");
    assert!(tree.join("users/User1@clinic.example.com/msp/signcerts").is_dir());
    assert!(tree.join("peers/peer0.clinic.example.com/tls/ca.crt").is_file());
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_a_later_configuration_gets_an_identity_and_the_others_keep_theirs() {
    let temp = tempfile::tempdir().expect("temporary directory");
    let mut config = health().with_dir(temp.path().join("network"));
    let identity = |network: &Network, user: &str| {
        let member = &network.summary().organisations[0];
        SigningIdentity::from_msp_dir(&member.users[user], &member.msp_id).expect("the user's identity")
    };
    let network = Network::start(config.clone()).await.expect("starts");
    let before = identity(&network, "User1")
        .identity()
        .certificate_pem()
        .to_owned();
    network.stop().await;
    let name = format!("late@{}", config.organisations[0].domain);
    config.organisations[0].users.push(UserSpec::client(&name));
    let network = Network::start(config).await.expect("starts again");
    identity(&network, "late");
    assert_eq!(identity(&network, "User1").identity().certificate_pem(), before);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_and_no_directory_is_open_to_others() {
    let network = Network::start(health()).await.expect("starts");
    let (mut keys, mut open) = (0, Vec::new());
    // What lies below a peer's or the orderer's own directory is closed by that one.
    let stores = [network.dir().join("peers"), network.dir().join("orderer")];
    walk(network.dir(), &mut |path, mode| {
        let inside = stores
            .iter()
            .filter_map(|store| path.strip_prefix(store).ok())
            .any(|rest| rest.components().count() > 1);
        if inside {
            return;
        }
        let is_key = path.ends_with("priv_sk") || path.extension().is_some_and(|kind| kind == "key");
        keys += usize::from(is_key);
        if mode & if path.is_dir() || is_key { 0o077 } else { 0 } != 0 {
            open.push(format!("{} {mode:o}", path.display()));
        }
    });
    assert!(keys > 20, "found {keys} keys");
    assert_eq!(open, [""; 0]);
    network.stop().await;
}

fn walk(path: &Path, see: &mut impl FnMut(&Path, u32)) {
    see(
        path,
        std::fs::metadata(path).expect("exists").permissions().mode(),
    );
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("a directory") {
            walk(&entry.expect("an entry").path(), see);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_network_leaves_nothing() {
    let network = Network::start(health()).await.expect("starts");
    let dir = network.dir().to_owned();
    network.stop().await;
    assert!(!dir.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_ledgers_packages_and_definitions() {
    let temp = tempfile::tempdir().expect("temporary directory");
    let config = || health().with_dir(temp.path());
    let network = Network::start(config()).await.expect("starts");
    deploy_notes(&network).await;
    let notes = contract(&network, "ClinicMSP").await;
    let written = notes.submit("write", ["a", "first"]).await.expect("committed");
    let ca = std::fs::read(&network.summary().organisations[0].tls_ca).expect("a CA");
    for member in ["HospitalMSP", "ClinicMSP", "InsurerMSP", "RegulatorMSP"] {
        height(&network, member, written.block_number + 1).await;
    }
    network.stop().await;

    let network = Network::start(config()).await.expect("starts again");
    assert_eq!(
        std::fs::read(&network.summary().organisations[0].tls_ca).expect("a CA"),
        ca,
        "the same keys"
    );
    for member in ["HospitalMSP", "ClinicMSP", "InsurerMSP", "RegulatorMSP"] {
        let channel = network
            .peer(member)
            .expect("a peer")
            .channel("health")
            .expect("joined");
        assert_eq!(channel.height(), written.block_number + 1);
    }
    let notes = contract(&network, "InsurerMSP").await;
    assert_eq!(notes.evaluate("read", ["a"]).await.expect("evaluated"), b"first");
    let again = notes.submit("write", ["a", "second"]).await.expect("committed");
    assert_eq!(again.block_number, written.block_number + 1);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_orderer_refuses_foreign_certificates() {
    let network = Network::start(health()).await.expect("starts");
    let other = Network::start(health()).await.expect("another network");
    let own = network.user("HospitalMSP", "User1").expect("a user");
    let foreign = other.user("HospitalMSP", "User1").expect("a user");
    let refused = broadcast(&network, message("health", &foreign)).await;
    assert_eq!(status(&refused), Status::Forbidden, "{}", refused.info);
    assert!(refused.info.ends_with("permission denied"), "{}", refused.info);
    assert_eq!(network.orderer().expect("runs").channels()[0].height, 1);
    // The same message of an own user is ordered (and found invalid by the peers).
    assert_eq!(
        status(&broadcast(&network, message("health", &own)).await),
        Status::Success
    );
    height(&network, "ClinicMSP", 2).await;
    network.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_start_says_why() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let temp = tempfile::tempdir().expect("temporary directory");
    let mut config = health().with_dir(temp.path().join("network"));
    config.organisations[2].peers[0].port = port;
    let error = Network::start(config).await.expect_err("the port is taken");
    assert!(
        matches!(&error, NetworkError::PortInUse { port: found, .. } if *found == port),
        "{error}"
    );
    assert!(error.to_string().contains("peer0.insurer.example.com"), "{error}");
    assert!(!temp.path().join("network").exists(), "nothing was written");

    let network = Network::start(health().with_dir(temp.path()))
        .await
        .expect("starts");
    let error = Network::start(health().with_dir(temp.path()))
        .await
        .expect_err("in use");
    assert!(matches!(error, NetworkError::DirInUse(_)), "{error}");
    network.stop().await;
    let other = NetworkConfig::test_network()
        .with_free_ports()
        .with_dir(temp.path());
    let error = Network::start(other).await.expect_err("another network");
    assert!(matches!(error, NetworkError::DirOther { .. }), "{error}");

    let mut open = NetworkConfig {
        seed: Some(vec![7]),
        ..health()
    };
    open.listen = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    assert!(matches!(Network::start(open).await, Err(NetworkError::Config(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_gives_the_same_marked_keys() {
    let config = || NetworkConfig {
        seed: Some(b"again".to_vec()),
        ..health()
    };
    let first = Network::start(config()).await.expect("starts");
    let second = Network::start(config()).await.expect("starts");
    let of = |network: &Network| {
        network
            .user("ClinicMSP", "User1")
            .expect("a user")
            .identity()
            .clone()
    };
    assert_eq!(of(&first), of(&second));
    assert!(
        of(&first)
            .organizational_units()
            .iter()
            .any(|unit| unit == "INSECURE-TEST")
    );
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_added_to_a_running_network() {
    let network = Network::start(health()).await.expect("starts");
    let spec = UserSpec::client("nurse7").with_attribute("role", "nurse");
    let nurse = network.add_user("ClinicMSP", &spec).expect("issued");
    assert_eq!(nurse.msp_id(), "ClinicMSP");
    assert_eq!(
        status(&broadcast(&network, message("health", &nurse)).await),
        Status::Success
    );
    assert!(
        network.add_user("ClinicMSP", &spec).is_err(),
        "a key is never overwritten"
    );
    assert!(matches!(
        network.add_user("NobodyMSP", &spec),
        Err(NetworkError::NoOrganisation(_))
    ));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fabrics_test_network_from_its_own_material() {
    let made = Network::start(NetworkConfig::test_network().with_free_ports())
        .await
        .expect("starts");
    let config = NetworkConfig {
        material: Some(made.dir().join("organizations")),
        genesis_block: Some(made.summary().genesis_block.clone()),
        ..NetworkConfig::test_network().with_free_ports()
    };
    let copied = Network::start(config)
        .await
        .expect("starts from existing material");
    let user = made.user("Org2MSP", "User1").expect("a user");
    assert_eq!(
        status(&broadcast(&copied, message("mychannel", &user)).await),
        Status::Success
    );
    made.stop().await;
    copied.stop().await;
}
