//! Chunks at rest: AES-256-GCM in the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015), so that a content of any length is
//! encrypted as it comes and every chunk opens alone.
//!
//! ```text
//! nonce of chunk i = 0 (3 bytes) | i (8 bytes) | 1 if it is the last chunk, else 0 (1 byte)
//! associated data  = "careledger/v2/chunk" | document | version | chunk size
//! ```
//!
//! A data-encryption key (DEK) encrypts exactly one version of one document, so index and last-chunk flag are a safe nonce. The flag makes
//! an early end, and anything behind the end, fail to authenticate; the index makes a moved chunk fail; document and version make a
//! swapped file fail.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use careledger_api::ids::{DocumentId, Salt};
use careledger_api::merkle::stream::leaf_prefix;
use zeroize::Zeroizing;

use super::format::{CHUNK, TAG};

/// A data-encryption key: 32 random bytes, wiped when dropped.
pub type Dek = Zeroizing<[u8; 32]>;

/// Why a chunk could not be sealed or opened. No text carries content or key material.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CipherError {
    /// The operating system gave no randomness.
    #[error("the system's random generator failed")]
    Random,
    /// A chunk is longer than 64 KiB, or a sealed one shorter than its tag.
    #[error("a chunk has at most 65536 bytes, sealed 16 more")]
    Length,
    /// A chunk's authentication tag does not hold: the bytes, the key, the place, the document or the version is another one.
    #[error("chunk {index} does not authenticate: altered bytes, another place, document, version or key")]
    Altered {
        /// Index of the chunk, from 0.
        index: u64,
    },
}

/// Makes a fresh DEK.
pub fn new_dek() -> Result<Dek, CipherError> {
    let mut key = Zeroizing::new([0; 32]);
    SystemRandom::new()
        .fill(key.as_mut_slice())
        .map_err(|_| CipherError::Random)?;
    Ok(key)
}

/// Seals and opens the chunks of one version of one document.
pub struct ChunkCipher {
    key: LessSafeKey,
    associated: Vec<u8>,
}

impl std::fmt::Debug for ChunkCipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChunkCipher")
    }
}

impl ChunkCipher {
    /// The cipher of a version under its own key.
    pub fn new(dek: &Dek, document: DocumentId, version: u32) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, dek.as_slice()).expect("a DEK has AES-256's key length");
        let associated = [
            b"careledger/v2/chunk".as_slice(),
            document.as_bytes(),
            &version.to_be_bytes(),
            &(CHUNK as u32).to_be_bytes(),
        ]
        .concat();
        Self {
            key: LessSafeKey::new(key),
            associated,
        }
    }

    /// Encrypts chunk `index` in place: `slot` holds the content with [`TAG`] spare bytes behind it. Fails with [`CipherError::Length`].
    pub fn seal(&self, index: u64, last: bool, slot: &mut [u8]) -> Result<(), CipherError> {
        let length = slot.len().checked_sub(TAG).filter(|l| *l <= CHUNK);
        let (content, tag) = slot.split_at_mut(length.ok_or(CipherError::Length)?);
        let sealed = self
            .key
            .seal_in_place_separate_tag(nonce(index, last), Aad::from(&self.associated), content)
            .map_err(|_| CipherError::Length)?;
        tag.copy_from_slice(sealed.as_ref());
        Ok(())
    }

    /// Decrypts chunk `index` in place and gives its content, the front of `slot`. Fails with [`CipherError::Altered`].
    pub fn open<'s>(&self, index: u64, last: bool, slot: &'s mut [u8]) -> Result<&'s mut [u8], CipherError> {
        self.key
            .open_in_place(nonce(index, last), Aad::from(&self.associated), slot)
            .map_err(|_| CipherError::Altered { index })
    }
}

/// The Merkle leaf of a chunk's content.
pub fn leaf(salt: &Salt, index: u64, content: &[u8]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(&leaf_prefix(salt, index, content.len() as u64));
    context.update(content);
    let mut leaf = [0; 32];
    leaf.copy_from_slice(context.finish().as_ref());
    leaf
}

fn nonce(index: u64, last: bool) -> Nonce {
    let mut bytes = [0; 12];
    bytes[3..11].copy_from_slice(&index.to_be_bytes());
    bytes[11] = u8::from(last);
    Nonce::assume_unique_for_key(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: DocumentId = DocumentId::from_bytes([1; 16]);

    fn sealed(cipher: &ChunkCipher, index: u64, last: bool, content: &[u8]) -> Vec<u8> {
        let mut slot = [content, &[0; TAG]].concat();
        cipher.seal(index, last, &mut slot).unwrap();
        slot
    }

    #[test]
    fn a_chunk_opens_in_its_place_alone() {
        let dek = new_dek().unwrap();
        let cipher = ChunkCipher::new(&dek, DOCUMENT, 1);
        for content in [b"".as_slice(), b"c", &[7; CHUNK]] {
            let slot = sealed(&cipher, 5, false, content);
            assert_eq!(cipher.open(5, false, &mut slot.clone()).unwrap(), content);
            let altered = Err(CipherError::Altered { index: 5 });
            assert_eq!(cipher.open(5, true, &mut slot.clone()), altered);
            assert_eq!(
                cipher.open(4, false, &mut slot.clone()),
                Err(CipherError::Altered { index: 4 })
            );
            for other in [
                ChunkCipher::new(&dek, DOCUMENT, 2),
                ChunkCipher::new(&dek, DocumentId::from_bytes([2; 16]), 1),
                ChunkCipher::new(&new_dek().unwrap(), DOCUMENT, 1),
            ] {
                assert_eq!(other.open(5, false, &mut slot.clone()), altered);
            }
            for at in [0, slot.len() / 2, slot.len() - 1] {
                let mut flipped = slot.clone();
                flipped[at] ^= 1;
                assert_eq!(cipher.open(5, false, &mut flipped), altered, "byte {at}");
            }
            assert!(cipher.open(5, false, &mut slot[..TAG - 1].to_vec()).is_err());
        }
    }

    #[test]
    fn a_chunk_longer_than_the_format_allows_is_refused() {
        let cipher = ChunkCipher::new(&new_dek().unwrap(), DOCUMENT, 1);
        assert_eq!(
            cipher.seal(0, true, &mut vec![0; CHUNK + TAG + 1]),
            Err(CipherError::Length)
        );
        assert_eq!(cipher.seal(0, true, &mut [0; TAG - 1]), Err(CipherError::Length));
    }

    #[test]
    fn the_leaf_is_the_trees() {
        let salt = Salt::from_bytes([5; 32]);
        let mut builder = careledger_api::merkle::TreeBuilder::new(salt, CHUNK as u32).unwrap();
        builder.update(b"content");
        let root = careledger_api::merkle::stream::root_of_pages(7, 1, &[leaf(&salt, 0, b"content")]);
        assert_eq!(builder.finish().root(), root);
    }
}
