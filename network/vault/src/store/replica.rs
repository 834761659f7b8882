//! Keeping a copy of another organisation's version, and proving that it is there.

use std::sync::Arc;

use aws_lc_rs::{digest, hmac};
use bytes::Bytes;
use careledger_api::ids::DocumentId;
use careledger_api::merkle::ContentOpening;
use careledger_sdk::vault::cipher::Dek;
use careledger_sdk::vault::format::Layout;
use careledger_sdk::vault::{SealedRecord, Source, SourceError};
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStoreExt, WriteMultipart};

use super::{EncryptedFile, Store, StoreError, context, entry_path, random};

/// Bytes of a part.
const PART: usize = 8 << 20;
/// Parts written at once.
const AT_ONCE: usize = 2;
/// Bytes of a block that a probe reads, and how many it reads of a long file; a shorter one it reads whole.
const BLOCK: u64 = 64 << 10;
const BLOCKS: u64 = 128;

impl Store {
    /// Keeps a copy of a version: its key, its opening, and the ciphertext that `file` gives. All of it is read again and opened before it counts.
    /// `false`, and nothing is read, where the version is there already; with `check`, what is there is read first, and made anew where it is damaged.
    ///
    /// # Errors
    /// [`StoreError::Content`] where the ciphertext does not open to what the opening says, [`StoreError::Erased`] for an erased document,
    /// [`StoreError::Size`] for ciphertext of another length; nothing is kept.
    pub async fn put_copy(
        &self,
        document: DocumentId,
        version: u32,
        dek: &Dek,
        opening: &ContentOpening,
        check: bool,
        file: impl Stream<Item = Result<Bytes, SourceError>> + Send,
    ) -> Result<bool, StoreError> {
        self.refuse_erased(document).await?;
        if self.has(document, version).await? {
            if !check
                || self
                    .reopen(document, version)
                    .await
                    .is_ok_and(|found| found == *opening)
            {
                return Ok(false);
            }
            tracing::warn!(%document, version, "a damaged copy makes place for a new one");
            self.drop_version(document, version).await?;
        }
        let wrapped = self.kek.wrap(dek, &context(document, version))?;
        let place = Path::from(format!(
            "content/{document}.{version}.{}",
            hex::encode(random::<8>()?)
        ));
        let kept = async {
            self.write_copy(&place, opening, file).await?;
            self.check_copy(document, version, dek, opening, &place).await?;
            self.write_entry(document, version, &place, &wrapped, opening)
                .await?;
            self.recheck_erased(document).await
        };
        let kept = kept.await;
        if kept.is_err() {
            self.discard(&place).await;
        }
        kept.map(|()| true)
    }

    /// A proof, for a nonce, that ciphertext and key of a version are there: HMAC-SHA-256 under the file's key over nonce and SHA-256 of the blocks
    /// of the ciphertext that the nonce picks, 8 MiB at most. Nobody knows which before the nonce is there.
    ///
    /// # Errors
    /// [`StoreError::Missing`], and those of [`file`](Self::file).
    pub async fn proof(
        &self,
        document: DocumentId,
        version: u32,
        nonce: &[u8; 32],
    ) -> Result<[u8; 32], StoreError> {
        let entry = self.entry(document, version).await?;
        let file = self.file(document, version).await?;
        let mut sum = digest::Context::new(&digest::SHA256);
        for block in picked(nonce, file.size()) {
            sum.update(&block.to_be_bytes());
            let range = block * BLOCK..((block + 1) * BLOCK).min(file.size());
            let mut bytes = file.read(range);
            while let Some(part) = bytes.next().await {
                sum.update(&part.map_err(careledger_sdk::vault::ContentError::Source)?);
            }
        }
        let derived = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, entry.dek.as_slice()),
            b"careledger/v1/replica-probe",
        );
        let key = hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref());
        let proof = hmac::sign(&key, &[nonce.as_slice(), sum.finish().as_ref()].concat());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(proof.as_ref());
        Ok(bytes)
    }

    /// Removes one version, key first.
    async fn drop_version(&self, document: DocumentId, version: u32) -> Result<(), StoreError> {
        let stored = self.stored(document, version).await;
        self.objects.delete(&entry_path(document, version)).await?;
        // The content of an unreadable entry goes when the store is opened again.
        if let Ok(stored) = stored {
            self.discard(&Path::from(stored.content)).await;
        }
        Ok(())
    }

    /// An erasure that began while the version was written has not seen it.
    pub(super) async fn recheck_erased(&self, document: DocumentId) -> Result<(), StoreError> {
        if self.is_erased(document).await? {
            self.destroy(document).await?;
            return Err(StoreError::Erased(document));
        }
        Ok(())
    }

    async fn write_copy(
        &self,
        place: &Path,
        opening: &ContentOpening,
        file: impl Stream<Item = Result<Bytes, SourceError>> + Send,
    ) -> Result<(), StoreError> {
        let announced = Layout::of(opening.size).map_or(0, Layout::file_size);
        let mut upload = WriteMultipart::new_with_chunk_size(self.objects.put_multipart(place).await?, PART);
        let written = async {
            let mut found = 0;
            let mut file = std::pin::pin!(file);
            while let Some(bytes) = file
                .try_next()
                .await
                .map_err(careledger_sdk::vault::ContentError::Source)?
            {
                found += bytes.len() as u64;
                if found > announced {
                    break;
                }
                upload.wait_for_capacity(AT_ONCE).await?;
                upload.put(bytes);
            }
            if found == announced {
                Ok(())
            } else {
                Err(StoreError::Size { announced, found })
            }
        };
        match written.await {
            Ok(()) => upload.finish().await.map(|_| ()).map_err(StoreError::from),
            Err(error) => {
                if let Err(failed) = upload.abort().await {
                    tracing::warn!(%place, error = %failed, "an unfinished copy could not be removed");
                }
                Err(error)
            }
        }
    }

    async fn check_copy(
        &self,
        document: DocumentId,
        version: u32,
        dek: &Dek,
        opening: &ContentOpening,
        place: &Path,
    ) -> Result<(), StoreError> {
        let size = self.objects.head(place).await?.size;
        let file = EncryptedFile::new(Arc::clone(&self.objects), place.clone(), size);
        let record = SealedRecord::new(Arc::new(file), dek, document, version, opening.clone())?;
        let mut stream = record.stream();
        while stream.try_next().await?.is_some() {}
        Ok(())
    }
}

/// The blocks of a file that a nonce picks: all of a short one, else [`BLOCKS`] of them, some perhaps twice.
fn picked(nonce: &[u8; 32], size: u64) -> Vec<u64> {
    let count = size.div_ceil(BLOCK);
    if count <= BLOCKS {
        return (0..count).collect();
    }
    let pick = |draw: u64| {
        let drawn = digest::digest(
            &digest::SHA256,
            &[
                b"careledger/v1/probed-block".as_slice(),
                nonce,
                &draw.to_be_bytes(),
            ]
            .concat(),
        );
        let mut first = [0; 8];
        first.copy_from_slice(&drawn.as_ref()[..8]);
        u64::from_be_bytes(first) % count
    };
    (0..BLOCKS).map(pick).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_picks_all_of_a_short_file_and_its_own_part_of_a_long_one() {
        assert_eq!(picked(&[1; 32], 0), [0; 0]);
        assert_eq!(picked(&[1; 32], 1), [0]);
        assert_eq!(picked(&[1; 32], BLOCK * BLOCKS).len() as u64, BLOCKS);
        let long = BLOCK * 1_000_000 + 1;
        let (one, other) = (picked(&[1; 32], long), picked(&[2; 32], long));
        assert_eq!(one.len() as u64, BLOCKS);
        assert!(one.iter().all(|block| *block <= 1_000_000));
        assert!(one.iter().any(|block| *block > 500_000) && one != other);
        assert_eq!(one, picked(&[1; 32], long));
    }
}
