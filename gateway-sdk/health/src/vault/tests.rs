//! Every way to spoil an encrypted file is an error before a wrong byte comes out.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use careledger_api::ids::{DocumentId, Salt};
use careledger_api::merkle::ContentOpening;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use proptest::prelude::*;
use tokio::io::AsyncReadExt;

use super::cipher::{Dek, new_dek};
use super::content::{ContentError, SealedRecord, Source, SourceError};
use super::format::{CHUNK, HEADER, Layout, TAG};
use super::seal::Sealer;

const DOCUMENT: DocumentId = DocumentId::from_bytes([3; 16]);
const SALT: Salt = Salt::from_bytes([8; 32]);

/// A file in memory that says nothing about its length: what lies behind the end is not there.
#[derive(Debug)]
struct Memory(Vec<u8>);

impl Source for Memory {
    fn read(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes, SourceError>> {
        let at = |place: u64| (place as usize).min(self.0.len());
        let part = self.0[at(range.start)..at(range.end)].to_vec();
        // Cut oddly, as a network does.
        let parts: Vec<_> = part
            .chunks(7_001)
            .map(|p| Ok(Bytes::copy_from_slice(p)))
            .collect();
        futures::stream::iter(parts).boxed()
    }
}

struct Written {
    file: Vec<u8>,
    dek: Dek,
    opening: ContentOpening,
}

/// Content of which no two parts of 4 KiB are the same.
fn content(size: usize) -> Vec<u8> {
    let mut content = vec![0x5a; size];
    for (index, part) in content.chunks_mut(4_096).enumerate() {
        part[0] = index as u8;
        let end = part.len() - 1;
        part[end] = (index >> 8) as u8;
    }
    content
}

async fn written(content: &[u8]) -> Written {
    let dek = new_dek().unwrap();
    written_with(content, dek, 1).await
}

async fn written_with(content: &[u8], dek: Dek, version: u32) -> Written {
    let mut sealer = Sealer::new(content, &dek, DOCUMENT, version, SALT);
    let mut file = Vec::new();
    assert_eq!(sealer.opening("text/plain"), None);
    while let Some(bytes) = sealer.next().await.unwrap() {
        file.extend_from_slice(&bytes);
    }
    let opening = sealer.opening("text/plain").unwrap();
    drop(sealer);
    Written { file, dek, opening }
}

impl Written {
    fn record(&self) -> SealedRecord {
        self.record_of(self.file.clone())
    }

    fn record_of(&self, file: Vec<u8>) -> SealedRecord {
        let source = Arc::new(Memory(file));
        SealedRecord::new(source, &self.dek, DOCUMENT, 1, self.opening.clone()).unwrap()
    }
}

/// What comes out until the end or an error.
async fn drain(record: &SealedRecord) -> (Vec<u8>, Option<ContentError>) {
    let (mut out, mut stream) = (Vec::new(), record.stream());
    loop {
        match stream.try_next().await {
            Ok(Some(bytes)) => out.extend_from_slice(&bytes),
            Ok(None) => return (out, None),
            Err(error) => {
                assert!(stream.next().await.is_none(), "nothing follows an error");
                return (out, Some(error));
            }
        }
    }
}

/// The file must give an error, and before it nothing but a true beginning of the content.
async fn refused(written: &Written, file: Vec<u8>, content: &[u8], what: &str) {
    let (out, error) = drain(&written.record_of(file)).await;
    assert!(error.is_some(), "{what}: no error");
    assert!(content.starts_with(&out), "{what}: wrong bytes came out");
    assert!(out.len() < content.len().max(1), "{what}: all came out");
}

#[tokio::test]
async fn what_was_sealed_comes_back_at_every_boundary_and_the_opening_is_the_trees() {
    let sizes = [0, 1, 15 * CHUNK, 16 * CHUNK, 17 * CHUNK, 33 * CHUNK];
    for size in sizes.into_iter().flat_map(|s| [s.saturating_sub(1), s, s + 1]) {
        let content = content(size);
        let written = written(&content).await;
        let expected = ContentOpening::of(SALT, CHUNK as u32, "text/plain", &content).unwrap();
        assert_eq!(written.opening, expected, "{size} bytes");
        let layout = Layout::of(size as u64).unwrap();
        assert_eq!(written.file.len() as u64, layout.file_size(), "{size} bytes");
        let (out, error) = drain(&written.record()).await;
        assert!(error.is_none(), "{size} bytes: {error:?}");
        assert!(out == content, "{size} bytes");
    }
}

#[tokio::test]
async fn a_content_of_more_than_one_page_comes_back() {
    let content = content(1024 * CHUNK + CHUNK + 5);
    let written = written(&content).await;
    assert_eq!(Layout::of(content.len() as u64).unwrap().pages(), 2);
    assert!(written.record().read(u64::MAX).await.unwrap() == content);
    let edge = 1024 * CHUNK as u64;
    let mut part = Vec::new();
    let mut stream = written.record().range(edge - 3..edge + 4).unwrap();
    stream.read_to_end(&mut part).await.unwrap();
    assert_eq!(part, content[1024 * CHUNK - 3..1024 * CHUNK + 4]);
    // The leaves of the two pages exchanged, byte for byte what is possible.
    let layout = Layout::of(content.len() as u64).unwrap();
    let mut file = written.file.clone();
    let (first, second) = (layout.leaves(0).start as usize, layout.leaves(1).start as usize);
    for i in 0..64 {
        file.swap(first + i, second + i);
    }
    refused(&written, file, &content, "leaves of another page").await;
}

#[tokio::test]
async fn a_range_gives_its_bytes_and_reads_no_other_chunk() {
    let content = content(5 * CHUNK + 77);
    let written = written(&content).await;
    let size = content.len() as u64;
    let chunk = CHUNK as u64;
    for range in [
        0..0,
        0..1,
        0..size,
        chunk - 1..chunk + 1,
        chunk..2 * chunk,
        size - 1..size,
        size..size,
        3 * chunk + 5..size,
    ] {
        let mut part = Vec::new();
        let mut stream = written.record().range(range.clone()).unwrap();
        assert_eq!(stream.remaining(), range.end - range.start);
        stream.read_to_end(&mut part).await.unwrap();
        assert!(
            part == content[range.start as usize..range.end as usize],
            "{range:?}"
        );
        assert_eq!(stream.remaining(), 0);
    }
    let record = written.record();
    assert!(matches!(
        record.range(0..size + 1),
        Err(ContentError::Range { .. })
    ));
    #[expect(clippy::reversed_empty_ranges)]
    let backwards = record.range(5..4);
    assert!(matches!(backwards, Err(ContentError::Range { .. })));
    assert!(matches!(
        record.read(size - 1).await,
        Err(ContentError::TooLarge { .. })
    ));

    // A damaged chunk does not hinder a range beside it, and spoils every range that touches it.
    let layout = Layout::of(size).unwrap();
    let mut file = written.file.clone();
    file[layout.sealed(0, &(2..3)).start as usize] ^= 1;
    let damaged = written.record_of(file);
    let mut part = Vec::new();
    damaged
        .range(0..2 * chunk)
        .unwrap()
        .read_to_end(&mut part)
        .await
        .unwrap();
    assert!(part == content[..2 * CHUNK]);
    assert!(
        damaged
            .range(3 * chunk..size)
            .unwrap()
            .read_to_end(&mut part)
            .await
            .is_ok()
    );
    assert!(
        damaged
            .range(2 * chunk..2 * chunk + 1)
            .unwrap()
            .read_to_end(&mut part)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn every_altered_byte_of_a_small_file_is_found() {
    for content in [b"".as_slice(), b"melanoma"] {
        let written = written(content).await;
        for at in 0..written.file.len() {
            let mut file = written.file.clone();
            file[at] ^= 1;
            refused(&written, file, content, &format!("byte {at}")).await;
        }
    }
}

#[tokio::test]
async fn a_spoilt_file_gives_an_error_and_no_wrong_byte() {
    let content = content(3 * CHUNK + 10);
    let written = written(&content).await;
    let layout = Layout::of(content.len() as u64).unwrap();
    let place = |chunk: u64| {
        let place = layout.sealed(0, &(chunk..chunk + 1));
        place.start as usize..place.end as usize
    };

    for cut in [
        0,
        5,
        HEADER.len(),
        place(1).start,
        place(3).start,
        place(3).end,
        written.file.len() - 1,
    ] {
        refused(
            &written,
            written.file[..cut].to_vec(),
            &content,
            &format!("cut at {cut}"),
        )
        .await;
    }

    let mut reordered = written.file.clone();
    let (one, two) = (reordered[place(0)].to_vec(), reordered[place(1)].to_vec());
    reordered[place(0)].copy_from_slice(&two);
    reordered[place(1)].copy_from_slice(&one);
    refused(&written, reordered, &content, "chunks reordered").await;

    // A true chunk of the same key in another place, with its leaf moved along.
    let mut moved = written.file.clone();
    moved[place(1)].copy_from_slice(&one);
    let leaves = layout.leaves(0).start as usize;
    moved.copy_within(leaves..leaves + 32, leaves + 32);
    refused(&written, moved, &content, "a chunk and its leaf repeated").await;

    let shorter = written_with(&content[..2 * CHUNK], written.dek.clone(), 1).await;
    refused(
        &written,
        shorter.file,
        &content,
        "a shorter content under the same key",
    )
    .await;
    let mut longer = content.clone();
    longer.extend_from_slice(&[1; CHUNK]);
    let longer = written_with(&longer, written.dek.clone(), 1).await;
    refused(
        &written,
        longer.file,
        &content,
        "a longer content under the same key",
    )
    .await;
    let other_version = written_with(&content, written.dek.clone(), 2).await;
    refused(&written, other_version.file, &content, "another version's file").await;

    let stranger = SealedRecord::new(
        Arc::new(Memory(written.file.clone())),
        &written.dek,
        DocumentId::from_bytes([4; 16]),
        1,
        written.opening.clone(),
    );
    assert!(drain(&stranger.unwrap()).await.1.is_some(), "another document");
}

#[tokio::test]
async fn a_content_that_authenticates_but_is_not_the_anchored_one_is_refused() {
    let (anchored, other) = (content(2 * CHUNK), vec![1; 2 * CHUNK]);
    let written = written(&anchored).await;
    // Who has the key can encrypt something else of the same length: the opening does not follow.
    let forged = written_with(&other, written.dek.clone(), 1).await;
    let layout = Layout::of(anchored.len() as u64).unwrap();
    refused(&written, forged.file.clone(), &anchored, "another tree").await;
    let mut file = forged.file;
    let tree = layout.leaves(0).start as usize;
    file[tree..].copy_from_slice(&written.file[tree..]);
    let (out, error) = drain(&written.record_of(file)).await;
    assert!(out.is_empty());
    let what = match error {
        Some(ContentError::Altered { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(what, "a chunk is not the anchored one");
}

#[test]
fn an_opening_of_another_chunk_size_is_refused() {
    let opening = ContentOpening::of(SALT, 1024, "text/plain", b"x").unwrap();
    let source = Arc::new(Memory(Vec::new()));
    let record = SealedRecord::new(source, &new_dek().unwrap(), DOCUMENT, 1, opening);
    assert!(matches!(record, Err(ContentError::Altered { .. })));
}

#[tokio::test]
async fn a_reader_that_fails_fails_the_sealing() {
    let failing = tokio_util::io::StreamReader::new(futures::stream::iter([
        Ok(Bytes::from_static(b"begin")),
        Err(std::io::Error::other("the scanner was unplugged")),
    ]));
    let dek = new_dek().unwrap();
    let mut sealer = Sealer::new(failing, &dek, DOCUMENT, 1, SALT);
    assert_eq!(sealer.next().await.unwrap().as_deref(), Some(HEADER.as_slice()));
    assert!(sealer.next().await.is_err());
    assert_eq!(sealer.opening("text/plain"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_size_and_range_comes_back_and_any_flip_is_found(
        size in 0usize..4 * CHUNK,
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
        flip in any::<prop::sample::Index>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let content = content(size);
            let written = written(&content).await;
            let (from, to) = (from.index(size + 1), to.index(size + 1));
            let (from, to) = (from.min(to), from.max(to));
            let mut part = Vec::new();
            let mut stream = written.record().range(from as u64..to as u64).unwrap();
            stream.read_to_end(&mut part).await.unwrap();
            assert!(part == content[from..to]);
            let mut file = written.file.clone();
            file[flip.index(written.file.len())] ^= 1;
            refused(&written, file, &content, "a flipped byte").await;
        });
    }
}

#[test]
fn a_sealed_chunk_has_a_tag() {
    assert_eq!(
        Layout::of(0).unwrap().sealed(0, &(0..1)).end as usize,
        HEADER.len() + TAG
    );
}
