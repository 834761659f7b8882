//! MSP directories (msp/configbuilder.go): `cacerts`, `intermediatecerts`, `admincerts`, `crls`, `tlscacerts`,
//! `tlsintermediatecerts`, `config.yaml`; a signing identity adds `signcerts` and `keystore`.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use fabric_protos::msp::{FabricCryptoConfig, FabricMspConfig, FabricNodeOUs, FabricOuIdentifier};

use super::yaml::Yaml;
use crate::error::MspError;
use crate::pem;

/// Reads the verifying configuration of a directory.
pub(crate) fn read_config(directory: &Path, msp_id: &str) -> Result<FabricMspConfig, MspError> {
    let root_certs = pem_files(&directory.join("cacerts"))?;
    if root_certs.is_empty() {
        return Err(MspError::Io {
            path: directory.join("cacerts"),
            detail: "no CA certificate here".into(),
        });
    }
    let tls_root_certs = optional_pem_files(&directory.join("tlscacerts"))?;
    let tls_intermediate_certs = match tls_root_certs.as_slice() {
        [] => Vec::new(),
        _ => optional_pem_files(&directory.join("tlsintermediatecerts"))?,
    };
    let mut config = FabricMspConfig {
        name: msp_id.to_owned(),
        root_certs,
        intermediate_certs: optional_pem_files(&directory.join("intermediatecerts"))?,
        admins: optional_pem_files(&directory.join("admincerts"))?,
        revocation_list: optional_pem_files(&directory.join("crls"))?,
        crypto_config: Some(FabricCryptoConfig {
            signature_hash_family: "SHA2".into(),
            identity_identifier_hash_function: "SHA256".into(),
        }),
        tls_root_certs,
        tls_intermediate_certs,
        ..FabricMspConfig::default()
    };
    let file = directory.join("config.yaml");
    match fs::read_to_string(&file) {
        Ok(text) => {
            let yaml = Yaml::parse(&text).map_err(|detail| MspError::Io { path: file, detail })?;
            read_units(directory, &yaml, &mut config)?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(MspError::io(file, &error)),
    }
    Ok(config)
}

/// The PEM files of a directory in the order of their names; files that hold no PEM are skipped, as Fabric does.
pub(crate) fn pem_files(directory: &Path) -> Result<Vec<Vec<u8>>, MspError> {
    let entries = fs::read_dir(directory).map_err(|error| MspError::io(directory, &error))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| MspError::io(directory, &error))?;
    paths.sort();
    let mut found = Vec::new();
    for path in paths.into_iter().filter(|path| path.is_file()) {
        let text = fs::read(&path).map_err(|error| MspError::io(&path, &error))?;
        match pem::decode(&text) {
            Ok(_) => found.push(text),
            Err(_) => {
                tracing::warn!(path = %path.display(), "no PEM in this file of an MSP directory; skipped")
            }
        }
    }
    Ok(found)
}

fn optional_pem_files(directory: &Path) -> Result<Vec<Vec<u8>>, MspError> {
    if directory.is_dir() {
        pem_files(directory)
    } else {
        Ok(Vec::new())
    }
}

fn read_units(directory: &Path, yaml: &Yaml, config: &mut FabricMspConfig) -> Result<(), MspError> {
    for item in yaml.list("OrganizationalUnitIdentifiers") {
        let file = directory.join(item.text("Certificate").unwrap_or_default());
        config.organizational_unit_identifiers.push(FabricOuIdentifier {
            certificate: fs::read(&file).map_err(|error| MspError::io(&file, &error))?,
            organizational_unit_identifier: item
                .text("OrganizationalUnitIdentifier")
                .unwrap_or_default()
                .to_owned(),
        });
    }
    let Some(node_units) = yaml.child("NodeOUs") else {
        return Ok(());
    };
    if node_units.text("Enable") != Some("true") {
        return Ok(());
    }
    let unit = |name: &str| -> Option<FabricOuIdentifier> {
        let configured = node_units.child(name)?;
        let identifier = configured
            .text("OrganizationalUnitIdentifier")
            .filter(|text| !text.is_empty())?;
        // As in Fabric a missing certificate file leaves the unit open to every CA of the MSP.
        let certificate = configured
            .text("Certificate")
            .filter(|path| !path.is_empty())
            .and_then(|path| match fs::read(directory.join(path)) {
                Ok(bytes) => Some(bytes),
                Err(error) => {
                    tracing::warn!(%path, %error, "the CA of an organisational unit cannot be read");
                    None
                }
            })
            .unwrap_or_default();
        Some(FabricOuIdentifier {
            certificate,
            organizational_unit_identifier: identifier.to_owned(),
        })
    };
    config.fabric_node_ous = Some(FabricNodeOUs {
        enable: true,
        client_ou_identifier: unit("ClientOUIdentifier"),
        peer_ou_identifier: unit("PeerOUIdentifier"),
        admin_ou_identifier: unit("AdminOUIdentifier"),
        orderer_ou_identifier: unit("OrdererOUIdentifier"),
    });
    Ok(())
}
