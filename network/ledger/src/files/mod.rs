//! The files below blocks and private data: append-only, synced, cut only at the end.
//!
//! Everything that a commit status depends on goes through a [`FileLayer`], so that a test can record the order of
//! writes and syncs ([`recording`]) or let them fail ([`faulty`]), without touching the code above.

pub mod faulty;
mod os;
pub mod recording;
mod unsynced;

use std::fmt::Debug;
use std::io;
use std::path::Path;

pub use os::OsFiles;
pub use unsynced::UnsyncedFiles;

/// Files of one machine. Directories are created with mode 0700 and files with 0600.
pub trait FileLayer: Debug + Send + Sync {
    /// Creates `dir` and its parents where they are missing.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Opens the file for appending and reading; creates an empty one when it is missing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;
    /// Opens an existing file for reading alone, which needs no permission to write; a missing one is `NotFound`, and
    /// what would change it fails.
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;
    /// Names of the files in `dir`, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Replaces `to` with `from` at once.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// An open append-only file.
pub trait LogFile: Debug + Send + Sync {
    /// Appends all of `bytes`, or fails: then any part of them may be in the file.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when the file's content is on the disk (`fdatasync`).
    fn sync(&self) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether nothing was ever appended.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Fills `buffer` from `offset`; an early end of the file is an `UnexpectedEof`.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// Cuts the file to `length` bytes.
    fn truncate(&self, length: u64) -> io::Result<()>;
}
