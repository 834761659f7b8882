//! A wallet in a file: the secret, where it is enrolled and what does not follow from the secret (another device's key, a patient it became by a recovery,
//! guardians' cards, the wallet code), readable by its owner alone, and encrypted under a passphrase where one is given.
//!
//! ```text
//! {"format": "careledger-wallet", "version": 1, "plain": {"secret": hex, "enrolled": [MSP ids], "places": {MSP id: …}, "cards": […], "code": hex}}
//! {"format": …, "version": 1, "sealed": {"memory_kib", "passes", "lanes", "salt", "nonce", "ciphertext"}}
//! key = Argon2id(passphrase, salt) (RFC 9106, second recommended option); ciphertext = AES-256-GCM(key, nonce, the content, aad = parameters)
//! ```
//!
//! The file is replaced as a whole, so that a crash leaves the old or the new one. Who holds it (and its passphrase) is the patient: keep a copy.

mod content;
mod devices;
mod sealed;

pub use self::devices::StartedRecovery;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use careledger_api::HealthError;
use careledger_api::consortium::Consortium;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use self::content::Content;
use self::sealed::SealedContent;
use super::Wallet;

const FORMAT: &str = "careledger-wallet";
const VERSION: u32 = 1;
/// Largest file that is read, bytes.
const MAX_FILE: u64 = 256 * 1024;
/// A wallet's file, open.
pub struct WalletFile {
    path: PathBuf,
    content: Content,
    passphrase: Option<Zeroizing<String>>,
}

/// Why a wallet's file could not be used. No text carries the secret or the passphrase.
#[derive(Debug, thiserror::Error)]
pub enum WalletFileError {
    /// There is a file already; a wallet is never overwritten.
    #[error("{0} is there already; a wallet is never overwritten, choose another file")]
    Exists(PathBuf),
    /// There is no such file.
    #[error("there is no wallet at {0}; make one with `careledger wallet new`, or name its file")]
    Missing(PathBuf),
    /// Others than its owner may read or change the file.
    #[error(
        "{0} can be read or changed by others than its owner; chmod 600 it, and consider its secret known"
    )]
    Open(PathBuf),
    /// The file system failed.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no wallet, or of a version that this program does not know.
    #[error("{path} is no wallet: {what}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// The wallet is encrypted and no passphrase was given.
    #[error("{0} is encrypted: give its passphrase")]
    Encrypted(PathBuf),
    /// The passphrase is another one, or the file was altered.
    #[error("{0} does not open: the passphrase is another one, or the file was altered")]
    DoesNotOpen(PathBuf),
    /// The key could not be derived or used.
    #[error("the wallet cannot be encrypted: {0}")]
    Crypto(&'static str),
    /// The wallet has no key for what it is asked, or another act has to come first.
    #[error(transparent)]
    Refused(#[from] HealthError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OnDisk {
    format: String,
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    plain: Option<Content>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    sealed: Option<SealedContent>,
}

impl std::fmt::Debug for WalletFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WalletFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl WalletFile {
    /// Makes a wallet with a fresh secret at `path`, which must not be there yet; its directory is made (0700) if need be. With a passphrase the content
    /// is encrypted under it.
    pub fn create(path: &Path, passphrase: Option<Zeroizing<String>>) -> Result<Self, WalletFileError> {
        if let Some(dir) = path
            .parent()
            .filter(|dir| !dir.as_os_str().is_empty() && !dir.exists())
        {
            use std::os::unix::fs::DirBuilderExt;
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)
                .map_err(io_error(dir))?;
        }
        // Takes the name, so that of two at once one fails.
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
        {
            Ok(_taken) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(WalletFileError::Exists(path.to_owned()));
            }
            Err(error) => return Err(io_error(path)(error)),
        }
        let secret = Zeroizing::new(rand::random::<[u8; 32]>());
        let file = Self {
            path: path.to_owned(),
            content: Content::of_secret(&secret),
            passphrase,
        };
        // A name without a wallet behind it would be refused from then on.
        file.store().inspect_err(|_| {
            let _stays_empty = fs::remove_file(path);
        })?;
        Ok(file)
    }

    /// Opens the wallet at `path`. Fails with [`WalletFileError::Open`] where others may read it, and where the passphrase is missing or another one.
    pub fn open(path: &Path, passphrase: Option<Zeroizing<String>>) -> Result<Self, WalletFileError> {
        let malformed = |what| WalletFileError::Malformed {
            path: path.to_owned(),
            what,
        };
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(WalletFileError::Missing(path.to_owned()));
            }
            Err(error) => return Err(io_error(path)(error)),
        };
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(WalletFileError::Open(path.to_owned()));
        }
        if metadata.len() > MAX_FILE {
            return Err(malformed("it is larger than any wallet"));
        }
        let bytes = Zeroizing::new(fs::read(path).map_err(io_error(path))?);
        let on_disk: OnDisk =
            serde_json::from_slice(&bytes).map_err(|_| malformed("it is not a wallet's JSON"))?;
        if on_disk.format != FORMAT || on_disk.version != VERSION {
            return Err(malformed(
                "this program knows format careledger-wallet, version 1",
            ));
        }
        let content = match (on_disk.plain, on_disk.sealed) {
            (Some(plain), None) => plain,
            (None, Some(sealed)) => {
                let passphrase = passphrase
                    .as_ref()
                    .ok_or_else(|| WalletFileError::Encrypted(path.to_owned()))?;
                let bytes = sealed
                    .open(passphrase)
                    .ok_or_else(|| WalletFileError::DoesNotOpen(path.to_owned()))?;
                serde_json::from_slice(&bytes)
                    .map_err(|_| malformed("its encrypted part is not a wallet's"))?
            }
            _ => return Err(malformed("it has to have one of `plain` and `sealed`")),
        };
        let file = Self {
            path: path.to_owned(),
            content,
            passphrase,
        };
        file.secret()?;
        Ok(file)
    }

    /// The wallet, for one consortium.
    pub fn wallet(&self, consortium: Consortium) -> Result<Wallet, WalletFileError> {
        Ok(Wallet::from_secret(*self.secret()?, consortium))
    }

    /// The custodians (MSP ids) at which this wallet is enrolled, as far as it was told.
    pub fn enrolled(&self) -> &BTreeSet<String> {
        &self.content.enrolled
    }

    /// Notes an enrolment and stores it.
    pub fn note_enrolled(&mut self, custodian: &str) -> Result<(), WalletFileError> {
        self.content.enrolled.insert(custodian.to_owned());
        self.store()
    }

    /// Whether the content is encrypted under a passphrase.
    pub fn is_encrypted(&self) -> bool {
        self.passphrase.is_some()
    }

    fn secret(&self) -> Result<Zeroizing<[u8; 32]>, WalletFileError> {
        content::secret_of(&self.content.secret)
            .ok_or_else(|| self.malformed("its secret is not 64 hex digits"))
    }

    fn malformed(&self, what: &'static str) -> WalletFileError {
        WalletFileError::Malformed {
            path: self.path.clone(),
            what,
        }
    }

    fn store(&self) -> Result<(), WalletFileError> {
        let plain = Zeroizing::new(
            serde_json::to_vec(&self.content).map_err(|_| WalletFileError::Crypto("it has no JSON form"))?,
        );
        let bytes = match &self.passphrase {
            Some(passphrase) => serde_json::to_vec(&OnDisk {
                format: FORMAT.to_owned(),
                version: VERSION,
                plain: None,
                sealed: Some(SealedContent::seal(passphrase, &plain)?),
            }),
            None => serde_json::to_vec(&OnDisk {
                format: FORMAT.to_owned(),
                version: VERSION,
                plain: Some(self.content.clone()),
                sealed: None,
            }),
        };
        let bytes = Zeroizing::new(bytes.map_err(|_| WalletFileError::Crypto("it has no JSON form"))?);
        replace(&self.path, &bytes).map_err(io_error(&self.path))
    }
}

/// Replaces a file as a whole; the new one is on disk before it takes the old one's name.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> WalletFileError {
    let path = path.to_owned();
    move |source| WalletFileError::Io { path, source }
}

#[cfg(test)]
mod tests;
