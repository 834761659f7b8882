//! The ledger as a contract sees it, over the peer's stream.

use std::cell::RefCell;
use std::collections::BTreeMap;

use fabric_contract_core::{
    Creator, KeyModification, KeyPolicy, KeyValue, Ledger, LedgerError, Page, Response, Results, Timestamp,
};
use fabric_protos::peer;
use fabric_protos::peer::chaincode_message::Type;
use fabric_protos::peer::{ChaincodeEvent, ChaincodeMessage, StateMetadata, WriteRecord, write_record};
use prost::Message;

use crate::key_policy;
use crate::link::{Link, TransactionKey};
use crate::proposal::ProposalParts;
use crate::results::{Rows, key_value, modification, unreadable};
use crate::transaction::Limits;

/// A batch of writes is sent when its keys and values have so many bytes, far below the largest message.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// One transaction's ledger: every call is a request to the peer, except writes where the peer takes batches.
pub(crate) struct StreamLedger<'a> {
    link: &'a Link,
    key: &'a TransactionKey,
    limits: Limits,
    parts: ProposalParts,
    batch: RefCell<Batch>,
    event: RefCell<Option<ChaincodeEvent>>,
}

#[derive(Default)]
struct Batch {
    records: Vec<WriteRecord>,
    bytes: usize,
}

impl<'a> StreamLedger<'a> {
    pub(crate) fn new(link: &'a Link, key: &'a TransactionKey, limits: Limits, parts: ProposalParts) -> Self {
        Self {
            link,
            key,
            limits,
            parts,
            batch: RefCell::default(),
            event: RefCell::default(),
        }
    }

    /// Sends the writes that wait.
    pub(crate) fn flush(&self) -> Result<(), LedgerError> {
        let Batch { records, .. } = self.batch.take();
        if records.is_empty() {
            return Ok(());
        }
        self.request(Type::WriteBatchState, &peer::WriteBatchState { rec: records })
            .map(drop)
    }

    /// The event, for the transaction's answer.
    pub(crate) fn into_event(self) -> Option<ChaincodeEvent> {
        self.event.into_inner()
    }

    fn request(&self, kind: Type, message: &impl Message) -> Result<Vec<u8>, LedgerError> {
        self.link.request(self.key, kind, message.encode_to_vec())
    }

    /// Sends a write, or keeps it for a batch.
    fn write(&self, record: WriteRecord) -> Result<(), LedgerError> {
        let Some(most) = self.limits.write_batch else {
            return self.write_alone(record);
        };
        let full = {
            let mut batch = self.batch.borrow_mut();
            batch.bytes += record.key.len() + record.value.len();
            batch.records.push(record);
            batch.records.len() >= most || batch.bytes >= BATCH_BYTES
        };
        if full { self.flush() } else { Ok(()) }
    }

    /// One message for one write, for peers before 3.1.
    fn write_alone(&self, record: WriteRecord) -> Result<(), LedgerError> {
        let WriteRecord {
            key,
            value,
            collection,
            metadata,
            r#type,
        } = record;
        match write_record::Type::try_from(r#type).unwrap_or_default() {
            write_record::Type::PutState => self.request(
                Type::PutState,
                &peer::PutState {
                    key,
                    value,
                    collection,
                },
            ),
            write_record::Type::DelState => self.request(Type::DelState, &peer::DelState { key, collection }),
            write_record::Type::PurgePrivateData => self.request(
                Type::PurgePrivateData,
                &peer::PurgePrivateState { key, collection },
            ),
            write_record::Type::PutStateMetadata => self.request(
                Type::PutStateMetadata,
                &peer::PutStateMetadata {
                    key,
                    collection,
                    metadata,
                },
            ),
            write_record::Type::Undefined => return Ok(()),
        }
        .map(drop)
    }

    fn get(&self, kind: Type, collection: &str, key: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        let request = peer::GetState {
            key: key.to_owned(),
            collection: collection.to_owned(),
        };
        Ok(some(self.request(kind, &request)?))
    }

    /// The values of several keys, of public state where `collection` is empty.
    fn get_many(&self, collection: &str, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, LedgerError> {
        let Some(most) = self.limits.get_multiple else {
            let one = |key: &&str| self.get(Type::GetState, collection, key);
            return keys.iter().map(one).collect();
        };
        let mut values = Vec::with_capacity(keys.len());
        for part in keys.chunks(most) {
            let keys = part.iter().map(|key| (*key).to_owned()).collect();
            let request = peer::GetStateMultiple {
                keys,
                collection: collection.to_owned(),
            };
            let payload = self.request(Type::GetStateMultiple, &request)?;
            let result = peer::GetStateMultipleResult::decode(payload.as_slice())
                .map_err(|_| unreadable("GetStateMultipleResult"))?;
            if result.values.len() != part.len() {
                let text = format!(
                    "asked for {} values, the peer gave {}",
                    part.len(),
                    result.values.len()
                );
                return Err(LedgerError::Peer(text));
            }
            values.extend(result.values.into_iter().map(some));
        }
        Ok(values)
    }

    fn get_policy(&self, collection: &str, key: &str) -> Result<Option<KeyPolicy>, LedgerError> {
        let request = peer::GetStateMetadata {
            key: key.to_owned(),
            collection: collection.to_owned(),
        };
        let payload = self.request(Type::GetStateMetadata, &request)?;
        let metadata = peer::StateMetadataResult::decode(payload.as_slice())
            .map_err(|_| unreadable("StateMetadataResult"))?;
        let entry = metadata
            .entries
            .into_iter()
            .find(|entry| entry.metakey == key_policy::METADATA_KEY);
        entry.map(|entry| key_policy::decode(&entry.value)).transpose()
    }

    fn set_policy(&self, collection: &str, key: &str, policy: &KeyPolicy) -> Result<(), LedgerError> {
        let metadata = StateMetadata {
            metakey: key_policy::METADATA_KEY.to_owned(),
            value: key_policy::encode(policy),
        };
        self.write(WriteRecord {
            metadata: Some(metadata),
            ..record(write_record::Type::PutStateMetadata, collection, key)
        })
    }

    fn rows(
        &self,
        collection: &str,
        start: &str,
        end: &str,
        metadata: Vec<u8>,
    ) -> Result<Rows<'_, KeyValue>, LedgerError> {
        let request = peer::GetStateByRange {
            start_key: start.to_owned(),
            end_key: end.to_owned(),
            collection: collection.to_owned(),
            metadata,
        };
        let payload = self.request(Type::GetStateByRange, &request)?;
        Rows::new(self.link, self.key, &payload, key_value)
    }

    fn query_rows(
        &self,
        collection: &str,
        query: &str,
        metadata: Vec<u8>,
    ) -> Result<Rows<'_, KeyValue>, LedgerError> {
        let request = peer::GetQueryResult {
            query: query.to_owned(),
            collection: collection.to_owned(),
            metadata,
        };
        let payload = self.request(Type::GetQueryResult, &request)?;
        Rows::new(self.link, self.key, &payload, key_value)
    }
}

impl Ledger for StreamLedger<'_> {
    fn channel_id(&self) -> &str {
        &self.key.channel_id
    }

    fn tx_id(&self) -> &str {
        &self.key.tx_id
    }

    fn timestamp(&self) -> Timestamp {
        self.parts.timestamp
    }

    fn creator(&self) -> &Creator {
        &self.parts.creator
    }

    fn transient(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.parts.transient
    }

    fn chaincode(&self) -> &str {
        &self.parts.chaincode
    }

    fn get_state(&self, key: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        self.get(Type::GetState, "", key)
    }

    fn get_states(&self, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, LedgerError> {
        self.get_many("", keys)
    }

    fn put_state(&self, key: &str, value: &[u8]) -> Result<(), LedgerError> {
        self.private_put("", key, value)
    }

    fn del_state(&self, key: &str) -> Result<(), LedgerError> {
        self.private_del("", key)
    }

    fn key_policy(&self, key: &str) -> Result<Option<KeyPolicy>, LedgerError> {
        self.get_policy("", key)
    }

    fn set_key_policy(&self, key: &str, policy: &KeyPolicy) -> Result<(), LedgerError> {
        self.set_policy("", key, policy)
    }

    fn range(&self, start: &str, end: &str) -> Result<Results<'_, KeyValue>, LedgerError> {
        Ok(Box::new(self.rows("", start, end, Vec::new())?))
    }

    fn range_paged(
        &self,
        start: &str,
        end: &str,
        page_size: u32,
        bookmark: &str,
    ) -> Result<Page, LedgerError> {
        self.rows("", start, end, page_metadata(page_size, bookmark)?)?
            .page()
    }

    fn query(&self, query: &str) -> Result<Results<'_, KeyValue>, LedgerError> {
        Ok(Box::new(self.query_rows("", query, Vec::new())?))
    }

    fn query_paged(&self, query: &str, page_size: u32, bookmark: &str) -> Result<Page, LedgerError> {
        self.query_rows("", query, page_metadata(page_size, bookmark)?)?
            .page()
    }

    fn history(&self, key: &str) -> Result<Results<'_, KeyModification>, LedgerError> {
        let payload = self.request(
            Type::GetHistoryForKey,
            &peer::GetHistoryForKey { key: key.to_owned() },
        )?;
        Ok(Box::new(Rows::new(self.link, self.key, &payload, modification)?))
    }

    fn private_get(&self, collection: &str, key: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        self.get(Type::GetState, collection, key)
    }

    fn private_gets(&self, collection: &str, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, LedgerError> {
        self.get_many(collection, keys)
    }

    fn private_hash(&self, collection: &str, key: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        self.get(Type::GetPrivateDataHash, collection, key)
    }

    fn private_put(&self, collection: &str, key: &str, value: &[u8]) -> Result<(), LedgerError> {
        self.write(WriteRecord {
            value: value.to_vec(),
            ..record(write_record::Type::PutState, collection, key)
        })
    }

    fn private_del(&self, collection: &str, key: &str) -> Result<(), LedgerError> {
        self.write(record(write_record::Type::DelState, collection, key))
    }

    fn private_purge(&self, collection: &str, key: &str) -> Result<(), LedgerError> {
        self.write(record(write_record::Type::PurgePrivateData, collection, key))
    }

    fn private_range(
        &self,
        collection: &str,
        start: &str,
        end: &str,
    ) -> Result<Results<'_, KeyValue>, LedgerError> {
        Ok(Box::new(self.rows(collection, start, end, Vec::new())?))
    }

    fn private_query(&self, collection: &str, query: &str) -> Result<Results<'_, KeyValue>, LedgerError> {
        Ok(Box::new(self.query_rows(collection, query, Vec::new())?))
    }

    fn private_key_policy(&self, collection: &str, key: &str) -> Result<Option<KeyPolicy>, LedgerError> {
        self.get_policy(collection, key)
    }

    fn set_private_key_policy(
        &self,
        collection: &str,
        key: &str,
        policy: &KeyPolicy,
    ) -> Result<(), LedgerError> {
        self.set_policy(collection, key, policy)
    }

    fn set_event(&self, name: &str, payload: &[u8]) -> Result<(), LedgerError> {
        // The peer fills in chaincode and transaction.
        let event = ChaincodeEvent {
            event_name: name.to_owned(),
            payload: payload.to_vec(),
            ..ChaincodeEvent::default()
        };
        self.event.replace(Some(event));
        Ok(())
    }

    fn invoke_chaincode(
        &self,
        chaincode: &str,
        channel: &str,
        args: &[Vec<u8>],
    ) -> Result<Response, LedgerError> {
        // What was written before the call stays before what the callee writes.
        self.flush()?;
        let name = if channel.is_empty() {
            chaincode.to_owned()
        } else {
            format!("{chaincode}/{channel}")
        };
        let request = peer::ChaincodeSpec {
            chaincode_id: Some(peer::ChaincodeId {
                name,
                ..peer::ChaincodeId::default()
            }),
            input: Some(peer::ChaincodeInput {
                args: args.to_vec(),
                ..peer::ChaincodeInput::default()
            }),
            ..peer::ChaincodeSpec::default()
        };
        let payload = self.request(Type::InvokeChaincode, &request)?;
        let message =
            ChaincodeMessage::decode(payload.as_slice()).map_err(|_| unreadable("ChaincodeMessage"))?;
        if message.r#type() != Type::Completed {
            let message = String::from_utf8_lossy(&message.payload).into_owned();
            return Ok(Response {
                status: 500,
                message,
                payload: Vec::new(),
            });
        }
        let peer::Response {
            status,
            message,
            payload,
        } = peer::Response::decode(message.payload.as_slice()).map_err(|_| unreadable("Response"))?;
        Ok(Response {
            status,
            message,
            payload,
        })
    }
}

fn record(kind: write_record::Type, collection: &str, key: &str) -> WriteRecord {
    WriteRecord {
        key: key.to_owned(),
        collection: collection.to_owned(),
        r#type: kind.into(),
        ..WriteRecord::default()
    }
}

fn page_metadata(page_size: u32, bookmark: &str) -> Result<Vec<u8>, LedgerError> {
    let page_size = i32::try_from(page_size)
        .map_err(|_| LedgerError::InvalidArgument(format!("a page of {page_size} entries is too large")))?;
    Ok(peer::QueryMetadata {
        page_size,
        bookmark: bookmark.to_owned(),
    }
    .encode_to_vec())
}

/// Fabric has no empty values: an empty one stands for none.
fn some(value: Vec<u8>) -> Option<Vec<u8>> {
    (!value.is_empty()).then_some(value)
}
