//! Administration: packages, the chaincode lifecycle, peers, and questions about a ledger.
//!
//! ```text
//! ChaincodePackage ─install─▶ PeerAdmin (each peer)
//!        └─ id ─approve (each organisation)─▶ Lifecycle ─commit─▶ definition in force
//! deploy(…) does all of it
//! ```

mod definition;
mod deploy;
mod lifecycle;
mod package;
mod peer;
mod system;

use thiserror::Error;

pub use definition::{ChaincodeDefinition, CollectionConfig};
pub use deploy::{Deployed, Deployer, deploy};
pub use lifecycle::{Lifecycle, Readiness};
pub use package::{ChaincodePackage, ChaincodeService, PackageError};
pub use peer::PeerAdmin;

use crate::error::{Error as TransactionError, EvaluateError};
use crate::signer::SignError;
use crate::status::RpcFailure;

/// An administrator's request failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AdminError {
    /// A question was refused or not answered.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// A transaction of the lifecycle failed.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// The peer could not be reached or refused the proposal.
    #[error("the peer refused: {0}")]
    Rpc(#[from] RpcFailure),
    /// The peer's system chaincode refused.
    #[error("the peer refused with status {status}: {message}")]
    Refused {
        /// The status of the answer.
        status: i32,
        /// Why.
        message: String,
    },
    /// The request could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// An answer is not the message that it should be.
    #[error("the peer's answer cannot be used: {0}")]
    Decode(#[from] prost::DecodeError),
    /// A policy is not one.
    #[error("not a policy: {0}")]
    Policy(String),
    /// A package could not be built.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// A deployment without organisations.
    #[error("a deployment needs at least one organisation")]
    NoDeployer,
}
