//! The manifests for Kubernetes, as a cluster would read them: every file is there, every name leads somewhere, and nothing is open that is closed under Compose.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fabric_node::{NetworkConfig, StateDatabase};
use fabric_render::kubernetes::{Manifests, manifests};
use fabric_render::{RenderError, Services, render};
use serde_json::Value;

use common::config;

fn made(out: &Path, config: &NetworkConfig) -> Manifests {
    render(out, config, &Services::health()).expect("renders");
    manifests(out, config, &Services::health()).expect("manifests")
}

/// All objects by kind, namespace and name.
type Objects = BTreeMap<(String, String, String), Value>;

fn objects(manifests: &Manifests) -> Objects {
    let mut all = Objects::new();
    for file in &manifests.files {
        let text = fs::read_to_string(file).expect("a manifest");
        let list: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(list["kind"], "List");
        for item in list["items"].as_array().expect("items") {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let key = (
                text(&item["kind"]),
                text(&item["metadata"]["namespace"]),
                text(&item["metadata"]["name"]),
            );
            let again = all.insert(key.clone(), item.clone());
            assert!(again.is_none() || key.0 == "Namespace", "{key:?} twice");
        }
    }
    all
}

fn of<'o>(objects: &'o Objects, kind: &str) -> Vec<(&'o str, &'o str, &'o Value)> {
    let found = objects.iter().filter(|((found, ..), _)| found == kind);
    found
        .map(|((_, namespace, name), object)| (namespace.as_str(), name.as_str(), object))
        .collect()
}

fn workloads(objects: &Objects) -> Vec<(&str, &str, &Value)> {
    [of(objects, "StatefulSet"), of(objects, "Deployment")].concat()
}

#[test]
fn every_node_of_the_compose_file_is_a_workload_with_a_service() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = made(dir.path(), &config());
    assert_eq!(made.namespaces.len(), 5);
    let objects = objects(&made);
    let named: BTreeSet<String> = workloads(&objects)
        .into_iter()
        .map(|(namespace, name, _)| format!("{name}.{namespace}"))
        .collect();
    let compose = fs::read_to_string(dir.path().join("docker-compose.yaml")).expect("a compose file");
    let services = compose.split("\nnetworks:\n").next().expect("services");
    let services = services.split("\nservices:\n").nth(1).expect("services");
    let hosts = services
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
    let wanted: BTreeSet<String> = hosts
        .filter(|host| host.contains('.') && !host.starts_with(' '))
        // What has a profile of its own is not in the cluster.
        .filter(|host| !host.starts_with("ca.") && !host.starts_with("couchdb."))
        .map(|host| {
            let (label, domain) = host.split_once('.').expect("a domain");
            format!("{label}.{}", domain.replace('.', "-"))
        })
        .collect();
    assert_eq!(named, wanted);
    for (namespace, name, _) in workloads(&objects) {
        let place = |kind: &str| (kind.to_owned(), namespace.to_owned(), name.to_owned());
        let service = objects.get(&place("Service")).expect("a service of its name");
        assert_eq!(service["spec"]["selector"]["app.kubernetes.io/name"], name);
        assert!(objects.contains_key(&place("NetworkPolicy")), "{name}");
    }
    let rewrites = fs::read_to_string(dir.path().join("kubernetes/coredns.rewrite")).expect("rewrites");
    assert!(made.rewrites);
    assert!(rewrites.contains(
        "rewrite name exact peer0.hospital.example.com peer0.hospital-example-com.svc.cluster.local\n"
    ));
    assert_eq!(rewrites.lines().count(), named.len());
}

#[test]
fn what_containers_mount_is_in_secrets_byte_for_byte() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = made(dir.path(), &config());
    let objects = objects(&made);
    let mut used = BTreeSet::new();
    for (namespace, name, workload) in workloads(&objects) {
        let pod = &workload["spec"]["template"]["spec"];
        let volumes: BTreeMap<&str, &Value> = pod["volumes"]
            .as_array()
            .expect("volumes")
            .iter()
            .map(|volume| (volume["name"].as_str().expect("a name"), volume))
            .collect();
        let claims = workload["spec"]["volumeClaimTemplates"].as_array();
        let claims: Vec<&str> = claims
            .into_iter()
            .flatten()
            .filter_map(|claim| claim["metadata"]["name"].as_str())
            .collect();
        for mount in pod["containers"][0]["volumeMounts"].as_array().expect("mounts") {
            let volume = mount["name"].as_str().expect("a name");
            if claims.contains(&volume) {
                continue;
            }
            let secret = &volumes[volume]["secret"];
            let Some(secret_name) = secret["secretName"].as_str() else {
                assert_eq!(volume, "tmp", "{name}");
                continue;
            };
            let place = ("Secret".to_owned(), namespace.to_owned(), secret_name.to_owned());
            let data = objects.get(&place).expect("a secret")["data"].clone();
            let items = secret["items"].as_array().expect("items");
            assert_eq!(items.len(), data.as_object().map_or(0, serde_json::Map::len));
            assert!(!items.is_empty(), "{name} {volume}");
            for item in items {
                let key = item["key"].as_str().expect("a key");
                assert!(data[key].is_string(), "{name} {volume} {item}");
                let path = item["path"].as_str().expect("a path");
                assert!(!path.starts_with('/') && !path.split('/').any(|part| part == ".."));
            }
            used.insert(place);
        }
    }
    let secrets: BTreeSet<_> = of(&objects, "Secret")
        .into_iter()
        .map(|(namespace, name, _)| ("Secret".to_owned(), namespace.to_owned(), name.to_owned()))
        .collect();
    assert_eq!(used, secrets, "no secret that nobody mounts");

    let secret = &objects[&(
        "Secret".to_owned(),
        "hospital-example-com".to_owned(),
        "peer0-config".to_owned(),
    )];
    let files: BTreeMap<String, String> = serde_json::from_str(
        secret["metadata"]["annotations"]["careledger/files"]
            .as_str()
            .expect("names"),
    )
    .expect("JSON");
    let (key, _) = files
        .iter()
        .find(|(_, path)| *path == "core.yaml")
        .expect("core.yaml");
    let held = STANDARD
        .decode(secret["data"][key].as_str().expect("text"))
        .expect("base64");
    let rendered = dir.path().join("nodes/peer0.hospital.example.com/core.yaml");
    assert_eq!(held, fs::read(rendered).expect("rendered"));
    let mode = |name: &str| {
        let path = dir.path().join("kubernetes").join(name);
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    };
    assert_eq!(mode("hospital-example-com.secrets.json"), 0o600);
    assert_eq!(mode("port-forward.sh"), 0o700);
}

#[test]
fn no_key_is_outside_the_secrets_and_no_organisation_gets_anothers() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = made(dir.path(), &config());
    for file in &made.files {
        let text = fs::read_to_string(file).expect("a manifest");
        if !file.to_string_lossy().ends_with(".secrets.json") {
            assert!(
                !text.contains("\"Secret\"") && !text.contains("PRIVATE KEY"),
                "{file:?}"
            );
        }
    }
    let private = STANDARD.encode("-----BEGIN PRIVATE KEY-----");
    let keys: Vec<String> = of(&objects(&made), "Secret")
        .into_iter()
        .filter(|(_, _, secret)| secret["data"].to_string().contains(&private[..30]))
        .map(|(namespace, name, _)| format!("{namespace}/{name}"))
        .collect();
    assert!(
        keys.contains(&"hospital-example-com/peer0-node".to_owned()),
        "{keys:?}"
    );
    // What shows another organisation's certificates has no key.
    for public in ["-msp", "-custodian", "-replicas"] {
        assert!(keys.iter().all(|name| !name.ends_with(public)), "{keys:?}");
    }
}

#[test]
fn containers_have_no_rights_and_chaincode_is_reached_from_its_own_namespace_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = made(dir.path(), &config());
    let objects = objects(&made);
    for (_, name, workload) in workloads(&objects) {
        let pod = &workload["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
        assert_eq!(pod["enableServiceLinks"], false, "{name}");
        assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
        let container = &pod["containers"][0]["securityContext"];
        assert_eq!(container["readOnlyRootFilesystem"], true, "{name}");
        assert_eq!(container["allowPrivilegeEscalation"], false, "{name}");
        assert_eq!(container["capabilities"]["drop"][0], "ALL", "{name}");
    }
    let others = |name: &str, namespace: &str| {
        let policy = &objects[&("NetworkPolicy".to_owned(), namespace.to_owned(), name.to_owned())];
        let rules = policy["spec"]["ingress"].as_array().expect("rules").clone();
        rules
            .into_iter()
            .filter(|rule| rule["from"][0].get("namespaceSelector").is_some())
            .count()
    };
    for namespace in ["hospital-example-com", "insurer-example-com"] {
        assert_eq!(others("chaincode", namespace), 0);
        assert_eq!(others("peer0", namespace), 1);
        let closed = &objects[&(
            "NetworkPolicy".to_owned(),
            namespace.to_owned(),
            "closed".to_owned(),
        )];
        assert_eq!(closed["spec"]["ingress"], serde_json::json!([]));
        assert_eq!(closed["spec"]["podSelector"], serde_json::json!({}));
    }
    let quorum = of(&objects, "PodDisruptionBudget");
    assert_eq!(quorum.len(), 1);
    assert_eq!(quorum[0].2["spec"]["minAvailable"], 2);
}

#[test]
fn domains_of_the_cluster_need_no_rewrite_and_a_second_run_changes_nothing() {
    let mut config = config();
    config.orderer.domain = "ordering.svc.cluster.local".to_owned();
    for organisation in &mut config.organisations {
        let label = organisation.domain.split('.').next().expect("a label").to_owned();
        let domain = format!("{label}.svc.cluster.local");
        for user in &mut organisation.users {
            user.name = user.name.replace(&organisation.domain, &domain);
        }
        organisation.domain = domain;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let first = made(dir.path(), &config);
    assert!(!first.rewrites);
    assert_eq!(
        first.namespaces,
        ["ordering", "hospital", "clinic", "insurer", "regulator"]
    );
    let text = |made: &Manifests| -> Vec<String> {
        made.files
            .iter()
            .map(|file| fs::read_to_string(file).expect("a manifest"))
            .collect()
    };
    let before = text(&first);
    assert_eq!(text(&made(dir.path(), &config)), before);

    // What was changed by hand is not thrown away in silence.
    let changed = dir.path().join("kubernetes/hospital.json");
    fs::write(&changed, "{}").expect("written");
    let refused = manifests(dir.path(), &config, &Services::health());
    assert!(matches!(refused, Err(RenderError::Differs(path)) if path.ends_with("hospital.json")));

    config.state_database = StateDatabase::CouchDb;
    let refused = manifests(dir.path(), &config, &Services::health());
    assert!(matches!(refused, Err(RenderError::Config(_))));
}
