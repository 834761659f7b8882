//! What was released already: an append-only log, synced before a key leaves, so that a restart cannot serve a key twice.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::lines::Lines;

/// One release: the access transaction, the document with its version, and the requester's key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Release {
    /// The committed access transaction's id, hex.
    pub tx_id: String,
    /// The document's id, hex.
    pub document: String,
    /// The document's version, from 1.
    pub version: u32,
}

/// The log of releases of one vault.
#[derive(Debug)]
pub struct ServedLog {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    lines: Lines,
    seen: HashSet<Release>,
}

impl ServedLog {
    /// Opens or makes the log. A last line that a crash cut short is dropped: its key had not left yet.
    ///
    /// Fails with `InvalidData` for any other line that is none, and with `WouldBlock` where another vault has it open: each would give a key once.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let mut seen = HashSet::new();
        let lines = Lines::open(path, "releases", |line| {
            let release = parse(line);
            let is_one = release.is_some();
            seen.extend(release);
            is_one
        })?;
        Ok(Self {
            inner: Mutex::new(Inner { lines, seen }),
        })
    }

    /// Records releases durably, all of them or none. Returns false, and writes nothing, if one was recorded before: of two requests for overlapping
    /// documents one is served and the other loses nothing.
    ///
    /// After an error the releases count as made: a key that may have left is not given again.
    pub fn record(&self, releases: &[Release]) -> std::io::Result<bool> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if releases.iter().any(|release| inner.seen.contains(release)) {
            return Ok(false);
        }
        let mut lines = String::new();
        for release in releases {
            lines.push_str(&format!(
                "{} {} {}\n",
                release.tx_id, release.document, release.version
            ));
            inner.seen.insert(release.clone());
        }
        inner.lines.append(&lines)?;
        Ok(true)
    }
}

fn parse(line: &str) -> Option<Release> {
    let mut parts = line.split(' ');
    let release = Release {
        tx_id: parts.next()?.to_owned(),
        document: parts.next()?.to_owned(),
        version: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(release)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn release(version: u32) -> Release {
        Release {
            tx_id: "aa".into(),
            document: "bb".into(),
            version,
        }
    }

    #[test]
    fn refuses_a_second_release_also_after_a_restart_and_a_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("served");
        let log = ServedLog::open(&path).unwrap();
        assert!(log.record(&[release(1)]).unwrap());
        assert!(!log.record(&[release(1)]).unwrap());
        drop(log);
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"cc dd")
            .unwrap();
        let log = ServedLog::open(&path).unwrap();
        assert!(!log.record(&[release(1)]).unwrap());
        assert!(log.record(&[release(2)]).unwrap());
        drop(log);
        assert!(!ServedLog::open(&path).unwrap().record(&[release(2)]).unwrap());
    }

    #[test]
    fn several_are_recorded_together_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let log = ServedLog::open(&dir.path().join("served")).unwrap();
        assert!(log.record(&[release(2)]).unwrap());
        assert!(!log.record(&[release(1), release(2)]).unwrap());
        assert!(
            log.record(&[release(1), release(3)]).unwrap(),
            "the first was not burnt"
        );
    }

    #[test]
    fn a_damaged_line_is_an_error_not_a_gap() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("served");
        std::fs::write(&path, "aa bb x\n").unwrap();
        assert!(ServedLog::open(&path).is_err());
    }
}
