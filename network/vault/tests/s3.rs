//! The store on a server that speaks S3. `scripts/s3.py` starts moto's in memory and sets what this reads; on another server:
//!
//! ```sh
//! CARELEDGER_S3_ENDPOINT=http://127.0.0.1:5000 CARELEDGER_S3_BUCKET=vault AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… \
//!   cargo test -p careledger-vault --features s3 --test s3 -- --ignored
//! ```
//!
//! The bucket's objects below `careledger-test/` are removed. The second test needs a server that checks keys, which moto's does not.
#![cfg(feature = "s3")]

use std::sync::Arc;

use careledger_api::ids::DocumentId;
use careledger_vault::kek::FileKey;
use careledger_vault::store::{Store, StoreError};
use futures::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::io::AsyncReadExt;

const SMALL: DocumentId = DocumentId::from_bytes([1; 16]);
const LONG: DocumentId = DocumentId::from_bytes([2; 16]);
/// Six parts of 8 MiB, the last one short.
const SIZE: u64 = (41 << 20) + 77;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("set {name}, as this file's head says"))
}

fn bucket(secret: &str) -> PrefixStore<AmazonS3> {
    let s3 = AmazonS3Builder::new()
        .with_endpoint(variable("CARELEDGER_S3_ENDPOINT"))
        .with_allow_http(true)
        .with_bucket_name(variable("CARELEDGER_S3_BUCKET"))
        .with_region("us-east-1")
        .with_access_key_id(variable("AWS_ACCESS_KEY_ID"))
        .with_secret_access_key(secret)
        .build()
        .expect("a configuration");
    PrefixStore::new(s3, "careledger-test")
}

async fn names(objects: &impl ObjectStore) -> Vec<String> {
    let found: Vec<_> = objects.list(None).try_collect().await.expect("a list");
    let mut names: Vec<String> = found.iter().map(|object| object.location.to_string()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a server that speaks S3"]
async fn versions_are_kept_read_in_ranges_and_erased_on_s3() {
    let dir = tempfile::tempdir().expect("a directory");
    let kek = || Box::new(FileKey::open_or_create(&dir.path().join("kek")).expect("a key"));
    let objects = Arc::new(bucket(&variable("AWS_SECRET_ACCESS_KEY")));
    for name in names(&*objects).await {
        objects.delete(&name.into()).await.expect("removed");
    }
    let store = Store::over(Arc::clone(&objects) as Arc<dyn ObjectStore>, kek())
        .await
        .expect("a store");
    store
        .put(SMALL, 1, "text/plain", b"small".as_slice())
        .await
        .expect("put at once");
    let content = || tokio::io::repeat(0x5a).take(SIZE);
    let opening = store
        .put(LONG, 1, "application/dicom", content())
        .await
        .expect("put in parts");
    assert_eq!(opening.size, SIZE);
    let again = store.put(SMALL, 1, "text/plain", b"other".as_slice()).await;
    assert!(matches!(again, Err(StoreError::Exists(..))), "{again:?}");

    // Another process reads it: whole, every chunk proven, and in part.
    let store = Store::over(Arc::clone(&objects) as Arc<dyn ObjectStore>, kek())
        .await
        .expect("opened again");
    assert_eq!(store.reopen(LONG, 1).await.expect("whole"), opening);
    let record = store.record(LONG, 1).await.expect("a record");
    let mut part = Vec::new();
    let mut range = record.range(SIZE - 100_000..SIZE).expect("a range");
    range.read_to_end(&mut part).await.expect("read");
    assert!(part.len() == 100_000 && part.iter().all(|byte| *byte == 0x5a));
    let small = store.record(SMALL, 1).await.expect("a record");
    assert_eq!(small.read(10).await.expect("read"), b"small");

    // A source that breaks off leaves nothing.
    let broken = content().chain(tokio_util::io::StreamReader::new(futures::stream::iter([Err::<
        bytes::Bytes,
        _,
    >(
        std::io::Error::other("unplugged"),
    )])));
    store
        .put(LONG, 2, "application/dicom", broken)
        .await
        .expect_err("broken off");
    let kept = names(&*objects).await;
    let of = |document: DocumentId| {
        let document = document.to_string();
        kept.iter().filter(|name| name.contains(&document)).count()
    };
    assert_eq!((of(SMALL), of(LONG)), (2, 2), "{kept:?}");

    assert_eq!(store.erase(LONG).await.expect("erased"), [1]);
    let left = names(&*objects).await;
    let erased: Vec<&String> = left
        .iter()
        .filter(|name| name.contains(&LONG.to_string()))
        .collect();
    assert_eq!(erased, [&format!("erased/{LONG}")], "the tombstone alone");
    assert!(matches!(store.entry(LONG, 1).await, Err(StoreError::Missing(..))));
    let back = store.put(LONG, 3, "text/plain", b"x".as_slice()).await;
    assert!(matches!(back, Err(StoreError::Erased(_))), "{back:?}");
}

#[tokio::test]
#[ignore = "needs a server that speaks S3 and checks keys"]
async fn wrong_credentials_are_a_clear_error_without_the_secret() {
    let dir = tempfile::tempdir().expect("a directory");
    let kek = FileKey::open_or_create(&dir.path().join("kek")).expect("a key");
    let secret = "hunter2hunter2hunter2hunter2hunter2hunte";
    let refused = Store::over(Arc::new(bucket(secret)), Box::new(kek)).await;
    let refused = refused.expect_err("refused");
    let text = format!("{refused} {refused:?}");
    println!("{refused}");
    assert!(matches!(refused, StoreError::Refused { .. }), "{text}");
    assert!(!text.contains(secret), "{text}");
}
