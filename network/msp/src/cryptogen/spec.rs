//! What is to be generated.

use std::collections::BTreeMap;

use crate::ca::Kind;
use crate::key::KeyAlgorithm;

/// Whether an organisation runs peers or ordering nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrgKind {
    /// Below `peerOrganizations`, nodes below `peers`.
    Peer,
    /// Below `ordererOrganizations`, nodes below `orderers`.
    Orderer,
}

impl OrgKind {
    pub(super) fn tree(self) -> &'static str {
        match self {
            Self::Peer => "peerOrganizations",
            Self::Orderer => "ordererOrganizations",
        }
    }

    pub(super) fn nodes(self) -> &'static str {
        match self {
            Self::Peer => "peers",
            Self::Orderer => "orderers",
        }
    }

    pub(super) fn node_kind(self) -> Kind {
        match self {
            Self::Peer => Kind::Peer,
            Self::Orderer => Kind::Orderer,
        }
    }
}

/// An organisation to be generated.
#[derive(Debug, Clone)]
pub struct OrgSpec {
    /// The domain, for example `org1.example.com`; names the directory.
    pub domain: String,
    /// The MSP id, for example `Org1MSP`.
    pub msp_id: String,
    /// What its nodes are.
    pub kind: OrgKind,
    /// Its nodes.
    pub nodes: Vec<NodeSpec>,
    /// Its users besides `Admin@<domain>`, which every organisation has.
    pub users: Vec<UserSpec>,
}

impl OrgSpec {
    /// An organisation with one peer, `peer0`, and one client, `User1`.
    pub fn peers(domain: &str, msp_id: &str) -> Self {
        Self {
            domain: domain.to_owned(),
            msp_id: msp_id.to_owned(),
            kind: OrgKind::Peer,
            nodes: vec![NodeSpec::new("peer0")],
            users: vec![UserSpec::client(&format!("User1@{domain}"))],
        }
    }

    /// An organisation with one ordering node, `orderer`.
    pub fn orderers(domain: &str, msp_id: &str) -> Self {
        Self {
            domain: domain.to_owned(),
            msp_id: msp_id.to_owned(),
            kind: OrgKind::Orderer,
            nodes: vec![NodeSpec::new("orderer")],
            users: Vec::new(),
        }
    }
}

/// A peer or an ordering node.
#[derive(Debug, Clone)]
pub struct NodeSpec {
    /// The first label of its host name: `peer0`.
    pub hostname: String,
    /// Names and addresses in its TLS certificate besides `<hostname>.<domain>`, `<hostname>`, `localhost`, `127.0.0.1` and
    /// `::1`.
    pub sans: Vec<String>,
    /// The kind of its identity's key; its TLS key is P-256.
    pub key: KeyAlgorithm,
}

impl NodeSpec {
    /// A node without further names.
    pub fn new(hostname: &str) -> Self {
        Self {
            hostname: hostname.to_owned(),
            sans: Vec::new(),
            key: KeyAlgorithm::default(),
        }
    }
}

/// A user: a person or an application.
#[derive(Debug, Clone, Default)]
pub struct UserSpec {
    /// Common name and directory name, `User1@<domain>` by custom. Never a person's name: it travels in every block.
    pub name: String,
    /// The role; `Kind::Client` or `Kind::Admin`.
    pub kind: Kind,
    /// Organisational units besides the role's.
    pub organizational_units: Vec<String>,
    /// The kind of key: P-256, or Ed25519 for channels with capability V3_0.
    pub key: KeyAlgorithm,
    /// Attributes for chaincode.
    pub attributes: BTreeMap<String, String>,
    /// Start of validity in seconds of the Unix epoch, five minutes ago by default.
    pub not_before: Option<i64>,
    /// End of validity in seconds of the Unix epoch, ten years after the start by default.
    pub not_after: Option<i64>,
}

impl UserSpec {
    /// A client.
    pub fn client(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// The same with an attribute.
    #[must_use]
    pub fn with_attribute(mut self, name: &str, value: &str) -> Self {
        self.attributes.insert(name.to_owned(), value.to_owned());
        self
    }
}
