//! Transactions parsed once: validator and committer share these.

use std::sync::Arc;

use fabric_protos::common::{ChannelHeader, Envelope, HeaderType, Payload};
use fabric_protos::kvrwset::{HashedRwSet, KvrwSet};
use fabric_protos::peer::{ChaincodeAction, ChaincodeActionPayload, ProposalResponsePayload, Transaction};
use fabric_protos::rwset::{NsReadWriteSet, TxReadWriteSet};
use prost::Message as _;

use crate::LedgerError;

/// What kind of transaction an envelope holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxKind {
    /// Chaincode results.
    Endorser,
    /// A channel configuration.
    Config,
    /// Any other header type; it changes no state.
    Other(i32),
    /// Bytes that are no transaction. The validator has given it a code other than VALID.
    Malformed,
}

/// What the ledger needs to know of a transaction.
#[derive(Clone, Debug)]
pub struct ParsedTx {
    /// Id from the channel header; empty when there is none.
    pub tx_id: String,
    /// Kind from the channel header.
    pub kind: TxKind,
    /// The results of an endorser transaction. `None` for other kinds, and where the results do not decode.
    pub rwset: Option<Arc<TxRwSet>>,
}

impl ParsedTx {
    /// Parses an envelope from a block. What does not decode becomes [`TxKind::Malformed`], or lacks its results.
    pub fn from_envelope(envelope: &[u8]) -> Self {
        parse(envelope).unwrap_or(Self {
            tx_id: String::new(),
            kind: TxKind::Malformed,
            rwset: None,
        })
    }
}

/// The public read-write set of one transaction (`rwset.TxReadWriteSet`), decoded to the last level.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TxRwSet {
    /// In the order of the message: sorted by name when Fabric's rules were kept.
    pub namespaces: Vec<NamespaceRwSet>,
}

/// Reads and writes in one chaincode's namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamespaceRwSet {
    /// The chaincode's name.
    pub namespace: String,
    /// Public reads, range queries, writes and metadata writes.
    pub rwset: KvrwSet,
    /// Hashed reads and writes per collection.
    pub collections: Vec<CollectionRwSet>,
}

/// Hashed reads and writes in one collection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CollectionRwSet {
    /// The collection's name.
    pub collection: String,
    /// Hashes of keys and values.
    pub hashed: HashedRwSet,
    /// SHA-256 of the private read-write set's bytes; empty when the transaction writes nothing here.
    pub pvt_rwset_hash: Vec<u8>,
}

impl TxRwSet {
    /// Decodes `rwset.TxReadWriteSet` bytes (`ChaincodeAction.results`).
    ///
    /// # Errors
    /// [`LedgerError::Decode`] when any level is no valid message.
    pub fn decode(bytes: &[u8]) -> Result<Self, LedgerError> {
        TxReadWriteSet::decode(bytes)
            .map_err(LedgerError::decode("a read-write set"))?
            .try_into()
    }

    /// The hash that the private read-write set of a collection must have; `None` when the transaction has none there.
    pub fn pvt_rwset_hash(&self, namespace: &str, collection: &str) -> Option<&[u8]> {
        let namespace = self
            .namespaces
            .iter()
            .find(|found| found.namespace == namespace)?;
        let collection = namespace
            .collections
            .iter()
            .find(|found| found.collection == collection)?;
        Some(collection.pvt_rwset_hash.as_slice()).filter(|hash| !hash.is_empty())
    }

    /// Namespace and collection of every private read-write set that belongs to the transaction.
    pub fn private_collections(&self) -> impl Iterator<Item = (&str, &str)> {
        self.namespaces.iter().flat_map(|namespace| {
            let written = namespace
                .collections
                .iter()
                .filter(|collection| !collection.pvt_rwset_hash.is_empty());
            written.map(|collection| (namespace.namespace.as_str(), collection.collection.as_str()))
        })
    }
}

impl TryFrom<TxReadWriteSet> for TxRwSet {
    type Error = LedgerError;

    fn try_from(message: TxReadWriteSet) -> Result<Self, LedgerError> {
        let namespaces = message
            .ns_rwset
            .into_iter()
            .map(namespace)
            .collect::<Result<_, _>>()?;
        Ok(Self { namespaces })
    }
}

fn namespace(message: NsReadWriteSet) -> Result<NamespaceRwSet, LedgerError> {
    let rwset = KvrwSet::decode(message.rwset.as_slice())
        .map_err(LedgerError::decode("a key-value read-write set"))?;
    let collections = message.collection_hashed_rwset.into_iter().map(|message| {
        let hashed = HashedRwSet::decode(message.hashed_rwset.as_slice())
            .map_err(LedgerError::decode("a hashed read-write set"))?;
        let (collection, pvt_rwset_hash) = (message.collection_name, message.pvt_rwset_hash);
        Ok::<_, LedgerError>(CollectionRwSet {
            collection,
            hashed,
            pvt_rwset_hash,
        })
    });
    Ok(NamespaceRwSet {
        namespace: message.namespace,
        rwset,
        collections: collections.collect::<Result<_, _>>()?,
    })
}

fn parse(envelope: &[u8]) -> Option<ParsedTx> {
    let envelope = Envelope::decode(envelope).ok()?;
    let payload = Payload::decode(envelope.payload.as_slice()).ok()?;
    let header = ChannelHeader::decode(payload.header?.channel_header.as_slice()).ok()?;
    let kind = match HeaderType::try_from(header.r#type) {
        Ok(HeaderType::EndorserTransaction) => TxKind::Endorser,
        Ok(HeaderType::Config) => TxKind::Config,
        _ => TxKind::Other(header.r#type),
    };
    let results = || {
        let transaction = Transaction::decode(payload.data.as_slice()).ok()?;
        let action = transaction.actions.into_iter().next()?;
        let action = ChaincodeActionPayload::decode(action.payload.as_slice())
            .ok()?
            .action?;
        let response = ProposalResponsePayload::decode(action.proposal_response_payload.as_slice()).ok()?;
        let action = ChaincodeAction::decode(response.extension.as_slice()).ok()?;
        TxRwSet::decode(&action.results).ok().map(Arc::new)
    };
    let rwset = if kind == TxKind::Endorser { results() } else { None };
    Some(ParsedTx {
        tx_id: header.tx_id,
        kind,
        rwset,
    })
}
