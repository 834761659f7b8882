//! The ledger of one channel on one peer.

mod apply;
mod commit;
mod erase;
mod filter;
mod indexes;
mod maintenance;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use fabric_protos::common::{Block, BlockMetadataIndex, BlockchainInfo, Metadata};
use prost::Message as _;

#[cfg(test)]
mod tests;

pub use commit::Committed;
pub use erase::Erased;
pub use maintenance::{LatePrivateData, MissingPrivateData, PrivateTxData};

use crate::LedgerError;
use crate::block::{Ahead, BlockIter, BlockStore, Transaction, set_slot, slot, validation_codes};
use crate::collections::{AnyCollection, CollectionInfo};
use crate::db::{Db, Private};
use crate::files::{FileLayer, OsFiles};
use crate::lock::DirLock;
use crate::private::{PrivateStore, TransientStore};
use crate::rwset::ParsedTx;
use crate::simulate::{QueryExecutor, Simulator};
use crate::state::{Indexes, StateDatabase, StateReader};

/// How a ledger is opened.
#[derive(Clone, Debug)]
pub struct LedgerOptions {
    /// The files below blocks and private data.
    pub files: Arc<dyn FileLayer>,
    /// What knows the chaincodes' private data collections.
    pub collections: Arc<dyn CollectionInfo>,
    /// Number of blocks after which the removal of purged or expired private values from the files is due
    /// ([`Ledger::erasure_due`]), the block that asks for it counted: they are out of every read at once. Fabric's
    /// `purgeInterval`.
    pub purge_interval: u64,
    /// Which state database of Fabric it behaves like.
    pub state_database: StateDatabase,
}

impl Default for LedgerOptions {
    fn default() -> Self {
        Self {
            files: Arc::new(OsFiles),
            collections: Arc::new(AnyCollection),
            purge_interval: 100,
            state_database: StateDatabase::default(),
        }
    }
}

/// Blocks, state, history and private data of one channel, in one directory.
///
/// Any number of simulators and queries run beside one commit, each on its own snapshot. Commits run one at a time.
/// Dropping the ledger makes its database durable; a killed process loses nothing either, as the blocks tell all.
#[derive(Debug)]
pub struct Ledger {
    dir: PathBuf,
    options: LedgerOptions,
    db: Db,
    indexes: Indexes,
    blocks: Arc<BlockStore>,
    private: PrivateStore,
    transient: TransientStore,
    writer: Mutex<Writer>,
    /// Held while bytes are removed.
    erasing: Mutex<()>,
    stop_erasing: AtomicBool,
    _lock: Arc<DirLock>,
}

/// How far a database is that is being built again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Blocks applied.
    pub blocks: u64,
    /// Their bytes in the block files.
    pub bytes: u64,
    /// Bytes of all block files.
    pub of_bytes: u64,
}

#[derive(Debug, Default)]
struct Writer {
    /// Commit hash of the last block; empty before block 1.
    commit_hash: Vec<u8>,
}

impl Ledger {
    /// Creates a ledger in `dir` from a channel's genesis block.
    ///
    /// # Errors
    /// [`LedgerError::Exists`] when there is one already; [`LedgerError::NotNext`] when the block is not number 0; and
    /// as [`open`](Self::open).
    pub fn create(dir: &Path, genesis: &Block, options: LedgerOptions) -> Result<Self, LedgerError> {
        let ledger = Self::attach(dir, options, &mut |_| {})?;
        if ledger.height() > 0 {
            return Err(LedgerError::Exists { path: dir.to_owned() });
        }
        let mut genesis = genesis.clone();
        let envelopes = genesis.data.as_ref().map_or(&[][..], |data| &data.data);
        let txs: Vec<_> = envelopes
            .iter()
            .map(|envelope| ParsedTx::from_envelope(envelope))
            .collect();
        if validation_codes(&genesis).is_empty() {
            set_slot(
                &mut genesis,
                BlockMetadataIndex::TransactionsFilter,
                vec![0; txs.len()],
            );
        }
        ledger.commit(genesis, txs, Default::default())?;
        Ok(ledger)
    }

    /// Opens the ledger in `dir`. What the blocks say and the database does not know yet is applied first; a removed
    /// database is built again.
    ///
    /// # Errors
    /// [`LedgerError::Empty`] when there is no ledger; [`LedgerError::Locked`] when it is open elsewhere;
    /// [`LedgerError::Corrupt`] with file and offset when a block was damaged.
    pub fn open(dir: &Path, options: LedgerOptions) -> Result<Self, LedgerError> {
        if !dir.join("blocks").is_dir() {
            return Err(LedgerError::Empty { path: dir.to_owned() });
        }
        let ledger = Self::attach(dir, options, &mut |_| {})?;
        if ledger.height() == 0 {
            return Err(LedgerError::Empty { path: dir.to_owned() });
        }
        Ok(ledger)
    }

    /// Removes the database of the ledger in `dir` and builds it again from the blocks and the private data files, which
    /// stay as they are (`peer node rebuild-dbs` of Fabric). `progress` is told after every block.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`LedgerError::Locked`] while a peer runs on it.
    pub fn rebuild(
        dir: &Path,
        options: LedgerOptions,
        progress: &mut dyn FnMut(Rebuilt),
    ) -> Result<Self, LedgerError> {
        if !dir.join("blocks").is_dir() {
            return Err(LedgerError::Empty { path: dir.to_owned() });
        }
        {
            let _lock = DirLock::take(dir)?;
            Db::discard(&dir.join("db"))?;
        }
        let ledger = Self::attach(dir, options, progress)?;
        if ledger.height() == 0 {
            return Err(LedgerError::Empty { path: dir.to_owned() });
        }
        Ok(ledger)
    }

    /// The directory it is in.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Number of blocks: the number of the next one.
    pub fn height(&self) -> u64 {
        self.blocks.height()
    }

    /// Hash of the last block's header.
    pub fn last_hash(&self) -> Vec<u8> {
        self.blocks.last_hash()
    }

    /// Commit hash of the last block (metadata slot 4); empty while there is only the genesis block.
    pub fn commit_hash(&self) -> Vec<u8> {
        self.writer().commit_hash.clone()
    }

    /// Height and the last two hashes.
    pub fn info(&self) -> BlockchainInfo {
        self.blocks.info()
    }

    /// The chain of blocks, for reading.
    pub fn blocks(&self) -> &Arc<BlockStore> {
        &self.blocks
    }

    /// As [`BlockStore::block`].
    ///
    /// # Errors
    /// As [`BlockStore::block`].
    pub fn block(&self, number: u64) -> Result<Option<Arc<Block>>, LedgerError> {
        self.blocks.block(number)
    }

    /// As [`BlockStore::recent`].
    pub fn recent_block(&self, number: u64) -> Option<Arc<Block>> {
        self.blocks.recent(number)
    }

    /// As [`BlockStore::block_by_hash`].
    ///
    /// # Errors
    /// As [`BlockStore::block`].
    pub fn block_by_hash(&self, hash: &[u8]) -> Result<Option<Arc<Block>>, LedgerError> {
        self.blocks.block_by_hash(hash)
    }

    /// As [`BlockStore::block_by_tx_id`].
    ///
    /// # Errors
    /// As [`BlockStore::block`].
    pub fn block_by_tx_id(&self, tx_id: &str) -> Result<Option<Arc<Block>>, LedgerError> {
        self.blocks.block_by_tx_id(tx_id)
    }

    /// As [`BlockStore::transaction`].
    ///
    /// # Errors
    /// As [`BlockStore::block`].
    pub fn transaction(&self, tx_id: &str) -> Result<Option<Transaction>, LedgerError> {
        self.blocks.transaction(tx_id)
    }

    /// As [`BlockStore::transaction_status`].
    ///
    /// # Errors
    /// As [`BlockStore::transaction_status`].
    pub fn transaction_status(&self, tx_id: &str) -> Result<Option<(u64, u32, u8)>, LedgerError> {
        self.blocks.transaction_status(tx_id)
    }

    /// As [`BlockStore::tx_exists`].
    ///
    /// # Errors
    /// As [`BlockStore::tx_exists`].
    pub fn tx_exists(&self, tx_id: &str) -> Result<bool, LedgerError> {
        self.blocks.tx_exists(tx_id)
    }

    /// As [`BlockStore::iter_from`].
    pub fn iter_from(&self, number: u64) -> BlockIter<'_> {
        self.blocks.iter_from(number)
    }

    /// Begins to simulate a transaction on the state as it is now.
    pub fn simulator(&self, tx_id: impl Into<String>) -> Simulator {
        Simulator::new(self.query(), tx_id.into())
    }

    /// The state as it is now, for reading.
    pub fn query(&self) -> QueryExecutor {
        // Taken before the snapshot, so that the snapshot has at least these blocks.
        let height = self.height();
        let state = StateReader(self.db.snapshot());
        QueryExecutor::new(
            state,
            self.blocks.clone(),
            self.options.collections.clone(),
            height,
            self.options.state_database,
        )
    }

    /// Private data of transactions that are not committed yet. It is on disk, and erased with the rest
    /// ([`compact`](Self::compact)).
    pub fn transient(&self) -> &TransientStore {
        &self.transient
    }

    fn attach(
        dir: &Path,
        options: LedgerOptions,
        progress: &mut dyn FnMut(Rebuilt),
    ) -> Result<Self, LedgerError> {
        let files = options.files.clone();
        files.create_dir(dir).map_err(LedgerError::io("create", dir))?;
        let lock = Arc::new(DirLock::take(dir)?);
        Db::open(&dir.join("db"), Private::Present, |db| {
            let ledger = Self {
                dir: dir.to_owned(),
                options: options.clone(),
                blocks: Arc::new(BlockStore::attach(dir, files.clone(), db.clone(), true)?),
                indexes: Indexes::open(&db, options.state_database)?,
                db,
                private: PrivateStore::open(dir, files.clone())?,
                transient: TransientStore::open(dir, files.clone())?,
                writer: Mutex::default(),
                erasing: Mutex::default(),
                stop_erasing: AtomicBool::new(false),
                _lock: lock.clone(),
            };
            ledger.recover(progress)?;
            Ok(ledger)
        })
    }

    /// Applies the blocks that the database does not know, and reads the last commit hash.
    fn recover(&self, progress: &mut dyn FnMut(Rebuilt)) -> Result<(), LedgerError> {
        // First without what a crash left unfinished, so that it can be read; then without data of unwritten blocks.
        self.private.recover(u64::MAX)?;
        self.check_private_files()?;
        let (mut replayed, mut bytes, total) = (0u64, 0, self.blocks.bytes()?);
        self.blocks.recover(Ahead::Rebuild, |block, written| {
            self.replay(block, written)?;
            replayed += 1;
            bytes += written.frame.len();
            progress(Rebuilt {
                blocks: replayed,
                bytes,
                of_bytes: total,
            });
            Ok(())
        })?;
        if replayed > 1 {
            tracing::info!(ledger = %self.dir.display(), blocks = replayed, "applied blocks that the database lacked");
        }
        let height = self.height();
        self.private.recover(height)?;
        if replayed > 0 {
            let mut batch = self.db.batch();
            self.note_private_files(&mut batch);
            batch.commit()?;
        }
        self.transient.load(|tx_id| self.blocks.tx_exists(tx_id))?;
        if let Some(last) = height.checked_sub(1)
            && let Some(block) = self.block(last)?
        {
            let bytes = slot(&block, BlockMetadataIndex::CommitHash);
            let metadata = Metadata::decode(bytes).map_err(LedgerError::decode("the commit hash"))?;
            self.writer().commit_hash = metadata.value;
        }
        Ok(())
    }

    fn writer(&self) -> std::sync::MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
