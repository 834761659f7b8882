//! An organisation's off-chain record service: files encrypted at rest, and keys released only after a committed access.
//!
//! ```text
//! custodian --signed upload, streamed--> server -> store (ciphertext, wrapped key, opening) --commitment--> ledger (record.anchor)
//! requester --SignedRequest over TLS--> server -> release (the rule) -> chain (own peer) -> served log (synced) -> sealed keys, tickets
//! requester --ticket, range--> server -> store -> ciphertext with its tree: careledger_sdk::vault proves and opens it chunk by chunk
//! doctor --signed ticket, while the ledger cannot be written--> offline (the rule) -> sealed emergency summary; the ticket is filed before or afterwards
//! custodian --EraseRequest, once the ledger shows the execution--> erase -> store, replicas' vaults, own peers' disks -> signed receipt
//! custodian's vault --ciphertext, sealed key--> replica -> another member's vault, which releases by the same rule on its own peer;
//!   replication copies every anchored version by itself and probes the copies
//! restored: what was erased after a backup of the store was made is destroyed again before it serves
//! payer --FingerprintRequest, blinded--> fingerprint, at the regulator (the rule) -> log (synced) -> evaluation, proven: a vault without records
//! integrity: store <-> what the own peer anchors and describes -> signed report, its hash on the ledger
//! ```
//!
//! Contents stream in both directions: a record of many GB needs about 32 MiB of memory here and less at the requester.
//! A requester of another organisation has no other way to plaintext. Refusals look the same whatever their reason; the reason goes to this
//! organisation's own log, without anything personal.
#![forbid(unsafe_code)]

pub mod chain;
pub mod erase;
pub mod find;
pub mod fingerprint;
pub mod integrity;
pub mod kek;
mod lines;
pub mod locate;
mod members;
pub mod offline;
mod persons;
pub mod program;
pub mod release;
pub mod replica;
pub mod replication;
pub mod restored;
mod served;
mod server;
pub mod store;
mod ticket;

pub use members::{Members, NotAMember};
pub use persons::PersonIndex;
pub use served::ServedLog;
pub use server::{ServeError, Server, Service};
pub use ticket::TICKET_SECONDS;
