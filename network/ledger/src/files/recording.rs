//! A file layer that writes down what is done to it, in order.
//!
//! ```
//! use fabric_ledger::files::{FileLayer, OsFiles, recording::{Event, Recording}};
//! # let temp = tempfile::tempdir().unwrap();
//! let files = Recording::new(OsFiles);
//! let log = files.open(&temp.path().join("log")).unwrap();
//! log.append(b"promise").unwrap();
//! log.sync().unwrap();
//! files.mark("status sent");
//! let events = files.events();
//! let synced = events.iter().position(|e| matches!(e, Event::Sync { .. })).unwrap();
//! let sent = events.iter().position(|e| *e == Event::Mark("status sent".into())).unwrap();
//! assert!(synced < sent);
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{FileLayer, LogFile};

/// One thing that happened, with the file it happened to. A failed operation is not recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Bytes were appended (they may still be in memory only).
    Append {
        /// The file.
        path: PathBuf,
        /// How many bytes.
        length: usize,
    },
    /// A sync of the file returned.
    Sync {
        /// The file.
        path: PathBuf,
    },
    /// Bytes were read.
    Read {
        /// The file.
        path: PathBuf,
        /// From where.
        offset: u64,
        /// How many.
        length: usize,
    },
    /// The file was cut.
    Truncate {
        /// The file.
        path: PathBuf,
        /// To this length.
        length: u64,
    },
    /// A file replaced another.
    Rename {
        /// Its old name.
        from: PathBuf,
        /// Its new name.
        to: PathBuf,
    },
    /// A file was removed.
    Remove {
        /// The file.
        path: PathBuf,
    },
    /// A directory was synced.
    SyncDir {
        /// The directory.
        path: PathBuf,
    },
    /// Something that the test itself did.
    Mark(String),
}

/// Passes every call on and records it. Clones share one record.
#[derive(Clone, Debug)]
pub struct Recording {
    inner: Arc<dyn FileLayer>,
    events: Events,
}

impl Recording {
    /// Records what is done to `inner`.
    pub fn new(inner: impl FileLayer + 'static) -> Self {
        Self {
            inner: Arc::new(inner),
            events: Events::default(),
        }
    }

    /// Everything so far, oldest first.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().clone()
    }

    /// Forgets everything so far.
    pub fn clear(&self) {
        self.events.lock().clear();
    }

    /// Puts an event of the test itself ("status sent") into the same order.
    pub fn mark(&self, label: impl Into<String>) {
        self.events.push(Event::Mark(label.into()));
    }

    fn recorded(&self, inner: Box<dyn LogFile>, path: &Path) -> Box<dyn LogFile> {
        Box::new(RecordingFile {
            inner,
            path: path.to_owned(),
            events: self.events.clone(),
        })
    }
}

impl FileLayer for Recording {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.create_dir(dir)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(self.recorded(self.inner.open(path)?, path))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(self.recorded(self.inner.open_read(path)?, path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)?;
        self.events.push(Event::Remove {
            path: path.to_owned(),
        });
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)?;
        self.events.push(Event::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
        });
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)?;
        self.events.push(Event::SyncDir { path: dir.to_owned() });
        Ok(())
    }
}

#[derive(Debug)]
struct RecordingFile {
    inner: Box<dyn LogFile>,
    path: PathBuf,
    events: Events,
}

impl LogFile for RecordingFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.inner.append(bytes)?;
        self.events.push(Event::Append {
            path: self.path.clone(),
            length: bytes.len(),
        });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.inner.sync()?;
        self.events.push(Event::Sync {
            path: self.path.clone(),
        });
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.inner.read_at(offset, buffer)?;
        self.events.push(Event::Read {
            path: self.path.clone(),
            offset,
            length: buffer.len(),
        });
        Ok(())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.inner.truncate(length)?;
        self.events.push(Event::Truncate {
            path: self.path.clone(),
            length,
        });
        Ok(())
    }
}

/// The shared record.
#[derive(Clone, Debug, Default)]
struct Events(Arc<Mutex<Vec<Event>>>);

impl Events {
    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: Event) {
        self.lock().push(event);
    }
}
