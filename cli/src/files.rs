//! Small JSON files that people hand to each other or keep: guardians' cards, approvals, receipts, what opens a salted digest.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{Hash, Salt};
use careledger_sdk::wallet::salt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Result;

/// Largest file that is read, bytes.
const MAX_FILE: u64 = 64 * 1024;
/// Largest list that is read, bytes.
const MAX_LIST: u64 = 64 << 20;

/// Writes a new file for its owner alone; one that is there is never overwritten.
pub(crate) fn write(path: &Path, content: &impl Serialize) -> Result<()> {
    write_new(path, &serde_json::to_vec_pretty(content)?)
}

/// The same for a file of text.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<()> {
    write_new(path, text.as_bytes())
}

/// A new file that is there, empty, before what goes into it is known: that it can be made is found out before anything else is done. It goes again unless
/// it is written.
pub(crate) struct Reserved {
    path: PathBuf,
    file: File,
    written: bool,
}

impl Reserved {
    /// Makes it, for its owner alone; one that is there is never overwritten.
    pub(crate) fn new(path: &Path) -> Result<Self> {
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        let file = made.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => format!("{} is there; name a new file", path.display()),
            _ => format!("{}: {error}", path.display()),
        })?;
        Ok(Self {
            path: path.to_owned(),
            file,
            written: false,
        })
    }

    /// Writes it whole; its path.
    pub(crate) fn write(mut self, text: &str) -> Result<PathBuf> {
        let written = self
            .file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_all());
        written.map_err(|error| format!("{}: {error}", self.path.display()))?;
        self.written = true;
        Ok(self.path.clone())
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if !self.written {
            let _stays_empty = std::fs::remove_file(&self.path);
        }
    }
}

/// Writes a file for its owner alone, whole, in place of what was there before.
pub(crate) fn replace(path: &Path, content: &impl Serialize) -> Result<()> {
    let written = || {
        let mut file = beside(path)?;
        file.write_all(&serde_json::to_vec_pretty(content)?)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    };
    let _file = written().map_err(|error: std::io::Error| format!("{}: {error}", path.display()))?;
    Ok(())
}

/// It has its name once it is whole and on the disk: a full disk, or a kill in between, leaves nothing under the name.
fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = || {
        let mut file = beside(path)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|error| error.error)
    };
    match written() {
        Ok(_file) => Ok(()),
        Err(error) => Err(format!("{}: {error}", path.display()).into()),
    }
}

/// A file for its owner alone in the same directory, which goes again unless it is given the name.
fn beside(path: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let dir = path.parent().filter(|dir| *dir != Path::new(""));
    tempfile::NamedTempFile::new_in(dir.unwrap_or(Path::new(".")))
}

/// Reads what [`write`] wrote; `what` says what it should be.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T> {
    read_up_to(path, what, MAX_FILE)
}

/// The same for a list that grows with an institution: up to 64 MiB.
pub(crate) fn read_list<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T> {
    read_up_to(path, what, MAX_LIST)
}

fn read_up_to<T: DeserializeOwned>(path: &Path, what: &str, most: u64) -> Result<T> {
    let unreadable = |e: std::io::Error| format!("{}: {e}", path.display());
    if std::fs::metadata(path).map_err(unreadable)?.len() > most {
        return Err(format!(
            "{} is no {what}: it is too large, {most} bytes are the most",
            path.display()
        )
        .into());
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    serde_json::from_slice(unmarked(&bytes))
        .map_err(|e| format!("{} is no {what}: {e}", path.display()).into())
}

/// The first `most` bytes of a file, or of the standard input for `-`.
pub(crate) fn bytes(path: &Path, most: u64) -> Result<Vec<u8>> {
    let unreadable = |e: std::io::Error| format!("{}: {e}", path.display());
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).map_err(unreadable)?)
    };
    let mut bytes = Vec::new();
    source.take(most).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// A text without the mark that some programs write before UTF-8.
pub(crate) fn unmarked(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

/// What opens a salted digest that went to the ledger: it stays with whoever keeps the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Digest {
    /// What the digest is of, as `recovery-proof`.
    pub(crate) tag: String,
    /// What went to the ledger.
    pub(crate) digest: Hash,
    /// Its salt.
    pub(crate) salt: Salt,
}

/// Salts and digests a file, and writes what opens that to `<file>.<suffix>`; its path. `tag` is the domain of the digest.
pub(crate) fn digest(path: &Path, tag: &str, suffix: &str) -> Result<(Hash, PathBuf)> {
    let content = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let salt = salt();
    let opening = Digest {
        tag: tag.to_owned(),
        digest: keyed_hash(&salt, tag, &[&content]),
        salt,
    };
    let mut kept = path.as_os_str().to_owned();
    kept.push(format!(".{suffix}"));
    let kept = PathBuf::from(kept);
    write(&kept, &opening)?;
    Ok((opening.digest, kept))
}
