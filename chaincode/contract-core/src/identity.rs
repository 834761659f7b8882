//! Who signed a proposal: organisation, certificate, attributes (fabric-chaincode-go `pkg/cid`, fabric-ca `attrmgr`).

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use serde::Deserialize;
use x509_parser::oid_registry::Oid;
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Name};

use crate::Creator;

/// Fabric CA's attribute extension, 1.2.3.4.5.6.7.8.1: JSON `{"attrs":{"name":"value"}}`.
const ATTRIBUTES_OID: &[u64] = &[1, 2, 3, 4, 5, 6, 7, 8, 1];

/// Attribute types of a distinguished name in the order in which Go prints them, which is the order of Fabric's client id.
const NAME_ORDER: [(&str, &[u64]); 9] = [
    ("SERIALNUMBER", &[2, 5, 4, 5]),
    ("CN", &[2, 5, 4, 3]),
    ("POSTALCODE", &[2, 5, 4, 17]),
    ("STREET", &[2, 5, 4, 9]),
    ("ST", &[2, 5, 4, 8]),
    ("L", &[2, 5, 4, 7]),
    ("OU", &[2, 5, 4, 11]),
    ("O", &[2, 5, 4, 10]),
    ("C", &[2, 5, 4, 6]),
];

/// The creator's certificate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The creator is not a PEM certificate.
    #[error("the creator's certificate cannot be read: {0}")]
    Certificate(String),
    /// The attribute extension is not `{"attrs":{"name":"value"}}`.
    #[error(
        "the attribute extension of the creator's certificate is not the JSON that Fabric's CA writes: {{\"attrs\":{{\"name\":\"value\"}}}}"
    )]
    Attributes,
}

/// Who signed the proposal.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    msp_id: String,
    certificate_pem: Vec<u8>,
    public_key: Vec<u8>,
    id: String,
    common_name: Option<String>,
    organizational_units: Vec<String>,
    attributes: BTreeMap<String, String>,
}

impl ClientIdentity {
    /// Reads the creator's certificate.
    ///
    /// # Errors
    /// [`IdentityError`] if it is no X.509 certificate in PEM, or its attributes are not Fabric's.
    pub fn from_creator(creator: &Creator) -> Result<Self, IdentityError> {
        let (_, pem) = x509_parser::pem::parse_x509_pem(&creator.certificate_pem)
            .map_err(|_| IdentityError::Certificate("it is not PEM".to_owned()))?;
        let (_, certificate) = X509Certificate::from_der(&pem.contents)
            .map_err(|_| IdentityError::Certificate("it is not an X.509 certificate".to_owned()))?;
        let id = format!(
            "x509::{}::{}",
            name(certificate.subject()),
            name(certificate.issuer())
        );
        let text =
            |value: &x509_parser::x509::AttributeTypeAndValue<'_>| value.as_str().ok().map(str::to_owned);
        Ok(Self {
            msp_id: creator.msp_id.clone(),
            certificate_pem: creator.certificate_pem.clone(),
            public_key: certificate.public_key().subject_public_key.data.to_vec(),
            id: base64::engine::general_purpose::STANDARD.encode(id),
            common_name: certificate.subject().iter_common_name().next().and_then(text),
            organizational_units: certificate
                .subject()
                .iter_organizational_unit()
                .filter_map(text)
                .collect(),
            attributes: attributes(&certificate)?,
        })
    }

    /// The organisation's membership service provider.
    #[must_use]
    pub fn msp_id(&self) -> &str {
        &self.msp_id
    }

    /// An attribute that Fabric's CA wrote into the certificate.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// All attributes.
    #[must_use]
    pub const fn attributes(&self) -> &BTreeMap<String, String> {
        &self.attributes
    }

    /// Whether the subject has this organisational unit.
    #[must_use]
    pub fn has_ou(&self, unit: &str) -> bool {
        self.organizational_units.iter().any(|own| own == unit)
    }

    /// The subject's organisational units.
    #[must_use]
    pub fn organizational_units(&self) -> &[String] {
        &self.organizational_units
    }

    /// Whether the certificate has the node OU `admin`. An MSP that names administrators another way is not seen here.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.has_ou("admin")
    }

    /// The subject's first common name.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// The certificate, in PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &[u8] {
        &self.certificate_pem
    }

    /// The certificate's public key as its subjectPublicKey has it: of an elliptic curve the uncompressed point (SEC 1).
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// Fabric's client id, as the Go shim gives it: base64 of `x509::<subject>::<issuer>`. Unique within its MSP.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Debug for ClientIdentity {
    /// Shows the organisation and the attributes' names, no name of a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity")
            .field("msp_id", &self.msp_id)
            .field("attributes", &self.attributes.keys())
            .finish_non_exhaustive()
    }
}

fn attributes(certificate: &X509Certificate<'_>) -> Result<BTreeMap<String, String>, IdentityError> {
    #[derive(Deserialize)]
    struct Attributes {
        attrs: BTreeMap<String, String>,
    }
    let Ok(oid) = Oid::from(ATTRIBUTES_OID) else {
        return Err(IdentityError::Attributes);
    };
    match certificate.get_extension_unique(&oid) {
        Ok(None) => Ok(BTreeMap::new()),
        Ok(Some(extension)) => serde_json::from_slice::<Attributes>(extension.value)
            .map(|read| read.attrs)
            .map_err(|_| IdentityError::Attributes),
        Err(_) => Err(IdentityError::Attributes),
    }
}

/// A distinguished name as the Go shim prints it: types in a fixed order, values of one type joined by `+`.
fn name(name: &X509Name<'_>) -> String {
    let parts = NAME_ORDER.iter().filter_map(|(short, arcs)| {
        let oid = Oid::from(arcs).ok()?;
        let values: Vec<String> = name
            .iter_by_oid(&oid)
            .filter_map(|value| value.as_str().ok())
            .map(|value| format!("{short}={}", escape(value)))
            .collect();
        (!values.is_empty()).then(|| values.join("+"))
    });
    parts.collect::<Vec<_>>().join(",")
}

/// Escapes a name's value as RFC 2253 asks.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        let special = matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';')
            || (character == '#' && index == 0)
            || (character == ' ' && (index == 0 || index == last));
        if special {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, CustomExtension, DnType, KeyPair};

    fn creator(extension: Option<&str>) -> Creator {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in [
            (DnType::CountryName, "US"),
            (DnType::OrganizationalUnitName, "admin"),
            (DnType::CommonName, "User1, the first"),
        ] {
            params.distinguished_name.push(kind, value);
        }
        if let Some(json) = extension {
            let extension = CustomExtension::from_oid_content(ATTRIBUTES_OID, json.as_bytes().to_vec());
            params.custom_extensions.push(extension);
        }
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Creator {
            msp_id: "Org1MSP".into(),
            certificate_pem: certificate.pem().into_bytes(),
        }
    }

    #[test]
    fn reads_attributes_and_units() {
        let client =
            ClientIdentity::from_creator(&creator(Some(r#"{"attrs":{"role":"clinician"}}"#))).unwrap();
        assert_eq!(client.msp_id(), "Org1MSP");
        assert_eq!(client.attribute("role"), Some("clinician"));
        assert_eq!(client.attribute("other"), None);
        assert!(client.is_admin());
        assert!(!client.has_ou("peer"));
    }

    #[test]
    fn id_is_the_go_shims() {
        let client = ClientIdentity::from_creator(&creator(None)).unwrap();
        let id = base64::engine::general_purpose::STANDARD
            .decode(client.id())
            .unwrap();
        let name = r"CN=User1\, the first,OU=admin,C=US";
        assert_eq!(String::from_utf8(id).unwrap(), format!("x509::{name}::{name}"));
    }

    #[test]
    fn refuses_garbage() {
        assert_eq!(
            ClientIdentity::from_creator(&creator(Some("[]"))),
            Err(IdentityError::Attributes)
        );
        let garbage = Creator {
            msp_id: "m".into(),
            certificate_pem: b"garbage".to_vec(),
        };
        assert!(matches!(
            ClientIdentity::from_creator(&garbage),
            Err(IdentityError::Certificate(_))
        ));
    }
}
