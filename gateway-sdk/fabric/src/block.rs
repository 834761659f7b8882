//! Blocks taken apart, for auditors: who did what, with which verdict, and what it changed.

use fabric_protos::common::{
    self, BlockMetadataIndex, ChannelHeader, Envelope, HeaderType, Payload, SignatureHeader,
};
use fabric_protos::kvrwset::{HashedRwSet, KvrwSet};
use fabric_protos::msp::SerializedIdentity;
use fabric_protos::peer::{self, ChaincodeEvent, TxValidationCode};
use fabric_protos::rwset::{CollectionHashedReadWriteSet, NsReadWriteSet, TxReadWriteSet};
use prost::{DecodeError, Message};

use crate::code::ValidationCode;

/// A block, decoded as far as Fabric's messages go.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodedBlock {
    /// The block's number.
    pub number: u64,
    /// The hash of the header before.
    pub previous_hash: Vec<u8>,
    /// The hash of the transactions.
    pub data_hash: Vec<u8>,
    /// The transactions in their order.
    pub transactions: Vec<DecodedTransaction>,
}

/// One transaction of a block.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodedTransaction {
    /// The transaction's id; empty for a configuration.
    pub transaction_id: String,
    /// The channel.
    pub channel: String,
    /// The peers' verdict; `NOT_VALIDATED` in a block that comes from an orderer.
    pub code: ValidationCode,
    /// The time that the client claimed, in seconds since 1970 and nanoseconds.
    pub timestamp: (i64, i32),
    /// Who submitted it.
    pub creator: Identity,
    /// What it is.
    pub kind: TransactionKind,
}

/// What a transaction is.
#[derive(Clone, Debug, PartialEq)]
pub enum TransactionKind {
    /// A chaincode's changes.
    Chaincode(Box<InvokedChaincode>),
    /// A new configuration of the channel.
    Config,
    /// Another type of message, by its number (`common.HeaderType`).
    Other(i32),
    /// Bytes that cannot be decoded. Peers mark such a transaction as invalid.
    Undecodable(String),
}

/// A member of an organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The organisation's MSP id.
    pub msp_id: String,
    /// The certificate, PEM.
    pub certificate_pem: Vec<u8>,
}

/// The call of a chaincode, its answer, and what it read and wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct InvokedChaincode {
    /// The chaincode's name.
    pub chaincode: String,
    /// Its version, as the endorsers ran it.
    pub version: String,
    /// The arguments; the first is the function's name.
    pub args: Vec<Vec<u8>>,
    /// The status that the chaincode answered.
    pub status: i32,
    /// What the function returned.
    pub result: Vec<u8>,
    /// The event that it set, if any.
    pub event: Option<ChaincodeEvent>,
    /// Who endorsed it.
    pub endorsements: Vec<Endorsement>,
    /// Reads and writes by namespace (a chaincode's name).
    pub changes: Vec<NamespaceChanges>,
}

/// A peer's signature under a chaincode's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endorsement {
    /// The peer.
    pub endorser: Identity,
    /// Its signature.
    pub signature: Vec<u8>,
}

/// What was read and written in one namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct NamespaceChanges {
    /// The namespace.
    pub namespace: String,
    /// Keys read, with the version that was seen.
    pub reads: Vec<KeyRead>,
    /// Ranges read: first key and end.
    pub ranges: Vec<(String, String)>,
    /// Keys written or deleted.
    pub writes: Vec<KeyWrite>,
    /// Keys whose metadata, such as an endorsement policy, was changed.
    pub metadata_writes: Vec<String>,
    /// Private data collections, as hashes.
    pub private: Vec<PrivateChanges>,
}

/// A key that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRead {
    /// The key.
    pub key: String,
    /// Block and transaction number of the version that was seen; `None` if there was no such key.
    pub version: Option<(u64, u64)>,
}

/// A key that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyWrite {
    /// The key.
    pub key: String,
    /// The new value, or `None` for a deletion.
    pub value: Option<Vec<u8>>,
}

/// What was done in a private data collection, as far as everybody may know.
#[derive(Clone, Debug, PartialEq)]
pub struct PrivateChanges {
    /// The collection.
    pub collection: String,
    /// SHA-256 of the private read-write set.
    pub hash: Vec<u8>,
    /// The hashed keys and values, as in the block.
    pub hashed: HashedRwSet,
}

impl DecodedBlock {
    /// Decodes a block. A transaction that cannot be decoded becomes [`TransactionKind::Undecodable`], as any client
    /// may bring such bytes into a block.
    #[must_use]
    pub fn decode(block: &common::Block) -> Self {
        let header = block.header.clone().unwrap_or_default();
        let metadata = block
            .metadata
            .as_ref()
            .map_or(&[][..], |metadata| &metadata.metadata);
        let codes = metadata.get(BlockMetadataIndex::TransactionsFilter as usize);
        let transactions = block.data.as_ref().map_or(&[][..], |data| &data.data);
        let transactions = transactions.iter().enumerate().map(|(index, envelope)| {
            let code = codes
                .and_then(|codes| codes.get(index))
                .map(|code| i32::from(*code));
            let code = code.unwrap_or(TxValidationCode::NotValidated as i32);
            DecodedTransaction::decode(envelope, code.into())
        });
        Self {
            number: header.number,
            previous_hash: header.previous_hash,
            data_hash: header.data_hash,
            transactions: transactions.collect(),
        }
    }
}

impl DecodedTransaction {
    /// Decodes one envelope of a block.
    #[must_use]
    pub fn decode(envelope: &[u8], code: ValidationCode) -> Self {
        let mut transaction = Self {
            transaction_id: String::new(),
            channel: String::new(),
            code,
            timestamp: (0, 0),
            creator: Identity::default(),
            kind: TransactionKind::Config,
        };
        if let Err(error) = transaction.read(envelope) {
            transaction.kind = TransactionKind::Undecodable(error.to_string());
        }
        transaction
    }

    /// The chaincode call, if it is one.
    #[must_use]
    pub fn chaincode(&self) -> Option<&InvokedChaincode> {
        match &self.kind {
            TransactionKind::Chaincode(invoked) => Some(invoked),
            _ => None,
        }
    }

    fn read(&mut self, envelope: &[u8]) -> Result<(), DecodeError> {
        let envelope = Envelope::decode(envelope)?;
        let payload = Payload::decode(envelope.payload.as_slice())?;
        let header = payload.header.unwrap_or_default();
        let channel_header = ChannelHeader::decode(header.channel_header.as_slice())?;
        let signature_header = SignatureHeader::decode(header.signature_header.as_slice())?;
        self.transaction_id = channel_header.tx_id;
        self.channel = channel_header.channel_id;
        self.timestamp = channel_header
            .timestamp
            .map_or((0, 0), |time| (time.seconds, time.nanos));
        self.creator = Identity::decode(&signature_header.creator)?;
        self.kind = match HeaderType::try_from(channel_header.r#type) {
            Ok(HeaderType::EndorserTransaction) => {
                TransactionKind::Chaincode(Box::new(InvokedChaincode::decode(&payload.data)?))
            }
            Ok(HeaderType::Config) => TransactionKind::Config,
            _ => TransactionKind::Other(channel_header.r#type),
        };
        Ok(())
    }
}

impl Identity {
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let identity = SerializedIdentity::decode(bytes)?;
        Ok(Self {
            msp_id: identity.mspid,
            certificate_pem: identity.id_bytes,
        })
    }
}

impl InvokedChaincode {
    fn decode(transaction: &[u8]) -> Result<Self, DecodeError> {
        let transaction = peer::Transaction::decode(transaction)?;
        let action = transaction.actions.into_iter().next().unwrap_or_default();
        let payload = peer::ChaincodeActionPayload::decode(action.payload.as_slice())?;
        let endorsed = payload.action.unwrap_or_default();
        let proposal = peer::ChaincodeProposalPayload::decode(payload.chaincode_proposal_payload.as_slice())?;
        let spec = peer::ChaincodeInvocationSpec::decode(proposal.input.as_slice())?;
        let input = spec
            .chaincode_spec
            .and_then(|spec| spec.input)
            .unwrap_or_default();
        let response = peer::ProposalResponsePayload::decode(endorsed.proposal_response_payload.as_slice())?;
        let action = peer::ChaincodeAction::decode(response.extension.as_slice())?;
        let id = action.chaincode_id.unwrap_or_default();
        let answer = action.response.unwrap_or_default();
        let event = ChaincodeEvent::decode(action.events.as_slice())?;
        let results = TxReadWriteSet::decode(action.results.as_slice())?;
        Ok(Self {
            chaincode: id.name,
            version: id.version,
            args: input.args,
            status: answer.status,
            result: answer.payload,
            event: (!event.event_name.is_empty()).then_some(event),
            endorsements: endorsed
                .endorsements
                .into_iter()
                .map(Endorsement::decode)
                .collect::<Result<_, _>>()?,
            changes: results
                .ns_rwset
                .into_iter()
                .map(NamespaceChanges::decode)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Endorsement {
    fn decode(endorsement: peer::Endorsement) -> Result<Self, DecodeError> {
        Ok(Self {
            endorser: Identity::decode(&endorsement.endorser)?,
            signature: endorsement.signature,
        })
    }
}

impl NamespaceChanges {
    fn decode(changes: NsReadWriteSet) -> Result<Self, DecodeError> {
        let set = KvrwSet::decode(changes.rwset.as_slice())?;
        let private = changes
            .collection_hashed_rwset
            .into_iter()
            .map(PrivateChanges::decode);
        let read = |read: fabric_protos::kvrwset::KvRead| KeyRead {
            key: read.key,
            version: read.version.map(|version| (version.block_num, version.tx_num)),
        };
        let write = |write: fabric_protos::kvrwset::KvWrite| KeyWrite {
            key: write.key,
            value: (!write.is_delete).then_some(write.value),
        };
        Ok(Self {
            namespace: changes.namespace,
            reads: set.reads.into_iter().map(read).collect(),
            ranges: set
                .range_queries_info
                .into_iter()
                .map(|range| (range.start_key, range.end_key))
                .collect(),
            writes: set.writes.into_iter().map(write).collect(),
            metadata_writes: set.metadata_writes.into_iter().map(|write| write.key).collect(),
            private: private.collect::<Result<_, _>>()?,
        })
    }
}

impl PrivateChanges {
    fn decode(changes: CollectionHashedReadWriteSet) -> Result<Self, DecodeError> {
        Ok(Self {
            collection: changes.collection_name,
            hash: changes.pvt_rwset_hash,
            hashed: HashedRwSet::decode(changes.hashed_rwset.as_slice())?,
        })
    }
}
