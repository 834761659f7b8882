//! Files and directories with the right modes.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::MspError;

/// Creates a directory and its parents, 0700.
pub(super) fn create_dir(path: &Path) -> Result<(), MspError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| MspError::io(path, &error))
}

/// Writes what everybody may read, in a directory that is created when needed.
pub(super) fn write_public(path: &Path, content: &[u8]) -> Result<(), MspError> {
    path.parent().map_or(Ok(()), create_dir)?;
    fs::write(path, content).map_err(|error| MspError::io(path, &error))
}

/// Writes a private key, 0600 from the first moment. An existing file is an error.
pub(super) fn write_key(path: &Path, content: &[u8]) -> Result<(), MspError> {
    path.parent().map_or(Ok(()), create_dir)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .and_then(|mut file| file.write_all(content))
        .map_err(|error| MspError::io(path, &error))
}

/// Puts `content` in the place of whatever is at `path`, in one step: who reads meanwhile reads the old content or the new. For its owner alone where it is
/// `private`. It belongs to whom its directory belongs: containers read what an administrator renews.
pub(super) fn replace(path: &Path, content: &[u8], private: bool) -> Result<(), MspError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    create_dir_beside(parent)?;
    let mut next = path.as_os_str().to_owned();
    next.push(".next");
    let next = Path::new(&next);
    remove(next)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if private { 0o600 } else { 0o644 });
    options
        .open(next)
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        })
        .map_err(|error| MspError::io(next, &error))?;
    own_like(next, parent)?;
    rename(next, path)
}

/// Creates a directory for whom the one around it belongs to, unless it is there.
pub(super) fn create_dir_beside(path: &Path) -> Result<(), MspError> {
    if path.is_dir() {
        return Ok(());
    }
    create_dir(path)?;
    path.parent().map_or(Ok(()), |around| own_like(path, around))
}

/// Gives a file to the owner of another one.
pub(super) fn own_like(path: &Path, model: &Path) -> Result<(), MspError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, lchown};
        let owner = |path: &Path| {
            let found = fs::symlink_metadata(path).map_err(|error| MspError::io(path, &error))?;
            Ok::<_, MspError>((found.uid(), found.gid()))
        };
        let (user, group) = owner(model)?;
        if owner(path)? != (user, group) {
            lchown(path, Some(user), Some(group)).map_err(|error| MspError::io(path, &error))?;
        }
    }
    Ok(())
}

pub(super) fn rename(from: &Path, to: &Path) -> Result<(), MspError> {
    fs::rename(from, to).map_err(|error| MspError::io(from, &error))
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), MspError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(MspError::io(path, &error)),
        _ => Ok(()),
    }
}

/// What is in a directory, in the order of the names; nothing where there is none.
pub(super) fn list(directory: &Path) -> Result<Vec<PathBuf>, MspError> {
    let failed = |error: std::io::Error| MspError::io(directory, &error);
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    paths.sort();
    Ok(paths)
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, MspError> {
    fs::read(path).map_err(|error| MspError::io(path, &error))
}
