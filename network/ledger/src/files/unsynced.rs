//! Files for ledgers that nobody needs tomorrow: an audit's scratch state, a unit test.

use std::io;
use std::path::Path;

use super::{FileLayer, LogFile, OsFiles};

/// The operating system's files without waiting for the disk. What is lost in a power failure must not matter: a
/// ledger on these answers before its blocks are durable.
#[derive(Debug, Clone, Copy)]
pub struct UnsyncedFiles;

impl FileLayer for UnsyncedFiles {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        OsFiles.create_dir(dir)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(UnsyncedFile(OsFiles.open(path)?)))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        OsFiles.open_read(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        OsFiles.list(dir)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        OsFiles.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsFiles.rename(from, to)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct UnsyncedFile(Box<dyn LogFile>);

impl LogFile for UnsyncedFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.append(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, buffer)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }
}
