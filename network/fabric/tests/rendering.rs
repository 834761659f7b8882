//! What is rendered, as containers and people would look at it.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fabric_channel::Bundle;
use fabric_node::{Network, NetworkConfig, OrganisationConfig, UserSpec};
use fabric_protos::common::Block;
use fabric_protos::etcdraft::ConfigMetadata;
use fabric_render::{
    ChaincodeRelease, FINGERPRINTS, Layout, Plan, RenderError, Rendered, Services, compose, grow, render,
};
use prost::Message;
use saphyr::{LoadableYamlNode, Yaml};

use common::config;

fn rendered(out: &Path) -> Rendered {
    render(out, &config(), &Services::health()).expect("renders")
}

#[test]
fn the_genesis_block_is_a_raft_clusters_and_gives_no_private_data() {
    let dir = tempfile::tempdir().expect("a directory");
    rendered(dir.path());
    let block = Block::decode(read(&dir.path().join("health.block")).as_slice()).expect("a block");
    let bundle = Bundle::from_block(&block).expect("a configuration");
    assert_eq!(bundle.channel_id(), "health");
    let ordering = bundle.orderer_config();
    let metadata = ConfigMetadata::decode(ordering.consensus_metadata.as_slice()).expect("Raft's");
    let mut certificates = BTreeSet::new();
    for (node, number) in metadata.consenters.iter().zip(1..) {
        assert_eq!(node.host, format!("orderer{number}.example.com"));
        assert_eq!(node.port, 7050 + 1000 * (number - 1));
        certificates.insert(node.server_tls_cert.clone());
    }
    assert_eq!((metadata.consenters.len(), certificates.len()), (3, 3));
    assert!(bundle.capabilities().channel().contains("V3_0"));
    // Only `event/Block` is closed, and by a policy that the channel has.
    assert_eq!(bundle.acl("event/Block"), Some("/Channel/Application/Nobody"));
    assert!(bundle.policy("/Channel/Application/Nobody").is_some());
    assert_eq!(
        bundle.acl("event/FilteredBlock"),
        Some("/Channel/Application/Readers")
    );
}

#[tokio::test]
async fn the_embedded_network_starts_from_what_was_rendered() {
    let dir = tempfile::tempdir().expect("a directory");
    rendered(dir.path());
    let mut config = config().with_free_ports();
    config.orderer.hostname = "orderer1".to_owned();
    config.material = Some(dir.path().join("organizations"));
    config.genesis_block = Some(dir.path().join("health.block"));
    let network = Network::start(config).await.expect("starts");
    assert_eq!(network.summary().organisations.len(), 4);
    network.stop().await;
}

#[test]
fn a_second_run_keeps_everything_and_changes_nothing_unasked() {
    let dir = tempfile::tempdir().expect("a directory");
    rendered(dir.path());
    let before = contents(dir.path());
    let again = rendered(dir.path());
    assert_eq!((again.made, again.replaced.len()), (0, 0));
    assert_eq!(before, contents(dir.path()));

    // Another purge interval is another setting of every peer: refused first, then replaced, and no key with it.
    let mut changed = config();
    changed.purge_interval = 7;
    let refused = render(dir.path(), &changed, &Services::health()).expect_err("differs");
    assert!(
        matches!(&refused, RenderError::Differs(path) if path.ends_with("core.yaml")),
        "{refused}"
    );
    let services = Services {
        replace_settings: true,
        ..Services::health()
    };
    let replaced = render(dir.path(), &changed, &services).expect("replaces");
    assert_eq!((replaced.made, replaced.replaced.len()), (0, 4));
    let after = contents(dir.path());
    for ((path, old), (_, new)) in before.iter().zip(&after) {
        let tells = path.ends_with("core.yaml") || path.ends_with("consortium.toml");
        assert_eq!(old == new, !tells, "{}", path.display());
    }
}

#[test]
fn an_organisation_joins_and_nothing_of_the_others_changes() {
    let dir = tempfile::tempdir().expect("a directory");
    rendered(dir.path());
    let env = dir.path().join(".env");
    let edited = format!("{}# ours\n", String::from_utf8_lossy(&read(&env))).replace("127.0.0.1", "10.0.0.1");
    fs::write(&env, &edited).expect("written");
    let before = contents(dir.path());

    let mut grown = NetworkConfig::from_consortium(dir.path().join("consortium.toml")).expect("it is told");
    let mut laboratory = OrganisationConfig::new("LaboratoryMSP", "laboratory.example.com").outside();
    laboratory.peers[0].port = 11_051;
    laboratory.peers[0].chaincode_port = 11_052;
    grown.organisations.push(laboratory);
    let refused = render(dir.path(), &grown, &Services::health()).expect_err("not asked for");
    assert!(
        matches!(&refused, RenderError::Differs(path) if path.ends_with(".env")),
        "{refused}"
    );
    let done = grow(dir.path(), &grown, &Services::health()).expect("grows");
    assert_eq!(
        done.replaced,
        [env.clone(), dir.path().join("docker-compose.yaml")]
    );
    assert_eq!(done.network.organisations.len(), 5);
    assert!(done.layout.packages["LaboratoryMSP"].is_file());
    for (path, old) in &before {
        let told = [
            "docker-compose.yaml",
            ".env",
            "consortium.toml",
            "network.json",
            "fabric.json",
        ];
        let kept = !told.iter().any(|name| path.ends_with(name));
        assert!(
            !kept || read(&dir.path().join(path)) == *old,
            "{}",
            path.display()
        );
    }
    let text = String::from_utf8(read(&env)).expect("text");
    assert!(
        text.starts_with(&edited) && text[edited.len()..].lines().count() == 1,
        "{text}"
    );

    let again = grow(dir.path(), &grown, &Services::health()).expect("grows");
    assert_eq!((again.made, again.replaced.len()), (0, 0));
    // In whatever order the vaults are named: Compose replaces what changed, and what depends on it.
    let mut services = Services::health();
    services.vaults.reverse();
    let again = grow(dir.path(), &grown, &services).expect("grows");
    assert_eq!((again.made, again.replaced), (0, Vec::new()));
    let stored = NetworkConfig::from_consortium(dir.path().join("consortium.toml")).expect("it is told");
    let later: Vec<bool> = stored.organisations.iter().map(|member| member.founder).collect();
    assert_eq!(later, [true, true, true, true, false]);
}

#[test]
fn what_a_half_finished_run_left_is_completed() {
    let dir = tempfile::tempdir().expect("a directory");
    rendered(dir.path());
    let before = contents(dir.path());
    for gone in [
        "services/chaincode.clinic.example.com/server.key",
        "packages/ClinicMSP.tar.gz",
        ".env",
    ] {
        fs::remove_file(dir.path().join(gone)).expect("removed");
    }
    fs::create_dir_all(dir.path().join(".unfinished/peerOrganizations")).expect("a rest");
    let mut grown = config();
    let user = UserSpec::client("auditor@regulator.example.com");
    grown.organisations[3].users.push(user);
    let grown = grown.with_peers_per_organisation(2).expect("two peers each");
    let services = Services {
        replace_settings: true,
        ..Services::health()
    };
    render(dir.path(), &grown, &services).expect("goes on");
    let ca = dir
        .path()
        .join("organizations/peerOrganizations/clinic.example.com/ca/priv_sk");
    let kept = before
        .iter()
        .find(|(path, _)| dir.path().join(path) == ca)
        .expect("there");
    assert_eq!(kept.1, read(&ca), "no CA is made anew");
    for made in [
        "services/chaincode.clinic.example.com/server.key",
        "packages/ClinicMSP.tar.gz",
        "organizations/peerOrganizations/clinic.example.com/peers/peer1.clinic.example.com/tls/server.key",
        "nodes/peer1.clinic.example.com/core.yaml",
        "organizations/peerOrganizations/regulator.example.com/users/auditor@regulator.example.com/msp/keystore/priv_sk",
    ] {
        assert!(dir.path().join(made).is_file(), "{made}");
    }
}

#[test]
fn what_fabric_cannot_run_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let refused = |change: &dyn Fn(&mut NetworkConfig, &mut Services)| {
        let (mut config, mut services) = (config(), Services::health());
        change(&mut config, &mut services);
        let error = render(&dir.path().join("out"), &config, &services).expect_err("refused");
        error.to_string()
    };
    let seed = refused(&|config, _| config.seed = Some(vec![1]));
    assert!(seed.contains("seed"), "{seed}");
    let even = refused(&|_, services| services.orderers = 2);
    assert!(even.contains("2 ordering nodes"), "{even}");
    let free = refused(&|config, _| config.organisations[0].peers[0].port = 0);
    assert!(free.contains("peer0.hospital.example.com needs a port"), "{free}");
    let twice = refused(&|config, _| config.organisations[0].peers[0].port = 8051);
    assert!(twice.contains("both have port 8051"), "{twice}");
    let stranger = refused(&|config, _| config.organisations.truncate(1));
    assert!(
        stranger.contains("ClinicMSP has a vault and is no member"),
        "{stranger}"
    );
    let twice = refused(&|_, services| services.vaults.push(services.vaults[0].clone()));
    assert!(
        twice.contains("HospitalMSP has two vaults for the records of HospitalMSP"),
        "{twice}"
    );
    let copies = refused(&|_, services| drop(services.vaults.remove(0)));
    assert!(
        copies.contains("RegulatorMSP is to hold copies of HospitalMSP's records"),
        "{copies}"
    );
    let unknown = refused(&|_, services| services.vaults[2].custodian = "NoMSP".to_owned());
    assert!(
        unknown.contains("NoMSP, whose records a vault is to keep, is no member"),
        "{unknown}"
    );
    let second = refused(&|_, services| services.vaults[3].custodian = FINGERPRINTS.to_owned());
    assert!(second.contains("two vaults evaluate fingerprints"), "{second}");
    assert!(!dir.path().join("out").exists(), "nothing was written");
    let nobody = refused(&|_, services| services.vaults[0].user = "guard".to_owned());
    assert!(nobody.contains("HospitalMSP has no user guard"), "{nobody}");

    // Another channel's block is not taken for this one's.
    rendered(dir.path());
    let mut other = config();
    other.channel = "other".to_owned();
    fs::copy(dir.path().join("health.block"), dir.path().join("other.block")).expect("copied");
    let error = render(dir.path(), &other, &Services::health()).expect_err("another channel");
    assert!(
        error.to_string().contains("starts channel health, not other"),
        "{error}"
    );
}

#[test]
fn an_existing_tree_and_block_are_taken_over() {
    let (first, second) = (
        tempfile::tempdir().expect("one"),
        tempfile::tempdir().expect("two"),
    );
    rendered(first.path());
    let mut config = config();
    config.material = Some(first.path().join("organizations"));
    config.genesis_block = Some(first.path().join("health.block"));
    render(second.path(), &config, &Services::health()).expect("renders");
    for same in [
        "health.block",
        "organizations/peerOrganizations/clinic.example.com/ca/priv_sk",
    ] {
        assert_eq!(
            read(&first.path().join(same)),
            read(&second.path().join(same)),
            "{same}"
        );
    }
}

#[test]
fn only_the_owner_reads_what_is_secret() {
    let dir = tempfile::tempdir().expect("a directory");
    let done = rendered(dir.path());
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let mut secrets = BTreeSet::new();
    for (path, content) in contents(dir.path()) {
        let text = String::from_utf8_lossy(&content).into_owned();
        let full = dir.path().join(&path);
        if text.contains("PRIVATE KEY") || path.starts_with("secrets") || path.starts_with("packages") {
            assert_eq!(mode(&full), 0o600, "{}", path.display());
            assert_eq!(
                mode(full.parent().expect("a directory")),
                0o700,
                "{}",
                path.display()
            );
        }
        if path.starts_with("secrets") && path.extension().is_none_or(|kind| kind != "hash") {
            secrets.insert(text);
        }
    }
    assert_eq!(secrets.len(), 8, "a password for each CA and each CouchDB");
    for open in [".env", "docker-compose.yaml", "network.json", "fabric.json"] {
        let text = String::from_utf8(read(&dir.path().join(open))).expect("text");
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{open}");
        assert!(!text.contains("PRIVATE KEY"), "{open}");
    }
    assert_ne!(done.owner.0, 0, "no container runs as root");
}

#[test]
fn every_mounted_path_is_there_and_every_container_is_confined() {
    let dir = tempfile::tempdir().expect("a directory");
    let done = rendered(dir.path());
    let text = fs::read_to_string(&done.layout.compose.file).expect("a compose file");
    let services = services(&text);
    // volumes; 3 ordering nodes; 4 times peer, CouchDB, chaincode and CA; 2 vaults, 2 with their copies, and 1 for fingerprints.
    assert_eq!(services.len(), 1 + 3 + 4 * 4 + 5);
    let mut mounted = 0;
    for (name, service) in &services {
        for mount in list(service, "volumes") {
            let Some(path) = mount.strip_prefix("${CARELEDGER_DIR:-./careledger-fabric}/") else {
                continue;
            };
            let path = path.split(':').next().expect("a path");
            assert!(dir.path().join(path).exists(), "{name}: {path}");
            assert!(mount.ends_with(":ro"), "{name}: {mount}");
            mounted += 1;
        }
        assert_eq!(list(service, "cap_drop"), ["ALL"], "{name}");
        assert_eq!(
            list(service, "security_opt"),
            ["no-new-privileges:true"],
            "{name}"
        );
        assert_eq!(
            field(service, "read_only").and_then(|v| v.as_bool()),
            Some(true),
            "{name}"
        );
        assert!(
            field(service, "mem_limit").is_some() && field(service, "pids_limit").is_some(),
            "{name}"
        );
        let user = field(service, "user")
            .and_then(|v| v.as_str().map(str::to_owned))
            .expect("a user");
        assert_eq!(user == "0:0", name == "volumes", "{name} runs as {user}");
        let image = field(service, "image")
            .and_then(|v| v.as_str().map(str::to_owned))
            .expect("an image");
        assert!(
            image.contains(":-") && !image.contains("latest"),
            "{name}: {image}"
        );
        assert_eq!(
            field(service, "healthcheck").is_none(),
            name == "volumes",
            "{name}"
        );
    }
    // A vault's own three, and the other side of its copies; one for fingerprints has no other side.
    assert_eq!(mounted, 3 * 2 + 4 * 2 + 4 + 4 + 4 * 3 + 4 * (3 + 1) + 3);
    for port in services.iter().flat_map(|(_, service)| list(service, "ports")) {
        assert!(port.starts_with("${CARELEDGER_PUBLISH:-127.0.0.1}:"), "{port}");
    }
}

#[test]
fn a_custodians_vault_is_told_of_its_copies_and_their_holder_of_the_custodian() {
    let dir = tempfile::tempdir().expect("a directory");
    let done = rendered(dir.path());
    let text = fs::read_to_string(&done.layout.compose.file).expect("a compose file");
    let services = services(&text);
    let variable = |host: &str, name: &str| {
        let (_, service) = services
            .iter()
            .find(|(found, _)| found == host)
            .expect("a service");
        let environment = field(service, "environment").expect("an environment");
        environment
            .as_mapping_get(name)
            .and_then(|value| value.as_str().map(str::to_owned))
    };
    let holder = "vault-clinic-example-com.regulator.example.com";
    assert_eq!(
        variable("vault.clinic.example.com", "CARELEDGER_VAULT_REPLICAS"),
        Some(format!("RegulatorMSP=https://{holder}:8443"))
    );
    assert_eq!(
        variable("vault.clinic.example.com", "CARELEDGER_VAULT_CUSTODIAN"),
        None
    );
    assert_eq!(
        variable(holder, "CARELEDGER_VAULT_CUSTODIAN").as_deref(),
        Some("ClinicMSP")
    );
    assert_eq!(variable(holder, "CARELEDGER_VAULT_REPLICAS"), None);
    assert!(
        dir.path()
            .join("services")
            .join(holder)
            .join("server.key")
            .is_file()
    );
    // Clients ask the custodian's vault first, then the holder's.
    let layout = &done.layout;
    assert_eq!(
        layout.vaults.keys().collect::<Vec<_>>(),
        ["ClinicMSP", "HospitalMSP"]
    );
    let replica = &layout.replicas["ClinicMSP"][0];
    assert_eq!(
        (replica.holder.as_str(), replica.vault.url.as_str()),
        ("RegulatorMSP", "https://127.0.0.1:8446")
    );
    assert!(replica.vault.tls_ca.is_file());
    // Payers ask the regulator's vault for fingerprints, which is told that it keeps no records.
    let fingerprints = layout.fingerprints.as_ref().expect("one");
    assert_eq!(
        (fingerprints.holder.as_str(), fingerprints.vault.url.as_str()),
        ("RegulatorMSP", "https://127.0.0.1:8447")
    );
    let host = "vault-fingerprints.regulator.example.com";
    assert_eq!(
        variable(host, "CARELEDGER_VAULT_FINGERPRINTS").as_deref(),
        Some("on")
    );
    assert_eq!(variable(host, "CARELEDGER_VAULT_CUSTODIAN"), None);
    assert_eq!(variable(holder, "CARELEDGER_VAULT_FINGERPRINTS"), None);
}

#[test]
fn two_versions_of_the_chaincode_run_beside_each_other_until_one_is_left() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = rendered(dir.path()).layout;
    let upgrading = |chaincodes: Vec<ChaincodeRelease>| {
        let services = Services {
            chaincodes: Some(chaincodes),
            replace_settings: true,
            ..Services::health()
        };
        render(dir.path(), &config(), &services)
    };
    let chaincodes = |layout: &Layout| {
        let text = fs::read_to_string(&layout.compose.file).expect("a compose file");
        let names = services(&text).into_iter().map(|(name, _)| name);
        names
            .filter(|name| name.starts_with("chaincode"))
            .collect::<Vec<_>>()
    };
    let old = first.chaincodes[0].clone();
    let new = old.next("9.9.9");
    let both = upgrading(vec![old.clone(), new.clone()]).expect("renders").layout;
    assert_eq!(chaincodes(&both).len(), 8);
    let text = fs::read_to_string(&both.compose.file).expect("a compose file");
    let services = services(&text);
    let image = |name: &str| {
        let (_, service) = services
            .iter()
            .find(|(found, _)| found == name)
            .expect("a service");
        field(service, "image").and_then(|image| image.as_str().map(str::to_owned))
    };
    assert_eq!(
        image("chaincode-2.clinic.example.com").as_deref(),
        Some("careledger/chaincode:${CARELEDGER_CHAINCODE_2:-9.9.9}")
    );
    assert!(image("chaincode.clinic.example.com").is_some_and(|image| image.contains(&old.version)));
    // Each has a package of its own, with its own address and id.
    assert_ne!(both.packages["ClinicMSP"], first.packages["ClinicMSP"]);
    assert_ne!(
        read(&both.packages["ClinicMSP"]),
        read(&first.packages["ClinicMSP"])
    );
    let env = fs::read_to_string(&both.compose.env_file).expect("a file");
    assert!(
        env.contains("\nCHAINCODE_ID_CLINICMSP=careledger_")
            && env.contains("\nCHAINCODE_ID_2_CLINICMSP=careledger_9.9.9:"),
        "{env}"
    );

    // Rendered again without a word on it, both stay; in the end the old one goes, and its package is kept.
    assert_eq!(rendered(dir.path()).layout, both);
    let last = upgrading(vec![new.clone()]).expect("renders").layout;
    assert_eq!((chaincodes(&last).len(), &last.packages), (4, &both.packages));
    assert!(first.packages["ClinicMSP"].is_file());

    for (wrong, why) in [
        (vec![], "no version"),
        (vec![new, old.clone()], "in the order"),
        (vec![old.next("1.0 beta")], "is no version"),
        (vec![old.next("")], "is no version"),
        (vec![old.next("-1")], "is no version"),
    ] {
        let error = upgrading(wrong).expect_err(why).to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn the_repositorys_compose_file_is_the_rendered_one() {
    let top = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let plan = Plan::new(&NetworkConfig::health(), &Services::health()).expect("a plan");
    let expected = compose::repository_file(&plan);
    let found = fs::read_to_string(top.join("docker-compose.yaml")).expect("there");
    assert!(
        found == expected,
        "docker-compose.yaml is not what is rendered: cargo run -p fabric-render --example compose > docker-compose.yaml"
    );
    let mut targets = BTreeSet::new();
    for (name, service) in services(&found) {
        if let Some(build) = field(&service, "build") {
            let text = |key: &str| {
                build
                    .as_mapping_get(key)
                    .and_then(|v| v.as_str().map(str::to_owned))
            };
            assert_eq!(
                text("dockerfile").as_deref(),
                Some("network/fabric/Dockerfile"),
                "{name}"
            );
            targets.insert(text("target").expect("a target"));
        }
    }
    let dockerfile = fs::read_to_string(top.join("network/fabric/Dockerfile")).expect("there");
    for target in ["chaincode", "vault", "embedded"] {
        assert!(targets.contains(target), "{target}");
        assert!(dockerfile.contains(&format!(" AS {target}\n")), "{target}");
    }
    // Every program that an image takes is one of the workspace, and every base image has a version.
    for program in dockerfile
        .split("--bin ")
        .skip(1)
        .filter_map(|rest| rest.split_whitespace().next())
    {
        let source = match program {
            "careledger" => "cli/src/main.rs",
            "careledger-chaincode" => "chaincode/health/src/main.rs",
            "careledger-vault" => "network/vault/src/main.rs",
            other => panic!("no program {other}"),
        };
        assert!(top.join(source).is_file(), "{source}");
    }
    // Cargo looks for a program among the packages that it is told to build: without a name, the command's alone.
    for build in dockerfile.lines().filter(|line| line.contains("cargo build")) {
        let named = |option: &str| -> BTreeSet<&str> {
            let values = build.split(option).skip(1);
            values.filter_map(|rest| rest.split_whitespace().next()).collect()
        };
        assert_eq!(named("--package "), named("--bin "), "{build}");
        assert!(
            !named("--bin ").is_empty() && build.contains("--locked"),
            "{build}"
        );
    }
    for from in dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")) {
        let image = from.split(" AS ").next().expect("an image");
        assert!(
            image == "scratch" || image.contains(':'),
            "{image} has no version"
        );
    }
}

/// Every file below a directory by its path from there, in the order of the paths.
fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    fn walk(root: &Path, dir: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
        for entry in fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.push((path.strip_prefix(root).expect("below").to_owned(), read(&path)));
            }
        }
    }
    let mut found = Vec::new();
    walk(dir, dir, &mut found);
    found.sort();
    found
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The services of a compose file.
fn services(text: &str) -> Vec<(String, Yaml<'_>)> {
    let documents = Yaml::load_from_str(text).expect("YAML");
    let document = documents.into_iter().next().expect("one document");
    let services = document.as_mapping_get("services").expect("services").clone();
    let mapping = services.as_mapping().expect("a mapping").clone();
    mapping
        .into_iter()
        .map(|(name, service)| (name.as_str().expect("a name").to_owned(), service))
        .collect()
}

/// A key of a service, its own or one that it merges in (`<<`).
fn field<'y>(service: &Yaml<'y>, key: &str) -> Option<Yaml<'y>> {
    if let Some(own) = service.as_mapping_get(key) {
        return Some(own.clone());
    }
    field(service.as_mapping_get("<<")?, key)
}

fn list(service: &Yaml<'_>, key: &str) -> Vec<String> {
    let items = field(service, key);
    let items = items.as_ref().and_then(|items| items.as_sequence());
    items
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}
