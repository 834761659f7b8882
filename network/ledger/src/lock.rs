//! One owner per directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::LedgerError;

/// An exclusive lock on a directory, held by the operating system until this is dropped or the process dies.
#[derive(Debug)]
pub(crate) struct DirLock {
    _file: File,
}

impl DirLock {
    pub(crate) fn take(dir: &Path) -> Result<Self, LedgerError> {
        let path = dir.join("lock");
        let open = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let file = open.map_err(LedgerError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LedgerError::Locked { path: dir.to_owned() }),
            Err(TryLockError::Error(source)) => Err(LedgerError::io("lock", path)(source)),
        }
    }
}
