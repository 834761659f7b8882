//! A ledger's block files, read in order without its database: what an auditor needs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fabric_protos::common::Block;
use prost::Message;

use super::store::segment_name;
use crate::LedgerError;
use crate::files::{FileLayer, OsFiles};
use crate::log::{FRAME_HEADER, Segment};

/// The blocks of a ledger directory in the order of its files, one in memory at a time. Nothing is written, and no index is believed.
///
/// A damaged frame, also an unfinished one at the end, ends the iteration with [`LedgerError::Corrupt`].
#[derive(Debug)]
pub struct BlockFiles {
    dir: PathBuf,
    files: u32,
    segment: Option<Segment>,
    next_file: u32,
    offset: u64,
}

impl BlockFiles {
    /// The blocks of the ledger in `dir` (the directory that holds `blocks`).
    ///
    /// # Errors
    /// [`LedgerError::Io`] when there are none.
    pub fn open(dir: &Path) -> Result<Self, LedgerError> {
        let dir = dir.join("blocks");
        // Listed first: opening a missing file would create it.
        let files = OsFiles.list(&dir).map_err(LedgerError::io("list", &dir))?.len() as u32;
        Ok(Self {
            dir,
            files,
            segment: None,
            next_file: 0,
            offset: 0,
        })
    }

    fn read(&mut self) -> Result<Option<Arc<Block>>, LedgerError> {
        loop {
            if let Some(segment) = &self.segment
                && self.offset < segment.len()?
            {
                let payload = segment.read(self.offset)?;
                let block = Block::decode(payload.as_slice())
                    .map_err(|error| segment.corrupt(self.offset, format!("no block: {error}")))?;
                self.offset += (FRAME_HEADER + payload.len()) as u64;
                return Ok(Some(Arc::new(block)));
            }
            if self.next_file == self.files {
                return Ok(None);
            }
            let path = self.dir.join(segment_name(self.next_file));
            if !path.is_file() {
                return Err(LedgerError::Corrupt {
                    path,
                    offset: 0,
                    what: "the file is missing".into(),
                });
            }
            self.segment = Some(Segment::open(&OsFiles, path)?);
            self.next_file += 1;
            self.offset = 0;
        }
    }
}

impl Iterator for BlockFiles {
    type Item = Result<Arc<Block>, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.read().transpose();
        if matches!(item, Some(Err(_))) {
            // What follows a damaged frame has no known start.
            (self.segment, self.next_file) = (None, self.files);
        }
        item
    }
}
