//! Administration: packages, the chaincode lifecycle, peers, channels and their configuration, and questions about a ledger.
//!
//! ```text
//! ChaincodePackage ─install─▶ PeerAdmin (each peer)
//!        └─ id ─approve (each organisation)─▶ Lifecycle ─commit─▶ definition in force
//! deploy(…) does all of it, deploy_next(…) under the sequence number that is due
//!
//! genesis block ─join─▶ OrdererAdmin, PeerAdmin (each peer): a channel begins
//! Network::config_edit ─▶ ChannelUpdate ─sign (each organisation)─▶ Network::submit_update: its rules change
//! ```

mod definition;
mod deploy;
mod lifecycle;
mod ordering;
mod package;
mod participation;
mod peer;
mod system;
mod update;

use thiserror::Error;

pub use definition::{ChaincodeDefinition, CollectionConfig};
pub use deploy::{Deployed, Deployer, deploy, deploy_next};
pub use lifecycle::{Lifecycle, Readiness};
pub use ordering::OrdererClient;
pub use package::{ChaincodePackage, ChaincodeService, PackageError};
pub use participation::{OrderedChannel, OrdererAdmin, OrdererAdminEndpoint};
pub use peer::PeerAdmin;
pub use update::ChannelUpdate;

use crate::error::{Error as TransactionError, EvaluateError};
use crate::events::EventError;
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
    /// A configuration cannot be read, or an edit of it is not possible.
    #[error(transparent)]
    Config(#[from] fabric_channel::ChannelError),
    /// The ordering node did not take a message.
    #[error("the orderer refused with {status}: {reason}")]
    Broadcast {
        /// The status, such as `BAD_REQUEST` or `FORBIDDEN`.
        status: &'static str,
        /// Why.
        reason: String,
    },
    /// The ordering node's administration refused.
    #[error("the orderer's administration refused with status {status}: {reason}")]
    Participation {
        /// The HTTP status.
        status: u16,
        /// Why.
        reason: String,
    },
    /// The ordering node's administration could not be reached, or a certificate or key for it cannot be used.
    #[error("the orderer's administration cannot be asked: {0}")]
    Http(#[from] reqwest::Error),
    /// The stream of blocks that tells of a new configuration ended.
    #[error(transparent)]
    Events(EventError),
    /// The orderer took an update, but the peer did not have it in force in time.
    #[error(
        "the update was ordered, but the peer does not have it in force yet; ask for its configuration later"
    )]
    NotInForce,
    /// A deployment without organisations.
    #[error("a deployment needs at least one organisation")]
    NoDeployer,
}
