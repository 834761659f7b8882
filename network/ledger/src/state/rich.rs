//! Running rich queries on a snapshot.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{StateReader, VersionedValue, indexes, keys};
use crate::LedgerError;
use crate::db::Entries;
use crate::mango::{self, Plan, Query, QueryError};

/// Results that Fabric asks CouchDB for at once (`internalQueryLimit` of `core.yaml`).
const INTERNAL_QUERY_LIMIT: usize = 1_000;

/// The results of a rich query, read while they are asked for. It keeps its moment of the state alive by itself.
pub(crate) struct RichEntries {
    state: StateReader,
    namespace: String,
    collection: String,
    query: Query,
    source: Source,
    /// Results to leave out before the next one.
    skip: usize,
    /// Results until Fabric asks CouchDB again, which leaves out the first ones again.
    until_next_request: usize,
    bookmark: String,
}

enum Source {
    Nothing,
    /// Keys and values of the state.
    Scan {
        entries: Entries,
        descending: bool,
        prefix: usize,
    },
    /// Keys of an index, with keys of the state as values.
    Index {
        entries: Entries,
        descending: bool,
        prefix: usize,
        id: [u8; 16],
    },
}

impl RichEntries {
    /// Plans a query. `bookmark` is a page's; empty: from the beginning.
    pub(crate) fn open(
        state: &StateReader,
        namespace: &str,
        collection: &str,
        text: &str,
        bookmark: &str,
    ) -> Result<Self, LedgerError> {
        let query = Query::parse(text)?;
        let indexes = indexes::defined(state, namespace, collection)?;
        let plan = mango::plan(&query, &indexes)?;
        let given = Some(bookmark)
            .filter(|bookmark| !bookmark.is_empty())
            .or(query.bookmark.as_deref());
        let resumed = given.map(Bookmark::decode).transpose()?;
        let mut entries = Self {
            state: state.clone(),
            namespace: namespace.to_owned(),
            collection: collection.to_owned(),
            source: Source::Nothing,
            skip: query.skip,
            until_next_request: INTERNAL_QUERY_LIMIT,
            // CouchDB's own, where there is no result.
            bookmark: given.unwrap_or("nil").to_owned(),
            query,
        };
        entries.source = match plan {
            Plan::Nothing { no_bookmark } => {
                if no_bookmark {
                    entries.bookmark.clear();
                }
                Source::Nothing
            }
            Plan::Scan { start, end } => {
                tracing::debug!(
                    namespace,
                    collection,
                    "no index serves the query: every document is read"
                );
                entries.scan(&start, end.as_deref(), resumed)?
            }
            Plan::Index { index, low, high } => {
                tracing::debug!(
                    namespace,
                    collection,
                    ddoc = index.ddoc,
                    index = index.name,
                    "an index serves the query"
                );
                entries.indexed(index.id(), &low, &high, resumed)?
            }
        };
        Ok(entries)
    }

    /// The next result, with the version of its key.
    pub(crate) fn next(&mut self) -> Result<Option<(String, VersionedValue)>, LedgerError> {
        if self.until_next_request == 0 {
            self.until_next_request = INTERNAL_QUERY_LIMIT;
            self.skip = self.query.skip;
        }
        while let Some((key, mut found, position)) = self.candidate()? {
            // CouchDB has no such documents; blocks that others endorsed may.
            if key.starts_with('_') {
                continue;
            }
            let document = mango::document(&key, &found);
            if !self.query.selector.matches(&document) {
                continue;
            }
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            found.value = mango::result(&document, self.query.fields.as_deref(), found.value);
            self.until_next_request -= 1;
            self.bookmark = position.encode();
            return Ok(Some((key, found)));
        }
        Ok(None)
    }

    /// At most `size` results, and the bookmark behind them.
    pub(crate) fn page(
        &mut self,
        size: usize,
    ) -> Result<(Vec<(String, VersionedValue)>, String), LedgerError> {
        let mut results = Vec::new();
        while results.len() < size
            && let Some(result) = self.next()?
        {
            results.push(result);
        }
        Ok((results, self.bookmark.clone()))
    }

    fn scan(&self, start: &str, end: Option<&str>, resumed: Option<Bookmark>) -> Result<Source, LedgerError> {
        let stored = |key: &str| {
            if self.collection.is_empty() {
                keys::public(&self.namespace, key)
            } else {
                keys::private(&self.namespace, &self.collection, key)
            }
        };
        let (_, whole) = if self.collection.is_empty() {
            keys::public_range(&self.namespace, "", "")
        } else {
            keys::private_range(&self.namespace, &self.collection, "", "")
        };
        let mut low = stored(start);
        let mut high = end.map_or(whole, |end| behind(stored(end)));
        let descending = self.query.sort.descending;
        match resumed {
            None => {}
            Some(Bookmark {
                index: None,
                position,
            }) => {
                let key = [stored("").as_slice(), &position].concat();
                narrow(&mut low, &mut high, key, descending);
            }
            Some(_) => return Err(self.foreign_bookmark()),
        }
        Ok(Source::Scan {
            entries: self.state.0.range(indexes::space(&self.collection), low, high),
            descending,
            prefix: stored("").len(),
        })
    }

    fn indexed(
        &self,
        id: [u8; 16],
        low: &[u8],
        high: &[u8],
        resumed: Option<Bookmark>,
    ) -> Result<Source, LedgerError> {
        let prefix = keys::index_entries(&self.namespace, &self.collection, &id);
        let mut low = [prefix.as_slice(), low].concat();
        let mut high = [prefix.as_slice(), high].concat();
        let descending = self.query.sort.descending;
        match resumed {
            None => {}
            Some(Bookmark { index, position }) if index == Some(id) => {
                let key = [prefix.as_slice(), &position].concat();
                narrow(&mut low, &mut high, key, descending);
            }
            Some(_) => return Err(self.foreign_bookmark()),
        }
        Ok(Source::Index {
            entries: self.state.0.range(indexes::space(&self.collection), low, high),
            descending,
            prefix: prefix.len(),
            id,
        })
    }

    fn foreign_bookmark(&self) -> LedgerError {
        QueryError::invalid_bookmark(&self.bookmark).into()
    }

    /// The next key that the plan leads to, with its value and the bookmark behind it.
    fn candidate(&mut self) -> Result<Option<(String, VersionedValue, Bookmark)>, LedgerError> {
        let lost = || LedgerError::Record("an index entry");
        match &mut self.source {
            Source::Nothing => Ok(None),
            Source::Scan {
                entries,
                descending,
                prefix,
            } => {
                let Some((stored, value)) = advance(entries, *descending)? else {
                    return Ok(None);
                };
                let position = stored.get(*prefix..).unwrap_or_default().to_vec();
                let key =
                    String::from_utf8(position.clone()).map_err(|_| LedgerError::Record("a state key"))?;
                let bookmark = Bookmark {
                    index: None,
                    position,
                };
                Ok(Some((key, VersionedValue::decode(&value)?, bookmark)))
            }
            Source::Index {
                entries,
                descending,
                prefix,
                id,
            } => {
                let Some((entry, key)) = advance(entries, *descending)? else {
                    return Ok(None);
                };
                let key = String::from_utf8(key.to_vec()).map_err(|_| lost())?;
                let found = if self.collection.is_empty() {
                    self.state.public(&self.namespace, &key)?
                } else {
                    self.state.private(&self.namespace, &self.collection, &key)?
                };
                let bookmark = Bookmark {
                    index: Some(*id),
                    position: entry.get(*prefix..).unwrap_or_default().to_vec(),
                };
                Ok(Some((key, found.ok_or_else(lost)?, bookmark)))
            }
        }
    }
}

impl fmt::Debug for RichEntries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RichEntries")
            .field("namespace", &self.namespace)
            .field("collection", &self.collection)
            .finish_non_exhaustive()
    }
}

type Entry = (fjall::UserKey, fjall::UserValue);

fn advance(entries: &mut Entries, descending: bool) -> Result<Option<Entry>, LedgerError> {
    let next = if descending {
        entries.next_back()
    } else {
        entries.next()
    };
    next.transpose()
}

/// The first key behind one.
fn behind(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

fn narrow(low: &mut Vec<u8>, high: &mut Vec<u8>, last: Vec<u8>, descending: bool) {
    if descending {
        if last < *high {
            *high = last;
        }
    } else {
        let next = behind(last);
        if next > *low {
            *low = next;
        }
    }
}

/// Where a page ended.
struct Bookmark {
    /// The index, or none for a scan.
    index: Option<[u8; 16]>,
    /// The last entry's key, without what all entries begin with.
    position: Vec<u8>,
}

impl Bookmark {
    fn encode(&self) -> String {
        let id = self.index.as_ref().map_or(&[][..], |id| id);
        let kind = u8::from(self.index.is_some());
        URL_SAFE_NO_PAD.encode([&[kind][..], id, &self.position].concat())
    }

    fn decode(text: &str) -> Result<Self, QueryError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        let decoded = match bytes.split_first() {
            Some((0, position)) => Some(Self {
                index: None,
                position: position.to_vec(),
            }),
            Some((1, rest)) => rest.split_first_chunk::<16>().map(|(id, position)| Self {
                index: Some(*id),
                position: position.to_vec(),
            }),
            _ => None,
        };
        decoded.ok_or_else(|| QueryError::invalid_bookmark(text))
    }
}
