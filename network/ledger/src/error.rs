//! The one error of this crate.

use std::path::PathBuf;

use crate::Version;
use crate::mango::QueryError;

/// What the ledger refuses or fails at.
///
/// The texts of the simulation errors are Fabric's own (`core/ledger/kvledger/txmgmt/txmgr`), since chaincode and
/// clients see them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// A file operation failed.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "append to", "sync".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A file holds bytes that were not written by this ledger. Nothing is repaired: restore the file from a copy.
    #[error("{} is corrupt at offset {offset}: {what}; restore it from a copy or join the channel again", path.display())]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// The wrong byte where the checksum gives away which it is, otherwise the start of the damaged frame.
        offset: u64,
        /// What was wrong.
        what: String,
    },
    /// Another process, or another object of this one, has the directory open.
    #[error("ledger directory {} is in use by another process; stop it first", path.display())]
    Locked {
        /// The ledger directory.
        path: PathBuf,
    },
    /// `create` found a ledger where none should be.
    #[error("ledger directory {} already holds a ledger; open it instead of creating it", path.display())]
    Exists {
        /// The ledger directory.
        path: PathBuf,
    },
    /// `open` found no ledger.
    #[error("ledger directory {} holds no block; create the ledger from a genesis block first", path.display())]
    Empty {
        /// The ledger directory.
        path: PathBuf,
    },
    /// The database below the state and the indexes failed.
    #[error("ledger database: {0}")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database below the state and the indexes is not as it was written. The next opening builds it again.
    #[error("ledger database {} is damaged: {what}; it is built again from the blocks when the ledger is opened next", path.display())]
    DatabaseDamaged {
        /// The database's directory.
        path: PathBuf,
        /// How it showed.
        what: String,
    },
    /// A record of the database does not decode. Removing the directory `db` rebuilds it from the blocks.
    #[error(
        "ledger database record of {0} does not decode; remove the directory db to rebuild it from the blocks"
    )]
    Record(&'static str),
    /// The database could not take a block that is on disk. Opening the ledger again applies it.
    #[error(
        "the ledger stopped: a block is on disk that its database could not take; free disk space if that is short, then start again"
    )]
    Stopped,
    /// A block does not continue the chain.
    #[error("block {number} does not continue the chain: {why}")]
    NotNext {
        /// Its number.
        number: u64,
        /// What was expected.
        why: String,
    },
    /// A block lacks a part that every block has.
    #[error("block {number} is malformed: {why}")]
    MalformedBlock {
        /// Its number, or the number that was asked for.
        number: u64,
        /// What is missing.
        why: String,
    },
    /// Bytes that should be a protobuf message are not.
    #[error("{what} does not decode: {source}")]
    Decode {
        /// The message's name.
        what: &'static str,
        /// The decoder's answer.
        #[source]
        source: prost::DecodeError,
    },
    /// A key is longer than the database takes.
    #[error(
        "key of {length} bytes in namespace [{namespace}] is too long; the limit is {limit} bytes with namespace and collection"
    )]
    KeyTooLong {
        /// The namespace written to.
        namespace: String,
        /// The key's length.
        length: usize,
        /// The longest possible.
        limit: usize,
    },
    /// The private value at hand is not the one that the public hash speaks of (it is missing or stale on this peer).
    #[error(
        "private data matching public hash version is not available. Public hash version = {}, Private data version = {}",
        VersionText(*.hash), VersionText(*.private)
    )]
    PrivateVersionMismatch {
        /// Version of the committed hash.
        hash: Option<Version>,
        /// Version of the value in this peer's private state.
        private: Option<Version>,
    },
    /// The chaincode has no collections at all.
    #[error(
        "collection config not defined for chaincode [{namespace}], pass the collection configuration upon chaincode definition/instantiation"
    )]
    NoCollections {
        /// The chaincode.
        namespace: String,
    },
    /// The chaincode has collections, but not this one.
    #[error("collection [{collection}] not defined in the collection config for chaincode [{namespace}]")]
    UnknownCollection {
        /// The chaincode.
        namespace: String,
        /// The collection asked for.
        collection: String,
    },
    /// A transaction mixes writes with a read that is only for read-only transactions. Fabric's text, its typing error included.
    #[error("txid [{tx_id}]: unsuppored transaction. {why}")]
    Unsupported {
        /// The transaction.
        tx_id: String,
        /// Which rule was broken.
        why: &'static str,
    },
    /// The results of a simulation were already taken.
    #[error("this function should only be called once on a transaction simulator instance")]
    AlreadyFinished,
    /// An operation on a simulator whose results were taken.
    #[error("this instance should not be used after calling Done()")]
    Done,
    /// A cursor that was never opened, or was closed.
    #[error("query iterator {0} is not open")]
    NoCursor(u32),
    /// A rich query where the state database is LevelDB.
    #[error("ExecuteQuery not supported for leveldb")]
    RichQuery,
    /// A page of a rich query where the state database is LevelDB.
    #[error("ExecuteQueryWithMetadata not supported for leveldb")]
    RichQueryPage,
    /// A rich query that is malformed, or that nothing can serve.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A key or value that CouchDB does not take. The text is Fabric's.
    #[error("{0}")]
    NotForCouchDb(String),
}

impl LedgerError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn decode(what: &'static str) -> impl FnOnce(prost::DecodeError) -> Self {
        move |source| Self::Decode { what, source }
    }
}

impl From<fjall::Error> for LedgerError {
    fn from(error: fjall::Error) -> Self {
        Self::Database(Box::new(error))
    }
}

/// A version as Go's `%s` prints a possibly nil one.
struct VersionText(Option<Version>);

impl std::fmt::Display for VersionText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(version) => version.fmt(f),
            None => f.write_str("<nil>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_fabrics() {
        let error = LedgerError::PrivateVersionMismatch {
            hash: Some(Version::new(7, 2)),
            private: None,
        };
        assert_eq!(
            error.to_string(),
            "private data matching public hash version is not available. Public hash version = {BlockNum: 7, TxNum: 2}, Private data version = <nil>"
        );
    }
}
