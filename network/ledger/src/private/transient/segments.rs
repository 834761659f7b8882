//! The files of the transient store.

use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost::Message as _;

use super::Record;
use crate::LedgerError;
use crate::files::FileLayer;
use crate::log::{FRAME_HEADER, Frame, Segment, Unreadable};

/// A file is closed once it is this long.
const SEGMENT_BYTES: u64 = 1 << 20;
const SUFFIX: &str = ".trn";

/// Where a frame is: file, offset and length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// All files, by number. One is appended to; after an opening or a failed write that is a new one.
#[derive(Debug)]
pub(super) struct Segments {
    files: Arc<dyn FileLayer>,
    dir: PathBuf,
    all: BTreeMap<u64, Stored>,
    current: Option<u64>,
    next: u64,
    unsynced: Unsynced,
}

#[derive(Debug)]
struct Stored {
    segment: Arc<Segment>,
    /// Length of the frames in it.
    bytes: u64,
}

/// What a sync has to make durable.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    segments: BTreeMap<u64, Arc<Segment>>,
    created: Option<(Arc<dyn FileLayer>, PathBuf)>,
}

impl Unsynced {
    pub(super) fn sync(&self) -> Result<(), LedgerError> {
        for segment in self.segments.values() {
            segment.sync()?;
        }
        if let Some((files, dir)) = &self.created {
            files.sync_dir(dir).map_err(LedgerError::io("sync", dir))?;
        }
        Ok(())
    }
}

impl Segments {
    pub(super) fn open(dir: &Path, files: Arc<dyn FileLayer>) -> Result<Self, LedgerError> {
        files.create_dir(dir).map_err(LedgerError::io("create", dir))?;
        Ok(Self {
            files,
            dir: dir.to_owned(),
            all: BTreeMap::new(),
            current: None,
            next: 0,
            unsynced: Unsynced::default(),
        })
    }

    /// Hands every whole frame to `visit`; whether there was anything else.
    pub(super) fn load(
        &mut self,
        mut visit: impl FnMut(Place, Record) -> Result<(), LedgerError>,
    ) -> Result<bool, LedgerError> {
        let mut damaged = false;
        let names = self.files.list(&self.dir);
        for name in names.map_err(LedgerError::io("list", &self.dir))? {
            let Some(number) = name.strip_suffix(SUFFIX).and_then(|stem| stem.parse().ok()) else {
                continue;
            };
            let segment = Segment::open(&*self.files, self.path(number))?;
            let length = segment.len()?;
            let mut offset = 0;
            while offset < length {
                let payload = match segment.frame(offset, length) {
                    Ok(payload) => payload,
                    Err(Unreadable::Io(error)) => return Err(error),
                    Err(unreadable) => {
                        // A crash leaves nothing whole behind what it cut short, as all of it was under way.
                        let error = segment.refused(offset, unreadable);
                        tracing::warn!(%error, "uncommitted private data behind this place is lost");
                        damaged = true;
                        break;
                    }
                };
                let place = Place {
                    segment: number,
                    offset,
                    length: (FRAME_HEADER + payload.len()) as u64,
                };
                visit(place, decode(&payload)?)?;
                offset += place.length;
            }
            let segment = Arc::new(segment);
            self.all.insert(
                number,
                Stored {
                    segment,
                    bytes: length,
                },
            );
            self.next = self.next.max(number + 1);
        }
        Ok(damaged)
    }

    /// Writes a frame. It is durable after the next sync.
    pub(super) fn append(&mut self, frame: &Frame) -> Result<Place, LedgerError> {
        let room = self.current.filter(|number| {
            self.all
                .get(number)
                .is_some_and(|stored| stored.bytes < SEGMENT_BYTES)
        });
        let number = match room {
            Some(number) => number,
            None => {
                let number = self.next;
                let stored = create(&*self.files, self.path(number))?;
                self.all.insert(number, stored);
                (self.current, self.next) = (Some(number), number + 1);
                self.unsynced.created = Some((self.files.clone(), self.dir.clone()));
                number
            }
        };
        let stored = self.all.get_mut(&number).expect("found or inserted above");
        let written = stored.append(number, frame);
        if written.is_ok() {
            self.unsynced.segments.insert(number, stored.segment.clone());
        } else {
            // Any part of the frame may be in it.
            self.abandon();
        }
        written
    }

    /// What was written since the last call, for the caller to sync.
    pub(super) fn take_unsynced(&mut self) -> Unsynced {
        mem::take(&mut self.unsynced)
    }

    /// Appends no more to the current file.
    pub(super) fn abandon(&mut self) {
        self.current = None;
    }

    /// The error of everyone whose frames a failed sync should have made durable.
    pub(super) fn sync_failed(&self, kind: io::ErrorKind) -> LedgerError {
        LedgerError::io("sync", &self.dir)(kind.into())
    }

    pub(super) fn locate(&self, place: Place) -> Option<(Arc<Segment>, u64)> {
        let stored = self.all.get(&place.segment)?;
        Some((stored.segment.clone(), place.offset))
    }

    /// Bytes in all files.
    pub(super) fn bytes(&self) -> u64 {
        self.all.values().map(|stored| stored.bytes).sum()
    }

    /// Hands the records at `places` to `visit`, which writes to new files what it wants to keep. These are durable
    /// afterwards; the old files are all there still.
    pub(super) fn copy(
        &mut self,
        places: &[Place],
        mut visit: impl FnMut(
            Record,
            &mut dyn FnMut(&Frame) -> Result<Place, LedgerError>,
        ) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        let mut new = BTreeMap::<u64, Stored>::new();
        let copied = {
            let mut write = |frame: &Frame| {
                let full = new
                    .last_key_value()
                    .is_none_or(|(_, stored)| stored.bytes >= SEGMENT_BYTES);
                if full {
                    let number = self.next;
                    new.insert(number, create(&*self.files, path(&self.dir, number))?);
                    self.next += 1;
                }
                let (number, stored) = new.iter_mut().next_back().expect("inserted above");
                stored.append(*number, frame)
            };
            places.iter().try_for_each(|place| {
                let Some(stored) = self.all.get(&place.segment) else {
                    return Ok(());
                };
                match read(&stored.segment, place.offset) {
                    Ok(record) => visit(record, &mut write),
                    Err(error @ LedgerError::Io { .. }) => Err(error),
                    Err(error) => {
                        tracing::error!(%error, "uncommitted private data is lost");
                        Ok(())
                    }
                }
            })
        };
        let durable = copied
            .and_then(|()| new.values().try_for_each(|stored| stored.segment.sync()))
            .and_then(|()| self.sync_dir());
        if durable.is_ok() {
            self.all.append(&mut new);
            self.abandon();
        } else {
            for number in new.keys() {
                // It is removed at the next opening otherwise, as its sets are there twice.
                let _ = self.files.remove(&self.path(*number));
            }
        }
        durable
    }

    /// Removes the files that are not in use.
    pub(super) fn remove_unused(&mut self, uses: impl Fn(u64) -> bool) -> Result<(), LedgerError> {
        let unused: Vec<u64> = self.all.keys().copied().filter(|number| !uses(*number)).collect();
        for number in unused {
            if self.current == Some(number) {
                if let Some(stored) = self.all.get_mut(&number).filter(|stored| stored.bytes > 0) {
                    stored.segment.truncate(0)?;
                    stored.bytes = 0;
                }
            } else {
                let path = self.path(number);
                self.files
                    .remove(&path)
                    .map_err(LedgerError::io("remove", &path))?;
                self.all.remove(&number);
            }
        }
        Ok(())
    }

    pub(super) fn sync_dir(&self) -> Result<(), LedgerError> {
        self.files
            .sync_dir(&self.dir)
            .map_err(LedgerError::io("sync", &self.dir))
    }

    fn path(&self, number: u64) -> PathBuf {
        path(&self.dir, number)
    }
}

impl Stored {
    fn append(&mut self, number: u64, frame: &Frame) -> Result<Place, LedgerError> {
        self.segment.append(frame)?;
        let place = Place {
            segment: number,
            offset: self.bytes,
            length: (FRAME_HEADER + frame.payload().len()) as u64,
        };
        self.bytes += place.length;
        Ok(place)
    }
}

/// The record of a frame.
pub(super) fn read(segment: &Segment, offset: u64) -> Result<Record, LedgerError> {
    decode(&segment.read(offset)?)
}

fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:020}{SUFFIX}"))
}

fn create(files: &dyn FileLayer, path: PathBuf) -> Result<Stored, LedgerError> {
    let segment = Segment::open(files, path)?;
    // A file that a failed removal left behind.
    segment.truncate(0)?;
    Ok(Stored {
        segment: Arc::new(segment),
        bytes: 0,
    })
}

fn decode(payload: &[u8]) -> Result<Record, LedgerError> {
    Record::decode(payload).map_err(LedgerError::decode("a record of uncommitted private data"))
}
