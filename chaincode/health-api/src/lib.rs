//! What the health chaincode offers and the pure rules behind it: contract traits, their types, and the engines.
//!
//! ```text
//! wallet ── SignedIntent ──┐
//!                          v
//! client ── typed call ── contracts::{registry, identity, consent, record, claims}   (traits; implemented by careledger-chaincode)
//!                          │ uses
//!                          ├─ decision      consents × request × time → permit, deny, …          (pure)
//!                          ├─ templates     a name × recipients → the provisions of a common grant      (pure)
//!                          ├─ adjudication  claim × plan × coverage → lines that balance exactly (pure)
//!                          ├─ safety        facts × order → allergy and interaction alerts      (pure)
//!                          ├─ recovery      device keys, guardians, who takes over when           (pure)
//!                          ├─ merkle, hashing, keys, intent: commitments, proofs, signatures     (pure)
//!                          └─ consortium    organisations → collections, members, who endorses what
//! ```
//!
//! Nothing here reads a clock, draws a random number or uses a float: the same input gives the same bytes on every peer.
//! Callers draw salts and ids themselves and hand them in.
//!
//! # Roles
//! A role is the certificate attribute `role`; its table is [`roles::Role`]. Patients hold no certificate: they sign intents with a
//! device key ([`intent::SignedIntent`]) and anybody's gateway carries them.
//!
//! # What a block shows
//! Public arguments, response payloads, events and public keys are visible to every organisation for ever. So functions that touch a
//! person take patient, purpose, codes and intents as transient input and answer with a [`Receipt`], which is the transaction's own id.
#![forbid(unsafe_code)]

pub mod adjudication;
pub mod codes;
pub mod consortium;
pub mod contracts;
#[cfg(feature = "counted")]
pub mod counted;
pub mod date;
pub mod decision;
pub mod error;
pub mod event;
pub mod hashing;
pub mod ids;
pub mod intent;
pub mod keys;
pub mod merkle;
pub mod recovery;
pub mod roles;
pub mod safety;
pub mod templates;
#[cfg(test)]
mod testing;
mod text;

pub use error::HealthError;

use serde::{Deserialize, Serialize};

/// Answer of every submit function: the id of the transaction, and nothing that says more than the block does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The transaction's id.
    pub tx: ids::TxId,
}
