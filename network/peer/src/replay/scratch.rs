//! Files of the scratch ledger: it needs its state, never its blocks again.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use fabric_ledger::files::{FileLayer, LogFile, OsFiles};

/// Takes what is appended and keeps only its length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forgotten;

impl FileLayer for Forgotten {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        OsFiles.create_dir(dir)
    }

    fn open(&self, _: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(Length(AtomicU64::new(0))))
    }

    fn open_read(&self, _: &Path) -> io::Result<Box<dyn LogFile>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn list(&self, _: &Path) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Length(AtomicU64);

impl LogFile for Length {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.load(Ordering::Relaxed))
    }

    fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "an audit does not keep blocks",
        ))
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.store(length, Ordering::Relaxed);
        Ok(())
    }
}
