//! Looking through the database's journals before it is opened after a crash.
//!
//! The database checks the entries of each batch. It does not check their order, and takes a journal that is damaged in the
//! middle for one that ends there, also when another one follows. Since a batch of the ledger carries its height, a gap
//! shows. The form is that of fjall 3:
//!
//! ```text
//! batch = 1 items(u32) sequence(u64) | item … | 3 xxh3(u64) "FJL" 3
//! item  = 2 kind(u8) compression(u8) keyspace(u64) key-length(u16) length(u32) stored-length(u32) key value
//!       | 4 keyspace(u64)
//! ```

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use super::savepoint::SAVEPOINT;

/// What the journals hold, all of it in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Journals {
    /// The height that the first batch with one leads to.
    pub(super) first_height: Option<u64>,
    /// The journal that is written to, and the length of its good part.
    pub(super) active: Option<(PathBuf, u64)>,
}

/// Reads the journals in `dir`.
///
/// # Errors
/// What is wrong with them, in words.
pub(super) fn inspect(dir: &Path) -> Result<Journals, String> {
    let mut found = Journals::default();
    let (mut last_sequence, mut last_height) = (None, None);
    let files = files(dir).map_err(|error| format!("its journals can not be listed: {error}"))?;
    for (at, path) in files.iter().enumerate() {
        let refused = |what: &str| format!("journal {}: {what}", path.display());
        let mut reader = Reader::open(path).map_err(|error| refused(&error.to_string()))?;
        while let Some(batch) = reader.batch().map_err(|error| refused(&error.to_string()))? {
            if last_sequence.is_some_and(|last| batch.sequence <= last) {
                return Err(refused("its batches are out of order"));
            }
            last_sequence = Some(batch.sequence);
            if let Some(height) = batch.height {
                // Moving private entries to a new keyspace repeats a height.
                if last_height.is_some_and(|last| height != last && height != last + 1) {
                    return Err(refused("it lacks a block"));
                }
                last_height = Some(height);
                found.first_height = found.first_height.or(last_height);
            }
        }
        if at + 1 < files.len() {
            let rest = reader
                .rest_is_zero()
                .map_err(|error| refused(&error.to_string()))?;
            if !rest {
                return Err(refused("it is damaged, and another one follows"));
            }
        } else {
            found.active = Some((path.clone(), reader.good));
        }
    }
    if files.is_empty() && dir.join("version").exists() {
        // fjall would begin to count anew, and hide what its tables hold behind the new numbers.
        return Err("its journal is missing".into());
    }
    Ok(found)
}

/// The journals in the order they were written.
pub(super) fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let number = path
            .file_stem()
            .and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|end| end == "jnl")) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

struct Batch {
    sequence: u64,
    height: Option<u64>,
}

struct Reader {
    file: BufReader<File>,
    path: PathBuf,
    length: u64,
    /// Bytes read.
    position: u64,
    /// End of the last whole batch.
    good: u64,
}

impl Reader {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self {
            file: BufReader::with_capacity(1 << 16, file),
            path: path.to_owned(),
            length,
            position: 0,
            good: 0,
        })
    }

    /// The next batch; `None` where no whole one follows.
    fn batch(&mut self) -> io::Result<Option<Batch>> {
        match self.parse() {
            Ok(batch) => {
                self.good = if batch.is_some() { self.position } else { self.good };
                Ok(batch)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn parse(&mut self) -> io::Result<Option<Batch>> {
        if self.bytes::<1>()? != [START] {
            return Ok(None);
        }
        let items = u32::from_le_bytes(self.bytes()?);
        let sequence = u64::from_le_bytes(self.bytes()?);
        let (mut hash, mut height) = (Xxh3::new(), None);
        for _ in 0..items {
            let tag = self.bytes::<1>()?;
            hash.update(&tag);
            match tag {
                [ITEM] => {
                    let head = self.bytes::<20>()?;
                    hash.update(&head);
                    let [.., k0, k1, l0, l1, l2, l3, s0, s1, s2, s3] = head;
                    let (key, value) = (
                        usize::from(u16::from_le_bytes([k0, k1])),
                        u32::from_le_bytes([s0, s1, s2, s3]),
                    );
                    if u64::from(value) > self.length || l0 != s0 || l1 != s1 || l2 != s2 || l3 != s3 {
                        return Ok(None);
                    }
                    let entry = self.vector(key + value as usize)?;
                    hash.update(&entry);
                    let (key, value) = entry.split_at(key);
                    if key == SAVEPOINT {
                        height = value.try_into().map(u64::from_be_bytes).ok();
                    }
                }
                [CLEAR] => hash.update(&self.bytes::<8>()?),
                _ => return Ok(None),
            }
        }
        let end = self.bytes::<13>()?;
        let good = end[0] == END && end[1..9] == hash.digest().to_le_bytes() && end[9..] == MAGIC;
        Ok(good.then_some(Batch { sequence, height }))
    }

    /// Whether only the zeros that a journal was created with follow the last whole batch.
    fn rest_is_zero(&self) -> io::Result<bool> {
        use std::os::unix::fs::FileExt as _;
        let file = File::open(&self.path)?;
        let mut buffer = vec![0; 1 << 16];
        let mut at = self.good;
        loop {
            let read = file.read_at(&mut buffer, at)?;
            if read == 0 {
                return Ok(true);
            }
            if buffer[..read].iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at += read as u64;
        }
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        self.position += N as u64;
        Ok(bytes)
    }

    fn vector(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file.read_exact(&mut bytes)?;
        self.position += length as u64;
        Ok(bytes)
    }
}

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const MAGIC: [u8; 4] = *b"FJL\x03";
