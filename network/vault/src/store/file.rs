//! One version's encrypted file, read in ranges.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use careledger_sdk::vault::format::STEP;
use careledger_sdk::vault::{Source, SourceError};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

/// Reads under way.
const AT_ONCE: usize = 2;

/// The encrypted file of a stored version. It says nothing without its key.
#[derive(Debug, Clone)]
pub struct EncryptedFile {
    objects: Arc<dyn ObjectStore>,
    place: Path,
    size: u64,
}

impl EncryptedFile {
    pub(super) fn new(objects: Arc<dyn ObjectStore>, place: Path, size: u64) -> Self {
        Self { objects, place, size }
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The whole file, for small ones.
    pub async fn bytes(&self) -> Result<Bytes, object_store::Error> {
        self.objects.get(&self.place).await?.bytes().await
    }
}

impl Source for EncryptedFile {
    fn read(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes, SourceError>> {
        let (objects, place) = (Arc::clone(&self.objects), self.place.clone());
        let end = range.end;
        futures::stream::iter(range.step_by(STEP as usize))
            .map(move |from| {
                let (objects, place) = (Arc::clone(&objects), place.clone());
                async move { objects.get_range(&place, from..(from + STEP).min(end)).await }
            })
            .buffered(AT_ONCE)
            .map_err(SourceError::from)
            .boxed()
    }
}
