//! Files and directories with the right modes.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::path::Path;

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

pub(super) fn read(path: &Path) -> Result<Vec<u8>, MspError> {
    fs::read(path).map_err(|error| MspError::io(path, &error))
}
