//! Erasing, changing the key-encryption key, and copies: what must be gone is in no file, and what must stay opens.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path as FsPath;

use careledger_sdk::vault::{ContentError, Source};

use super::*;
use crate::kek::{FileKey, KekError};

const DOOMED: DocumentId = DocumentId::from_bytes([3; 16]);
const KEPT: DocumentId = DocumentId::from_bytes([4; 16]);

fn kek(dir: &FsPath) -> Box<dyn KeyEncryption> {
    Box::new(FileKey::open_or_create(&dir.join("kek")).unwrap())
}

async fn local(dir: &FsPath) -> Store {
    Store::open(dir, kek(dir)).await.unwrap()
}

/// A store with two versions of one document and one of another, and the bytes of the first that must go: wraps, salts, ciphertext.
async fn with_two(dir: &FsPath) -> (Store, Vec<Vec<u8>>) {
    let store = local(dir).await;
    let mut doomed = Vec::new();
    for version in [1, 2] {
        let content = format!("content {version} of the doomed");
        store
            .put(DOOMED, version, "text/plain", content.as_bytes())
            .await
            .unwrap();
        let stored = store.stored(DOOMED, version).await.unwrap();
        let file = store.file(DOOMED, version).await.unwrap().bytes().await.unwrap();
        doomed.push(stored.wrapped.into_bytes());
        doomed.push(stored.opening.salt.to_string().into_bytes());
        doomed.push(file[file.len() - 32..].to_vec());
    }
    store
        .put(KEPT, 1, "text/plain", b"kept".as_slice())
        .await
        .unwrap();
    (store, doomed)
}

/// Every file below `dir`, by its path from there.
fn files(dir: &FsPath) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut open) = (BTreeMap::new(), vec![dir.to_owned()]);
    while let Some(inside) = open.pop() {
        for entry in fs::read_dir(inside).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                files.insert(path.strip_prefix(dir).unwrap().to_owned(), bytes);
            }
        }
    }
    files
}

/// How many of the needles are in some file.
fn found(dir: &FsPath, needles: &[Vec<u8>]) -> usize {
    let files = files(dir);
    let is_there = |needle: &&Vec<u8>| {
        files
            .values()
            .any(|bytes| bytes.windows(needle.len()).any(|part| part == &needle[..]))
    };
    needles.iter().filter(is_there).count()
}

#[tokio::test]
async fn an_erased_document_is_in_no_file_and_is_never_kept_again() {
    let dir = tempfile::tempdir().unwrap();
    let (store, doomed) = with_two(dir.path()).await;
    assert_eq!(found(dir.path(), &doomed), doomed.len(), "the control");
    assert_eq!(store.erase(DOOMED).await.unwrap(), [1, 2]);
    assert_eq!(found(dir.path(), &doomed), 0);
    let mut store = store;
    for _ in 0..2 {
        assert!(matches!(
            store.entry(DOOMED, 1).await,
            Err(StoreError::Missing(..))
        ));
        let put = store.put(DOOMED, 3, "text/plain", b"again".as_slice()).await;
        assert!(matches!(put, Err(StoreError::Erased(_))));
        assert_eq!(store.erase(DOOMED).await.unwrap(), [0u32; 0], "nothing is left");
        assert!(store.reopen(KEPT, 1).await.is_ok());
        drop(store);
        store = local(dir.path()).await;
    }
}

#[tokio::test]
async fn what_a_crash_left_or_a_backup_brought_back_goes_when_the_store_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let (store, doomed) = with_two(dir.path()).await;
    let backup = files(dir.path());
    store.erase(DOOMED).await.unwrap();
    drop(store);
    // Any part of it may have come back.
    for skipped in ["nothing", "entries", "content"] {
        for (name, bytes) in backup.iter().filter(|(name, _)| !name.starts_with(skipped)) {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        assert!(found(dir.path(), &doomed) > 0, "the control");
        let store = local(dir.path()).await;
        assert_eq!(found(dir.path(), &doomed), 0, "without {skipped}");
        assert!(store.reopen(KEPT, 1).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_written_while_its_document_is_erased_goes_too() {
    let store = Arc::new(
        Store::in_memory(kek(tempfile::tempdir().unwrap().path()))
            .await
            .unwrap(),
    );
    for round in 0..20u8 {
        let document = DocumentId::from_bytes([round; 16]);
        let (writer, eraser) = (Arc::clone(&store), Arc::clone(&store));
        let written = tokio::spawn(async move {
            writer
                .put(document, 1, "text/plain", [round; 100].as_slice())
                .await
                .map(drop)
        });
        let erased = tokio::spawn(async move { eraser.erase(document).await });
        let _ = written.await.unwrap();
        erased.await.unwrap().unwrap();
        assert!(!store.has(document, 1).await.unwrap());
    }
    let left: Vec<_> = store
        .objects
        .list(Some(&Path::from("content")))
        .try_collect()
        .await
        .unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_changed_key_encryption_key_makes_earlier_copies_of_wraps_useless() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = with_two(dir.path()).await;
    let old_kek = fs::read(dir.path().join("kek")).unwrap();
    let (old, opening) = (
        store.stored(DOOMED, 1).await.unwrap(),
        store.reopen(KEPT, 1).await.unwrap(),
    );
    let ticket = store.tickets().give(&"aa".parse().unwrap(), KEPT, 1, 0, 100);
    drop(store);
    let store = Store::rotate(dir.path()).await.unwrap();
    assert_eq!(store.reopen(KEPT, 1).await.unwrap(), opening);
    assert!(
        store.tickets().check(&ticket, KEPT, 1, 1).is_some(),
        "downloads go on"
    );
    store.erase(DOOMED).await.unwrap();
    drop(store);
    assert_eq!(found(dir.path(), &[old_kek, old.wrapped.clone().into_bytes()]), 0);
    // A backup of the wrap, and the key-encryption key of today.
    let wrapped = hex::decode(old.wrapped).unwrap();
    assert!(matches!(
        kek(dir.path()).unwrap(&wrapped, &context(DOOMED, 1)),
        Err(KekError::Altered)
    ));
}

#[tokio::test]
async fn an_interrupted_change_of_the_key_loses_nothing_and_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = with_two(dir.path()).await;
    let old = fs::read(dir.path().join("kek")).unwrap();
    // Some keys are wrapped anew, some are not, and the old one is still in its place.
    let successor = FileKey::successor(&dir.path().join("kek")).unwrap();
    let path = entry_path(DOOMED, 1);
    let mut entry = store.stored(DOOMED, 1).await.unwrap();
    let dek = store.entry(DOOMED, 1).await.unwrap().dek;
    entry.wrapped = hex::encode(successor.wrap(&dek, &context(DOOMED, 1)).unwrap());
    store
        .objects
        .put(&path, PutPayload::from(serde_json::to_vec(&entry).unwrap()))
        .await
        .unwrap();
    drop(store);
    let store = local(dir.path()).await;
    for version in [1, 2] {
        store.reopen(DOOMED, version).await.unwrap();
    }
    store
        .put(DOOMED, 3, "text/plain", b"in between".as_slice())
        .await
        .unwrap();
    drop(store);
    let store = Store::rotate(dir.path()).await.unwrap();
    for version in [1, 2, 3] {
        store.reopen(DOOMED, version).await.unwrap();
    }
    assert_ne!(fs::read(dir.path().join("kek")).unwrap(), old);
    assert!(!dir.path().join("kek.next").exists());
}

#[tokio::test]
async fn a_copy_counts_once_it_opens_and_proves_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = with_two(dir.path()).await;
    let holder = Store::in_memory(kek(tempfile::tempdir().unwrap().path()))
        .await
        .unwrap();
    let entry = store.entry(KEPT, 1).await.unwrap();
    let file = store.file(KEPT, 1).await.unwrap();
    let whole = file.bytes().await.unwrap();
    let send = |bytes: Vec<u8>| futures::stream::iter([Ok(bytes::Bytes::from(bytes))]);
    let mut flipped = whole.to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    let altered = holder
        .put_copy(KEPT, 1, &entry.dek, &entry.opening, false, send(flipped))
        .await;
    assert!(
        matches!(altered, Err(StoreError::Content(ContentError::Altered { .. }))),
        "{altered:?}"
    );
    for length in [whole.len() - 1, whole.len() + 1] {
        let mut other = whole.to_vec();
        other.resize(length, 0);
        let cut = holder
            .put_copy(KEPT, 1, &entry.dek, &entry.opening, false, send(other))
            .await;
        assert!(matches!(cut, Err(StoreError::Size { .. })), "{cut:?}");
    }
    assert!(!holder.has(KEPT, 1).await.unwrap());
    let left: Vec<_> = holder
        .objects
        .list(Some(&Path::from("content")))
        .try_collect()
        .await
        .unwrap();
    assert!(left.is_empty(), "{left:?}");

    for first in [true, false] {
        let taken = holder
            .put_copy(
                KEPT,
                1,
                &entry.dek,
                &entry.opening,
                false,
                file.read(0..file.size()),
            )
            .await;
        assert_eq!(taken.unwrap(), first);
    }
    assert_eq!(holder.reopen(KEPT, 1).await.unwrap(), entry.opening);
    let (nonce, other) = ([1; 32], [2; 32]);
    let proof = store.proof(KEPT, 1, &nonce).await.unwrap();
    assert_eq!(holder.proof(KEPT, 1, &nonce).await.unwrap(), proof);
    assert_ne!(
        holder.proof(KEPT, 1, &other).await.unwrap(),
        proof,
        "no old answer fits"
    );
    let place = Path::from(holder.stored(KEPT, 1).await.unwrap().content);
    let mut damaged = whole.to_vec();
    damaged[0] ^= 1;
    holder
        .objects
        .put(&place, PutPayload::from(damaged))
        .await
        .unwrap();
    assert_ne!(holder.proof(KEPT, 1, &nonce).await.unwrap(), proof);

    holder.erase(KEPT).await.unwrap();
    let back = holder
        .put_copy(
            KEPT,
            1,
            &entry.dek,
            &entry.opening,
            false,
            file.read(0..file.size()),
        )
        .await;
    assert!(matches!(back, Err(StoreError::Erased(_))));
}
