//! Query results that the peer sends in parts.

use std::collections::VecDeque;

use fabric_contract_core::{KeyModification, KeyValue, LedgerError, Page, Timestamp};
use fabric_protos::peer::chaincode_message::Type;
use fabric_protos::peer::{QueryResponse, QueryResponseMetadata, QueryStateClose, QueryStateNext};
use fabric_protos::queryresult;
use prost::Message;

use crate::link::{Link, TransactionKey};

/// The rows of a query; asks the peer for the next part when one is used up. Dropping it early closes the query there.
pub(crate) struct Rows<'a, T> {
    link: &'a Link,
    key: &'a TransactionKey,
    response: QueryResponse,
    rows: VecDeque<Vec<u8>>,
    decode: fn(&[u8]) -> Result<T, LedgerError>,
}

impl<'a, T> Rows<'a, T> {
    /// The rows of a query's first RESPONSE.
    pub(crate) fn new(
        link: &'a Link,
        key: &'a TransactionKey,
        payload: &[u8],
        decode: fn(&[u8]) -> Result<T, LedgerError>,
    ) -> Result<Self, LedgerError> {
        let mut rows = Self {
            link,
            key,
            response: QueryResponse::default(),
            rows: VecDeque::new(),
            decode,
        };
        rows.receive(payload)?;
        Ok(rows)
    }

    /// A part of the results.
    fn receive(&mut self, payload: &[u8]) -> Result<(), LedgerError> {
        let mut response = QueryResponse::decode(payload).map_err(|_| unreadable("QueryResponse"))?;
        self.rows = std::mem::take(&mut response.results)
            .into_iter()
            .map(|row| row.result_bytes)
            .collect();
        self.response = response;
        Ok(())
    }

    fn row(&mut self) -> Result<Option<T>, LedgerError> {
        while self.rows.is_empty() && self.response.has_more {
            // Not open any more if the peer fails to answer this.
            self.response.has_more = false;
            let request = QueryStateNext {
                id: self.response.id.clone(),
            };
            let payload = self
                .link
                .request(self.key, Type::QueryStateNext, request.encode_to_vec())?;
            self.receive(&payload)?;
        }
        self.rows.pop_front().map(|row| (self.decode)(&row)).transpose()
    }
}

impl Rows<'_, KeyValue> {
    /// All rows of a query with pagination.
    pub(crate) fn page(mut self) -> Result<Page, LedgerError> {
        let metadata = QueryResponseMetadata::decode(self.response.metadata.as_slice())
            .map_err(|_| unreadable("QueryResponseMetadata"))?;
        let items = self.by_ref().collect::<Result<_, _>>()?;
        Ok(Page {
            items,
            bookmark: metadata.bookmark,
        })
    }
}

impl<T> Iterator for Rows<'_, T> {
    type Item = Result<T, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.row();
        if row.is_err() {
            self.rows.clear();
        }
        row.transpose()
    }
}

impl<T> Drop for Rows<'_, T> {
    fn drop(&mut self) {
        if self.response.has_more {
            let request = QueryStateClose {
                id: std::mem::take(&mut self.response.id),
            };
            // The peer closes all queries at the transaction's end, so a failure costs nothing.
            drop(
                self.link
                    .request(self.key, Type::QueryStateClose, request.encode_to_vec()),
            );
        }
    }
}

/// A row of a range or a rich query.
pub(crate) fn key_value(row: &[u8]) -> Result<KeyValue, LedgerError> {
    let row = queryresult::Kv::decode(row).map_err(|_| unreadable("KV"))?;
    Ok(KeyValue {
        key: row.key,
        value: row.value,
    })
}

/// A row of a history.
pub(crate) fn modification(row: &[u8]) -> Result<KeyModification, LedgerError> {
    let row = queryresult::KeyModification::decode(row).map_err(|_| unreadable("KeyModification"))?;
    let timestamp = row.timestamp.unwrap_or_default();
    Ok(KeyModification {
        tx_id: row.tx_id,
        value: (!row.is_delete).then_some(row.value),
        timestamp: Timestamp {
            seconds: timestamp.seconds,
            nanos: timestamp.nanos,
        },
        is_delete: row.is_delete,
    })
}

pub(crate) fn unreadable(message: &str) -> LedgerError {
    LedgerError::Peer(format!("the peer's answer is no {message}"))
}
