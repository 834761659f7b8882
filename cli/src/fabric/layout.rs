//! What was rendered for real Fabric, as commands read it.

use std::path::Path;

use careledger_api::roles::Role;
use careledger_sdk::api::consortium::Consortium;
use fabric_gateway_sdk::ChaincodePackage;
use fabric_node::{NetworkConfig, NetworkSummary};
use fabric_render::{FINGERPRINTS, Layout, Services, VaultNode, VaultPlace};

use crate::Result;
use crate::health::{self, Packages};
use crate::vaults::{FingerprintSummary, HealthSummary, ReplicaSummary, VaultSummary};

/// Name of the file in a network's directory.
const FILE: &str = "fabric.json";

/// Whether `dir` holds a network for real Fabric.
pub fn is_in(dir: &Path) -> bool {
    dir.join(FILE).is_file()
}

/// What is in `dir`. Fails, saying what to do, where nothing was rendered.
pub fn read(dir: &Path) -> Result<Layout> {
    let path = dir.join(FILE);
    let bytes = std::fs::read(&path).map_err(|e| {
        format!(
            "{}: {e}; render the network there: careledger network render --out {}",
            path.display(),
            dir.display()
        )
    })?;
    Ok(serde_json::from_slice(&bytes).map_err(|e| format!("{}: {e}", path.display()))?)
}

/// The chaincode's packages, read.
pub fn packages(layout: &Layout) -> Result<Packages> {
    let mut packages = Packages::new();
    for (msp_id, path) in &layout.packages {
        let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let package = ChaincodePackage::from_bytes(bytes).map_err(|e| format!("{}: {e}", path.display()))?;
        packages.insert(msp_id.clone(), package);
    }
    Ok(packages)
}

/// The consortium that `dir` was rendered from.
pub fn config(dir: &Path) -> Result<NetworkConfig> {
    let file = dir.join("consortium.toml");
    if file.is_file() {
        return Ok(NetworkConfig::from_consortium(&file)?);
    }
    // Rendered before the directory kept it: then it is the preset's.
    Ok(health::network_config())
}

/// The services that a directory was rendered with.
pub fn services(layout: &Layout, network: &NetworkSummary) -> Result<Services> {
    let node = |msp_id: &str, custodian: &str, place: &VaultPlace| {
        let port = place.url.rsplit(':').next().and_then(|port| port.parse().ok());
        let port = port.ok_or_else(|| format!("fabric.json has a vault without a port: {}", place.url))?;
        Ok::<_, crate::Error>(VaultNode {
            msp_id: msp_id.to_owned(),
            custodian: custodian.to_owned(),
            user: Role::Vault.as_str().to_owned(),
            port,
        })
    };
    let mut vaults = Vec::new();
    for (msp_id, place) in &layout.vaults {
        vaults.push(node(msp_id, msp_id, place)?);
    }
    for (custodian, places) in &layout.replicas {
        for place in places {
            vaults.push(node(&place.holder, custodian, &place.vault)?);
        }
    }
    if let Some(place) = &layout.fingerprints {
        vaults.push(node(&place.holder, FINGERPRINTS, &place.vault)?);
    }
    Ok(Services {
        orderers: u16::try_from(network.orderers.len())?,
        vaults,
        ..Services::health()
    })
}

/// What other commands find in `health.json`.
pub fn health(layout: &Layout, consortium: Consortium) -> HealthSummary {
    let summary = |place: &VaultPlace| VaultSummary {
        url: place.url.clone(),
        tls_ca: place.tls_ca.clone(),
    };
    let vaults = layout
        .vaults
        .iter()
        .map(|(msp_id, place)| (msp_id.clone(), summary(place)));
    let replicas = layout.replicas.iter().map(|(custodian, places)| {
        let of_custodian = places.iter().map(|place| ReplicaSummary {
            holder: place.holder.clone(),
            vault: summary(&place.vault),
        });
        (custodian.clone(), of_custodian.collect())
    });
    HealthSummary {
        consortium,
        vaults: vaults.collect(),
        replicas: replicas.collect(),
        fingerprints: layout.fingerprints.as_ref().map(|place| FingerprintSummary {
            regulator: place.holder.clone(),
            vault: summary(&place.vault),
        }),
    }
}

#[cfg(test)]
mod tests {
    use fabric_render::{ChaincodeRelease, ComposeFiles, ReplicaPlace, VaultPlace};

    use super::*;

    #[test]
    fn what_was_rendered_is_read() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(!is_in(dir.path()));
        let refused = read(dir.path()).expect_err("nothing there").to_string();
        assert!(refused.contains("careledger network render"), "{refused}");

        let made = health::in_process_packages().expect("packages");
        let file = |msp_id: &String| dir.path().join(format!("{msp_id}.tar.gz"));
        for (msp_id, package) in &made {
            std::fs::write(file(msp_id), package.bytes()).expect("written");
        }
        let place = VaultPlace {
            url: "https://127.0.0.1:8443".to_owned(),
            tls_ca: dir.path().join("ca.crt"),
        };
        let copies = ReplicaPlace {
            holder: health::REGULATOR.to_owned(),
            vault: VaultPlace {
                url: "https://127.0.0.1:8445".to_owned(),
                ..place.clone()
            },
        };
        let layout = Layout {
            chaincodes: vec![ChaincodeRelease::first("0.1.0")],
            packages: made.keys().map(|msp_id| (msp_id.clone(), file(msp_id))).collect(),
            vaults: [(health::HOSPITAL.to_owned(), place.clone())].into(),
            replicas: [(health::HOSPITAL.to_owned(), vec![copies.clone()])].into(),
            fingerprints: Some(copies.clone()),
            compose: ComposeFiles {
                file: dir.path().join("docker-compose.yaml"),
                env_file: dir.path().join(".env"),
                project: "careledger".to_owned(),
            },
        };
        let json = serde_json::to_vec(&layout).expect("JSON");
        std::fs::write(dir.path().join(FILE), json).expect("written");
        assert!(is_in(dir.path()));
        let read = read(dir.path()).expect("read");
        assert_eq!(read, layout);
        assert_eq!(packages(&read).expect("packages"), made);
        let summary = super::health(&read, health::consortium());
        assert_eq!(summary.vaults[health::HOSPITAL].url, place.url);
        let replica = &summary.replicas[health::HOSPITAL][0];
        assert_eq!(
            (&replica.holder, &replica.vault.url),
            (&copies.holder, &copies.vault.url)
        );

        std::fs::write(file(&health::HOSPITAL.to_owned()), b"junk").expect("written");
        let refused = packages(&read).expect_err("no package").to_string();
        assert!(refused.contains("HospitalMSP.tar.gz"), "{refused}");
    }
}
