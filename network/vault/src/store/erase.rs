//! Destroying a document, with all of its versions, for good.
//!
//! ```text
//! erased/<document>     the tombstone: that it was erased. Written first; while it is there, nothing of the document is kept again
//! entries/<document>.*  wrapped key and salt: removed next, and with them the content's meaning
//! content/<document>.*  ciphertext: removed last, and with it the notes about its copies
//! ```
//!
//! A crash in between leaves the tombstone, and opening the store finishes the work. So does opening a store whose files were restored from a
//! backup, as long as `erased/` was not. Each version has files of its own: removing them removes every byte, and nothing else has to be
//! rewritten. Overwriting them first would prove nothing on flash or on a file system that copies on write; against what the disk itself keeps of a
//! removed wrap, [`Store::rewrap`] changes the key-encryption key.

use std::collections::BTreeSet;

use careledger_api::ids::DocumentId;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use super::copies::NAMED;
use super::{Store, StoreError};

/// Where an object's name begins with a document.
const PLACES: [&str; 2] = ["entries", "content"];
/// The directories whose removals are made to last: those that hold keys, salts or ciphertext.
const SYNCED: [&str; 3] = ["entries", "content", "proofs"];

impl Store {
    /// Destroys every version of a document: gives those whose key was there. They are out of every file, and off the directory on a local disk,
    /// when this returns. Erasing again finds nothing and is no error.
    ///
    /// # Errors
    /// [`StoreError::Objects`] and [`StoreError::Io`]: what is left goes with the next call, or when the store is opened again.
    pub async fn erase(&self, document: DocumentId) -> Result<Vec<u32>, StoreError> {
        self.objects
            .put(&tombstone(document), PutPayload::from_static(b"erased"))
            .await?;
        let versions = self.destroy(document).await?;
        self.forget_copies(document).await?;
        self.sync().await?;
        Ok(versions)
    }

    /// Whether the document was erased from this store: no version of it is kept again.
    pub async fn is_erased(&self, document: DocumentId) -> Result<bool, StoreError> {
        match self.objects.head(&tombstone(document)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn refuse_erased(&self, document: DocumentId) -> Result<(), StoreError> {
        if self.is_erased(document).await? {
            return Err(StoreError::Erased(document));
        }
        Ok(())
    }

    /// Finishes what a crash interrupted, and undoes what a restored backup brought back.
    pub(super) async fn finish_erasures(&self) -> Result<(), StoreError> {
        let erased: BTreeSet<String> = self
            .objects
            .list(Some(&Path::from("erased")))
            .try_filter_map(|object| async move { Ok(object.location.filename().map(str::to_owned)) })
            .try_collect()
            .await?;
        if erased.is_empty() {
            return Ok(());
        }
        let mut found = 0;
        for place in PLACES.into_iter().chain(NAMED) {
            found += self
                .remove(place, |name| erased.contains(document_of(name)))
                .await?
                .len();
        }
        if found > 0 {
            tracing::warn!(
                files = found,
                "removed what was left, or came back, of erased documents"
            );
            self.sync().await?;
        }
        Ok(())
    }

    /// Removes what is there: keys first. Gives the versions that had one.
    pub(super) async fn destroy(&self, document: DocumentId) -> Result<Vec<u32>, StoreError> {
        let name = document.to_string();
        let [entries, contents] = PLACES;
        let keys = self.remove(entries, |found| document_of(found) == name).await?;
        self.remove(contents, |found| document_of(found) == name).await?;
        let mut versions: Vec<u32> = keys
            .iter()
            .filter_map(|key| key.strip_prefix(&name)?.strip_prefix('.')?.parse().ok())
            .collect();
        versions.sort_unstable();
        Ok(versions)
    }

    /// Removes the objects in a place whose names are `doomed`; gives these names.
    pub(super) async fn remove(
        &self,
        place: &str,
        doomed: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>, StoreError> {
        let mut removed = Vec::new();
        let mut objects = self.objects.list(Some(&Path::from(place))).boxed();
        while let Some(object) = objects.try_next().await? {
            let Some(name) = object.location.filename().filter(|name| doomed(name)) else {
                continue;
            };
            match self.objects.delete(&object.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => removed.push(name.to_owned()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(removed)
    }

    /// Makes removals last.
    async fn sync(&self) -> Result<(), StoreError> {
        match &self.disk {
            Some(disk) => disk.sync(&SYNCED).await,
            None => Ok(()),
        }
    }
}

fn tombstone(document: DocumentId) -> Path {
    Path::from(format!("erased/{document}"))
}

/// `<document>.<n>` or `<document>.<n>.<random>` → `<document>`.
pub(super) fn document_of(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}
