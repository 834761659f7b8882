//! The file's shape, and the way between it and the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use fabric_msp::ca::Kind;
use fabric_msp::cryptogen::UserSpec;
use fabric_msp::policy::Rule;
use fabric_orderer::Cutting;
use serde::{Deserialize, Serialize};

use crate::config::{BatchConfig, NetworkConfig, OrdererNodeConfig, OrganisationConfig, PeerNodeConfig};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) channel: String,
    /// As in a peer's `core.yaml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state_database: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) purge_interval: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) material: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) genesis_block: Option<PathBuf>,
    #[serde(default)]
    pub(super) orderer: Orderer,
    #[serde(default)]
    pub(super) policies: Policies,
    #[serde(default)]
    pub(super) batch: Batch,
    pub(super) organisations: Vec<Organisation>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Orderer {
    msp_id: String,
    domain: String,
    hostname: String,
    port: u16,
    admin_port: u16,
    operations_port: u16,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Policies {
    pub(super) endorsement: Share,
    pub(super) lifecycle_endorsement: Share,
}

/// A share of the members, in Fabric's words.
#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Share {
    Any,
    All,
    #[default]
    Majority,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Batch {
    pub(super) max_message_count: u32,
    pub(super) absolute_max_bytes: u32,
    pub(super) preferred_max_bytes: u32,
    pub(super) timeout_ms: u64,
    pub(super) timer: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Organisation {
    msp_id: String,
    domain: String,
    /// False for one that the members took in later, or are about to.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    founder: bool,
    /// The one peer's, where `peers` is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chaincode_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operations_port: Option<u16>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    peers: Vec<Peer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    users: Option<Vec<User>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Peer {
    hostname: String,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    chaincode_port: u16,
    #[serde(default)]
    operations_port: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct User {
    name: String,
    #[serde(default, skip_serializing_if = "is_false")]
    admin: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    organizational_units: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, String>,
}

fn is_false(value: &bool) -> bool {
    !value
}

const fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

impl Default for Orderer {
    fn default() -> Self {
        (&OrdererNodeConfig::sample()).into()
    }
}

impl From<&OrdererNodeConfig> for Orderer {
    fn from(config: &OrdererNodeConfig) -> Self {
        Self {
            msp_id: config.msp_id.clone(),
            domain: config.domain.clone(),
            hostname: config.hostname.clone(),
            port: config.port,
            admin_port: config.admin_port,
            operations_port: config.operations_port,
        }
    }
}

impl From<Orderer> for OrdererNodeConfig {
    fn from(file: Orderer) -> Self {
        Self {
            msp_id: file.msp_id,
            domain: file.domain,
            hostname: file.hostname,
            port: file.port,
            admin_port: file.admin_port,
            operations_port: file.operations_port,
        }
    }
}

impl From<Rule> for Share {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::Any => Self::Any,
            Rule::All => Self::All,
            Rule::Majority => Self::Majority,
        }
    }
}

impl From<Share> for Rule {
    fn from(share: Share) -> Self {
        match share {
            Share::Any => Self::Any,
            Share::All => Self::All,
            Share::Majority => Self::Majority,
        }
    }
}

impl Batch {
    pub(super) fn new(config: &NetworkConfig) -> Self {
        let batch = &config.batch;
        Self {
            max_message_count: batch.max_message_count,
            absolute_max_bytes: batch.absolute_max_bytes,
            preferred_max_bytes: batch.preferred_max_bytes,
            timeout_ms: u64::try_from(batch.timeout.as_millis()).unwrap_or(u64::MAX),
            timer: config.cutting == Cutting::Timer,
        }
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new(&NetworkConfig::new("", Vec::new()))
    }
}

impl From<Batch> for BatchConfig {
    fn from(file: Batch) -> Self {
        Self {
            max_message_count: file.max_message_count,
            absolute_max_bytes: file.absolute_max_bytes,
            preferred_max_bytes: file.preferred_max_bytes,
            timeout: Duration::from_millis(file.timeout_ms),
        }
    }
}

impl TryFrom<Organisation> for OrganisationConfig {
    type Error = toml::de::Error;

    fn try_from(file: Organisation) -> Result<Self, toml::de::Error> {
        let one = file.hostname.is_some()
            || [file.port, file.chaincode_port, file.operations_port]
                .iter()
                .any(Option::is_some);
        if one && !file.peers.is_empty() {
            return Err(serde::de::Error::custom(format!(
                "{} names its peer's host or ports and `peers` as well; use one of both",
                file.msp_id
            )));
        }
        let default = Self::new(&file.msp_id, &file.domain);
        let peers = if file.peers.is_empty() {
            vec![PeerNodeConfig {
                hostname: file.hostname.unwrap_or_else(|| "peer0".to_owned()),
                port: file.port.unwrap_or(0),
                chaincode_port: file.chaincode_port.unwrap_or(0),
                operations_port: file.operations_port.unwrap_or(0),
            }]
        } else {
            file.peers.into_iter().map(PeerNodeConfig::from).collect()
        };
        Ok(Self {
            peers,
            users: match file.users {
                None => default.users,
                Some(users) => users.into_iter().map(|user| user.spec(&file.domain)).collect(),
            },
            founder: file.founder,
            ..default
        })
    }
}

impl From<&OrganisationConfig> for Organisation {
    fn from(config: &OrganisationConfig) -> Self {
        let one = match config.peers.as_slice() {
            [peer] => Some(peer),
            _ => None,
        };
        Self {
            msp_id: config.msp_id.clone(),
            domain: config.domain.clone(),
            founder: config.founder,
            hostname: one.map(|peer| peer.hostname.clone()),
            port: one.map(|peer| peer.port),
            chaincode_port: one.map(|peer| peer.chaincode_port),
            operations_port: one.map(|peer| peer.operations_port),
            peers: match one {
                Some(_) => Vec::new(),
                None => config.peers.iter().map(Peer::from).collect(),
            },
            users: Some(config.users.iter().map(User::from).collect()),
        }
    }
}

impl From<Peer> for PeerNodeConfig {
    fn from(file: Peer) -> Self {
        Self {
            hostname: file.hostname,
            port: file.port,
            chaincode_port: file.chaincode_port,
            operations_port: file.operations_port,
        }
    }
}

impl From<&PeerNodeConfig> for Peer {
    fn from(config: &PeerNodeConfig) -> Self {
        Self {
            hostname: config.hostname.clone(),
            port: config.port,
            chaincode_port: config.chaincode_port,
            operations_port: config.operations_port,
        }
    }
}

impl User {
    fn spec(self, domain: &str) -> UserSpec {
        let name = if self.name.contains('@') {
            self.name
        } else {
            format!("{}@{domain}", self.name)
        };
        UserSpec {
            name,
            kind: if self.admin { Kind::Admin } else { Kind::Client },
            organizational_units: self.organizational_units,
            attributes: self.attributes,
            ..UserSpec::default()
        }
    }
}

impl From<&UserSpec> for User {
    fn from(spec: &UserSpec) -> Self {
        Self {
            name: spec.name.clone(),
            admin: spec.kind == Kind::Admin,
            organizational_units: spec.organizational_units.clone(),
            attributes: spec.attributes.clone(),
        }
    }
}
