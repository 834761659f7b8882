//! Changing the key-encryption key: what earlier copies of wrapped keys say, in a backup or on a disk's spare blocks, is then said to nobody.

use std::path::Path as FsPath;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use super::waiting::{StoredTicket, WAITING, waiting_context};
use super::{Store, StoreError, StoredEntry, TICKET_CONTEXT, TICKET_KEY, context};
use crate::kek::{FileKey, KekError, KeyEncryption, KeyProvider, Succession, TokenKey};
use careledger_api::ids::DocumentId;

impl Store {
    /// Opens the store in a local directory under what `provider` says: the file `kek` there, or a key in a token, which takes the file's place. Either is
    /// made where there is none.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_under(dir: &FsPath, provider: KeyProvider) -> Result<Self, StoreError> {
        match provider {
            KeyProvider::File => {
                let kek = FileKey::open_or_create(&dir.join("kek"))?;
                Self::open(dir, Box::new(kek)).await
            }
            KeyProvider::Token(place) => {
                Self::rotate_to(dir, Arc::new(TokenKey::open_or_create(place)?)).await
            }
        }
    }

    /// Changes the key-encryption key of the store in a local directory, which is kept in the file `kek` there, and opens it. Each key is wrapped
    /// anew, then the old key-encryption key is removed: destroy its backups, or erased keys in other backups stay readable. A crash in the middle
    /// loses nothing, the store opens as before, and the next call finishes it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn rotate(dir: &FsPath) -> Result<Self, StoreError> {
        let path = dir.join("kek");
        let (old, new) = (FileKey::open_or_create(&path)?, FileKey::successor(&path)?);
        let store = Self::open(dir, Box::new(old)).await?;
        store.rewrap(&new).await?;
        FileKey::succeed(&path)?;
        drop(store);
        Self::open(dir, Box::new(FileKey::open_or_create(&path)?)).await
    }

    /// Opens the store in a local directory under another provider than the file `kek` there. As long as that file is there, each key that it wraps is
    /// wrapped under `new`, then the file is removed: destroy its backups. A crash in the middle loses nothing, and the next call finishes it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn rotate_to(dir: &FsPath, new: Arc<dyn KeyEncryption>) -> Result<Self, StoreError> {
        let path = dir.join("kek");
        if FileKey::exists(&path) {
            let old = FileKey::open_or_create(&path)?;
            let both = Succession::new(Box::new(old), Arc::clone(&new));
            let store = Self::open(dir, Box::new(both)).await?;
            let keys = store.rewrap(&*new).await?;
            FileKey::remove(&path)?;
            tracing::info!(keys, "wrapped under another key-encryption key");
        }
        Self::open(dir, Box::new(new)).await
    }

    /// Wraps every key of the store under `new`, in place; gives how many were not yet. The caller opens the store under `new` afterwards, and
    /// destroys the old key-encryption key.
    ///
    /// # Errors
    /// [`StoreError`]; what was wrapped anew stays so, and the next call goes on.
    pub async fn rewrap(&self, new: &dyn KeyEncryption) -> Result<usize, StoreError> {
        let mut done = 0;
        let mut entries = self.objects.list(Some(&Path::from("entries")));
        while let Some(object) = entries.try_next().await? {
            let path = object.location;
            let damaged = || StoreError::Damaged(path.to_string());
            let (document, version) = path
                .filename()
                .and_then(|name| name.split_once('.'))
                .and_then(|(document, version)| {
                    Some((document.parse::<DocumentId>().ok()?, version.parse::<u32>().ok()?))
                })
                .ok_or_else(damaged)?;
            let bytes = self.objects.get(&path).await?.bytes().await?;
            let mut entry: StoredEntry = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
            let wrapped = hex::decode(&entry.wrapped).map_err(|_| damaged())?;
            if let Some(wrapped) = self.wrapped_anew(new, &wrapped, &context(document, version))? {
                entry.wrapped = hex::encode(wrapped);
                let json = serde_json::to_vec(&entry).map_err(|_| damaged())?;
                self.objects.put(&path, PutPayload::from(json)).await?;
                done += 1;
            }
        }
        let mut waiting = self.objects.list(Some(&Path::from(WAITING)));
        while let Some(object) = waiting.try_next().await? {
            let path = object.location;
            let bytes = self.objects.get(&path).await?.bytes().await?;
            match self.ticket_anew(new, &path, &bytes) {
                Ok(Some(json)) => {
                    self.objects.put(&path, PutPayload::from(json)).await?;
                    done += 1;
                }
                Ok(None) => {}
                Err(error) => self.put_aside(&path, bytes, error).await?,
            }
        }
        let path = Path::from(TICKET_KEY);
        let wrapped = self.objects.get(&path).await?.bytes().await?;
        if let Some(wrapped) = self.wrapped_anew(new, &wrapped, TICKET_CONTEXT)? {
            self.objects.put(&path, PutPayload::from(wrapped)).await?;
            done += 1;
        }
        Ok(done)
    }

    /// A ticket that waits, with its key wrapped under the new one; `None` where it is already.
    fn ticket_anew(
        &self,
        new: &dyn KeyEncryption,
        path: &Path,
        bytes: &[u8],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let (ticket, mut stored, wrapped) = StoredTicket::read(path, bytes)?;
        let Some(wrapped) = self.wrapped_anew(new, &wrapped, &waiting_context(&ticket))? else {
            return Ok(None);
        };
        stored.wrapped = hex::encode(wrapped);
        let json = serde_json::to_vec(&stored).map_err(|_| StoreError::Damaged(path.to_string()))?;
        Ok(Some(json))
    }

    /// `None` where it is under the new key already.
    fn wrapped_anew(
        &self,
        new: &dyn KeyEncryption,
        wrapped: &[u8],
        context: &[u8],
    ) -> Result<Option<Vec<u8>>, KekError> {
        if new.unwrap(wrapped, context).is_ok() {
            return Ok(None);
        }
        new.wrap(&self.kek.unwrap(wrapped, context)?, context).map(Some)
    }
}
