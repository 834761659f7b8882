//! Creating the indexes of a chaincode (`privacyenabledstate/db.go`, `HandleChaincodeDeploy`).

use super::Ledger;
use crate::LedgerError;
use crate::collections::Collection;
use crate::mango::IndexDefinition;
use crate::state::{IndexFile, StateDatabase};

impl Ledger {
    /// Which state database of Fabric it behaves like.
    pub fn state_database(&self) -> StateDatabase {
        self.options.state_database
    }

    /// Creates the indexes of a chaincode's package, in the order of the file names, and builds them from the state; those
    /// that are there already stay. Bad ones are logged, as are those of collections that the chaincode does not define.
    /// Without CouchDB's behaviour nothing happens. Gives how many were built.
    ///
    /// # Errors
    /// Database errors.
    pub fn define_indexes(&self, namespace: &str, files: &[IndexFile]) -> Result<usize, LedgerError> {
        if self.options.state_database != StateDatabase::CouchDb || files.is_empty() {
            return Ok(0);
        }
        let _writer = self.writer();
        let mut files: Vec<_> = files.iter().collect();
        files.sort_by_key(|file| (&file.collection, &file.name));
        let query = self.query();
        let mut built = 0;
        for file in files {
            let collection = file.collection.as_deref().unwrap_or_default();
            if !collection.is_empty()
                && !matches!(
                    query.collection(namespace, collection)?,
                    Collection::Defined { .. }
                )
            {
                tracing::error!(
                    namespace,
                    collection,
                    file = file.name,
                    "an index for a collection that is not defined"
                );
                continue;
            }
            match IndexDefinition::parse(&file.content) {
                Ok(index) => {
                    if self.indexes.define(&self.db, namespace, collection, index)? {
                        built += 1;
                        tracing::info!(namespace, collection, file = file.name, "built an index");
                    }
                }
                Err(error) => {
                    tracing::error!(namespace, collection, file = file.name, %error, "an index file is bad");
                }
            }
        }
        Ok(built)
    }
}
