//! Every kind of damage is found and named, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path as FsPath;
use std::sync::Mutex;

use fabric_msp::cryptogen::{OrgSpec, Organization};

use super::*;
use crate::kek::FileKey;

const HOSPITAL: &str = "HospitalMSP";
const CLINIC: &str = "ClinicMSP";

fn document(n: u8) -> DocumentId {
    DocumentId::from_bytes([n; 16])
}

/// A ledger of anchored openings, one document to a page, and a chain of blocks.
#[derive(Default)]
struct Ledger {
    anchored: Mutex<BTreeMap<(DocumentId, u32), ContentOpening>>,
    items: Mutex<BTreeMap<DocumentId, InventoryItem>>,
    blocks: Mutex<Vec<Hash>>,
    reports: Mutex<Vec<Hash>>,
    read_only: bool,
}

impl Ledger {
    fn anchor(&self, document: DocumentId, version: u32, opening: ContentOpening) {
        self.anchored.lock().unwrap().insert((document, version), opening);
        let item = InventoryItem {
            document,
            version,
            status: DocumentStatus::Current,
            proof: None,
        };
        self.items.lock().unwrap().insert(document, item);
        self.grow(1);
    }

    fn grow(&self, blocks: u8) {
        let mut chain = self.blocks.lock().unwrap();
        for _ in 0..blocks {
            let hash = Hash::from_bytes([chain.len() as u8 + 1; 32]);
            chain.push(hash);
        }
    }

    fn erased(&self, document: DocumentId) {
        let mut items = self.items.lock().unwrap();
        items.get_mut(&document).unwrap().status = DocumentStatus::Erased;
    }
}

impl Inventory for Ledger {
    async fn inventory(&self, after: Option<InventoryPlace>) -> Result<InventoryPage, ChainError> {
        let items = self.items.lock().unwrap();
        let mut left = items
            .values()
            .filter(|item| after.is_none_or(|after| item.document > after.document));
        let documents: Vec<_> = left.next().cloned().into_iter().collect();
        let more = left.next().is_some();
        let next = documents.last().filter(|_| more).map(|last| InventoryPlace {
            patient: careledger_api::ids::PatientId::from_bytes([0; 32]),
            document: last.document,
        });
        Ok(InventoryPage { documents, next })
    }

    async fn verification(
        &self,
        document: DocumentId,
        version: u32,
        opening: ContentOpening,
        _proof: Option<BatchProof>,
    ) -> Result<Option<Verification>, ChainError> {
        let status = self.items.lock().unwrap().get(&document).map(|item| item.status);
        if status == Some(DocumentStatus::Erased) {
            return Ok(Some(Verification::Erased));
        }
        let anchored = self.anchored.lock().unwrap();
        Ok(anchored.get(&(document, version)).map(|anchored| {
            if *anchored == opening {
                Verification::Match
            } else {
                Verification::Mismatch
            }
        }))
    }

    async fn tip(&self) -> Result<LedgerPoint, ChainError> {
        let blocks = self.blocks.lock().unwrap();
        let hash = *blocks.last().ok_or_else(|| ChainError("no block".into()))?;
        Ok(LedgerPoint {
            height: blocks.len() as u64,
            hash,
        })
    }

    async fn hash_at(&self, height: u64) -> Result<Option<Hash>, ChainError> {
        Ok(self.blocks.lock().unwrap().get(height as usize - 1).copied())
    }

    async fn anchor_report(&self, report: Hash) -> Result<TxId, ChainError> {
        if self.read_only {
            return Err(ChainError("no ordering".into()));
        }
        self.reports.lock().unwrap().push(report);
        Ok("aa".parse().unwrap())
    }
}

struct World {
    dir: tempfile::TempDir,
    store: Store,
    ledger: Ledger,
    scope: Scope,
    signer: SigningIdentity,
    contents: BTreeMap<u8, usize>,
}

impl World {
    /// Eight anchored records of two chunks and a bit.
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let kek = FileKey::open_or_create(&dir.path().join("kek")).unwrap();
        let store = Store::open(&dir.path().join("vault"), Box::new(kek))
            .await
            .unwrap();
        let spec = OrgSpec::peers("hospital.example.com", HOSPITAL);
        let hospital = Organization::generate(dir.path().join("org"), &spec, None).unwrap();
        let world = Self {
            signer: hospital.user_identity("Admin@hospital.example.com").unwrap(),
            store,
            ledger: Ledger::default(),
            scope: Scope {
                custodian: HOSPITAL.into(),
                channel: "health".into(),
            },
            contents: (1..=8).map(|n| (n, 2 * CHUNK + usize::from(n))).collect(),
            dir,
        };
        for (n, size) in &world.contents {
            let content = vec![*n; *size];
            let opening = world
                .store
                .put(document(*n), 1, "x", content.as_slice())
                .await
                .unwrap();
            world.ledger.anchor(document(*n), 1, opening);
        }
        world
    }

    async fn check(&self, chunks: Option<u32>) -> IntegrityReport {
        self.check_as(HOSPITAL, chunks).await.unwrap().report.request
    }

    async fn check_as(&self, holder: &str, chunks: Option<u32>) -> Result<CheckAnswer, CheckError> {
        let checker = Checker {
            scope: &self.scope,
            holder,
            signer: &self.signer,
            store: &self.store,
            ledger: &self.ledger,
            clock: || 1_000,
        };
        checker.run(chunks).await
    }

    async fn file(&self, n: u8) -> std::path::PathBuf {
        self.store.local_path(document(n), 1).await.unwrap()
    }

    fn entry(&self, n: u8) -> std::path::PathBuf {
        self.dir.path().join(format!("vault/entries/{}.1", document(n)))
    }
}

fn flip(path: &FsPath, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn every_damage_is_found_and_named_and_nothing_else() {
    let world = World::open().await;
    let clean = world.check(None).await;
    assert!(clean.is_clean(), "{clean:?}");
    assert_eq!((clean.documents, clean.versions, clean.chunks), (8, 8, 24));

    flip(&world.file(1).await, 100_000);
    let cut = fs::read(world.file(2).await).unwrap();
    fs::write(world.file(2).await, &cut[..cut.len() - 1]).unwrap();
    fs::remove_file(world.file(3).await).unwrap();
    fs::write(world.entry(4), "{").unwrap();
    // The own peer's state says something else: an edit of its database, or of the vault's entry.
    let other = world.store.entry(document(6), 1).await.unwrap().opening;
    world
        .ledger
        .anchored
        .lock()
        .unwrap()
        .insert((document(5), 1), other);
    world.ledger.erased(document(6));
    fs::remove_file(world.entry(7)).unwrap();
    // An upload whose anchor is under way.
    world
        .store
        .put(document(9), 1, "x", b"new".as_slice())
        .await
        .unwrap();
    let found = world.check(None).await;
    let gap = |n, what| Gap {
        document: document(n),
        version: 1,
        what,
    };
    assert_eq!(
        found.gaps,
        [
            gap(1, GapKind::Altered),
            gap(2, GapKind::WrongSize),
            gap(3, GapKind::MissingFile),
            gap(4, GapKind::Unreadable),
            gap(5, GapKind::NotTheAnchored),
            gap(6, GapKind::NotErased),
            gap(7, GapKind::Missing),
        ]
    );
    assert_eq!((found.documents, found.versions, found.unanchored), (7, 7, 1));
    assert!(!found.is_clean() && found.consistent);
    assert!(world.store.is_erased(document(6)).await.unwrap());

    // A swapped file, and one under another record's key.
    let eight = fs::read(world.file(8).await).unwrap();
    fs::write(world.file(1).await, &eight[..cut.len() - 1]).unwrap();
    let swapped = world.check(None).await;
    assert!(
        swapped.gaps.contains(&gap(1, GapKind::Altered))
            || swapped.gaps.contains(&gap(1, GapKind::WrongSize))
    );
    fs::copy(world.entry(8), world.entry(1)).unwrap();
    let swapped = world.check(None).await;
    assert!(swapped.gaps.contains(&gap(1, GapKind::Unreadable)), "{swapped:?}");
}

#[tokio::test]
async fn what_was_erased_elsewhere_is_told_once_and_destroyed() {
    let world = World::open().await;
    let again = world.store.put(document(3), 2, "x", b"second".as_slice());
    world.ledger.anchor(document(3), 2, again.await.unwrap());
    world.ledger.erased(document(3));
    let (first, second) = (world.check(Some(1)).await, world.check(Some(1)).await);
    let told: Vec<_> = first.gaps.iter().map(|gap| (gap.version, gap.what)).collect();
    assert_eq!(told, [(1, GapKind::NotErased), (2, GapKind::NotErased)]);
    assert!(second.is_clean(), "{second:?}");
    assert_eq!((second.documents, second.versions), (7, 7));
    assert!(world.store.is_erased(document(3)).await.unwrap());
    assert!(!world.store.has(document(3), 1).await.unwrap());
}

#[tokio::test]
async fn a_holder_of_replicas_need_not_have_everything_and_an_erased_record_is_no_gap() {
    let world = World::open().await;
    fs::remove_file(world.entry(1)).unwrap();
    world.ledger.erased(document(2));
    world.store.erase(document(2)).await.unwrap();
    let holders = world.check_as(CLINIC, Some(1)).await.unwrap().report.request;
    assert!(holders.is_clean(), "{holders:?}");
    assert_eq!((holders.documents, holders.versions, holders.chunks), (7, 6, 6));
    let own = world.check(Some(1)).await;
    assert_eq!(own.gaps.len(), 1);
    assert_eq!(own.gaps[0].what, GapKind::Missing);
}

#[tokio::test]
async fn a_sample_finds_the_flipped_byte_when_it_draws_its_chunk() {
    let world = World::open().await;
    flip(&world.file(1).await, 70_000);
    // Two of three chunks at a time: a look that misses has probability 1/3.
    let mut looks = 0;
    while world.check(Some(2)).await.is_clean() {
        looks += 1;
        assert!(looks < 60, "it is never drawn");
    }
    for (sample, count) in [(1, 2), (2, 3), (3, 1_000), (999, 1_000)] {
        let drawn = draw(sample, count).unwrap();
        assert_eq!(drawn.len() as u64, sample);
        assert!(drawn.iter().all(|number| *number < count));
    }
    let all: BTreeSet<u64> = (0..200).flat_map(|_| draw(1, 4).unwrap()).collect();
    assert_eq!(all.len(), 4, "each may be drawn");
}

#[tokio::test]
async fn reports_are_signed_anchored_and_go_on_from_each_other_and_from_the_same_chain() {
    let mut world = World::open().await;
    let first = world.check_as(HOSPITAL, Some(1)).await.unwrap();
    let report = first.report.request.clone();
    assert_eq!(report.previous, None);
    assert_eq!(*world.ledger.reports.lock().unwrap(), [report.hash().unwrap()]);
    assert!(first.anchor.is_some());
    let identity = first.report.identity_bytes().unwrap();
    assert_eq!(identity, world.signer.serialized());
    let text = serde_json::to_string(&first).unwrap();
    assert!(!text.contains("patient"), "ids of documents at most: {text}");

    world.ledger.grow(3);
    world.ledger.read_only = true;
    let second = world.check_as(HOSPITAL, Some(1)).await.unwrap();
    assert_eq!(second.report.request.previous, Some(report.hash().unwrap()));
    assert!(second.report.request.consistent && second.anchor.is_none());
    world.ledger.read_only = false;
    let kept = world.store.reports().await.unwrap();
    assert_eq!(kept.len(), 2, "kept without an anchor too");

    // Another block where the second report saw its last.
    let height = second.report.request.ledger.height as usize;
    world.ledger.grow(1);
    let before = std::mem::replace(
        &mut world.ledger.blocks.lock().unwrap()[height - 1],
        Hash::from_bytes([0xee; 32]),
    );
    let rewritten = world.check(Some(1)).await;
    assert!(!rewritten.consistent && !rewritten.is_clean());
    world.ledger.blocks.lock().unwrap()[height - 1] = before;

    // A peer that was set back says nothing yet.
    world.ledger.blocks.lock().unwrap().truncate(2);
    let behind = world.check_as(HOSPITAL, Some(1)).await;
    assert!(matches!(behind, Err(CheckError::Behind(_))), "{behind:?}");
}
