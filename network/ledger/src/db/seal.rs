//! The seal: what a database looked like when it was closed.
//!
//! The database checks every part of its tables when it reads it, but neither the lists of its tables nor the order in its
//! journal. So closing it writes down all files with their lengths, and the checksums of those that it does not check
//! itself; opening it compares. After a crash there is no seal, and the journal is looked through instead.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::journal;

/// `db` → `db.seal`.
fn path(dir: &Path) -> PathBuf {
    dir.with_extension("seal")
}

/// Seals the closed database in `dir`.
pub(super) fn write(dir: &Path) -> io::Result<()> {
    // A journal is created with its final length; what is not used yet need not be summed up again and again.
    if let Ok(journals) = journal::inspect(dir)
        && let Some((path, length)) = journals.active
    {
        let active = OpenOptions::new().write(true).open(path)?;
        active.set_len(length)?;
        active.sync_all()?;
    }
    let mut text = String::new();
    for (name, sum) in sums(dir)? {
        let _ = writeln!(text, "{sum} {name}");
    }
    let _ = writeln!(text, "{:08x}", crc32fast::hash(text.as_bytes()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path(dir))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Compares the database in `dir` with its seal; `None` when it has none.
///
/// # Errors
/// What differs, in words.
pub(super) fn check(dir: &Path) -> Option<Result<(), String>> {
    let text = match fs::read_to_string(path(dir)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(Err(format!("its seal can not be read: {error}"))),
    };
    Some(compare(dir, &text))
}

/// Removes the seal: from here on the database changes.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_file(path(dir)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) => return Ok(()),
        Ok(()) => {}
    }
    dir.parent()
        .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

fn compare(dir: &Path, text: &str) -> Result<(), String> {
    let broken = || "its seal is damaged".to_owned();
    let (list, sum) = text.trim_end().rsplit_once('\n').ok_or_else(broken)?;
    if u32::from_str_radix(sum, 16).ok() != Some(crc32fast::hash(format!("{list}\n").as_bytes())) {
        return Err(broken());
    }
    let found = sums(dir).map_err(|error| format!("its files can not be read: {error}"))?;
    let sealed: BTreeMap<String, String> = list
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(sum, name)| (name.to_owned(), sum.to_owned()))
        .collect();
    for (name, sum) in &sealed {
        match found.get(name) {
            None => return Err(format!("its file {name} is missing")),
            Some(now) if now != sum => return Err(format!("its file {name} was changed")),
            Some(_) => {}
        }
    }
    match found.keys().find(|name| !sealed.contains_key(*name)) {
        Some(name) => Err(format!("its file {name} is none of its own")),
        None => Ok(()),
    }
}

/// Length and checksum of every file below `dir`, by name. Of tables the length: each of their parts has a checksum.
fn sums(dir: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(inside) = open.pop() {
        for entry in fs::read_dir(&inside)? {
            let (entry, path) = entry.map(|entry| (entry.file_type(), entry.path()))?;
            if entry?.is_dir() {
                open.push(path);
                continue;
            }
            let name = path
                .strip_prefix(dir)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            let length = fs::metadata(&path)?.len();
            let table = inside.file_name().is_some_and(|name| name == TABLES);
            let sum = if table { 0 } else { crc(&path)? };
            found.insert(name, format!("{length}:{sum:08x}"));
        }
    }
    Ok(found)
}

fn crc(path: &Path) -> io::Result<u32> {
    let mut file = File::open(path)?;
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// Where fjall keeps a keyspace's tables.
const TABLES: &str = "tables";
