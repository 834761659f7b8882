//! A stand-in for the vault's peer: it shows one committed access, which permits one imaging document, and nothing else.

use careledger_api::codes::{Category, Purpose};
use careledger_api::contracts::consent::{
    AccessKind, AccessRecord, AccessRequest, FindAnswer, OfflineOpening, OfflineReport, Outcome,
    ReleasableDocument, Release, Requester, SignedTicket,
};
use careledger_api::contracts::record::{
    ErasureConfirmation, ErasureReceipt, IndexPage, InventoryPage, InventoryPlace, Probe, Replica,
    ReplicaView, Verification,
};
use careledger_api::ids::{DocumentId, Hash, KemPublicKey, PatientId, Salt, TxId};
use careledger_api::merkle::ContentOpening;
use careledger_api::merkle::batch::BatchProof;
use careledger_api::roles::Role;
use careledger_sdk::vault::LedgerPoint;
use careledger_sdk::wallet::unix_now;
use careledger_vault::erase::Erasures;
use careledger_vault::find::{CommittedSearch, FindChain};
use careledger_vault::integrity::Inventory;
use careledger_vault::locate::IndexChain;
use careledger_vault::offline::{Filed, OfflineChain};
use careledger_vault::release::{Chain, ChainError, CommittedAccess};
use careledger_vault::replica::Anchors;
use careledger_vault::replication::Replicas;

/// The access.
#[derive(Debug)]
pub(super) struct OneAccess {
    access: CommittedAccess,
}

impl OneAccess {
    /// An access of transaction `tx`, made by `creator` (a SerializedIdentity), to `document`, with the key that the vault seals to.
    pub(super) fn new(tx: TxId, creator: Vec<u8>, document: DocumentId, kem_key: KemPublicKey) -> Self {
        let request = AccessRequest::new(
            PatientId::from_bytes([9; 32]),
            Purpose::Treatment,
            [Category::Imaging],
            kem_key,
        );
        let record = AccessRecord {
            tx,
            kind: AccessKind::Access,
            at: unix_now(),
            requester: Requester {
                organisation: "HospitalMSP".into(),
                role: Role::Clinician,
                person: String::new(),
                groups: Vec::new(),
            },
            request: Some(request),
            emergency: None,
            follows: None,
            intent: None,
            offline: None,
            outcome: Outcome::Permitted,
            permitted: vec![Category::Imaging],
            obligations: Vec::new(),
            basis: Vec::new(),
            expires_at: unix_now() + 86_400,
            epoch: None,
            salt: Salt::from_bytes([0; 32]),
        };
        let release = Release {
            record,
            fresh: true,
            in_time: true,
            epoch_unchanged: true,
            credentialed: true,
            documents: vec![ReleasableDocument {
                document,
                version: 1,
                category: Category::Imaging,
                proof: None,
            }],
            obligations: Vec::new(),
            erase_at: None,
        };
        Self {
            access: CommittedAccess { creator, release },
        }
    }
}

fn nothing() -> ChainError {
    ChainError("this ledger shows one access and nothing else".into())
}

impl Chain for OneAccess {
    async fn access(&self, tx: &TxId, _now: i64) -> Result<Option<CommittedAccess>, ChainError> {
        Ok((*tx == self.access.release.record.tx).then(|| self.access.clone()))
    }

    async fn session(&self, tx: &TxId, now: i64) -> Result<Option<Release>, ChainError> {
        Ok(self.access(tx, now).await?.map(|access| access.release))
    }
}

impl FindChain for OneAccess {
    async fn search(&self, _tx: &TxId, _now: i64) -> Result<Option<CommittedSearch>, ChainError> {
        Err(nothing())
    }

    async fn code_holder(&self, _code: Hash) -> Result<Option<PatientId>, ChainError> {
        Err(nothing())
    }

    async fn log(&self, _answer: FindAnswer) -> Result<bool, ChainError> {
        Err(nothing())
    }
}

impl IndexChain for OneAccess {
    async fn index(&self, _tx: &TxId, _now: i64, _page: u32) -> Result<IndexPage, ChainError> {
        Err(nothing())
    }
}

impl Erasures for OneAccess {
    async fn erasure(&self, _document: DocumentId) -> Result<Option<ErasureReceipt>, ChainError> {
        Err(nothing())
    }

    async fn has_records(&self, _patient: PatientId) -> Result<bool, ChainError> {
        Err(nothing())
    }

    async fn confirm(&self, _confirmation: ErasureConfirmation) -> Result<(), ChainError> {
        Err(nothing())
    }
}

impl Anchors for OneAccess {
    async fn is_anchored(
        &self,
        _document: DocumentId,
        _version: u32,
        _opening: ContentOpening,
        _proof: Option<BatchProof>,
    ) -> Result<bool, ChainError> {
        Err(nothing())
    }
}

impl Replicas for OneAccess {
    async fn replicas(&self) -> Result<Vec<ReplicaView>, ChainError> {
        Err(nothing())
    }

    async fn register(&self, _replica: Replica) -> Result<(), ChainError> {
        Err(nothing())
    }

    async fn record(&self, _probe: Probe) -> Result<(), ChainError> {
        Err(nothing())
    }
}

impl OfflineChain for OneAccess {
    async fn is_member(&self, _signed: &SignedTicket, _now: i64) -> Result<bool, ChainError> {
        Err(nothing())
    }

    async fn opening(&self, _signed: &SignedTicket, _now: i64) -> Result<Option<OfflineOpening>, ChainError> {
        Err(nothing())
    }

    async fn file(&self, _report: OfflineReport) -> Result<Filed, ChainError> {
        Err(nothing())
    }
}

impl Inventory for OneAccess {
    async fn inventory(&self, _after: Option<InventoryPlace>) -> Result<InventoryPage, ChainError> {
        Err(nothing())
    }

    async fn verification(
        &self,
        _document: DocumentId,
        _version: u32,
        _opening: ContentOpening,
        _proof: Option<BatchProof>,
    ) -> Result<Option<Verification>, ChainError> {
        Err(nothing())
    }

    async fn tip(&self) -> Result<LedgerPoint, ChainError> {
        Err(nothing())
    }

    async fn hash_at(&self, _height: u64) -> Result<Option<Hash>, ChainError> {
        Err(nothing())
    }

    async fn anchor_report(&self, _report: Hash) -> Result<TxId, ChainError> {
        Err(nothing())
    }
}
