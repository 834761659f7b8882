//! Where everything lies in an encrypted file of format 2.
//!
//! ```text
//! file = magic "CLV2" | chunk size u32 | page 0 | page 1 | … | tops                      (big-endian)
//! page = up to 1024 sealed chunks | their Merkle leaves, 32 bytes each
//! tops = the node over each page, 32 bytes each
//! ```
//!
//! The length need not be known before the last byte is there: nothing in front depends on it. Who knows the length finds every chunk and
//! its proof by arithmetic alone, holds one page of leaves (32 KiB) and the tops (32 bytes for every 64 MiB), and checks each chunk against
//! the anchored root before passing it on. Leaves and tops are salted hashes: they say nothing about the content without the document's salt.

use std::ops::Range;

use careledger_api::merkle::stream::PAGE;

/// Plaintext bytes of a chunk; the last one may be shorter. 64 KiB.
pub const CHUNK: usize = 64 * 1024;
/// Bytes that AES-GCM adds to a chunk.
pub const TAG: usize = 16;
/// Chunks that are read, sealed or opened together.
pub const SEGMENT: u64 = 16;
/// Bytes of so many sealed chunks. A source that cuts its answers into parts of this length spares its reader a copy.
pub const STEP: u64 = SEGMENT * (CHUNK + TAG) as u64;
/// The longest content of one version: 1 TiB.
pub const MAX_SIZE: u64 = 1 << 40;
/// The first bytes of every encrypted file.
pub const HEADER: [u8; 8] = *b"CLV2\x00\x01\x00\x00";

/// Bytes of a hash.
const HASH: u64 = 32;
/// Chunks of a full page.
const PAGE_CHUNKS: u64 = PAGE as u64;
/// Bytes of a full sealed chunk.
const SEALED: u64 = (CHUNK + TAG) as u64;
/// Bytes of a full page.
const FULL_PAGE: u64 = PAGE_CHUNKS * (SEALED + HASH);

/// The places in the encrypted file of a content of known length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    size: u64,
}

impl Layout {
    /// The layout of `size` bytes; none beyond [`MAX_SIZE`].
    pub fn of(size: u64) -> Option<Self> {
        (size <= MAX_SIZE).then_some(Self { size })
    }

    /// Bytes of the content.
    pub fn size(self) -> u64 {
        self.size
    }

    /// Number of chunks. An empty content has one empty chunk, so that its emptiness is authenticated too.
    pub fn chunks(self) -> u64 {
        self.size.div_ceil(CHUNK as u64).max(1)
    }

    /// Number of pages.
    pub fn pages(self) -> u64 {
        self.chunks().div_ceil(PAGE_CHUNKS)
    }

    /// Bytes of the whole encrypted file.
    pub fn file_size(self) -> u64 {
        self.tops().end
    }

    /// Content bytes of a chunk; 0 past the last.
    pub fn chunk_length(self, index: u64) -> usize {
        let before = index.saturating_mul(CHUNK as u64).min(self.size);
        (self.size - before).min(CHUNK as u64) as usize
    }

    /// The chunks of a page.
    pub fn page_chunks(self, page: u64) -> Range<u64> {
        let first = page.saturating_mul(PAGE_CHUNKS).min(self.chunks());
        first..first.saturating_add(PAGE_CHUNKS).min(self.chunks())
    }

    /// Where the sealed chunks `range` of one page lie, one after the other.
    pub fn sealed(self, page: u64, range: &Range<u64>) -> Range<u64> {
        let start = self.page_start(page);
        let first = page * PAGE_CHUNKS;
        let at = |chunk: u64| match chunk.checked_sub(first) {
            None => start,
            // Past the last chunk of the content, which may be short.
            Some(_) if chunk >= self.chunks() => start + self.sealed_before(first, self.chunks()),
            Some(_) => start + self.sealed_before(first, chunk),
        };
        at(range.start)..at(range.end)
    }

    /// Where the leaves of a page lie.
    pub fn leaves(self, page: u64) -> Range<u64> {
        let chunks = self.page_chunks(page);
        let start = self.page_start(page) + self.sealed_before(chunks.start, chunks.end);
        start..start + (chunks.end - chunks.start) * HASH
    }

    /// Where the tops of all pages lie: the end of the file.
    pub fn tops(self) -> Range<u64> {
        let start = self.leaves(self.pages() - 1).end;
        start..start + self.pages() * HASH
    }

    fn page_start(self, page: u64) -> u64 {
        HEADER.len() as u64 + page * FULL_PAGE
    }

    /// Sealed bytes of the chunks `first..end`.
    fn sealed_before(self, first: u64, end: u64) -> u64 {
        let content = (end * CHUNK as u64).min(self.size) - (first * CHUNK as u64).min(self.size);
        content + (end - first) * TAG as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_lie_one_after_the_other_without_gap() {
        let chunk = CHUNK as u64;
        let page = chunk * PAGE_CHUNKS;
        for size in [
            0,
            1,
            chunk - 1,
            chunk,
            chunk + 1,
            page - 1,
            page,
            page + 1,
            2 * page,
            2 * page + chunk + 5,
        ] {
            let layout = Layout::of(size).unwrap();
            let mut at = HEADER.len() as u64;
            let mut content = 0;
            for page in 0..layout.pages() {
                let chunks = layout.page_chunks(page);
                for index in chunks.clone() {
                    let place = layout.sealed(page, &(index..index + 1));
                    assert_eq!(place.start, at, "{size} bytes, chunk {index}");
                    assert_eq!(place.end - place.start, (layout.chunk_length(index) + TAG) as u64);
                    content += layout.chunk_length(index) as u64;
                    at = place.end;
                }
                assert_eq!(layout.sealed(page, &chunks).end, at);
                assert_eq!(layout.leaves(page).start, at);
                at = layout.leaves(page).end;
            }
            assert_eq!(content, size);
            assert_eq!(layout.tops().start, at);
            assert_eq!(layout.file_size(), at + layout.pages() * HASH);
        }
        assert_eq!(Layout::of(MAX_SIZE + 1), None);
        assert_eq!(&HEADER[..4], b"CLV2");
        assert_eq!(HEADER[4..], (CHUNK as u32).to_be_bytes());
    }
}
