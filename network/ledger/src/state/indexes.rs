//! Indexes over JSON state: their definitions, and their entries, which change in the same batch as the state.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::{StateDatabase, StateReader, VersionedValue, keys};
use crate::LedgerError;
use crate::db::{Batch, Db, Space};
use crate::mango::{self, IndexDefinition};

/// An index file of a chaincode package, from `META-INF/statedb/couchdb`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFile {
    /// The collection that it is for; `None`: the chaincode's public state.
    pub collection: Option<String>,
    /// Its file name.
    pub name: String,
    /// The definition, in JSON.
    pub content: Vec<u8>,
}

/// Entries written at once while an index is built.
const BATCH: usize = 1_000;

/// Namespace and collection (empty: public state).
type Place = (String, String);

/// The indexes of a ledger. One without CouchDB's behaviour has none.
#[derive(Debug)]
pub(crate) struct Indexes {
    database: StateDatabase,
    live: RwLock<Arc<BTreeMap<Place, Vec<Arc<IndexDefinition>>>>>,
}

impl Indexes {
    /// Reads the definitions. Behind LevelDB's behaviour indexes would not be kept up, so they go.
    pub(crate) fn open(db: &Db, database: StateDatabase) -> Result<Self, LedgerError> {
        let mut live: BTreeMap<Place, Vec<Arc<IndexDefinition>>> = BTreeMap::new();
        let mut removed = Vec::new();
        for entry in db.snapshot().prefix(Space::Main, keys::INDEX_DEFINITIONS) {
            let (key, text) = entry?;
            let place = keys::parse_index_definition(&key).ok_or(LedgerError::Record("an index"))?;
            let index = Arc::new(read(&text)?);
            match database {
                StateDatabase::CouchDb => live.entry(place).or_default().push(index),
                StateDatabase::GoLevelDb => removed.push((place, index)),
            }
        }
        for (place, index) in removed {
            forget(db, &place, &index)?;
        }
        Ok(Self {
            database,
            live: RwLock::new(Arc::new(live)),
        })
    }

    /// Defines an index and builds it from the state; one of the same name is replaced. Nobody may write to the state
    /// meanwhile. `false`: it is there already.
    pub(crate) fn define(
        &self,
        db: &Db,
        namespace: &str,
        collection: &str,
        index: IndexDefinition,
    ) -> Result<bool, LedgerError> {
        let place = (namespace.to_owned(), collection.to_owned());
        let mut live = (*self.live()).clone();
        let here = live.entry(place.clone()).or_default();
        let same = |other: &Arc<IndexDefinition>| other.ddoc == index.ddoc && other.name == index.name;
        if let Some(at) = here.iter().position(same) {
            if here.get(at).is_some_and(|other| other.text == index.text) {
                return Ok(false);
            }
            let replaced = here.remove(at);
            forget(db, &place, &replaced)?;
        }
        // What an interrupted building left.
        remove_entries(db, &place, &index)?;
        let reader = StateReader(db.snapshot());
        let entries = if collection.is_empty() {
            reader.public_range(namespace, "", "")
        } else {
            reader.private_range(namespace, collection, "", "")
        };
        let space = space(collection);
        let prefix = keys::index_entries(namespace, collection, &index.id());
        let mut batch = db.batch();
        let mut pending = 0;
        for entry in entries {
            let (key, found) = entry?;
            if let Some(entry) = index.entry(&key, &mango::document(&key, &found)) {
                batch.put(space, [prefix.as_slice(), &entry].concat(), key.into_bytes());
                pending += 1;
            }
            if pending == BATCH {
                std::mem::replace(&mut batch, db.batch()).commit()?;
                pending = 0;
            }
        }
        // Last, so that an index that is defined is whole.
        let definition = keys::index_definition(namespace, collection, &index.ddoc, &index.name);
        batch.put(Space::Main, definition, index.text.clone());
        batch.commit()?;
        here.push(Arc::new(index));
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
        Ok(true)
    }

    /// Notes in a batch what a change of a key does to the indexes; `db` still has the old value.
    pub(crate) fn update(
        &self,
        db: &Db,
        batch: &mut Batch,
        (namespace, collection, key): (&str, &str, &str),
        new: Option<&VersionedValue>,
    ) -> Result<(), LedgerError> {
        let live = self.live();
        let Some(indexes) = live.get(&(namespace.to_owned(), collection.to_owned())) else {
            return Ok(());
        };
        let space = space(collection);
        let stored = if collection.is_empty() {
            keys::public(namespace, key)
        } else {
            keys::private(namespace, collection, key)
        };
        let old = db.get(space, &stored)?;
        let old = old.map(|bytes| VersionedValue::decode(&bytes)).transpose()?;
        let old = old.map(|old| mango::document(key, &old));
        let new = new.map(|new| mango::document(key, new));
        for index in indexes {
            let before = old.as_ref().and_then(|old| index.entry(key, old));
            let after = new.as_ref().and_then(|new| index.entry(key, new));
            if before == after {
                continue;
            }
            let prefix = keys::index_entries(namespace, collection, &index.id());
            if let Some(before) = before {
                batch.remove(space, [prefix.as_slice(), &before].concat());
            }
            if let Some(after) = after {
                batch.put(
                    space,
                    [prefix.as_slice(), &after].concat(),
                    key.as_bytes().to_vec(),
                );
            }
        }
        Ok(())
    }

    /// Whether there is nothing to keep up.
    pub(crate) fn is_empty(&self) -> bool {
        self.database == StateDatabase::GoLevelDb || self.live().is_empty()
    }

    fn live(&self) -> Arc<BTreeMap<Place, Vec<Arc<IndexDefinition>>>> {
        // The lock only guards whole replacements.
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The indexes that a snapshot has.
pub(crate) fn defined(
    state: &StateReader,
    namespace: &str,
    collection: &str,
) -> Result<Vec<Arc<IndexDefinition>>, LedgerError> {
    let definitions = state
        .0
        .prefix(Space::Main, &keys::index_definitions(namespace, collection));
    definitions
        .map(|entry| {
            let (_, text) = entry?;
            read(&text).map(Arc::new)
        })
        .collect()
}

/// Where the entries of a place's indexes are. Those over private state are erased with it.
pub(crate) fn space(collection: &str) -> Space {
    if collection.is_empty() {
        Space::Main
    } else {
        Space::Private
    }
}

fn read(text: &[u8]) -> Result<IndexDefinition, LedgerError> {
    IndexDefinition::parse(text).map_err(|_| LedgerError::Record("an index"))
}

/// Removes an index: first its definition, so that no half of it can be taken for the whole.
fn forget(db: &Db, place: &Place, index: &IndexDefinition) -> Result<(), LedgerError> {
    let (namespace, collection) = place;
    let mut batch = db.batch();
    batch.remove(
        Space::Main,
        keys::index_definition(namespace, collection, &index.ddoc, &index.name),
    );
    batch.commit()?;
    remove_entries(db, place, index)
}

fn remove_entries(
    db: &Db,
    (namespace, collection): &Place,
    index: &IndexDefinition,
) -> Result<(), LedgerError> {
    let prefix = keys::index_entries(namespace, collection, &index.id());
    let space = space(collection);
    let mut batch = db.batch();
    let mut pending = 0;
    for entry in db.snapshot().prefix(space, &prefix) {
        let (key, _) = entry?;
        batch.remove(space, key);
        pending += 1;
        if pending == BATCH {
            std::mem::replace(&mut batch, db.batch()).commit()?;
            pending = 0;
        }
    }
    batch.commit()
}
