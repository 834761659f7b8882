//! The rendered directory as manifests for Kubernetes: the same nodes, files and ports as in the compose file.
//!
//! ```text
//! rendered directory ─▶ kubernetes/<namespace>.json           services, stateful sets, chaincode, network policies of an organisation
//!                       kubernetes/<namespace>.secrets.json   what its containers mount: keys, certificates, settings
//!                       kubernetes/coredns.rewrite            the nodes' names, where they are not the cluster's own
//!                       kubernetes/port-forward.sh            the nodes on this machine's loopback, as network.json says
//! ```
//!
//! Each organisation has a namespace of its own, named after its domain. A node `<label>.<domain>` is the service `<label>` there; where the domain is
//! `<namespace>.svc.cluster.local`, its name in certificates is the cluster's own and nothing has to be rewritten. Files are JSON, which `kubectl` takes as it does
//! YAML.

mod manifest;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use fabric_gateway_sdk::ChaincodePackage;
use fabric_msp::cryptogen::OrgKind;
use fabric_node::NetworkConfig;
use serde_json::Value;

use self::manifest::{Claim, Mount, Organisation, Workload};
use crate::Services;
use crate::compose::FABRIC_VERSION;
use crate::error::RenderError;
use crate::files::Files;
use crate::layout;
use crate::organisations::relative;
use crate::plan::{FINGERPRINTS, MemberPlan, OrdererPlan, PeerPlan, Plan, VaultPlan};
use crate::services::{CHAINCODE_PORT, package_file};

/// Where the manifests go, below the rendered directory.
const DIR: &str = "kubernetes";
/// The cluster's own domain.
const CLUSTER: &str = "svc.cluster.local";
/// Where a vault listens, inside its container.
const VAULT_PORT: u16 = 8_443;

/// What [`manifests`] did.
#[derive(Debug)]
pub struct Manifests {
    /// The files, in the order in which they are applied.
    pub files: Vec<PathBuf>,
    /// The organisations' namespaces.
    pub namespaces: Vec<String>,
    /// Whether the cluster's name service has to be told the nodes' names (`coredns.rewrite`).
    pub rewrites: bool,
}

/// Writes the manifests for what was rendered into `root` from the same consortium and services.
///
/// # Errors
/// [`RenderError::Config`] with CouchDB, whose peers need one beside them each, and for domains that give two organisations one namespace;
/// [`RenderError::Io`] where something was not rendered; [`RenderError::Differs`] for manifests that were changed by hand.
pub fn manifests(root: &Path, config: &NetworkConfig, services: &Services) -> Result<Manifests, RenderError> {
    let mut plan = Plan::new(config, services)?;
    if services.chaincodes.is_none()
        && let Some(running) = layout::releases(root)?
    {
        plan.releases = running;
    }
    if plan.couchdb {
        return Err(RenderError::Config(
            "the manifests for Kubernetes have no CouchDB; take the state database goleveldb".to_owned(),
        ));
    }
    let mut files = Files::open(root, services.replace_settings)?;
    let mut organisations = vec![ordering(&plan)];
    for member in &plan.members {
        organisations.push(self::member(files.root(), &plan, member)?);
    }
    let namespaces: Vec<String> = organisations.iter().map(|o| o.namespace.clone()).collect();
    let mut sorted = namespaces.clone();
    sorted.sort();
    sorted.dedup();
    if sorted.len() != namespaces.len() {
        return Err(RenderError::Config(format!(
            "two organisations have one namespace: {}",
            namespaces.join(", ")
        )));
    }
    let mut made = Vec::new();
    for organisation in &organisations {
        let name = format!("{DIR}/{}.secrets.json", organisation.namespace);
        files.derived(&name, &organisation.secrets(files.root())?)?;
        made.push(files.root().join(name));
        let name = format!("{DIR}/{}.json", organisation.namespace);
        let text = format!("{:#}\n", organisation.manifest(files.root(), files.owner())?);
        files.setting(&name, text.as_bytes())?;
        made.push(files.root().join(name));
    }
    let rewrites = rewrites(&organisations);
    files.setting(format!("{DIR}/coredns.rewrite"), rewrites.as_bytes())?;
    let forwards = port_forward(&plan);
    files.setting_with_mode(format!("{DIR}/port-forward.sh"), forwards.as_bytes(), 0o700)?;
    files.finish()?;
    Ok(Manifests {
        files: made,
        namespaces,
        rewrites: !rewrites.is_empty(),
    })
}

/// The namespace of a domain.
fn namespace(domain: &str) -> String {
    let own = domain
        .strip_suffix(CLUSTER)
        .and_then(|rest| rest.strip_suffix('.'));
    own.unwrap_or(domain).replace('.', "-")
}

/// The first label of a host: the name of its service.
fn label(host: &str) -> String {
    host.split('.').next().unwrap_or(host).to_owned()
}

fn ordering(plan: &Plan) -> Organisation {
    Organisation {
        namespace: namespace(&plan.orderer_domain),
        domain: plan.orderer_domain.clone(),
        workloads: plan.orderers.iter().map(|node| orderer(plan, node)).collect(),
        quorum_of: plan.orderers.len(),
    }
}

fn member(root: &Path, plan: &Plan, member: &MemberPlan) -> Result<Organisation, RenderError> {
    let mut workloads: Vec<Workload> = member.peers.iter().map(|node| peer(member, node)).collect();
    for release in &plan.releases {
        let file = root.join(package_file(member, release));
        let bytes = fs::read(&file).map_err(RenderError::io(file))?;
        let package = ChaincodePackage::from_bytes(bytes)?.id();
        let host = member.chaincode_host(release);
        workloads.push(Workload {
            name: label(&host),
            image: format!("careledger/chaincode:{}", release.version),
            mounts: vec![Mount::of(format!("services/{host}"), "/etc/careledger/node")],
            ports: vec![("chaincode", CHAINCODE_PORT)],
            // Its own organisation's peers alone reach it.
            open: Vec::new(),
            environment: vec![
                ("CHAINCODE_ID".to_owned(), package),
                (
                    "CHAINCODE_SERVER_ADDRESS".to_owned(),
                    format!("0.0.0.0:{CHAINCODE_PORT}"),
                ),
                (
                    "CHAINCODE_TLS_CERT".to_owned(),
                    "/etc/careledger/node/server.crt".to_owned(),
                ),
                (
                    "CHAINCODE_TLS_KEY".to_owned(),
                    "/etc/careledger/node/server.key".to_owned(),
                ),
                (
                    "CHAINCODE_CLIENT_CA_CERT".to_owned(),
                    "/etc/careledger/node/ca.crt".to_owned(),
                ),
                ("RUST_LOG".to_owned(), "info".to_owned()),
            ],
            memory: "512Mi",
            claim: None,
            probe: vec!["/careledger-chaincode".to_owned(), "health".to_owned()],
        });
    }
    workloads.extend(member.vaults.iter().map(|node| vault(plan, member, node)));
    Ok(Organisation {
        namespace: namespace(&member.domain),
        domain: member.domain.clone(),
        workloads,
        quorum_of: 0,
    })
}

fn orderer(plan: &Plan, node: &OrdererPlan) -> Workload {
    let tree = relative(OrgKind::Orderer, &plan.orderer_domain);
    Workload {
        name: label(&node.host),
        image: format!("hyperledger/fabric-orderer:{FABRIC_VERSION}"),
        mounts: vec![
            Mount::of(format!("nodes/{}", node.host), "/etc/careledger/config"),
            Mount::of(format!("{tree}/orderers/{}", node.host), "/etc/careledger/node"),
        ],
        ports: vec![("orderer", node.port), ("admin", node.admin_port)],
        open: vec![node.port, node.admin_port],
        environment: fabric_environment(),
        memory: "1Gi",
        claim: Some(Claim {
            path: "/var/hyperledger",
            size: "20Gi",
        }),
        probe: fabric_probe(),
    }
}

fn peer(member: &MemberPlan, node: &PeerPlan) -> Workload {
    let tree = relative(OrgKind::Peer, &member.domain);
    Workload {
        name: label(&node.host),
        image: format!("hyperledger/fabric-peer:{FABRIC_VERSION}"),
        mounts: vec![
            Mount::of(format!("nodes/{}", node.host), "/etc/careledger/config"),
            Mount::of(format!("{tree}/peers/{}", node.host), "/etc/careledger/node"),
        ],
        ports: vec![("peer", node.port)],
        open: vec![node.port],
        environment: fabric_environment(),
        memory: "2Gi",
        claim: Some(Claim {
            path: "/var/hyperledger",
            size: "50Gi",
        }),
        probe: fabric_probe(),
    }
}

fn vault(plan: &Plan, member: &MemberPlan, node: &VaultPlan) -> Workload {
    let tree = relative(OrgKind::Peer, &member.domain);
    let peers: Vec<String> = member
        .peers
        .iter()
        .map(|peer| format!("{}:{}", peer.host, peer.port))
        .collect();
    let mut mounts = vec![
        Mount::of(format!("services/{}", node.host), "/etc/careledger/node"),
        Mount::of(
            format!("{tree}/users/{}@{}/msp", node.user, member.domain),
            "/etc/careledger/identity",
        ),
        Mount::of(format!("{tree}/msp"), "/etc/careledger/msp"),
    ];
    let mut environment: Vec<(String, String)> = [
        ("ORGANISATION", member.msp_id.clone()),
        ("PEER", peers.join(",")),
        ("LISTEN", format!("0.0.0.0:{VAULT_PORT}")),
        ("CHANNEL", plan.channel.clone()),
        ("CHAINCODE", plan.chaincode.clone()),
        ("TLS", "/etc/careledger/node".to_owned()),
        ("IDENTITY", "/etc/careledger/identity".to_owned()),
        ("MSP", "/etc/careledger/msp".to_owned()),
        ("DATA", "/var/lib/careledger/data".to_owned()),
    ]
    .map(|(name, value)| (format!("CARELEDGER_VAULT_{name}"), value))
    .into();
    environment.push(("RUST_LOG".to_owned(), "info".to_owned()));
    let mut also = |name: &str, value: String| {
        environment.push((format!("CARELEDGER_VAULT_{name}"), value));
    };
    if node.custodian == FINGERPRINTS {
        also("FINGERPRINTS", "on".to_owned());
    } else if node.custodian == member.msp_id {
        let replicas: Vec<_> = plan.replicas(&node.custodian).collect();
        if !replicas.is_empty() {
            let place = |(holder, replica): &(&MemberPlan, &VaultPlan)| {
                format!("{}=https://{}:{VAULT_PORT}", holder.msp_id, replica.host)
            };
            also(
                "REPLICAS",
                replicas.iter().map(place).collect::<Vec<_>>().join(","),
            );
            also("REPLICA_CAS", "/etc/careledger/replicas".to_owned());
            let cas = replicas.iter().map(|(holder, _)| {
                let of_holder = relative(OrgKind::Peer, &holder.domain);
                let ca = format!("{of_holder}/msp/tlscacerts/tlsca.{}-cert.pem", holder.domain);
                (ca, format!("{}.pem", holder.msp_id))
            });
            mounts.push(Mount::files(cas.collect(), "/etc/careledger/replicas"));
        }
    } else {
        also("CUSTODIAN", node.custodian.clone());
        also("CUSTODIAN_MSP", "/etc/careledger/custodian".to_owned());
        let of_custodian = relative(OrgKind::Peer, &node.custodian_domain);
        mounts.push(Mount::of(
            format!("{of_custodian}/msp"),
            "/etc/careledger/custodian",
        ));
    }
    Workload {
        name: label(&node.host),
        image: format!("careledger/vault:{}", plan.version),
        mounts,
        ports: vec![("vault", VAULT_PORT)],
        open: vec![VAULT_PORT],
        environment,
        memory: "1Gi",
        claim: Some(Claim {
            path: "/var/lib/careledger",
            size: "100Gi",
        }),
        probe: vec!["/careledger-vault".to_owned(), "health".to_owned()],
    }
}

fn fabric_environment() -> Vec<(String, String)> {
    vec![
        ("FABRIC_CFG_PATH".to_owned(), "/etc/careledger/config".to_owned()),
        ("FABRIC_LOGGING_SPEC".to_owned(), "info:grpc=warn".to_owned()),
    ]
}

/// The official images have a shell and no HTTP client; their operations listen on the container's own loopback.
fn fabric_probe() -> Vec<String> {
    let script = r#"exec 3<>/dev/tcp/127.0.0.1/9443 && printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3 && read -r _ code _ <&3 && [ "$code" = 200 ]"#;
    ["bash", "-c", script].map(str::to_owned).into()
}

/// A line of CoreDNS's configuration for each node whose name is not the cluster's own.
fn rewrites(organisations: &[Organisation]) -> String {
    let mut text = String::new();
    for organisation in organisations {
        let service = format!("{}.{CLUSTER}", organisation.namespace);
        if organisation.domain == service {
            continue;
        }
        for workload in &organisation.workloads {
            let name = &workload.name;
            let _infallible = writeln!(
                text,
                "rewrite name exact {name}.{} {name}.{service}",
                organisation.domain
            );
        }
    }
    text
}

/// Brings every published port to this machine's loopback, where `network.json` has it.
fn port_forward(plan: &Plan) -> String {
    let mut text = String::from(
        "#!/bin/sh\n# Brings the nodes' ports to this machine, as network.json names them, until interrupted.\ntrap 'kill 0' INT TERM\n",
    );
    let mut forward = |domain: &str, host: &str, ports: &[(u16, u16)]| {
        let ports: Vec<String> = ports
            .iter()
            .map(|(here, there)| format!("{here}:{there}"))
            .collect();
        let _infallible = writeln!(
            text,
            "kubectl --namespace {} port-forward service/{} {} &",
            namespace(domain),
            label(host),
            ports.join(" ")
        );
    };
    for node in &plan.orderers {
        let ports = [(node.port, node.port), (node.admin_port, node.admin_port)];
        forward(&plan.orderer_domain, &node.host, &ports);
    }
    for member in &plan.members {
        for node in &member.peers {
            forward(&member.domain, &node.host, &[(node.port, node.port)]);
        }
        for node in &member.vaults {
            forward(&member.domain, &node.host, &[(node.port, VAULT_PORT)]);
        }
    }
    text.push_str("wait\n");
    text
}

/// An object with a name in a namespace.
fn object(api: &str, kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    serde_json::json!({
        "apiVersion": api,
        "kind": kind,
        "metadata": { "name": name, "namespace": namespace, "labels": { "app.kubernetes.io/part-of": "careledger" } },
        "spec": spec,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_of_the_cluster_is_its_namespace() {
        assert_eq!(namespace("hospital.svc.cluster.local"), "hospital");
        assert_eq!(namespace("hospital.example.com"), "hospital-example-com");
        assert_eq!(
            label("vault-hospital-example-com.regulator.example.com"),
            "vault-hospital-example-com"
        );
    }
}
