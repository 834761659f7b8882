//! What proves that a file is the anchored one: kept beside it by who anchored or fetched it.
//!
//! It holds the document's salt, which makes the anchor's commitment guessable for who has it: mode 0600, and it goes where the file goes.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use careledger_api::ids::DocumentId;
use careledger_api::merkle::{ContentOpening, TreeBuilder};
use serde::{Deserialize, Serialize};

use crate::Result;

/// An opening with what it belongs to.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Opening {
    pub(super) document: DocumentId,
    pub(super) version: u32,
    pub(super) opening: ContentOpening,
}

/// A file that was made for an opening; without one it is taken away again.
#[derive(Debug)]
pub(super) struct Reserved {
    path: PathBuf,
    file: Option<File>,
}

/// The opening's file: the named one, else `<file>.opening`.
pub(super) fn path(named: Option<&Path>, file: &Path) -> PathBuf {
    named.map_or_else(
        || {
            let mut name = file.as_os_str().to_owned();
            name.push(".opening");
            PathBuf::from(name)
        },
        Path::to_owned,
    )
}

/// Makes the file, which must not be there yet.
pub(super) fn reserve(path: &Path) -> Result<Reserved> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| format!("{}: {e}; an opening is never overwritten", path.display()))?;
    Ok(Reserved {
        path: path.to_owned(),
        file: Some(file),
    })
}

impl Reserved {
    /// Writes the opening.
    pub(super) fn write(mut self, opening: &Opening) -> Result<()> {
        if let Some(mut file) = self.file.take() {
            let written = serde_json::to_vec_pretty(opening)
                .map_err(std::io::Error::from)
                .and_then(|bytes| file.write_all(&bytes))
                .and_then(|()| file.sync_all());
            written.map_err(|e| format!("{}: {e}", self.path.display()))?;
        }
        Ok(())
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _gone_already = std::fs::remove_file(&self.path);
        }
    }
}

impl Opening {
    /// Reads what [`Reserved::write`] wrote.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| {
            format!(
                "{}: {e}; `record anchor` and `record fetch` write it",
                path.display()
            )
        })?;
        serde_json::from_slice(&bytes).map_err(|e| format!("{} is no opening: {e}", path.display()).into())
    }

    /// The opening of this file's content under the same salt, chunk size and media type.
    pub(super) fn recomputed(&self, path: &Path) -> Result<ContentOpening> {
        let unreadable = |e: std::io::Error| format!("{}: {e}", path.display());
        let mut file = File::open(path).map_err(unreadable)?;
        let mut tree = TreeBuilder::new(self.opening.salt, self.opening.chunk_size)?;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match file.read(&mut buffer).map_err(unreadable)? {
                0 => break,
                read => tree.update(&buffer[..read]),
            }
        }
        let tree = tree.finish();
        Ok(ContentOpening {
            root: tree.root(),
            size: tree.size(),
            ..self.opening.clone()
        })
    }
}
