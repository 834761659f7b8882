//! The certificate authority of an organisation: issues what its members and nodes need, in the shape cryptogen gives it
//! (internal/cryptogen/ca/ca.go).
//!
//! Keys are random. With a [`Seed`] they are the same on every run: for test networks only, and every certificate says so with
//! the organisational unit [`INSECURE_TEST`].

mod encode;
mod seed;

use std::collections::BTreeMap;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::certificate::Certificate;
use crate::error::MspError;
use crate::key::{KeyAlgorithm, PrivateKey};
use crate::pem;

pub use seed::Seed;

/// The organisational unit that marks every certificate made from a seed. Production tooling refuses it.
pub const INSECURE_TEST: &str = "INSECURE-TEST";

/// Ten years, in seconds: how long certificates are valid unless asked otherwise.
const DEFAULT_LIFETIME: i64 = 3_650 * 24 * 3_600;
/// Certificates begin five minutes ago, so that a clock a little behind accepts them.
const BACKDATE: i64 = 300;
/// Start of validity of everything made from a seed: 2025-01-01T00:00:00Z. It must not depend on the clock.
const SEEDED_START: i64 = 1_735_689_600;
/// Twenty years, in seconds, for everything made from a seed.
const SEEDED_LIFETIME: i64 = 2 * DEFAULT_LIFETIME;

/// A certificate authority: a CA certificate and its key.
pub struct Ca {
    certificate: Certificate,
    key: PrivateKey,
    seed: Option<Seed>,
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Kind {
    /// An application's or a person's identity: unit `client`.
    #[default]
    Client,
    /// A peer's identity: unit `peer`.
    Peer,
    /// An administrator's identity: unit `admin`.
    Admin,
    /// An ordering node's identity: unit `orderer`.
    Orderer,
    /// A TLS server or client: no role unit, but host names and extended key usages.
    Tls,
}

impl Kind {
    /// The organisational unit of the role, as `config.yaml` names it.
    pub fn unit(self) -> Option<&'static str> {
        match self {
            Self::Client => Some("client"),
            Self::Peer => Some("peer"),
            Self::Admin => Some("admin"),
            Self::Orderer => Some("orderer"),
            Self::Tls => None,
        }
    }
}

/// A request for one certificate and key.
#[derive(Debug, Clone, Default)]
pub struct IssueRequest {
    /// The subject's common name. Never a person's name: it travels in every block.
    pub common_name: String,
    /// What it is for.
    pub kind: Kind,
    /// The kind of key: P-256, or Ed25519 for members of channels with capability V3_0.
    pub key: KeyAlgorithm,
    /// Organisational units besides the role's.
    pub organizational_units: Vec<String>,
    /// Host names and IP addresses.
    pub sans: Vec<String>,
    /// Attributes for chaincode (extension 1.2.3.4.5.6.7.8.1, as Fabric CA writes it).
    pub attributes: BTreeMap<String, String>,
    /// Start of validity in seconds of the Unix epoch; five minutes ago by default.
    pub not_before: Option<i64>,
    /// End of validity in seconds of the Unix epoch; ten years after the start by default.
    pub not_after: Option<i64>,
}

/// A certificate and its private key, as PEM.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate_pem: String,
    /// The private key, PKCS#8.
    pub key_pem: String,
}

impl fmt::Debug for Issued {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Issued")
            .field("certificate_pem", &self.certificate_pem)
            .finish_non_exhaustive()
    }
}

impl Ca {
    /// A new root CA, self-signed.
    ///
    /// # Errors
    /// [`MspError::Crypto`] when no key can be made, [`MspError::Issue`] for names that no certificate can hold.
    pub fn new(common_name: &str, organization: &str, seed: Option<Seed>) -> Result<Self, MspError> {
        let label = format!("ca/{organization}/{common_name}");
        let key = new_key(seed.as_ref(), &label)?;
        let (not_before, not_after) = validity(seed.is_some(), None, None)?;
        let units = seed.iter().map(|_| INSECURE_TEST.to_owned()).collect::<Vec<_>>();
        let subject = encode::name(Some(organization), &units, common_name);
        let template = encode::Template {
            serial: serial(seed.as_ref(), &label)?,
            issuer: subject.clone(),
            subject,
            not_before,
            not_after,
            public_key: key.spki()?,
            extensions: encode::ca_extensions(&key, None),
        };
        let certificate = Certificate::from_der(&encode::certificate(&template, &key)?)?;
        Ok(Self {
            certificate,
            key,
            seed,
        })
    }

    /// A CA whose certificate and key were written before. It issues with random keys.
    ///
    /// # Errors
    /// [`MspError::Pem`], [`MspError::Certificate`], [`MspError::UnsupportedKey`], [`MspError::KeyMismatch`], or
    /// [`MspError::NotAnIdentity`] when the certificate is not a CA's.
    pub fn load(certificate_pem: &[u8], key_pem: &[u8]) -> Result<Self, MspError> {
        let certificate = Certificate::from_pem(certificate_pem)?;
        let key = PrivateKey::from_pem(key_pem)?;
        if certificate.key().bytes() != key.public().bytes() {
            return Err(MspError::KeyMismatch("a CA".into()));
        }
        if !certificate.is_ca() {
            return Err(MspError::NotAnIdentity("the certificate is not a CA's"));
        }
        if key.public().algorithm() != KeyAlgorithm::P256 {
            return Err(MspError::UnsupportedKey("a CA signs with P-256 here".into()));
        }
        Ok(Self {
            certificate,
            key,
            seed: None,
        })
    }

    /// An intermediate CA below this one.
    ///
    /// # Errors
    /// As [`Ca::new`].
    pub fn intermediate(&self, common_name: &str, organization: &str) -> Result<Self, MspError> {
        let label = format!("{}/ca/{organization}/{common_name}", self.common_name());
        let key = new_key(self.seed.as_ref(), &label)?;
        let (not_before, not_after) = validity(self.seed.is_some(), None, None)?;
        let template = encode::Template {
            serial: serial(self.seed.as_ref(), &label)?,
            issuer: self.certificate.subject_der().to_vec(),
            subject: encode::name(Some(organization), &self.marks(), common_name),
            not_before,
            not_after,
            public_key: key.spki()?,
            extensions: encode::ca_extensions(&key, self.certificate.subject_key_id()),
        };
        let certificate = Certificate::from_der(&encode::certificate(&template, &self.key)?)?;
        Ok(Self {
            certificate,
            key,
            seed: self.seed.clone(),
        })
    }

    /// A second certificate for the key of `other`, by this CA.
    #[cfg(test)]
    pub(crate) fn cross_sign(&self, other: &Self) -> Result<Certificate, MspError> {
        let template = encode::Template {
            serial: serial(None, "")?,
            issuer: self.certificate.subject_der().to_vec(),
            subject: other.certificate.subject_der().to_vec(),
            not_before: other.certificate.not_before(),
            not_after: other.certificate.not_after(),
            public_key: other.key.spki()?,
            extensions: encode::ca_extensions(&other.key, self.certificate.subject_key_id()),
        };
        Certificate::from_der(&encode::certificate(&template, &self.key)?)
    }

    /// Issues a certificate with a new key.
    ///
    /// # Errors
    /// [`MspError::Issue`] for an empty name, a host name that is not ASCII or a validity that ends before it begins;
    /// [`MspError::UnsupportedKey`] for another kind of key than P-256 and Ed25519; [`MspError::Crypto`] when no key can be made.
    pub fn issue(&self, request: &IssueRequest) -> Result<Issued, MspError> {
        if request.common_name.is_empty() {
            return Err(MspError::Issue("the common name is empty".into()));
        }
        let label = format!(
            "{}/{:?}/{}",
            self.common_name(),
            request.kind,
            request.common_name
        );
        let key = match (&self.seed, request.key) {
            (Some(seed), KeyAlgorithm::Ed25519) => seed.edwards_key(&label)?,
            (Some(seed), KeyAlgorithm::P256) => seed.key(&label)?,
            (_, algorithm) => PrivateKey::generate(algorithm)?,
        };
        let (not_before, not_after) = validity(self.seed.is_some(), request.not_before, request.not_after)?;
        let mut units: Vec<String> = request.kind.unit().map(str::to_owned).into_iter().collect();
        units.extend(request.organizational_units.iter().cloned());
        units.extend(self.marks());
        let template = encode::Template {
            // Two requests for one name must not share a serial number, or revoking one would revoke both.
            serial: serial(self.seed.as_ref(), &format!("{label}/{request:?}"))?,
            issuer: self.certificate.subject_der().to_vec(),
            subject: encode::name(None, &units, &request.common_name),
            not_before,
            not_after,
            public_key: key.spki()?,
            extensions: encode::leaf_extensions(request, self.certificate.subject_key_id())?,
        };
        let der = encode::certificate(&template, &self.key)?;
        Ok(Issued {
            certificate_pem: pem::encode(pem::CERTIFICATE, &der),
            key_pem: key.to_pem()?,
        })
    }

    /// The certificate `old` once more, by this CA: the same subject, units, attributes, host names and usages, for the public half of `key`, with
    /// another serial number and a validity that begins now. `not_after` in seconds of the Unix epoch; without it, it is valid for as long as `old` was from its
    /// start to its end. `old` may be of another CA.
    ///
    /// # Errors
    /// [`MspError::Issue`] for a CA's certificate and for a validity that ends before it begins; [`MspError::Certificate`] when `old` cannot be read
    /// again; [`MspError::Crypto`].
    pub fn reissue(
        &self,
        old: &Certificate,
        key: &PrivateKey,
        not_after: Option<i64>,
    ) -> Result<Certificate, MspError> {
        if old.is_ca() {
            return Err(MspError::Issue(
                "a CA's certificate is not renewed; another CA follows it".into(),
            ));
        }
        let (not_before, asked) = validity(false, None, not_after)?;
        let span = old.not_after().saturating_sub(old.not_before());
        let not_after = not_after.map_or(not_before.saturating_add(span), |_| asked);
        let same_key = old.key().bytes() == key.public().bytes();
        let template = encode::Template {
            serial: serial(None, "")?,
            issuer: self.certificate.subject_der().to_vec(),
            subject: old.subject_der().to_vec(),
            not_before,
            not_after,
            public_key: key.spki()?,
            extensions: encode::reissued_extensions(old.der(), same_key, self.certificate.subject_key_id())?,
        };
        Certificate::from_der(&encode::certificate(&template, &self.key)?)
    }

    /// A revocation list of this CA that names certificates by serial number (see [`Certificate::serial`]), as PEM for the
    /// `crls` directory and `revocation_list` of an MSP.
    ///
    /// # Errors
    /// [`MspError::Crypto`] when signing fails.
    pub fn crl(&self, serials: &[Vec<u8>]) -> Result<String, MspError> {
        let (now, end) = validity(self.seed.is_some(), None, None)?;
        let der = encode::revocation_list(&self.certificate, serials, now, end, &self.key)?;
        Ok(pem::encode(pem::CRL, &der))
    }

    /// The CA's certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The CA's certificate as PEM.
    pub fn certificate_pem(&self) -> String {
        self.certificate.pem()
    }

    /// The CA's private key as PKCS#8 PEM.
    ///
    /// # Errors
    /// [`MspError::Crypto`] when it cannot be encoded.
    pub fn key_pem(&self) -> Result<String, MspError> {
        self.key.to_pem()
    }

    /// The CA's common name.
    pub fn common_name(&self) -> &str {
        self.certificate.common_name()
    }

    fn marks(&self) -> Vec<String> {
        self.seed.iter().map(|_| INSECURE_TEST.to_owned()).collect()
    }
}

impl fmt::Debug for Ca {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Ca")
            .field("common_name", &self.common_name())
            .finish_non_exhaustive()
    }
}

fn new_key(seed: Option<&Seed>, label: &str) -> Result<PrivateKey, MspError> {
    match seed {
        Some(seed) => seed.key(label),
        None => PrivateKey::generate(KeyAlgorithm::P256),
    }
}

fn serial(seed: Option<&Seed>, label: &str) -> Result<[u8; 16], MspError> {
    let mut serial = [0u8; 16];
    match seed {
        Some(seed) => serial.copy_from_slice(&seed.derive(&format!("serial/{label}"))?[..16]),
        None => SystemRandom::new()
            .fill(&mut serial)
            .map_err(|_| MspError::Crypto("no random serial number"))?,
    }
    // Positive, and never shorter than sixteen bytes.
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(serial)
}

fn validity(seeded: bool, not_before: Option<i64>, not_after: Option<i64>) -> Result<(i64, i64), MspError> {
    let (start, lifetime) = if seeded {
        (SEEDED_START, SEEDED_LIFETIME)
    } else {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| elapsed.as_secs());
        (
            i64::try_from(now).unwrap_or(i64::MAX) - BACKDATE,
            DEFAULT_LIFETIME,
        )
    };
    let start = not_before.unwrap_or(start);
    let end = not_after.unwrap_or_else(|| start.saturating_add(lifetime));
    if end < start {
        return Err(MspError::Issue(format!(
            "its validity ends ({end}) before it begins ({start})"
        )));
    }
    Ok((start, end))
}
