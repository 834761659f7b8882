//! The one error type of the membership services.

use std::path::PathBuf;

/// What can be wrong with an identity, a signature, an MSP configuration or the files that hold one.
///
/// Texts name organisations, serial numbers and fingerprints, never the subject of a certificate: a common name may be a person's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MspError {
    /// The text is not PEM, or holds another kind of block.
    #[error("not the expected PEM: {0}")]
    Pem(String),
    /// A certificate cannot be parsed.
    #[error("malformed certificate: {0}")]
    Certificate(String),
    /// A revocation list cannot be parsed.
    #[error("malformed certificate revocation list: {0}")]
    RevocationList(String),
    /// A protobuf message cannot be decoded.
    #[error("malformed {what}: {detail}")]
    Decode {
        /// The message that was expected.
        what: &'static str,
        /// The decoder's finding.
        detail: String,
    },
    /// A key is of a kind that is not supported here.
    #[error(
        "unsupported key: {0}; use ECDSA on P-256 (or P-384, P-521; Ed25519 with channel capability V3_0)"
    )]
    UnsupportedKey(String),
    /// A private key does not belong to the certificate beside it.
    #[error("the private key does not belong to the certificate of {0}")]
    KeyMismatch(String),
    /// A signature is malformed or high-S, or does not verify.
    #[error("invalid signature: {0}")]
    Signature(&'static str),
    /// The identity names an MSP that the channel does not define.
    #[error("MSP {0} is not defined on this channel")]
    UnknownMsp(String),
    /// The identity belongs to another MSP than the one asked.
    #[error("expected an identity of MSP {expected}, it names {found}")]
    WrongMsp {
        /// The MSP that was asked.
        expected: String,
        /// The MSP that the identity names.
        found: String,
    },
    /// No chain leads from the certificate to a root of the MSP.
    #[error("certificate {fingerprint} does not chain to a root of MSP {msp}: {reason}")]
    Untrusted {
        /// The MSP that was asked.
        msp: String,
        /// The first bytes of the certificate's SHA-256, in hex.
        fingerprint: String,
        /// Why the last candidate failed.
        reason: String,
    },
    /// More than one chain leads to a root, so it is unclear who issued the certificate.
    #[error("certificate {fingerprint} has {count} chains to roots of MSP {msp}, exactly one is allowed")]
    AmbiguousChain {
        /// The MSP that was asked.
        msp: String,
        /// The first bytes of the certificate's SHA-256, in hex.
        fingerprint: String,
        /// How many chains were found.
        count: usize,
    },
    /// A CA certificate was presented as an identity, or a root, or a certificate below a CA that only issues CAs.
    #[error("not usable as an identity: {0}")]
    NotAnIdentity(&'static str),
    /// The certificate is on a revocation list of its issuer.
    #[error("certificate with serial number {serial} of MSP {msp} is revoked")]
    Revoked {
        /// The MSP that revoked it.
        msp: String,
        /// The serial number in hex.
        serial: String,
    },
    /// The organisational units do not fit the MSP's rules.
    #[error("organisational units of the identity do not fit MSP {msp}: {reason}")]
    OrganizationalUnits {
        /// The MSP that was asked.
        msp: String,
        /// What was found and what is needed.
        reason: String,
    },
    /// The identity does not satisfy a principal.
    #[error("principal not satisfied: {0}")]
    Principal(String),
    /// The MSP's own configuration is unusable.
    #[error("MSP configuration of {msp} is unusable: {reason}")]
    Config {
        /// The MSP's id (may be empty when that is what is wrong).
        msp: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A file or directory cannot be read or written.
    #[error("{path}: {detail}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's text, or what was expected there.
        detail: String,
    },
    /// Random numbers or a cryptographic operation failed inside the library.
    #[error("cryptographic operation failed: {0}")]
    Crypto(&'static str),
    /// A certificate request asks for something that cannot be issued.
    #[error("cannot issue the certificate: {0}")]
    Issue(String),
}

impl MspError {
    pub(crate) fn io(path: impl Into<PathBuf>, error: &std::io::Error) -> Self {
        Self::Io {
            path: path.into(),
            detail: error.to_string(),
        }
    }

    pub(crate) fn decode(what: &'static str, error: &prost::DecodeError) -> Self {
        Self::Decode {
            what,
            detail: error.to_string(),
        }
    }
}
