//! Key encryption: the one key that wraps every record's DEK, behind a provider: a file, or a PKCS#11 token.

mod provider;
mod token;

pub use provider::{KeyProvider, Succession};
pub use token::{Pin, TokenKey, TokenPlace};

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use careledger_sdk::vault::cipher::Dek;

/// Wraps and unwraps data-encryption keys. The key-encryption key itself never leaves the provider.
pub trait KeyEncryption: Send + Sync + std::fmt::Debug {
    /// Encrypts `dek`, bound to `context` (document and version).
    fn wrap(&self, dek: &Dek, context: &[u8]) -> Result<Vec<u8>, KekError>;
    /// Opens what [`wrap`](Self::wrap) gave for the same context.
    fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<Dek, KekError>;
}

/// Why a key could not be wrapped or unwrapped.
#[derive(Debug, thiserror::Error)]
pub enum KekError {
    /// The key file cannot be read or made.
    #[error("key file {path}: {source}")]
    File {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The key file holds something other than 32 bytes.
    #[error("key file {0} must hold exactly 32 bytes")]
    Length(PathBuf),
    /// Others may read the key file.
    #[error("key file {0} is readable by others: set its mode to 0600")]
    Mode(PathBuf),
    /// The wrap was made with another key, for another record, or altered.
    #[error("the wrapped key does not open: another key-encryption key, another record or altered bytes")]
    Altered,
    /// The operating system gave no randomness.
    #[error("the system's random generator failed")]
    Random,
    /// A PKCS#11 module or token cannot be used.
    #[error("token {token}: {why}")]
    Token {
        /// The token's label.
        token: String,
        /// What it said.
        why: String,
    },
    /// A PIN is not there, empty, or no text.
    #[error("{0} holds no PIN: it must hold the token's user PIN and nothing else")]
    Pin(String),
    /// A token has not exactly one AES key of the label.
    #[error("the token has {found} AES keys labelled {key}; it must have one")]
    NoKey {
        /// The label.
        key: String,
        /// How many there are.
        found: usize,
    },
    /// A token has a key of the label already.
    #[error("the token has an AES key labelled {0} already; use it, or choose another label")]
    KeyExists(String),
    /// A key is not kept inside its token.
    #[error("key {0} may leave its token: it must be sensitive and not extractable")]
    MayLeave(String),
    /// The environment names a token in part.
    #[error(
        "the environment variable {0} is missing: a token takes a module, a token label, a key label and a PIN"
    )]
    Environment(&'static str),
}

/// A key-encryption key in a file of mode 0600: AES-256-GCM with a random nonce for each wrap.
pub struct FileKey {
    key: LessSafeKey,
    /// The one that takes its place, as long as some keys are wrapped under it and some are not.
    successor: Option<LessSafeKey>,
}

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey")
    }
}

impl FileKey {
    /// Opens the key file, or makes it with a fresh key where there is none. Fails if others may read it. Where a rotation was interrupted, it
    /// opens what either key wrapped, and wraps under the new one.
    pub fn open_or_create(path: &Path) -> Result<Self, KekError> {
        let next = next(path);
        let successor = if next.exists() { Some(read(&next)?) } else { None };
        Ok(Self {
            key: create_or_read(path)?,
            successor,
        })
    }

    /// The key that is to take the place of the one in `path`: begins a rotation, or goes on with one.
    pub fn successor(path: &Path) -> Result<Self, KekError> {
        Ok(Self {
            key: create_or_read(&next(path))?,
            successor: None,
        })
    }

    /// Puts the successor in the place of the key in `path`, which is gone then: everything must be wrapped under the successor. Without one
    /// nothing happens.
    pub fn succeed(path: &Path) -> Result<(), KekError> {
        let next = next(path);
        if !next.exists() {
            return Ok(());
        }
        let parent = path.parent().unwrap_or(Path::new("."));
        fs::rename(&next, path)
            .and_then(|()| fs::File::open(parent)?.sync_all())
            .map_err(failed(path))
    }

    /// Whether there is a key in `path`.
    pub fn exists(path: &Path) -> bool {
        path.exists() || next(path).exists()
    }

    /// Removes the key in `path`, and the successor of a rotation that did not end: nothing may be wrapped under either any more.
    pub fn remove(path: &Path) -> Result<(), KekError> {
        for path in [&next(path), path] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(failed(path)(error));
                }
                _ => {}
            }
        }
        let parent = path.parent().unwrap_or(Path::new("."));
        fs::File::open(parent)
            .and_then(|parent| parent.sync_all())
            .map_err(failed(path))
    }
}

impl KeyEncryption for FileKey {
    fn wrap(&self, dek: &Dek, context: &[u8]) -> Result<Vec<u8>, KekError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| KekError::Random)?;
        let mut sealed = Zeroizing::new(dek.to_vec());
        self.successor
            .as_ref()
            .unwrap_or(&self.key)
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context),
                &mut *sealed,
            )
            .map_err(|_| KekError::Altered)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<Dek, KekError> {
        let with = |key| opened(key, wrapped, context);
        match &self.successor {
            Some(successor) => with(successor).or_else(|_| with(&self.key)),
            None => with(&self.key),
        }
    }
}

fn opened(key: &LessSafeKey, wrapped: &[u8], context: &[u8]) -> Result<Dek, KekError> {
    let (nonce, sealed) = wrapped.split_at_checked(NONCE_LEN).ok_or(KekError::Altered)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| KekError::Altered)?;
    let mut buffer = Zeroizing::new(sealed.to_vec());
    let opened = key
        .open_in_place(nonce, Aad::from(context), &mut buffer)
        .map_err(|_| KekError::Altered)?;
    Ok(Zeroizing::new(
        <[u8; 32]>::try_from(&*opened).map_err(|_| KekError::Altered)?,
    ))
}

/// `kek` → `kek.next`.
fn next(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".next");
    name.into()
}

fn create_or_read(path: &Path) -> Result<LessSafeKey, KekError> {
    if !path.exists() {
        let mut key = Zeroizing::new([0u8; 32]);
        SystemRandom::new()
            .fill(key.as_mut_slice())
            .map_err(|_| KekError::Random)?;
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed(path))?;
        // A file without its key would be read as a broken one from then on.
        file.write_all(key.as_slice())
            .and_then(|()| file.sync_all())
            .inspect_err(|_| {
                let _stays_empty = fs::remove_file(path);
            })
            .map_err(failed(path))?;
    }
    read(path)
}

/// The bytes of a file that its owner alone may read.
fn private_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, KekError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).map_err(failed(path))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(KekError::Mode(path.to_owned()));
    }
    Ok(Zeroizing::new(fs::read(path).map_err(failed(path))?))
}

fn read(path: &Path) -> Result<LessSafeKey, KekError> {
    let bytes = private_file(path)?;
    if bytes.len() != 32 {
        return Err(KekError::Length(path.to_owned()));
    }
    let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| KekError::Length(path.to_owned()))?;
    Ok(LessSafeKey::new(key))
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> KekError + use<> {
    let path = path.to_owned();
    move |source| KekError::File {
        path: path.clone(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use careledger_sdk::vault::cipher::new_dek;

    #[test]
    fn wraps_for_one_context_and_survives_a_reopen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kek");
        let dek = new_dek().unwrap();
        let wrapped = FileKey::open_or_create(&path)
            .unwrap()
            .wrap(&dek, b"doc 1")
            .unwrap();
        let again = FileKey::open_or_create(&path).unwrap();
        assert_eq!(*again.unwrap(&wrapped, b"doc 1").unwrap(), *dek);
        assert!(matches!(again.unwrap(&wrapped, b"doc 2"), Err(KekError::Altered)));
        assert!(matches!(
            again.unwrap(&wrapped[..5], b"doc 1"),
            Err(KekError::Altered)
        ));
        assert!(!wrapped.windows(32).any(|w| w == dek.as_slice()));
    }

    #[test]
    fn refuses_a_key_file_that_others_may_read_or_of_a_wrong_length() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kek");
        FileKey::open_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(FileKey::open_or_create(&path), Err(KekError::Mode(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, [1; 31]).unwrap();
        assert!(matches!(FileKey::open_or_create(&path), Err(KekError::Length(_))));
    }
}
