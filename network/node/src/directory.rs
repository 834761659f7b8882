//! A network's directory.
//!
//! ```text
//! DIR/careledger-network   the format's number; locked while a network runs
//! DIR/consortium.toml      members, names and ports
//! DIR/network.json         endpoints of the running network
//! DIR/organizations/       keys and certificates, as cryptogen lays them out
//! DIR/<channel>.block      the genesis block
//! DIR/orderer/             the ordering node's chain
//! DIR/peers/<host>/        one peer's ledger, packages, private data
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::config::NetworkConfig;
use crate::consortium;
use crate::error::NetworkError;

/// Changes whenever older programs could misread the directory.
const FORMAT: &str = "1";
const MARKER: &str = "careledger-network";

/// A directory that belongs to this process until it is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// Whether a network was in it before.
    existed: bool,
    temporary: bool,
    /// Holds the lock.
    _marker: File,
}

/// The directory of a network that is not running, and cannot be started until this is dropped.
#[derive(Debug)]
pub struct StoppedNetwork {
    _marker: File,
}

/// Keeps the network in `dir` stopped for as long as the result lives, so that its files can be copied.
///
/// # Errors
/// [`NetworkError::DirForeign`] where no network is, [`NetworkError::DirInUse`] while it runs.
pub fn hold_stopped(dir: &Path) -> Result<StoppedNetwork, NetworkError> {
    let path = dir.join(MARKER);
    let marker = match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(marker) => marker,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(NetworkError::DirForeign(dir.to_owned()));
        }
        Err(error) => return Err(NetworkError::io(path)(error)),
    };
    match marker.try_lock() {
        Ok(()) => Ok(StoppedNetwork { _marker: marker }),
        Err(TryLockError::WouldBlock) => Err(NetworkError::DirInUse(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(NetworkError::Io { path, source }),
    }
}

impl Directory {
    /// Opens the configured directory, or makes one: temporary when none is configured.
    pub(crate) fn open(config: &NetworkConfig) -> Result<Self, NetworkError> {
        let (path, temporary) = match &config.dir {
            Some(dir) => (dir.clone(), false),
            None => (temporary_dir()?, true),
        };
        create_private(&path)?;
        let path = path.canonicalize().map_err(NetworkError::io(&path))?;
        let marker_path = path.join(MARKER);
        let existed = marker_path.exists();
        if !existed
            && fs::read_dir(&path)
                .map_err(NetworkError::io(&path))?
                .next()
                .is_some()
        {
            return Err(NetworkError::DirForeign(path));
        }
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let mut marker = options
            .open(&marker_path)
            .map_err(NetworkError::io(&marker_path))?;
        match marker.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(NetworkError::DirInUse(path)),
            Err(TryLockError::Error(source)) => {
                return Err(NetworkError::Io {
                    path: marker_path,
                    source,
                });
            }
        }
        let mut found = String::new();
        marker
            .read_to_string(&mut found)
            .map_err(NetworkError::io(&marker_path))?;
        let directory = Self {
            path,
            existed: !found.trim().is_empty(),
            temporary,
            _marker: marker,
        };
        if directory.existed {
            directory.check(found.trim(), config)?;
        }
        Ok(directory)
    }

    /// Records that the directory now holds this network. Until then a start that failed may be repeated.
    pub(crate) fn complete(&mut self, config: &NetworkConfig) -> Result<(), NetworkError> {
        self.write(consortium::FILE, consortium::render(config)?.as_bytes())?;
        if !self.existed {
            let path = self.path.join(MARKER);
            let write = || {
                let mut marker = &self._marker;
                marker.write_all(format!("{FORMAT}\n").as_bytes())?;
                marker.sync_all()
            };
            write().map_err(NetworkError::io(path))?;
            self.existed = true;
        }
        Ok(())
    }

    /// Whether a complete network was made here before.
    pub(crate) fn existed(&self) -> bool {
        self.existed
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Keys and certificates.
    pub(crate) fn organizations(&self) -> PathBuf {
        self.path.join("organizations")
    }

    /// The genesis block's file.
    pub(crate) fn genesis(&self, channel: &str) -> PathBuf {
        self.path.join(format!("{channel}.block"))
    }

    /// Where something is made before it is moved to its place.
    pub(crate) fn unfinished(&self) -> PathBuf {
        self.path.join(".unfinished")
    }

    /// The ordering node's directory, created if missing.
    pub(crate) fn orderer(&self) -> Result<PathBuf, NetworkError> {
        self.subdirectory("orderer".into())
    }

    /// A peer's directory, created if missing.
    pub(crate) fn peer(&self, host: &str) -> Result<PathBuf, NetworkError> {
        self.subdirectory(Path::new("peers").join(host))
    }

    /// Replaces a file with `content` at once.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), NetworkError> {
        let (path, next) = (self.path.join(name), self.path.join(format!(".{name}.new")));
        let write = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&next)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&next, &path)
        };
        write().map_err(NetworkError::io(&path))
    }

    /// Removes what a start left that did not get to its end.
    pub(crate) fn clear(&self) -> Result<(), NetworkError> {
        for entry in fs::read_dir(&self.path).map_err(NetworkError::io(&self.path))? {
            let entry = entry.map_err(NetworkError::io(&self.path))?;
            let path = entry.path();
            if entry.file_name() == MARKER {
                continue;
            }
            let is_dir = entry.file_type().map_err(NetworkError::io(&path))?.is_dir();
            let removed = if is_dir {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.map_err(NetworkError::io(&path))?;
        }
        Ok(())
    }

    fn check(&self, found: &str, config: &NetworkConfig) -> Result<(), NetworkError> {
        if found != FORMAT {
            return Err(NetworkError::DirVersion {
                path: self.path.clone(),
                found: found.chars().take(20).collect(),
                expected: FORMAT.to_owned(),
            });
        }
        let path = self.path.join(consortium::FILE);
        let stored = fs::read_to_string(&path).map_err(NetworkError::io(&path))?;
        consortium::same_network(&stored, config).map_err(|what| NetworkError::DirOther {
            path: self.path.clone(),
            what,
        })
    }

    fn subdirectory(&self, name: PathBuf) -> Result<PathBuf, NetworkError> {
        let path = self.path.join(name);
        create_private(&path)?;
        Ok(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.temporary
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "a temporary directory was not removed");
        }
    }
}

fn create_private(path: &Path) -> Result<(), NetworkError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(NetworkError::io(path))
}

/// A new directory below the system's temporary one, with a name that nobody can guess.
fn temporary_dir() -> Result<PathBuf, NetworkError> {
    let mut random = [0; 12];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| NetworkError::Io {
        path: std::env::temp_dir(),
        source: std::io::Error::other("the system's random number generator failed"),
    })?;
    let path = std::env::temp_dir().join(format!("careledger-{}", hex::encode(random)));
    // Not recursive: a directory that exists already must not be taken over.
    DirBuilder::new()
        .mode(0o700)
        .create(&path)
        .map_err(NetworkError::io(&path))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dir: &Path) -> NetworkConfig {
        NetworkConfig::health().with_dir(dir)
    }

    #[test]
    fn one_network_at_a_time() {
        let temp = tempfile::tempdir().expect("temporary directory");
        let dir = temp.path().join("network");
        let mut first = Directory::open(&config(&dir)).expect("new directory");
        assert!(!first.existed());
        assert!(matches!(
            Directory::open(&config(&dir)),
            Err(NetworkError::DirInUse(_))
        ));
        first.complete(&config(&dir)).expect("complete");
        assert!(matches!(hold_stopped(&dir), Err(NetworkError::DirInUse(_))));
        drop(first);
        let held = hold_stopped(&dir).expect("nobody has it");
        assert!(matches!(
            Directory::open(&config(&dir)),
            Err(NetworkError::DirInUse(_))
        ));
        drop(held);
        assert!(Directory::open(&config(&dir)).expect("reopened").existed());
        assert!(matches!(
            hold_stopped(temp.path()),
            Err(NetworkError::DirForeign(_))
        ));
    }

    #[test]
    fn an_incomplete_start_may_be_repeated() {
        let temp = tempfile::tempdir().expect("temporary directory");
        let first = Directory::open(&config(temp.path())).expect("empty directory");
        first.peer("peer0.clinic.example.com").expect("peer directory");
        drop(first);
        let again = Directory::open(&config(temp.path())).expect("opens again");
        assert!(!again.existed());
        again.clear().expect("cleared");
        assert!(!temp.path().join("peers").exists());
    }

    #[test]
    fn foreign_other_and_newer_directories_are_refused() {
        let temp = tempfile::tempdir().expect("temporary directory");
        fs::write(temp.path().join("letter.txt"), "dear").expect("written");
        assert!(matches!(
            Directory::open(&config(temp.path())),
            Err(NetworkError::DirForeign(_))
        ));

        let temp = tempfile::tempdir().expect("temporary directory");
        Directory::open(&config(temp.path()))
            .expect("new")
            .complete(&config(temp.path()))
            .expect("complete");
        let other = NetworkConfig::test_network().with_dir(temp.path());
        assert!(matches!(
            Directory::open(&other),
            Err(NetworkError::DirOther { .. })
        ));
        fs::write(temp.path().join(MARKER), "2\n").expect("written");
        let error = Directory::open(&config(temp.path())).expect_err("newer format");
        assert!(
            matches!(&error, NetworkError::DirVersion { found, .. } if found == "2"),
            "{error}"
        );
    }

    #[test]
    fn temporary_directories_are_private_and_go_away() {
        use std::os::unix::fs::PermissionsExt;
        let directory = Directory::open(&NetworkConfig::health()).expect("temporary");
        let path = directory.path().to_owned();
        let mode = fs::metadata(&path).expect("exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(directory);
        assert!(!path.exists());
    }
}
