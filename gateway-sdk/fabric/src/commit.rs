//! A transaction on its way into a block.

use fabric_protos::gateway::{CommitStatusRequest, SignedCommitStatusRequest};
use prost::Message;
use sha2::{Digest, Sha256};

use crate::call::unary;
use crate::code::ValidationCode;
use crate::error::{Cause, CommitError, CommitStatusError};
use crate::gateway::{Deadlines, Gateway};
use crate::offline::RehydrateError;

/// A transaction whose fate can be asked for.
#[derive(Clone, Debug)]
pub struct Commit {
    gateway: Gateway,
    transaction_id: String,
    request: SignedCommitStatusRequest,
    deadlines: Deadlines,
}

/// The fate of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The transaction's id.
    pub transaction_id: String,
    /// The block that holds it.
    pub block_number: u64,
    /// The peers' verdict.
    pub code: ValidationCode,
}

impl Status {
    /// Turns an invalid transaction into an error.
    ///
    /// # Errors
    /// [`CommitError`] with the verdict unless it is valid.
    pub fn into_result(self) -> Result<Self, CommitError> {
        if self.code.is_valid() {
            return Ok(self);
        }
        Err(CommitError {
            transaction_id: self.transaction_id,
            block_number: self.block_number,
            code: self.code,
        })
    }
}

impl Commit {
    pub(crate) fn new(gateway: Gateway, channel: &str, transaction_id: &str, deadlines: Deadlines) -> Self {
        let request = CommitStatusRequest {
            transaction_id: transaction_id.to_owned(),
            channel_id: channel.to_owned(),
            identity: gateway.creator().to_vec(),
        };
        Self {
            gateway,
            transaction_id: transaction_id.to_owned(),
            request: SignedCommitStatusRequest {
                request: request.encode_to_vec(),
                signature: Vec::new(),
            },
            deadlines,
        }
    }

    /// The transaction's id.
    #[must_use]
    pub fn transaction_id(&self) -> &str {
        &self.transaction_id
    }

    /// The message that a signature must cover.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.request.request
    }

    /// SHA-256 of [`Commit::message`], which a P-256 signer signs.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.request.request).into()
    }

    /// Attaches a signature that was made elsewhere.
    #[must_use]
    pub fn with_signature(mut self, signature: impl Into<Vec<u8>>) -> Self {
        self.request.signature = signature.into();
        self
    }

    /// The request as bytes to store or carry (`gateway.SignedCommitStatusRequest`), for [`Gateway::commit`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.request.encode_to_vec()
    }

    /// Waits until the gateway's peer has committed the transaction.
    ///
    /// # Errors
    /// [`CommitStatusError`] if the fate could not be learned. Ask again: it is not lost.
    pub async fn status(&self) -> Result<Status, CommitStatusError> {
        self.answered()
            .await
            .map_err(|cause| CommitStatusError::new(&self.transaction_id, cause))
    }

    async fn answered(&self) -> Result<Status, Cause> {
        let mut request = self.request.clone();
        if request.signature.is_empty() {
            request.signature = self.gateway.sign(&request.request).await?;
        }
        let mut client = self.gateway.client();
        let deadline = self.deadlines.commit_status;
        let response = unary("commit status", deadline, request, |request| {
            client.commit_status(request)
        })
        .await?;
        Ok(Status {
            transaction_id: self.transaction_id.clone(),
            block_number: response.block_number,
            code: response.result.into(),
        })
    }
}

impl Gateway {
    /// A commit from what [`Commit::to_bytes`] gave, here or in one of Fabric's other SDKs.
    ///
    /// # Errors
    /// [`RehydrateError`] if the bytes are not a commit status request.
    pub fn commit(&self, bytes: &[u8]) -> Result<Commit, RehydrateError> {
        let request = SignedCommitStatusRequest::decode(bytes)?;
        let inner = CommitStatusRequest::decode(request.request.as_slice())?;
        Ok(Commit {
            gateway: self.clone(),
            transaction_id: inner.transaction_id,
            request,
            deadlines: self.deadlines(),
        })
    }
}
