//! Clients' certificates with the attribute extension of Fabric's CA.

use fabric_contract_core::Creator;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, KeyPair};
use serde_json::{Map, Value, json};

use crate::error::MockError;

const ATTRIBUTES_OID: &[u64] = &[1, 2, 3, 4, 5, 6, 7, 8, 1];

/// A self-signed certificate and its key on P-256; its common name is unique, so that the client's id is.
pub(crate) fn creator(
    msp_id: &str,
    number: u64,
    units: &[&str],
    attributes: Map<String, Value>,
) -> Result<(Creator, KeyPair), MockError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, msp_id);
    for unit in units {
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, *unit);
    }
    params
        .distinguished_name
        .push(DnType::CommonName, format!("client-{number}"));
    let json = json!({ "attrs": attributes }).to_string();
    params.custom_extensions.push(CustomExtension::from_oid_content(
        ATTRIBUTES_OID,
        json.into_bytes(),
    ));
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let creator = Creator {
        msp_id: msp_id.to_owned(),
        certificate_pem: certificate.pem().into_bytes(),
    };
    Ok((creator, key))
}
