//! Hyperledger Fabric chaincode in Rust: the shim that connects contracts to peers.
//!
//! ```text
//!                        ChaincodeMessage
//!   peer ◀══════════════════════════════════════▶ Session ── Workers ── Chaincode ── your contracts
//!          Server     the peer connects (CCaaS)      │ READY: limits       │ Ledger: each call is a request
//!          connect    we connect to the peer         │ replies ──▶ Link ◀──┘ that waits for its reply
//!          in_process a pair of channels             │
//! ```
//!
//! A program is a [`Chaincode`] and one call: [`run`] reads Fabric's environment variables and serves or connects. [`Server`],
//! [`connect`] and [`in_process`] do it without an environment. All of `fabric-contract-core` is re-exported, and [`contract`]
//! here generates paths to this crate, so that a chaincode author depends on this crate alone.
//!
//! ```no_run
//! use fabric_contract_api::{Chaincode, Context, LedgerError, contract};
//!
//! #[contract(name = "notes")]
//! trait Notes {
//!     #[submit]
//!     fn write(&self, ctx: &Context<'_>, key: String, text: String) -> Result<(), LedgerError>;
//! }
//!
//! struct Store;
//! impl Notes for Store {
//!     fn write(&self, ctx: &Context<'_>, key: String, text: String) -> Result<(), LedgerError> {
//!         ctx.put_state(&key, text.as_bytes())
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), fabric_contract_api::ShimError> {
//!     fabric_contract_api::run(Chaincode::new().contract(NotesContract(Store))).await
//! }
//! ```
//!
//! # Transactions
//! Contracts are synchronous. Each transaction runs on a thread of its own from a bounded set; a panic ends that transaction alone,
//! with status 500 and a text that does not repeat the panic's. Writes are grouped into one message and several reads into another
//! where the peer offers it (Fabric 3.1), so a write that the peer refuses may fail at the transaction's end.
//!
//! Messages and states follow `core/chaincode` of Fabric and fabric-chaincode-go's `shim`.
#![forbid(unsafe_code)]

mod client;
mod environment;
mod error;
pub mod key_policy;
mod ledger;
mod link;
mod proposal;
mod results;
mod server;
mod session;
mod tls;
mod transaction;
mod workers;

pub use client::{ClientOptions, connect};
pub use environment::{check_health, run};
pub use error::ShimError;
pub use fabric_contract_core::*;
/// The `#[contract]` attribute with paths to this crate. See `fabric-contract-core`.
pub use fabric_contract_macros::contract_of_api as contract;
pub use server::{BoundServer, Server};
pub use session::in_process;
pub use tls::{ClientTls, ServerTls};
