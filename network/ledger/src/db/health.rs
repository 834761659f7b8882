//! What becomes of a database that is not as it was written: it is told, and built again.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use xxhash_rust::xxh3::xxh3_128;

use super::{journal, seal};
use crate::LedgerError;

/// Where a database is, and whether it can be trusted.
#[derive(Debug)]
pub(super) struct Health {
    dir: PathBuf,
    /// Whether closing it seals it: it was opened well, and nothing failed since.
    sound: AtomicBool,
}

impl Health {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            sound: AtomicBool::new(false),
        }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn opened(&self) {
        self.sound.store(true, Ordering::Release);
    }

    pub(super) fn is_sound(&self) -> bool {
        self.sound.load(Ordering::Acquire)
    }

    /// The error that a failure of the database is. Damage is written down for the next opening.
    pub(super) fn failed(&self, error: fjall::Error) -> LedgerError {
        if is_damage(&error) {
            return self.damaged(&error.to_string());
        }
        self.sound.store(false, Ordering::Release);
        LedgerError::from(error)
    }

    pub(super) fn damaged(&self, what: &str) -> LedgerError {
        self.sound.store(false, Ordering::Release);
        let marker = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(marker(&self.dir));
        if let Err(error) = marker.and_then(|file| file.sync_all()) {
            tracing::error!(database = %self.dir.display(), %error, "the damage could not be noted");
        }
        LedgerError::DatabaseDamaged {
            path: self.dir.clone(),
            what: what.to_owned(),
        }
    }
}

/// Looks at a database that is about to be opened, and breaks its seal. Answers the first height in its journals, where
/// that has to be compared with the rest.
///
/// # Errors
/// Why it must not be trusted, in words.
pub(super) fn examine(dir: &Path) -> Result<Option<u64>, String> {
    if !dir.is_dir() {
        return Ok(None);
    }
    if marker(dir).exists() {
        return Err("it was found damaged before".into());
    }
    let sealed = seal::check(dir);
    seal::remove(dir).map_err(|error| format!("its seal can not be removed: {error}"))?;
    match sealed {
        Some(whole) => whole.map(|()| None),
        None => {
            check_lists(dir)?;
            journal::inspect(dir).map(|journals| journals.first_height)
        }
    }
}

/// Removes the database in `dir`, and what is remembered about it.
pub(super) fn discard(dir: &Path) -> Result<(), LedgerError> {
    let remove = || {
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
        seal::remove(dir)?;
        // Last: a removal that was interrupted goes on at the next opening.
        if marker(dir).exists() {
            fs::remove_file(marker(dir))?;
        }
        dir.parent()
            .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    };
    let marked = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(marker(dir));
    marked
        .and_then(|_| remove())
        .map_err(LedgerError::io("remove the database in", dir))
}

/// `db` → `db.damaged`.
fn marker(dir: &Path) -> PathBuf {
    dir.with_extension("damaged")
}

/// Whether the bytes on disk are wrong, and not the disk full or the process out of files.
fn is_damage(error: &fjall::Error) -> bool {
    use fjall::Error;
    match error {
        Error::Poisoned | Error::Locked | Error::KeyspaceDeleted => return false,
        _ => {}
    }
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(found) = source {
        if let Some(io) = found.downcast_ref::<io::Error>() {
            return !is_circumstance(io);
        }
        source = found.source();
    }
    true
}

/// Whether the system refused, whatever the file holds: no room, no permission, no file descriptors left.
fn is_circumstance(error: &io::Error) -> bool {
    use io::ErrorKind;
    /// ENFILE and EMFILE, which have no kind.
    const TOO_MANY_FILES: [i32; 2] = [23, 24];
    matches!(
        error.kind(),
        ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::FileTooLarge
            | ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::OutOfMemory
            | ErrorKind::Interrupted
            | ErrorKind::ResourceBusy
    ) || error
        .raw_os_error()
        .is_some_and(|code| TOO_MANY_FILES.contains(&code))
}

/// The lists of tables, against the checksum that stands beside each: fjall writes it and does not compare.
fn check_lists(dir: &Path) -> Result<(), String> {
    let Ok(keyspaces) = fs::read_dir(dir.join("keyspaces")) else {
        return Ok(());
    };
    for keyspace in keyspaces.flatten() {
        let keyspace = keyspace.path();
        let Ok(current) = fs::read(keyspace.join("current")) else {
            continue;
        };
        let (number, sum) = current
            .split_first_chunk()
            .and_then(|(number, rest)| Some((u64::from_le_bytes(*number), rest.first_chunk()?)))
            .ok_or_else(|| format!("{} does not name a list of tables", keyspace.display()))?;
        let list = keyspace.join(format!("v{number}"));
        let content = fs::read(&list).map_err(|error| format!("{}: {error}", list.display()))?;
        if xxh3_128(&content) != u128::from_le_bytes(*sum) {
            return Err(format!("{} was changed", list.display()));
        }
    }
    Ok(())
}
