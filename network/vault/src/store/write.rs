//! Writing a content object: small ones at once, longer ones in parts.

use careledger_api::ids::{DocumentId, Salt};
use careledger_api::merkle::ContentOpening;
use careledger_sdk::vault::Sealer;
use careledger_sdk::vault::cipher::Dek;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};
use tokio::io::AsyncRead;

use super::StoreError;

/// Bytes of a part. S3 takes 10,000 parts: contents up to 78 GiB.
const PART: usize = 8 << 20;
/// Parts written at once.
const AT_ONCE: usize = 2;

/// Encrypts `content` into the object at `place`, which is there afterwards whole or not at all.
pub(super) async fn content(
    objects: &dyn ObjectStore,
    place: &Path,
    content: impl AsyncRead + Send + Unpin,
    dek: &Dek,
    (document, version, salt): (DocumentId, u32, Salt),
    mime: &str,
) -> Result<ContentOpening, StoreError> {
    let mut sealer = Sealer::new(content, dek, document, version, salt);
    let (mut first, mut held) = (Vec::new(), 0);
    while held < PART {
        match sealer.next().await? {
            Some(bytes) => {
                held += bytes.len();
                first.push(bytes);
            }
            None => {
                objects.put(place, PutPayload::from_iter(first)).await?;
                return Ok(opening(&sealer, mime));
            }
        }
    }
    let mut upload = WriteMultipart::new_with_chunk_size(objects.put_multipart(place).await?, PART);
    first.into_iter().for_each(|bytes| upload.put(bytes));
    match rest(&mut sealer, &mut upload).await {
        Ok(()) => {
            upload.finish().await?;
            Ok(opening(&sealer, mime))
        }
        Err(error) => {
            if let Err(failed) = upload.abort().await {
                tracing::warn!(%place, error = %failed, "an unfinished upload could not be removed");
            }
            Err(error)
        }
    }
}

async fn rest(sealer: &mut Sealer<'_>, upload: &mut WriteMultipart) -> Result<(), StoreError> {
    while let Some(bytes) = sealer.next().await? {
        upload.wait_for_capacity(AT_ONCE).await?;
        upload.put(bytes);
    }
    Ok(())
}

fn opening(sealer: &Sealer<'_>, mime: &str) -> ContentOpening {
    sealer
        .opening(mime)
        .expect("a sealer that gave all of its bytes has an opening")
}
