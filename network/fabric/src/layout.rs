//! What was rendered beyond the network's own description: the content of `fabric.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::organisations::Trees;
use crate::plan::Plan;
use crate::services::package_file;

/// Project name of the containers, networks and volumes.
pub(crate) const PROJECT: &str = "careledger";

/// Packages, vaults and compose files. Paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// The chaincode package of each member, by MSP id.
    pub packages: BTreeMap<String, PathBuf>,
    /// Each vault, by MSP id.
    pub vaults: BTreeMap<String, VaultPlace>,
    /// How the containers are started.
    pub compose: ComposeFiles,
}

/// Where a vault is reached from this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultPlace {
    /// `https://host:port`.
    pub url: String,
    /// The CA of its TLS certificate: that of its organisation.
    pub tls_ca: PathBuf,
}

/// `docker compose --env-file ENV_FILE --file FILE …`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComposeFiles {
    /// The compose file.
    pub file: PathBuf,
    /// Versions, paths and package ids; no secret.
    pub env_file: PathBuf,
    /// The project's name.
    pub project: String,
}

pub(crate) fn layout(root: &Path, plan: &Plan, trees: &Trees) -> Layout {
    let packages = plan
        .members
        .iter()
        .map(|member| (member.msp_id.clone(), root.join(package_file(member))));
    let vaults = plan
        .members
        .iter()
        .zip(&trees.members)
        .filter_map(|(member, tree)| {
            let vault = member.vault.as_ref()?;
            let ca = format!("tlsca.{}-cert.pem", member.domain);
            let place = VaultPlace {
                url: format!("https://127.0.0.1:{}", vault.port),
                tls_ca: tree.msp_dir().join("tlscacerts").join(ca),
            };
            Some((member.msp_id.clone(), place))
        });
    Layout {
        packages: packages.collect(),
        vaults: vaults.collect(),
        compose: ComposeFiles {
            file: root.join("docker-compose.yaml"),
            env_file: root.join(".env"),
            project: PROJECT.to_owned(),
        },
    }
}
