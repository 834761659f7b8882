//! What a running network tells about itself: the content of `network.json`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use fabric_msp::cryptogen::{OrgKind, Organization, UserSpec};
use serde::{Deserialize, Serialize};

/// A running network: where to reach whom, and which files clients need. All paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSummary {
    /// The channel's name.
    pub channel: String,
    /// The network's directory.
    pub dir: PathBuf,
    /// The genesis block's file.
    pub genesis_block: PathBuf,
    /// The first ordering node.
    pub orderer: OrdererSummary,
    /// All ordering nodes, the first one among them; the embedded network has one.
    pub orderers: Vec<OrdererSummary>,
    /// The members in the order of the consortium.
    pub organisations: Vec<OrganisationSummary>,
}

/// An ordering node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrdererSummary {
    /// The MSP id.
    pub msp_id: String,
    /// The name in its TLS certificate.
    pub host: String,
    /// Broadcast and deliver.
    pub endpoint: SocketAddr,
    /// The channel participation API; it demands a TLS client certificate of the orderer's organisation.
    pub admin: SocketAddr,
    /// Health and metrics, plain HTTP.
    pub operations: SocketAddr,
    /// The CA of its TLS certificate.
    pub tls_ca: PathBuf,
    /// MSP directories of its organisation's users by name.
    pub users: BTreeMap<String, PathBuf>,
}

/// A member and its peers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganisationSummary {
    /// The MSP id.
    pub msp_id: String,
    /// The domain.
    pub domain: String,
    /// The name in the first peer's TLS certificate.
    pub host: String,
    /// The first peer's gateway, endorser and deliver.
    pub endpoint: SocketAddr,
    /// For chaincode that connects to the first peer.
    pub chaincode: SocketAddr,
    /// The first peer's health and metrics, plain HTTP.
    pub operations: SocketAddr,
    /// The CA of the first peer's TLS certificate.
    pub tls_ca: PathBuf,
    /// All of its peers, the first one among them.
    pub peers: Vec<PeerSummary>,
    /// MSP directories of the organisation's users by name.
    pub users: BTreeMap<String, PathBuf>,
}

impl OrganisationSummary {
    /// A member with these peers, in the order of the consortium, and the users that its tree holds besides its administrator. `None` without a peer.
    pub fn of(tree: &Organization, peers: Vec<PeerSummary>, users: &[UserSpec]) -> Option<Self> {
        let first = peers.first()?.clone();
        Some(Self {
            msp_id: tree.msp_id().to_owned(),
            domain: tree.domain().to_owned(),
            host: first.host,
            endpoint: first.endpoint,
            chaincode: first.chaincode,
            operations: first.operations,
            tls_ca: first.tls_ca,
            peers,
            users: user_directories(tree, users),
        })
    }
}

/// A peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerSummary {
    /// The name in its TLS certificate.
    pub host: String,
    /// Gateway, endorser and deliver.
    pub endpoint: SocketAddr,
    /// For chaincode that connects to the peer.
    pub chaincode: SocketAddr,
    /// Health and metrics, plain HTTP.
    pub operations: SocketAddr,
    /// The CA of its TLS certificate.
    pub tls_ca: PathBuf,
}

impl NetworkSummary {
    /// The member with this MSP id.
    pub fn organisation(&self, msp_id: &str) -> Option<&OrganisationSummary> {
        self.organisations
            .iter()
            .find(|organisation| organisation.msp_id == msp_id)
    }

    /// A member's keys and certificates on disk.
    pub fn tree(&self, msp_id: &str) -> Option<Organization> {
        let organisation = self.organisation(msp_id)?;
        let root = self.dir.join("organizations");
        Some(Organization::open(
            root,
            OrgKind::Peer,
            &organisation.domain,
            &organisation.msp_id,
        ))
    }
}

/// The MSP directories of `Admin` and of `users`, by their names without the domain.
pub fn user_directories(tree: &Organization, users: &[UserSpec]) -> BTreeMap<String, PathBuf> {
    let names = users.iter().map(|user| user.name.as_str()).chain(["Admin"]);
    names
        .map(|name| {
            let short = name.strip_suffix(&format!("@{}", tree.domain())).unwrap_or(name);
            (short.to_owned(), tree.user_dir(name).join("msp"))
        })
        .collect()
}
