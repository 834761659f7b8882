//! What was received, acknowledged and given up, in one append-only file.
//!
//! ```text
//! line = CRC-32 of the JSON, 8 hex digits | space | JSON | newline
//! first line {"journal":{version, channel, custodian}}, then {"received":{block, tx, topic}}, {"done":{tx}}, {"failed":{…}}, {"dead":{…}}, {"passed":{block}}
//! ```
//!
//! `received` is checkpoint and delivery in one: there is no moment between the two at which a crash could lose or double one. A line counts once it is
//! whole and synced; an unfinished last line is what a crash leaves, and is cut off. The file is rewritten when most of it is history.

mod state;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use careledger_api::ids::TxId;
use serde::{Deserialize, Serialize};

use self::state::{Line, State, parse, write_line};
use super::subject::Topic;

pub(super) use self::state::Open;

const VERSION: u32 = 1;
/// Lines that are no longer needed before the file is rewritten.
const HISTORY: usize = 4096;
/// Blocks without a delivery that are passed before the place is written down.
const PASSED: u64 = 256;

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system failed.
    #[error("{path}: {source}")]
    Io {
        /// The journal.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line other than an unfinished last one does not hold.
    #[error(
        "{path} is damaged at line {line}: restore it from a backup, or begin a new one, which delivers everything again"
    )]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// It belongs to another channel or custodian.
    #[error("{path} is the journal of {found}, not of {wanted}; name another file")]
    Another {
        /// The journal.
        path: PathBuf,
        /// Channel and custodian it belongs to.
        found: String,
        /// Channel and custodian that were asked for.
        wanted: String,
    },
    /// Another process has it open.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
}

/// A delivery that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The transaction.
    pub tx: TxId,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Topic::is_access")]
    pub topic: Topic,
    /// Its block.
    pub block: u64,
    /// How often it was tried.
    pub attempts: u32,
}

/// A journal, open in this process alone.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    _lock: File,
    channel: String,
    custodian: String,
    state: State,
    lines: usize,
}

impl Journal {
    /// Opens the journal of a channel's custodian at `path`, or begins one. Its last line is cut off if a crash left it unfinished.
    pub fn open(path: impl Into<PathBuf>, channel: &str, custodian: &str) -> Result<Self, JournalError> {
        let path = path.into();
        let io_error = |source| JournalError::Io {
            path: path.clone(),
            source,
        };
        let lock = lock(&path)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io_error)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io_error)?;
        let mut state = State::default();
        let mut lines = 0;
        let mut whole = 0;
        for text in bytes.split_inclusive(|b| *b == b'\n') {
            lines += 1;
            let line = match parse(text) {
                Some(line) => line,
                // Only the last line can be an unfinished one.
                None if whole + text.len() == bytes.len() => {
                    lines -= 1;
                    break;
                }
                None => return Err(JournalError::Damaged { path, line: lines }),
            };
            match line {
                Line::Journal {
                    version: VERSION,
                    channel: c,
                    custodian: m,
                } if lines == 1 => {
                    if (c.as_str(), m.as_str()) != (channel, custodian) {
                        return Err(JournalError::Another {
                            path,
                            found: format!("{m} on {c}"),
                            wanted: format!("{custodian} on {channel}"),
                        });
                    }
                }
                Line::Journal { .. } => return Err(JournalError::Damaged { path, line: lines }),
                _ if lines == 1 => return Err(JournalError::Damaged { path, line: 1 }),
                line => state.apply(line),
            }
            whole += text.len();
        }
        file.set_len(whole as u64).map_err(io_error)?;
        file.seek(SeekFrom::End(0)).map_err(io_error)?;
        let mut journal = Self {
            path,
            file,
            _lock: lock,
            channel: channel.to_owned(),
            custodian: custodian.to_owned(),
            state,
            lines,
        };
        if whole == 0 {
            journal.rewrite()?;
        }
        Ok(journal)
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Deliveries that were given up, oldest first.
    pub fn dead(&self) -> &[DeadLetter] {
        &self.state.dead
    }

    /// How many deliveries wait.
    pub fn waiting(&self) -> usize {
        self.state.open.len()
    }

    /// Takes the dead deliveries up again, with all their attempts ahead of them. Returns how many.
    pub fn revive(&mut self) -> Result<usize, JournalError> {
        let dead: Vec<TxId> = self.state.dead.iter().map(|d| d.tx.clone()).collect();
        let count = dead.len();
        self.append(dead.into_iter().map(|tx| Line::Again { tx }).collect())?;
        Ok(count)
    }

    /// The block from which the stream goes on: all before it are dealt with.
    pub(super) fn block(&self) -> u64 {
        self.state.block
    }

    /// Deliveries that are neither done nor dead, in the order of receipt.
    pub(super) fn open_deliveries(&self) -> Vec<Open> {
        self.state.open.values().cloned().collect()
    }

    /// Takes a transaction in, once; `false` where it is there already.
    pub(super) fn receive(&mut self, block: u64, tx: &TxId, topic: Topic) -> Result<bool, JournalError> {
        let before = block < self.state.block;
        if before || (block == self.state.block && self.state.received.contains(tx)) {
            return Ok(false);
        }
        self.append(vec![Line::Received {
            block,
            tx: tx.clone(),
            topic,
        }])?;
        Ok(true)
    }

    /// Notes, now and then, that the stream came to this block without a delivery.
    pub(super) fn pass(&mut self, block: u64) -> Result<(), JournalError> {
        if block >= self.state.block.saturating_add(PASSED) {
            self.append(vec![Line::Passed { block }])?;
        }
        Ok(())
    }

    /// Notes that a delivery was dealt with. One that is not open stays as it is.
    pub(super) fn done(&mut self, tx: &TxId) -> Result<(), JournalError> {
        self.about(tx, |tx| Line::Done { tx })
    }

    /// Notes a failed attempt, and when the next is due.
    pub(super) fn failed(&mut self, tx: &TxId, attempts: u32, due: i64) -> Result<(), JournalError> {
        self.about(tx, |tx| Line::Failed { tx, attempts, due })
    }

    /// Gives a delivery up.
    pub(super) fn give_up(&mut self, tx: &TxId, attempts: u32) -> Result<(), JournalError> {
        self.about(tx, |tx| Line::Dead { tx, attempts })
    }

    fn about(&mut self, tx: &TxId, line: impl FnOnce(TxId) -> Line) -> Result<(), JournalError> {
        if self.state.places.contains_key(tx) {
            self.append(vec![line(tx.clone())])?;
        }
        Ok(())
    }

    fn append(&mut self, lines: Vec<Line>) -> Result<(), JournalError> {
        let mut bytes = Vec::new();
        for line in &lines {
            write_line(&mut bytes, line);
        }
        let at = self.file.stream_position().map_err(|e| self.io(e))?;
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // What may be half there must not stand before the next line.
            let _kept_for_the_next_open = self
                .file
                .set_len(at)
                .and_then(|()| self.file.seek(SeekFrom::Start(at)));
            return Err(self.io(error));
        }
        self.lines += lines.len();
        for line in lines {
            self.state.apply(line);
        }
        if self.lines > HISTORY + 2 * (self.state.open.len() + self.state.dead.len()) {
            self.rewrite()?;
        }
        Ok(())
    }

    /// Writes the state into a new file, which takes the old one's place in one step.
    fn rewrite(&mut self) -> Result<(), JournalError> {
        let mut lines = vec![
            Line::Journal {
                version: VERSION,
                channel: self.channel.clone(),
                custodian: self.custodian.clone(),
            },
            Line::Place {
                block: self.state.block,
                received: self.state.received.clone(),
            },
        ];
        lines.extend(self.state.open.values().map(|open| Line::Open {
            block: open.block,
            tx: open.tx.clone(),
            topic: open.topic,
            attempts: open.attempts,
            due: open.due,
        }));
        lines.extend(self.state.dead.iter().cloned().map(Line::Gone));
        let mut bytes = Vec::new();
        for line in &lines {
            write_line(&mut bytes, line);
        }
        let new = beside(&self.path, ".new");
        let replaced = (|| {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&new, &self.path)?;
            let directory = self.path.parent().filter(|dir| !dir.as_os_str().is_empty());
            File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
            Ok(file)
        })();
        self.file = replaced.map_err(|e| self.io(e))?;
        self.lines = lines.len();
        Ok(())
    }

    fn io(&self, source: io::Error) -> JournalError {
        JournalError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

/// Takes the journal for this process; the lock goes with the process, however it ends. It is on a file of its own because the journal is replaced.
fn lock(path: &Path) -> Result<File, JournalError> {
    let of_lock = beside(path, ".lock");
    let io_error = |source| JournalError::Io {
        path: of_lock.clone(),
        source,
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&of_lock)
        .map_err(io_error)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(io_error(error)),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
