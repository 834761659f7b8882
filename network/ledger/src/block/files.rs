//! A ledger's block files, read in order without its database and without permission to write: what an auditor needs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fabric_protos::common::Block;
use prost::Message;

use super::store::segment_name;
use crate::LedgerError;
use crate::files::{FileLayer, OsFiles};
use crate::log::{FRAME_HEADER, Frame, Segment, Unreadable};

/// The blocks of a ledger directory in the order of its files, one in memory at a time. Nothing is written or locked, and
/// no index is believed: a ledger that is in use, or that belongs to somebody else, can be read.
///
/// A damaged frame, also an unfinished one at the end, ends the iteration with [`LedgerError::Corrupt`], which names the
/// file and the offset; [`until_unfinished_end`](Self::until_unfinished_end) lets the latter pass.
#[derive(Debug)]
pub struct BlockFiles {
    dir: PathBuf,
    files: u32,
    segment: Option<Segment>,
    next_file: u32,
    offset: u64,
    tolerant: bool,
    unfinished: Option<(PathBuf, u64)>,
}

/// A block as it is on disk, and where.
#[derive(Clone, Debug)]
pub struct StoredBlock {
    /// The block.
    pub block: Arc<Block>,
    /// The encoded block, byte for byte as in the file.
    pub bytes: Vec<u8>,
    /// The block file.
    pub file: PathBuf,
    /// Where `bytes` begin in the file; the frame's header of 12 bytes is before them.
    pub offset: u64,
}

/// An encoded block as a frame of a block file.
///
/// # Panics
/// For a block of 4 GiB and more, which no message can carry.
pub fn framed(block: &[u8]) -> Vec<u8> {
    Frame::of(block).into_bytes()
}

impl BlockFiles {
    /// The blocks of the ledger in `dir` (the directory that holds `blocks`), a peer's or an orderer's.
    ///
    /// # Errors
    /// [`LedgerError::Io`] when there are none, or they may not be read.
    pub fn open(dir: &Path) -> Result<Self, LedgerError> {
        let dir = dir.join("blocks");
        let files = OsFiles.list(&dir).map_err(LedgerError::io("list", &dir))?.len() as u32;
        Ok(Self {
            dir,
            files,
            segment: None,
            next_file: 0,
            offset: 0,
            tolerant: false,
            unfinished: None,
        })
    }

    /// The blocks of one file, whose frames begin at `offset`.
    ///
    /// # Errors
    /// [`LedgerError::Io`] when it may not be read.
    pub fn open_file(path: &Path, offset: u64) -> Result<Self, LedgerError> {
        Ok(Self {
            dir: path.to_owned(),
            files: 0,
            segment: Some(Segment::open_read(&OsFiles, path.to_owned())?),
            next_file: 0,
            offset,
            tolerant: false,
            unfinished: None,
        })
    }

    /// Ends the iteration without an error at an unfinished frame at the end of the last file: a write that a running
    /// peer has under way, or that a crash interrupted. Damage elsewhere stays an error.
    #[must_use]
    pub fn until_unfinished_end(mut self) -> Self {
        self.tolerant = true;
        self
    }

    /// File and offset of the unfinished frame at which the iteration ended, if it did.
    pub fn unfinished_end(&self) -> Option<(&Path, u64)> {
        self.unfinished
            .as_ref()
            .map(|(file, offset)| (file.as_path(), *offset))
    }

    /// The next block with its bytes and its place; `None` after the last one, and after an error.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] with file and offset of the damage; [`LedgerError::Io`] when a file can not be read.
    pub fn next_stored(&mut self) -> Result<Option<StoredBlock>, LedgerError> {
        let read = self.read();
        if read.is_err() {
            // What follows a damaged frame has no known start.
            self.end();
        }
        read
    }

    fn read(&mut self) -> Result<Option<StoredBlock>, LedgerError> {
        loop {
            if let Some(segment) = &self.segment {
                let length = segment.len()?;
                if self.offset < length {
                    let bytes = match segment.frame(self.offset, length) {
                        Ok(bytes) => bytes,
                        Err(Unreadable::Damaged(_))
                            if self.tolerant
                                && self.next_file == self.files
                                && !segment.good_frame_after(self.offset, length)? =>
                        {
                            self.unfinished = Some((segment.path().to_owned(), self.offset));
                            self.end();
                            return Ok(None);
                        }
                        Err(unreadable) => return Err(segment.refused(self.offset, unreadable)),
                    };
                    let offset = self.offset + FRAME_HEADER as u64;
                    let block = Block::decode(bytes.as_slice())
                        .map_err(|error| segment.corrupt(offset, format!("no block: {error}")))?;
                    self.offset = offset + bytes.len() as u64;
                    return Ok(Some(StoredBlock {
                        block: Arc::new(block),
                        bytes,
                        file: segment.path().to_owned(),
                        offset,
                    }));
                }
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
            self.segment = Some(Segment::open_read(&OsFiles, path)?);
            self.next_file += 1;
            self.offset = 0;
        }
    }

    fn end(&mut self) {
        (self.segment, self.next_file) = (None, self.files);
    }
}

impl Iterator for BlockFiles {
    type Item = Result<Arc<Block>, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let stored = self.next_stored().transpose()?;
        Some(stored.map(|stored| stored.block))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::LedgerOptions;
    use crate::testing::*;

    /// A ledger of four blocks, closed.
    fn ledger(dir: &Path) {
        let ledger = new_ledger(dir, LedgerOptions::default());
        fill(&ledger, 3);
    }

    #[test]
    fn blocks_come_with_their_place_from_files_that_may_not_be_written() {
        let temp = tempfile::tempdir().expect("temp dir");
        ledger(temp.path());
        let file = temp.path().join("blocks/00000000.blk");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).expect("made read-only");
        let content = fs::read(&file).expect("reads");
        let mut files = BlockFiles::open(temp.path()).expect("opens");
        let mut end = 0;
        for number in 0..4 {
            let stored = files.next_stored().expect("reads").expect("a block");
            assert_eq!(stored.block.header.as_ref().expect("header").number, number);
            assert_eq!((&stored.file, stored.offset), (&file, end + FRAME_HEADER as u64));
            end = stored.offset + stored.bytes.len() as u64;
            assert_eq!(stored.bytes, content[stored.offset as usize..end as usize]);
        }
        assert!(files.next_stored().expect("reads").is_none());
        assert_eq!(files.unfinished_end(), None);
        assert_eq!(fs::read(&file).expect("reads"), content);
    }

    #[test]
    fn an_unfinished_end_passes_only_where_asked_and_damage_never() {
        let temp = tempfile::tempdir().expect("temp dir");
        ledger(temp.path());
        let file = temp.path().join("blocks/00000000.blk");
        let content = fs::read(&file).expect("reads");
        fs::write(&file, &content[..content.len() - 7]).expect("cuts");
        let strict: Vec<_> = BlockFiles::open(temp.path()).expect("opens").collect();
        assert!(matches!(
            strict.as_slice(),
            [Ok(_), Ok(_), Ok(_), Err(LedgerError::Corrupt { .. })]
        ));
        let mut tolerant = BlockFiles::open(temp.path())
            .expect("opens")
            .until_unfinished_end();
        assert_eq!(tolerant.by_ref().filter(Result::is_ok).count(), 3);
        assert!(tolerant.unfinished_end().is_some_and(|(path, _)| path == file));

        let mut damaged = content;
        damaged[40] ^= 1;
        fs::write(&file, &damaged).expect("damages");
        let found: Vec<_> = BlockFiles::open(temp.path())
            .expect("opens")
            .until_unfinished_end()
            .collect();
        assert!(
            matches!(found.as_slice(), [Err(LedgerError::Corrupt { path, offset: 40, .. })] if *path == file),
            "{found:?}"
        );
    }
}
