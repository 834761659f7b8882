//! Membership: who signs, for which organisation, and whether that is enough.
//!
//! ```text
//! SerializedIdentity ──MspManager──▶ Identity ──verify──▶ signature is theirs (each one checked once per process)
//!                         │             │
//!                        Msp ───────validate──▶ chain, revocation, organisational units
//!                         │             │
//!                         └──satisfies──▶ principal ──▶ policy::Policy: enough of the right people signed
//!
//! ca::Ca ──issues──▶ cryptogen: the directory tree that every Fabric tool expects
//! ```
//!
//! Follows Hyperledger Fabric's `msp`, `common/cauthdsl`, `common/policies` and `common/policydsl`: the same certificate, signature
//! and policy get the same verdict here and there. Differences: ECDSA on P-256, P-384 and P-521 and Ed25519 only (no P-224, no RSA),
//! no Idemix, no MSP rules older than 1.4.3, and certificates with name constraints are refused.
#![forbid(unsafe_code)]

pub mod ca;
mod cache;
mod certificate;
mod chain;
mod crl;
pub mod cryptogen;
mod der;
mod error;
mod identity;
mod key;
mod manager;
mod memo;
mod msp;
mod pem;
pub mod policy;
mod signature;
#[cfg(test)]
mod tests;

pub use certificate::Certificate;
pub use error::MspError;
pub use identity::{Identity, SigningIdentity, serialize};
pub use key::{KeyAlgorithm, PrivateKey, PublicKey};
pub use manager::MspManager;
pub use memo::{VerificationCounts, verification_counts};
pub use msp::{Msp, MspVersion};
