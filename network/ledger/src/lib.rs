//! The ledger of a Fabric channel: blocks, state, history and private data of one peer (or the blocks of an orderer).
//!
//! It knows no cryptography and no policy: the validator's verdicts come with the block, and what depends on the order
//! of transactions (MVCC, phantoms) is settled here. All calls block; run them off the async threads.
//!
//! ```text
//! simulate    Ledger::simulator ── reads a snapshot ──▶ SimulationResults (read-write sets, byte for byte Fabric's)
//!
//! commit      Block + codes + ParsedTx + private data
//!               │ MVCC, phantoms ─▶ codes, updates ─▶ commit hash
//!               ▼
//!             private/*.pvt  append, sync      (only when there is private data)
//!             blocks/*.blk   append, sync      ◀── the commit point
//!             db/            one batch, no sync: index, state, private state, history, savepoint
//!
//! open        lock ─▶ cut unfinished writes ─▶ apply the blocks behind the savepoint
//! ```
//!
//! # On disk
//! Block files and private data files are the truth; both consist of checksummed frames (length, CRC-32 of the content,
//! CRC-32 of these two, content). Everything in `db/` is derived from them: removed or damaged, it is built again at the
//! next opening (`db.seal` and `db.damaged` beside it tell). An unfinished frame at the end is dropped, since its sync
//! never returned; damage anywhere else is refused with file and offset. A write that fails, on a full disk for instance,
//! is taken back, and may be tried again. Directories have mode 0700 and files 0600 (below `db/`, the directory above protects them).
//!
//! `transient/` holds private data of transactions that were endorsed and are in no block yet ([`TransientStore`]), from
//! before their endorsement on. It is gone with their block at the latest; purges and expiry reach into it too.
//!
//! What was purged or has expired leaves every read with its block, and every file with [`Ledger::compact`], beside the commits.
//!
//! # Limits
//! Keys with namespace and collection are at most about 65,500 bytes: a longer one is refused when it is written in a
//! simulation, and makes a transaction that carries it invalid (`INVALID_WRITESET`).
//!
//! # State databases
//! A ledger behaves like Fabric's with LevelDB or with CouchDB ([`StateDatabase`]). What is stored is the same; with CouchDB's
//! behaviour JSON values are read in Go's form, and rich queries ([`mango`]) find them, through the indexes that chaincode
//! packages define ([`Ledger::define_indexes`]).
#![forbid(unsafe_code)]

mod block;
mod collections;
mod commit;
mod db;
mod error;
pub mod files;
mod ledger;
mod lock;
mod log;
pub mod mango;
mod private;
mod rwset;
mod simulate;
mod state;
#[cfg(test)]
mod testing;
mod version;
mod wire;

pub use block::{
    BlockFiles, BlockIter, BlockStore, StoredBlock, Transaction, block_data_hash, block_header_bytes,
    block_header_hash, framed, validation_codes,
};
pub use collections::{AnyCollection, Collection, CollectionInfo};
pub use error::LedgerError;
pub use ledger::{
    Committed, Erased, LatePrivateData, Ledger, LedgerOptions, MissingPrivateData, PrivateTxData, Rebuilt,
};
pub use private::TransientStore;
pub use rwset::{CollectionRwSet, NamespaceRwSet, ParsedTx, TxKind, TxRwSet};
pub use simulate::{
    CursorId, CursorItem, HistoryIter, KeyModification, KeyValue, Page, QueryExecutor, RangeIter,
    SimulationResults, Simulator, WrittenKeys,
};
pub use state::{IndexFile, StateDatabase, VersionedValue};
pub use version::Version;
