//! Certificate revocation lists (RFC 5280, section 5).

use std::collections::BTreeSet;

use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::certificate::Certificate;
use crate::der;
use crate::error::MspError;
use crate::key::SignatureScheme;
use crate::pem;

/// A parsed list. Dates in it are ignored: as in Fabric, a revocation is in force once the configuration carries it.
#[derive(Debug)]
pub(crate) struct RevocationList {
    authority_key_id: Option<Vec<u8>>,
    serials: BTreeSet<Vec<u8>>,
    signed: Vec<u8>,
    scheme: SignatureScheme,
    signature: Vec<u8>,
}

impl RevocationList {
    /// Parses PEM or DER.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, MspError> {
        let malformed = |detail: String| MspError::RevocationList(detail);
        let der = if bytes.starts_with(b"-----BEGIN ") {
            pem::decode_as(bytes, &[pem::CRL])?
        } else {
            bytes.to_vec()
        };
        let (_, list) =
            CertificateRevocationList::from_der(&der).map_err(|error| malformed(error.to_string()))?;
        let (_, outer, _) = der::read(&der).ok_or_else(|| malformed("not strict DER".into()))?;
        let (_, _, after) = der::read(outer).ok_or_else(|| malformed("not strict DER".into()))?;
        let algorithm = list.signature_algorithm.algorithm.to_id_string();
        let authority_key_id =
            list.extensions()
                .iter()
                .find_map(|extension| match extension.parsed_extension() {
                    ParsedExtension::AuthorityKeyIdentifier(id) => {
                        id.key_identifier.as_ref().map(|id| id.0.to_vec())
                    }
                    _ => None,
                });
        Ok(Self {
            authority_key_id,
            serials: list
                .iter_revoked_certificates()
                .map(|entry| entry.raw_serial().to_vec())
                .collect(),
            signed: outer[..outer.len() - after.len()].to_vec(),
            scheme: SignatureScheme::from_oid(&algorithm)
                .ok_or_else(|| malformed(format!("signature algorithm {algorithm} is not supported")))?,
            signature: list.signature_value.data.to_vec(),
        })
    }

    /// True when this list is of `issuer` (same key identifier, and it signed the list) and names `certificate`
    /// (msp/mspimplvalidate.go `validateCertAgainstChain`).
    ///
    /// # Errors
    /// [`MspError::RevocationList`] when the list does not say whose it is.
    pub(crate) fn revokes(&self, certificate: &Certificate, issuer: &Certificate) -> Result<bool, MspError> {
        let Some(authority) = &self.authority_key_id else {
            return Err(MspError::RevocationList(
                "it has no authority key identifier".into(),
            ));
        };
        if issuer.subject_key_id() != Some(authority.as_slice())
            || !self.serials.contains(certificate.serial())
        {
            return Ok(false);
        }
        match issuer
            .key()
            .verify_signed(self.scheme, &self.signed, &self.signature)
        {
            Ok(()) => Ok(true),
            Err(error) => {
                tracing::warn!(issuer = %issuer.fingerprint(), %error, "a revocation list is not signed by the CA it names; it is ignored");
                Ok(false)
            }
        }
    }
}
