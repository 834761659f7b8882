//! An organisation's off-chain record service: files encrypted at rest, and keys released only after a committed access.
//!
//! ```text
//! custodian --put--> store (ciphertext, wrapped key, opening) --commitment--> ledger (record.anchor)
//! requester --SignedRequest over TLS--> server -> release (the rule) -> chain (own peer) -> served log (synced) -> sealed keys
//! ```
//!
//! A requester of another organisation has no other way to plaintext. Refusals look the same whatever their reason; the reason goes to this
//! organisation's own log, without anything personal.
#![forbid(unsafe_code)]

pub mod chain;
pub mod kek;
pub mod release;
mod served;
mod server;
pub mod store;

pub use served::ServedLog;
pub use server::{ServeError, Server, Service};
