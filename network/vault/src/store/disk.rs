//! The local disk below a store: its directory, its lock, and what a crash left.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use super::StoreError;

/// A store's directory, held by this process alone.
#[derive(Debug)]
pub(super) struct Disk {
    dir: PathBuf,
    _lock: File,
}

impl Disk {
    /// Makes the directory where there is none, locks it, and removes half-written files.
    pub(super) async fn open(dir: &Path) -> Result<Self, StoreError> {
        let dir = dir.to_owned();
        tokio::task::spawn_blocking(move || Self::open_blocking(dir))
            .await
            .map_err(given_up)?
    }

    fn open_blocking(dir: PathBuf) -> Result<Self, StoreError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(io(&dir))?;
        let path = dir.join("lock");
        let lock = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io(&path))?;
        lock.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => StoreError::Locked(dir.clone()),
            TryLockError::Error(source) => io(&path)(source),
        })?;
        for part in ["content", "entries", "keys", "proofs", "reports"] {
            remove_half_written(&dir.join(part))?;
        }
        Ok(Self { dir, _lock: lock })
    }

    /// The directory as an object store that syncs every write.
    pub(super) fn objects(&self) -> Result<Arc<dyn ObjectStore>, StoreError> {
        Ok(Arc::new(
            LocalFileSystem::new_with_prefix(&self.dir)?.with_fsync(true),
        ))
    }

    /// Makes removals from these parts last.
    pub(super) async fn sync(&self, parts: &'static [&'static str]) -> Result<(), StoreError> {
        let dir = self.dir.clone();
        let sync = move || {
            parts.iter().try_for_each(|part| {
                let part = dir.join(part);
                match File::open(&part).and_then(|opened| opened.sync_all()) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(&part)(error)),
                    _ => Ok(()),
                }
            })
        };
        tokio::task::spawn_blocking(sync).await.map_err(given_up)?
    }

    /// Where an object lies.
    pub(super) fn path(&self, object: &str) -> PathBuf {
        self.dir.join(object)
    }
}

/// Removes the files that a write in progress stages beside their destination: `<name>#<n>`.
fn remove_half_written(dir: &Path) -> Result<(), StoreError> {
    let files = match fs::read_dir(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(io(dir))?,
    };
    for file in files {
        let path = file.map_err(io(dir))?.path();
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().contains('#'))
        {
            fs::remove_file(&path).map_err(io(&path))?;
        }
    }
    Ok(())
}

/// The runtime ended.
fn given_up(error: tokio::task::JoinError) -> StoreError {
    StoreError::Io {
        path: PathBuf::new(),
        source: std::io::Error::other(error),
    }
}

pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { path, source }
}
