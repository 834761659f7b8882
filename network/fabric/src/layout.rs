//! What was rendered beyond the network's own description: the content of `fabric.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::RenderError;
use crate::organisations::Trees;
use crate::plan::{ChaincodeRelease, FINGERPRINTS, Plan};
use crate::services::package_file;

/// Name of the file in a rendered directory.
const FILE: &str = "fabric.json";

/// Project name of the containers, networks and volumes.
pub(crate) const PROJECT: &str = "careledger";

/// Packages, vaults and compose files. Paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// The chaincode's versions that run, the one to be in force last. In a directory of a program before there were several: none.
    #[serde(default)]
    pub chaincodes: Vec<ChaincodeRelease>,
    /// The package of the last of them of each member, by MSP id.
    pub packages: BTreeMap<String, PathBuf>,
    /// Each custodian's vault, by MSP id.
    pub vaults: BTreeMap<String, VaultPlace>,
    /// The vaults that hold copies of each custodian's records, by the custodian's MSP id.
    #[serde(default)]
    pub replicas: BTreeMap<String, Vec<ReplicaPlace>>,
    /// The vault that evaluates fingerprints for payers, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprints: Option<ReplicaPlace>,
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

/// A vault that holds a custodian's copies, or none of anybody's and evaluates fingerprints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaPlace {
    /// MSP id of its organisation.
    pub holder: String,
    /// Where it is.
    #[serde(flatten)]
    pub vault: VaultPlace,
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

/// The chaincode's versions that a rendered directory names, if there is one and it names any.
pub(crate) fn releases(root: &Path) -> Result<Option<Vec<ChaincodeRelease>>, RenderError> {
    let path = root.join(FILE);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(RenderError::io(path)(error)),
    };
    let layout: Layout = serde_json::from_slice(&bytes)?;
    Ok((!layout.chaincodes.is_empty()).then_some(layout.chaincodes))
}

pub(crate) fn layout(root: &Path, plan: &Plan, trees: &Trees) -> Layout {
    let newest = plan.releases.last();
    let packages = plan
        .members
        .iter()
        .zip(newest.into_iter().cycle())
        .map(|(member, release)| (member.msp_id.clone(), root.join(package_file(member, release))));
    let mut vaults = BTreeMap::new();
    let mut replicas: BTreeMap<String, Vec<ReplicaPlace>> = BTreeMap::new();
    let mut fingerprints = None;
    for (member, tree) in plan.members.iter().zip(&trees.members) {
        let ca = format!("tlsca.{}-cert.pem", member.domain);
        for vault in &member.vaults {
            let place = VaultPlace {
                url: format!("https://127.0.0.1:{}", vault.port),
                tls_ca: tree.msp_dir().join("tlscacerts").join(&ca),
            };
            if vault.custodian == FINGERPRINTS {
                let holder = member.msp_id.clone();
                fingerprints = Some(ReplicaPlace { holder, vault: place });
            } else if vault.custodian == member.msp_id {
                vaults.insert(member.msp_id.clone(), place);
            } else {
                let holder = member.msp_id.clone();
                let of_custodian = replicas.entry(vault.custodian.clone()).or_default();
                of_custodian.push(ReplicaPlace { holder, vault: place });
            }
        }
    }
    Layout {
        chaincodes: plan.releases.clone(),
        packages: packages.collect(),
        vaults,
        replicas,
        fingerprints,
        compose: ComposeFiles {
            file: root.join("docker-compose.yaml"),
            env_file: root.join(".env"),
            project: PROJECT.to_owned(),
        },
    }
}
