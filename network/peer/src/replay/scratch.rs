//! Files that nobody needs tomorrow.

use std::io;
use std::path::Path;

use fabric_ledger::files::{FileLayer, LogFile, OsFiles};

/// The operating system's files without waiting for the disk: an audit that is cut short begins anew, and a
/// sync for every block would be most of its time.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScratchFiles;

impl FileLayer for ScratchFiles {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        OsFiles.create_dir(dir)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(ScratchFile(OsFiles.open(path)?)))
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
struct ScratchFile(Box<dyn LogFile>);

impl LogFile for ScratchFile {
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
