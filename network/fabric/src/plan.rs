//! Names and ports, worked out once.

use fabric_node::{NetworkConfig, StateDatabase};

use serde::{Deserialize, Serialize};

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
    /// Version of the vault's image, and of the first chaincode's.
    pub version: String,
    /// Name of the chaincode on the channel.
    pub chaincode: String,
    /// The chaincode's versions that run, the one to be in force last; at least one.
    pub releases: Vec<ChaincodeRelease>,
}

/// A version of the chaincode that runs as a service of each member. More than one do while members change over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChaincodeRelease {
    /// Version of its image, and in its package's label: letters, digits, `.`, `_` and `-`, at most 64 of them, the first a letter or digit.
    pub version: String,
    /// Which one it is in the network's life, from 1: in the names of its services and packages.
    pub number: u32,
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
    /// Its vaults: its own, and those that hold copies of other custodians' records.
    pub vaults: Vec<VaultPlan>,
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

/// In the place of a custodian: the vault keeps no records, and evaluates fingerprints of services for payers.
pub const FINGERPRINTS: &str = "fingerprints";

/// A vault with its names.
#[derive(Debug, Clone)]
pub struct VaultPlan {
    /// Its name.
    pub host: String,
    /// MSP id of the organisation whose records it keeps: the member itself, or another custodian, whose copies it holds. Or [`FINGERPRINTS`].
    pub custodian: String,
    /// That organisation's domain; the member's own where there are no records.
    pub custodian_domain: String,
    /// Name of its identity among the member's users, without the domain.
    pub user: String,
    /// The published port.
    pub port: u16,
}

/// A member's vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultNode {
    /// MSP id of the member.
    pub msp_id: String,
    /// MSP id of the organisation whose records it keeps: the member itself, or another custodian whose vault copies everything to this one. That
    /// takes a member of the custodian's collection. Or [`FINGERPRINTS`], at one regulator.
    pub custodian: String,
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
    /// ordering nodes that no majority suits, a vault of or for no member, and one for copies of a custodian without a vault.
    pub fn new(config: &NetworkConfig, services: &Services) -> Result<Self, RenderError> {
        config.check()?;
        if config.seed.is_some() {
            return Err(RenderError::Config(
                "keys from a seed are no secret; Fabric's own programs get random ones only".to_owned(),
            ));
        }
        let members = config.organisations.iter().map(|organisation| {
            Ok(MemberPlan {
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
                vaults: vaults(config, &services.vaults, &organisation.msp_id)?,
            })
        });
        let members = members.collect::<Result<Vec<_>, RenderError>>()?;
        check_vaults(&members, &services.vaults)?;
        let plan = Self {
            channel: config.channel.clone(),
            orderer_msp_id: config.orderer.msp_id.clone(),
            orderer_domain: config.orderer.domain.clone(),
            orderers: orderers(config, services.orderers)?,
            members,
            couchdb: config.state_database == StateDatabase::CouchDb,
            cas: services.cas,
            version: services.version.clone(),
            chaincode: services.chaincode_name.clone(),
            releases: services
                .chaincodes
                .clone()
                .unwrap_or_else(|| vec![ChaincodeRelease::first(&services.version)]),
        };
        plan.check_ports()?;
        plan.check_releases()?;
        Ok(plan)
    }

    /// All peers with their members.
    pub fn peers(&self) -> impl Iterator<Item = (&MemberPlan, &PeerPlan)> {
        self.members
            .iter()
            .flat_map(|member| member.peers.iter().map(move |peer| (member, peer)))
    }

    /// The vaults that hold copies of a custodian's records, with their members.
    pub fn replicas<'p>(
        &'p self,
        custodian: &'p str,
    ) -> impl Iterator<Item = (&'p MemberPlan, &'p VaultPlan)> {
        let others = self
            .members
            .iter()
            .filter(move |member| member.msp_id != custodian);
        others.flat_map(move |member| {
            let holding = member
                .vaults
                .iter()
                .filter(move |vault| vault.custodian == custodian);
            holding.map(move |vault| (member, vault))
        })
    }

    fn check_releases(&self) -> Result<(), RenderError> {
        let mut last = 0;
        for release in &self.releases {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            let begins_well = release.version.starts_with(|c: char| c.is_ascii_alphanumeric());
            if !begins_well || release.version.len() > 64 || !release.version.chars().all(plain) {
                return Err(RenderError::Config(format!(
                    "{:?} is no version of the chaincode: up to 64 letters, digits, '.', '_' and '-', like 0.2.0",
                    release.version
                )));
            }
            if release.number <= last {
                return Err(RenderError::Config(
                    "the chaincode's versions are not in the order of their numbers, from 1".to_owned(),
                ));
            }
            last = release.number;
        }
        if last == 0 {
            return Err(RenderError::Config("no version of the chaincode runs".to_owned()));
        }
        Ok(())
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
            for vault in &member.vaults {
                published.push((vault.port, vault.host.clone()));
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

impl ChaincodeRelease {
    /// The one that a network begins with.
    pub fn first(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            number: 1,
        }
    }

    /// The one after it.
    #[must_use]
    pub fn next(&self, version: &str) -> Self {
        Self {
            version: version.to_owned(),
            number: self.number.saturating_add(1),
        }
    }

    /// The name of its service in an organisation's domain.
    pub fn host(&self, domain: &str) -> String {
        format!("chaincode{}.{domain}", self.suffix())
    }

    /// What its services' and packages' names have beyond the first one's.
    pub(crate) fn suffix(&self) -> String {
        match self.number {
            1 => String::new(),
            number => format!("-{number}"),
        }
    }
}

impl MemberPlan {
    /// The address of a chaincode service.
    pub fn chaincode_host(&self, release: &ChaincodeRelease) -> String {
        release.host(&self.domain)
    }

    /// Its vault for its own records.
    pub fn own_vault(&self) -> Option<&VaultPlan> {
        self.vaults.iter().find(|vault| vault.custodian == self.msp_id)
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

/// A member's vaults: `vault.<domain>` for its own records, `vault-<the custodian's domain>.<domain>` for another's, `vault-fingerprints.<domain>` for none, in the order of the custodians' ids: what is
/// rendered again from what was rendered says the same, and Compose finds nothing changed.
fn vaults(config: &NetworkConfig, nodes: &[VaultNode], msp_id: &str) -> Result<Vec<VaultPlan>, RenderError> {
    let domain_of = |wanted: &str| {
        let member = config.organisations.iter().find(|member| member.msp_id == wanted);
        member.map(|member| member.domain.clone()).ok_or_else(|| {
            RenderError::Config(format!(
                "{wanted}, whose records a vault is to keep, is no member"
            ))
        })
    };
    let domain = domain_of(msp_id)?;
    let mut own: Vec<&VaultNode> = nodes.iter().filter(|node| node.msp_id == msp_id).collect();
    own.sort_by_key(|node| (node.custodian != msp_id, &node.custodian));
    own.into_iter()
        .map(|node| {
            let (host, custodian_domain) = if node.custodian == FINGERPRINTS {
                (format!("vault-{FINGERPRINTS}.{domain}"), domain.clone())
            } else if node.custodian == msp_id {
                (format!("vault.{domain}"), domain.clone())
            } else {
                let of_custodian = domain_of(&node.custodian)?;
                let first = of_custodian.replace('.', "-");
                (format!("vault-{first}.{domain}"), of_custodian)
            };
            Ok(VaultPlan {
                host,
                custodian: node.custodian.clone(),
                custodian_domain,
                user: node.user.clone(),
                port: node.port,
            })
        })
        .collect()
}

/// Every vault is a member's, no two are for the same records at the same member, and copies come from a vault.
fn check_vaults(members: &[MemberPlan], nodes: &[VaultNode]) -> Result<(), RenderError> {
    let member = |msp_id: &str| members.iter().find(|member| member.msp_id == msp_id);
    for node in nodes {
        let VaultNode {
            msp_id, custodian, ..
        } = node;
        let same = |other: &&VaultNode| other.msp_id == *msp_id && other.custodian == *custodian;
        let evaluates = |node: &&VaultNode| node.custodian == FINGERPRINTS;
        let reason = if custodian == FINGERPRINTS && nodes.iter().filter(evaluates).count() > 1 {
            "two vaults evaluate fingerprints; one has to, for payers compare what was made with one key"
                .to_owned()
        } else if member(msp_id).is_none() {
            format!("{msp_id} has a vault and is no member")
        } else if nodes.iter().filter(same).count() > 1 {
            format!("{msp_id} has two vaults for the records of {custodian}")
        } else if member(custodian).is_some_and(|custodian| custodian.own_vault().is_none()) {
            format!(
                "{msp_id} is to hold copies of {custodian}'s records, and {custodian} has no vault that sends any"
            )
        } else {
            continue;
        };
        return Err(RenderError::Config(reason));
    }
    Ok(())
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
