//! Reading an encrypted file, wherever its bytes come from: every chunk is proven against the opening and authenticated before any byte of
//! it reaches the caller.
//!
//! ```text
//! Source --tops--> root == opening's? --page's leaves--> top == ours? --sealed chunks, 1 MiB at a time, several on blocking threads-->
//!   open (AES-256-GCM) and hash, leaf == ours? --in order--> VerifiedStream
//! ```

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use careledger_api::ids::DocumentId;
use careledger_api::merkle::ContentOpening;
use careledger_api::merkle::stream::{page_top, root_of_pages};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use super::cipher::{ChunkCipher, Dek, leaf};
use super::format::{CHUNK, HEADER, Layout, SEGMENT, TAG};
use super::stream::VerifiedStream;

/// Segments opened at once.
const IN_FLIGHT: usize = 3;
/// Opened segments that wait for a slow caller.
const WAITING: usize = 2;

/// Where the bytes of one encrypted file come from. They need not be trusted.
pub trait Source: Send + Sync + std::fmt::Debug {
    /// The bytes of `range`, in order, cut anywhere. Too few or too many are found by the reader.
    fn read(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes, SourceError>>;
}

/// A [`Source`] failed.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Why a content could not be read to its end. What was given out before it is the content's.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// Something was tampered with.
    #[error("document {document} version {version} was altered: {what}")]
    Altered {
        /// The document.
        document: DocumentId,
        /// Its version.
        version: u32,
        /// What does not hold.
        what: &'static str,
    },
    /// Bytes are missing at the end, or the connection broke without saying so.
    #[error("document {document} version {version} was cut short")]
    Cut {
        /// The document.
        document: DocumentId,
        /// Its version.
        version: u32,
    },
    /// A range that the content does not have.
    #[error("bytes {start} to {end} were asked for, the content has {size}")]
    Range {
        /// First byte asked for.
        start: u64,
        /// The byte after the last.
        end: u64,
        /// Bytes of the content.
        size: u64,
    },
    /// The content is longer than the caller wants to hold.
    #[error(
        "the content has {size} bytes, more than the {limit} that may be held in memory: read it as a stream"
    )]
    TooLarge {
        /// Bytes of the content.
        size: u64,
        /// What the caller allows.
        limit: u64,
    },
    /// The encrypted bytes cannot be had.
    #[error("the encrypted file cannot be read: {0}")]
    Source(SourceError),
}

/// One version's encrypted file with its key and opening: ready to be read, as often as wanted.
#[derive(Debug, Clone)]
pub struct SealedRecord {
    file: Arc<File>,
}

#[derive(Debug)]
struct File {
    source: Arc<dyn Source>,
    cipher: Arc<ChunkCipher>,
    document: DocumentId,
    version: u32,
    opening: ContentOpening,
    layout: Layout,
}

impl SealedRecord {
    /// The file of a version from `source`. Fails with [`ContentError::Altered`] where the opening is none of this format.
    pub fn new(
        source: Arc<dyn Source>,
        dek: &Dek,
        document: DocumentId,
        version: u32,
        opening: ContentOpening,
    ) -> Result<Self, ContentError> {
        let layout = Layout::of(opening.size).filter(|_| opening.chunk_size as usize == CHUNK);
        let layout = layout.ok_or(ContentError::Altered {
            document,
            version,
            what: "the opening has another chunk size, or more than 1 TiB",
        })?;
        Ok(Self {
            file: Arc::new(File {
                source,
                cipher: Arc::new(ChunkCipher::new(dek, document, version)),
                document,
                version,
                opening,
                layout,
            }),
        })
    }

    /// What the content must be. Anchored or not: that the asker finds out on its own ledger.
    pub fn opening(&self) -> &ContentOpening {
        &self.file.opening
    }

    /// Bytes of the content.
    pub fn size(&self) -> u64 {
        self.file.layout.size()
    }

    /// The whole content. Must be called within a tokio runtime.
    pub fn stream(&self) -> VerifiedStream {
        self.file.stream(0..self.size())
    }

    /// Some of the content; only the chunks it touches are read. Must be called within a tokio runtime. Fails with [`ContentError::Range`].
    pub fn range(&self, range: Range<u64>) -> Result<VerifiedStream, ContentError> {
        if range.start > range.end || range.end > self.size() {
            return Err(ContentError::Range {
                start: range.start,
                end: range.end,
                size: self.size(),
            });
        }
        Ok(self.file.stream(range))
    }

    /// The whole content in memory; [`ContentError::TooLarge`] beyond `limit` bytes.
    pub async fn read(&self, limit: u64) -> Result<Vec<u8>, ContentError> {
        let size = self.size();
        if size > limit {
            return Err(ContentError::TooLarge { size, limit });
        }
        let mut content = Vec::with_capacity(size as usize);
        let mut stream = self.stream();
        while let Some(bytes) = stream.try_next().await? {
            content.extend_from_slice(&bytes);
        }
        Ok(content)
    }
}

/// One page while its chunks are read.
struct Page {
    index: u64,
    first: u64,
    leaves: Vec<[u8; 32]>,
}

impl File {
    fn stream(self: &Arc<Self>, range: Range<u64>) -> VerifiedStream {
        let (sender, segments) = mpsc::channel(WAITING);
        let (file, length) = (Arc::clone(self), range.end - range.start);
        tokio::spawn(async move {
            if let Err(error) = file.pump(range, &sender).await {
                // Nobody listens any more: nobody to tell.
                let _gone = sender.send(Err(error)).await;
            }
        });
        VerifiedStream::new(segments, length, self.document, self.version)
    }

    /// Sends the verified bytes of `range`, in order. An empty content's one chunk is verified as well.
    async fn pump(
        self: &Arc<Self>,
        range: Range<u64>,
        sender: &mpsc::Sender<Result<VecDeque<Bytes>, ContentError>>,
    ) -> Result<(), ContentError> {
        if self.exactly(0..HEADER.len() as u64).await? != HEADER {
            return Err(self.altered("it is no encrypted file of format 2"));
        }
        let tops = hashes(&self.exactly(self.layout.tops()).await?);
        if root_of_pages(self.layout.size(), self.layout.chunks(), &tops) != self.opening.root {
            return Err(self.altered("its tree has another root than its opening says"));
        }
        let chunk = CHUNK as u64;
        let chunks = range.start / chunk..range.end.div_ceil(chunk).max(range.start / chunk + 1);
        let chunks = chunks.start.min(self.layout.chunks() - 1)..chunks.end.min(self.layout.chunks());
        for (index, top) in (0u64..).zip(&tops) {
            let of_page = self.layout.page_chunks(index);
            let wanted = chunks.start.max(of_page.start)..chunks.end.min(of_page.end);
            if wanted.is_empty() {
                continue;
            }
            let leaves = hashes(&self.exactly(self.layout.leaves(index)).await?);
            if page_top(&leaves) != *top {
                return Err(self.altered("a page of its tree is not under its root"));
            }
            let page = Arc::new(Page {
                index,
                first: of_page.start,
                leaves,
            });
            let mut segments = self.segments(page, wanted);
            while let Some((first, opened)) = segments.try_next().await? {
                let trimmed = trim(first * chunk, opened, &range);
                if !trimmed.is_empty() && sender.send(Ok(trimmed)).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The opened chunks `wanted` of a page, a segment at a time, with the index of the segment's first chunk.
    fn segments(self: &Arc<Self>, page: Arc<Page>, wanted: Range<u64>) -> BoxStream<'static, Opened> {
        let input = Input {
            stream: self.source.read(self.layout.sealed(page.index, &wanted)),
            rest: Bytes::new(),
        };
        let (file, index) = (Arc::clone(self), page.index);
        let sealed = futures::stream::try_unfold((input, wanted.start), move |(mut input, first)| {
            let file = Arc::clone(&file);
            async move {
                if first >= wanted.end {
                    return match file.next(&mut input).await? {
                        None => Ok(None),
                        Some(_) => Err(file.altered("more bytes came than were asked for")),
                    };
                }
                let chunks = first..(first + SEGMENT).min(wanted.end);
                let place = file.layout.sealed(index, &chunks);
                let sealed = file.take(&mut input, place.end - place.start).await?;
                Ok(Some(((chunks.clone(), sealed), (input, chunks.end))))
            }
        });
        let file = Arc::clone(self);
        let opened = sealed.map(move |segment| {
            let (file, page) = (Arc::clone(&file), Arc::clone(&page));
            async move {
                let (chunks, sealed) = segment?;
                let first = chunks.start;
                tokio::task::spawn_blocking(move || Ok((first, file.open(&page, chunks, sealed)?)))
                    .await
                    .map_err(|e| ContentError::Source(Box::new(e)))?
            }
        });
        opened.buffered(IN_FLIGHT).boxed()
    }

    /// Opens a segment in place and checks every chunk against its leaf.
    fn open(
        &self,
        page: &Page,
        chunks: Range<u64>,
        mut sealed: Vec<u8>,
    ) -> Result<VecDeque<Bytes>, ContentError> {
        let mut places = Vec::with_capacity(SEGMENT as usize);
        let mut at = 0;
        for index in chunks {
            let length = self.layout.chunk_length(index);
            let slot = sealed.get_mut(at..at + length + TAG).ok_or_else(|| self.cut())?;
            let last = index + 1 == self.layout.chunks();
            let content = self
                .cipher
                .open(index, last, slot)
                .map_err(|_| self.altered("a chunk does not authenticate"))?;
            let expected = page.leaves.get((index - page.first) as usize);
            if expected != Some(&leaf(&self.opening.salt, index, content)) {
                return Err(self.altered("a chunk is not the anchored one"));
            }
            places.push(at..at + length);
            at += length + TAG;
        }
        let opened = Bytes::from(sealed);
        Ok(places.into_iter().map(|place| opened.slice(place)).collect())
    }

    /// All bytes of `range`.
    async fn exactly(&self, range: Range<u64>) -> Result<Vec<u8>, ContentError> {
        let length = range.end - range.start;
        let mut input = Input {
            stream: self.source.read(range),
            rest: Bytes::new(),
        };
        let bytes = self.take(&mut input, length).await?;
        match self.next(&mut input).await? {
            None => Ok(bytes),
            Some(_) => Err(self.altered("more bytes came than were asked for")),
        }
    }

    /// The next `length` bytes.
    async fn take(&self, input: &mut Input, length: u64) -> Result<Vec<u8>, ContentError> {
        let length = length as usize;
        let first = self.next(input).await?.ok_or_else(|| self.cut())?;
        if first.len() == length {
            // Whoever owns the bytes alone gives them away uncopied.
            return Ok(first.into());
        }
        input.rest = first;
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let mut part = self.next(input).await?.ok_or_else(|| self.cut())?;
            let now = part.split_to(part.len().min(length - bytes.len()));
            bytes.extend_from_slice(&now);
            input.rest = part;
        }
        Ok(bytes)
    }

    /// The next bytes, at least one; `None` at the source's end.
    async fn next(&self, input: &mut Input) -> Result<Option<Bytes>, ContentError> {
        if !input.rest.is_empty() {
            return Ok(Some(std::mem::take(&mut input.rest)));
        }
        while let Some(part) = input.stream.try_next().await.map_err(ContentError::Source)? {
            if !part.is_empty() {
                return Ok(Some(part));
            }
        }
        Ok(None)
    }

    fn altered(&self, what: &'static str) -> ContentError {
        ContentError::Altered {
            document: self.document,
            version: self.version,
            what,
        }
    }

    fn cut(&self) -> ContentError {
        ContentError::Cut {
            document: self.document,
            version: self.version,
        }
    }
}

/// A segment's first chunk and the contents of its chunks.
type Opened = Result<(u64, VecDeque<Bytes>), ContentError>;

/// A source's bytes, with what is left of the part that came last.
struct Input {
    stream: BoxStream<'static, Result<Bytes, SourceError>>,
    rest: Bytes,
}

fn hashes(bytes: &[u8]) -> Vec<[u8; 32]> {
    bytes.as_chunks::<32>().0.to_vec()
}

/// What of the chunks, the first of which begins at byte `start` of the content, lies in `range`.
fn trim(start: u64, chunks: VecDeque<Bytes>, range: &Range<u64>) -> VecDeque<Bytes> {
    let mut at = start;
    let mut kept = VecDeque::with_capacity(chunks.len());
    for chunk in chunks {
        let end = at + chunk.len() as u64;
        let (from, to) = (range.start.clamp(at, end), range.end.clamp(at, end));
        if from < to {
            kept.push_back(chunk.slice((from - at) as usize..(to - at) as usize));
        }
        at = end;
    }
    kept
}
