//! A request to run a chaincode function, before anything was sent.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use fabric_protos::common::{ChannelHeader, Header, HeaderType, SignatureHeader};
use fabric_protos::gateway::{EndorseRequest, EvaluateRequest, ProposedTransaction};
use fabric_protos::peer;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::call::unary;
use crate::error::{Cause, EndorseError, EvaluateError};
use crate::gateway::{Deadlines, Gateway};
use crate::offline::RehydrateError;
use crate::signer::SignError;
use crate::transaction::Transaction;

/// Collects what a proposal says. Made by [`Contract::proposal`](crate::Contract::proposal).
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct ProposalBuilder {
    gateway: Gateway,
    channel: String,
    chaincode: String,
    args: Vec<Vec<u8>>,
    transient: BTreeMap<String, Vec<u8>>,
    organizations: Vec<String>,
    deadlines: Deadlines,
    timestamp: Option<SystemTime>,
    is_init: bool,
}

impl ProposalBuilder {
    pub(crate) fn new(gateway: Gateway, channel: &str, chaincode: &str, function: &str) -> Self {
        let deadlines = gateway.deadlines();
        Self {
            gateway,
            channel: channel.to_owned(),
            chaincode: chaincode.to_owned(),
            args: vec![function.as_bytes().to_vec()],
            transient: BTreeMap::new(),
            organizations: Vec::new(),
            deadlines,
            timestamp: None,
            is_init: false,
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl Into<Vec<u8>>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<A: Into<Vec<u8>>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds a value that the chaincode may read but that never stands in the transaction.
    pub fn transient(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.transient.insert(name.into(), value.into());
        self
    }

    /// Adds many such values.
    pub fn transient_all(mut self, values: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        self.transient.extend(values);
        self
    }

    /// The organisations (MSP ids) that run the function: all of them when it is endorsed, one of them when it is
    /// evaluated. Without any, the gateway chooses. With transient data name them, so that it goes to nobody else.
    pub fn endorsing_organizations<S: Into<String>>(mut self, msp_ids: impl IntoIterator<Item = S>) -> Self {
        self.organizations = msp_ids.into_iter().map(Into::into).collect();
        self
    }

    /// Replaces the gateway's deadlines for this proposal and what comes of it.
    pub const fn deadlines(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    /// The deadlines that hold for this proposal.
    #[must_use]
    pub const fn current_deadlines(&self) -> Deadlines {
        self.deadlines
    }

    /// Replaces the time that the proposal claims, for tests of time windows.
    pub const fn timestamp(mut self, timestamp: SystemTime) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    /// Marks the call as the chaincode's initialisation, for definitions that require one.
    pub const fn init(mut self) -> Self {
        self.is_init = true;
        self
    }

    /// The proposal, with a fresh nonce and so a fresh transaction id.
    #[must_use]
    pub fn build(&self) -> Proposal {
        let nonce: [u8; 24] = rand::random();
        let creator = self.gateway.creator();
        let transaction_id = transaction_id(&nonce, creator);
        let proposal = peer::Proposal {
            header: self.header(&nonce, &transaction_id).encode_to_vec(),
            payload: self.payload().encode_to_vec(),
            extension: Vec::new(),
        };
        Proposal {
            gateway: self.gateway.clone(),
            channel: self.channel.clone(),
            transaction_id,
            proposal_bytes: proposal.encode_to_vec(),
            signature: Vec::new(),
            organizations: self.organizations.clone(),
            deadlines: self.deadlines,
        }
    }

    fn header(&self, nonce: &[u8], transaction_id: &str) -> Header {
        let extension = peer::ChaincodeHeaderExtension {
            chaincode_id: Some(peer::ChaincodeId {
                name: self.chaincode.clone(),
                ..Default::default()
            }),
        };
        let channel_header = ChannelHeader {
            r#type: HeaderType::EndorserTransaction.into(),
            version: 0,
            timestamp: Some(timestamp(self.timestamp.unwrap_or_else(|| self.gateway.now()))),
            channel_id: self.channel.clone(),
            tx_id: transaction_id.to_owned(),
            epoch: 0,
            extension: extension.encode_to_vec(),
            tls_cert_hash: Vec::new(),
        };
        let signature_header = SignatureHeader {
            creator: self.gateway.creator().to_vec(),
            nonce: nonce.to_vec(),
        };
        Header {
            channel_header: channel_header.encode_to_vec(),
            signature_header: signature_header.encode_to_vec(),
        }
    }

    fn payload(&self) -> peer::ChaincodeProposalPayload {
        let spec = peer::ChaincodeInvocationSpec {
            chaincode_spec: Some(peer::ChaincodeSpec {
                // Fabric's own clients say "Node" for a chaincode of any language.
                r#type: peer::chaincode_spec::Type::Node.into(),
                chaincode_id: Some(peer::ChaincodeId {
                    name: self.chaincode.clone(),
                    ..Default::default()
                }),
                input: Some(peer::ChaincodeInput {
                    args: self.args.clone(),
                    decorations: BTreeMap::new(),
                    is_init: self.is_init,
                }),
                timeout: 0,
            }),
        };
        peer::ChaincodeProposalPayload {
            input: spec.encode_to_vec(),
            transient_map: self.transient.clone(),
        }
    }
}

/// A proposal with its transaction id: ready to be evaluated or endorsed, or signed elsewhere first.
#[derive(Clone, Debug)]
pub struct Proposal {
    gateway: Gateway,
    channel: String,
    transaction_id: String,
    proposal_bytes: Vec<u8>,
    signature: Vec<u8>,
    organizations: Vec<String>,
    deadlines: Deadlines,
}

impl Proposal {
    /// The transaction's id, known before anything is sent.
    #[must_use]
    pub fn transaction_id(&self) -> &str {
        &self.transaction_id
    }

    /// The message that a signature must cover.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.proposal_bytes
    }

    /// SHA-256 of [`Proposal::message`], which a P-256 signer signs.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.proposal_bytes).into()
    }

    /// Attaches a signature that was made elsewhere.
    #[must_use]
    pub fn with_signature(mut self, signature: impl Into<Vec<u8>>) -> Self {
        self.signature = signature.into();
        self
    }

    /// The proposal as bytes to store or carry (`gateway.ProposedTransaction`), for [`Gateway::proposal`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        ProposedTransaction {
            transaction_id: self.transaction_id.clone(),
            proposal: Some(self.signed_proposal(self.signature.clone())),
            endorsing_organizations: self.organizations.clone(),
        }
        .encode_to_vec()
    }

    /// Runs the function on one peer and gives its result. Nothing is ordered, nothing changes.
    ///
    /// # Errors
    /// [`EvaluateError`] if no peer answered, or the peer or the chaincode refused.
    pub async fn evaluate(&self) -> Result<Vec<u8>, EvaluateError> {
        self.evaluated()
            .await
            .map_err(|cause| EvaluateError::new(&self.transaction_id, cause))
    }

    /// Collects the endorsements.
    ///
    /// # Errors
    /// [`EndorseError`] if too few peers endorsed, with what each of them said.
    pub async fn endorse(&self) -> Result<Transaction, EndorseError> {
        self.endorsed()
            .await
            .map_err(|cause| EndorseError::new(&self.transaction_id, cause))
    }

    async fn evaluated(&self) -> Result<Vec<u8>, Cause> {
        let request = EvaluateRequest {
            transaction_id: self.transaction_id.clone(),
            channel_id: self.channel.clone(),
            proposed_transaction: Some(self.signed().await?),
            target_organizations: self.organizations.clone(),
        };
        let mut client = self.gateway.client();
        let response = unary("evaluate", self.deadlines.evaluate, request, |request| {
            client.evaluate(request)
        })
        .await?;
        response
            .result
            .map(|result| result.payload)
            .ok_or_else(|| Cause::Malformed("an evaluation without a result".to_owned()))
    }

    async fn endorsed(&self) -> Result<Transaction, Cause> {
        let request = EndorseRequest {
            transaction_id: self.transaction_id.clone(),
            channel_id: self.channel.clone(),
            proposed_transaction: Some(self.signed().await?),
            endorsing_organizations: self.organizations.clone(),
        };
        let mut client = self.gateway.client();
        let response = unary("endorse", self.deadlines.endorse, request, |request| {
            client.endorse(request)
        })
        .await?;
        let envelope = response
            .prepared_transaction
            .ok_or_else(|| Cause::Malformed("an endorsement without a transaction".to_owned()))?;
        Transaction::new(
            self.gateway.clone(),
            self.transaction_id.clone(),
            envelope,
            self.deadlines,
        )
        .map_err(|error| Cause::Malformed(error.to_string()))
    }

    async fn signed(&self) -> Result<peer::SignedProposal, SignError> {
        let signature = if self.signature.is_empty() {
            self.gateway.sign(&self.proposal_bytes).await?
        } else {
            self.signature.clone()
        };
        Ok(self.signed_proposal(signature))
    }

    fn signed_proposal(&self, signature: Vec<u8>) -> peer::SignedProposal {
        peer::SignedProposal {
            proposal_bytes: self.proposal_bytes.clone(),
            signature,
        }
    }
}

impl Gateway {
    /// A proposal from what [`Proposal::to_bytes`] gave, here or in one of Fabric's other SDKs.
    ///
    /// # Errors
    /// [`RehydrateError`] if the bytes are not a proposal.
    pub fn proposal(&self, bytes: &[u8]) -> Result<Proposal, RehydrateError> {
        let proposed = ProposedTransaction::decode(bytes)?;
        let signed = proposed.proposal.ok_or(RehydrateError::Missing("proposal"))?;
        let proposal = peer::Proposal::decode(signed.proposal_bytes.as_slice())?;
        let header = Header::decode(proposal.header.as_slice())?;
        let channel_header = ChannelHeader::decode(header.channel_header.as_slice())?;
        Ok(Proposal {
            gateway: self.clone(),
            channel: channel_header.channel_id,
            transaction_id: channel_header.tx_id,
            proposal_bytes: signed.proposal_bytes,
            signature: signed.signature,
            organizations: proposed.endorsing_organizations,
            deadlines: self.deadlines(),
        })
    }
}

/// Lower-case hex of SHA-256(nonce ‖ creator), as `protoutil/proputils.go` computes it.
pub(crate) fn transaction_id(nonce: &[u8], creator: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(nonce);
    hash.update(creator);
    hex::encode(hash.finalize())
}

pub(crate) fn timestamp(time: SystemTime) -> prost_types::Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    prost_types::Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since.subsec_nanos()).unwrap_or(0),
    }
}
