//! Names and ports, worked out once.

use fabric_node::{NetworkConfig, StateDatabase};

use crate::Services;
use crate::error::RenderError;

/// Between the ports of one ordering node and the next one's, as between the members of the presets.
const ORDERER_STEP: u16 = 1_000;

/// A consortium as Fabric's programs run it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The channel.
    pub channel: String,
    /// MSP id of the ordering organisation.
    pub orderer_msp_id: String,
    /// Its domain.
    pub orderer_domain: String,
    /// The ordering nodes.
    pub orderers: Vec<OrdererPlan>,
    /// The members.
    pub members: Vec<MemberPlan>,
    /// Whether the peers keep their state in CouchDB.
    pub couchdb: bool,
    /// Whether the CAs start with the others.
    pub cas: bool,
    /// Version of the chaincode's and the vault's images.
    pub version: String,
    /// Name of the chaincode on the channel.
    pub chaincode: String,
}

/// An ordering node.
#[derive(Debug, Clone)]
pub struct OrdererPlan {
    /// First label of its name.
    pub hostname: String,
    /// Its name.
    pub host: String,
    /// Port for peers, clients and the other nodes.
    pub port: u16,
    /// Port of the participation API.
    pub admin_port: u16,
}

/// A member.
#[derive(Debug, Clone)]
pub struct MemberPlan {
    /// Its MSP id.
    pub msp_id: String,
    /// Its domain.
    pub domain: String,
    /// Its peers; at least one.
    pub peers: Vec<PeerPlan>,
    /// Its vault.
    pub vault: Option<VaultNode>,
}

/// A peer.
#[derive(Debug, Clone)]
pub struct PeerPlan {
    /// First label of its name.
    pub hostname: String,
    /// Its name.
    pub host: String,
    /// Port for clients and peers.
    pub port: u16,
    /// Port for chaincode that connects to the peer.
    pub chaincode_port: u16,
}

/// A member's vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultNode {
    /// MSP id of the member.
    pub msp_id: String,
    /// Name of the vault's identity among the member's users, without the domain.
    pub user: String,
    /// The published port.
    pub port: u16,
}

impl Plan {
    /// Works out the names and ports.
    ///
    /// # Errors
    /// [`RenderError::Config`] for keys that follow from a seed, for ports that are left to chance or meet, and for a number of
    /// ordering nodes that no majority suits, or a vault of no member.
    pub fn new(config: &NetworkConfig, services: &Services) -> Result<Self, RenderError> {
        config.check()?;
        if config.seed.is_some() {
            return Err(RenderError::Config(
                "keys from a seed are no secret; Fabric's own programs get random ones only".to_owned(),
            ));
        }
        for vault in &services.vaults {
            if config
                .organisations
                .iter()
                .all(|member| member.msp_id != vault.msp_id)
            {
                let reason = format!("{} has a vault and is no member", vault.msp_id);
                return Err(RenderError::Config(reason));
            }
        }
        let members = config.organisations.iter().map(|organisation| MemberPlan {
            msp_id: organisation.msp_id.clone(),
            domain: organisation.domain.clone(),
            peers: organisation
                .peers
                .iter()
                .map(|peer| PeerPlan {
                    hostname: peer.hostname.clone(),
                    host: organisation.host(peer),
                    port: peer.port,
                    chaincode_port: peer.chaincode_port,
                })
                .collect(),
            vault: services
                .vaults
                .iter()
                .find(|vault| vault.msp_id == organisation.msp_id)
                .cloned(),
        });
        let plan = Self {
            channel: config.channel.clone(),
            orderer_msp_id: config.orderer.msp_id.clone(),
            orderer_domain: config.orderer.domain.clone(),
            orderers: orderers(config, services.orderers)?,
            members: members.collect(),
            couchdb: config.state_database == StateDatabase::CouchDb,
            cas: services.cas,
            version: services.version.clone(),
            chaincode: services.chaincode_name.clone(),
        };
        plan.check_ports()?;
        Ok(plan)
    }

    /// All peers with their members.
    pub fn peers(&self) -> impl Iterator<Item = (&MemberPlan, &PeerPlan)> {
        self.members
            .iter()
            .flat_map(|member| member.peers.iter().map(move |peer| (member, peer)))
    }

    fn check_ports(&self) -> Result<(), RenderError> {
        let mut published: Vec<(u16, String)> = Vec::new();
        for orderer in &self.orderers {
            published.push((orderer.port, orderer.host.clone()));
            published.push((orderer.admin_port, format!("{} (administration)", orderer.host)));
        }
        for (_, peer) in self.peers() {
            published.push((peer.port, peer.host.clone()));
            if peer.chaincode_port == 0 || peer.chaincode_port == peer.port {
                let reason = format!("{} needs a chaincode_port of its own", peer.host);
                return Err(RenderError::Config(reason));
            }
        }
        for member in &self.members {
            if let Some(vault) = &member.vault {
                published.push((vault.port, format!("vault.{}", member.domain)));
            }
        }
        published.sort();
        if let Some((_, host)) = published.iter().find(|(port, _)| *port == 0) {
            return Err(RenderError::Config(format!(
                "{host} needs a port; a free one cannot be published"
            )));
        }
        for pair in published.windows(2) {
            if let [(first, one), (second, other)] = pair
                && first == second
            {
                return Err(RenderError::Config(format!(
                    "{one} and {other} both have port {first}"
                )));
            }
        }
        Ok(())
    }
}

impl MemberPlan {
    /// The address of its chaincode service.
    pub fn chaincode_host(&self) -> String {
        format!("chaincode.{}", self.domain)
    }

    /// The name of its vault.
    pub fn vault_host(&self) -> String {
        format!("vault.{}", self.domain)
    }

    /// The name of its CA.
    pub fn ca_host(&self) -> String {
        format!("ca.{}", self.domain)
    }
}

impl PeerPlan {
    /// The name of its CouchDB.
    pub fn couchdb_host(&self) -> String {
        format!("couchdb.{}", self.host)
    }
}

/// One node keeps the consortium's name for it; several are numbered from 1.
fn orderers(config: &NetworkConfig, count: u16) -> Result<Vec<OrdererPlan>, RenderError> {
    if !matches!(count, 1 | 3 | 5 | 7 | 9) {
        return Err(RenderError::Config(format!(
            "{count} ordering nodes; choose 1, 3, 5, 7 or 9: Raft works while more than half of them do"
        )));
    }
    let first = &config.orderer;
    let shifted = |port: u16, number: u16| {
        port.checked_add(ORDERER_STEP * number).ok_or_else(|| {
            RenderError::Config(format!(
                "the ordering nodes' ports from {port} do not fit below 65536"
            ))
        })
    };
    (0..count)
        .map(|number| {
            let hostname = match count {
                1 => first.hostname.clone(),
                _ => format!("{}{}", first.hostname, number + 1),
            };
            Ok(OrdererPlan {
                host: format!("{hostname}.{}", first.domain),
                hostname,
                port: shifted(first.port, number)?,
                admin_port: shifted(first.admin_port, number)?,
            })
        })
        .collect()
}
