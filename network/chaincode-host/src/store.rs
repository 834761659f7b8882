//! Installed packages on disk, one file each.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::package::{Package, PackageError, package_id, valid_label};

const SUFFIX: &str = ".tar.gz";
/// Hex digits of a SHA-256.
const HASH_LENGTH: usize = 64;

/// The packages that a peer has installed. Files are named as Fabric names them: `label.sha256.tar.gz`.
#[derive(Debug)]
pub struct PackageStore {
    dir: PathBuf,
    /// Packages read so far, by id.
    parsed: Mutex<BTreeMap<String, Package>>,
}

/// A package in the list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InstalledPackage {
    /// `label:sha256`.
    pub package_id: String,
    /// Label.
    pub label: String,
}

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The package itself was refused.
    #[error("could not parse as a chaincode install package: {0}")]
    Package(#[from] PackageError),
    /// No package with this id.
    #[error("chaincode install package '{0}' not found")]
    NotFound(String),
    /// The disk refused.
    #[error("chaincode package store {path}: {source}", path = path.display())]
    Io {
        /// Directory or file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl PackageStore {
    /// Opens the store in `dir` and makes the directory when it is not there.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let dir = dir.into();
        fs::create_dir_all(&dir).map_err(|source| io_error(&dir, source))?;
        Ok(Self {
            dir,
            parsed: Mutex::default(),
        })
    }

    /// Checks and keeps a package, on disk when this returns. Installing the same bytes again changes nothing.
    pub fn install(&self, bytes: &[u8]) -> Result<InstalledPackage, StoreError> {
        let package = Package::parse(bytes)?;
        let id = package_id(&package.label, bytes);
        let path = self.path(&id).ok_or_else(|| StoreError::NotFound(id.clone()))?;
        if !path.exists() {
            write_durably(&self.dir, &path, bytes)?;
        }
        let label = package.label.clone();
        self.cache().insert(id.clone(), package);
        Ok(InstalledPackage {
            package_id: id,
            label,
        })
    }

    /// All installed packages, by id.
    pub fn list(&self) -> Result<Vec<InstalledPackage>, StoreError> {
        let entries = fs::read_dir(&self.dir).map_err(|source| io_error(&self.dir, source))?;
        let mut found = Vec::new();
        for entry in entries {
            let name = entry.map_err(|source| io_error(&self.dir, source))?.file_name();
            found.extend(name.to_str().and_then(from_file_name));
        }
        found.sort();
        Ok(found)
    }

    /// The bytes of a package as they were installed.
    pub fn bytes(&self, package_id: &str) -> Result<Vec<u8>, StoreError> {
        let missing = || StoreError::NotFound(package_id.to_owned());
        let path = self.path(package_id).ok_or_else(missing)?;
        match fs::read(&path) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing()),
            Err(source) => Err(io_error(&path, source)),
        }
    }

    /// A package, read once and remembered.
    pub fn package(&self, package_id: &str) -> Result<Package, StoreError> {
        if let Some(package) = self.cache().get(package_id) {
            return Ok(package.clone());
        }
        let package = Package::parse(&self.bytes(package_id)?)?;
        self.cache().insert(package_id.to_owned(), package.clone());
        Ok(package)
    }

    /// True when the package is installed.
    pub fn contains(&self, package_id: &str) -> bool {
        self.path(package_id).is_some_and(|path| path.exists())
    }

    /// File of a package; `None` when the id is not of the form `label:sha256`, so that no id can name a file
    /// outside the store.
    fn path(&self, package_id: &str) -> Option<PathBuf> {
        let (label, hash) = package_id.split_once(':')?;
        (valid_label(label) && valid_hash(hash)).then(|| self.dir.join(format!("{label}.{hash}{SUFFIX}")))
    }

    fn cache(&self) -> MutexGuard<'_, BTreeMap<String, Package>> {
        // The map is whole after every statement, so a panic elsewhere leaves nothing half done.
        self.parsed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn from_file_name(name: &str) -> Option<InstalledPackage> {
    let (label, hash) = name.strip_suffix(SUFFIX)?.rsplit_once('.')?;
    (valid_label(label) && valid_hash(hash)).then(|| InstalledPackage {
        package_id: format!("{label}:{hash}"),
        label: label.to_owned(),
    })
}

fn valid_hash(hash: &str) -> bool {
    hash.len() == HASH_LENGTH && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Writes beside the target and renames, so that a crash leaves the whole file or none.
fn write_durably(dir: &Path, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = path.with_extension("tmp");
    let write = || -> io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|source| io_error(path, source))
}

fn io_error(path: &Path, source: io::Error) -> StoreError {
    StoreError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::package::{ccaas, in_process};

    #[test]
    fn installs_lists_and_survives_reopening() {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = PackageStore::open(dir.path()).expect("opens");
        let first = store.install(&in_process("b", "x")).expect("installs");
        let second = store.install(&ccaas("a.1", b"{}")).expect("installs");
        assert_eq!(store.install(&in_process("b", "x")).expect("again"), first);

        let store = PackageStore::open(dir.path()).expect("reopens");
        assert_eq!(store.list().expect("lists"), [second.clone(), first.clone()]);
        assert_eq!(
            store.bytes(&first.package_id).expect("reads"),
            in_process("b", "x")
        );
        assert_eq!(store.package(&second.package_id).expect("parses").label, "a.1");
        assert!(store.contains(&first.package_id));
    }

    #[test]
    fn the_file_name_is_fabrics() {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = PackageStore::open(dir.path()).expect("opens");
        let installed = store.install(&in_process("b", "x")).expect("installs");
        let file = format!("{}.tar.gz", installed.package_id.replace(':', "."));
        assert!(dir.path().join(file).exists());
    }

    #[test]
    fn unknown_and_hostile_ids_are_not_found() {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = PackageStore::open(dir.path()).expect("opens");
        let unknown = format!("x:{}", "0".repeat(64));
        for id in [unknown.as_str(), "x", "", "../x:00", "x:../../etc/passwd"] {
            let refusal = store.bytes(id).expect_err("no such package").to_string();
            assert_eq!(refusal, format!("chaincode install package '{id}' not found"));
            assert!(!store.contains(id));
        }
    }

    #[test]
    fn refused_packages_leave_no_file() {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = PackageStore::open(dir.path()).expect("opens");
        assert!(matches!(store.install(b"junk"), Err(StoreError::Package(_))));
        assert_eq!(fs::read_dir(dir.path()).expect("reads").count(), 0);
    }
}
