//! Bringing a store of layout 1 to layout 2, in place.
//!
//! ```text
//! layout 1: files/<document>.<n>      "CLV1" | chunk size u32 | length u64 | chunk 0 | chunk 1 | …         (big-endian)
//!                                     chunk i = AES-256-GCM(DEK, nonce = 0 (4) | i (8), associated = document | version | header | i)
//!           entries/<document>.<n>    {wrapped DEK, opening}
//!           <name>.partial            a write that a crash interrupted
//! ```
//!
//! Each content is read, proven against its opening, and encrypted anew under a key of its own: the old key's nonces are others. Salt and tree stay,
//! and with them what is anchored. An entry changes in one step and only once its new file is durable; the marker `layout` comes when all have,
//! and the old files go last. So whatever is interrupted goes on when the store is opened again, and until then no content is in one file less than
//! before.

use std::path::{Path as FsPath, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use bytes::Bytes;
use careledger_api::ids::DocumentId;
use careledger_api::merkle::ContentOpening;
use careledger_sdk::vault::SealerError;
use careledger_sdk::vault::cipher::{self, Dek};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::io::StreamReader;

use super::disk::{Disk, io};
use super::{StoreError, StoredEntry, context, random, write};
use crate::kek::KeyEncryption;

/// Where layout 1 kept its files.
pub(super) const FILES: &str = "files";

const MAGIC: &[u8; 4] = b"CLV1";
const HEADER: usize = 16;
const TAG: usize = 16;
const CHUNK: usize = 64 * 1024;

/// An entry of layout 1.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OldEntry {
    wrapped: String,
    opening: ContentOpening,
}

/// Brings every version to layout 2. The marker is the caller's to write, then [`Disk::remove_files`] removes the old files.
///
/// Fails with [`StoreError::Damaged`] at the first version that does not open; what was brought over stays so.
pub(super) async fn from_layout_1(
    disk: &Disk,
    objects: &dyn ObjectStore,
    kek: &dyn KeyEncryption,
) -> Result<(), StoreError> {
    let entries: Vec<Path> = objects
        .list(Some(&Path::from("entries")))
        .map_ok(|object| object.location)
        .try_collect()
        .await?;
    tracing::info!(
        entries = entries.len(),
        "bringing the store from layout 1 to layout 2"
    );
    for entry in entries {
        let Some((document, version)) = entry.filename().and_then(named) else {
            // What a crash left half written beside an entry.
            objects.delete(&entry).await?;
            continue;
        };
        let bytes = objects.get(&entry).await?.bytes().await?;
        if serde_json::from_slice::<StoredEntry>(&bytes).is_ok() {
            continue;
        }
        let old: OldEntry =
            serde_json::from_slice(&bytes).map_err(|_| StoreError::Damaged(entry.to_string()))?;
        let file = disk.path(&format!("{FILES}/{document}.{version}"));
        let new = anew(objects, kek, (document, version), &old, &file).await?;
        let json = serde_json::to_vec(&new).map_err(|_| StoreError::Damaged(entry.to_string()))?;
        objects.put(&entry, PutPayload::from(json)).await?;
    }
    Ok(())
}

/// Writes a version's content in the new format; gives its entry.
async fn anew(
    objects: &dyn ObjectStore,
    kek: &dyn KeyEncryption,
    (document, version): (DocumentId, u32),
    old: &OldEntry,
    file: &FsPath,
) -> Result<StoredEntry, StoreError> {
    let damaged = || StoreError::Damaged(format!("{FILES}/{document}.{version}"));
    let name = format!("{document}.{version}.");
    let context = context(document, version);
    let wrapped = hex::decode(&old.wrapped).map_err(|_| damaged())?;
    let reader = OldFile::open(&kek.unwrap(&wrapped, &context)?, (document, version), file).await?;
    // An interrupted attempt wrote under another name.
    let mut earlier = objects.list(Some(&Path::from("content"))).boxed();
    while let Some(object) = earlier.try_next().await? {
        if object
            .location
            .filename()
            .is_some_and(|found| found.starts_with(&name))
        {
            objects.delete(&object.location).await?;
        }
    }
    let dek = cipher::new_dek()?;
    let place = Path::from(format!("content/{name}{}", hex::encode(random::<8>()?)));
    let salt = old.opening.salt;
    let key = (document, version, salt);
    let written = write::content(objects, &place, reader.content(), &dek, key, &old.opening.mime).await;
    let opening = match written {
        Err(StoreError::Sealer(SealerError::Read(error)))
            if error.kind() == std::io::ErrorKind::InvalidData =>
        {
            return Err(damaged());
        }
        other => other?,
    };
    if opening != old.opening {
        objects.delete(&place).await?;
        return Err(damaged());
    }
    Ok(StoredEntry {
        content: place.to_string(),
        wrapped: hex::encode(kek.wrap(&dek, &context)?),
        opening,
    })
}

/// A file of layout 1, opened chunk by chunk.
struct OldFile {
    key: LessSafeKey,
    bound: Vec<u8>,
    file: tokio::fs::File,
    stated: u64,
    read: u64,
    index: u64,
    ended: bool,
}

impl OldFile {
    async fn open(
        dek: &Dek,
        (document, version): (DocumentId, u32),
        path: &FsPath,
    ) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged(format!("{FILES}/{document}.{version}"));
        let mut file = match tokio::fs::File::open(path).await {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(damaged()),
            other => other.map_err(io(path))?,
        };
        let mut header = [0; HEADER];
        let begun = file.read_exact(&mut header).await.is_ok();
        let (magic, rest) = header.split_at(MAGIC.len());
        let (chunk, length) = rest.split_at(4);
        if !begun || magic != MAGIC || chunk != (CHUNK as u32).to_be_bytes() {
            return Err(damaged());
        }
        let key = UnboundKey::new(&AES_256_GCM, dek.as_slice()).map_err(|_| damaged())?;
        let name = document.to_string();
        let bound = [
            &(name.len() as u32).to_be_bytes(),
            name.as_bytes(),
            &version.to_be_bytes(),
            &header,
        ]
        .concat();
        Ok(Self {
            key: LessSafeKey::new(key),
            bound,
            file,
            stated: length.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)),
            read: 0,
            index: 0,
            ended: false,
        })
    }

    /// The content. What does not authenticate, or has another length than the header says, is an `InvalidData` error.
    fn content(self) -> impl AsyncRead + Send + Unpin {
        let chunks = futures::stream::try_unfold(self, |mut file| async move {
            std::io::Result::Ok(file.next().await?.map(|chunk| (chunk, file)))
        });
        StreamReader::new(chunks.boxed())
    }

    async fn next(&mut self) -> std::io::Result<Option<Bytes>> {
        let altered = || std::io::Error::from(std::io::ErrorKind::InvalidData);
        if self.ended {
            return Ok(None);
        }
        let mut sealed = Vec::with_capacity(CHUNK + TAG);
        (&mut self.file)
            .take((CHUNK + TAG) as u64)
            .read_to_end(&mut sealed)
            .await?;
        // An empty content has one empty chunk; behind a full last one nothing follows.
        if sealed.is_empty() && self.index > 0 {
            self.ended = true;
            return if self.read == self.stated {
                Ok(None)
            } else {
                Err(altered())
            };
        }
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.index.to_be_bytes());
        let associated = [self.bound.as_slice(), &self.index.to_be_bytes()].concat();
        let opened = self
            .key
            .open_in_place(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated),
                &mut sealed,
            )
            .map_err(|_| altered())?
            .len();
        sealed.truncate(opened);
        self.index += 1;
        self.read += opened as u64;
        Ok(Some(Bytes::from(sealed)))
    }
}

/// `<document>.<n>`, as an entry is called.
fn named(name: &str) -> Option<(DocumentId, u32)> {
    let (document, version) = name.split_once('.')?;
    Some((document.parse().ok()?, version.parse().ok()?))
}

impl Disk {
    /// Whether the store has layout 1: it has files, and no marker.
    pub(super) fn has_layout_1(&self) -> bool {
        self.path(FILES).exists() && !self.path("layout").exists()
    }

    /// Removes the files of layout 1 where there are some. Everything must be in layout 2, and the marker durable.
    pub(super) async fn remove_files(&self) -> Result<(), StoreError> {
        let files: PathBuf = self.path(FILES);
        match tokio::fs::remove_dir_all(&files).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(&files)(error)),
            Err(_) => Ok(()),
            Ok(()) => self.sync(&[""]).await,
        }
    }
}

#[cfg(test)]
mod tests;
