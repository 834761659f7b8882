//! What the process sees, and what the disk has.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{Loss, Random};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// A file, whatever its name.
pub(super) type Number = usize;

#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, Number>,
    durable_names: BTreeMap<PathBuf, Number>,
    /// Changes of names since their directory's last sync, oldest first.
    pending: Vec<NameChange>,
}

/// A file's content.
#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    pub(super) current: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Create(PathBuf, Number),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl Disk {
    pub(super) fn find(&self, path: &Path) -> Option<Number> {
        self.names.get(path).copied()
    }

    pub(super) fn inode(&mut self, number: Number) -> &mut Inode {
        &mut self.inodes[number]
    }

    pub(super) fn create(&mut self, path: &Path) -> Number {
        let number = self.inodes.len();
        self.inodes.push(Inode::default());
        self.change_names(NameChange::Create(path.to_owned(), number));
        number
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.find(path).ok_or(io::ErrorKind::NotFound)?;
        self.change_names(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.find(from).ok_or(io::ErrorKind::NotFound)?;
        self.change_names(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) {
        let (of_dir, others) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|change: &NameChange| change.directory() == Some(dir));
        self.pending = others;
        for change in of_dir {
            change.apply(&mut self.durable_names);
        }
    }

    pub(super) fn list(&self, dir: &Path) -> Vec<String> {
        let inside = self.names.keys().filter(|path| path.parent() == Some(dir));
        inside
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect()
    }

    pub(super) fn contents(&self) -> Vec<(PathBuf, u64)> {
        let length = |number: &Number| self.inodes[*number].current.len() as u64;
        self.names
            .iter()
            .map(|(path, number)| (path.clone(), length(number)))
            .collect()
    }

    /// Bytes of all files that have a name.
    pub(super) fn size(&self) -> u64 {
        self.contents().iter().map(|(_, length)| length).sum()
    }

    pub(super) fn damage(&mut self, path: &Path, offset: u64, mask: &[u8]) -> io::Result<()> {
        let number = self.find(path).ok_or(io::ErrorKind::NotFound)?;
        let inode = &mut self.inodes[number];
        for content in [&mut inode.current, &mut inode.durable] {
            let from = usize::try_from(offset).unwrap_or(usize::MAX);
            let bytes = from
                .checked_add(mask.len())
                .and_then(|end| content.get_mut(from..end))
                .ok_or(io::ErrorKind::UnexpectedEof)?;
            for (byte, change) in bytes.iter_mut().zip(mask) {
                *byte ^= change;
            }
        }
        Ok(())
    }

    pub(super) fn after_crash(&self, loss: Loss, random: &mut Random) -> Self {
        let names = match loss {
            Loss::Kill => self.names.clone(),
            Loss::Power => {
                let mut names = self.durable_names.clone();
                let survive = random.below(self.pending.len() as u64 + 1) as usize;
                for change in &self.pending[..survive] {
                    change.apply(&mut names);
                }
                names
            }
        };
        let inodes = self.inodes.iter().map(|inode| inode.after_crash(loss, random));
        Self {
            inodes: inodes.collect(),
            durable_names: names.clone(),
            names,
            pending: Vec::new(),
        }
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }
}

impl Inode {
    pub(super) fn sync(&mut self) {
        self.durable.clone_from(&self.current);
    }

    fn after_crash(&self, loss: Loss, random: &mut Random) -> Self {
        let survivor = match loss {
            Loss::Kill => self.current.clone(),
            Loss::Power => self.survivor(random),
        };
        Self {
            durable: survivor.clone(),
            current: survivor,
        }
    }

    /// Any length between the two, and each sector as it was or as it should be.
    fn survivor(&self, random: &mut Random) -> Vec<u8> {
        let (shorter, longer) = if self.durable.len() < self.current.len() {
            (self.durable.len(), self.current.len())
        } else {
            (self.current.len(), self.durable.len())
        };
        let length = match random.below(3) {
            0 => self.durable.len(),
            1 => self.current.len(),
            _ => shorter + random.below((longer - shorter) as u64 + 1) as usize,
        };
        let mut bytes = vec![0; length];
        for (at, sector) in bytes.chunks_mut(SECTOR).enumerate() {
            let source = if random.chance(1, 2) {
                &self.durable
            } else {
                &self.current
            };
            let from = at * SECTOR;
            let found = source.get(from..).unwrap_or_default();
            let whole = found.len().min(sector.len());
            sector[..whole].copy_from_slice(&found[..whole]);
        }
        bytes
    }
}

impl NameChange {
    fn directory(&self) -> Option<&Path> {
        match self {
            Self::Create(path, _) | Self::Remove(path) | Self::Rename(_, path) => path.parent(),
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Number>) {
        match self {
            Self::Create(path, number) => {
                names.insert(path.clone(), *number);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Rename(from, to) => {
                if let Some(number) = names.remove(from) {
                    names.insert(to.clone(), number);
                }
            }
        }
    }
}
