//! What was rendered for real Fabric, as commands read it.

use std::path::Path;

use careledger_sdk::api::consortium::Consortium;
use fabric_gateway_sdk::ChaincodePackage;
use fabric_render::Layout;

use crate::Result;
use crate::health::Packages;
use crate::vaults::{HealthSummary, VaultSummary};

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

/// What other commands find in `health.json`.
pub fn health(layout: &Layout, consortium: Consortium) -> HealthSummary {
    let vaults = layout.vaults.iter().map(|(msp_id, place)| {
        let summary = VaultSummary {
            url: place.url.clone(),
            tls_ca: place.tls_ca.clone(),
        };
        (msp_id.clone(), summary)
    });
    HealthSummary {
        consortium,
        vaults: vaults.collect(),
        replicas: Default::default(),
    }
}

#[cfg(test)]
mod tests {
    use fabric_render::{ComposeFiles, VaultPlace};

    use super::*;
    use crate::health;

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
        let layout = Layout {
            packages: made.keys().map(|msp_id| (msp_id.clone(), file(msp_id))).collect(),
            vaults: [(health::HOSPITAL.to_owned(), place.clone())].into(),
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
        assert_eq!(
            super::health(&read, health::consortium()).vaults[health::HOSPITAL].url,
            place.url
        );

        std::fs::write(file(&health::HOSPITAL.to_owned()), b"junk").expect("written");
        let refused = packages(&read).expect_err("no package").to_string();
        assert!(refused.contains("HospitalMSP.tar.gz"), "{refused}");
    }
}
