//! An endorsed transaction, before it is ordered.

use fabric_protos::common::{ChannelHeader, Envelope, Payload};
use fabric_protos::gateway::{PreparedTransaction, SubmitRequest};
use fabric_protos::peer;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::call::unary;
use crate::commit::Commit;
use crate::error::{Cause, SubmitError};
use crate::gateway::{Deadlines, Gateway};
use crate::offline::RehydrateError;

/// A transaction with its endorsements and the chaincode's result: to be submitted, or signed elsewhere first.
#[derive(Clone, Debug)]
pub struct Transaction {
    gateway: Gateway,
    channel: String,
    transaction_id: String,
    envelope: Envelope,
    result: Vec<u8>,
    deadlines: Deadlines,
}

impl Transaction {
    pub(crate) fn new(
        gateway: Gateway,
        transaction_id: String,
        envelope: Envelope,
        deadlines: Deadlines,
    ) -> Result<Self, RehydrateError> {
        let (channel, result) = contents(&envelope)?;
        Ok(Self {
            gateway,
            channel,
            transaction_id,
            envelope,
            result,
            deadlines,
        })
    }

    /// The transaction's id.
    #[must_use]
    pub fn transaction_id(&self) -> &str {
        &self.transaction_id
    }

    /// What the chaincode function returned on the endorsing peers. It counts once the commit is valid.
    #[must_use]
    pub fn result(&self) -> &[u8] {
        &self.result
    }

    /// The message that a signature must cover.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.envelope.payload
    }

    /// SHA-256 of [`Transaction::message`], which a P-256 signer signs.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.envelope.payload).into()
    }

    /// Attaches a signature that was made elsewhere.
    #[must_use]
    pub fn with_signature(mut self, signature: impl Into<Vec<u8>>) -> Self {
        self.envelope.signature = signature.into();
        self
    }

    /// The envelope as it will be ordered, signed or not yet.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The transaction as bytes to store or carry (`gateway.PreparedTransaction`), for [`Gateway::transaction`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        PreparedTransaction {
            transaction_id: self.transaction_id.clone(),
            envelope: Some(self.envelope.clone()),
        }
        .encode_to_vec()
    }

    /// Hands the transaction to the orderer. The answer says that it was taken, not that it is committed.
    ///
    /// # Errors
    /// [`SubmitError`] if the orderer refused it or could not be reached.
    pub async fn submit(&self) -> Result<Commit, SubmitError> {
        self.submitted()
            .await
            .map_err(|cause| SubmitError::new(&self.transaction_id, cause))
    }

    async fn submitted(&self) -> Result<Commit, Cause> {
        let mut envelope = self.envelope.clone();
        if envelope.signature.is_empty() {
            envelope.signature = self.gateway.sign(&envelope.payload).await?;
        }
        let request = SubmitRequest {
            transaction_id: self.transaction_id.clone(),
            channel_id: self.channel.clone(),
            prepared_transaction: Some(envelope),
        };
        let mut client = self.gateway.client();
        unary("submit", self.deadlines.submit, request, |request| {
            client.submit(request)
        })
        .await?;
        Ok(Commit::new(
            self.gateway.clone(),
            &self.channel,
            &self.transaction_id,
            self.deadlines,
        ))
    }
}

impl Gateway {
    /// A transaction from what [`Transaction::to_bytes`] gave, here or in one of Fabric's other SDKs.
    ///
    /// # Errors
    /// [`RehydrateError`] if the bytes are not a transaction.
    pub fn transaction(&self, bytes: &[u8]) -> Result<Transaction, RehydrateError> {
        let prepared = PreparedTransaction::decode(bytes)?;
        let envelope = prepared.envelope.ok_or(RehydrateError::Missing("envelope"))?;
        Transaction::new(self.clone(), prepared.transaction_id, envelope, self.deadlines())
    }
}

/// The channel's name and the chaincode's result.
fn contents(envelope: &Envelope) -> Result<(String, Vec<u8>), RehydrateError> {
    let payload = Payload::decode(envelope.payload.as_slice())?;
    let header = payload.header.ok_or(RehydrateError::Missing("header"))?;
    let channel_header = ChannelHeader::decode(header.channel_header.as_slice())?;
    let transaction = peer::Transaction::decode(payload.data.as_slice())?;
    let action = transaction
        .actions
        .first()
        .ok_or(RehydrateError::Missing("action"))?;
    let action = peer::ChaincodeActionPayload::decode(action.payload.as_slice())?
        .action
        .ok_or(RehydrateError::Missing("endorsed action"))?;
    let response = peer::ProposalResponsePayload::decode(action.proposal_response_payload.as_slice())?;
    let action = peer::ChaincodeAction::decode(response.extension.as_slice())?;
    let response = action
        .response
        .ok_or(RehydrateError::Missing("chaincode response"))?;
    Ok((channel_header.channel_id, response.payload))
}
