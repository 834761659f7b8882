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
use crate::log::{Frame, Segment, Tail};

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
    last: Option<Segment>,
    /// Blocks that have data in the file of late data; `None` before that file was read.
    late: Option<BTreeSet<u64>>,
    /// The frames of the file read last.
    cached: Option<(FileName, Arc<Vec<PrivateBlock>>)>,
}

/// A file by its first block, or the one of data that came after its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum FileName {
    From(u64),
    Late,
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
            self.segment(FileName::Late)?.scan(0, Tail::Cut, |_, _| Ok(()))?;
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
        inner.last = Some(segment);
        Ok(())
    }

    /// Appends and syncs the data of the next block.
    pub(crate) fn append(&self, frame: &PrivateBlock) -> Result<(), LedgerError> {
        let mut inner = self.lock();
        let full = match &inner.last {
            Some(segment) => segment.len()? >= SEGMENT_BYTES,
            None => true,
        };
        if full {
            inner.last = Some(self.segment(FileName::From(frame.block))?);
            inner.firsts.insert(frame.block);
        }
        inner.cached = None;
        let Some(segment) = &inner.last else { return Ok(()) };
        segment.append(&Frame::encode(frame))?;
        segment.sync()?;
        if full { self.sync_dir() } else { Ok(()) }
    }

    /// Appends and syncs data of a block that was committed without it.
    pub(crate) fn append_late(&self, frame: &PrivateBlock) -> Result<(), LedgerError> {
        let mut inner = self.lock();
        self.late_blocks(&mut inner)?.insert(frame.block);
        inner.cached = None;
        let segment = self.segment(FileName::Late)?;
        segment.append(&Frame::encode(frame))?;
        segment.sync()?;
        self.sync_dir()
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

    /// Writes the files that may hold data of `blocks` anew, where `change` says that it changed a frame.
    pub(crate) fn rewrite(
        &self,
        blocks: RangeInclusive<u64>,
        mut change: impl FnMut(&mut PrivateBlock) -> Result<bool, LedgerError>,
    ) -> Result<(), LedgerError> {
        let mut inner = self.lock();
        let mut names: BTreeSet<FileName> = inner
            .firsts
            .range(blocks.clone())
            .map(|first| FileName::From(*first))
            .collect();
        names.extend(
            inner
                .firsts
                .range(..=blocks.start())
                .next_back()
                .map(|first| FileName::From(*first)),
        );
        if self.late_blocks(&mut inner)?.range(blocks).next().is_some() {
            names.insert(FileName::Late);
        }
        for name in names {
            let mut frames = (*self.frames(&mut inner, name)?).clone();
            let mut changed = false;
            for frame in &mut frames {
                changed |= change(frame)?;
            }
            if changed {
                frames.retain(|frame| !frame.txs.is_empty());
                self.replace(&mut inner, name, &frames)?;
            }
        }
        Ok(())
    }

    fn replace(&self, inner: &mut Inner, name: FileName, frames: &[PrivateBlock]) -> Result<(), LedgerError> {
        inner.cached = None;
        let path = self.path(name);
        let unfinished = path.with_extension("pvt-new");
        let new = Segment::open(&*self.files, unfinished.clone())?;
        new.truncate(0)?;
        for frame in frames {
            new.append(&Frame::encode(frame))?;
        }
        new.sync()?;
        self.files
            .rename(&unfinished, &path)
            .map_err(LedgerError::io("replace", &path))?;
        self.sync_dir()?;
        if inner.firsts.last().map(|first| FileName::From(*first)) == Some(name) {
            inner.last = Some(self.segment(name)?);
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
        let mut frames = Vec::new();
        self.segment(name)?.scan(0, Tail::Refuse, |_, payload| {
            frames.push(decode(&payload)?);
            Ok(())
        })?;
        let frames = Arc::new(frames);
        inner.cached = Some((name, frames.clone()));
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
    fn rewriting_removes_what_is_asked_and_nothing_else() {
        let temp = tempfile::tempdir().expect("temp dir");
        let store = PrivateStore::open(temp.path(), Arc::new(OsFiles)).expect("opens");
        for block in 1..6 {
            store.append(&frame(block, 0)).expect("appends");
        }
        store.append_late(&frame(3, 7)).expect("appends late");
        store
            .rewrite(2..=3, |frame| {
                let doomed = frame.block == 3;
                if doomed {
                    frame.txs.clear();
                }
                Ok(doomed)
            })
            .expect("rewrites");
        assert_eq!(
            (indexes(&store, 2), indexes(&store, 3), indexes(&store, 5)),
            (vec![0], vec![], vec![0])
        );
        store.append(&frame(6, 0)).expect("appends behind");
        assert_eq!(indexes(&store, 6), [0]);
    }
}
