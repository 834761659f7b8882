//! Framed append-only files: the form of block files and private data files on disk.
//!
//! ```text
//! frame = length (u32 LE) | crc32 of payload (u32 LE) | crc32 of these 8 bytes (u32 LE) | payload
//! ```
//!
//! A frame is durable once the file was synced. A crash may leave one unfinished frame at the end of the last file,
//! because every append is synced before the next one begins: [`Segment::scan`] cuts it. A damaged frame with a good
//! frame behind it can not come from a crash: it is refused, with the place of the wrong byte where the checksum gives it
//! away ([`locate`]).

mod locate;

use std::ops::Range;
use std::path::{Path, PathBuf};

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
        Self::complete(bytes)
    }

    /// A frame of a payload that is encoded already.
    pub(crate) fn of(payload: &[u8]) -> Self {
        Self::complete([&[0; FRAME_HEADER][..], payload].concat())
    }

    /// Header and payload.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Writes the header into its room before the payload.
    fn complete(mut bytes: Vec<u8>) -> Self {
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

    /// Bytes in the file, header included.
    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

/// The end of a file that grows, frame by frame.
#[derive(Debug)]
pub(crate) struct Appender {
    segment: Segment,
    end: u64,
    /// Whether something may be behind `end`: a write that failed.
    unfinished: bool,
}

impl Appender {
    /// Goes on at the end of a file that was scanned, or is new.
    pub(crate) fn new(segment: Segment) -> Result<Self, LedgerError> {
        let end = segment.len()?;
        Ok(Self {
            segment,
            end,
            unfinished: false,
        })
    }

    /// Number of bytes in whole frames.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Appends and syncs; returns where the frame is. After an error the file is as it was, as soon as the disk lets it
    /// be cut: at once, or before the next append.
    pub(crate) fn append(&mut self, frame: &Frame) -> Result<u64, LedgerError> {
        self.settle()?;
        self.unfinished = true;
        if let Err(error) = self.segment.append(frame).and_then(|()| self.segment.sync()) {
            // Reported by the next append, should it not work then either.
            let _ = self.settle();
            return Err(error);
        }
        self.unfinished = false;
        let offset = self.end;
        self.end += frame.len();
        Ok(offset)
    }

    /// Takes back the frames from `offset` on.
    pub(crate) fn take_back(&mut self, offset: u64) -> Result<(), LedgerError> {
        self.end = self.end.min(offset);
        self.unfinished = true;
        self.settle()
    }

    fn settle(&mut self) -> Result<(), LedgerError> {
        if self.unfinished {
            self.segment.truncate(self.end)?;
            self.segment.sync()?;
            self.unfinished = false;
        }
        Ok(())
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

    /// Without permission to write; the file has to be there.
    pub(crate) fn open_read(files: &dyn FileLayer, path: PathBuf) -> Result<Self, LedgerError> {
        let file = files.open_read(&path).map_err(LedgerError::io("open", &path))?;
        Ok(Self { path, file })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
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
        self.frame(offset, length)
            .map_err(|unreadable| self.refused(offset, unreadable))
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
                Err(Unreadable::Io(error)) => return Err(error),
                Err(Unreadable::Damaged(damage)) => {
                    if tail == Tail::Refuse || self.good_frame_after(offset, length)? {
                        return Err(self.refused(offset, Unreadable::Damaged(damage)));
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

    /// The error that an unreadable frame at `offset` is.
    pub(crate) fn refused(&self, offset: u64, unreadable: Unreadable) -> LedgerError {
        match unreadable {
            Unreadable::Io(error) => error,
            Unreadable::Damaged(Damage { what, wrong_byte }) => match wrong_byte {
                Some(at) => self.corrupt(at, format!("{what}, in the frame at offset {offset}")),
                None => self.corrupt(offset, what),
            },
        }
    }

    /// The checked payload of the frame at `offset` of a file of `length` bytes.
    pub(crate) fn frame(&self, offset: u64, length: u64) -> Result<Vec<u8>, Unreadable> {
        let left = length.saturating_sub(offset);
        if left < FRAME_HEADER as u64 {
            return Err(Damage::of("the frame header is cut short"));
        }
        let mut header = [0; FRAME_HEADER];
        self.bytes(offset, &mut header).map_err(Unreadable::Io)?;
        let Some((size, crc)) = parse_header(&header) else {
            let (checked, check) = header.split_at(8);
            let at = locate::in_field(checked, word(check, 0));
            return Err(Damage::at(
                "the checksum of the frame header does not match",
                at.map(|at| offset + at),
            ));
        };
        if left - (FRAME_HEADER as u64) < u64::from(size) {
            return Err(Damage::of("the frame is cut short"));
        }
        let mut payload = vec![0; size as usize];
        self.bytes(offset + FRAME_HEADER as u64, &mut payload)
            .map_err(Unreadable::Io)?;
        if crc32fast::hash(&payload) != crc {
            // The header's own checksum vouches for this one.
            let at = locate::in_bytes(&payload, crc);
            return Err(Damage::at(
                "the checksum of the frame does not match",
                at.map(|at| offset + FRAME_HEADER as u64 + at),
            ));
        }
        Ok(payload)
    }

    /// Whether any whole frame starts behind `offset`: then what is at `offset` was once whole too.
    pub(crate) fn good_frame_after(&self, offset: u64, length: u64) -> Result<bool, LedgerError> {
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

/// Why there is no frame.
#[derive(Debug)]
pub(crate) enum Unreadable {
    Damaged(Damage),
    Io(LedgerError),
}

/// What is wrong with a frame.
#[derive(Debug)]
pub(crate) struct Damage {
    what: &'static str,
    /// Offset in the file of the one byte that is wrong, if it is one.
    wrong_byte: Option<u64>,
}

impl Damage {
    fn of(what: &'static str) -> Unreadable {
        Unreadable::Damaged(Self {
            what,
            wrong_byte: None,
        })
    }

    fn at(what: &'static str, wrong_byte: Option<u64>) -> Unreadable {
        Unreadable::Damaged(Self { what, wrong_byte })
    }
}

/// Payload length and checksum, when the header's own checksum matches. An empty frame is never written, so zeros that a
/// file system left behind are no frame.
fn parse_header(header: &[u8; FRAME_HEADER]) -> Option<(u32, u32)> {
    let length = word(header, 0);
    (length > 0 && crc32fast::hash(&header[..8]) == word(header, 8)).then(|| (length, word(header, 4)))
}

/// The little-endian number at `at`, within the bytes.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
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
            assert!(
                error.contains(&format!("log is corrupt at offset {flip}")),
                "{error}"
            );
            assert!(error.contains("the frame at offset 54"), "{error}");
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
