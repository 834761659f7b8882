//! Why a record could not be kept or read.

use std::path::PathBuf;

use careledger_api::ids::DocumentId;
use careledger_sdk::vault::cipher::CipherError;
use careledger_sdk::vault::{ContentError, SealerError};

use crate::kek::KekError;

/// Why a record could not be kept or read. No text carries content.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system failed.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The object store failed.
    #[error("the object store failed: {0}")]
    Objects(#[source] object_store::Error),
    /// The object store does not take the credentials, or does not let them do this.
    #[error(
        "the object store refuses {path}: check key id, secret and region, and that the key may read, write, list and delete in this bucket"
    )]
    Refused {
        /// The object.
        path: String,
    },
    /// The store has another layout.
    #[error(
        "this store has layout {0}, this program reads layouts 1 and 2: open it with the program that wrote it"
    )]
    Layout(String),
    /// Another process has it open.
    #[error("{0} is held by another running vault: stop that one first")]
    Locked(PathBuf),
    /// The store is not on a local disk.
    #[error("this store is not on a local disk")]
    NotLocal,
    /// That version is there already; a version is written once.
    #[error("document {0} version {1} is stored already; add a new version instead")]
    Exists(DocumentId, u32),
    /// The document was erased.
    #[error("document {0} was erased from this vault; an erased document is not kept again")]
    Erased(DocumentId),
    /// That version is not there.
    #[error("document {0} version {1} is not in this vault")]
    Missing(DocumentId, u32),
    /// Another number of bytes came than was announced.
    #[error("{announced} bytes were announced, {found} came")]
    Size {
        /// Bytes announced.
        announced: u64,
        /// Bytes that came.
        found: u64,
    },
    /// An entry is damaged.
    #[error("entry {0} is damaged: restore it from a backup")]
    Damaged(String),
    /// No key could be drawn.
    #[error(transparent)]
    Cipher(#[from] CipherError),
    /// The content could not be read or encrypted.
    #[error(transparent)]
    Sealer(#[from] SealerError),
    /// The encrypted file was altered or cannot be read.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The key could not be wrapped or unwrapped.
    #[error(transparent)]
    Kek(#[from] KekError),
}

impl From<object_store::Error> for StoreError {
    fn from(error: object_store::Error) -> Self {
        match error {
            // What the server answered may quote the key that it was asked with.
            object_store::Error::PermissionDenied { path, .. }
            | object_store::Error::Unauthenticated { path, .. } => Self::Refused { path },
            error => Self::Objects(error),
        }
    }
}
