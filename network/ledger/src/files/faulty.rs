//! A file system in memory that fails on command, for tests of what a crash leaves.
//!
//! It knows what a real disk promises: only what was synced survives a power failure, and of the rest any sectors, in any
//! order and in any file. A test lets an operation fail or the machine stop at it, takes what survives, and opens that.
//!
//! ```
//! use std::path::Path;
//! use fabric_ledger::files::{FileLayer, faulty::{Fault, FaultyFiles, Loss, Random}};
//! let files = FaultyFiles::default();
//! let log = files.open(Path::new("log")).unwrap();
//! log.append(b"kept").unwrap();
//! log.sync().unwrap();
//! files.sync_dir(Path::new("")).unwrap();
//! files.inject(files.operations() + 1, Fault::Crash { torn: 3 });
//! assert!(log.append(b"lost").is_err());
//! assert!(log.sync().is_err(), "after the crash nothing works");
//! let after = files.after_crash(Loss::Power, &mut Random::new(7));
//! let log = after.open(Path::new("log")).unwrap();
//! let mut start = [0; 4];
//! log.read_at(0, &mut start).unwrap();
//! assert_eq!(&start, b"kept");
//! ```

mod disk;
mod random;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use disk::{Disk, Inode, Number};
pub use random::Random;

use super::{FileLayer, LogFile, OsFiles};

/// What happens at one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails and changes nothing; later ones work (EIO).
    Error,
    /// The disk is full: an append writes this many of its bytes and fails, other operations fail whole (ENOSPC).
    Full {
        /// Bytes that an append still writes.
        written: usize,
    },
    /// From here on every sync says that it worked, and does nothing.
    LyingSyncs,
    /// The machine stops: an append leaves this many of its bytes, and nothing works afterwards.
    Crash {
        /// Bytes that an append still hands to the system.
        torn: usize,
    },
}

/// How much a crash takes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// A killed process: everything that it handed to the system is there.
    Kill,
    /// A power failure: of what was not synced, any sectors of any file, and directory entries up to any point.
    Power,
}

/// A file system in memory. Clones share it. Directories are made on the real disk as well, for what else lives there.
///
/// Operations that change something are counted from 1; see [`inject`](Self::inject).
#[derive(Clone, Debug, Default)]
pub struct FaultyFiles(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    disk: Disk,
    operations: u64,
    faults: BTreeMap<u64, Fault>,
    lying: bool,
    crashed: bool,
    quota: Option<u64>,
}

impl FaultyFiles {
    /// Lets `fault` happen at the `operation`-th change, counted over the whole life of this file system.
    pub fn inject(&self, operation: u64, fault: Fault) {
        self.lock().faults.insert(operation, fault);
    }

    /// Changes so far: appends, syncs, cuts, creations, renames, removals, syncs of directories.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Whether a [`Fault::Crash`] happened.
    pub fn crashed(&self) -> bool {
        self.lock().crashed
    }

    /// Lets appends fail with ENOSPC once all files together have this many bytes; `None` lifts the limit.
    pub fn set_quota(&self, bytes: Option<u64>) {
        self.lock().quota = bytes;
    }

    /// What is there after the machine stopped now, as a file system without faults. This one stays as it is.
    #[must_use]
    pub fn after_crash(&self, loss: Loss, random: &mut Random) -> Self {
        let disk = self.lock().disk.after_crash(loss, random);
        Self(Arc::new(Mutex::new(State {
            disk,
            ..State::default()
        })))
    }

    /// Names and lengths of all files, as the process sees them.
    pub fn contents(&self) -> Vec<(PathBuf, u64)> {
        self.lock().disk.contents()
    }

    /// Changes bytes at rest: each byte of `mask` is combined with the file's by exclusive or.
    ///
    /// # Errors
    /// `NotFound`, and `UnexpectedEof` behind the file's end.
    pub fn damage(&self, path: &Path, offset: u64, mask: &[u8]) -> io::Result<()> {
        self.lock().disk.damage(path, offset, mask)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one change, or lets it fail. An append gives its length; `change` is told how much of it to do.
    fn change<T>(
        &self,
        length: usize,
        change: impl FnOnce(&mut Disk, usize, bool) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.lock();
        if state.crashed {
            return Err(stopped());
        }
        state.operations += 1;
        let operation = state.operations;
        let (done, error) = match state.faults.remove(&operation) {
            Some(Fault::Error) => return Err(io::Error::other("injected input/output error")),
            Some(Fault::Full { written }) => (written.min(length), Some(full())),
            Some(Fault::Crash { torn }) => {
                state.crashed = true;
                (torn.min(length), Some(stopped()))
            }
            Some(Fault::LyingSyncs) => {
                state.lying = true;
                (length, None)
            }
            None => match state.quota {
                Some(quota) if length > 0 => {
                    let room = usize::try_from(quota.saturating_sub(state.disk.size())).unwrap_or(usize::MAX);
                    (length.min(room), (room < length).then(full))
                }
                _ => (length, None),
            },
        };
        let lying = state.lying;
        match error {
            None => change(&mut state.disk, done, lying),
            Some(error) => {
                if done > 0 {
                    change(&mut state.disk, done, lying)?;
                }
                Err(error)
            }
        }
    }

    fn handle(&self, number: Number, path: &Path, writable: bool) -> Box<dyn LogFile> {
        Box::new(FaultyFile {
            files: self.clone(),
            number,
            path: path.to_owned(),
            writable,
        })
    }
}

impl FileLayer for FaultyFiles {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        if self.crashed() {
            return Err(stopped());
        }
        OsFiles.create_dir(dir)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let found = self.lock().disk.find(path);
        let number = match found {
            Some(_) if self.crashed() => return Err(stopped()),
            Some(number) => number,
            None => self.change(0, |disk, _, _| Ok(disk.create(path)))?,
        };
        Ok(self.handle(number, path, true))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let found = self.lock().disk.find(path);
        let number = found.ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(number, path, false))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        Ok(self.lock().disk.list(dir))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(0, |disk, _, _| disk.remove(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(0, |disk, _, _| disk.rename(from, to))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.change(0, |disk, _, lying| {
            if !lying {
                disk.sync_dir(dir);
            }
            Ok(())
        })
    }
}

#[derive(Debug)]
struct FaultyFile {
    files: FaultyFiles,
    number: Number,
    path: PathBuf,
    writable: bool,
}

impl FaultyFile {
    fn change(&self, length: usize, change: impl FnOnce(&mut Inode, usize, bool)) -> io::Result<()> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.files.change(length, |disk, done, lying| {
            change(disk.inode(self.number), done, lying);
            Ok(())
        })
    }

    fn read<T>(&self, read: impl FnOnce(&[u8]) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.files.lock();
        if state.crashed {
            return Err(stopped());
        }
        read(&state.disk.inode(self.number).current)
    }
}

impl LogFile for FaultyFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.change(bytes.len(), |inode, done, _| {
            inode.current.extend_from_slice(&bytes[..done]);
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.change(0, |inode, _, lying| {
            if !lying {
                inode.sync();
            }
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.read(|bytes| Ok(bytes.len() as u64))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read(|bytes| {
            let from = usize::try_from(offset).ok();
            let found = from.and_then(|from| bytes.get(from..from.checked_add(buffer.len())?));
            let found = found.ok_or_else(|| {
                let end = format!("{} ends before", self.path.display());
                io::Error::new(io::ErrorKind::UnexpectedEof, end)
            })?;
            buffer.copy_from_slice(found);
            Ok(())
        })
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.change(0, |inode, _, _| {
            inode
                .current
                .resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
        })
    }
}

fn stopped() -> io::Error {
    io::Error::other("the machine stopped")
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(files: &FaultyFiles) -> Box<dyn LogFile> {
        files.open(Path::new("d/log")).expect("opens")
    }

    fn read(files: &FaultyFiles) -> Option<Vec<u8>> {
        let file = files.open_read(Path::new("d/log")).ok()?;
        let mut bytes = vec![0; file.len().expect("length") as usize];
        file.read_at(0, &mut bytes).expect("reads");
        Some(bytes)
    }

    fn synced(content: &[u8]) -> FaultyFiles {
        let files = FaultyFiles::default();
        let log = file(&files);
        log.append(content).expect("appends");
        log.sync().expect("syncs");
        files.sync_dir(Path::new("d")).expect("syncs");
        files
    }

    #[test]
    fn what_was_synced_survives_and_the_rest_in_any_part() {
        let files = synced(&[1; 700]);
        file(&files).append(&[2; 3_000]).expect("appends");
        let mut lengths = std::collections::BTreeSet::new();
        let mut holes = 0;
        for seed in 0..200 {
            let after = files.after_crash(Loss::Power, &mut Random::new(seed));
            let found = read(&after).expect("is there");
            assert_eq!(found[..700], [1; 700]);
            assert!(found.len() <= 3_700 && found[700..].iter().all(|byte| [0, 2].contains(byte)));
            holes += usize::from(found[700..].windows(2).any(|pair| pair == [0, 2]));
            lengths.insert(found.len());
        }
        assert!(lengths.len() > 50 && holes > 20, "{lengths:?} {holes}");
        let killed = files.after_crash(Loss::Kill, &mut Random::new(0));
        assert_eq!(read(&killed).map(|found| found.len()), Some(3_700));
    }

    #[test]
    fn a_new_name_needs_the_directorys_sync() {
        let files = FaultyFiles::default();
        let log = file(&files);
        log.append(b"x").expect("appends");
        log.sync().expect("syncs");
        let survives = |seed| read(&files.after_crash(Loss::Power, &mut Random::new(seed))).is_some();
        assert_ne!((0..50).filter(|seed| survives(*seed)).count(), 50);
        files.sync_dir(Path::new("d")).expect("syncs");
        let survives = |seed| read(&files.after_crash(Loss::Power, &mut Random::new(seed))).is_some();
        assert_eq!((0..50).filter(|seed| survives(*seed)).count(), 50);
    }

    #[test]
    fn faults_come_at_their_operation_and_once() {
        let files = synced(b"a");
        let log = file(&files);
        let next = files.operations() + 1;
        files.inject(next, Fault::Error);
        files.inject(next + 1, Fault::Full { written: 1 });
        files.inject(next + 3, Fault::LyingSyncs);
        assert!(log.append(b"b").is_err());
        let error = log.append(b"cc").expect_err("full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        log.append(b"d").expect("works again");
        log.sync().expect("says so");
        assert_eq!(read(&files).as_deref(), Some(&b"acd"[..]));
        let gone = (0..50).any(|seed| {
            let after = files.after_crash(Loss::Power, &mut Random::new(seed));
            read(&after).as_deref() == Some(b"a")
        });
        assert!(gone, "the sync did nothing");
    }

    #[test]
    fn a_quota_lets_in_what_fits() {
        let files = synced(b"abc");
        files.set_quota(Some(5));
        let log = file(&files);
        let error = log.append(b"1234").expect_err("too much");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(read(&files).as_deref(), Some(&b"abc12"[..]));
        log.truncate(3).expect("cuts");
        files.set_quota(None);
        log.append(b"1234").expect("appends");
        files.damage(Path::new("d/log"), 1, &[0x20]).expect("damages");
        assert_eq!(read(&files).as_deref(), Some(&b"aBc1234"[..]));
    }
}
