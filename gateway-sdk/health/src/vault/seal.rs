//! Encrypting a content as it comes: key stream, Merkle tree and file in one pass, in constant memory.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use careledger_api::ids::{DocumentId, Salt};
use careledger_api::merkle::ContentOpening;
use careledger_api::merkle::stream::{PAGE, page_top, root_of_pages};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::cipher::{ChunkCipher, CipherError, Dek, leaf};
use super::format::{self, CHUNK, HEADER, MAX_SIZE, TAG};

/// Segments sealed at once.
const IN_FLIGHT: usize = 3;
/// Chunks that one blocking task seals.
const SEGMENT: usize = format::SEGMENT as usize;
/// A chunk's content and tag.
const SLOT: usize = CHUNK + TAG;

/// Why a content could not be encrypted to its end.
#[derive(Debug, thiserror::Error)]
pub enum SealerError {
    /// The content could not be read.
    #[error("the content cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// The content is longer than a version may be.
    #[error("the content has more than 1 TiB: cut it into several documents")]
    TooLarge,
    /// A chunk could not be encrypted.
    #[error(transparent)]
    Cipher(#[from] CipherError),
    /// A worker ended badly.
    #[error("an encrypting thread ended badly: {0}")]
    Worker(#[from] tokio::task::JoinError),
}

/// Encrypts a content that is read to its end, and builds its tree.
pub struct Sealer<'r> {
    segments: BoxStream<'r, Result<Segment, SealerError>>,
    salt: Salt,
    out: VecDeque<Bytes>,
    page: Vec<[u8; 32]>,
    tops: Vec<[u8; 32]>,
    size: u64,
    chunks: u64,
    ended: bool,
}

impl std::fmt::Debug for Sealer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Consecutive sealed chunks.
struct Segment {
    sealed: Bytes,
    leaves: Vec<[u8; 32]>,
    content: u64,
}

impl<'r> Sealer<'r> {
    /// Encrypts what `reader` gives under `dek`, which must be used for this alone; `salt` is the document's. Must be used within a tokio
    /// runtime: the work is done on its blocking threads.
    pub fn new(
        reader: impl AsyncRead + Send + Unpin + 'r,
        dek: &Dek,
        document: DocumentId,
        version: u32,
        salt: Salt,
    ) -> Self {
        let cipher = Arc::new(ChunkCipher::new(dek, document, version));
        let segments = plain_segments(reader).map(move |segment| {
            let cipher = Arc::clone(&cipher);
            async move {
                let segment = segment?;
                tokio::task::spawn_blocking(move || segment.seal(&cipher, &salt)).await?
            }
        });
        Self {
            segments: segments.buffered(IN_FLIGHT).boxed(),
            salt,
            out: VecDeque::from([Bytes::from_static(&HEADER)]),
            page: Vec::with_capacity(PAGE),
            tops: Vec::new(),
            size: 0,
            chunks: 0,
            ended: false,
        }
    }

    /// The next bytes of the encrypted file; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Bytes>, SealerError> {
        loop {
            if let Some(bytes) = self.out.pop_front() {
                return Ok(Some(bytes));
            }
            if self.ended {
                return Ok(None);
            }
            match self.segments.try_next().await? {
                Some(segment) => self.take(segment)?,
                None => {
                    self.close_page();
                    self.out.push_back(Bytes::from(self.tops.concat()));
                    self.ended = true;
                }
            }
        }
    }

    /// What opens the commitment to the content, once [`next`](Self::next) has given `None`; nothing before.
    pub fn opening(&self, mime: &str) -> Option<ContentOpening> {
        self.ended.then(|| ContentOpening {
            salt: self.salt,
            root: root_of_pages(self.size, self.chunks, &self.tops),
            size: self.size,
            chunk_size: CHUNK as u32,
            mime: mime.to_owned(),
        })
    }

    fn take(&mut self, segment: Segment) -> Result<(), SealerError> {
        self.size += segment.content;
        if self.size > MAX_SIZE {
            return Err(SealerError::TooLarge);
        }
        self.chunks += segment.leaves.len() as u64;
        // A page holds a whole number of segments.
        self.page.extend(segment.leaves);
        self.out.push_back(segment.sealed);
        if self.page.len() >= PAGE {
            self.close_page();
        }
        Ok(())
    }

    fn close_page(&mut self) {
        if !self.page.is_empty() {
            self.tops.push(page_top(&self.page));
            self.out.push_back(Bytes::from(self.page.concat()));
            self.page.clear();
        }
    }
}

/// A segment's content in slots that have room for the tags.
struct Plain {
    first: u64,
    slots: Vec<u8>,
    content: usize,
    last: bool,
}

impl Plain {
    fn seal(mut self, cipher: &ChunkCipher, salt: &Salt) -> Result<Segment, SealerError> {
        let count = self.content.div_ceil(CHUNK).max(1);
        let mut leaves = Vec::with_capacity(count);
        let (mut left, mut sealed) = (self.content, 0);
        for (index, slot) in (self.first..).zip(self.slots.chunks_mut(SLOT)).take(count) {
            let length = left.min(CHUNK);
            left -= length;
            leaves.push(leaf(salt, index, &slot[..length]));
            cipher.seal(index, self.last && left == 0, &mut slot[..length + TAG])?;
            sealed += length + TAG;
        }
        self.slots.truncate(sealed);
        Ok(Segment {
            sealed: Bytes::from(self.slots),
            leaves,
            content: self.content as u64,
        })
    }
}

/// Cuts a reader into segments. One is read ahead, to know which is the last.
fn plain_segments<'r>(
    reader: impl AsyncRead + Send + Unpin + 'r,
) -> impl futures::Stream<Item = Result<Plain, SealerError>> + Send + 'r {
    struct State<R> {
        reader: R,
        ahead: Option<(Vec<u8>, usize)>,
        first: u64,
        ended: bool,
    }
    let state = State {
        reader,
        ahead: None,
        first: 0,
        ended: false,
    };
    futures::stream::try_unfold(state, |mut state| async move {
        if state.ended {
            return Ok(None);
        }
        let (slots, content) = match state.ahead.take() {
            Some(ahead) => ahead,
            None => fill(&mut state.reader).await?,
        };
        let full = content == SEGMENT * CHUNK;
        state.ahead = match full {
            true => Some(fill(&mut state.reader).await?).filter(|(_, content)| *content > 0),
            false => None,
        };
        state.ended = state.ahead.is_none();
        let plain = Plain {
            first: state.first,
            slots,
            content,
            last: state.ended,
        };
        state.first += SEGMENT as u64;
        Ok(Some((plain, state)))
    })
}

/// Reads one segment into slots, and how much content came; less than a full segment only at the end.
async fn fill(reader: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(Vec<u8>, usize)> {
    let mut slots = vec![0; SEGMENT * SLOT];
    let mut content = 0;
    for slot in slots.chunks_mut(SLOT) {
        let mut room = &mut slot[..CHUNK];
        while !room.is_empty() {
            let read = reader.read(room).await?;
            if read == 0 {
                return Ok((slots, content));
            }
            content += read;
            room = &mut room[read..];
        }
    }
    Ok((slots, content))
}
