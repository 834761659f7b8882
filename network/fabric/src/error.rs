//! What keeps a consortium from being rendered.

use std::path::PathBuf;

use fabric_channel::ChannelError;
use fabric_gateway_sdk::PackageError;
use fabric_msp::MspError;
use fabric_node::NetworkError;

/// A consortium could not be rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The consortium does not suit Fabric's own programs.
    #[error("the consortium cannot be rendered: {0}")]
    Config(String),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A setting is there with other content.
    #[error(
        "{0} differs from what this consortium needs now; move it away, or replace settings on purpose (--replace-settings)"
    )]
    Differs(PathBuf),
    /// The genesis block there starts another channel.
    #[error("{path} does not fit the consortium: {reason}")]
    Genesis {
        /// The block's file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// Keys or certificates.
    #[error(transparent)]
    Msp(#[from] MspError),
    /// The channel's configuration.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// A chaincode package.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The network's configuration.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A description could not be written as JSON.
    #[error("a description could not be written: {0}")]
    Json(#[from] serde_json::Error),
    /// The operating system gave no randomness.
    #[error("the system's random generator failed")]
    Random,
}

impl RenderError {
    /// Names the file of a failure.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
