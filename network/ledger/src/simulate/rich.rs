//! Rich queries, and what CouchDB's behaviour changes in other reads and writes.

use super::simulator::Cursor;
use super::{CursorId, KeyValue, Page, QueryExecutor, RangeIter, Simulator};
use crate::mango;
use crate::state::{RichEntries, StateDatabase, StateEntries};
use crate::{LedgerError, VersionedValue};

impl QueryExecutor {
    /// The results of a JSON selector query over public state ([`mango`]).
    ///
    /// # Errors
    /// [`LedgerError::RichQuery`] without CouchDB's behaviour; [`LedgerError::Query`] when the query is refused.
    pub fn rich_query(&self, namespace: &str, query: &str) -> Result<RangeIter, LedgerError> {
        self.rich_entries(namespace, "", query, "").map(RangeIter::rich)
    }

    /// At most `page_size` results of a JSON selector query over public state; `bookmark` is empty for the first page.
    ///
    /// # Errors
    /// As [`rich_query`](Self::rich_query), but [`LedgerError::RichQueryPage`] without CouchDB's behaviour.
    pub fn rich_query_page(
        &self,
        namespace: &str,
        query: &str,
        bookmark: &str,
        page_size: usize,
    ) -> Result<Page, LedgerError> {
        let (rows, bookmark) = self.rich_rows(namespace, query, bookmark, page_size)?;
        let entries = rows.into_iter().map(|(key, found)| KeyValue {
            key,
            value: found.value,
        });
        Ok(Page {
            entries: entries.collect(),
            bookmark,
        })
    }

    /// The results of a JSON selector query over the private values that this peer has.
    ///
    /// # Errors
    /// As [`rich_query`](Self::rich_query); [`LedgerError::UnknownCollection`] and [`LedgerError::NoCollections`].
    pub fn private_rich_query(
        &self,
        namespace: &str,
        collection: &str,
        query: &str,
    ) -> Result<RangeIter, LedgerError> {
        self.check_collection(namespace, collection)?;
        self.rich_entries(namespace, collection, query, "")
            .map(RangeIter::rich)
    }

    /// A value as this state database gives it back.
    pub(super) fn as_read(&self, mut found: VersionedValue) -> VersionedValue {
        if self.database == StateDatabase::CouchDb {
            found.value = mango::canonical(found.value);
        }
        found
    }

    pub(super) fn range_of(&self, entries: StateEntries) -> RangeIter {
        RangeIter::range(entries, self.database)
    }

    /// Refuses keys that this state database does not take.
    pub(super) fn check_key(&self, key: &str) -> Result<(), LedgerError> {
        match self.database {
            StateDatabase::GoLevelDb => Ok(()),
            StateDatabase::CouchDb => refusal(mango::key_refusal(key)),
        }
    }

    /// Refuses keys and values that this state database does not take.
    pub(super) fn check_key_value(&self, key: &str, value: &[u8]) -> Result<(), LedgerError> {
        self.check_key(key)?;
        match self.database {
            StateDatabase::GoLevelDb => Ok(()),
            StateDatabase::CouchDb => refusal(mango::value_refusal(value)),
        }
    }

    /// The bookmark behind the last page of a range (`statecouchdb.go`, `readDocRange`: the end asked for).
    pub(super) fn last_bookmark(&self, end: &str) -> String {
        match self.database {
            StateDatabase::GoLevelDb => String::new(),
            StateDatabase::CouchDb => end.to_owned(),
        }
    }

    fn rich_rows(
        &self,
        namespace: &str,
        query: &str,
        bookmark: &str,
        page_size: usize,
    ) -> Result<(Vec<(String, VersionedValue)>, String), LedgerError> {
        let mut entries = match self.rich_entries(namespace, "", query, bookmark) {
            Err(LedgerError::RichQuery) => return Err(LedgerError::RichQueryPage),
            entries => entries?,
        };
        entries.page(page_size)
    }

    fn rich_entries(
        &self,
        namespace: &str,
        collection: &str,
        query: &str,
        bookmark: &str,
    ) -> Result<RichEntries, LedgerError> {
        match self.database {
            StateDatabase::GoLevelDb => Err(LedgerError::RichQuery),
            StateDatabase::CouchDb => RichEntries::open(&self.state, namespace, collection, query, bookmark),
        }
    }
}

impl Simulator {
    /// Opens a JSON selector query. Every key that [`next`](Self::next) gives counts as read; there is no protection against
    /// phantoms.
    ///
    /// # Errors
    /// As [`QueryExecutor::rich_query`].
    pub fn open_query(&mut self, namespace: &str, query: &str) -> Result<CursorId, LedgerError> {
        self.check_open()?;
        let entries = self.query.rich_query(namespace, query)?;
        Ok(self.open(Cursor::Query {
            namespace: namespace.to_owned(),
            entries,
        }))
    }

    /// One page of a JSON selector query; `bookmark` is empty for the first one. The transaction may not write then.
    ///
    /// # Errors
    /// [`LedgerError::Unsupported`] after a write; as [`QueryExecutor::rich_query_page`].
    pub fn query_page(
        &mut self,
        namespace: &str,
        query: &str,
        bookmark: &str,
        page_size: usize,
    ) -> Result<Page, LedgerError> {
        self.begin_page()?;
        let (rows, bookmark) = self.query.rich_rows(namespace, query, bookmark, page_size)?;
        let mut entries = Vec::with_capacity(rows.len());
        for (key, found) in rows {
            self.builder.read(namespace, &key, Some(found.version));
            entries.push(KeyValue {
                key,
                value: found.value,
            });
        }
        Ok(Page { entries, bookmark })
    }

    /// Opens a JSON selector query over private data. The transaction may not write then, and its results are no part of the
    /// read set.
    ///
    /// # Errors
    /// [`LedgerError::Unsupported`] after a write; as [`QueryExecutor::private_rich_query`].
    pub fn open_private_query(
        &mut self,
        namespace: &str,
        collection: &str,
        query: &str,
    ) -> Result<CursorId, LedgerError> {
        self.check_private_query()?;
        self.check_collection(namespace, collection)?;
        self.check_open()?;
        let entries = self.query.private_rich_query(namespace, collection, query)?;
        Ok(self.open(Cursor::PrivateRange(entries)))
    }
}

fn refusal(reason: Option<String>) -> Result<(), LedgerError> {
    reason.map_or(Ok(()), |reason| Err(LedgerError::NotForCouchDb(reason)))
}
