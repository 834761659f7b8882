//! Requests for single keys, and batches of them.

use std::collections::BTreeMap;

use fabric_protos::peer;
use fabric_protos::peer::write_record;
use prost::Message;

use super::{Transaction, decode};
use crate::ledger::AccessError;
use crate::resolver::Capabilities;

impl Transaction<'_> {
    pub(super) fn get_state(&mut self, payload: &[u8]) -> Result<Vec<u8>, AccessError> {
        let request: peer::GetState = decode(payload)?;
        let value = if request.collection.is_empty() {
            self.ledger()?.state(self.namespace(), &request.key)?
        } else {
            self.require_read(&request.collection)?;
            self.ledger()?
                .private(self.namespace(), &request.collection, &request.key)?
        };
        Ok(value.unwrap_or_default())
    }

    pub(super) fn get_states(&mut self, payload: &[u8]) -> Result<Vec<u8>, AccessError> {
        let request: peer::GetStateMultiple = decode(payload)?;
        let values = if request.collection.is_empty() {
            self.ledger()?.states(self.namespace(), &request.keys)?
        } else {
            self.require_read(&request.collection)?;
            self.ledger()?
                .privates(self.namespace(), &request.collection, &request.keys)?
        };
        let values = values.into_iter().map(Option::unwrap_or_default).collect();
        Ok(peer::GetStateMultipleResult { values }.encode_to_vec())
    }

    /// Hashes are public: members and others may read them.
    pub(super) fn get_private_hash(&mut self, payload: &[u8]) -> Result<Vec<u8>, AccessError> {
        let request: peer::GetState = decode(payload)?;
        self.refuse_private_in_init()?;
        if !request.collection.is_empty() {
            // Everybody may read hashes. But the collection's definition becomes part of what the transaction read.
            let _anybody = self.collection_access(&request.collection);
        }
        let hash = self
            .ledger()?
            .private_hash(self.namespace(), &request.collection, &request.key)?;
        Ok(hash.unwrap_or_default())
    }

    pub(super) fn get_metadata(&mut self, payload: &[u8]) -> Result<Vec<u8>, AccessError> {
        self.require_key_level_endorsement()?;
        let request: peer::GetStateMetadata = decode(payload)?;
        let metadata = if request.collection.is_empty() {
            self.ledger()?.metadata(self.namespace(), &request.key)?
        } else {
            self.require_read(&request.collection)?;
            self.ledger()?
                .private_metadata(self.namespace(), &request.collection, &request.key)?
        };
        let entries = metadata
            .into_iter()
            .map(|(metakey, value)| peer::StateMetadata { metakey, value })
            .collect();
        Ok(peer::StateMetadataResult { entries }.encode_to_vec())
    }

    pub(super) fn put_state(&mut self, payload: &[u8]) -> Result<Vec<u8>, AccessError> {
        let request: peer::PutState = decode(payload)?;
        self.put(&request.collection, &request.key, request.value)
    }

    pub(super) fn delete_state(&mut self, payload: &[u8]) -> Result<Vec<u8>, AccessError> {
        let request: peer::DelState = decode(payload)?;
        self.delete(&request.collection, &request.key)
    }

    pub(super) fn purge(&mut self, payload: &[u8]) -> Result<Vec<u8>, AccessError> {
        let request: peer::PurgePrivateState = decode(payload)?;
        self.purge_private(&request.collection, &request.key)
    }

    pub(super) fn put_metadata(&mut self, payload: &[u8]) -> Result<Vec<u8>, AccessError> {
        let request: peer::PutStateMetadata = decode(payload)?;
        self.set_metadata(&request.collection, &request.key, request.metadata)
    }

    /// Writes in their order; the first that fails ends the batch.
    pub(super) fn write_batch(&mut self, payload: &[u8]) -> Result<Vec<u8>, AccessError> {
        let batch: peer::WriteBatchState = decode(payload)?;
        for record in batch.rec {
            match record.r#type() {
                write_record::Type::PutState => self.put(&record.collection, &record.key, record.value)?,
                write_record::Type::DelState => self.delete(&record.collection, &record.key)?,
                write_record::Type::PurgePrivateData => {
                    self.purge_private(&record.collection, &record.key)?
                }
                write_record::Type::PutStateMetadata => {
                    self.set_metadata(&record.collection, &record.key, record.metadata)?
                }
                write_record::Type::Undefined => return Err("unknown operation type".into()),
            };
        }
        Ok(Vec::new())
    }

    fn put(&mut self, collection: &str, key: &str, value: Vec<u8>) -> Result<Vec<u8>, AccessError> {
        if collection.is_empty() {
            self.ledger()?.put_state(self.namespace(), key, value)?;
        } else {
            self.require_write(collection)?;
            self.ledger()?
                .put_private(self.namespace(), collection, key, value)?;
        }
        Ok(Vec::new())
    }

    fn delete(&mut self, collection: &str, key: &str) -> Result<Vec<u8>, AccessError> {
        if collection.is_empty() {
            self.ledger()?.delete_state(self.namespace(), key)?;
        } else {
            self.require_write(collection)?;
            self.ledger()?.delete_private(self.namespace(), collection, key)?;
        }
        Ok(Vec::new())
    }

    fn purge_private(&mut self, collection: &str, key: &str) -> Result<Vec<u8>, AccessError> {
        if !self.capabilities()?.purge_private_data {
            return Err(
                "purge private data is not enabled, channel application capability of V2_5 or later is required"
                    .into(),
            );
        }
        if collection.is_empty() {
            return Err("only applicable for private data".into());
        }
        self.require_write(collection)?;
        self.ledger()?.purge_private(self.namespace(), collection, key)?;
        Ok(Vec::new())
    }

    fn set_metadata(
        &mut self,
        collection: &str,
        key: &str,
        entry: Option<peer::StateMetadata>,
    ) -> Result<Vec<u8>, AccessError> {
        self.require_key_level_endorsement()?;
        let entry = entry.unwrap_or_default();
        let metadata = BTreeMap::from([(entry.metakey, entry.value)]);
        if collection.is_empty() {
            self.ledger()?.put_metadata(self.namespace(), key, metadata)?;
        } else {
            self.require_write(collection)?;
            self.ledger()?
                .put_private_metadata(self.namespace(), collection, key, metadata)?;
        }
        Ok(Vec::new())
    }

    fn require_key_level_endorsement(&self) -> Result<(), AccessError> {
        if self.capabilities()?.key_level_endorsement {
            return Ok(());
        }
        Err("key level endorsement is not enabled, channel application capability of V1_3 or later is required"
            .into())
    }

    fn capabilities(&self) -> Result<Capabilities, AccessError> {
        let channel = &self.execution.channel_id;
        self.execution
            .resolver
            .capabilities(channel)
            .ok_or_else(|| format!("application config does not exist for {channel}").into())
    }
}
