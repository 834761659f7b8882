//! Objects that travel as bytes between the program that builds them and the one that signs them.

use thiserror::Error;

/// Bytes that should be a stored proposal, transaction, commit or event request are none.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RehydrateError {
    /// The bytes are not the message they should be.
    #[error("not a stored object of this kind: {0}")]
    Decode(#[from] prost::DecodeError),
    /// A part of the message is not there.
    #[error("the stored object has no {0}")]
    Missing(&'static str),
}
