//! An organisation's vault, from the outside: the wire form of a release, the file format, and the client.
//!
//! ```text
//! access transaction (committed) -> ReleaseRequest, signed by the transaction's creator -> vault
//!   <- for each document: file (ciphertext) + HPKE-sealed {DEK, opening}
//! client: open the seal -> decrypt the file -> recompute the opening -> compare with the anchor on its own ledger
//! ```

pub mod cipher;
mod client;
mod wire;

pub use client::{OpenedRecord, VaultClient, VaultError};
pub use wire::{ReleaseRequest, ReleaseResponse, ReleasedItem, SealedContent, SignedRequest, WireError};
