//! The peer's side of the chaincode stream: it runs chaincode and serves what chaincode asks of the ledger.
//!
//! ```text
//!               Execution                    ChaincodeMessage
//!  endorser ──▶ ChaincodeHost ──▶ Handler ◀════════════════════▶ chaincode
//!                  │   ▲             │         a socket that the peer opened (chaincode as a service),
//!   PackageStore ◀─┘   │             ▼         a socket that the chaincode opened (ChaincodeSupport.Register),
//!                      │        transaction    or a pair of channels (in process)
//!   ChaincodeResolver ─┘             │
//!   (definitions, access)            ▼
//!                            TransactionLedger (a simulator)
//! ```
//!
//! - [`ChaincodeHost`] finds the chaincode of a definition, connects to it when it is not connected, and
//!   executes transactions.
//! - [`PackageStore`] keeps installed packages; [`Package`] reads one.
//! - [`TransactionLedger`] is what a chaincode may do with the ledger within one transaction;
//!   [`ChaincodeResolver`] is what the peer knows of channels, definitions and access.
//!
//! Messages, their order and the error texts follow `core/chaincode` of Hyperledger Fabric 3.1, because
//! chaincode and gateways depend on them.
#![forbid(unsafe_code)]

mod connection;
mod error;
mod execution;
mod handler;
mod host;
mod launch;
mod ledger;
mod message;
mod package;
mod registry;
mod resolver;
mod service;
mod simulator;
mod store;
mod stream;
mod transaction;

pub use error::{HostError, InvokeError, LaunchError};
pub use execution::{Executed, Execution};
pub use host::{ChaincodeHost, HostOptions};
pub use ledger::{AccessError, Rows, TransactionLedger};
pub use message::{MAX_GET_MULTIPLE_KEYS, MAX_WRITE_BATCH};
pub use package::{Package, PackageError, PackageKind, package_id};
pub use resolver::{
    Capabilities, ChaincodeDefinition, ChaincodeResolver, CollectionPermission, SystemCall, SystemReply,
};
pub use service::RegisterService;
pub use simulator::SimulatorLedger;
pub use store::{InstalledPackage, PackageStore, StoreError};
pub use stream::InProcess;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
