//! Records at rest, over any [`ObjectStore`]: a local disk, memory, or S3 (feature `s3`).
//!
//! ```text
//! layout                               the text "2": which layout this is
//! content/<document>.<n>.<random>      ciphertext of version n (careledger_sdk::vault::format)
//! entries/<document>.<n>               {name of the content object, wrapped DEK, opening}; written last, and only if there is none
//! replicas/<holder>/<document>.<n>     that version n lies at another organisation's vault
//! proofs/<document>                    what proves a document that only its batch anchors
//! erased/<document>                    that the document was erased: nothing of it is kept again
//! reports/<number>                     signed reports on the store's integrity
//! offline/<ticket>                     a ticket of a time without the network that waits to be filed: wrapped key, ciphertext
//! keys/ticket                          the wrapped key of the content route's tickets
//! kek, served, lock                    on a local disk: key-encryption key, release log, the running vault's lock
//! ```
//!
//! What has no entry does not count: a crash or an aborted upload leaves a version whole or absent. Leftovers on a local disk go away when
//! the store is opened again; nobody can read them, since their key was never written.

pub(crate) mod copies;
mod disk;
mod erase;
#[cfg(test)]
mod erasure_tests;
mod error;
mod file;
mod migrate;
mod replica;
mod reports;
mod rotate;
#[cfg(test)]
mod tests;
mod waiting;
mod write;

use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use careledger_api::ids::{DocumentId, Salt};
use careledger_api::merkle::ContentOpening;
use careledger_sdk::vault::cipher::{self, CipherError, Dek};
use careledger_sdk::vault::format::Layout;
use careledger_sdk::vault::{ContentError, SealedRecord};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncRead;
use tokio::sync::broadcast;

use crate::kek::KeyEncryption;
use crate::ticket::Tickets;

pub use error::StoreError;
pub use file::EncryptedFile;

/// The layout this code reads and writes.
const LAYOUT: &str = "2";

/// Kept versions that a slow receiver may be behind.
const KEPT: usize = 1_024;

/// Where the wrapped key of the tickets is, and what the wrap is bound to.
const TICKET_KEY: &str = "keys/ticket";
const TICKET_CONTEXT: &[u8] = b"careledger/v2/ticket-key";

/// The encrypted records of one organisation.
#[derive(Debug)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    kek: Box<dyn KeyEncryption>,
    tickets: Tickets,
    disk: Option<disk::Disk>,
    kept: broadcast::Sender<copies::Version>,
}

/// What the vault knows of one stored version.
pub struct Entry {
    /// The file's key.
    pub dek: Dek,
    /// What opens the public commitment.
    pub opening: ContentOpening,
    /// The object that holds the encrypted file.
    pub content: Path,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredEntry {
    content: String,
    wrapped: String,
    opening: ContentOpening,
}

impl Store {
    /// Opens or makes a store in the local directory `dir` (mode 0700) under `kek`, and removes what a crash left half written. Every write is
    /// synced to the disk, with its directory, before it counts. A store of layout 1 is brought to this one first; a crash meanwhile loses nothing.
    ///
    /// Fails with [`StoreError::Locked`] while another process has it open, with [`StoreError::Layout`] on a store of a later layout.
    pub async fn open(dir: &FsPath, kek: Box<dyn KeyEncryption>) -> Result<Self, StoreError> {
        let disk = disk::Disk::open(dir).await?;
        let objects = disk.objects()?;
        if disk.has_layout_1() {
            migrate::from_layout_1(&disk, &*objects, &*kek).await?;
        }
        let store = Self::assemble(objects, kek, Some(disk)).await?;
        if let Some(disk) = &store.disk {
            disk.remove_files().await?;
        }
        store.finish_erasures().await?;
        store.sweep().await?;
        Ok(store)
    }

    /// A store in memory, for tests.
    pub async fn in_memory(kek: Box<dyn KeyEncryption>) -> Result<Self, StoreError> {
        Self::over(Arc::new(InMemory::new()), kek).await
    }

    /// A store over any object store, which must support conditional writes. Unfinished multipart uploads are the object store's to expire.
    pub async fn over(
        objects: Arc<dyn ObjectStore>,
        kek: Box<dyn KeyEncryption>,
    ) -> Result<Self, StoreError> {
        Self::assemble(objects, kek, None).await
    }

    async fn assemble(
        objects: Arc<dyn ObjectStore>,
        kek: Box<dyn KeyEncryption>,
        disk: Option<disk::Disk>,
    ) -> Result<Self, StoreError> {
        let marker = Path::from("layout");
        let found = create_or_read(&*objects, &marker, LAYOUT.as_bytes().to_vec()).await?;
        if found != LAYOUT.as_bytes() {
            return Err(StoreError::Layout(
                String::from_utf8_lossy(&found).trim().to_owned(),
            ));
        }
        let tickets = tickets(&*objects, &*kek).await?;
        Ok(Self {
            objects,
            kek,
            tickets,
            disk,
            kept: broadcast::channel(KEPT).0,
        })
    }

    /// Encrypts what `content` gives, read to its end, and keeps it as a version under a fresh key and salt; durable when it returns. Returns
    /// what opens the commitment to anchor. Needs about 32 MiB of memory, however long the content is.
    ///
    /// Fails with [`StoreError::Exists`] if the version is there. After a failure, and where the caller gives up, nothing is kept.
    pub async fn put(
        &self,
        document: DocumentId,
        version: u32,
        mime: &str,
        content: impl AsyncRead + Send + Unpin,
    ) -> Result<ContentOpening, StoreError> {
        self.put_sized(document, version, mime, None, content).await
    }

    /// As [`put`](Self::put); fails with [`StoreError::Size`] unless exactly `size` bytes come.
    pub async fn put_sized(
        &self,
        document: DocumentId,
        version: u32,
        mime: &str,
        size: Option<u64>,
        content: impl AsyncRead + Send + Unpin,
    ) -> Result<ContentOpening, StoreError> {
        self.refuse_erased(document).await?;
        if self.has(document, version).await? {
            return Err(StoreError::Exists(document, version));
        }
        let (dek, salt) = (cipher::new_dek()?, Salt::from_bytes(random()?));
        let wrapped = self.kek.wrap(&dek, &context(document, version))?;
        let place = Path::from(format!(
            "content/{document}.{version}.{}",
            hex::encode(random::<8>()?)
        ));
        let opening = write::content(
            &*self.objects,
            &place,
            content,
            &dek,
            (document, version, salt),
            mime,
        )
        .await?;
        let kept = match size.filter(|size| *size != opening.size) {
            Some(announced) => Err(StoreError::Size {
                announced,
                found: opening.size,
            }),
            None => {
                let written = self
                    .write_entry(document, version, &place, &wrapped, &opening)
                    .await;
                match written {
                    Ok(()) => self.recheck_erased(document).await,
                    failed => failed,
                }
            }
        };
        if kept.is_err() {
            self.discard(&place).await;
        }
        kept.map(|()| opening)
    }

    /// The key and opening of a stored version.
    pub async fn entry(&self, document: DocumentId, version: u32) -> Result<Entry, StoreError> {
        let stored = self.stored(document, version).await?;
        let wrapped = hex::decode(&stored.wrapped)
            .map_err(|_| StoreError::Damaged(entry_path(document, version).to_string()))?;
        Ok(Entry {
            dek: self.kek.unwrap(&wrapped, &context(document, version))?,
            opening: stored.opening,
            content: Path::from(stored.content),
        })
    }

    /// The stored versions, in no order.
    pub(crate) async fn kept(&self) -> Result<Vec<(DocumentId, u32)>, StoreError> {
        self.versions(&Path::from("entries")).await
    }

    /// Whether a version is stored.
    pub async fn has(&self, document: DocumentId, version: u32) -> Result<bool, StoreError> {
        match self.objects.head(&entry_path(document, version)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The encrypted file of a stored version, to be read in ranges. The key is not touched.
    ///
    /// Fails with [`StoreError::Content`] where the file has another length than its opening says.
    pub async fn file(&self, document: DocumentId, version: u32) -> Result<EncryptedFile, StoreError> {
        let stored = self.stored(document, version).await?;
        let altered = |what| ContentError::Altered {
            document,
            version,
            what,
        };
        let layout =
            Layout::of(stored.opening.size).ok_or_else(|| altered("its opening has more than 1 TiB"))?;
        let place = Path::from(stored.content);
        let size = self.objects.head(&place).await?.size;
        if size != layout.file_size() {
            return Err(altered("its file has another length than its opening says").into());
        }
        Ok(EncryptedFile::new(Arc::clone(&self.objects), place, size))
    }

    /// A stored version, opened: its content can be read by whoever holds this.
    pub async fn record(&self, document: DocumentId, version: u32) -> Result<SealedRecord, StoreError> {
        let entry = self.entry(document, version).await?;
        let file = Arc::new(self.file(document, version).await?);
        Ok(SealedRecord::new(
            file,
            &entry.dek,
            document,
            version,
            entry.opening,
        )?)
    }

    /// Reads and checks all of a stored version as it is now, and gives its opening: the custodian compares its commitment with the anchor.
    ///
    /// Fails with [`StoreError::Content`] where a single byte is another one.
    pub async fn reopen(&self, document: DocumentId, version: u32) -> Result<ContentOpening, StoreError> {
        let record = self.record(document, version).await?;
        let mut stream = record.stream();
        while stream.try_next().await?.is_some() {}
        Ok(record.opening().clone())
    }

    /// Where the encrypted file of a version lies on the local disk; [`StoreError::NotLocal`] for any other store.
    pub async fn local_path(&self, document: DocumentId, version: u32) -> Result<PathBuf, StoreError> {
        let disk = self.disk.as_ref().ok_or(StoreError::NotLocal)?;
        let stored = self.stored(document, version).await?;
        Ok(disk.path(&stored.content))
    }

    /// What gives and checks the content route's tickets.
    pub(crate) fn tickets(&self) -> &Tickets {
        &self.tickets
    }

    async fn stored(&self, document: DocumentId, version: u32) -> Result<StoredEntry, StoreError> {
        let path = entry_path(document, version);
        let bytes = match self.objects.get(&path).await {
            Err(object_store::Error::NotFound { .. }) => return Err(StoreError::Missing(document, version)),
            other => other?.bytes().await?,
        };
        serde_json::from_slice(&bytes).map_err(|_| StoreError::Damaged(path.to_string()))
    }

    async fn write_entry(
        &self,
        document: DocumentId,
        version: u32,
        content: &Path,
        wrapped: &[u8],
        opening: &ContentOpening,
    ) -> Result<(), StoreError> {
        let path = entry_path(document, version);
        let entry = StoredEntry {
            content: content.to_string(),
            wrapped: hex::encode(wrapped),
            opening: opening.clone(),
        };
        let json = serde_json::to_vec(&entry).map_err(|_| StoreError::Damaged(path.to_string()))?;
        match self
            .objects
            .put_opts(&path, PutPayload::from(json), PutMode::Create.into())
            .await
        {
            Ok(_) => {
                // Nobody may be listening.
                let _unheard = self.kept.send((document, version));
                Ok(())
            }
            Err(object_store::Error::AlreadyExists { .. }) => Err(StoreError::Exists(document, version)),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a content object that has no entry. A failure leaves ciphertext whose key nobody has.
    async fn discard(&self, content: &Path) {
        if let Err(error) = self.objects.delete(content).await {
            tracing::warn!(%content, %error, "an unfinished upload could not be removed");
        }
    }

    /// Removes contents without an entry. Only for a store that no other process has open.
    async fn sweep(&self) -> Result<(), StoreError> {
        let mut contents = self.objects.list(Some(&Path::from("content")));
        while let Some(content) = contents.try_next().await? {
            let Some((entry, _)) = content.location.filename().and_then(|name| name.rsplit_once('.')) else {
                continue;
            };
            let entry = Path::from(format!("entries/{entry}"));
            if let Err(object_store::Error::NotFound { .. }) = self.objects.head(&entry).await {
                tracing::info!(content = %content.location, "removing an unfinished upload");
                self.objects.delete(&content.location).await?;
            }
        }
        Ok(())
    }
}

fn entry_path(document: DocumentId, version: u32) -> Path {
    Path::from(format!("entries/{document}.{version}"))
}

/// What a version's wrapped key is bound to.
fn context(document: DocumentId, version: u32) -> Vec<u8> {
    [
        b"careledger/v1/dek".as_slice(),
        document.as_bytes(),
        &version.to_be_bytes(),
    ]
    .concat()
}

/// The key of the tickets: drawn once, kept wrapped, so that a restart does not end a download.
async fn tickets(objects: &dyn ObjectStore, kek: &dyn KeyEncryption) -> Result<Tickets, StoreError> {
    let path = Path::from(TICKET_KEY);
    let fresh = kek.wrap(&cipher::new_dek()?, TICKET_CONTEXT)?;
    let wrapped = create_or_read(objects, &path, fresh).await?;
    Ok(Tickets::new(&kek.unwrap(&wrapped, TICKET_CONTEXT)?))
}

/// Writes an object if there is none; gives what is there afterwards.
async fn create_or_read(
    objects: &dyn ObjectStore,
    path: &Path,
    fresh: Vec<u8>,
) -> Result<Vec<u8>, StoreError> {
    match objects.get(path).await {
        Ok(found) => return Ok(found.bytes().await?.to_vec()),
        Err(object_store::Error::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let payload = PutPayload::from(fresh.clone());
    match objects.put_opts(path, payload, PutMode::Create.into()).await {
        Ok(_) => Ok(fresh),
        Err(object_store::Error::AlreadyExists { .. }) => {
            Ok(objects.get(path).await?.bytes().await?.to_vec())
        }
        Err(error) => Err(error.into()),
    }
}

fn random<const N: usize>() -> Result<[u8; N], CipherError> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| CipherError::Random)?;
    Ok(bytes)
}
