//! The ledger's simulator as a [`TransactionLedger`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use fabric_ledger::{CursorId, CursorItem, LedgerError, SimulationResults, Simulator};
use fabric_protos::queryresult::{KeyModification, Kv};
use prost::Message;

use crate::ledger::{AccessError, Rows, TransactionLedger};

/// A simulator that chaincode works on; clones share it.
///
/// The endorser makes one for a proposal, executes with it, and takes the results with
/// [`finish`](Self::finish).
#[derive(Clone)]
pub struct SimulatorLedger(Arc<Mutex<Simulator>>);

impl SimulatorLedger {
    /// Wraps a fresh simulator.
    pub fn new(simulator: Simulator) -> Self {
        Self(Arc::new(Mutex::new(simulator)))
    }

    /// Ends the simulation and returns its read-write sets. Every later access fails, also from chaincode that
    /// still runs after its time was up.
    pub fn finish(&self) -> Result<SimulationResults, AccessError> {
        Ok(self.lock()?.finish()?)
    }

    /// Uses the simulator for reads or writes of the peer's own.
    pub fn with<T>(
        &self,
        access: impl FnOnce(&mut Simulator) -> Result<T, LedgerError>,
    ) -> Result<T, AccessError> {
        Ok(access(&mut *self.lock()?)?)
    }

    /// Fails after a panic inside the simulator: its read-write set may be half done and must not be endorsed.
    fn lock(&self) -> Result<MutexGuard<'_, Simulator>, AccessError> {
        self.0
            .lock()
            .map_err(|_| "the simulation broke off and cannot be continued".into())
    }

    fn rows(
        &self,
        namespace: &str,
        open: impl FnOnce(&mut Simulator) -> Result<CursorId, LedgerError>,
    ) -> Result<Box<dyn Rows>, AccessError> {
        let cursor = self.with(open)?;
        Ok(Box::new(CursorRows {
            ledger: self.clone(),
            cursor,
            namespace: namespace.to_owned(),
        }))
    }
}

impl fmt::Debug for SimulatorLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimulatorLedger")
    }
}

impl TransactionLedger for SimulatorLedger {
    fn state(&self, namespace: &str, key: &str) -> Result<Option<Vec<u8>>, AccessError> {
        self.with(|simulator| simulator.state(namespace, key))
    }

    fn states(&self, namespace: &str, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, AccessError> {
        self.with(|simulator| simulator.states(namespace, keys))
    }

    fn put_state(&self, namespace: &str, key: &str, value: Vec<u8>) -> Result<(), AccessError> {
        self.with(|simulator| simulator.put_state(namespace, key, value))
    }

    fn delete_state(&self, namespace: &str, key: &str) -> Result<(), AccessError> {
        self.with(|simulator| simulator.delete_state(namespace, key))
    }

    fn metadata(&self, namespace: &str, key: &str) -> Result<BTreeMap<String, Vec<u8>>, AccessError> {
        self.with(|simulator| simulator.metadata(namespace, key))
    }

    fn put_metadata(
        &self,
        namespace: &str,
        key: &str,
        metadata: BTreeMap<String, Vec<u8>>,
    ) -> Result<(), AccessError> {
        self.with(|simulator| simulator.put_metadata(namespace, key, metadata))
    }

    fn range(&self, namespace: &str, start: &str, end: &str) -> Result<Box<dyn Rows>, AccessError> {
        self.rows(namespace, |simulator| simulator.open_range(namespace, start, end))
    }

    fn range_page(
        &self,
        namespace: &str,
        start: &str,
        end: &str,
        page_size: usize,
    ) -> Result<Box<dyn Rows>, AccessError> {
        let page = self.with(|simulator| simulator.range_page(namespace, start, end, page_size))?;
        Ok(Box::new(PageRows::new(namespace, page)))
    }

    fn query(&self, namespace: &str, query: &str) -> Result<Box<dyn Rows>, AccessError> {
        self.rows(namespace, |simulator| simulator.open_query(namespace, query))
    }

    fn query_page(
        &self,
        namespace: &str,
        query: &str,
        bookmark: &str,
        page_size: usize,
    ) -> Result<Box<dyn Rows>, AccessError> {
        let page = self.with(|simulator| simulator.query_page(namespace, query, bookmark, page_size))?;
        Ok(Box::new(PageRows::new(namespace, page)))
    }

    fn history(&self, namespace: &str, key: &str) -> Result<Box<dyn Rows>, AccessError> {
        self.rows(namespace, |simulator| simulator.open_history(namespace, key))
    }

    fn private(&self, namespace: &str, collection: &str, key: &str) -> Result<Option<Vec<u8>>, AccessError> {
        self.with(|simulator| simulator.private(namespace, collection, key))
    }

    fn privates(
        &self,
        namespace: &str,
        collection: &str,
        keys: &[String],
    ) -> Result<Vec<Option<Vec<u8>>>, AccessError> {
        self.with(|simulator| simulator.privates(namespace, collection, keys))
    }

    fn private_hash(
        &self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<Option<Vec<u8>>, AccessError> {
        self.with(|simulator| simulator.private_hash(namespace, collection, key))
    }

    fn put_private(
        &self,
        namespace: &str,
        collection: &str,
        key: &str,
        value: Vec<u8>,
    ) -> Result<(), AccessError> {
        self.with(|simulator| simulator.put_private(namespace, collection, key, value))
    }

    fn delete_private(&self, namespace: &str, collection: &str, key: &str) -> Result<(), AccessError> {
        self.with(|simulator| simulator.delete_private(namespace, collection, key))
    }

    fn purge_private(&self, namespace: &str, collection: &str, key: &str) -> Result<(), AccessError> {
        self.with(|simulator| simulator.purge_private(namespace, collection, key))
    }

    fn private_metadata(
        &self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<BTreeMap<String, Vec<u8>>, AccessError> {
        self.with(|simulator| simulator.private_metadata(namespace, collection, key))
    }

    fn put_private_metadata(
        &self,
        namespace: &str,
        collection: &str,
        key: &str,
        metadata: BTreeMap<String, Vec<u8>>,
    ) -> Result<(), AccessError> {
        self.with(|simulator| simulator.put_private_metadata(namespace, collection, key, metadata))
    }

    fn private_range(
        &self,
        namespace: &str,
        collection: &str,
        start: &str,
        end: &str,
    ) -> Result<Box<dyn Rows>, AccessError> {
        self.rows(namespace, |simulator| {
            simulator.open_private_range(namespace, collection, start, end)
        })
    }

    fn private_query(
        &self,
        namespace: &str,
        collection: &str,
        query: &str,
    ) -> Result<Box<dyn Rows>, AccessError> {
        self.rows(namespace, |simulator| {
            simulator.open_private_query(namespace, collection, query)
        })
    }
}

/// Rows of an open cursor.
struct CursorRows {
    ledger: SimulatorLedger,
    cursor: CursorId,
    namespace: String,
}

impl Rows for CursorRows {
    fn next_row(&mut self) -> Result<Option<Vec<u8>>, AccessError> {
        let item = self.ledger.with(|simulator| simulator.next(self.cursor))?;
        Ok(item.map(|item| match item {
            CursorItem::State(entry) => Kv {
                namespace: self.namespace.clone(),
                key: entry.key,
                value: entry.value,
            }
            .encode_to_vec(),
            CursorItem::History(change) => KeyModification {
                tx_id: change.tx_id,
                value: change.value,
                timestamp: change.timestamp,
                is_delete: change.is_delete,
            }
            .encode_to_vec(),
        }))
    }
}

impl Drop for CursorRows {
    fn drop(&mut self) {
        // After a panic there is nothing left to close.
        if let Ok(mut simulator) = self.ledger.lock() {
            simulator.close(self.cursor);
        }
    }
}

/// Rows of one page, read already.
struct PageRows {
    namespace: String,
    entries: std::vec::IntoIter<fabric_ledger::KeyValue>,
    bookmark: String,
}

impl PageRows {
    fn new(namespace: &str, page: fabric_ledger::Page) -> Self {
        Self {
            namespace: namespace.to_owned(),
            entries: page.entries.into_iter(),
            bookmark: page.bookmark,
        }
    }
}

impl Rows for PageRows {
    fn next_row(&mut self) -> Result<Option<Vec<u8>>, AccessError> {
        Ok(self.entries.next().map(|entry| {
            Kv {
                namespace: self.namespace.clone(),
                key: entry.key,
                value: entry.value,
            }
            .encode_to_vec()
        }))
    }

    fn bookmark(&mut self) -> String {
        std::mem::take(&mut self.bookmark)
    }
}
