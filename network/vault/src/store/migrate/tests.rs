//! A store as the first program wrote it, byte for byte, and what happens to it.

use std::fs;

use super::*;
use crate::kek::FileKey;
use crate::store::Store;
use careledger_api::ids::Salt;

const DOCUMENT: DocumentId = DocumentId::from_bytes([3; 16]);
const SIZES: [usize; 5] = [0, 1, CHUNK - 1, CHUNK, 3 * CHUNK + 5];

fn kek(dir: &FsPath) -> Box<dyn KeyEncryption> {
    Box::new(FileKey::open_or_create(&dir.join("kek")).unwrap())
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at / 7) as u8).collect()
}

/// What the first program wrote: no chunk says that it is the last, an empty content has one empty chunk.
fn sealed_as_then(dek: &Dek, version: u32, plain: &[u8]) -> Vec<u8> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, dek.as_slice()).unwrap());
    let mut file = b"CLV1\x00\x01\x00\x00".to_vec();
    file.extend_from_slice(&(plain.len() as u64).to_be_bytes());
    let header = file.clone();
    let empty = plain.is_empty().then_some(plain);
    for (index, chunk) in (0u64..).zip(empty.into_iter().chain(plain.chunks(65_536))) {
        let mut associated = 32u32.to_be_bytes().to_vec();
        associated.extend_from_slice(DOCUMENT.to_string().as_bytes());
        associated.extend_from_slice(&version.to_be_bytes());
        associated.extend_from_slice(&header);
        associated.extend_from_slice(&index.to_be_bytes());
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&index.to_be_bytes());
        let mut sealed = chunk.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce, Aad::from(associated), &mut sealed)
            .unwrap();
        file.extend_from_slice(&sealed);
    }
    file
}

/// A store of layout 1 with one version of each size; gives their openings.
fn old_store(dir: &FsPath) -> Vec<ContentOpening> {
    let kek = kek(dir);
    fs::create_dir(dir.join("files")).unwrap();
    fs::create_dir(dir.join("entries")).unwrap();
    let mut openings = Vec::new();
    for (version, size) in (1u32..).zip(SIZES) {
        let plain = content(size);
        let dek = cipher::new_dek().unwrap();
        let salt = Salt::from_bytes([version as u8; 32]);
        let opening = ContentOpening::of(salt, 65_536, "text/plain", &plain).unwrap();
        let mut bound = b"careledger/v1/dek".to_vec();
        bound.extend_from_slice(&[3; 16]);
        bound.extend_from_slice(&version.to_be_bytes());
        let wrapped = hex::encode(kek.wrap(&dek, &bound).unwrap());
        let entry = format!(
            r#"{{"wrapped":"{wrapped}","opening":{{"salt":"{salt}","root":"{}","size":{size},"chunk_size":65536,"mime":"text/plain"}}}}"#,
            opening.root
        );
        fs::write(
            dir.join(format!("files/{DOCUMENT}.{version}")),
            sealed_as_then(&dek, version, &plain),
        )
        .unwrap();
        fs::write(dir.join(format!("entries/{DOCUMENT}.{version}")), entry).unwrap();
        openings.push(opening);
    }
    // A write that a crash interrupted, and a file whose entry never came.
    fs::write(dir.join(format!("entries/{DOCUMENT}.partial")), "{").unwrap();
    fs::write(dir.join(format!("files/{DOCUMENT}.9")), "half").unwrap();
    fs::write(dir.join("served"), "aa bb 1\n").unwrap();
    openings
}

async fn is_whole(dir: &FsPath, openings: &[ContentOpening]) {
    let store = Store::open(dir, kek(dir)).await.unwrap();
    for ((version, size), opening) in (1u32..).zip(SIZES).zip(openings) {
        assert_eq!(&store.reopen(DOCUMENT, version).await.unwrap(), opening);
        let record = store.record(DOCUMENT, version).await.unwrap();
        assert!(
            record.read(1 << 20).await.unwrap() == content(size),
            "version {version}"
        );
    }
    assert!(!dir.join("files").exists(), "the old files are gone");
    assert_eq!(fs::read(dir.join("layout")).unwrap(), b"2");
    for part in ["entries", "content"] {
        assert_eq!(
            fs::read_dir(dir.join(part)).unwrap().count(),
            SIZES.len(),
            "{part}"
        );
    }
    assert_eq!(fs::read(dir.join("served")).unwrap(), b"aa bb 1\n");
}

#[tokio::test]
async fn an_old_store_opens_with_every_content_under_its_anchored_commitment() {
    let dir = tempfile::tempdir().unwrap();
    let openings = old_store(dir.path());
    is_whole(dir.path(), &openings).await;
    is_whole(dir.path(), &openings).await;
    let store = Store::open(dir.path(), kek(dir.path())).await.unwrap();
    assert_eq!(store.erase(DOCUMENT).await.unwrap(), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn wherever_it_is_interrupted_it_goes_on_and_loses_nothing() {
    let old = tempfile::tempdir().unwrap();
    let openings = old_store(old.path());
    let new = tempfile::tempdir().unwrap();
    copy(old.path(), new.path());
    is_whole(new.path(), &openings).await;

    // Some entries are new, some old; of one there is a new file without its entry.
    for done in 0..=SIZES.len() {
        let between = tempfile::tempdir().unwrap();
        copy(old.path(), between.path());
        fs::create_dir(between.path().join("content")).unwrap();
        for version in 1..=done {
            let entry = format!("entries/{DOCUMENT}.{version}");
            fs::copy(new.path().join(&entry), between.path().join(&entry)).unwrap();
            let name = format!("{DOCUMENT}.{version}.");
            for file in fs::read_dir(new.path().join("content")).unwrap() {
                let file = file.unwrap();
                if file.file_name().to_string_lossy().starts_with(&name) {
                    fs::copy(file.path(), between.path().join("content").join(file.file_name())).unwrap();
                }
            }
        }
        let half = format!("content/{DOCUMENT}.{}.0011223344556677", done + 1);
        fs::write(between.path().join(half), "half").unwrap();
        is_whole(between.path(), &openings).await;
    }
    // The marker is there, the old files not yet gone.
    fs::create_dir(new.path().join("files")).unwrap();
    fs::write(new.path().join("files").join(format!("{DOCUMENT}.1")), "old").unwrap();
    is_whole(new.path(), &openings).await;
}

#[tokio::test]
async fn a_damaged_file_stops_it_with_its_name_and_everything_stays() {
    let damages: [fn(&mut Vec<u8>); 6] = [
        |file| file[0] ^= 1,
        |file| file[15] ^= 1,
        |file| *file.last_mut().unwrap() ^= 1,
        |file| file.truncate(HEADER + CHUNK + TAG),
        |file| file.truncate(3),
        |file| file.extend_from_slice(&[0; 16]),
    ];
    for (at, damage) in damages.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let openings = old_store(dir.path());
        let path = dir.path().join(format!("files/{DOCUMENT}.5"));
        let whole = fs::read(&path).unwrap();
        let mut spoilt = whole.clone();
        damage(&mut spoilt);
        fs::write(&path, spoilt).unwrap();
        let refused = Store::open(dir.path(), kek(dir.path())).await;
        let named =
            matches!(&refused, Err(StoreError::Damaged(name)) if name == &format!("files/{DOCUMENT}.5"));
        assert!(named, "damage {at}: {refused:?}");
        assert!(!dir.path().join("layout").exists());
        fs::write(&path, whole).unwrap();
        is_whole(dir.path(), &openings).await;
    }
    let dir = tempfile::tempdir().unwrap();
    old_store(dir.path());
    fs::remove_file(dir.path().join(format!("files/{DOCUMENT}.2"))).unwrap();
    let refused = Store::open(dir.path(), kek(dir.path())).await;
    assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
}

fn copy(from: &FsPath, to: &FsPath) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}
