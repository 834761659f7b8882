//! The vaults of an embedded network, one for each custodian, and the file in which other commands find them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use careledger_api::consortium::{Consortium, OrganisationRole};
use careledger_vault::Server;
use careledger_vault::kek::FileKey;
use careledger_vault::store::Store;
use fabric_node::Network;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::demo;
use crate::health::{self, Gateways};

/// Name of the file in a network's directory.
const FILE: &str = "health.json";

/// What a running health network tells beyond `network.json`: the content of `health.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthSummary {
    /// The consortium as it was established.
    pub consortium: Consortium,
    /// Each custodian's vault, by MSP id.
    pub vaults: BTreeMap<String, VaultSummary>,
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

    /// Writes it in one step, so that no command reads half of it.
    fn write(&self, dir: &Path) -> Result<()> {
        let new = dir.join(format!("{FILE}.new"));
        std::fs::write(&new, serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(&new, dir.join(FILE))?;
        Ok(())
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
    /// Starts a vault for each custodian under `<network's directory>/vaults/<MSP id>`, and writes `health.json`.
    pub async fn start(network: &Network, gateways: &Gateways<'_>) -> Result<Self> {
        let dir = &network.summary().dir;
        let consortium = health::consortium();
        let mut servers = Vec::new();
        let mut vaults = BTreeMap::new();
        for custodian in consortium.with_role(OrganisationRole::Custodian) {
            let of_vault = dir.join("vaults").join(custodian);
            std::fs::create_dir_all(&of_vault)?;
            let kek = FileKey::open_or_create(&of_vault.join("kek"))?;
            let store = Arc::new(Store::open(&of_vault, Box::new(kek)).await?);
            let server = demo::start_vault(network, gateways, custodian, &of_vault, store).await?;
            let organisation = network
                .summary()
                .organisation(custodian)
                .ok_or_else(|| format!("{custodian} is no member of this network"))?;
            let summary = VaultSummary {
                url: format!("https://{}", server.address()),
                tls_ca: organisation.tls_ca.clone(),
            };
            vaults.insert(custodian.to_owned(), summary);
            servers.push(server);
        }
        let summary = HealthSummary { consortium, vaults };
        summary.write(dir)?;
        Ok(Self { servers, summary })
    }

    /// Stops them.
    pub async fn stop(self) {
        for server in self.servers {
            server.stop().await;
        }
    }
}
