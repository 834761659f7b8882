//! An append-only log of lines, synced before what it records takes effect: a restart forgets nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Error, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A log, held by this process alone.
#[derive(Debug)]
pub(crate) struct Lines {
    file: File,
    /// Bytes of whole lines.
    whole: u64,
    /// Something may follow them that is none.
    torn: bool,
}

impl Lines {
    /// Opens or makes a log, for its owner alone, and gives each of its lines to `take`, which says whether it is one. A last line that a crash cut short
    /// is dropped: what it records had not taken effect yet. `what` the log is of, for errors.
    ///
    /// Fails with `InvalidData` for any other line that is none, and with `WouldBlock` where another vault has the log open: two would not know of each
    /// other.
    pub(crate) fn open(path: &Path, what: &str, mut take: impl FnMut(&str) -> bool) -> std::io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Error::new(
                ErrorKind::WouldBlock,
                format!("another vault has the log of {what} open; one directory is one vault's"),
            ),
            TryLockError::Error(error) => error,
        })?;
        let mut whole = 0;
        let mut reader = BufReader::new(&file);
        let mut line = String::new();
        while reader.read_line(&mut line)? > 0 {
            let Some(text) = line.strip_suffix('\n') else {
                break;
            };
            if !take(text) {
                let reason = format!("the log of {what} is damaged at byte {whole}");
                return Err(Error::new(ErrorKind::InvalidData, reason));
            }
            whole += line.len() as u64;
            line.clear();
        }
        file.set_len(whole)?;
        let torn = false;
        Ok(Self { file, whole, torn })
    }

    /// Appends whole lines, each with its end, durably: all of them, or after an error none, whatever part of them a full disk took.
    pub(crate) fn append(&mut self, lines: &str) -> std::io::Result<()> {
        if self.torn {
            self.cut()?;
        }
        self.torn = true;
        let written = self.file.write_all(lines.as_bytes());
        let written = written.and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.torn = false;
                self.whole += lines.len() as u64;
                Ok(())
            }
            // The next line must not follow half of this one.
            Err(error) => {
                let _later = self.cut();
                Err(error)
            }
        }
    }

    fn cut(&mut self) -> std::io::Result<()> {
        self.file.set_len(self.whole)?;
        self.torn = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_half_of_a_line_that_could_not_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut lines = Lines::open(&path, "something", |_| true).unwrap();
        lines.append("one\n").unwrap();
        // Neither writes nor cuts.
        let works = std::mem::replace(&mut lines.file, File::open(&path).unwrap());
        lines.append("two\n").unwrap_err();
        // As much of it as a full disk took.
        (&works).write_all(b"tw").unwrap();
        lines.append("three\n").unwrap_err();
        lines.file = works;
        lines.append("four\nfive\n").unwrap();
        drop(lines);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\nfour\nfive\n");
        let mut read = Vec::new();
        let kept = |line: &str| {
            read.push(line.to_owned());
            true
        };
        let _lines = Lines::open(&path, "something", kept).unwrap();
        assert_eq!(read, ["one", "four", "five"]);
    }

    #[test]
    fn a_log_is_of_one_vault_and_its_lines_are_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let lines = Lines::open(&path, "something", |_| true).unwrap();
        let second = Lines::open(&path, "something", |_| true).unwrap_err();
        assert_eq!(second.kind(), ErrorKind::WouldBlock);
        drop(lines);
        std::fs::write(&path, "one\nnone\nthree\n").unwrap();
        let refused = Lines::open(&path, "something", |line| line != "none").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidData);
        assert!(refused.to_string().contains("byte 4"), "{refused}");
    }
}
