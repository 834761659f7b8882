//! A ledger in memory that writes down what was asked of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use fabric_protos::queryresult::{KeyModification, Kv};
use prost::Message;

use crate::ledger::{AccessError, Rows, TransactionLedger};

type Metadata = BTreeMap<String, Vec<u8>>;

/// Committed state that never changes, and a log of writes. A collection's namespace is `namespace$collection`.
#[derive(Default)]
pub(crate) struct FakeLedger {
    committed: BTreeMap<(String, String), Vec<u8>>,
    metadata: BTreeMap<(String, String), Metadata>,
    log: Mutex<Vec<String>>,
}

impl FakeLedger {
    pub(crate) fn with(mut self, namespace: &str, key: &str, value: &[u8]) -> Self {
        self.committed
            .insert((namespace.into(), key.into()), value.into());
        self
    }

    pub(crate) fn with_metadata(mut self, namespace: &str, key: &str, name: &str, value: &[u8]) -> Self {
        let entries = self.metadata.entry((namespace.into(), key.into())).or_default();
        entries.insert(name.into(), value.into());
        self
    }

    /// The writes so far, in order.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().expect("no test panics inside").clone()
    }

    fn write(&self, what: String) -> Result<(), AccessError> {
        self.log.lock().expect("no test panics inside").push(what);
        Ok(())
    }

    fn scan(&self, namespace: &str, start: &str, end: &str) -> Vec<(String, Vec<u8>)> {
        self.committed
            .iter()
            .filter(|((ns, key), _)| {
                ns == namespace && key.as_str() >= start && (end.is_empty() || key.as_str() < end)
            })
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect()
    }

    fn rows(namespace: &str, found: Vec<(String, Vec<u8>)>) -> FakeRows {
        let namespace = namespace.to_owned();
        let rows = found.into_iter().map(|(key, value)| {
            Ok(Kv {
                namespace: namespace.clone(),
                key,
                value,
            }
            .encode_to_vec())
        });
        FakeRows {
            rows: rows.collect(),
            bookmark: String::new(),
        }
    }
}

fn joined(namespace: &str, collection: &str) -> String {
    format!("{namespace}${collection}")
}

impl TransactionLedger for FakeLedger {
    fn state(&self, namespace: &str, key: &str) -> Result<Option<Vec<u8>>, AccessError> {
        if key == "broken" {
            return Err("the disk is on fire".into());
        }
        Ok(self.committed.get(&(namespace.into(), key.into())).cloned())
    }

    fn put_state(&self, namespace: &str, key: &str, value: Vec<u8>) -> Result<(), AccessError> {
        self.write(format!(
            "put {namespace} {key}={}",
            String::from_utf8_lossy(&value)
        ))
    }

    fn delete_state(&self, namespace: &str, key: &str) -> Result<(), AccessError> {
        self.write(format!("delete {namespace} {key}"))
    }

    fn metadata(&self, namespace: &str, key: &str) -> Result<Metadata, AccessError> {
        Ok(self
            .metadata
            .get(&(namespace.into(), key.into()))
            .cloned()
            .unwrap_or_default())
    }

    fn put_metadata(&self, namespace: &str, key: &str, metadata: Metadata) -> Result<(), AccessError> {
        self.write(format!("metadata {namespace} {key} {metadata:?}"))
    }

    fn range(&self, namespace: &str, start: &str, end: &str) -> Result<Box<dyn Rows>, AccessError> {
        Ok(Box::new(Self::rows(namespace, self.scan(namespace, start, end))))
    }

    fn range_page(
        &self,
        namespace: &str,
        start: &str,
        end: &str,
        page_size: usize,
    ) -> Result<Box<dyn Rows>, AccessError> {
        let mut found = self.scan(namespace, start, end);
        let bookmark = found
            .get(page_size)
            .map(|(key, _)| key.clone())
            .unwrap_or_default();
        found.truncate(page_size);
        Ok(Box::new(FakeRows {
            bookmark,
            ..Self::rows(namespace, found)
        }))
    }

    fn query(&self, namespace: &str, query: &str) -> Result<Box<dyn Rows>, AccessError> {
        if query == "breaks off" {
            let rows = VecDeque::from([Ok(vec![1]), Err("ExecuteQuery broke off".into())]);
            return Ok(Box::new(FakeRows {
                rows,
                bookmark: String::new(),
            }));
        }
        self.range(namespace, query, "")
    }

    fn query_page(
        &self,
        namespace: &str,
        query: &str,
        bookmark: &str,
        page_size: usize,
    ) -> Result<Box<dyn Rows>, AccessError> {
        let start = if bookmark.is_empty() { query } else { bookmark };
        self.range_page(namespace, start, "", page_size)
    }

    fn history(&self, namespace: &str, key: &str) -> Result<Box<dyn Rows>, AccessError> {
        let change = KeyModification {
            tx_id: format!("{namespace}/{key}"),
            is_delete: true,
            ..Default::default()
        };
        let rows = VecDeque::from([Ok(change.encode_to_vec())]);
        Ok(Box::new(FakeRows {
            rows,
            bookmark: String::new(),
        }))
    }

    fn private(&self, namespace: &str, collection: &str, key: &str) -> Result<Option<Vec<u8>>, AccessError> {
        self.state(&joined(namespace, collection), key)
    }

    fn private_hash(
        &self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<Option<Vec<u8>>, AccessError> {
        Ok(self
            .private(namespace, collection, key)?
            .map(|value| [b"hash of ", value.as_slice()].concat()))
    }

    fn put_private(
        &self,
        namespace: &str,
        collection: &str,
        key: &str,
        value: Vec<u8>,
    ) -> Result<(), AccessError> {
        self.put_state(&joined(namespace, collection), key, value)
    }

    fn delete_private(&self, namespace: &str, collection: &str, key: &str) -> Result<(), AccessError> {
        self.delete_state(&joined(namespace, collection), key)
    }

    fn purge_private(&self, namespace: &str, collection: &str, key: &str) -> Result<(), AccessError> {
        self.write(format!("purge {} {key}", joined(namespace, collection)))
    }

    fn private_metadata(
        &self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<Metadata, AccessError> {
        self.metadata(&joined(namespace, collection), key)
    }

    fn put_private_metadata(
        &self,
        namespace: &str,
        collection: &str,
        key: &str,
        metadata: Metadata,
    ) -> Result<(), AccessError> {
        self.put_metadata(&joined(namespace, collection), key, metadata)
    }

    fn private_range(
        &self,
        namespace: &str,
        collection: &str,
        start: &str,
        end: &str,
    ) -> Result<Box<dyn Rows>, AccessError> {
        self.range(&joined(namespace, collection), start, end)
    }

    fn private_query(
        &self,
        namespace: &str,
        collection: &str,
        query: &str,
    ) -> Result<Box<dyn Rows>, AccessError> {
        self.query(&joined(namespace, collection), query)
    }
}

struct FakeRows {
    rows: VecDeque<Result<Vec<u8>, AccessError>>,
    bookmark: String,
}

impl Rows for FakeRows {
    fn next_row(&mut self) -> Result<Option<Vec<u8>>, AccessError> {
        self.rows.pop_front().transpose()
    }

    fn bookmark(&mut self) -> String {
        std::mem::take(&mut self.bookmark)
    }
}
