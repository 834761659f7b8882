//! The vaults of a network, one for each custodian, one for its replicas at each regulator, one for payers' fingerprints at the first of them, and the file in
//! which other commands find them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use careledger_api::consortium::{Consortium, OrganisationRole};
use careledger_sdk::vault::VaultClient;
use careledger_vault::Server;
use careledger_vault::fingerprint::FingerprintLimits;
use careledger_vault::kek::KeyProvider;
use careledger_vault::replication::Timing;
use careledger_vault::store::Store;
use fabric_node::{NetworkSummary, OrganisationSummary};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::health::Gateways;
use crate::vault::{self, FingerprintPlan, VaultPlan};

/// Name of the file in a network's directory.
pub(crate) const FILE: &str = "health.json";

/// What a running health network tells beyond `network.json`: the content of `health.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthSummary {
    /// The consortium as it was established.
    pub consortium: Consortium,
    /// Each custodian's vault, by MSP id.
    pub vaults: BTreeMap<String, VaultSummary>,
    /// Each custodian's replicas, in the order in which they are asked when its own vault does not answer.
    #[serde(default)]
    pub replicas: BTreeMap<String, Vec<ReplicaSummary>>,
    /// The vault that evaluates fingerprints for payers, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprints: Option<FingerprintSummary>,
}

/// The vault that evaluates fingerprints of services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FingerprintSummary {
    /// MSP id of the regulator whose it is.
    pub regulator: String,
    /// Where it is.
    #[serde(flatten)]
    pub vault: VaultSummary,
}

/// A vault that holds a custodian's replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaSummary {
    /// MSP id of its organisation.
    pub holder: String,
    /// Where it is.
    #[serde(flatten)]
    pub vault: VaultSummary,
}

/// Where a vault is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultSummary {
    /// `https://host:port`.
    pub url: String,
    /// The CA of its TLS certificate: that of its organisation.
    pub tls_ca: PathBuf,
}

impl HealthSummary {
    /// What the network in `dir` wrote. Fails, saying what to do, where none runs or ran.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let bytes = std::fs::read(&path).map_err(|e| {
            format!(
                "{}: {e}; start the health network there: careledger network up --dir {}",
                path.display(),
                dir.display()
            )
        })?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Writes it to `dir` in one step, so that no command reads half of it.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let new = dir.join(format!("{FILE}.new"));
        std::fs::write(&new, serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(&new, dir.join(FILE))?;
        Ok(())
    }
}

/// Where a network's vaults listen, and how often they probe their copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VaultSettings {
    /// The address.
    pub listen: IpAddr,
    /// Their ports.
    pub ports: VaultPorts,
    /// From one probe of a replica to the next.
    pub probe_every: Duration,
}

/// The ports of a network's vaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VaultPorts {
    /// Free ones.
    Free,
    /// A row from here.
    From(u16),
    /// Beside each organisation's first peer: nine above its port, and one more for each further vault of the organisation.
    BesidePeers,
}

impl VaultPorts {
    /// The port of the `nth` vault of the network, the `own`th one of an organisation, whose first peer has `peer`.
    fn port(self, nth: usize, own: usize, peer: u16) -> Result<u16> {
        let (first, further) = match self {
            Self::Free => return Ok(0),
            Self::From(base) => (usize::from(base), nth),
            Self::BesidePeers => (usize::from(peer) + 9, own),
        };
        u16::try_from(first + further)
            .map_err(|_| "the vaults' ports do not fit below 65536; choose a lower base port".into())
    }
}

/// The running vaults.
#[derive(Debug)]
pub struct Vaults {
    servers: Vec<Server>,
    /// Where they are.
    pub summary: HealthSummary,
}

impl Vaults {
    /// Starts a vault for each custodian under `<network's directory>/vaults/<MSP id>`, and at each regulator one with the replicas of each custodian
    /// under `vaults/<MSP id>/<custodian>`, to which the custodian's vault copies by itself; where there are payers, one for fingerprints at the first regulator,
    /// under `vaults/<MSP id>/fingerprints`; writes `health.json`.
    pub async fn start(
        network: &NetworkSummary,
        gateways: &Gateways,
        settings: VaultSettings,
    ) -> Result<Self> {
        let consortium = gateways.consortium().clone();
        let mut starting = Starting {
            network,
            gateways,
            settings,
            servers: Vec::new(),
            of_holder: BTreeMap::new(),
        };
        let mut vaults = BTreeMap::new();
        let mut replicas: BTreeMap<String, Vec<ReplicaSummary>> = BTreeMap::new();
        for custodian in consortium.with_role(OrganisationRole::Custodian) {
            let mut copies = Vec::new();
            for holder in consortium.with_role(OrganisationRole::Regulator) {
                let (vault, client) = starting.start(holder, custodian, Vec::new()).await?;
                let of_custodian = replicas.entry(custodian.to_owned()).or_default();
                of_custodian.push(ReplicaSummary {
                    holder: holder.to_owned(),
                    vault,
                });
                copies.push((holder.to_owned(), client));
            }
            let (vault, _) = starting.start(custodian, custodian, copies).await?;
            vaults.insert(custodian.to_owned(), vault);
        }
        // All payers ask one vault: two of them compare only what was made with one key.
        let payers = consortium.with_role(OrganisationRole::Payer);
        let fingerprints = match consortium.with_role(OrganisationRole::Regulator).first() {
            Some(regulator) if !payers.is_empty() => Some(starting.start_fingerprints(regulator).await?),
            _ => None,
        };
        let servers = starting.servers;
        let summary = HealthSummary {
            consortium,
            vaults,
            replicas,
            fingerprints,
        };
        summary.write(&network.dir)?;
        Ok(Self { servers, summary })
    }

    /// Stops them, those first that copy to others.
    pub async fn stop(self) {
        for server in self.servers.into_iter().rev() {
            server.stop().await;
        }
    }
}

/// The vaults that are started so far.
struct Starting<'a> {
    network: &'a NetworkSummary,
    gateways: &'a Gateways,
    settings: VaultSettings,
    servers: Vec<Server>,
    of_holder: BTreeMap<String, usize>,
}

impl<'a> Starting<'a> {
    async fn start(
        &mut self,
        holder: &str,
        custodian: &str,
        replicas: Vec<(String, VaultClient)>,
    ) -> Result<(VaultSummary, VaultClient)> {
        let (organisation, address) = self.place(holder)?;
        let mut dir = self.network.dir.join("vaults").join(holder);
        if holder != custodian {
            dir.push(custodian);
        }
        std::fs::create_dir_all(&dir)?;
        let key = KeyProvider::from_environment()?.of_vault(&format!("{holder}.{custodian}"));
        let plan = VaultPlan {
            holder,
            custodian,
            dir: &dir,
            store: Arc::new(Store::open_under(&dir, key).await?),
            replicas,
            backups: Vec::new(),
            replication: Some(Timing {
                probe_every: self.settings.probe_every,
                ..Timing::default()
            }),
            address,
        };
        let server = vault::start(self.network, self.gateways, plan).await?;
        let summary = VaultSummary {
            url: vault::url(&server),
            tls_ca: organisation.tls_ca.clone(),
        };
        let client = vault::client(self.network, holder, &server)?;
        self.servers.push(server);
        Ok((summary, client))
    }

    async fn start_fingerprints(&mut self, regulator: &str) -> Result<FingerprintSummary> {
        let (organisation, address) = self.place(regulator)?;
        let dir = self
            .network
            .dir
            .join("vaults")
            .join(regulator)
            .join("fingerprints");
        std::fs::create_dir_all(&dir)?;
        let provider = KeyProvider::from_environment()?.of_vault(&format!("{regulator}.fingerprints"));
        let plan = FingerprintPlan {
            regulator,
            dir: &dir,
            provider,
            limits: FingerprintLimits::default(),
            address,
        };
        let server = vault::start_fingerprints(self.network, self.gateways, plan).await?;
        let vault = VaultSummary {
            url: vault::url(&server),
            tls_ca: organisation.tls_ca.clone(),
        };
        self.servers.push(server);
        Ok(FingerprintSummary {
            regulator: regulator.to_owned(),
            vault,
        })
    }

    /// A member, and where its next vault listens.
    fn place(&mut self, holder: &str) -> Result<(&'a OrganisationSummary, SocketAddr)> {
        let organisation = self
            .network
            .organisation(holder)
            .ok_or_else(|| format!("{holder} is no member of this network"))?;
        let own = self.of_holder.entry(holder.to_owned()).or_default();
        let VaultSettings { listen, ports, .. } = self.settings;
        let port = ports.port(self.servers.len(), *own, organisation.endpoint.port())?;
        *own += 1;
        Ok((organisation, SocketAddr::new(listen, port)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vaults_ports_lie_beside_the_peers_or_behind_their_row() {
        let port = |ports: VaultPorts, nth, own, peer| ports.port(nth, own, peer).ok();
        assert_eq!(port(VaultPorts::Free, 3, 1, 10_051), Some(0));
        assert_eq!(port(VaultPorts::From(20_015), 2, 0, 7_051), Some(20_017));
        assert_eq!(port(VaultPorts::BesidePeers, 0, 0, 7_051), Some(7_060));
        assert_eq!(port(VaultPorts::BesidePeers, 3, 1, 10_051), Some(10_061));
        assert_eq!(port(VaultPorts::From(65_535), 1, 0, 7_051), None);
    }
}
