//! The private values of committed transactions, by block: `dir/private/<first block>.pvt`, and `late.pvt` for data that
//! arrived after its block.
//!
//! A block's private data is appended and synced before the block is, so the block commits both. Data of a block that was
//! never written is dropped at open. Expired and purged values are removed by writing a file anew without them.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fabric_protos::rwset::TxPvtReadWriteSet;
use prost::Message as _;

use crate::LedgerError;
use crate::files::FileLayer;
use crate::log::{Appender, Frame, Segment, Tail};

/// A file is closed once it is this long.
const SEGMENT_BYTES: u64 = 4 << 20;

/// One frame: private data of a block.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PrivateBlock {
    #[prost(uint64, tag = "1")]
    pub(crate) block: u64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) txs: Vec<PrivateTx>,
}

/// The private data of one transaction.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PrivateTx {
    #[prost(uint64, tag = "1")]
    pub(crate) index: u64,
    #[prost(message, optional, tag = "2")]
    pub(crate) set: Option<TxPvtReadWriteSet>,
}

/// The private data files of a ledger.
#[derive(Debug)]
pub(crate) struct PrivateStore {
    files: Arc<dyn FileLayer>,
    dir: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// First blocks of the files.
    firsts: BTreeSet<u64>,
    /// The file that is appended to.
    last: Option<Appender>,
    /// Block and place of the frame appended last, since this was opened.
    newest: Option<(u64, u64)>,
    /// The file of late data, once something was appended to it.
    late_file: Option<Appender>,
    /// Bytes of late data.
    late_end: u64,
    /// Blocks that have data in the file of late data; `None` before that file was read.
    late: Option<BTreeSet<u64>>,
    /// The frames of the file read last.
    cached: Option<(FileName, Arc<Vec<PrivateBlock>>)>,
}

/// How far the files go: their number, the first block of the last one, its length, and the length of the late data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent([u64; 4]);

impl Extent {
    pub(crate) fn encode(self) -> Vec<u8> {
        self.0.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut numbers = [0; 4];
        let chunks = bytes.chunks_exact(8);
        if bytes.len() != 8 * numbers.len() {
            return None;
        }
        for (number, chunk) in numbers.iter_mut().zip(chunks) {
            *number = u64::from_be_bytes(chunk.try_into().ok()?);
        }
        Some(Self(numbers))
    }

    /// Whether something is gone that was there at `before`.
    pub(crate) fn lacks(self, before: Self) -> bool {
        let ([files, first, end, late], [had_files, had_first, had_end, had_late]) = (self.0, before.0);
        files < had_files || (first, end) < (had_first, had_end) || late < had_late
    }
}

/// A file by its first block, or the one of data that came after its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileName {
    From(u64),
    Late,
}

impl Inner {
    /// The files by block that may hold data of `blocks`.
    fn files_of(&self, blocks: &RangeInclusive<u64>) -> BTreeSet<FileName> {
        let before = self.firsts.range(..=blocks.start()).next_back();
        let within = self.firsts.range(blocks.clone());
        within.chain(before).map(|first| FileName::From(*first)).collect()
    }
}

impl PrivateStore {
    pub(crate) fn open(dir: &Path, files: Arc<dyn FileLayer>) -> Result<Self, LedgerError> {
        let dir = dir.join("private");
        files.create_dir(&dir).map_err(LedgerError::io("create", &dir))?;
        let mut inner = Inner {
            late: Some(BTreeSet::new()),
            ..Inner::default()
        };
        for name in files.list(&dir).map_err(LedgerError::io("list", &dir))? {
            if name.ends_with(UNFINISHED) {
                let path = dir.join(name);
                files.remove(&path).map_err(LedgerError::io("remove", &path))?;
            } else if name == LATE {
                inner.late = None;
            } else if let Some(first) = name.strip_suffix(SUFFIX).and_then(|stem| stem.parse().ok()) {
                inner.firsts.insert(first);
            }
        }
        Ok(Self {
            files,
            dir,
            inner: Mutex::new(inner),
        })
    }

    /// Drops frames of blocks that are not in a chain of `height` blocks, and what a crash left unfinished.
    pub(crate) fn recover(&self, height: u64) -> Result<(), LedgerError> {
        let mut inner = self.lock();
        if inner.late.is_none() {
            inner.late_end = self.segment(FileName::Late)?.scan(0, Tail::Cut, |_, _| Ok(()))?;
        }
        // Where the disk lost blocks, whole files are of blocks that will be others.
        let lost = inner.firsts.split_off(&height);
        for first in &lost {
            let path = self.path(FileName::From(*first));
            self.files
                .remove(&path)
                .map_err(LedgerError::io("remove", &path))?;
        }
        if !lost.is_empty() {
            (inner.last, inner.cached) = (None, None);
            self.sync_dir()?;
        }
        let Some(last) = inner.firsts.last().copied() else {
            return Ok(());
        };
        let segment = self.segment(FileName::From(last))?;
        let mut cut = None;
        segment.scan(0, Tail::Cut, |offset, payload| {
            if cut.is_none() && decode(&payload)?.block >= height {
                cut = Some(offset);
            }
            Ok(())
        })?;
        if let Some(offset) = cut {
            segment.truncate(offset)?;
            segment.sync()?;
        }
        inner.last = Some(Appender::new(segment)?);
        Ok(())
    }

    /// Appends and syncs the data of the next block. When the block could not be written after that, the next attempt
    /// replaces the data.
    pub(crate) fn append(&self, frame: &PrivateBlock) -> Result<(), LedgerError> {
        let mut inner = self.lock();
        inner.cached = None;
        self.take_back(&mut inner, frame.block)?;
        let full = inner.last.as_ref().is_none_or(|last| last.end() >= SEGMENT_BYTES);
        if full {
            inner.last = Some(Appender::new(self.segment(FileName::From(frame.block))?)?);
            inner.firsts.insert(frame.block);
        }
        let Some(last) = &mut inner.last else {
            return Ok(());
        };
        let first = last.end() == 0;
        let offset = last.append(&Frame::encode(frame))?;
        inner.newest = Some((frame.block, offset));
        if first { self.sync_dir() } else { Ok(()) }
    }

    /// Removes the data of a block that was not written.
    pub(crate) fn forget(&self, block: u64) -> Result<(), LedgerError> {
        let mut inner = self.lock();
        inner.cached = None;
        self.take_back(&mut inner, block)
    }

    /// Appends and syncs data of a block that was committed without it.
    pub(crate) fn append_late(&self, frame: &PrivateBlock) -> Result<(), LedgerError> {
        let mut inner = self.lock();
        self.late_blocks(&mut inner)?;
        inner.cached = None;
        if inner.late_file.is_none() {
            inner.late_file = Some(Appender::new(self.segment(FileName::Late)?)?);
        }
        let Some(late) = &mut inner.late_file else {
            return Ok(());
        };
        let first = late.end() == 0;
        let offset = late.append(&Frame::encode(frame))?;
        if first && let Err(error) = self.sync_dir() {
            late.take_back(offset)?;
            return Err(error);
        }
        inner.late_end = offset + Frame::encode(frame).len();
        self.late_blocks(&mut inner)?.insert(frame.block);
        Ok(())
    }

    /// How far the files go.
    pub(crate) fn extent(&self) -> Extent {
        let inner = self.lock();
        Extent([
            inner.firsts.len() as u64,
            inner.firsts.last().copied().unwrap_or(0),
            inner.last.as_ref().map_or(0, Appender::end),
            inner.late_end,
        ])
    }

    /// The private data of a block, as stored.
    pub(crate) fn block(&self, block: u64) -> Result<Vec<PrivateTx>, LedgerError> {
        let mut inner = self.lock();
        let mut names: BTreeSet<FileName> = inner
            .firsts
            .range(..=block)
            .next_back()
            .map(|first| FileName::From(*first))
            .into_iter()
            .collect();
        if self.late_blocks(&mut inner)?.contains(&block) {
            names.insert(FileName::Late);
        }
        let mut txs = Vec::new();
        for name in names {
            let frames = self.frames(&mut inner, name)?;
            txs.extend(
                frames
                    .iter()
                    .filter(|frame| frame.block == block)
                    .flat_map(|frame| frame.txs.clone()),
            );
        }
        Ok(txs)
    }

    /// The files that may hold data of `blocks`.
    pub(crate) fn files_of(&self, blocks: RangeInclusive<u64>) -> Result<BTreeSet<FileName>, LedgerError> {
        let mut inner = self.lock();
        let mut names = inner.files_of(&blocks);
        if self.late_blocks(&mut inner)?.range(blocks).next().is_some() {
            names.insert(FileName::Late);
        }
        Ok(names)
    }

    /// Those of them that nothing is appended to any more.
    pub(crate) fn closed_files(&self, blocks: RangeInclusive<u64>) -> BTreeSet<FileName> {
        let inner = self.lock();
        let mut names = inner.files_of(&blocks);
        if let Some(last) = inner.firsts.last() {
            names.remove(&FileName::From(*last));
        }
        names
    }

    /// Writes a file anew when `change` says that it changed a frame. Nothing must be appended to it meanwhile; it can be
    /// read.
    pub(crate) fn rewrite(
        &self,
        name: FileName,
        mut change: impl FnMut(&mut PrivateBlock) -> Result<bool, LedgerError>,
    ) -> Result<(), LedgerError> {
        let mut frames = self.read(name)?;
        let mut changed = false;
        for frame in &mut frames {
            changed |= change(frame)?;
        }
        if changed {
            frames.retain(|frame| !frame.txs.is_empty());
            self.replace(name, &frames)?;
        }
        Ok(())
    }

    fn replace(&self, name: FileName, frames: &[PrivateBlock]) -> Result<(), LedgerError> {
        let path = self.path(name);
        let unfinished = path.with_extension("pvt-new");
        let new = Segment::open(&*self.files, unfinished.clone())?;
        new.truncate(0)?;
        for frame in frames {
            new.append(&Frame::encode(frame))?;
        }
        new.sync()?;
        let mut inner = self.lock();
        inner.cached = None;
        self.files
            .rename(&unfinished, &path)
            .map_err(LedgerError::io("replace", &path))?;
        self.sync_dir()?;
        if name == FileName::Late {
            inner.late_file = None;
            inner.late_end = frames.iter().map(|frame| Frame::encode(frame).len()).sum();
        } else if inner.firsts.last().map(|first| FileName::From(*first)) == Some(name) {
            inner.newest = None;
            inner.last = Some(Appender::new(self.segment(name)?)?);
        }
        Ok(())
    }

    fn take_back(&self, inner: &mut Inner, block: u64) -> Result<(), LedgerError> {
        if let (Some((newest, offset)), Some(last)) = (inner.newest, &mut inner.last)
            && newest == block
        {
            last.take_back(offset)?;
            inner.newest = None;
        }
        Ok(())
    }

    /// Blocks with late data; the first call after opening reads its file.
    fn late_blocks<'i>(&self, inner: &'i mut Inner) -> Result<&'i mut BTreeSet<u64>, LedgerError> {
        if inner.late.is_none() {
            let frames = self.frames(inner, FileName::Late)?;
            inner.late = Some(frames.iter().map(|frame| frame.block).collect());
        }
        Ok(inner.late.get_or_insert_default())
    }

    fn frames(&self, inner: &mut Inner, name: FileName) -> Result<Arc<Vec<PrivateBlock>>, LedgerError> {
        if let Some((cached, frames)) = &inner.cached
            && *cached == name
        {
            return Ok(frames.clone());
        }
        let frames = Arc::new(self.read(name)?);
        inner.cached = Some((name, frames.clone()));
        Ok(frames)
    }

    fn read(&self, name: FileName) -> Result<Vec<PrivateBlock>, LedgerError> {
        let mut frames = Vec::new();
        self.segment(name)?.scan(0, Tail::Refuse, |_, payload| {
            frames.push(decode(&payload)?);
            Ok(())
        })?;
        Ok(frames)
    }

    fn segment(&self, name: FileName) -> Result<Segment, LedgerError> {
        Segment::open(&*self.files, self.path(name))
    }

    fn path(&self, name: FileName) -> PathBuf {
        match name {
            FileName::From(first) => self.dir.join(format!("{first:020}{SUFFIX}")),
            FileName::Late => self.dir.join(LATE),
        }
    }

    fn sync_dir(&self) -> Result<(), LedgerError> {
        self.files
            .sync_dir(&self.dir)
            .map_err(LedgerError::io("sync", &self.dir))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const SUFFIX: &str = ".pvt";
const LATE: &str = "late.pvt";
const UNFINISHED: &str = ".pvt-new";

fn decode(payload: &[u8]) -> Result<PrivateBlock, LedgerError> {
    PrivateBlock::decode(payload).map_err(LedgerError::decode("a private data record"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::OsFiles;

    fn frame(block: u64, index: u64) -> PrivateBlock {
        PrivateBlock {
            block,
            txs: vec![PrivateTx {
                index,
                set: Some(TxPvtReadWriteSet::default()),
            }],
        }
    }

    fn indexes(store: &PrivateStore, block: u64) -> Vec<u64> {
        store
            .block(block)
            .expect("reads")
            .iter()
            .map(|tx| tx.index)
            .collect()
    }

    #[test]
    fn late_data_joins_its_block_and_unwritten_blocks_are_dropped() {
        let temp = tempfile::tempdir().expect("temp dir");
        let open = || PrivateStore::open(temp.path(), Arc::new(OsFiles)).expect("opens");
        let store = open();
        store.recover(0).expect("empty");
        for block in [2, 4] {
            store.append(&frame(block, 0)).expect("appends");
        }
        store.append_late(&frame(2, 7)).expect("appends late");
        store.append(&frame(5, 0)).expect("appends");
        assert_eq!(
            (indexes(&store, 2), indexes(&store, 3), indexes(&store, 5)),
            (vec![0, 7], vec![], vec![0])
        );
        let store = open();
        store.recover(5).expect("recovers");
        assert_eq!((indexes(&store, 2), indexes(&store, 5)), (vec![0, 7], vec![]));
        store.append(&frame(5, 1)).expect("appends again");
        assert_eq!(indexes(&store, 5), [1]);
    }

    #[test]
    fn files_of_blocks_that_are_gone_are_removed() {
        let temp = tempfile::tempdir().expect("temp dir");
        let open = || PrivateStore::open(temp.path(), Arc::new(OsFiles)).expect("opens");
        let store = open();
        store.append(&frame(3, 0)).expect("appends");
        let store = open();
        store.recover(1).expect("recovers");
        for block in [1, 3] {
            store.append(&frame(block, 5)).expect("appends");
        }
        assert_eq!((indexes(&store, 1), indexes(&store, 3)), (vec![5], vec![5]));
        let store = open();
        store.recover(4).expect("recovers");
        assert_eq!((indexes(&store, 1), indexes(&store, 3)), (vec![5], vec![5]));
    }

    #[test]
    fn rewriting_removes_what_is_asked_and_nothing_else() {
        let temp = tempfile::tempdir().expect("temp dir");
        let store = PrivateStore::open(temp.path(), Arc::new(OsFiles)).expect("opens");
        for block in 1..6 {
            store.append(&frame(block, 0)).expect("appends");
        }
        store.append_late(&frame(3, 7)).expect("appends late");
        let (first, late) = (FileName::From(1), FileName::Late);
        assert_eq!(store.files_of(2..=3).expect("reads"), [first, late].into());
        assert_eq!(store.files_of(4..=9).expect("reads"), [first].into());
        assert_eq!(store.closed_files(0..=9), [].into(), "it is appended to");
        for name in [first, late] {
            let rewritten = store.rewrite(name, |frame| {
                let doomed = frame.block == 3;
                if doomed {
                    frame.txs.clear();
                }
                Ok(doomed)
            });
            rewritten.expect("rewrites");
        }
        assert_eq!(
            (indexes(&store, 2), indexes(&store, 3), indexes(&store, 5)),
            (vec![0], vec![], vec![0])
        );
        store.append(&frame(6, 0)).expect("appends behind");
        assert_eq!(indexes(&store, 6), [0]);
    }
}
