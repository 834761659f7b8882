//! The operating system's files.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use super::{FileLayer, LogFile};

/// The operating system's files, as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsFiles;

impl FileLayer for OsFiles {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        Ok(Box::new(OsFile(file)))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(OsFile(File::open(path)?)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

#[derive(Debug)]
struct OsFile(File);

impl LogFile for OsFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0).write_all(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn appends_after_a_cut_and_keeps_modes_private() -> io::Result<()> {
        let temp = tempfile::tempdir()?;
        let dir = temp.path().join("a/b");
        OsFiles.create_dir(&dir)?;
        let path = dir.join("log");
        let file = OsFiles.open(&path)?;
        file.append(b"hello")?;
        file.truncate(2)?;
        file.append(b"y")?;
        file.sync()?;
        let mut read = [0; 3];
        file.read_at(0, &mut read)?;
        assert_eq!(&read, b"hey");
        assert_eq!(
            file.read_at(1, &mut read).map_err(|e| e.kind()),
            Err(io::ErrorKind::UnexpectedEof)
        );
        assert_eq!(OsFiles.list(&dir)?, ["log"]);
        let reading = OsFiles.open_read(&path)?;
        reading.read_at(0, &mut read)?;
        assert_eq!(&read, b"hey");
        assert!(reading.append(b"!").is_err() && reading.truncate(0).is_err());
        let missing = OsFiles.open_read(&dir.join("none"));
        assert_eq!(missing.map_err(|e| e.kind()).err(), Some(io::ErrorKind::NotFound));
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&dir)?.permissions().mode() & 0o777, 0o700);
        Ok(())
    }
}
