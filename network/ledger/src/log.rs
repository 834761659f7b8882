//! Framed append-only files: the form of block files and private data files on disk.
//!
//! ```text
//! frame = length (u32 LE) | crc32 of payload (u32 LE) | crc32 of these 8 bytes (u32 LE) | payload
//! ```
//!
//! A frame is durable once the file was synced. A crash may leave one unfinished frame at the end of the last file,
//! because every append is synced before the next one begins: [`Segment::scan`] cuts it. A damaged frame with a good
//! frame behind it can not come from a crash: it is refused.

use std::ops::Range;
use std::path::PathBuf;

use crate::LedgerError;
use crate::files::{FileLayer, LogFile};

/// Bytes before the payload of every frame.
pub(crate) const FRAME_HEADER: usize = 12;

/// A frame under construction: room for the header, then the payload.
#[derive(Debug)]
pub(crate) struct Frame(Vec<u8>);

impl Frame {
    /// Encodes `message` behind the room for the header.
    pub(crate) fn encode(message: &impl prost::Message) -> Self {
        let mut bytes = Vec::with_capacity(FRAME_HEADER + message.encoded_len());
        bytes.resize(FRAME_HEADER, 0);
        message.encode(&mut bytes).expect("a vector grows as needed");
        let length = u32::try_from(bytes.len() - FRAME_HEADER).expect("a block is far below 4 GiB");
        let crc = crc32fast::hash(&bytes[FRAME_HEADER..]);
        bytes[0..4].copy_from_slice(&length.to_le_bytes());
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        let header_crc = crc32fast::hash(&bytes[..8]);
        bytes[8..12].copy_from_slice(&header_crc.to_le_bytes());
        Self(bytes)
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.0[FRAME_HEADER..]
    }
}

/// What to do with an unfinished frame at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Cut it: this is the last file.
    Cut,
    /// Refuse it: another file follows.
    Refuse,
}

/// One open file of frames.
#[derive(Debug)]
pub(crate) struct Segment {
    path: PathBuf,
    file: Box<dyn LogFile>,
}

impl Segment {
    pub(crate) fn open(files: &dyn FileLayer, path: PathBuf) -> Result<Self, LedgerError> {
        let file = files.open(&path).map_err(LedgerError::io("open", &path))?;
        Ok(Self { path, file })
    }

    pub(crate) fn len(&self) -> Result<u64, LedgerError> {
        self.file
            .len()
            .map_err(LedgerError::io("read the length of", &self.path))
    }

    pub(crate) fn append(&self, frame: &Frame) -> Result<(), LedgerError> {
        self.file
            .append(&frame.0)
            .map_err(LedgerError::io("append to", &self.path))
    }

    pub(crate) fn sync(&self) -> Result<(), LedgerError> {
        self.file.sync().map_err(LedgerError::io("sync", &self.path))
    }

    pub(crate) fn truncate(&self, length: u64) -> Result<(), LedgerError> {
        self.file
            .truncate(length)
            .map_err(LedgerError::io("truncate", &self.path))
    }

    /// The checked payload of the frame at `offset`.
    pub(crate) fn read(&self, offset: u64) -> Result<Vec<u8>, LedgerError> {
        let length = self.len()?;
        self.frame(offset, length).map_err(|bad| match bad {
            Bad::Frame(what) => self.corrupt(offset, what),
            Bad::Io(error) => error,
        })
    }

    /// `range` of the payload of the frame at `offset`, compared with `crc`.
    pub(crate) fn read_part(&self, offset: u64, range: Range<u32>, crc: u32) -> Result<Vec<u8>, LedgerError> {
        let mut bytes = vec![0; range.len()];
        self.bytes(offset + FRAME_HEADER as u64 + u64::from(range.start), &mut bytes)?;
        if crc32fast::hash(&bytes) != crc {
            return Err(self.corrupt(offset, "the checksum of a transaction does not match"));
        }
        Ok(bytes)
    }

    /// Hands every frame from `from` on to `visit`, with its offset. Returns the length of the good part, which is the
    /// file's length afterwards.
    pub(crate) fn scan(
        &self,
        from: u64,
        tail: Tail,
        mut visit: impl FnMut(u64, Vec<u8>) -> Result<(), LedgerError>,
    ) -> Result<u64, LedgerError> {
        let length = self.len()?;
        let mut offset = from;
        while offset < length {
            match self.frame(offset, length) {
                Ok(payload) => {
                    let next = offset + (FRAME_HEADER + payload.len()) as u64;
                    visit(offset, payload)?;
                    offset = next;
                }
                Err(Bad::Io(error)) => return Err(error),
                Err(Bad::Frame(what)) => {
                    if tail == Tail::Refuse || self.good_frame_after(offset, length)? {
                        return Err(self.corrupt(offset, what));
                    }
                    tracing::warn!(
                        file = %self.path.display(), offset, dropped = length - offset,
                        "cutting an unfinished write from the end of the file"
                    );
                    self.truncate(offset)?;
                    self.sync()?;
                    return Ok(offset);
                }
            }
        }
        Ok(offset)
    }

    pub(crate) fn corrupt(&self, offset: u64, what: impl Into<String>) -> LedgerError {
        LedgerError::Corrupt {
            path: self.path.clone(),
            offset,
            what: what.into(),
        }
    }

    fn frame(&self, offset: u64, length: u64) -> Result<Vec<u8>, Bad> {
        let left = length.saturating_sub(offset);
        if left < FRAME_HEADER as u64 {
            return Err(Bad::Frame("the frame header is cut short"));
        }
        let mut header = [0; FRAME_HEADER];
        self.bytes(offset, &mut header).map_err(Bad::Io)?;
        let (size, crc) =
            parse_header(&header).ok_or(Bad::Frame("the checksum of the frame header does not match"))?;
        if left - (FRAME_HEADER as u64) < u64::from(size) {
            return Err(Bad::Frame("the frame is cut short"));
        }
        let mut payload = vec![0; size as usize];
        self.bytes(offset + FRAME_HEADER as u64, &mut payload)
            .map_err(Bad::Io)?;
        if crc32fast::hash(&payload) != crc {
            return Err(Bad::Frame("the checksum of the frame does not match"));
        }
        Ok(payload)
    }

    /// Whether any whole frame starts behind `offset`: then what is at `offset` was once whole too.
    fn good_frame_after(&self, offset: u64, length: u64) -> Result<bool, LedgerError> {
        let mut rest = vec![0; (length - offset) as usize];
        self.bytes(offset, &mut rest)?;
        Ok((1..rest.len()).any(|start| {
            let bytes = &rest[start..];
            bytes
                .first_chunk::<FRAME_HEADER>()
                .and_then(parse_header)
                .and_then(|(size, crc)| Some((bytes.get(FRAME_HEADER..FRAME_HEADER + size as usize)?, crc)))
                .is_some_and(|(payload, crc)| crc32fast::hash(payload) == crc)
        }))
    }

    fn bytes(&self, offset: u64, buffer: &mut [u8]) -> Result<(), LedgerError> {
        self.file
            .read_at(offset, buffer)
            .map_err(LedgerError::io("read", &self.path))
    }
}

enum Bad {
    Frame(&'static str),
    Io(LedgerError),
}

/// Payload length and checksum, when the header's own checksum matches. An empty frame is never written, so zeros that a
/// file system left behind are no frame.
fn parse_header(header: &[u8; FRAME_HEADER]) -> Option<(u32, u32)> {
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    (word(0) > 0 && crc32fast::hash(&header[..8]) == word(8)).then(|| (word(0), word(4)))
}

#[cfg(test)]
mod tests {
    use fabric_protos::common::Envelope;
    use prost::Message as _;

    use std::path::Path;

    use super::*;
    use crate::files::OsFiles;

    fn frame(fill: u8, length: usize) -> Frame {
        Frame::encode(&Envelope {
            payload: vec![fill; length],
            signature: Vec::new(),
        })
    }

    fn written(dir: &Path, frames: &[Frame]) -> Segment {
        let segment = Segment::open(&OsFiles, dir.join("log")).expect("opens");
        for frame in frames {
            segment.append(frame).expect("appends");
        }
        segment
    }

    fn scan(segment: &Segment, tail: Tail) -> Result<Vec<u8>, LedgerError> {
        let mut fills = Vec::new();
        segment.scan(0, tail, |_, payload| {
            fills.push(Envelope::decode(payload.as_slice()).expect("an envelope").payload[0]);
            Ok(())
        })?;
        Ok(fills)
    }

    #[test]
    fn a_tail_cut_at_any_byte_is_dropped() {
        let temp = tempfile::tempdir().expect("temp dir");
        let segment = written(temp.path(), &[frame(1, 40), frame(2, 70), frame(3, 30)]);
        let (first_two, whole) = (
            (FRAME_HEADER * 2 + 42 + 72) as u64,
            segment.len().expect("length"),
        );
        assert_eq!(scan(&segment, Tail::Cut).expect("whole"), [1, 2, 3]);
        for length in (first_two..whole).rev() {
            segment.truncate(length).expect("cut");
            assert_eq!(
                scan(&segment, Tail::Cut).expect("torn tail"),
                [1, 2],
                "cut to {length}"
            );
            assert_eq!(segment.len().expect("length"), first_two);
            segment.append(&frame(3, 30)).expect("appends");
        }
    }

    #[test]
    fn zeros_and_garbage_at_the_end_are_dropped() {
        for fill in [0u8, 0xa5] {
            let temp = tempfile::tempdir().expect("temp dir");
            let segment = written(temp.path(), &[frame(1, 40)]);
            let good = segment.len().expect("length");
            OsFiles
                .open(&segment.path)
                .expect("opens")
                .append(&[fill; 500])
                .expect("appends");
            assert_eq!(scan(&segment, Tail::Cut).expect("torn tail"), [1]);
            assert_eq!(segment.len().expect("length"), good);
        }
    }

    #[test]
    fn damage_before_a_good_frame_is_refused_with_file_and_offset() {
        let second = (FRAME_HEADER + 42) as u64;
        for flip in [second, second + 5, second + 11, second + FRAME_HEADER as u64 + 20] {
            let temp = tempfile::tempdir().expect("temp dir");
            let segment = written(temp.path(), &[frame(1, 40), frame(2, 70), frame(3, 30)]);
            let mut bytes = std::fs::read(&segment.path).expect("reads");
            bytes[flip as usize] ^= 0x10;
            std::fs::write(&segment.path, bytes).expect("writes");
            let error = scan(&segment, Tail::Cut).expect_err("refused").to_string();
            assert!(error.contains("log is corrupt at offset 54"), "{error}");
            assert!(segment.read(second).is_err());
            assert!(segment.read(0).is_ok());
        }
    }

    #[test]
    fn an_unfinished_frame_before_another_file_is_refused() {
        let temp = tempfile::tempdir().expect("temp dir");
        let segment = written(temp.path(), &[frame(1, 40), frame(2, 70)]);
        segment.truncate(segment.len().expect("length") - 1).expect("cut");
        assert!(matches!(
            scan(&segment, Tail::Refuse),
            Err(LedgerError::Corrupt { offset: 54, .. })
        ));
    }
}
