//! Remembering how far a listener has come.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ChaincodeEvent;

/// A place in the ledger: everything before it was dealt with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// The first block that is not dealt with in whole, or `None` for no place at all.
    pub block_number: Option<u64>,
    /// The last transaction of that block that was dealt with.
    pub transaction_id: Option<String>,
}

/// Keeps a [`Checkpoint`]. Acknowledge an event after you have dealt with it: what was not acknowledged comes again.
pub trait Checkpointer {
    /// Where to go on.
    fn checkpoint(&self) -> &Checkpoint;

    /// Keeps `checkpoint`.
    ///
    /// # Errors
    /// An I/O error if it cannot be kept.
    fn store(&mut self, checkpoint: Checkpoint) -> io::Result<()>;

    /// Acknowledges an event and all before it.
    ///
    /// # Errors
    /// An I/O error if it cannot be kept.
    fn acknowledge(&mut self, event: &ChaincodeEvent) -> io::Result<()> {
        self.acknowledge_transaction(event.block_number, &event.transaction_id)
    }

    /// Acknowledges a transaction and all before it.
    ///
    /// # Errors
    /// An I/O error if it cannot be kept.
    fn acknowledge_transaction(&mut self, block_number: u64, transaction_id: &str) -> io::Result<()> {
        self.store(Checkpoint {
            block_number: Some(block_number),
            transaction_id: Some(transaction_id.to_owned()),
        })
    }

    /// Acknowledges a whole block and all before it.
    ///
    /// # Errors
    /// An I/O error if it cannot be kept.
    fn acknowledge_block(&mut self, block_number: u64) -> io::Result<()> {
        self.store(Checkpoint {
            block_number: Some(block_number.saturating_add(1)),
            transaction_id: None,
        })
    }
}

/// Keeps the place in memory: it survives a lost connection, not the end of the program.
#[derive(Clone, Debug, Default)]
pub struct MemoryCheckpointer {
    checkpoint: Checkpoint,
}

impl Checkpointer for MemoryCheckpointer {
    fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    fn store(&mut self, checkpoint: Checkpoint) -> io::Result<()> {
        self.checkpoint = checkpoint;
        Ok(())
    }
}

/// Keeps the place in a file that is replaced as a whole, so that a crash leaves the old or the new one.
///
/// Each acknowledgement waits for the disk. From async code, acknowledge on a blocking thread or once per block.
#[derive(Clone, Debug)]
pub struct FileCheckpointer {
    path: PathBuf,
    checkpoint: Checkpoint,
}

impl FileCheckpointer {
    /// Uses the file at `path`, which need not be there yet.
    ///
    /// # Errors
    /// An I/O error if the file is there and cannot be read, or holds something else.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let checkpoint = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Checkpoint::default(),
            Err(error) => return Err(error),
        };
        Ok(Self { path, checkpoint })
    }
}

impl Checkpointer for FileCheckpointer {
    fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    fn store(&mut self, checkpoint: Checkpoint) -> io::Result<()> {
        let bytes = serde_json::to_vec(&checkpoint)?;
        let mut name = self.path.as_os_str().to_owned();
        name.push(".new");
        let new = PathBuf::from(name);
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        let directory = self.path.parent().filter(|path| !path.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
        self.checkpoint = checkpoint;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(block_number: u64, transaction_id: &str) -> ChaincodeEvent {
        ChaincodeEvent {
            block_number,
            transaction_id: transaction_id.to_owned(),
            chaincode: "cc".to_owned(),
            event_name: "e".to_owned(),
            payload: Vec::new(),
        }
    }

    #[test]
    fn a_block_in_whole_means_the_next_one() {
        let mut kept = MemoryCheckpointer::default();
        assert_eq!(kept.checkpoint(), &Checkpoint::default());
        kept.acknowledge(&event(7, "a")).expect("kept");
        let expected = Checkpoint {
            block_number: Some(7),
            transaction_id: Some("a".to_owned()),
        };
        assert_eq!(kept.checkpoint(), &expected);
        kept.acknowledge_block(7).expect("kept");
        assert_eq!(
            kept.checkpoint(),
            &Checkpoint {
                block_number: Some(8),
                transaction_id: None
            }
        );
    }

    #[test]
    fn a_file_keeps_the_place_over_a_restart() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("place.json");
        let mut kept = FileCheckpointer::open(&path).expect("opened");
        kept.acknowledge(&event(3, "x")).expect("kept");
        kept.acknowledge(&event(4, "y")).expect("kept");
        let again = FileCheckpointer::open(&path).expect("opened");
        assert_eq!(again.checkpoint(), kept.checkpoint());
        assert_eq!(again.checkpoint().block_number, Some(4));
        assert_eq!(std::fs::read_dir(dir.path()).expect("listed").count(), 1);
    }

    #[test]
    fn a_file_with_something_else_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("place.json");
        std::fs::write(&path, "not a place").expect("written");
        assert!(FileCheckpointer::open(&path).is_err());
    }
}
