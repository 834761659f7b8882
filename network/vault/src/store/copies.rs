//! What of this store lies at other organisations: a marker for each copied version, so that store and markers together are the queue of what is to
//! be copied. It survives a crash as they do, and a version that has no marker is copied once more, which is harmless.
//!
//! ```text
//! replicas/<holder>/<document>.<n>   version n lies at the holder; written once its vault said so
//! proofs/<document>                  what proves version 1 of a document that only its batch anchors
//! ```

use std::collections::HashSet;

use careledger_api::ids::DocumentId;
use careledger_api::merkle::batch::BatchProof;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use tokio::sync::broadcast;

use super::{Store, StoreError, random};

/// A stored version.
pub(crate) type Version = (DocumentId, u32);

/// Where the markers and the proofs are.
const MARKERS: &str = "replicas";
const PROOFS: &str = "proofs";
/// Both.
pub(super) const NAMED: [&str; 2] = [MARKERS, PROOFS];

impl Store {
    /// Every version that is kept from now on. A receiver that lags looks at [`uncopied`](Self::uncopied) again.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Version> {
        self.kept.subscribe()
    }

    /// The versions that do not lie at `holder` yet, as far as is known here, and the number of those that do.
    pub(crate) async fn uncopied(&self, holder: &str) -> Result<(Vec<Version>, u64), StoreError> {
        let copied: HashSet<Version> = self.versions(&markers(holder)).await?.into_iter().collect();
        let mut kept = self.versions(&Path::from("entries")).await?;
        let all = kept.len();
        kept.retain(|version| !copied.contains(version));
        let there = (all - kept.len()) as u64;
        Ok((kept, there))
    }

    /// Notes that a version lies at `holder`. `false` where that was noted before.
    pub(crate) async fn mark_copied(
        &self,
        holder: &str,
        (document, version): Version,
    ) -> Result<bool, StoreError> {
        let marker = markers(holder).join(format!("{document}.{version}"));
        match self
            .objects
            .put_opts(&marker, PutPayload::default(), PutMode::Create.into())
            .await
        {
            Ok(_) => {}
            Err(object_store::Error::AlreadyExists { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        // An erasure that came in between has removed the markers already.
        if self.is_erased(document).await? {
            self.forget_copies(document).await?;
        }
        Ok(true)
    }

    /// Notes that a version has to be copied again. `false` where it was not noted as copied.
    pub(crate) async fn unmark_copied(
        &self,
        holder: &str,
        (document, version): Version,
    ) -> Result<bool, StoreError> {
        let marker = markers(holder).join(format!("{document}.{version}"));
        if !self.is_there(&marker).await? {
            return Ok(false);
        }
        self.objects.delete(&marker).await?;
        Ok(true)
    }

    /// Up to `count` of the versions at `holder`, drawn at random.
    pub(crate) async fn sample_copied(&self, holder: &str, count: usize) -> Result<Vec<Version>, StoreError> {
        let mut copied = self.versions(&markers(holder)).await?;
        for place in 0..count.min(copied.len()) {
            let left = copied.len() - place;
            let drawn = usize::try_from(u64::from_be_bytes(random()?) % left as u64).unwrap_or_default();
            copied.swap(place, place + drawn);
        }
        copied.truncate(count);
        Ok(copied)
    }

    /// Keeps what proves version 1 of a document that only its batch anchors. Keeping it again is harmless; of an erased document nothing is kept.
    ///
    /// # Errors
    /// [`StoreError::Objects`].
    pub async fn keep_proof(&self, document: DocumentId, proof: &BatchProof) -> Result<(), StoreError> {
        if self.is_erased(document).await? {
            return Ok(());
        }
        let path = Path::from(PROOFS).join(document.to_string());
        let json = serde_json::to_vec(proof).map_err(|_| StoreError::Damaged(path.to_string()))?;
        self.objects.put(&path, PutPayload::from(json)).await?;
        Ok(())
    }

    /// What [`keep_proof`](Self::keep_proof) kept.
    ///
    /// # Errors
    /// [`StoreError::Objects`], and [`StoreError::Damaged`] where it cannot be read.
    pub async fn proof_of(&self, document: DocumentId) -> Result<Option<BatchProof>, StoreError> {
        let path = Path::from(PROOFS).join(document.to_string());
        let bytes = match self.objects.get(&path).await {
            Ok(found) => found.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|_| StoreError::Damaged(path.to_string()))
    }

    /// Removes the markers and the proof of a document that is erased.
    pub(super) async fn forget_copies(&self, document: DocumentId) -> Result<(), StoreError> {
        let name = document.to_string();
        for place in NAMED {
            self.remove(place, |found| super::erase::document_of(found) == name)
                .await?;
        }
        Ok(())
    }

    pub(super) async fn versions(&self, place: &Path) -> Result<Vec<Version>, StoreError> {
        self.objects
            .list(Some(place))
            .try_filter_map(|object| async move { Ok(object.location.filename().and_then(version)) })
            .try_collect()
            .await
            .map_err(StoreError::from)
    }

    async fn is_there(&self, path: &Path) -> Result<bool, StoreError> {
        match self.objects.head(path).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn markers(holder: &str) -> Path {
    Path::from(MARKERS).join(holder)
}

/// `<document>.<n>`
fn version(name: &str) -> Option<Version> {
    let (document, version) = name.split_once('.')?;
    Some((document.parse().ok()?, version.parse().ok()?))
}
