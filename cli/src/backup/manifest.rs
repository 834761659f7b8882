//! What is in a backup, and whether it is still what it was.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use careledger_sdk::wallet::unix_now;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Result, files};

const FILE: &str = "manifest.json";
const FORMAT: u32 = 1;
/// Bytes that are copied at a time.
const PIECE: usize = 1 << 20;

/// The content of `manifest.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    format: u32,
    /// What it is a backup of.
    pub(super) engine: Engine,
    /// The channel.
    pub(super) channel: String,
    /// When it was made, seconds since 1970.
    pub(super) made: i64,
    /// Every file below the backup's directory.
    pub(super) files: BTreeMap<String, Content>,
}

/// Whose nodes were backed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Engine {
    Embedded,
    Fabric,
}

/// A file's length and SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Manifest {
    /// An empty one.
    pub(super) fn new(engine: Engine, channel: &str) -> Self {
        Self {
            format: FORMAT,
            engine,
            channel: channel.to_owned(),
            made: unix_now(),
            files: BTreeMap::new(),
        }
    }

    /// Reads that of a backup. A backup that broke off has none.
    pub(super) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let bytes = fs::read(&path).map_err(|error| {
            format!(
                "{}: {error}; name a directory that `careledger network backup` made",
                path.display()
            )
        })?;
        let manifest: Self =
            serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()))?;
        if manifest.format != FORMAT {
            return Err(format!(
                "{} has format {}; this program reads {FORMAT}",
                path.display(),
                manifest.format
            )
            .into());
        }
        let is_below = |name: &String| {
            let mut parts = Path::new(name).components();
            parts.all(|part| matches!(part, Component::Normal(_)))
        };
        match manifest.files.keys().find(|name| !is_below(name)) {
            Some(name) => Err(format!("{} names {name}, which is not below it", path.display()).into()),
            None => Ok(manifest),
        }
    }

    /// Writes it; last, so that a backup that broke off has none.
    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        files::write(&dir.join(FILE), self)
    }

    /// Copies a tree of plain files to `to` in `root` and lists what it copied. `leaves_out` gets paths relative to `from`. Links are refused: they could
    /// lead anywhere.
    pub(super) fn add_tree(
        &mut self,
        from: &Path,
        root: &Path,
        to: &str,
        leaves_out: &dyn Fn(&Path) -> bool,
        told: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let mut open = vec![PathBuf::new()];
        private_dir(&root.join(to))?;
        while let Some(dir) = open.pop() {
            let path = from.join(&dir);
            let entries = fs::read_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            for entry in entries {
                let entry = entry?;
                let relative = dir.join(entry.file_name());
                if leaves_out(&relative) {
                    continue;
                }
                let name = Path::new(to).join(&relative);
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    private_dir(&root.join(&name))?;
                    open.push(relative);
                } else if kind.is_file() {
                    let name = name.to_str().ok_or("a file's name is no text")?.to_owned();
                    let content = copy(&entry.path(), &root.join(&name), told)?;
                    self.files.insert(name, content);
                } else if !kind.is_socket() {
                    // A socket is nobody's content; a process that was killed leaves its own.
                    let path = entry.path();
                    return Err(format!("{} is neither file nor directory", path.display()).into());
                }
            }
        }
        Ok(())
    }

    /// Lists a file that is there already.
    pub(super) fn add_file(&mut self, root: &Path, name: &str, told: &mut dyn FnMut(u64)) -> Result<()> {
        self.files
            .insert(name.to_owned(), read_through(&root.join(name), None, told)?);
        Ok(())
    }

    /// Copies a listed file out of the backup in `root`, and fails if it is not what it was.
    pub(super) fn copy_out(
        &self,
        root: &Path,
        name: &str,
        to: &Path,
        told: &mut dyn FnMut(u64),
    ) -> Result<()> {
        if let Some(parent) = to.parent() {
            private_dir(parent)?;
        }
        let found = copy(&root.join(name), to, told)?;
        self.same(name, &found)
    }

    /// Fails if a listed file is not what it was.
    pub(super) fn check(&self, root: &Path, name: &str, told: &mut dyn FnMut(u64)) -> Result<()> {
        let found = read_through(&root.join(name), None, told)?;
        self.same(name, &found)
    }

    fn same(&self, name: &str, found: &Content) -> Result<()> {
        if self.files.get(name) == Some(found) {
            Ok(())
        } else {
            Err(format!("{name} of the backup is not what it was when it was made").into())
        }
    }

    /// Bytes of all files whose names `wanted` takes.
    pub(super) fn bytes(&self, wanted: &dyn Fn(&str) -> bool) -> u64 {
        let files = self.files.iter().filter(|(name, _)| wanted(name));
        files.map(|(_, content)| content.bytes).sum()
    }
}

/// A directory for its owner alone, with those above it.
pub(super) fn private_dir(path: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| format!("{}: {error}", path.display()).into())
}

/// A new file for its owner alone.
pub(super) fn private_file(path: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    file.map_err(|error| format!("{}: {error}", path.display()).into())
}

fn copy(from: &Path, to: &Path, told: &mut dyn FnMut(u64)) -> Result<Content> {
    let mut file = private_file(to)?;
    let content = read_through(from, Some(&mut file), told)?;
    file.sync_all()
        .map_err(|error| format!("{}: {error}", to.display()))?;
    Ok(content)
}

/// Length and hash of a file, which is copied to `to` on the way.
fn read_through(from: &Path, mut to: Option<&mut File>, told: &mut dyn FnMut(u64)) -> Result<Content> {
    let failed = |error: std::io::Error| format!("{}: {error}", from.display());
    let mut file = File::open(from).map_err(failed)?;
    let (mut digest, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; PIECE]);
    loop {
        let read = file.read(&mut piece).map_err(failed)?;
        let Some(piece) = piece.get(..read).filter(|piece| !piece.is_empty()) else {
            break;
        };
        digest.update(piece);
        if let Some(to) = &mut to {
            to.write_all(piece).map_err(failed)?;
        }
        bytes += read as u64;
        told(read as u64);
    }
    Ok(Content {
        bytes,
        sha256: hex::encode(digest.finalize()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let from = dir.path().join("from");
        fs::create_dir_all(from.join("a/db")).expect("made");
        for name in ["a/one", "a/db/table", "two"] {
            fs::write(from.join(name), name).expect("written");
        }
        let out = dir.path().join("out");
        let mut manifest = Manifest::new(Engine::Embedded, "health");
        let derived = |path: &Path| path.ends_with("db");
        manifest
            .add_tree(&from, &out, "network", &derived, &mut |_| {})
            .expect("copied");
        manifest.write(&out).expect("written");
        (dir, out)
    }

    #[test]
    fn a_backup_lists_what_it_copied_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let (_dir, out) = made();
        let manifest = Manifest::read(&out).expect("read");
        let names: Vec<&str> = manifest.files.keys().map(String::as_str).collect();
        assert_eq!(names, ["network/a/one", "network/two"]);
        assert_eq!(manifest.bytes(&|name| name.ends_with("one")), 5);
        for (path, mode) in [("network/a/one", 0o600), ("network/a", 0o700), (FILE, 0o600)] {
            let found = fs::metadata(out.join(path)).expect("there").permissions().mode();
            assert_eq!(found & 0o777, mode, "{path}");
        }
    }

    #[test]
    fn what_was_changed_is_not_restored() {
        let (dir, out) = made();
        let manifest = Manifest::read(&out).expect("read");
        let to = dir.path().join("restored/one");
        manifest
            .copy_out(&out, "network/a/one", &to, &mut |_| {})
            .expect("as it was");
        assert_eq!(fs::read(to).expect("there"), b"a/one");
        fs::write(out.join("network/two"), "twO").expect("written");
        let refused = manifest.check(&out, "network/two", &mut |_| {});
        assert!(refused.expect_err("changed").to_string().contains("network/two"));
        assert!(manifest.check(&out, "network/a/one", &mut |_| {}).is_ok());
    }

    #[test]
    fn a_manifest_leads_nowhere_else() {
        let (_dir, out) = made();
        let text = fs::read_to_string(out.join(FILE)).expect("read");
        for elsewhere in ["../two", "/etc/passwd", "network/../../two"] {
            fs::write(out.join(FILE), text.replace("network/two", elsewhere)).expect("written");
            assert!(Manifest::read(&out).is_err(), "{elsewhere}");
        }
        fs::write(out.join(FILE), text.replacen("\"format\": 1", "\"format\": 2", 1)).expect("written");
        assert!(Manifest::read(&out).is_err());
        fs::remove_file(out.join(FILE)).expect("removed");
        let none = Manifest::read(&out).expect_err("broke off").to_string();
        assert!(none.contains("network backup"), "{none}");
    }

    #[test]
    fn links_are_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        std::os::unix::fs::symlink("/etc", dir.path().join("link")).expect("made");
        let mut manifest = Manifest::new(Engine::Embedded, "health");
        let out = tempfile::tempdir().expect("a directory");
        let refused = manifest.add_tree(dir.path(), out.path(), "network", &|_| false, &mut |_| {});
        assert!(refused.is_err());
    }
}
