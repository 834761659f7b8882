//! Errors. Their texts are part of Fabric's interface: gateways and tests match on them.

use crate::ledger::AccessError;

/// Why a transaction has no response.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The chaincode could not be called or did not answer.
    #[error("failed to execute transaction {tx_id}: {source}")]
    Invoke {
        /// Transaction id.
        tx_id: String,
        /// The reason.
        source: InvokeError,
    },
    /// The chaincode answered with ERROR.
    #[error("transaction returned with failure: {0}")]
    Returned(String),
    /// The chaincode's answer is not a `peer.Response`.
    #[error("failed to unmarshal response for transaction {tx_id}: {source}")]
    Response {
        /// Transaction id.
        tx_id: String,
        /// Decoder's reason.
        source: prost::DecodeError,
    },
}

/// Why a chaincode could not be called or did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// The chaincode is not defined or cannot run here.
    #[error(
        "invalid invocation: [channel {channel}] failed to get chaincode container info for {chaincode}: {source}"
    )]
    Definition {
        /// Channel.
        channel: String,
        /// Chaincode name.
        chaincode: String,
        /// The resolver's reason.
        source: AccessError,
    },
    /// The marker of initialisation cannot be read.
    #[error("invalid invocation: could not get 'initialized' key: {0}")]
    ReadInitialized(AccessError),
    /// The marker of initialisation cannot be written.
    #[error("invalid invocation: could not set 'initialized' key: {0}")]
    WriteInitialized(AccessError),
    /// `is_init` on a chaincode without initialisation.
    #[error("invalid invocation: chaincode '{0}' does not require initialization but called as init")]
    InitNotRequired(String),
    /// `is_init` a second time for the same version.
    #[error("invalid invocation: chaincode '{0}' is already initialized but called as init")]
    AlreadyInitialized(String),
    /// A call before `is_init`.
    #[error(
        "invalid invocation: chaincode '{0}' has not been initialized for this version, must call as init first"
    )]
    NotInitialized(String),
    /// No connection to the chaincode.
    #[error("could not launch chaincode {package_id}: {source}")]
    Launch {
        /// Package id.
        package_id: String,
        /// The reason.
        source: LaunchError,
    },
    /// The same transaction runs already on this chaincode; chaincode that calls itself ends here.
    #[error("error sending: txid: {tx_id}({channel}) exists")]
    Running {
        /// Transaction id.
        tx_id: String,
        /// Channel.
        channel: String,
    },
    /// No answer in time.
    #[error("error sending: timeout expired while executing transaction")]
    Timeout,
    /// The connection broke before the answer.
    #[error("error sending: chaincode stream terminated")]
    StreamTerminated,
    /// A system chaincode failed.
    #[error("{0}")]
    System(AccessError),
}

/// Why there is no connection to a chaincode.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// The package cannot be read or is of a kind that the peer does not run.
    #[error("error building chaincode: {0}")]
    Build(String),
    /// The chaincode's address does not answer, or the connection broke before registration.
    #[error("connection to {package_id} failed: {reason}")]
    Connection {
        /// Package id.
        package_id: String,
        /// What failed, with the address.
        reason: String,
    },
    /// The chaincode said something unexpected in place of a registration.
    #[error("chaincode registration failed: {0}")]
    Registration(String),
    /// No registration in time.
    #[error("timeout expired while starting chaincode {0} for transaction")]
    Timeout(String),
}
