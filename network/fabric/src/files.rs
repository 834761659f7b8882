//! Files below the rendered directory: made once, kept, never replaced in silence.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, lchown};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::RenderError;

/// User and group of the containers where root renders: root's files could not be read by a container without privileges.
const CONTAINER: u32 = 10_001;

/// The directory that is rendered.
#[derive(Debug)]
pub(crate) struct Files {
    root: PathBuf,
    /// User and group of this process.
    process: (u32, u32),
    replace: bool,
    made: usize,
    kept: usize,
    replaced: Vec<PathBuf>,
}

impl Files {
    /// Makes the directory if it is not there.
    pub(crate) fn open(root: &Path, replace: bool) -> Result<Self, RenderError> {
        create_private(root)?;
        let root = root.canonicalize().map_err(RenderError::io(root))?;
        let probe = root.join(".owner");
        write(&probe, b"", 0o600)?;
        let found = fs::metadata(&probe).map_err(RenderError::io(&probe))?;
        fs::remove_file(&probe).map_err(RenderError::io(&probe))?;
        Ok(Self {
            root,
            process: (found.uid(), found.gid()),
            replace,
            made: 0,
            kept: 0,
            replaced: Vec::new(),
        })
    }

    /// The directory, absolute.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Who owns the files in the end, and runs the containers.
    pub(crate) fn owner(&self) -> (u32, u32) {
        match self.process {
            (0, _) => (CONTAINER, CONTAINER),
            other => other,
        }
    }

    /// Counts what was made by others' hands.
    pub(crate) fn made(&mut self, count: usize) {
        self.made += count;
    }

    /// Counts what was there.
    pub(crate) fn kept(&mut self, count: usize) {
        self.kept += count;
    }

    /// The content of a file that is there, else what `make` gives, written for its owner alone.
    pub(crate) fn once(
        &mut self,
        name: impl AsRef<Path>,
        make: impl FnOnce() -> Result<Vec<u8>, RenderError>,
    ) -> Result<Vec<u8>, RenderError> {
        let path = self.root.join(name);
        match fs::read(&path) {
            Ok(content) => {
                self.kept += 1;
                Ok(content)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let content = make()?;
                self.put(&path, &content, 0o600)?;
                self.made += 1;
                Ok(content)
            }
            Err(error) => Err(RenderError::io(path)(error)),
        }
    }

    /// A file that follows from the consortium, for its owner alone: refused where another one is, unless replacing was asked for.
    pub(crate) fn setting(&mut self, name: impl AsRef<Path>, content: &[u8]) -> Result<(), RenderError> {
        self.setting_with_mode(name, content, 0o600)
    }

    /// The same with another mode.
    pub(crate) fn setting_with_mode(
        &mut self,
        name: impl AsRef<Path>,
        content: &[u8],
        mode: u32,
    ) -> Result<(), RenderError> {
        let path = self.root.join(name);
        match fs::read(&path) {
            Ok(found) if found == content => self.kept += 1,
            Ok(_) if !self.replace => return Err(RenderError::Differs(path)),
            Ok(_) => {
                self.put(&path, content, mode)?;
                self.replaced.push(path);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.put(&path, content, mode)?;
                self.made += 1;
            }
            Err(error) => return Err(RenderError::io(path)(error)),
        }
        Ok(())
    }

    /// A setting of all containers where organisations joined: what `.env` says already stays, and another file is replaced.
    pub(crate) fn grown(&mut self, name: &'static str, content: &[u8]) -> Result<(), RenderError> {
        let path = self.root.join(name);
        let found = match fs::read(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return self.setting(name, content),
            Err(error) => return Err(RenderError::io(path)(error)),
        };
        let content = match name {
            ".env" => joined(
                &String::from_utf8_lossy(&found),
                &String::from_utf8_lossy(content),
            )
            .into_bytes(),
            _ => content.to_vec(),
        };
        if found == content {
            self.kept += 1;
        } else {
            self.put(&path, &content, 0o600)?;
            self.replaced.push(path);
        }
        Ok(())
    }

    /// A description of what is there, written anew each time.
    pub(crate) fn derived(&mut self, name: &str, content: &impl Serialize) -> Result<(), RenderError> {
        self.derived_text(name, &serde_json::to_string_pretty(content)?)
    }

    /// The same of a text.
    pub(crate) fn derived_text(&mut self, name: &str, content: &str) -> Result<(), RenderError> {
        let path = self.root.join(name);
        self.put(&path, content.as_bytes(), 0o600)
    }

    /// Gives everything to its owner, and tells what was done.
    pub(crate) fn finish(self) -> Result<(usize, usize, Vec<PathBuf>), RenderError> {
        let owner = self.owner();
        if owner != self.process {
            give(&self.root, owner)?;
        }
        Ok((self.made, self.kept, self.replaced))
    }

    /// In one step: a container that starts meanwhile reads the old file or the new one.
    fn put(&self, path: &Path, content: &[u8], mode: u32) -> Result<(), RenderError> {
        if let Some(parent) = path.parent() {
            create_private(parent)?;
        }
        let mut next = path.as_os_str().to_owned();
        next.push(".new");
        let next = PathBuf::from(next);
        write(&next, content, mode)?;
        fs::rename(&next, path).map_err(RenderError::io(path))
    }
}

/// Creates a directory and its parents for their owner alone.
pub(crate) fn create_private(path: &Path) -> Result<(), RenderError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(RenderError::io(path))
}

/// `found` with the assignments of `made` whose variable it does not have.
fn joined(found: &str, made: &str) -> String {
    let variable = |line: &str| line.split_once('=').map(|(name, _)| name.trim().to_owned());
    let known: Vec<Option<String>> = found.lines().map(variable).collect();
    let mut text = found.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for line in made.lines().filter(|line| !known.contains(&variable(line))) {
        text.push_str(line);
        text.push('\n');
    }
    text
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), RenderError> {
    // A rest of a run that was cut short has whatever mode that one wanted.
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(RenderError::io(path)(error));
        }
        _ => {}
    }
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(mode).open(path);
    opened
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        })
        .map_err(RenderError::io(path))
}

/// Gives a file or directory, with everything in it, to a user and a group by their numbers. Links are given themselves, not what they lead to.
///
/// # Errors
/// [`RenderError::Io`] when something cannot be read, or given away by this process's user.
pub fn give(path: &Path, (user, group): (u32, u32)) -> Result<(), RenderError> {
    lchown(path, Some(user), Some(group)).map_err(RenderError::io(path))?;
    let kind = fs::symlink_metadata(path).map_err(RenderError::io(path))?;
    if kind.is_dir() {
        for entry in fs::read_dir(path).map_err(RenderError::io(path))? {
            give(&entry.map_err(RenderError::io(path))?.path(), (user, group))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_changed_in_the_environment_stays() {
        let found = "FABRIC_VERSION=3.1.4\n# ours\nCARELEDGER_PUBLISH=10.0.0.1";
        let made = "FABRIC_VERSION=3.1.5\nCARELEDGER_PUBLISH=127.0.0.1\nLABORATORY=careledger_1:ab\n";
        let text = joined(found, made);
        assert_eq!(text, format!("{found}\nLABORATORY=careledger_1:ab\n"));
        assert_eq!(joined(&text, made), text);
        assert_eq!(joined("", made), made);
    }
}
