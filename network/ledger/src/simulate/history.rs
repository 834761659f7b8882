//! What a public key was over time (`core/ledger/kvledger/history` of Fabric): the index says which transactions wrote
//! it, the values come from the blocks.

use std::sync::Arc;

use fabric_protos::common::{Block, ChannelHeader, Envelope, Payload};
use prost::Message as _;
use prost_types::Timestamp;

use crate::block::BlockStore;
use crate::rwset::{ParsedTx, is_delete};
use crate::state::StateReader;
use crate::{LedgerError, Version};

/// One change of a key.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyModification {
    /// The transaction that made it.
    pub tx_id: String,
    /// The value written; empty when the key was deleted.
    pub value: Vec<u8>,
    /// The client's time, from the channel header.
    pub timestamp: Option<Timestamp>,
    /// Whether the key was deleted.
    pub is_delete: bool,
}

/// The changes of one key, newest first.
pub struct HistoryIter {
    blocks: Arc<BlockStore>,
    /// The block read last: a busy key changes often in one block.
    last: Option<(u64, Arc<Block>)>,
    versions: Box<dyn Iterator<Item = Result<Version, LedgerError>> + Send>,
    namespace: String,
    key: String,
}

impl HistoryIter {
    pub(crate) fn new(blocks: Arc<BlockStore>, state: &StateReader, namespace: &str, key: &str) -> Self {
        let versions = Box::new(state.history(namespace, key));
        Self {
            blocks,
            last: None,
            versions,
            namespace: namespace.to_owned(),
            key: key.to_owned(),
        }
    }

    fn modification(&mut self, version: Version) -> Result<KeyModification, LedgerError> {
        let lost = || LedgerError::Record("a history entry");
        let block = match self.last.take() {
            Some((number, block)) if number == version.block => block,
            _ => self.blocks.block(version.block)?.ok_or_else(lost)?,
        };
        self.last = Some((version.block, block.clone()));
        let envelopes = block.data.as_ref().map_or(&[][..], |data| &data.data);
        let bytes = envelopes.get(version.tx as usize).ok_or_else(lost)?;
        let rwset = ParsedTx::from_envelope(bytes).rwset.ok_or_else(lost)?;
        let namespace = rwset
            .namespaces
            .iter()
            .find(|set| set.namespace == self.namespace)
            .ok_or_else(lost)?;
        let write = namespace
            .rwset
            .writes
            .iter()
            .find(|write| write.key == self.key)
            .ok_or_else(lost)?;
        let envelope = Envelope::decode(bytes.as_slice()).map_err(LedgerError::decode("an envelope"))?;
        let payload =
            Payload::decode(envelope.payload.as_slice()).map_err(LedgerError::decode("a payload"))?;
        let header = payload.header.unwrap_or_default().channel_header;
        let header =
            ChannelHeader::decode(header.as_slice()).map_err(LedgerError::decode("a channel header"))?;
        let is_delete = is_delete(write);
        let value = write.value.clone();
        Ok(KeyModification {
            tx_id: header.tx_id,
            value,
            timestamp: header.timestamp,
            is_delete,
        })
    }
}

impl Iterator for HistoryIter {
    type Item = Result<KeyModification, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let version = self.versions.next()?;
        Some(version.and_then(|version| self.modification(version)))
    }
}

impl std::fmt::Debug for HistoryIter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HistoryIter")
            .field("namespace", &self.namespace)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
