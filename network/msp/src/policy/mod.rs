//! Policies: who must have signed.
//!
//! ```text
//! "AND('A.peer','B.peer')" ──parse──▶ SignaturePolicyEnvelope ──compile──▶ SignaturePolicy ┐
//! "MAJORITY Endorsement"   ──parse──▶ ImplicitMetaPolicy ─────with children──▶ ImplicitMeta ┴▶ dyn Policy
//! ```

mod build;
mod dsl;
mod implicit;
mod signature;

use std::collections::BTreeSet;
use std::fmt::Debug;

use fabric_protos::common::SignaturePolicyEnvelope;

use crate::error::MspError;
use crate::identity::Identity;
use crate::manager::MspManager;

pub use build::{
    Role, n_out_of, n_out_of_role, role_principal, signed_by, signed_by_any_admin, signed_by_any_member,
    signed_by_any_peer,
};
pub use dsl::parse;
pub use implicit::{ImplicitMeta, Rule, parse_implicit};
pub use signature::SignaturePolicy;

/// A message, who is said to have signed it, and the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedData {
    /// The bytes that were signed.
    pub data: Vec<u8>,
    /// The signer's `SerializedIdentity` bytes.
    pub identity: Vec<u8>,
    /// The signature over `data`.
    pub signature: Vec<u8>,
}

/// Something that a set of signatures satisfies or not.
pub trait Policy: Send + Sync + Debug {
    /// Keeps the identities whose signature verifies (each once, see [`valid_identities`]) and evaluates them.
    ///
    /// # Errors
    /// [`PolicyError::NotSatisfied`] or [`PolicyError::Missing`].
    fn evaluate_signed(&self, signatures: &[SignedData]) -> Result<(), PolicyError>;

    /// Evaluates identities whose signatures are already verified and which are distinct.
    ///
    /// # Errors
    /// [`PolicyError::NotSatisfied`] or [`PolicyError::Missing`].
    fn evaluate_identities(&self, identities: &[Identity]) -> Result<(), PolicyError>;

    /// The policy as one signature policy (common/policies/convert.go), for those who plan endorsements.
    ///
    /// # Errors
    /// [`PolicyError::Missing`] when a part of it is not there.
    fn to_signature_policy(&self) -> Result<SignaturePolicyEnvelope, PolicyError>;
}

/// Why a policy is unusable or not satisfied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The signatures do not satisfy it.
    #[error("{0}")]
    NotSatisfied(String),
    /// There is no policy of this name.
    #[error("there is no policy {0}")]
    Missing(String),
    /// The policy's bytes or text are not a policy.
    #[error("malformed policy: {0}")]
    Malformed(String),
}

/// The distinct identities whose signature verifies, in order (common/policies/policy.go `SignatureSetToValidIdentities`).
///
/// Same means same MSP and same certificate. A repeated identity is skipped before its signature is looked at, so nobody can
/// make others verify a thousand times; a signature that does not verify leaves the place to a later one of the same identity.
pub fn valid_identities(signatures: &[SignedData], msps: &MspManager) -> Vec<Identity> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::with_capacity(signatures.len());
    for signed in signatures {
        let identity = match msps.identity(&signed.identity) {
            Ok(identity) => identity,
            Err(error) => {
                tracing::debug!(%error, "a signer is not known here");
                continue;
            }
        };
        let key = (identity.msp_id().to_owned(), *identity.id());
        if seen.contains(&key) {
            continue;
        }
        match identity.verify(&signed.data, &signed.signature) {
            Ok(()) => {
                seen.insert(key);
                found.push(identity);
            }
            Err(error @ MspError::Signature(_)) => {
                tracing::debug!(?identity, %error, "a signature does not verify")
            }
            Err(error) => tracing::warn!(?identity, %error, "a signature could not be verified"),
        }
    }
    found
}
