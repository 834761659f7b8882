use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use fabric_protos::rwset::NsPvtReadWriteSet;

use super::*;
use crate::files::{LogFile, OsFiles};

fn set(value: &str) -> TxPvtReadWriteSet {
    sets(&[("coll", value)])
}

fn sets(collections: &[(&str, &str)]) -> TxPvtReadWriteSet {
    let collections = collections.iter().map(|(name, value)| CollectionPvtReadWriteSet {
        collection_name: (*name).to_owned(),
        rwset: value.as_bytes().to_vec(),
    });
    let namespace = NsPvtReadWriteSet {
        namespace: "cc".to_owned(),
        collection_pvt_rwset: collections.collect(),
    };
    TxPvtReadWriteSet {
        data_model: 0,
        ns_pvt_rwset: vec![namespace],
    }
}

fn open(dir: &Path) -> TransientStore {
    open_on(dir, Arc::new(OsFiles), &[])
}

fn open_on(dir: &Path, files: Arc<dyn FileLayer>, committed: &[&str]) -> TransientStore {
    let store = TransientStore::open(dir, files).expect("opens");
    store.load(|tx_id| Ok(committed.contains(&tx_id))).expect("loads");
    store
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(dir.join("transient")).expect("lists");
    let mut files: Vec<_> = listed.map(|entry| entry.expect("entry").path()).collect();
    files.sort();
    files
}

fn on_disk(dir: &Path, value: &str) -> bool {
    let holds = |bytes: Vec<u8>| bytes.windows(value.len()).any(|part| part == value.as_bytes());
    files(dir)
        .into_iter()
        .any(|path| holds(fs::read(path).expect("reads")))
}

#[test]
fn sets_stay_until_committed_or_too_old() {
    let temp = tempfile::tempdir().expect("temp dir");
    let store = open(temp.path());
    for (tx_id, height, value) in [("t1", 5, "a"), ("t1", 6, "b"), ("t1", 7, "a"), ("t2", 5, "c")] {
        store.persist(tx_id, height, set(value)).expect("persists");
    }
    assert_eq!(store.sets("t1"), [set("a"), set("b")], "equal sets are kept once");
    store.purge_below(6);
    assert_eq!(store.sets("t1"), [set("b")]);
    assert_eq!(store.sets("t2"), []);
    store.remove(["t1", "unknown"]);
    assert_eq!(store.sets("t1"), []);
    assert!(!on_disk(temp.path(), "b"), "a file without live sets is emptied");
    store.persist("t3", 9, set("d")).expect("persists");
    assert_eq!(store.sets("t3"), [set("d")]);
}

#[test]
fn a_restart_keeps_what_is_not_committed() {
    let temp = tempfile::tempdir().expect("temp dir");
    let store = open(temp.path());
    store.persist("t1", 5, set("first")).expect("persists");
    store.persist("t2", 5, set("second")).expect("persists");
    drop(store);
    let store = open_on(temp.path(), Arc::new(OsFiles), &["t1"]);
    assert_eq!(store.sets("t1"), []);
    assert_eq!(store.sets("t2"), [set("second")]);
    store.persist("t2", 6, set("second")).expect("persists");
    assert_eq!(store.sets("t2").len(), 1, "equal sets are known after a restart");
    store.remove(["t2"]);
    store.persist("t3", 6, set("third")).expect("persists");
    assert!(!on_disk(temp.path(), "first") && !on_disk(temp.path(), "second"));
}

#[test]
fn a_cut_at_any_byte_costs_only_the_last_set() {
    let temp = tempfile::tempdir().expect("temp dir");
    let store = open(temp.path());
    store.persist("t1", 5, set("first")).expect("persists");
    let first = fs::metadata(&files(temp.path())[0]).expect("a file").len() as usize;
    store.persist("t2", 5, set("second")).expect("persists");
    drop(store);
    let whole = fs::read(&files(temp.path())[0]).expect("reads");
    for length in first..whole.len() {
        let temp = tempfile::tempdir().expect("temp dir");
        fs::create_dir(temp.path().join("transient")).expect("creates");
        let file = temp.path().join("transient/00000000000000000000.trn");
        fs::write(&file, &whole[..length]).expect("writes");
        let store = open(temp.path());
        assert_eq!(store.sets("t1"), [set("first")], "cut to {length}");
        assert_eq!(store.sets("t2"), []);
        store.persist("t2", 5, set("second")).expect("persists");
        drop(store);
        assert_eq!(open(temp.path()).sets("t2"), [set("second")], "cut to {length}");
    }
}

#[test]
fn damage_costs_the_sets_behind_it_and_leaves_no_remains() {
    let temp = tempfile::tempdir().expect("temp dir");
    let store = open(temp.path());
    for value in ["first", "second", "third"] {
        store.persist(value, 5, set(value)).expect("persists");
    }
    drop(store);
    let file = files(temp.path()).remove(0);
    let mut bytes = fs::read(&file).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).expect("writes");
    let store = open(temp.path());
    assert_eq!(store.sets("first"), [set("first")]);
    assert_eq!((store.sets("second"), store.sets("third")), (vec![], vec![]));
    assert!(on_disk(temp.path(), "first") && !on_disk(temp.path(), "third"));
    assert!(!file.exists(), "written anew");
}

#[test]
fn a_rewrite_leaves_no_byte_of_what_went() {
    let temp = tempfile::tempdir().expect("temp dir");
    let store = open(temp.path());
    store.persist("t1", 5, set("committed")).expect("persists");
    store
        .persist(
            "t2",
            6,
            sets(&[("kept", "kept-value"), ("doomed", "doomed-value")]),
        )
        .expect("persists");
    store.remove(["t1"]);
    assert!(on_disk(temp.path(), "committed"), "the control");
    store
        .rewrite(|received_at, namespace, set| {
            assert_eq!((received_at, namespace), (6, "cc"));
            Ok(set.collection_name != "doomed")
        })
        .expect("rewrites");
    assert!(!on_disk(temp.path(), "committed") && !on_disk(temp.path(), "doomed"));
    assert_eq!(store.sets("t2"), [sets(&[("kept", "kept-value")])]);
    drop(store);
    assert_eq!(open(temp.path()).sets("t2"), [sets(&[("kept", "kept-value")])]);
}

#[test]
fn mostly_dead_files_are_written_anew() {
    let temp = tempfile::tempdir().expect("temp dir");
    let store = open(temp.path());
    // Every file keeps one live set, so none is removed for being dead.
    for round in 0..12 {
        store
            .persist(&format!("orphan{round}"), 1, set("o"))
            .expect("persists");
        let value = "x".repeat(1 << 20);
        store.persist("big", 1, set(&value)).expect("persists");
        store.remove(["big"]);
    }
    let bytes: u64 = files(temp.path())
        .iter()
        .map(|path| fs::metadata(path).expect("a file").len())
        .sum();
    assert!(bytes < GARBAGE_BYTES + (2 << 20), "{bytes}");
    assert_eq!(store.sets("orphan0").len() + store.sets("orphan11").len(), 2);
}

#[test]
fn the_store_is_bounded_and_the_oldest_go_first() {
    let temp = tempfile::tempdir().expect("temp dir");
    let mut store = open(temp.path());
    store.limit = 10_000;
    for number in 0..50 {
        let value = format!("{number:0>1000}");
        store
            .persist(&format!("t{number}"), number, set(&value))
            .expect("persists");
    }
    assert_eq!(store.sets("t0"), []);
    assert_eq!(store.sets("t49").len(), 1);
    assert!(store.lock().index.bytes() <= 10_000);
}

#[test]
fn a_failed_sync_fails_the_endorsement_and_later_ones_work() {
    let temp = tempfile::tempdir().expect("temp dir");
    let disk = Arc::new(Disk::default());
    let store = open_on(temp.path(), disk.clone(), &[]);
    store.persist("t1", 5, set("first")).expect("persists");
    disk.broken.store(true, Ordering::SeqCst);
    let error = store.persist("t2", 5, set("second")).expect_err("refused");
    assert!(matches!(error, LedgerError::Io { action: "sync", .. }), "{error}");
    disk.broken.store(false, Ordering::SeqCst);
    store.persist("t3", 5, set("third")).expect("persists");
    drop(store);
    let store = open(temp.path());
    assert_eq!(
        (store.sets("t1"), store.sets("t3")),
        (vec![set("first")], vec![set("third")])
    );
    assert_eq!(
        files(temp.path()).len(),
        2,
        "nothing is appended behind a failed write"
    );
}

#[test]
fn concurrent_writers_share_syncs_and_all_are_durable() {
    let temp = tempfile::tempdir().expect("temp dir");
    let disk = Arc::new(Disk::default());
    let store = open_on(temp.path(), disk.clone(), &[]);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (store, disk) = (&store, &disk);
            scope.spawn(move || {
                for number in 0..20 {
                    let before = disk.syncs.load(Ordering::SeqCst);
                    let tx_id = format!("t{thread}-{number}");
                    store.persist(&tx_id, 5, set(&tx_id)).expect("persists");
                    assert!(disk.syncs.load(Ordering::SeqCst) > before, "synced since");
                }
            });
        }
    });
    drop(store);
    let store = open(temp.path());
    for thread in 0..8 {
        for number in 0..20 {
            assert_eq!(store.sets(&format!("t{thread}-{number}")).len(), 1);
        }
    }
}

/// A disk whose syncs are counted and can fail.
#[derive(Debug, Default)]
struct Disk {
    broken: Arc<AtomicBool>,
    syncs: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct DiskFile {
    inner: Box<dyn LogFile>,
    broken: Arc<AtomicBool>,
    syncs: Arc<AtomicUsize>,
}

impl FileLayer for Disk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        OsFiles.create_dir(dir)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(DiskFile {
            inner: OsFiles.open(path)?,
            broken: self.broken.clone(),
            syncs: self.syncs.clone(),
        }))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        OsFiles.open_read(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        OsFiles.list(dir)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        OsFiles.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsFiles.rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        OsFiles.sync_dir(dir)
    }
}

impl LogFile for DiskFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.inner.append(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.inner.sync()?;
        self.syncs.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.inner.read_at(offset, buffer)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.inner.truncate(length)
    }
}
