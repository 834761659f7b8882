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
            ErrorKind::AlreadyExists => taken(path),
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

/// A new file that is written beside its place, and has its name once all of it is known: that it can be made is found out before anything else is done, and a
/// run that breaks off, also one that is killed, leaves the name free.
pub(crate) struct Pending {
    path: PathBuf,
    file: tempfile::NamedTempFile,
}

impl Pending {
    /// Begins it, for its owner alone. Fails for one that is there.
    pub(crate) fn new(path: &Path) -> Result<Self> {
        if path.exists() {
            return Err(taken(path).into());
        }
        let file = beside(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let path = path.to_owned();
        Ok(Self { path, file })
    }

    /// Writes more of it; a full disk is found out here.
    pub(crate) fn write(&mut self, text: &str) -> Result<()> {
        let written = self.file.write_all(text.as_bytes());
        let written = written.and_then(|()| self.file.as_file().sync_all());
        Ok(written.map_err(|error| format!("{}: {error}", self.path.display()))?)
    }

    /// Gives it its name; its path. One that is there by now is not overwritten.
    pub(crate) fn name(self) -> Result<PathBuf> {
        let Self { path, file } = self;
        let named = file.persist_noclobber(&path);
        named.map_err(|error| match error.error.kind() {
            ErrorKind::AlreadyExists => taken(&path),
            _ => format!("{}: {}", path.display(), error.error),
        })?;
        Ok(path)
    }
}

fn taken(path: &Path) -> String {
    format!("{} is there; name a new file", path.display())
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
    read_up_to(path, what, MAX_FILE, serde_json::Error::to_string)
}

/// The same for a list that grows with an institution: up to 64 MiB.
pub(crate) fn read_list<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T> {
    read_up_to(path, what, MAX_LIST, serde_json::Error::to_string)
}

/// The same for a file that names persons: no value of it is in an error.
pub(crate) fn read_personal<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T> {
    read_up_to(path, what, MAX_LIST, spot)
}

/// What is wrong with JSON and where. Nothing that stands there is repeated, since it may name a person, but a field's name that is spelled as one.
pub(crate) fn spot(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let of_the_form = ["missing field", "duplicate field"];
    if !error.is_data() || of_the_form.iter().any(|start| text.starts_with(start)) {
        return text;
    }
    // A value that was read before has no line.
    let at = match error.line() {
        0 => String::new(),
        line => format!(" before line {line}, column {}", error.column()),
    };
    let is_name = |name: &&str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let unknown = text.strip_prefix("unknown field `");
    let unknown = unknown.and_then(|rest| rest.split('`').next());
    match unknown.filter(is_name) {
        Some(name) => format!("unknown field `{name}`{at}"),
        None => format!("the value{at} has another form than is expected"),
    }
}

fn read_up_to<T: DeserializeOwned>(
    path: &Path,
    what: &str,
    most: u64,
    told: impl Fn(&serde_json::Error) -> String,
) -> Result<T> {
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
        .map_err(|e| format!("{} is no {what}: {}", path.display(), told(&e)).into())
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
    let kept = suffixed(path, suffix);
    write(&kept, &opening)?;
    Ok((opening.digest, kept))
}

/// The path with a further suffix.
pub(crate) fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{suffix}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Somebody {
        given: String,
        born: careledger_api::date::Date,
    }

    #[test]
    fn a_file_that_names_persons_is_refused_without_naming_them() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("people.json");
        std::fs::write(&path, r#"{"a": {"given": "Ada", "born": "1980-02-29"}}"#).expect("written");
        let read = read_personal::<BTreeMap<String, Somebody>>(&path, "list").expect("a list");
        let told: Vec<_> = read
            .values()
            .map(|one| (one.given.as_str(), one.born.to_string()))
            .collect();
        assert_eq!(told, [("Ada", "1980-02-29".to_owned())]);
        for (content, said) in [
            (r#"{"a": {"given": "Ada", "born": "Lovelace"}}"#, "line 1, column"),
            (
                r#"{"a": {"given": "Ada", "born": {"Lovelace": 1}}}"#,
                "line 1, column",
            ),
            (r#"{"a": {"given": "Ada", "Lovelace": 1}}"#, "line 1, column"),
            (r#"{"a": "Lovelace"}"#, "line 1, column"),
            (r#""Lovelace""#, "line 1, column"),
            (
                r#"{"a": {"gvien": "Lovelace"}}"#,
                "unknown field `gvien` before line 1",
            ),
            (r#"{"a": {"given": "Lovelace"}}"#, "missing field `born`"),
            (r#"{"a": "Lovelace", }"#, "people.json is no list"),
            (r#"{"a": {"given": "Lovelace"#, "EOF"),
        ] {
            std::fs::write(&path, content).expect("written");
            let read = read_personal::<BTreeMap<String, Somebody>>(&path, "list");
            let error = read.expect_err(content).to_string();
            assert!(error.contains(said), "{content}: {error}");
            assert!(!error.contains("Lovelace") && !error.contains("Ada"), "{error}");
            // Read before as any JSON, its lines are not known any more.
            if let Ok(value) = serde_json::from_str::<serde_json::Value>(content) {
                let read = serde_json::from_value::<BTreeMap<String, Somebody>>(value);
                let error = spot(&read.expect_err(content));
                assert!(!error.contains("Lovelace") && !error.contains("line"), "{error}");
            }
        }
    }
}
