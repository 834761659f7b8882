//! Who signs.

use std::sync::Arc;

use fabric_msp::SigningIdentity;
use futures::future::BoxFuture;
use thiserror::Error;

/// Signs messages for one identity. May wait: a key service or a hardware module takes its time.
///
/// For P-256 keys a signature is the DER form of ECDSA over the message's SHA-256, with the lower of the two
/// possible `s` values: Fabric refuses the other.
pub trait Signer: Send + Sync {
    /// Signs `message` (the message itself, not its digest).
    ///
    /// # Errors
    /// [`SignError`] with the reason if the key cannot be used.
    fn sign<'a>(&'a self, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, SignError>>;
}

/// A message was not signed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignError {
    /// The gateway was built without a signer and the object was not signed elsewhere.
    #[error(
        "nothing signed this: give the gateway a signer, or sign the object's digest and attach the signature"
    )]
    Unsigned,
    /// The signer refused or failed.
    #[error("the signer failed: {0}")]
    Failed(String),
}

impl Signer for SigningIdentity {
    fn sign<'a>(&'a self, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, SignError>> {
        // Some tens of microseconds: not worth another thread.
        let signature = Self::sign(self, message).map_err(|error| SignError::Failed(error.to_string()));
        Box::pin(std::future::ready(signature))
    }
}

impl<S: Signer + ?Sized> Signer for Arc<S> {
    fn sign<'a>(&'a self, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, SignError>> {
        S::sign(self, message)
    }
}
