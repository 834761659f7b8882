//! Files at rest: AES-256-GCM in chunks, so that a large image streams and one chunk opens alone.
//!
//! ```text
//! file   = magic "CLV1" | chunk size u32 | plaintext length u64 | chunk 0 | chunk 1 | …      (big-endian)
//! chunk i = AES-256-GCM(DEK, nonce = i, aad = document | version | header | i)
//! ```
//!
//! A data-encryption key (DEK) encrypts exactly one version of one document, so the chunk index is a safe nonce. The header is part of
//! every chunk's associated data: a file cut at a chunk boundary does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// Plaintext bytes of a chunk (the last one may be shorter): 64 KiB.
pub const CHUNK: usize = 64 * 1024;

const MAGIC: &[u8; 4] = b"CLV1";
const HEADER: usize = 16;
const TAG: usize = 16;

/// A data-encryption key: 32 random bytes, wiped when dropped.
pub type Dek = Zeroizing<[u8; 32]>;

/// Why a file could not be sealed or opened. No text carries content or key material.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CipherError {
    /// The operating system gave no randomness.
    #[error("the system's random generator failed")]
    Random,
    /// The file does not start with a vault header, or its length contradicts the header.
    #[error("not an encrypted record of this vault, or cut short: {0}")]
    Malformed(&'static str),
    /// A chunk's authentication tag does not hold: the bytes, the key, the document or the version is another one.
    #[error("chunk {index} does not authenticate: altered bytes, another document or another key")]
    Altered {
        /// Index of the chunk, from 0.
        index: u64,
    },
    /// The content is larger than the format can count.
    #[error("the content is too large for one record: {0} bytes")]
    TooLarge(usize),
}

/// Makes a fresh DEK.
pub fn new_dek() -> Result<Dek, CipherError> {
    let mut key = Zeroizing::new([0; 32]);
    SystemRandom::new()
        .fill(key.as_mut_slice())
        .map_err(|_| CipherError::Random)?;
    Ok(key)
}

/// Encrypts `plaintext` under `dek`, bound to `document` and `version`.
pub fn seal(dek: &Dek, document: &str, version: u32, plaintext: &[u8]) -> Result<Vec<u8>, CipherError> {
    let key = aead_key(dek);
    let mut out = Vec::with_capacity(HEADER + plaintext.len() + (plaintext.len() / CHUNK + 1) * TAG);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&(CHUNK as u32).to_be_bytes());
    out.extend_from_slice(&(plaintext.len() as u64).to_be_bytes());
    let header: [u8; HEADER] = out[..HEADER]
        .try_into()
        .map_err(|_| CipherError::Malformed("header"))?;
    for (index, chunk) in (0u64..).zip(chunks(plaintext)) {
        let mut buffer = chunk.to_vec();
        key.seal_in_place_append_tag(nonce(index), aad(document, version, &header, index), &mut buffer)
            .map_err(|_| CipherError::TooLarge(plaintext.len()))?;
        out.extend_from_slice(&buffer);
    }
    Ok(out)
}

/// Decrypts a file that [`seal`] made with the same key, document and version.
pub fn open(dek: &Dek, document: &str, version: u32, file: &[u8]) -> Result<Vec<u8>, CipherError> {
    let (header, mut rest) = file
        .split_at_checked(HEADER)
        .ok_or(CipherError::Malformed("header"))?;
    let header: [u8; HEADER] = header.try_into().map_err(|_| CipherError::Malformed("header"))?;
    if &header[..4] != MAGIC {
        return Err(CipherError::Malformed("magic"));
    }
    let chunk = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
    if chunk != CHUNK {
        return Err(CipherError::Malformed("chunk size"));
    }
    let key = aead_key(dek);
    let mut plaintext = Vec::with_capacity(rest.len());
    let mut index = 0u64;
    loop {
        let take = rest.len().min(CHUNK + TAG);
        let (sealed, after) = rest.split_at(take);
        let mut buffer = sealed.to_vec();
        let opened = key
            .open_in_place(nonce(index), aad(document, version, &header, index), &mut buffer)
            .map_err(|_| CipherError::Altered { index })?;
        plaintext.extend_from_slice(opened);
        rest = after;
        index += 1;
        if rest.is_empty() {
            break;
        }
    }
    let stated = header[8..].iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
    if stated != plaintext.len() as u64 {
        return Err(CipherError::Malformed("length"));
    }
    Ok(plaintext)
}

/// The chunks of a content; an empty content has one empty chunk, so that its emptiness is authenticated too.
fn chunks(plaintext: &[u8]) -> impl Iterator<Item = &[u8]> {
    let empty = plaintext.is_empty().then_some(plaintext);
    empty.into_iter().chain(plaintext.chunks(CHUNK))
}

fn aead_key(dek: &Dek) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, dek.as_slice()).expect("a DEK has AES-256's key length"))
}

fn nonce(index: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&index.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

fn aad(document: &str, version: u32, header: &[u8; HEADER], index: u64) -> Aad<Vec<u8>> {
    let mut bytes = Vec::with_capacity(document.len() + HEADER + 16);
    bytes.extend_from_slice(&(document.len() as u32).to_be_bytes());
    bytes.extend_from_slice(document.as_bytes());
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.extend_from_slice(header);
    bytes.extend_from_slice(&index.to_be_bytes());
    Aad::from(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_it_sealed_at_every_boundary() {
        let dek = new_dek().unwrap();
        for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let plain: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let file = seal(&dek, "doc", 1, &plain).unwrap();
            assert_eq!(open(&dek, "doc", 1, &file).unwrap(), plain, "{len} bytes");
        }
    }

    #[test]
    fn any_other_byte_key_document_or_version_is_refused() {
        let dek = new_dek().unwrap();
        let file = seal(&dek, "doc", 1, b"content").unwrap();
        for at in 0..file.len() {
            let mut altered = file.clone();
            altered[at] ^= 1;
            assert!(open(&dek, "doc", 1, &altered).is_err(), "byte {at}");
        }
        assert!(open(&new_dek().unwrap(), "doc", 1, &file).is_err());
        assert!(open(&dek, "cod", 1, &file).is_err());
        assert!(open(&dek, "doc", 2, &file).is_err());
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let dek = new_dek().unwrap();
        let file = seal(&dek, "doc", 1, &vec![7; CHUNK + 10]).unwrap();
        for cut in [0, 3, HEADER, HEADER + 5, HEADER + CHUNK + TAG, file.len() - 1] {
            assert!(open(&dek, "doc", 1, &file[..cut]).is_err(), "cut at {cut}");
        }
    }
}
