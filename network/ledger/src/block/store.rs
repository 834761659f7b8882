//! The chain of blocks on disk.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use fabric_protos::common::{Block, BlockchainInfo, Envelope};
use prost::Message as _;

use super::index::{self, Site, TxSite};
use super::recover::Ahead;
use super::{block_header_hash, header};
use crate::db::{Batch, Db, Private};
use crate::files::FileLayer;
use crate::lock::DirLock;
use crate::log::{Frame, Segment};
use crate::{LedgerError, Version};

/// A block file is closed once it is this long.
const SEGMENT_BYTES: u64 = 64 << 20;
/// Open block files at most.
const OPEN_SEGMENTS: usize = 32;
/// Recent blocks kept in memory, in bytes.
const RECENT_BYTES: usize = 16 << 20;

/// An append-only chain of blocks with an index, in one directory.
///
/// ```text
/// dir/blocks/00000000.blk …   frames, one per block (see the crate documentation)
/// dir/db/                     the index; remove it and it is built again
/// ```
///
/// Reads and one writer may run at the same time on any threads.
#[derive(Debug)]
pub struct BlockStore {
    pub(super) files: Arc<dyn FileLayer>,
    pub(super) dir: PathBuf,
    pub(super) db: Db,
    transactions: bool,
    pub(super) writer: Mutex<Writer>,
    head: RwLock<Head>,
    open: Mutex<BTreeMap<u32, Arc<Segment>>>,
    recent: Mutex<Recent>,
    _lock: Option<DirLock>,
}

/// A committed transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// The envelope as the client sent it.
    pub envelope: Envelope,
    /// Its validation code (`peer.TxValidationCode`).
    pub code: u8,
    /// The block it is in.
    pub block: u64,
    /// Its place in the block.
    pub index: u32,
}

impl BlockStore {
    /// Opens or creates the store in `dir`, for blocks alone (an orderer's): transactions are not indexed, so reads by
    /// transaction id find nothing.
    ///
    /// # Errors
    /// [`LedgerError::Locked`] when it is open already; [`LedgerError::Corrupt`] when a block was damaged, or when blocks
    /// are gone that were there: to order on without them would give two blocks of one number. A block whose write was
    /// interrupted is dropped.
    pub fn open(dir: &Path, files: Arc<dyn FileLayer>) -> Result<Self, LedgerError> {
        files.create_dir(dir).map_err(LedgerError::io("create", dir))?;
        let lock = DirLock::take(dir)?;
        let mut store = Db::open(&dir.join("db"), Private::Absent, |db| {
            let store = Self::attach(dir, files.clone(), db, false)?;
            store.recover(Ahead::Refuse, |block, written| {
                let mut batch = store.db.batch();
                store.index(&mut batch, block, written)?;
                batch.commit()
            })?;
            Ok(store)
        })?;
        store._lock = Some(lock);
        Ok(store)
    }

    /// Appends the next block; when this returns it is on disk.
    ///
    /// # Errors
    /// [`LedgerError::NotNext`] when number or previous hash do not continue the chain: nothing is written. After
    /// [`LedgerError::Io`] the block is not there, and may be appended again; after [`LedgerError::Database`] the store
    /// takes no more blocks until it is opened again.
    pub fn append(&self, block: Block) -> Result<(), LedgerError> {
        let written = self.write(&block)?;
        let mut batch = self.db.batch();
        self.index(&mut batch, &block, &written)?;
        batch.commit().inspect_err(|_| self.stop())?;
        self.publish(Arc::new(block), written.frame.payload().len());
        Ok(())
    }

    /// Number of blocks: the number of the next one.
    pub fn height(&self) -> u64 {
        self.head().height
    }

    /// Hash of the last block's header; empty when there is none.
    pub fn last_hash(&self) -> Vec<u8> {
        self.head().last_hash.clone()
    }

    /// Height and the last two hashes, as `qscc` answers them.
    pub fn info(&self) -> BlockchainInfo {
        let head = self.head();
        BlockchainInfo {
            height: head.height,
            current_block_hash: head.last_hash.clone(),
            previous_block_hash: head.previous_hash.clone(),
            bootstrapping_snapshot_info: None,
        }
    }

    /// Block `number`; `None` at the height and above.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] when the file was damaged.
    pub fn block(&self, number: u64) -> Result<Option<Arc<Block>>, LedgerError> {
        if number >= self.height() {
            return Ok(None);
        }
        if let Some(block) = self.recent(number) {
            return Ok(Some(block));
        }
        let Some(site) = index::site(&self.db, number)? else {
            return Ok(None);
        };
        let segment = self.segment(site.segment)?;
        let bytes = segment.read(site.offset)?;
        let block = Block::decode(bytes.as_slice()).map_err(LedgerError::decode("a block"))?;
        if block.header.as_ref().map(|header| header.number) != Some(number) {
            return Err(segment.corrupt(site.offset, format!("this is not block {number}")));
        }
        Ok(Some(Arc::new(block)))
    }

    /// Block `number` when it is among the newest ones kept in memory: never reads a file, never waits for a commit.
    pub fn recent(&self, number: u64) -> Option<Arc<Block>> {
        lock(&self.recent).get(number)
    }

    /// The block whose header hashes to `hash`.
    ///
    /// # Errors
    /// As [`block`](Self::block).
    pub fn block_by_hash(&self, hash: &[u8]) -> Result<Option<Arc<Block>>, LedgerError> {
        match index::number_of_hash(&self.db, hash)? {
            Some(number) => self.block(number),
            None => Ok(None),
        }
    }

    /// The block that holds the transaction.
    ///
    /// # Errors
    /// As [`block`](Self::block).
    pub fn block_by_tx_id(&self, tx_id: &str) -> Result<Option<Arc<Block>>, LedgerError> {
        match self.tx_site(tx_id)? {
            Some(site) => self.block(site.block),
            None => Ok(None),
        }
    }

    /// The transaction with this id; of several the one committed first.
    ///
    /// # Errors
    /// As [`block`](Self::block).
    pub fn transaction(&self, tx_id: &str) -> Result<Option<Transaction>, LedgerError> {
        let Some(site) = self.tx_site(tx_id)? else {
            return Ok(None);
        };
        let Some(frame) = index::site(&self.db, site.block)? else {
            return Ok(None);
        };
        let bytes = self
            .segment(frame.segment)?
            .read_part(frame.offset, site.span.clone(), site.crc)?;
        let envelope = Envelope::decode(bytes.as_slice()).map_err(LedgerError::decode("an envelope"))?;
        Ok(Some(Transaction {
            envelope,
            code: site.code,
            block: site.block,
            index: site.index,
        }))
    }

    /// Block number, index and validation code of the transaction with this id, without reading it.
    ///
    /// # Errors
    /// [`LedgerError::Database`] when the index can not be read.
    pub fn transaction_status(&self, tx_id: &str) -> Result<Option<(u64, u32, u8)>, LedgerError> {
        Ok(self
            .tx_site(tx_id)?
            .map(|site| (site.block, site.index, site.code)))
    }

    /// Whether a transaction with this id was committed, valid or not.
    ///
    /// # Errors
    /// [`LedgerError::Database`] when the index can not be read.
    pub fn tx_exists(&self, tx_id: &str) -> Result<bool, LedgerError> {
        index::tx_exists(&self.db, tx_id)
    }

    /// The bytes of the envelope at `version`.
    pub(crate) fn envelope(&self, version: Version) -> Result<Option<Vec<u8>>, LedgerError> {
        let Some(block) = self.block(version.block)? else {
            return Ok(None);
        };
        let envelopes = block.data.as_ref().map_or(&[][..], |data| &data.data);
        Ok(usize::try_from(version.tx)
            .ok()
            .and_then(|index| envelopes.get(index))
            .cloned())
    }

    /// Blocks from `number` to the height at the time of each step: after the end it may go on when blocks were added.
    pub fn iter_from(&self, number: u64) -> BlockIter<'_> {
        BlockIter {
            store: self,
            next: number,
        }
    }

    pub(crate) fn attach(
        dir: &Path,
        files: Arc<dyn FileLayer>,
        db: Db,
        transactions: bool,
    ) -> Result<Self, LedgerError> {
        let dir = dir.join("blocks");
        files.create_dir(&dir).map_err(LedgerError::io("create", &dir))?;
        Ok(Self {
            files,
            dir,
            db,
            transactions,
            writer: Mutex::default(),
            head: RwLock::default(),
            open: Mutex::default(),
            recent: Mutex::default(),
            _lock: None,
        })
    }

    /// Appends and syncs the next block's frame. It is committed from here on, but not visible yet.
    pub(crate) fn write(&self, block: &Block) -> Result<Written, LedgerError> {
        let mut writer = lock(&self.writer);
        if writer.stopped {
            return Err(LedgerError::Stopped);
        }
        self.check_next(block)?;
        let frame = Frame::encode(block);
        self.settle(&mut writer)?;
        writer.unfinished = true;
        let result = self.write_frame(&mut writer, &frame);
        if result.is_ok() {
            writer.unfinished = false;
        } else {
            // Reported by the next write, should it not work then either.
            let _ = self.settle(&mut writer);
        }
        Ok(Written { site: result?, frame })
    }

    /// Adds a written block to the index and moves the savepoint behind it.
    pub(crate) fn index(
        &self,
        batch: &mut Batch,
        block: &Block,
        written: &Written,
    ) -> Result<(), LedgerError> {
        index::add(&self.db, batch, block, written, self.transactions)?;
        batch.advance(header(block)?.number + 1);
        Ok(())
    }

    /// Makes a written and indexed block visible. `size` is its encoded length.
    pub(crate) fn publish(&self, block: Arc<Block>, size: usize) {
        // Infallible here: the block passed `check_next`, so it has a header.
        let _ = self.advance(&block);
        lock(&self.recent).push(block, size);
    }

    /// Bytes of the block files.
    pub(crate) fn bytes(&self) -> Result<u64, LedgerError> {
        let names = self
            .files
            .list(&self.dir)
            .map_err(LedgerError::io("list", &self.dir))?;
        // All but the last are about as long.
        let before = names.len().saturating_sub(1) as u64 * SEGMENT_BYTES;
        match u32::try_from(names.len()).unwrap_or(u32::MAX).checked_sub(1) {
            Some(last) => Ok(before + self.segment(last)?.len()?),
            None => Ok(0),
        }
    }

    /// Refuses blocks from now on.
    pub(crate) fn stop(&self) {
        lock(&self.writer).stopped = true;
    }

    /// Whether the block continues the chain.
    pub(crate) fn check_next(&self, block: &Block) -> Result<(), LedgerError> {
        let found = header(block)?;
        let head = self.head();
        let number = found.number;
        if number != head.height {
            return Err(LedgerError::NotNext {
                number,
                why: format!("block {} comes next", head.height),
            });
        }
        if found.previous_hash != head.last_hash && number > 0 {
            let expected = hex::encode(&head.last_hash);
            return Err(LedgerError::NotNext {
                number,
                why: format!("its previous hash should be {expected}"),
            });
        }
        if block.data.is_none() {
            return Err(LedgerError::MalformedBlock {
                number,
                why: "it has no data".into(),
            });
        }
        Ok(())
    }

    fn write_frame(&self, writer: &mut Writer, frame: &Frame) -> Result<Site, LedgerError> {
        if writer.length >= SEGMENT_BYTES {
            writer.segment += 1;
            writer.length = 0;
        }
        let segment = self.segment(writer.segment)?;
        let site = Site {
            segment: writer.segment,
            offset: writer.length,
        };
        segment.append(frame)?;
        segment.sync()?;
        if writer.length == 0 {
            self.files
                .sync_dir(&self.dir)
                .map_err(LedgerError::io("sync", &self.dir))?;
        }
        writer.length += frame.len();
        Ok(site)
    }

    /// Cuts what a failed write left at the end: nothing of it was promised to anybody.
    fn settle(&self, writer: &mut Writer) -> Result<(), LedgerError> {
        if writer.unfinished {
            let segment = self.segment(writer.segment)?;
            segment.truncate(writer.length)?;
            segment.sync()?;
            writer.unfinished = false;
        }
        Ok(())
    }

    pub(super) fn advance(&self, block: &Block) -> Result<(), LedgerError> {
        let header = header(block)?;
        let mut head = self.head.write().unwrap_or_else(PoisonError::into_inner);
        head.height = header.number + 1;
        head.previous_hash.clone_from(&header.previous_hash);
        head.last_hash = block_header_hash(header).to_vec();
        Ok(())
    }

    fn tx_site(&self, tx_id: &str) -> Result<Option<TxSite>, LedgerError> {
        index::transaction(&self.db, tx_id)
    }

    pub(super) fn segment(&self, number: u32) -> Result<Arc<Segment>, LedgerError> {
        let mut open = lock(&self.open);
        if let Some(segment) = open.get(&number) {
            return Ok(segment.clone());
        }
        let segment = Arc::new(Segment::open(&*self.files, self.dir.join(segment_name(number)))?);
        if open.len() >= OPEN_SEGMENTS {
            open.pop_first();
        }
        open.insert(number, segment.clone());
        Ok(segment)
    }

    fn head(&self) -> std::sync::RwLockReadGuard<'_, Head> {
        self.head.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Iterates over committed blocks in order.
#[derive(Debug)]
pub struct BlockIter<'s> {
    store: &'s BlockStore,
    next: u64,
}

impl Iterator for BlockIter<'_> {
    type Item = Result<Arc<Block>, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let block = self.store.block(self.next).transpose()?;
        self.next += 1;
        Some(block)
    }
}

/// A block that is on disk and not in the index yet.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) site: Site,
    pub(crate) frame: Frame,
}

#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) segment: u32,
    pub(super) length: u64,
    /// Something may be behind `length`: a write that failed.
    pub(super) unfinished: bool,
    /// A block is on disk that the database could not take.
    pub(super) stopped: bool,
}

#[derive(Debug, Default)]
struct Head {
    height: u64,
    last_hash: Vec<u8>,
    previous_hash: Vec<u8>,
}

/// The newest blocks: deliver streams and history read them most.
#[derive(Debug, Default)]
struct Recent {
    blocks: VecDeque<(Arc<Block>, usize)>,
    bytes: usize,
}

impl Recent {
    fn push(&mut self, block: Arc<Block>, size: usize) {
        self.blocks.push_back((block, size));
        self.bytes += size;
        while self.bytes > RECENT_BYTES
            && let Some((_, size)) = self.blocks.pop_front()
        {
            self.bytes -= size;
        }
    }

    fn get(&self, number: u64) -> Option<Arc<Block>> {
        let first = self.blocks.front()?.0.header.as_ref()?.number;
        let at = usize::try_from(number.checked_sub(first)?).ok()?;
        self.blocks.get(at).map(|(block, _)| block.clone())
    }
}

pub(super) fn segment_name(number: u32) -> String {
    format!("{number:08}.blk")
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
