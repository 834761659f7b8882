//! Records at rest: encrypted files, and for each the wrapped key and the opening of its anchor.
//!
//! ```text
//! <dir>/kek                      key-encryption key (0600), unless another provider is given
//! <dir>/files/<document>.<n>     ciphertext of version n
//! <dir>/entries/<document>.<n>   {wrapped DEK, opening}; written last: a file without an entry does not count
//! ```

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use careledger_api::ids::{DocumentId, Salt};
use careledger_api::merkle::ContentOpening;
use careledger_sdk::vault::cipher::{self, CHUNK, CipherError, Dek};
use serde::{Deserialize, Serialize};

use crate::kek::{KekError, KeyEncryption};

/// The encrypted records of one organisation.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    kek: Box<dyn KeyEncryption>,
}

/// Why a record could not be kept or read. No text carries content.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system failed.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// That version is there already; a version is written once.
    #[error("document {0} version {1} is stored already; add a new version instead")]
    Exists(DocumentId, u32),
    /// That version is not there.
    #[error("document {0} version {1} is not in this vault")]
    Missing(DocumentId, u32),
    /// An entry file is damaged.
    #[error("entry {0} is damaged: restore it from a backup")]
    Damaged(PathBuf),
    /// Encryption failed, or the file was altered.
    #[error(transparent)]
    Cipher(#[from] CipherError),
    /// The key could not be wrapped or unwrapped.
    #[error(transparent)]
    Kek(#[from] KekError),
    /// The content cannot be committed to.
    #[error(transparent)]
    Opening(#[from] careledger_api::HealthError),
}

/// What the vault knows of one stored version.
pub struct Entry {
    /// The file's key.
    pub dek: Dek,
    /// What opens the public commitment.
    pub opening: ContentOpening,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredEntry {
    wrapped: String,
    opening: ContentOpening,
}

impl Store {
    /// Opens or makes a store in `dir` (mode 0700) under `kek`.
    pub fn open(dir: &Path, kek: Box<dyn KeyEncryption>) -> Result<Self, StoreError> {
        for path in [dir.to_owned(), dir.join("files"), dir.join("entries")] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .map_err(io(&path))?;
        }
        Ok(Self {
            dir: dir.to_owned(),
            kek,
        })
    }

    /// Encrypts and keeps a version under a fresh key and salt; durable when it returns. Returns what opens the commitment to anchor.
    ///
    /// Fails with [`StoreError::Exists`] if the version is there.
    pub fn put(
        &self,
        document: DocumentId,
        version: u32,
        mime: &str,
        content: &[u8],
    ) -> Result<ContentOpening, StoreError> {
        if self.entry_path(document, version).exists() {
            return Err(StoreError::Exists(document, version));
        }
        let mut salt = [0; 32];
        SystemRandom::new()
            .fill(&mut salt)
            .map_err(|_| CipherError::Random)?;
        let opening = ContentOpening::of(Salt::from_bytes(salt), CHUNK as u32, mime, content)?;
        let dek = cipher::new_dek()?;
        let file = cipher::seal(&dek, &document.to_string(), version, content)?;
        let wrapped = self.kek.wrap(&dek, &context(document, version))?;
        write_durably(&self.file_path(document, version), &file)?;
        let entry = StoredEntry {
            wrapped: hex::encode(wrapped),
            opening: opening.clone(),
        };
        let path = self.entry_path(document, version);
        let json = serde_json::to_vec(&entry).map_err(|_| StoreError::Damaged(path.clone()))?;
        write_durably(&path, &json)?;
        Ok(opening)
    }

    /// The key and opening of a stored version.
    pub fn entry(&self, document: DocumentId, version: u32) -> Result<Entry, StoreError> {
        let path = self.entry_path(document, version);
        let bytes = match fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::Missing(document, version));
            }
            other => other.map_err(io(&path))?,
        };
        let stored: StoredEntry =
            serde_json::from_slice(&bytes).map_err(|_| StoreError::Damaged(path.clone()))?;
        let wrapped = hex::decode(&stored.wrapped).map_err(|_| StoreError::Damaged(path))?;
        Ok(Entry {
            dek: self.kek.unwrap(&wrapped, &context(document, version))?,
            opening: stored.opening,
        })
    }

    /// The encrypted file of a stored version.
    pub fn file(&self, document: DocumentId, version: u32) -> Result<Vec<u8>, StoreError> {
        let path = self.file_path(document, version);
        fs::read(&path).map_err(io(&path))
    }

    /// Where the encrypted file of a version lies.
    pub fn file_path(&self, document: DocumentId, version: u32) -> PathBuf {
        self.dir.join("files").join(format!("{document}.{version}"))
    }

    /// Decrypts a stored version and recomputes its opening from what is on the disk now.
    ///
    /// The custodian compares its commitment with the anchor; a file that does not authenticate is [`StoreError::Cipher`].
    pub fn reopen(&self, document: DocumentId, version: u32) -> Result<ContentOpening, StoreError> {
        let entry = self.entry(document, version)?;
        let content = cipher::open(
            &entry.dek,
            &document.to_string(),
            version,
            &self.file(document, version)?,
        )?;
        Ok(ContentOpening::of(
            entry.opening.salt,
            entry.opening.chunk_size,
            &entry.opening.mime,
            &content,
        )?)
    }

    fn entry_path(&self, document: DocumentId, version: u32) -> PathBuf {
        self.dir.join("entries").join(format!("{document}.{version}"))
    }
}

fn context(document: DocumentId, version: u32) -> Vec<u8> {
    [
        b"careledger/v1/dek".as_slice(),
        document.as_bytes(),
        &version.to_be_bytes(),
    ]
    .concat()
}

/// Writes beside the target, syncs, renames, syncs the directory: after a crash the file is whole or absent.
fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let partial = path.with_extension("partial");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)
        .map_err(io(&partial))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(io(&partial))?;
    fs::rename(&partial, path).map_err(io(path))?;
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::File::open(parent)
        .and_then(|d| d.sync_all())
        .map_err(io(parent))
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kek::FileKey;

    fn store(dir: &Path) -> Store {
        fs::create_dir_all(dir).unwrap();
        let kek = FileKey::open_or_create(&dir.join("kek")).unwrap();
        Store::open(dir, Box::new(kek)).unwrap()
    }

    #[test]
    fn keeps_a_record_encrypted_and_finds_it_after_a_reopen() {
        let dir = tempfile::tempdir().unwrap();
        let document = DocumentId::from_bytes([3; 16]);
        let opening = store(dir.path())
            .put(document, 1, "text/plain", b"melanoma")
            .unwrap();
        let again = store(dir.path());
        assert_eq!(again.reopen(document, 1).unwrap(), opening);
        assert!(
            !again
                .file(document, 1)
                .unwrap()
                .windows(8)
                .any(|w| w == b"melanoma")
        );
        let entry = again.entry(document, 1).unwrap();
        let plain = cipher::open(
            &entry.dek,
            &document.to_string(),
            1,
            &again.file(document, 1).unwrap(),
        )
        .unwrap();
        assert_eq!(plain, b"melanoma");
    }

    #[test]
    fn a_version_is_written_once_and_an_unknown_one_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let document = DocumentId::from_bytes([3; 16]);
        store.put(document, 1, "text/plain", b"a").unwrap();
        assert!(matches!(
            store.put(document, 1, "text/plain", b"b"),
            Err(StoreError::Exists(_, 1))
        ));
        assert!(matches!(store.entry(document, 2), Err(StoreError::Missing(_, 2))));
    }

    #[test]
    fn one_flipped_byte_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let document = DocumentId::from_bytes([3; 16]);
        store.put(document, 1, "text/plain", b"content").unwrap();
        let path = store.file_path(document, 1);
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(matches!(
            store.reopen(document, 1),
            Err(StoreError::Cipher(CipherError::Altered { index: 0 }))
        ));
    }
}
