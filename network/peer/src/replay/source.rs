//! Where copies of a chain come from: ledger directories, files, and what others stream.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fabric_ledger::{BlockFiles, LedgerError};
use fabric_protos::common::Block;
use prost::Message;

/// What an exported file begins with. Frames follow, as in a ledger's block files: length, CRC-32 of the content
/// and CRC-32 of these two (each 4 bytes, little-endian), then the content, an encoded block.
pub const EXPORT_HEADER: &[u8] = b"careledger blocks 1\n";

/// Most bytes that a block may have in a file.
const MAX_BLOCK: u64 = 256 << 20;

/// Who keeps a copy of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A peer: its blocks have validation codes and commit hashes.
    Peer,
    /// An ordering node: its blocks have neither.
    Orderer,
}

/// A copy of a chain, read block by block from block 0 on.
pub trait Source: Send {
    /// What to call it in reports.
    fn name(&self) -> &str;

    /// Whose copy it is.
    fn role(&self) -> Role;

    /// The next block; `None` at the end. Not called again after that or after an error.
    ///
    /// # Errors
    /// [`ReadError`] when there is no further block to be had.
    fn read(&mut self) -> Result<Option<RawBlock>, ReadError>;
}

/// A block as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawBlock {
    /// The encoded block.
    pub bytes: Vec<u8>,
    /// File and offset of its first byte; `None` where it came over the network.
    pub site: Option<(PathBuf, u64)>,
}

/// A copy cannot be read further.
#[derive(Debug)]
pub enum ReadError {
    /// A file is damaged.
    Damaged {
        /// What is wrong, with file and offset.
        what: String,
        /// The file.
        file: PathBuf,
        /// Where the damage was noticed.
        offset: u64,
        /// Whether the byte there is wrong for certain.
        exact: bool,
        /// Where the damaged frame begins; `None` in a file without frames.
        frame: Option<u64>,
    },
    /// Reading failed.
    Failed(String),
}

/// A peer's or an orderer's ledger directory. Nothing is written, locked or believed but the block files.
#[derive(Debug)]
pub struct LedgerDir {
    name: String,
    role: Role,
    frames: Frames,
}

/// A file with blocks: an export ([`EXPORT_HEADER`]), or plain encoded blocks one after the other, as
/// `peer channel fetch` writes one.
#[derive(Debug)]
pub struct BlockFile {
    name: String,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Frames(Frames),
    Plain(Plain),
    /// It begins nearly like an export.
    Header {
        path: PathBuf,
        offset: u64,
    },
}

/// Blocks that are at hand.
#[derive(Debug)]
pub struct Blocks<I> {
    name: String,
    role: Role,
    blocks: I,
}

impl LedgerDir {
    /// The ledger in `dir`, the directory that holds `blocks`.
    ///
    /// # Errors
    /// [`LedgerError::Io`] when there is none, or it may not be read.
    pub fn open(name: impl Into<String>, role: Role, dir: &Path) -> Result<Self, LedgerError> {
        let first = dir.join("blocks").join("00000000.blk");
        Ok(Self {
            name: name.into(),
            role,
            frames: Frames {
                files: BlockFiles::open(dir)?,
                end: (first, 0),
            },
        })
    }
}

impl BlockFile {
    /// Opens a file with blocks.
    ///
    /// # Errors
    /// [`LedgerError::Io`] when it cannot be read.
    pub fn open(name: impl Into<String>, path: &Path) -> Result<Self, LedgerError> {
        let failed = |source| LedgerError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        };
        let mut head = Vec::new();
        File::open(path)
            .and_then(|file| file.take(EXPORT_HEADER.len() as u64).read_to_end(&mut head))
            .map_err(failed)?;
        let content = if head == EXPORT_HEADER {
            let start = EXPORT_HEADER.len() as u64;
            Content::Frames(Frames {
                files: BlockFiles::open_file(path, start)?,
                end: (path.to_owned(), start),
            })
        } else if let Some(offset) = damaged_header(&head) {
            Content::Header {
                path: path.to_owned(),
                offset,
            }
        } else {
            Content::Plain(Plain::open(path).map_err(failed)?)
        };
        Ok(Self {
            name: name.into(),
            content,
        })
    }
}

impl<I> Blocks<I> {
    /// A copy from any blocks.
    pub fn new(name: impl Into<String>, role: Role, blocks: I) -> Self {
        Self {
            name: name.into(),
            role,
            blocks,
        }
    }
}

impl Source for LedgerDir {
    fn name(&self) -> &str {
        &self.name
    }

    fn role(&self) -> Role {
        self.role
    }

    fn read(&mut self) -> Result<Option<RawBlock>, ReadError> {
        self.frames.read()
    }
}

impl Source for BlockFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn role(&self) -> Role {
        Role::Peer
    }

    fn read(&mut self) -> Result<Option<RawBlock>, ReadError> {
        match &mut self.content {
            Content::Frames(frames) => frames.read(),
            Content::Plain(plain) => plain.read(),
            Content::Header { path, offset } => Err(ReadError::Damaged {
                what: "the file's header is damaged".to_owned(),
                file: path.clone(),
                offset: *offset,
                exact: true,
                frame: None,
            }),
        }
    }
}

impl<I: Iterator<Item = Result<Arc<Block>, String>> + Send> Source for Blocks<I> {
    fn name(&self) -> &str {
        &self.name
    }

    fn role(&self) -> Role {
        self.role
    }

    fn read(&mut self) -> Result<Option<RawBlock>, ReadError> {
        let block = self.blocks.next().transpose().map_err(ReadError::Failed)?;
        Ok(block.map(|block| RawBlock {
            bytes: block.encode_to_vec(),
            site: None,
        }))
    }
}

/// Checked frames of one or several files.
#[derive(Debug)]
struct Frames {
    files: BlockFiles,
    /// File and offset behind the last block that was read.
    end: (PathBuf, u64),
}

impl Frames {
    fn read(&mut self) -> Result<Option<RawBlock>, ReadError> {
        match self.files.next_stored() {
            Ok(None) => Ok(None),
            Ok(Some(stored)) => {
                self.end = (stored.file.clone(), stored.offset + stored.bytes.len() as u64);
                Ok(Some(RawBlock {
                    bytes: stored.bytes,
                    site: Some((stored.file, stored.offset)),
                }))
            }
            Err(LedgerError::Corrupt { path, offset, what }) => {
                let frame = if path == self.end.0 { self.end.1 } else { 0 };
                Err(ReadError::Damaged {
                    file: path,
                    offset,
                    // A checksum tells a single wrong byte apart, and the text then names the frame too; else its
                    // start is given.
                    exact: offset != frame || what.ends_with(&format!("in the frame at offset {frame}")),
                    what: format!("the file is damaged: {what}"),
                    frame: Some(frame),
                })
            }
            Err(error) => Err(ReadError::Failed(error.to_string())),
        }
    }
}

/// Encoded blocks one after the other. Protobuf does not say where a message ends, but every block begins with its
/// header, field 1, and has only one.
#[derive(Debug)]
struct Plain {
    path: PathBuf,
    file: BufReader<File>,
    offset: u64,
    length: u64,
}

/// Tags of a block's fields: header, data, metadata.
const FIELDS: [u8; 3] = [0x0a, 0x12, 0x1a];

impl Plain {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            file: BufReader::new(file),
            offset: 0,
            length,
        })
    }

    fn read(&mut self) -> Result<Option<RawBlock>, ReadError> {
        let start = self.offset;
        let mut bytes = Vec::new();
        while let Some(tag) = self.peek()? {
            if tag == FIELDS[0] && !bytes.is_empty() {
                break;
            }
            if !FIELDS.contains(&tag) || (bytes.is_empty() && tag != FIELDS[0]) {
                return Err(self.damaged("here should be a field of a block"));
            }
            self.take(1, &mut bytes)?;
            let length = self.varint(&mut bytes)?;
            if length > MAX_BLOCK || length > self.length - self.offset {
                return Err(self.damaged("the file is cut short, or a length before this is wrong"));
            }
            self.take(length, &mut bytes)?;
        }
        let site = Some((self.path.clone(), start));
        Ok((!bytes.is_empty()).then_some(RawBlock { bytes, site }))
    }

    fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        match self.file.fill_buf() {
            Ok(buffered) => Ok(buffered.first().copied()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn varint(&mut self, bytes: &mut Vec<u8>) -> Result<u64, ReadError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            self.take(1, bytes)?;
            let byte = bytes.last().copied().unwrap_or_default();
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.damaged("the number before this is too long"))
    }

    fn take(&mut self, count: u64, bytes: &mut Vec<u8>) -> Result<(), ReadError> {
        let read = (&mut self.file).take(count).read_to_end(bytes);
        let read = read.map_err(|error| self.failed(&error))? as u64;
        self.offset += read;
        if read < count {
            return Err(self.damaged("the file is cut short"));
        }
        Ok(())
    }

    fn damaged(&self, what: &str) -> ReadError {
        ReadError::Damaged {
            what: format!("these are no blocks: {what}"),
            file: self.path.clone(),
            offset: self.offset,
            exact: false,
            frame: None,
        }
    }

    fn failed(&self, error: &io::Error) -> ReadError {
        ReadError::Failed(format!("{}: {error}", self.path.display()))
    }
}

/// The first wrong byte of a header that is nearly right: more than half of it.
fn damaged_header(head: &[u8]) -> Option<u64> {
    let same = head.iter().zip(EXPORT_HEADER).filter(|(a, b)| a == b).count();
    let first = head.iter().zip(EXPORT_HEADER).position(|(a, b)| a != b);
    (same > EXPORT_HEADER.len() / 2).then(|| first.unwrap_or(head.len()) as u64)
}

#[cfg(test)]
mod tests {
    use fabric_protos::common::{BlockData, BlockHeader, BlockMetadata};

    use super::*;

    fn block(number: u64) -> Block {
        Block {
            header: Some(BlockHeader {
                number,
                previous_hash: vec![1; 32],
                data_hash: vec![2; 32],
            }),
            data: Some(BlockData {
                data: vec![vec![3; 200], Vec::new()],
            }),
            metadata: Some(BlockMetadata {
                metadata: vec![vec![4; 9], Vec::new()],
            }),
        }
    }

    fn plain(bytes: &[u8]) -> (tempfile::TempDir, BlockFile) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("blocks");
        std::fs::write(&path, bytes).expect("written");
        let file = BlockFile::open("file", &path).expect("opens");
        (dir, file)
    }

    #[test]
    fn blocks_one_after_the_other_are_told_apart() {
        let bytes: Vec<u8> = (0..4).flat_map(|number| block(number).encode_to_vec()).collect();
        let (_dir, mut file) = plain(&bytes);
        let mut at = 0;
        for number in 0..4 {
            let raw = file.read().expect("reads").expect("a block");
            assert_eq!(raw.bytes, block(number).encode_to_vec());
            assert_eq!(raw.site.expect("in a file").1, at);
            at += raw.bytes.len() as u64;
        }
        assert!(file.read().expect("reads").is_none());
    }

    #[test]
    fn a_cut_file_and_other_files_are_refused_where_they_end() {
        let bytes = block(7).encode_to_vec();
        // After the header, and after header and data, a prefix is a block in itself; its checks come later.
        for length in [1, 5, 40, 100, bytes.len() - 1] {
            let (_dir, mut file) = plain(&bytes[..length]);
            let damaged = file.read().expect_err("is refused");
            let ReadError::Damaged { offset, frame, .. } = damaged else {
                panic!("{damaged:?}")
            };
            assert!(frame.is_none() && offset <= length as u64);
        }
        let (_dir, mut text) = plain(b"no blocks at all");
        assert!(matches!(text.read(), Err(ReadError::Damaged { offset: 0, .. })));
    }

    #[test]
    fn a_damaged_header_of_an_export_is_one() {
        let mut head = EXPORT_HEADER.to_vec();
        head[11] ^= 4;
        let (_dir, mut file) = plain(&head);
        assert!(matches!(file.read(), Err(ReadError::Damaged { offset: 11, .. })));
        assert_eq!(damaged_header(&EXPORT_HEADER[..15]), Some(15));
        assert_eq!(damaged_header(&[0x0a; 20]), None);
    }
}
