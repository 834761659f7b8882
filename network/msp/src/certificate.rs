//! X.509 certificates, parsed once into what the membership rules ask for.

use std::ops::Range;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use crate::der;
use crate::error::MspError;
use crate::key::{PublicKey, SignatureScheme};
use crate::pem;
use crate::signature::{Curve, EcdsaSignature};

/// `keyCertSign` in x509-parser's numbering of the key usage bits.
const KEY_CERT_SIGN: u16 = 1 << 5;

/// A parsed certificate.
#[derive(Debug, Clone)]
pub struct Certificate {
    der: Vec<u8>,
    signed: Range<usize>,
    scheme: SignatureScheme,
    signature: Vec<u8>,
    issuer: Vec<u8>,
    subject: Vec<u8>,
    common_name: String,
    organizational_units: Vec<String>,
    serial: Vec<u8>,
    not_before: i64,
    not_after: i64,
    key: PublicKey,
    pub(crate) extensions: Extensions,
}

/// The extensions that decide about chains.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extensions {
    /// `cA` of basic constraints; `None` without the extension.
    pub(crate) ca: Option<bool>,
    /// `pathLenConstraint`.
    pub(crate) path_length: Option<u32>,
    /// False when there is a key usage without `keyCertSign`.
    pub(crate) may_sign_certificates: bool,
    /// False when there is an extended key usage without `serverAuth` and without `anyExtendedKeyUsage`.
    pub(crate) usable: bool,
    pub(crate) subject_key_id: Option<Vec<u8>>,
    pub(crate) authority_key_id: Option<Vec<u8>>,
    /// Name constraints, or a critical extension that is not known here.
    pub(crate) unhandled: Option<String>,
}

impl Certificate {
    /// Parses the first PEM block, which must be a certificate.
    ///
    /// # Errors
    /// [`MspError::Pem`], [`MspError::Certificate`] or [`MspError::UnsupportedKey`].
    pub fn from_pem(text: &[u8]) -> Result<Self, MspError> {
        Self::from_der(&pem::decode_as(text, &[pem::CERTIFICATE])?)
    }

    /// Parses one DER certificate without trailing bytes.
    ///
    /// # Errors
    /// [`MspError::Certificate`] or [`MspError::UnsupportedKey`].
    pub fn from_der(bytes: &[u8]) -> Result<Self, MspError> {
        let malformed = |detail: &str| MspError::Certificate(detail.to_owned());
        let (rest, parsed) =
            X509Certificate::from_der(bytes).map_err(|error| malformed(&error.to_string()))?;
        if !rest.is_empty() {
            return Err(malformed("bytes follow the certificate"));
        }
        let (_, outer, _) = der::read(bytes).ok_or_else(|| malformed("not strict DER"))?;
        let (_, _, after_signed) = der::read(outer).ok_or_else(|| malformed("not strict DER"))?;
        let start = bytes.len() - outer.len();
        let signed = start..bytes.len() - after_signed.len();
        let algorithm = parsed.signature_algorithm.algorithm.to_id_string();
        if parsed.tbs_certificate.signature.algorithm != parsed.signature_algorithm.algorithm {
            return Err(malformed("the two signature algorithms differ"));
        }
        let scheme = SignatureScheme::from_oid(&algorithm).ok_or_else(|| {
            malformed(&format!(
                "signature algorithm {algorithm} is not supported; use ECDSA or Ed25519"
            ))
        })?;

        let subject = &parsed.tbs_certificate.subject;
        Ok(Self {
            signed,
            scheme,
            signature: parsed.signature_value.data.to_vec(),
            issuer: parsed.tbs_certificate.issuer.as_raw().to_vec(),
            subject: subject.as_raw().to_vec(),
            common_name: strings(subject, &[2, 5, 4, 3]).pop().unwrap_or_default(),
            organizational_units: strings(subject, &[2, 5, 4, 11]),
            serial: parsed.tbs_certificate.raw_serial().to_vec(),
            not_before: parsed.tbs_certificate.validity.not_before.timestamp(),
            not_after: parsed.tbs_certificate.validity.not_after.timestamp(),
            key: PublicKey::from_spki(&parsed.tbs_certificate.subject_pki)?,
            extensions: extensions(&parsed)?,
            der: bytes.to_vec(),
        })
    }

    /// The DER bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The PEM text.
    pub fn pem(&self) -> String {
        pem::encode(pem::CERTIFICATE, &self.der)
    }

    /// The public key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The subject's common name (the last one, as Go reports it), empty without one.
    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    /// The subject's organisational units in the order of the certificate.
    pub fn organizational_units(&self) -> &[String] {
        &self.organizational_units
    }

    /// The serial number's content bytes.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// The subject's DER, as issuers are matched.
    pub fn subject_der(&self) -> &[u8] {
        &self.subject
    }

    /// The issuer's DER.
    pub fn issuer_der(&self) -> &[u8] {
        &self.issuer
    }

    /// First second of validity, in seconds of the Unix epoch.
    pub fn not_before(&self) -> i64 {
        self.not_before
    }

    /// Last second of validity, in seconds of the Unix epoch.
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// True with basic constraints that say CA.
    pub fn is_ca(&self) -> bool {
        self.extensions.ca == Some(true)
    }

    /// The subject key identifier.
    pub fn subject_key_id(&self) -> Option<&[u8]> {
        self.extensions.subject_key_id.as_deref()
    }

    /// The first bytes of the SHA-256 over the DER, in hex: names a certificate in errors and logs.
    pub fn fingerprint(&self) -> String {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.der);
        hex::encode(&hash.as_ref()[..8])
    }

    /// Checks that `issuer`'s key made the signature and that `issuer` may sign certificates (Go's `CheckSignatureFrom`).
    pub(crate) fn check_signed_by(&self, issuer: &Self) -> Result<(), MspError> {
        if !issuer.is_ca() {
            return Err(MspError::NotAnIdentity("its issuer is not a CA"));
        }
        if !issuer.extensions.may_sign_certificates {
            return Err(MspError::NotAnIdentity(
                "its issuer's key usage does not include certificate signing",
            ));
        }
        issuer
            .key
            .verify_signed(self.scheme, &self.der[self.signed.clone()], &self.signature)
    }

    /// This certificate with a low-S signature (msp/cert.go `sanitizeECDSASignedCert`): Fabric rewrites certificates so before it
    /// hashes or compares them. `issuer` is the key that signed it.
    pub(crate) fn with_low_s(self, issuer: &PublicKey) -> Result<Self, MspError> {
        let (Some(curve), true) = (issuer.curve(), self.scheme != SignatureScheme::Ed25519) else {
            return Ok(self);
        };
        match self.low_s_signature(curve)? {
            None => Ok(self),
            Some(signature) => Self::from_der(&self.with_signature(&signature)?),
        }
    }

    /// This certificate as a careless CA would have signed it.
    #[cfg(test)]
    pub(crate) fn with_high_s(self) -> Self {
        let signature = EcdsaSignature::parse(&self.signature)
            .expect("DER")
            .encode_high_p256();
        Self::from_der(&self.with_signature(&signature).expect("encodes")).expect("parses")
    }

    fn low_s_signature(&self, curve: Curve) -> Result<Option<Vec<u8>>, MspError> {
        let parsed = EcdsaSignature::parse(&self.signature).ok_or_else(|| {
            MspError::Certificate("its signature is not a DER encoded ECDSA signature".into())
        })?;
        if parsed.is_low(curve) {
            return Ok(None);
        }
        parsed
            .encode_low(curve)
            .map(Some)
            .ok_or_else(|| MspError::Certificate("its signature is out of range".into()))
    }

    fn with_signature(&self, signature: &[u8]) -> Result<Vec<u8>, MspError> {
        let algorithm_and_signature = &self.der[self.signed.end..];
        let (tag, algorithm, _) = der::read(algorithm_and_signature)
            .ok_or_else(|| MspError::Certificate("not strict DER".into()))?;
        Ok(der::sequence(&[
            &self.der[self.signed.clone()],
            &der::element(tag, algorithm),
            &der::bit_string(signature),
        ]))
    }
}

fn strings(name: &X509Name<'_>, oid: &[u64]) -> Vec<String> {
    name.iter_attributes()
        .filter(|attribute| {
            attribute
                .attr_type()
                .iter()
                .is_some_and(|arcs| arcs.eq(oid.iter().copied()))
        })
        .filter_map(|attribute| attribute.as_str().ok().map(str::to_owned))
        .collect()
}

fn extensions(certificate: &X509Certificate<'_>) -> Result<Extensions, MspError> {
    let mut found = Extensions {
        may_sign_certificates: true,
        usable: true,
        ..Extensions::default()
    };
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(constraints) => {
                found.ca = Some(constraints.ca);
                found.path_length = constraints.path_len_constraint;
            }
            ParsedExtension::KeyUsage(usage) => {
                found.may_sign_certificates = usage.flags & KEY_CERT_SIGN != 0
            }
            ParsedExtension::ExtendedKeyUsage(usage) => found.usable = usage.any || usage.server_auth,
            ParsedExtension::SubjectKeyIdentifier(id) => found.subject_key_id = Some(id.0.to_vec()),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                found.authority_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            ParsedExtension::ParseError { error } => {
                return Err(MspError::Certificate(format!(
                    "extension {}: {error}",
                    extension.oid
                )));
            }
            ParsedExtension::SubjectAlternativeName(_)
            | ParsedExtension::CertificatePolicies(_)
            | ParsedExtension::CRLDistributionPoints(_)
            | ParsedExtension::AuthorityInfoAccess(_) => {}
            // Fabric evaluates name constraints. Nobody issues member certificates with them, so they are refused, not ignored.
            ParsedExtension::NameConstraints(_) => found.unhandled = Some("name constraints".into()),
            _ if extension.critical => {
                found.unhandled = Some(format!("critical extension {}", extension.oid))
            }
            _ => {}
        }
    }
    Ok(found)
}
