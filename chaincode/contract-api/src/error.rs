//! Why a chaincode program stopped or did not start.

/// Why a chaincode program stopped or did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShimError {
    /// A variable is missing or wrong; the text names it and what it takes.
    #[error("{0}")]
    Environment(String),
    /// A file that a variable names cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// TLS material is wrong, or the connection failed.
    #[error("{what}: {source}")]
    Transport {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: tonic::transport::Error,
    },
    /// The peer did not take the registration, or ended the stream with an error.
    #[error("the peer ended the stream: {0}")]
    Stream(String),
}
