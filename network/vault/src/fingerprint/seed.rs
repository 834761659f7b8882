//! The seed that all quarters' keys follow from: 32 random bytes, wrapped under the vault's key-encryption key as the records' keys are.
//!
//! Without it fingerprints of an open quarter cannot be made any more: it belongs in the backup. Who has it and the key-encryption key can try names
//! against marks of quarters that are not closed.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use careledger_api::contracts::claims::Period;
use careledger_sdk::fingerprint::{ObliviousError, PeriodSecret};
use careledger_sdk::vault::cipher::{Dek, new_dek};

use crate::kek::{FileKey, KekError, KeyEncryption, KeyProvider, Succession, TokenKey};

/// What the wrap is bound to: it opens as no record's key.
const CONTEXT: &[u8] = b"careledger/v1/fingerprint-seed";

/// An open seed.
pub struct Seed(Dek);

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed")
    }
}

/// Why there is no seed.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The key-encryption key.
    #[error("the fingerprints' seed: {0}")]
    Kek(#[from] KekError),
    /// The file.
    #[error("the fingerprints' seed {path}: {source}")]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system gave no randomness.
    #[error("the fingerprints' seed cannot be drawn: the system's random generator failed")]
    Random,
}

impl Seed {
    /// Opens the seed in the directory's file `seed`, or draws one where there is none; makes the directory where there is none. The key-encryption key is in the file `kek` there, or in a token; a seed
    /// that the file's key wraps is wrapped under the token's, and the file removed.
    pub fn open_or_create(dir: &Path, provider: KeyProvider) -> Result<Self, SeedError> {
        let (path, file) = (dir.join("seed"), dir.join("kek"));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(failed(dir))?;
        match provider {
            KeyProvider::File => Self::under(&path, &FileKey::open_or_create(&file)?),
            KeyProvider::Token(place) => {
                let token: Arc<dyn KeyEncryption> = Arc::new(TokenKey::open_or_create(place)?);
                Self::moved(&path, &file, token)
            }
        }
    }

    /// The secret key of a quarter.
    pub fn secret(&self, period: Period) -> Result<PeriodSecret, ObliviousError> {
        PeriodSecret::of(&self.0, period)
    }

    fn under(path: &Path, kek: &dyn KeyEncryption) -> Result<Self, SeedError> {
        if path.exists() {
            let wrapped = fs::read(path).map_err(failed(path))?;
            return Ok(Self(kek.unwrap(&wrapped, CONTEXT)?));
        }
        let seed = Self(new_dek().map_err(|_| SeedError::Random)?);
        seed.keep(path, kek)?;
        Ok(seed)
    }

    fn moved(path: &Path, file: &Path, new: Arc<dyn KeyEncryption>) -> Result<Self, SeedError> {
        if !FileKey::exists(file) {
            return Self::under(path, &*new);
        }
        let old = FileKey::open_or_create(file)?;
        let seed = Self::under(path, &Succession::new(Box::new(old), Arc::clone(&new)))?;
        seed.keep(path, &*new)?;
        FileKey::remove(file)?;
        Ok(seed)
    }

    /// Writes the seed in one step, readable by the owner alone.
    fn keep(&self, path: &Path, kek: &dyn KeyEncryption) -> Result<(), SeedError> {
        let beside = path.with_extension("new");
        let wrapped = kek.wrap(&self.0, CONTEXT)?;
        let write = || {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&beside)?;
            file.write_all(&wrapped)?;
            file.sync_all()?;
            fs::rename(&beside, path)?;
            fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(failed(path))
    }
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> SeedError + use<> {
    let path = path.to_owned();
    move |source| SeedError::File {
        path: path.clone(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn key(seed: &Seed, period: &str) -> [u8; 32] {
        seed.secret(period.parse().unwrap()).unwrap().public()
    }

    #[test]
    fn a_seed_is_drawn_once_and_lies_wrapped() {
        let dir = tempfile::tempdir().unwrap();
        let seed = Seed::open_or_create(dir.path(), KeyProvider::File).unwrap();
        let again = Seed::open_or_create(dir.path(), KeyProvider::File).unwrap();
        let first = key(&seed, "2026Q4");
        assert_eq!(first, key(&again, "2026Q4"));
        assert_ne!(first, key(&seed, "2027Q1"));
        let other = tempfile::tempdir().unwrap();
        let other = Seed::open_or_create(other.path(), KeyProvider::File).unwrap();
        assert_ne!(first, key(&other, "2026Q4"));

        let path = dir.path().join("seed");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let wrapped = fs::read(&path).unwrap();
        assert!(!wrapped.windows(32).any(|bytes| bytes == seed.0.as_slice()));
        // Another key-encryption key opens nothing, and draws nothing anew.
        fs::remove_file(dir.path().join("kek")).unwrap();
        let refused = Seed::open_or_create(dir.path(), KeyProvider::File);
        assert!(
            matches!(refused, Err(SeedError::Kek(KekError::Altered))),
            "{refused:?}"
        );
    }

    #[test]
    fn it_goes_from_the_file_to_another_provider_and_stays_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (path, file) = (dir.path().join("seed"), dir.path().join("kek"));
        let seed = Seed::open_or_create(dir.path(), KeyProvider::File).unwrap();
        // In a token's place: a key that lies elsewhere.
        let token = || -> Arc<dyn KeyEncryption> {
            Arc::new(FileKey::open_or_create(&dir.path().join("token")).unwrap())
        };
        for _ in 0..2 {
            let moved = Seed::moved(&path, &file, token()).unwrap();
            assert_eq!(key(&moved, "2026Q4"), key(&seed, "2026Q4"));
            assert!(!file.exists());
        }
    }
}
