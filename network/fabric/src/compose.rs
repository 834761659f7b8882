//! The compose file and its `.env`: for Compose v2 and for docker-compose 1.29.
//!
//! One network for the consortium and one for each member, closed to the outside: a chaincode is reached by its own member's peers
//! alone, and so is CouchDB. Nothing runs as root but `volumes`, which gives the volumes to the others' user and ends.

use std::fmt::Write as _;
use std::path::Path;

use fabric_msp::cryptogen::OrgKind;

use crate::layout::PROJECT;
use crate::organisations::relative;
use crate::plan::{ChaincodeRelease, FINGERPRINTS, MemberPlan, OrdererPlan, PeerPlan, Plan, VaultPlan};
use crate::services::CHAINCODE_PORT;

/// Of `hyperledger/fabric-peer` and `hyperledger/fabric-orderer`.
pub const FABRIC_VERSION: &str = "3.1.5";
/// Of `hyperledger/fabric-ca`.
pub const FABRIC_CA_VERSION: &str = "1.5.15";
/// Of `couchdb`.
pub const COUCHDB_VERSION: &str = "3.4.2";

/// Where a vault listens, inside its network.
const VAULT_PORT: u16 = 8_443;
/// The user of CouchDB's own image.
const COUCHDB_USER: u32 = 5_984;
/// What is the same for all containers.
const HEAD: &str = include_str!("../templates/compose-head.yaml");
/// The embedded network as a service.
const EMBEDDED: &str = include_str!("../templates/compose-embedded.yaml");

/// The `.env` of the compose file: versions, paths, the containers' user and the package ids; no secret.
pub fn environment<'a>(
    plan: &Plan,
    root: &Path,
    (user, group): (u32, u32),
    package_ids: impl IntoIterator<Item = (&'a str, &'a ChaincodeRelease, String)>,
) -> String {
    let profiles: Vec<&str> = [(plan.couchdb, "couchdb"), (plan.cas, "ca")]
        .into_iter()
        .filter_map(|(wanted, profile)| wanted.then_some(profile))
        .collect();
    let mut text = format!(
        "COMPOSE_PROJECT_NAME={PROJECT}\nCOMPOSE_PROFILES={}\nFABRIC_VERSION={FABRIC_VERSION}\nFABRIC_CA_VERSION={FABRIC_CA_VERSION}\n\
         COUCHDB_VERSION={COUCHDB_VERSION}\nCARELEDGER_VERSION={}\nCARELEDGER_DIR={}\nCARELEDGER_UID={user}\nCARELEDGER_GID={group}\n\
         CARELEDGER_PUBLISH=127.0.0.1\n",
        profiles.join(","),
        plan.version,
        root.display(),
    );
    for (msp_id, release, id) in package_ids {
        let _infallible = writeln!(text, "{}={id}", package_variable(msp_id, release));
    }
    text
}

/// The compose file of a rendered directory.
pub fn file(plan: &Plan) -> String {
    text(plan, false)
}

/// The compose file at the top of the repository: it also builds our images, and has the embedded network as a profile.
pub fn repository_file(plan: &Plan) -> String {
    text(plan, true)
}

fn text(plan: &Plan, repository: bool) -> String {
    let build = |name: &str| match repository {
        true => format!(
            "\n  build:\n    context: .\n    dockerfile: network/fabric/Dockerfile\n    target: {name}"
        ),
        false => String::new(),
    };
    let head = HEAD
        .replace("{{fabric}}", FABRIC_VERSION)
        .replace("{{ca}}", FABRIC_CA_VERSION)
        .replace("{{couchdb}}", COUCHDB_VERSION)
        .replace("{{version}}", &plan.version)
        .replace("{{build-chaincode}}", &build("chaincode"))
        .replace("{{build-vault}}", &build("vault"))
        .replace("{{chaincode-port}}", &CHAINCODE_PORT.to_string())
        .replace("{{chaincode}}", &plan.chaincode)
        .replace("{{channel}}", &plan.channel);
    let mut services = vec![volumes_service(plan)];
    services.extend(plan.orderers.iter().map(|node| orderer(plan, node)));
    for member in &plan.members {
        services.extend(member.peers.iter().map(|node| peer(member, node)));
        services.extend(
            plan.releases
                .iter()
                .map(|release| chaincode(plan, member, release)),
        );
        services.extend(member.vaults.iter().map(|node| vault(plan, member, node)));
        services.extend(member.peers.iter().map(|node| couchdb(member, node)));
        services.push(ca(member));
    }
    if repository {
        services.push(EMBEDDED.replace("{{version}}", &plan.version));
    }
    let mut text = format!("{head}\nservices:\n{}", services.join("\n"));
    text.push_str("\nnetworks:\n  consortium:\n");
    for member in &plan.members {
        let _infallible = writeln!(text, "  {}:\n    internal: true", member.domain);
    }
    text.push_str("\nvolumes:\n");
    for (volume, _) in volumes(plan) {
        let _infallible = writeln!(text, "  {volume}:");
    }
    if repository {
        text.push_str("  embedded:\n");
    }
    text
}

/// `.env`'s name for a member's package id.
fn package_variable(msp_id: &str, release: &ChaincodeRelease) -> String {
    let plain = msp_id.chars().map(|c| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    });
    let number = release.suffix().replace('-', "_");
    format!("CHAINCODE_ID{number}_{}", plain.collect::<String>())
}

/// A path below the rendered directory.
fn rendered(path: &str) -> String {
    format!("${{CARELEDGER_DIR:-./careledger-fabric}}/{path}")
}

fn published(port: u16) -> String {
    published_as(port, port)
}

fn published_as(port: u16, inside: u16) -> String {
    format!("\"${{CARELEDGER_PUBLISH:-127.0.0.1}}:{port}:{inside}\"")
}

/// Every named volume, and whether it is CouchDB's.
fn volumes(plan: &Plan) -> Vec<(String, bool)> {
    let mut names: Vec<(String, bool)> = plan
        .orderers
        .iter()
        .map(|node| (node.host.clone(), false))
        .collect();
    for member in &plan.members {
        names.extend(member.peers.iter().map(|node| (node.host.clone(), false)));
        names.extend(member.vaults.iter().map(|node| (node.host.clone(), false)));
        names.extend(member.peers.iter().map(|node| (node.couchdb_host(), true)));
        names.push((member.ca_host(), false));
    }
    names
}

fn volumes_service(plan: &Plan) -> String {
    let mounts: Vec<String> = volumes(plan)
        .into_iter()
        .map(|(name, couchdb)| {
            let of = if couchdb { "couchdb" } else { "careledger" };
            format!("      - {name}:/volumes/{of}/{name}:nocopy\n")
        })
        .collect();
    format!(
        r#"  # Docker makes volumes for root; this gives them to the user of the other containers, and ends.
  volumes:
    image: hyperledger/fabric-peer:${{FABRIC_VERSION:-{FABRIC_VERSION}}}
    user: "0:0"
    network_mode: none
    read_only: true
    cap_drop: [ALL]
    cap_add: [CHOWN]
    security_opt: ["no-new-privileges:true"]
    mem_limit: 64m
    pids_limit: 16
    entrypoint: ["/bin/sh", "-c"]
    command:
      - "chown ${{CARELEDGER_UID:-10001}}:${{CARELEDGER_GID:-10001}} /volumes/careledger/* && chown {COUCHDB_USER}:{COUCHDB_USER} /volumes/couchdb/*"
    volumes:
{}"#,
        mounts.concat()
    )
}

fn orderer(plan: &Plan, node: &OrdererPlan) -> String {
    let OrdererPlan {
        host,
        port,
        admin_port,
        ..
    } = node;
    let tree = relative(OrgKind::Orderer, &plan.orderer_domain);
    format!(
        "  {host}:
    <<: *orderer
    networks: [consortium]
    ports:
      - {}
      - {}
    volumes:
      - {}:/etc/careledger/config:ro
      - {}:/etc/careledger/node:ro
      - {host}:/var/hyperledger:nocopy
",
        published(*port),
        published(*admin_port),
        rendered(&format!("nodes/{host}")),
        rendered(&format!("{tree}/orderers/{host}")),
    )
}

fn peer(member: &MemberPlan, node: &PeerPlan) -> String {
    let PeerPlan { host, port, .. } = node;
    let tree = relative(OrgKind::Peer, &member.domain);
    format!(
        "  {host}:
    <<: *peer
    networks: [consortium, {domain}]
    ports:
      - {}
    volumes:
      - {}:/etc/careledger/config:ro
      - {}:/etc/careledger/node:ro
      - {host}:/var/hyperledger:nocopy
",
        published(*port),
        rendered(&format!("nodes/{host}")),
        rendered(&format!("{tree}/peers/{host}")),
        domain = member.domain,
    )
}

fn chaincode(plan: &Plan, member: &MemberPlan, release: &ChaincodeRelease) -> String {
    let host = member.chaincode_host(release);
    // Once there was another version than the program's, each names its image.
    let image = if *plan.releases == [ChaincodeRelease::first(&plan.version)] {
        String::new()
    } else {
        let variable = format!("CARELEDGER_CHAINCODE{}", release.suffix().replace('-', "_"));
        format!(
            "\n    image: careledger/chaincode:${{{variable}:-{}}}",
            release.version
        )
    };
    format!(
        "  {host}:
    <<: *chaincode{image}
    networks: [{}]
    environment:
      <<: *chaincode-environment
      CHAINCODE_ID: ${{{}:-}}
    volumes:
      - {}:/etc/careledger/node:ro
",
        member.domain,
        package_variable(&member.msp_id, release),
        rendered(&format!("services/{host}")),
    )
}

/// A custodian's vault knows where its copies are; one that holds them knows whose they are, one for fingerprints that it is one.
fn vault(plan: &Plan, member: &MemberPlan, node: &VaultPlan) -> String {
    let VaultPlan { host, custodian, .. } = node;
    let domain = &member.domain;
    let tree = relative(OrgKind::Peer, domain);
    let peers: Vec<String> = member
        .peers
        .iter()
        .map(|peer| format!("{}:{}", peer.host, peer.port))
        .collect();
    let (mut environment, mut mounts) = (String::new(), String::new());
    if custodian == FINGERPRINTS {
        environment = "      CARELEDGER_VAULT_FINGERPRINTS: \"on\"\n".to_owned();
    } else if *custodian == member.msp_id {
        let mut places = Vec::new();
        for (holder, replica) in plan.replicas(custodian) {
            places.push(format!("{}=https://{}:{VAULT_PORT}", holder.msp_id, replica.host));
            let of_holder = relative(OrgKind::Peer, &holder.domain);
            let ca = rendered(&format!(
                "{of_holder}/msp/tlscacerts/tlsca.{}-cert.pem",
                holder.domain
            ));
            let _infallible = writeln!(
                mounts,
                "      - {ca}:/etc/careledger/replicas/{}.pem:ro",
                holder.msp_id
            );
        }
        if !places.is_empty() {
            environment = format!(
                "      CARELEDGER_VAULT_REPLICAS: {}\n      CARELEDGER_VAULT_REPLICA_CAS: /etc/careledger/replicas\n",
                places.join(",")
            );
        }
    } else {
        let of_custodian = relative(OrgKind::Peer, &node.custodian_domain);
        environment = format!(
            "      CARELEDGER_VAULT_CUSTODIAN: {custodian}\n      CARELEDGER_VAULT_CUSTODIAN_MSP: /etc/careledger/custodian\n"
        );
        mounts = format!(
            "      - {}:/etc/careledger/custodian:ro\n",
            rendered(&format!("{of_custodian}/msp"))
        );
    }
    format!(
        "  {host}:
    <<: *vault
    networks: [consortium, {domain}]
    ports:
      - {}
    environment:
      <<: *vault-environment
      CARELEDGER_VAULT_ORGANISATION: {}
      CARELEDGER_VAULT_PEER: {}
{environment}    volumes:
      - {}:/etc/careledger/node:ro
      - {}:/etc/careledger/identity:ro
      - {}:/etc/careledger/msp:ro
{mounts}      - {host}:/var/lib/careledger:nocopy
",
        published_as(node.port, VAULT_PORT),
        member.msp_id,
        peers.join(","),
        rendered(&format!("services/{host}")),
        rendered(&format!("{tree}/users/{}@{domain}/msp", node.user)),
        rendered(&format!("{tree}/msp")),
    )
}

fn couchdb(member: &MemberPlan, node: &PeerPlan) -> String {
    let host = node.couchdb_host();
    format!(
        "  {host}:
    <<: *couchdb
    networks: [{}]
    volumes:
      - {}:/opt/couchdb/etc/default.d/careledger.ini:ro
      - {host}:/opt/couchdb/data:nocopy
",
        member.domain,
        rendered(&format!("services/{host}/careledger.ini")),
    )
}

fn ca(member: &MemberPlan) -> String {
    let (host, domain) = (member.ca_host(), &member.domain);
    let tree = relative(OrgKind::Peer, domain);
    format!(
        "  {host}:
    <<: *ca
    networks: [consortium, {domain}]
    volumes:
      - {host}:/var/hyperledger:nocopy
      - {}:/var/hyperledger/fabric-ca-server-config.yaml:ro
      - {}:/etc/careledger/node:ro
      - {}:/etc/careledger/ca:ro
",
        rendered(&format!("nodes/{host}/fabric-ca-server-config.yaml")),
        rendered(&format!("services/{host}")),
        rendered(&format!("{tree}/ca")),
    )
}
