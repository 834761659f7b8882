//! Every backend keeps the same promises; the local disk keeps them across crashes.

use std::fs;
use std::path::Path as FsPath;

use bytes::Bytes;
use careledger_sdk::vault::SealerError;
use object_store::local::LocalFileSystem;
use tokio_util::io::StreamReader;

use super::*;
use crate::kek::{FileKey, KekError};

const DOCUMENT: DocumentId = DocumentId::from_bytes([3; 16]);

fn kek(dir: &FsPath) -> Box<dyn KeyEncryption> {
    Box::new(FileKey::open_or_create(&dir.join("kek")).unwrap())
}

async fn local(dir: &FsPath) -> Store {
    Store::open(dir, kek(dir)).await.unwrap()
}

/// Every file below `dir` that could hold content or its key, without the directories that stay.
fn kept(dir: &FsPath) -> Vec<String> {
    let mut names = Vec::new();
    for part in ["content", "entries"] {
        if let Ok(files) = fs::read_dir(dir.join(part)) {
            names.extend(files.map(|f| f.unwrap().file_name().to_string_lossy().into_owned()));
        }
    }
    names
}

/// A content of more than one part of a multipart upload that breaks off.
fn breaking_off(size: usize) -> impl AsyncRead + Send + Unpin {
    let parts = (0..size.div_ceil(1 << 20)).map(|_| Ok(Bytes::from(vec![7; 1 << 20])));
    let broken = std::iter::once(Err(std::io::Error::other("the scanner was unplugged")));
    StreamReader::new(futures::stream::iter(parts.chain(broken)))
}

/// What every backend must do.
async fn behaves(store: &Store) {
    let opening = store
        .put(DOCUMENT, 1, "text/plain", b"melanoma".as_slice())
        .await
        .unwrap();
    assert_eq!(store.reopen(DOCUMENT, 1).await.unwrap(), opening);
    assert_eq!(opening, store.entry(DOCUMENT, 1).await.unwrap().opening);
    let content = store.record(DOCUMENT, 1).await.unwrap().read(100).await.unwrap();
    assert_eq!(content, b"melanoma");
    let file = store.file(DOCUMENT, 1).await.unwrap();
    let bytes = file.bytes().await.unwrap();
    assert_eq!(bytes.len() as u64, file.size());
    assert!(!bytes.windows(8).any(|w| w == b"melanoma"));

    let again = store.put(DOCUMENT, 1, "text/plain", b"other".as_slice()).await;
    assert!(matches!(again, Err(StoreError::Exists(_, 1))));
    assert_eq!(store.reopen(DOCUMENT, 1).await.unwrap(), opening, "untouched");
    assert!(matches!(
        store.entry(DOCUMENT, 2).await,
        Err(StoreError::Missing(_, 2))
    ));
    assert!(matches!(
        store.file(DOCUMENT, 2).await,
        Err(StoreError::Missing(_, 2))
    ));

    // More than one part, and an end in the middle of it.
    let long = vec![9; (9 << 20) + 3];
    let opening = store.put(DOCUMENT, 2, "image/x", long.as_slice()).await.unwrap();
    assert_eq!(opening.size, long.len() as u64);
    assert!(
        store
            .record(DOCUMENT, 2)
            .await
            .unwrap()
            .read(u64::MAX)
            .await
            .unwrap()
            == long
    );
    for size in [0, 1 << 20, 12 << 20] {
        let broken = store.put(DOCUMENT, 3, "image/x", breaking_off(size)).await;
        assert!(matches!(broken, Err(StoreError::Sealer(SealerError::Read(_)))));
        assert!(!store.has(DOCUMENT, 3).await.unwrap());
    }
    for announced in [0, 4, 6] {
        let wrong = store
            .put_sized(DOCUMENT, 3, "text/plain", Some(announced), b"12345".as_slice())
            .await;
        assert!(
            matches!(wrong, Err(StoreError::Size { found: 5, .. })),
            "{announced}"
        );
    }
    let exact = store
        .put_sized(DOCUMENT, 3, "text/plain", Some(5), b"12345".as_slice())
        .await;
    assert_eq!(exact.unwrap().size, 5);
    let empty = store
        .put(DOCUMENT, 4, "text/plain", b"".as_slice())
        .await
        .unwrap();
    assert_eq!(store.reopen(DOCUMENT, 4).await.unwrap(), empty);
    let contents: Vec<_> = store
        .objects
        .list(Some(&Path::from("content")))
        .try_collect()
        .await
        .unwrap();
    assert_eq!(contents.len(), 4, "one for each version, nothing of what failed");
}

#[tokio::test]
async fn a_store_in_memory_keeps_its_promises() {
    let dir = tempfile::tempdir().unwrap();
    behaves(&Store::in_memory(kek(dir.path())).await.unwrap()).await;
}

#[tokio::test]
async fn a_store_on_disk_keeps_its_promises_and_is_the_same_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let store = local(dir.path()).await;
    behaves(&store).await;
    let opening = store.entry(DOCUMENT, 1).await.unwrap().opening;
    let ticket = store.tickets().give(&"aa".parse().unwrap(), DOCUMENT, 1, 0, 10);
    let second = Store::open(dir.path(), kek(dir.path())).await;
    assert!(matches!(second, Err(StoreError::Locked(_))));
    drop(store);
    let again = local(dir.path()).await;
    assert_eq!(again.reopen(DOCUMENT, 1).await.unwrap(), opening);
    assert!(
        again.tickets().check(&ticket, DOCUMENT, 1, 5).is_some(),
        "a download goes on"
    );
    assert_eq!(kept(dir.path()).len(), 8);
}

#[tokio::test]
async fn one_flipped_byte_anywhere_in_the_file_is_found_and_so_is_another_length() {
    let dir = tempfile::tempdir().unwrap();
    let store = local(dir.path()).await;
    store
        .put(DOCUMENT, 1, "text/plain", b"content".as_slice())
        .await
        .unwrap();
    let path = store.local_path(DOCUMENT, 1).await.unwrap();
    let whole = fs::read(&path).unwrap();
    let altered = async |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let found = store.reopen(DOCUMENT, 1).await;
        assert!(
            matches!(found, Err(StoreError::Content(ContentError::Altered { .. }))),
            "{found:?}"
        );
    };
    for at in [0, 8, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        altered(&bytes).await;
    }
    altered(&whole[..whole.len() - 1]).await;
    altered(&[whole.as_slice(), b"x"].concat()).await;
    fs::write(&path, &whole).unwrap();
    store.reopen(DOCUMENT, 1).await.unwrap();
}

#[tokio::test]
async fn of_two_writers_of_one_version_one_wins_and_nothing_of_the_other_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = local(dir.path()).await;
    let (one, two) = tokio::join!(
        store.put(DOCUMENT, 1, "text/plain", b"one".as_slice()),
        store.put(DOCUMENT, 1, "text/plain", b"two".as_slice()),
    );
    assert_eq!(
        [&one, &two].iter().filter(|r| r.is_ok()).count(),
        1,
        "{one:?} {two:?}"
    );
    let opening = one.or(two).unwrap();
    assert_eq!(store.reopen(DOCUMENT, 1).await.unwrap(), opening);
    assert_eq!(kept(dir.path()).len(), 2, "one content, one entry");
}

#[tokio::test]
async fn what_a_crash_left_is_gone_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let store = local(dir.path()).await;
    store
        .put(DOCUMENT, 1, "text/plain", b"whole".as_slice())
        .await
        .unwrap();
    drop(store);
    // Staged by a write in progress; a content whose entry was not reached.
    let other = DocumentId::from_bytes([4; 16]);
    fs::write(dir.path().join(format!("content/{other}.1.00#1")), b"half").unwrap();
    fs::write(dir.path().join(format!("entries/{other}.1#1")), b"half").unwrap();
    fs::write(dir.path().join(format!("content/{other}.1.00")), b"no entry").unwrap();
    assert_eq!(kept(dir.path()).len(), 5);
    let store = local(dir.path()).await;
    assert_eq!(kept(dir.path()).len(), 2);
    store.reopen(DOCUMENT, 1).await.unwrap();
    assert!(matches!(
        store.entry(other, 1).await,
        Err(StoreError::Missing(..))
    ));
}

#[tokio::test]
async fn a_put_that_its_caller_gives_up_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = local(dir.path()).await;
    let endless = tokio::io::repeat(5);
    let begun = async {
        while kept(dir.path()).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = store.put(DOCUMENT, 1, "image/x", endless) => panic!("an endless content ended"),
        () = begun => {}
    }
    // The staged file is removed on a blocking thread.
    tokio::time::timeout(std::time::Duration::from_secs(60), async {
        while !kept(dir.path()).is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("nothing stays");
}

#[tokio::test]
async fn a_store_of_another_layout_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("files")).unwrap();
    fs::write(dir.path().join("layout"), "3").unwrap();
    let error = Store::open(dir.path(), kek(dir.path())).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "this store has layout 3, this program reads layouts 1 and 2: open it with the program that wrote it"
    );
    assert!(dir.path().join("files").exists(), "untouched");
}

#[tokio::test]
async fn a_store_opens_under_its_own_key_alone() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(local(dir.path()).await);
    let error = Store::open(dir.path(), kek(other.path())).await.unwrap_err();
    assert!(matches!(error, StoreError::Kek(KekError::Altered)));
    let objects = Arc::new(LocalFileSystem::new_with_prefix(dir.path()).unwrap());
    let plain = Store::over(objects, kek(dir.path())).await.unwrap();
    assert!(matches!(
        plain.local_path(DOCUMENT, 1).await,
        Err(StoreError::NotLocal)
    ));
}
