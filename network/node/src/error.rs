//! What keeps a network from starting.

use std::net::IpAddr;
use std::path::PathBuf;

/// A network could not be started, or an operation on it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The configuration contradicts itself.
    #[error("the network's configuration is not usable: {0}")]
    Config(String),
    /// A consortium file does not parse.
    #[error("{path} is not a consortium file: {reason}")]
    Consortium {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Somebody listens on a port already.
    #[error(
        "{what} cannot listen on {ip} port {port}: the port is in use; stop the program that uses it, or choose other ports with a base port"
    )]
    PortInUse {
        /// Whose port it is.
        what: String,
        /// The address.
        ip: IpAddr,
        /// The port.
        port: u16,
    },
    /// A port cannot be listened on for another reason.
    #[error("{what} cannot listen on {ip} port {port}: {source}")]
    Listen {
        /// Whose port it is.
        what: String,
        /// The address.
        ip: IpAddr,
        /// The port.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process runs a network in the directory.
    #[error("directory {0} is in use by another running network; stop that one, or choose another directory")]
    DirInUse(PathBuf),
    /// The directory is from another version of this program.
    #[error(
        "directory {path} holds a network of format {found}, this program reads format {expected}; use the program that made it, or another directory"
    )]
    DirVersion {
        /// The directory.
        path: PathBuf,
        /// The format found.
        found: String,
        /// The format that is understood.
        expected: String,
    },
    /// The directory holds files that are no network's.
    #[error("directory {0} is not empty and holds no network; choose an empty or a new directory")]
    DirForeign(PathBuf),
    /// The directory's network has other members or another channel.
    #[error(
        "directory {path} holds another network ({what}); start it with the consortium it was made for, or choose another directory"
    )]
    DirOther {
        /// The directory.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// A file or directory of the network.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// TLS keys or certificates.
    #[error("TLS material is not usable: {0}")]
    Tls(String),
    /// There is no such organisation.
    #[error("no organisation {0} in this network")]
    NoOrganisation(String),
    /// The organisation has no such peer.
    #[error("{msp_id} has no peer {index} in this network; the first one is 0")]
    NoPeer {
        /// The organisation.
        msp_id: String,
        /// The peer's place among the organisation's.
        index: usize,
    },
    /// Keys and certificates.
    #[error(transparent)]
    Msp(#[from] fabric_msp::MspError),
    /// The channel's configuration.
    #[error(transparent)]
    Channel(#[from] fabric_channel::ChannelError),
    /// The ordering node.
    #[error("the ordering node does not start: {0}")]
    Orderer(#[from] fabric_orderer::OrdererError),
    /// A peer.
    #[error("the peer of {msp_id} does not start: {reason}")]
    Peer {
        /// The peer's organisation.
        msp_id: String,
        /// What went wrong.
        reason: String,
    },
}

impl NetworkError {
    /// An error of the file system at `path`.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
