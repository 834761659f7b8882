//! After a restore: what was erased since the backup was made is destroyed again.
//!
//! A backup of a vault has the keys of what was erased later. The ledger tells: whatever is kept here and was erased there goes, before the vault serves. A
//! peer that is still behind shows nothing of it yet; neither does it show any access that is younger than the erasure, so nothing is released on it. So the
//! peer is asked again until its chain has stopped growing between two times, or grows on as a busy one does; what comes later still, the daily check
//! ([`crate::integrity`]) destroys.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use careledger_api::contracts::record::Verification;
use careledger_api::ids::DocumentId;
use careledger_sdk::vault::LedgerPoint;

use crate::integrity::{CheckError, Inventory};
use crate::kek::KekError;
use crate::store::{Store, StoreError};

/// Between the first two times that the peer is asked; then each time twice as long.
const PAUSE: Duration = Duration::from_secs(10);
/// The longest of these pauses.
const LONGEST: Duration = Duration::from_secs(640);
/// A peer whose chain goes on growing answers so many times: over 21 minutes at least.
const TIMES: u32 = 8;

/// Destroys every stored document that the own peer shows as erased; gives those. What the ledger does not know stays: it may be an upload under way.
///
/// # Errors
/// [`CheckError`]: store or peer cannot be asked. What was destroyed is destroyed.
pub async fn erase_again<L: Inventory>(store: &Store, ledger: &L) -> Result<Vec<DocumentId>, CheckError> {
    let kept: BTreeMap<DocumentId, u32> = store.kept().await?.into_iter().collect();
    let mut erased = Vec::new();
    for (document, version) in kept {
        let opening = match store.entry(document, version).await {
            Ok(entry) => entry.opening,
            // The daily check tells of what cannot be read, and nobody can read it.
            Err(StoreError::Missing(..) | StoreError::Damaged(_) | StoreError::Kek(KekError::Altered)) => {
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        // Public state alone decides: after a restore, private data may still be on its way. What only a batch anchors was not erased: that takes a
        // head of its own first.
        let shown = ledger.verification(document, version, opening, None).await?;
        if shown == Some(Verification::Erased) {
            store.erase(document).await?;
            tracing::warn!(%document, "an erased document was there again, and is destroyed");
            erased.push(document);
        }
    }
    Ok(erased)
}

/// The same, again and again: until the own peer answered twice with the same last block, and so is not catching up, or answered eight times.
pub async fn erase_again_by_itself<L: Inventory>(store: Arc<Store>, ledger: Arc<L>) {
    until_caught_up(&store, &*ledger, PAUSE).await;
}

async fn until_caught_up<L: Inventory>(store: &Store, ledger: &L, mut pause: Duration) {
    let (mut before, mut answered) = (None, 0);
    loop {
        match pass(store, ledger).await {
            Ok(tip) => {
                answered += 1;
                if before == Some(tip) || answered == TIMES {
                    return;
                }
                before = Some(tip);
            }
            Err(error) => tracing::warn!(%error, "what was erased cannot be asked for yet"),
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(LONGEST);
    }
}

/// Gives the block on which it rests at least.
async fn pass<L: Inventory>(store: &Store, ledger: &L) -> Result<LedgerPoint, CheckError> {
    let tip = ledger.tip().await?;
    erase_again(store, ledger).await?;
    Ok(tip)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use careledger_api::contracts::record::{InventoryPage, InventoryPlace};
    use careledger_api::ids::{Hash, TxId};
    use careledger_api::merkle::ContentOpening;
    use careledger_api::merkle::batch::BatchProof;

    use super::*;
    use crate::kek::FileKey;
    use crate::release::ChainError;

    /// A peer that shows these documents as anchored, and those as erased once it has so many blocks.
    #[derive(Default)]
    struct Peer {
        anchored: BTreeSet<DocumentId>,
        erased: BTreeMap<DocumentId, u64>,
        /// How many blocks it has each time that it is asked, and from then on; 0 where it does not answer.
        heights: Vec<u64>,
        asked: AtomicUsize,
    }

    impl Peer {
        fn height(&self, asked: usize) -> u64 {
            let height = self.heights.get(asked).or(self.heights.last());
            height.copied().unwrap_or(1)
        }
    }

    fn unasked<T>() -> Result<T, ChainError> {
        Err(ChainError("nobody asks this here".into()))
    }

    impl Inventory for Peer {
        async fn inventory(&self, _: Option<InventoryPlace>) -> Result<InventoryPage, ChainError> {
            unasked()
        }

        async fn verification(
            &self,
            document: DocumentId,
            _: u32,
            _: ContentOpening,
            _: Option<BatchProof>,
        ) -> Result<Option<Verification>, ChainError> {
            let height = self.height(self.asked.load(Ordering::SeqCst).saturating_sub(1));
            let anchored = self.anchored.contains(&document).then_some(Verification::Match);
            let erased = self.erased.get(&document).filter(|at| **at <= height);
            Ok(erased.map(|_| Verification::Erased).or(anchored))
        }

        async fn tip(&self) -> Result<LedgerPoint, ChainError> {
            let height = self.height(self.asked.fetch_add(1, Ordering::SeqCst));
            if height == 0 {
                return Err(ChainError("no peer".into()));
            }
            let hash = Hash::from_bytes([height as u8; 32]);
            Ok(LedgerPoint { height, hash })
        }

        async fn hash_at(&self, _: u64) -> Result<Option<Hash>, ChainError> {
            unasked()
        }

        async fn anchor_report(&self, _: Hash) -> Result<TxId, ChainError> {
            unasked()
        }
    }

    #[tokio::test]
    async fn what_the_ledger_erased_goes_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let kek = Box::new(FileKey::open_or_create(&dir.path().join("kek")).expect("a key"));
        let store = Store::in_memory(kek).await.expect("a store");
        let [stands, gone, unknown] = [1, 2, 3].map(|id| DocumentId::from_bytes([id; 16]));
        for (id, version) in [(stands, 1), (gone, 1), (gone, 2), (unknown, 1)] {
            let kept = store.put(id, version, "text/plain", &b"content"[..]).await;
            kept.expect("kept");
        }
        let peer = Peer {
            anchored: [stands, gone].into(),
            erased: [(gone, 1)].into(),
            ..Peer::default()
        };
        assert_eq!(erase_again(&store, &peer).await.expect("asked"), [gone]);
        for (id, version, there) in [
            (stands, 1, true),
            (gone, 1, false),
            (gone, 2, false),
            (unknown, 1, true),
        ] {
            assert_eq!(
                store.has(id, version).await.expect("asked"),
                there,
                "{id} {version}"
            );
        }
        assert_eq!(erase_again(&store, &peer).await.expect("asked"), []);
        let again = store.put(gone, 3, "text/plain", &b"again"[..]).await;
        assert!(again.is_err(), "it is not kept again");
    }

    /// A store in which these documents were; how often the peer was asked until nothing more was expected.
    async fn restored(documents: &[DocumentId], peer: Peer) -> (Store, usize) {
        let dir = tempfile::tempdir().expect("a directory");
        let kek = Box::new(FileKey::open_or_create(&dir.path().join("kek")).expect("a key"));
        let store = Store::in_memory(kek).await.expect("a store");
        for id in documents {
            let kept = store.put(*id, 1, "text/plain", &b"content"[..]).await;
            kept.expect("kept");
        }
        until_caught_up(&store, &peer, Duration::ZERO).await;
        (store, peer.asked.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn an_erasure_that_the_peer_learns_of_later_is_not_missed() {
        let [early, late] = [1, 2].map(|id| DocumentId::from_bytes([id; 16]));
        let peer = Peer {
            anchored: [early, late].into(),
            erased: [(early, 3), (late, 9)].into(),
            heights: vec![0, 3, 0, 6, 9],
            ..Peer::default()
        };
        let (store, asked) = restored(&[early, late], peer).await;
        assert!(store.is_erased(early).await.expect("asked"));
        assert!(store.is_erased(late).await.expect("asked"));
        assert_eq!(asked, 6, "until it has the same block twice");
    }

    #[tokio::test]
    async fn a_busy_chain_is_not_asked_for_ever() {
        let document = DocumentId::from_bytes([1; 16]);
        let peer = Peer {
            anchored: [document].into(),
            heights: (1..100).collect(),
            ..Peer::default()
        };
        let (store, asked) = restored(&[document], peer).await;
        assert!(!store.is_erased(document).await.expect("asked"));
        assert_eq!(asked, 8);
    }
}
