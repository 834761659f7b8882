//! Ranges, rich queries and histories: rows in batches, or one page with a bookmark.

use fabric_protos::peer;
use prost::Message;

use super::{Transaction, decode};
use crate::ledger::{AccessError, Rows, TransactionLedger};

/// Rows of one QueryResponse, when the chaincode did not ask for a page.
const BATCH_SIZE: usize = 100;

/// Rows that the chaincode has not fetched yet.
pub(super) struct OpenQuery {
    rows: Box<dyn Rows>,
    /// Read from the ledger to learn that there is more, not sent yet.
    pending: Vec<peer::QueryResultBytes>,
    /// Rows read so far.
    total: usize,
}

impl Transaction<'_> {
    pub(super) async fn range(&mut self, payload: &[u8]) -> Result<Vec<u8>, AccessError> {
        let request: peer::GetStateByRange = decode(payload)?;
        let page = Page::decode(&request.metadata)?;
        let limit = page.limit(self.host.total_query_limit());
        let namespace = self.namespace().to_owned();
        if !request.collection.is_empty() {
            self.require_read(&request.collection)?;
            let open = move |ledger: &dyn TransactionLedger| {
                ledger.private_range(
                    &namespace,
                    &request.collection,
                    &request.start_key,
                    &request.end_key,
                )
            };
            return self.open(open, false, limit).await;
        }
        let paged = page.is_set();
        let open = move |ledger: &dyn TransactionLedger| {
            if !paged {
                return ledger.range(&namespace, &request.start_key, &request.end_key);
            }
            let start = if page.bookmark.is_empty() {
                &request.start_key
            } else {
                &page.bookmark
            };
            ledger.range_page(&namespace, start, &request.end_key, limit)
        };
        self.open(open, paged, limit).await
    }

    pub(super) async fn query(&mut self, payload: &[u8]) -> Result<Vec<u8>, AccessError> {
        let request: peer::GetQueryResult = decode(payload)?;
        let page = Page::decode(&request.metadata)?;
        let limit = page.limit(self.host.total_query_limit());
        let namespace = self.namespace().to_owned();
        if !request.collection.is_empty() {
            self.require_read(&request.collection)?;
            let open = move |ledger: &dyn TransactionLedger| {
                ledger.private_query(&namespace, &request.collection, &request.query)
            };
            return self.open(open, false, limit).await;
        }
        let paged = page.is_set();
        let open = move |ledger: &dyn TransactionLedger| {
            if paged {
                ledger.query_page(&namespace, &request.query, &page.bookmark, limit)
            } else {
                ledger.query(&namespace, &request.query)
            }
        };
        self.open(open, paged, limit).await
    }

    pub(super) async fn history(&mut self, payload: &[u8]) -> Result<Vec<u8>, AccessError> {
        let request: peer::GetHistoryForKey = decode(payload)?;
        let namespace = self.namespace().to_owned();
        let limit = self.host.total_query_limit();
        self.open(
            move |ledger| ledger.history(&namespace, &request.key),
            false,
            limit,
        )
        .await
    }

    pub(super) async fn query_next(&mut self, payload: &[u8]) -> Result<Vec<u8>, AccessError> {
        let request: peer::QueryStateNext = decode(payload)?;
        let query = self
            .queries
            .remove(&request.id)
            .ok_or("query iterator not found")?;
        let limit = self.host.total_query_limit();
        let id = request.id.clone();
        let (response, rest) = blocking(move || query.batch(id, false, limit)).await?;
        Ok(self.keep(request.id, response, rest))
    }

    pub(super) fn query_close(&mut self, payload: &[u8]) -> Result<Vec<u8>, AccessError> {
        let request: peer::QueryStateClose = decode(payload)?;
        self.queries.remove(&request.id);
        Ok(peer::QueryResponse {
            id: request.id,
            ..Default::default()
        }
        .encode_to_vec())
    }

    /// Opens rows and answers with the first batch.
    async fn open<F>(&mut self, open: F, paged: bool, limit: usize) -> Result<Vec<u8>, AccessError>
    where
        F: FnOnce(&dyn TransactionLedger) -> Result<Box<dyn Rows>, AccessError> + Send + 'static,
    {
        let ledger = self.ledger()?.clone();
        self.queries_opened += 1;
        let id = self.queries_opened.to_string();
        let query_id = id.clone();
        let (response, rest) = blocking(move || {
            let query = OpenQuery {
                rows: open(&*ledger)?,
                pending: Vec::new(),
                total: 0,
            };
            query.batch(query_id, paged, limit)
        })
        .await?;
        Ok(self.keep(id, response, rest))
    }

    fn keep(&mut self, id: String, response: peer::QueryResponse, rest: Option<OpenQuery>) -> Vec<u8> {
        if let Some(rest) = rest {
            self.queries.insert(id, rest);
        }
        response.encode_to_vec()
    }
}

impl OpenQuery {
    /// The next batch, and the rest when there is one. At most `limit` rows are read over the query's life.
    fn batch(
        mut self,
        id: String,
        paged: bool,
        limit: usize,
    ) -> Result<(peer::QueryResponse, Option<Self>), AccessError> {
        while self.total < limit {
            let Some(row) = self.rows.next_row()? else { break };
            self.total += 1;
            let row = peer::QueryResultBytes { result_bytes: row };
            if !paged && self.pending.len() == BATCH_SIZE {
                let results = std::mem::replace(&mut self.pending, vec![row]);
                let response = peer::QueryResponse {
                    results,
                    has_more: true,
                    id,
                    metadata: Vec::new(),
                };
                return Ok((response, Some(self)));
            }
            self.pending.push(row);
        }
        let metadata = if paged {
            let bookmark = self.rows.bookmark();
            peer::QueryResponseMetadata {
                fetched_records_count: i32::try_from(self.total)?,
                bookmark,
            }
            .encode_to_vec()
        } else {
            Vec::new()
        };
        Ok((
            peer::QueryResponse {
                results: self.pending,
                has_more: false,
                id,
                metadata,
            },
            None,
        ))
    }
}

/// What a chaincode said about pages.
struct Page {
    size: i32,
    bookmark: String,
}

impl Page {
    fn decode(metadata: &[u8]) -> Result<Self, AccessError> {
        let metadata: peer::QueryMetadata = decode(metadata)?;
        Ok(Self {
            size: metadata.page_size,
            bookmark: metadata.bookmark,
        })
    }

    fn is_set(&self) -> bool {
        self.size != 0 || !self.bookmark.is_empty()
    }

    /// Rows to read at most: the page size, when there is one and the peer allows it.
    fn limit(&self, total: usize) -> usize {
        match usize::try_from(self.size) {
            Ok(size) if size > 0 => size.min(total),
            _ => total,
        }
    }
}

/// Runs a read that may take long off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AccessError> + Send + 'static,
) -> Result<T, AccessError> {
    tokio::task::spawn_blocking(work).await?
}
