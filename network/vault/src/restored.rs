//! After a restore: what was erased since the backup was made is destroyed again.
//!
//! A backup of a vault has the keys of what was erased later. The ledger tells: whatever is kept here and was erased there goes, before the vault serves. A
//! peer that is still behind shows nothing of it yet; neither does it show any access that is younger than the erasure, so nothing is released on it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use careledger_api::contracts::record::Verification;
use careledger_api::ids::DocumentId;

use crate::integrity::{CheckError, Inventory};
use crate::kek::KekError;
use crate::store::{Store, StoreError};

/// Between two attempts where the peer does not answer.
const PAUSE: Duration = Duration::from_secs(10);

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

/// The same, again and again until the own peer answered.
pub async fn erase_again_by_itself<L: Inventory>(store: Arc<Store>, ledger: Arc<L>) {
    while let Err(error) = erase_again(&store, &*ledger).await {
        tracing::warn!(%error, "what was erased cannot be asked for yet");
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use careledger_api::contracts::record::{InventoryPage, InventoryPlace};
    use careledger_api::ids::{Hash, TxId};
    use careledger_api::merkle::ContentOpening;
    use careledger_api::merkle::batch::BatchProof;
    use careledger_sdk::vault::LedgerPoint;

    use super::*;
    use crate::kek::FileKey;
    use crate::release::ChainError;

    /// A peer that shows these documents as anchored, and those as erased.
    struct Peer {
        anchored: BTreeSet<DocumentId>,
        erased: BTreeSet<DocumentId>,
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
            let anchored = self.anchored.contains(&document).then_some(Verification::Match);
            let erased = self.erased.contains(&document).then_some(Verification::Erased);
            Ok(erased.or(anchored))
        }

        async fn tip(&self) -> Result<LedgerPoint, ChainError> {
            unasked()
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
            erased: [gone].into(),
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
}
