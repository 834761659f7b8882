//! The vault's view of the ledger: its own organisation's peer, asked through the gateway SDK.

mod fingerprints;

use std::time::Duration;

use careledger_api::HealthError;
use careledger_api::contracts::consent::{
    CodeQuery, ConsentsClient, FindAnswer, OfflineOpening, OfflineReport, Release, SignedTicket,
};
use careledger_api::contracts::identity::PatientQuery;
use careledger_api::contracts::record::{
    DocumentStatus, ErasureConfirmation, ErasureReceipt, IndexPage, InventoryPage, InventoryPlace,
    InventoryQuery, Probe, RecordClient, Replica, ReplicaView, Verification,
};
use careledger_api::ids::{DocumentId, Hash, PatientId, TxId};
use careledger_api::merkle::ContentOpening;
use careledger_api::merkle::batch::BatchProof;
use careledger_sdk::vault::LedgerPoint;
use fabric_channel::Bundle;
use fabric_contract_core::CallError;
use fabric_gateway_sdk::{Contract, Network};
use fabric_msp::{Identity, serialize};
use fabric_protos::common::{Payload, SignatureHeader};
use fabric_protos::peer::ProcessedTransaction;
use prost::Message;

use crate::erase::Erasures;
use crate::find::{CommittedSearch, FindChain};
use crate::integrity::Inventory;
use crate::locate::IndexChain;
use crate::offline::{Filed, OfflineChain};
use crate::release::{Chain, ChainError, CommittedAccess};
use crate::replica::Anchors;
use crate::replication::Replicas;

/// How long the own peer is given to commit a transaction that another peer has committed.
const CATCH_UP: Duration = Duration::from_secs(2);

/// Asks the own peer; the gateway's identity needs the role `vault`.
#[derive(Debug)]
pub struct PeerChain {
    network: Network,
    contract: Contract,
    custodian: String,
    holder: String,
}

impl PeerChain {
    /// `network` must be a gateway of the custodian's own peer; `chaincode` is the health chaincode's name.
    pub fn new(network: Network, chaincode: &str, custodian: &str) -> Self {
        let contract = network.contract(chaincode);
        Self {
            network,
            contract,
            custodian: custodian.to_owned(),
            holder: custodian.to_owned(),
        }
    }

    /// The same for the vault of another member of the custodian's collection, which holds replicas: `network` is a gateway of that member's peer.
    #[must_use]
    pub fn held_by(self, holder: &str) -> Self {
        Self {
            holder: holder.to_owned(),
            ..self
        }
    }
}

impl PeerChain {
    /// Who created a transaction; `None` unless it is valid. The private event is only there when it was; the block says so itself.
    async fn valid_creator(&self, tx: &TxId) -> Result<Option<Vec<u8>>, ChainError> {
        let (transaction, code) = self
            .network
            .transaction(tx.as_str())
            .await
            .map_err(|e| ChainError(e.to_string()))?;
        let creator =
            creator(&transaction).ok_or_else(|| ChainError("the transaction has no creator".to_owned()))?;
        Ok(code.is_valid().then_some(creator))
    }

    /// A serialized identity, if it is one of the channel's, as the peer has it, that is valid at `now`.
    async fn valid_identity(&self, serialized: &[u8], now: i64) -> Result<Option<Identity>, ChainError> {
        let block = self.network.config_block().await;
        let block = block.map_err(|error| ChainError(error.to_string()))?;
        let channel = Bundle::from_block(&block).map_err(|error| ChainError(error.to_string()))?;
        let identity = channel.msps().valid_identity(serialized).ok();
        Ok(identity.filter(|identity| identity.expires_at() > now))
    }

    async fn release(&self, tx: &TxId, now: i64) -> Result<Option<Release>, ChainError> {
        let client = ConsentsClient::new(&self.contract);
        let asked = client
            .release(self.custodian.clone(), tx.clone(), now)
            .endorsed_by([self.holder.clone()])
            .send();
        match asked.await {
            Ok(release) => Ok(Some(release)),
            Err(CallError::Contract(HealthError::NotFound | HealthError::InvalidCode(_))) => Ok(None),
            Err(error) => Err(ChainError(error.to_string())),
        }
    }
}

impl Chain for PeerChain {
    async fn access(&self, tx: &TxId, now: i64) -> Result<Option<CommittedAccess>, ChainError> {
        let mut release = self.release(tx, now).await?;
        // The requester may have learned of the commit from a peer that is ahead of ours.
        let behind = release.is_none();
        if behind
            && tokio::time::timeout(CATCH_UP, self.network.commit_status(tx.as_str()))
                .await
                .is_ok_and(|s| s.is_ok())
        {
            release = self.release(tx, now).await?;
        }
        let Some(release) = release else { return Ok(None) };
        let creator = self.valid_creator(tx).await?;
        Ok(creator.map(|creator| CommittedAccess { creator, release }))
    }

    async fn session(&self, tx: &TxId, now: i64) -> Result<Option<Release>, ChainError> {
        self.release(tx, now).await
    }
}

impl FindChain for PeerChain {
    async fn search(&self, tx: &TxId, now: i64) -> Result<Option<CommittedSearch>, ChainError> {
        // The requester may have learned of the commit from a peer that is ahead of ours.
        let caught_up = tokio::time::timeout(CATCH_UP, self.network.commit_status(tx.as_str())).await;
        if !caught_up.is_ok_and(|status| status.is_ok()) {
            return Ok(None);
        }
        let client = ConsentsClient::new(&self.contract);
        let asked = client
            .find_record(self.custodian.clone(), tx.clone(), now)
            .endorsed_by([self.holder.clone()])
            .send();
        let view = match asked.await {
            Ok(view) => view,
            Err(CallError::Contract(HealthError::NotFound | HealthError::InvalidCode(_))) => return Ok(None),
            Err(error) => return Err(ChainError(error.to_string())),
        };
        let creator = self.valid_creator(tx).await?;
        Ok(creator.map(|creator| CommittedSearch { creator, view }))
    }

    async fn code_holder(&self, code: Hash) -> Result<Option<PatientId>, ChainError> {
        let client = ConsentsClient::new(&self.contract);
        let asked = client
            .code_holder(self.custodian.clone(), CodeQuery { code })
            .endorsed_by([self.holder.clone()])
            .send();
        asked.await.map_err(|error| ChainError(error.to_string()))
    }

    async fn log(&self, answer: FindAnswer) -> Result<bool, ChainError> {
        let client = ConsentsClient::new(&self.contract);
        let written = client
            .log_find(self.custodian.clone(), answer)
            .endorsed_by([self.holder.clone()])
            .send();
        match written.await {
            Ok(_) => Ok(true),
            Err(CallError::Contract(HealthError::Replayed(_))) => Ok(false),
            Err(error) => Err(ChainError(error.to_string())),
        }
    }
}

impl OfflineChain for PeerChain {
    async fn is_member(&self, signed: &SignedTicket, now: i64) -> Result<bool, ChainError> {
        let doctor = serialize(&signed.organisation, signed.certificate.clone().into_bytes());
        Ok(self.valid_identity(&doctor, now).await?.is_some())
    }

    async fn opening(&self, signed: &SignedTicket, now: i64) -> Result<Option<OfflineOpening>, ChainError> {
        let asked = ConsentsClient::new(&self.contract)
            .offline_opening(self.custodian.clone(), now, signed.clone())
            .endorsed_by([self.holder.clone()])
            .send();
        match asked.await {
            Ok(opening) => Ok(Some(opening)),
            Err(CallError::Contract(_)) => Ok(None),
            Err(error) => Err(ChainError(error.to_string())),
        }
    }

    async fn file(&self, report: OfflineReport) -> Result<Filed, ChainError> {
        let filed = ConsentsClient::new(&self.contract)
            .backfill(self.custodian.clone(), report)
            .endorsed_by([self.holder.clone()])
            .send();
        match filed.await {
            Ok(_) => Ok(Filed::Written),
            Err(CallError::Contract(HealthError::Duplicate(_))) => Ok(Filed::Before),
            Err(CallError::Contract(_)) => Ok(Filed::Refused),
            Err(error) => Err(ChainError(error.to_string())),
        }
    }
}

impl Erasures for PeerChain {
    async fn erasure(&self, document: DocumentId) -> Result<Option<ErasureReceipt>, ChainError> {
        let asked = RecordClient::new(&self.contract)
            .erasure_receipt(self.custodian.clone(), document)
            .endorsed_by([self.holder.clone()])
            .send();
        match asked.await {
            Ok(receipt) => Ok(Some(receipt)),
            Err(CallError::Contract(HealthError::NotFound)) => Ok(None),
            Err(error) => Err(ChainError(error.to_string())),
        }
    }

    async fn has_records(&self, patient: PatientId) -> Result<bool, ChainError> {
        let found = RecordClient::new(&self.contract)
            .locate(self.custodian.clone(), PatientQuery { patient })
            .endorsed_by([self.holder.clone()])
            .send()
            .await
            .map_err(|error| ChainError(error.to_string()))?;
        Ok(found
            .iter()
            .any(|record| record.head.status != DocumentStatus::Erased))
    }

    async fn confirm(&self, confirmation: ErasureConfirmation) -> Result<(), ChainError> {
        let confirmed = RecordClient::new(&self.contract)
            .confirm_erasure(self.custodian.clone(), confirmation)
            .endorsed_by([self.holder.clone()])
            .send();
        match confirmed.await {
            Ok(_) | Err(CallError::Contract(HealthError::Duplicate(_))) => Ok(()),
            Err(error) => Err(ChainError(error.to_string())),
        }
    }
}

impl Anchors for PeerChain {
    async fn is_anchored(
        &self,
        document: DocumentId,
        version: u32,
        opening: ContentOpening,
        proof: Option<BatchProof>,
    ) -> Result<bool, ChainError> {
        let records = RecordClient::new(&self.contract);
        let head = records
            .head(document, proof.clone())
            .endorsed_by([self.holder.clone()])
            .send();
        let head = match head.await {
            Ok(head) => head,
            Err(CallError::Contract(HealthError::NotFound)) => return Ok(false),
            Err(error) => return Err(ChainError(error.to_string())),
        };
        if head.custodian != self.custodian || head.status == DocumentStatus::Erased {
            return Ok(false);
        }
        let verified = records
            .verify(document, version, opening, proof)
            .endorsed_by([self.holder.clone()])
            .send();
        match verified.await {
            Ok(verification) => Ok(verification == Verification::Match),
            Err(CallError::Contract(HealthError::NotFound)) => Ok(false),
            Err(error) => Err(ChainError(error.to_string())),
        }
    }
}

impl Replicas for PeerChain {
    async fn replicas(&self) -> Result<Vec<ReplicaView>, ChainError> {
        RecordClient::new(&self.contract)
            .replicas(self.custodian.clone())
            .endorsed_by([self.holder.clone()])
            .send()
            .await
            .map_err(|error| ChainError(error.to_string()))
    }

    async fn register(&self, replica: Replica) -> Result<(), ChainError> {
        let registered = RecordClient::new(&self.contract)
            .register_replica(self.custodian.clone(), replica)
            .endorsed_by([self.holder.clone()])
            .send();
        match registered.await {
            Ok(_) | Err(CallError::Contract(HealthError::Duplicate(_))) => Ok(()),
            Err(error) => Err(ChainError(error.to_string())),
        }
    }

    async fn record(&self, probe: Probe) -> Result<(), ChainError> {
        RecordClient::new(&self.contract)
            .probe_replica(self.custodian.clone(), probe)
            .endorsed_by([self.holder.clone()])
            .send()
            .await
            .map(drop)
            .map_err(|error| ChainError(error.to_string()))
    }
}

impl Inventory for PeerChain {
    async fn inventory(&self, after: Option<InventoryPlace>) -> Result<InventoryPage, ChainError> {
        RecordClient::new(&self.contract)
            .inventory(self.custodian.clone(), InventoryQuery { after })
            .endorsed_by([self.holder.clone()])
            .send()
            .await
            .map_err(|error| ChainError(error.to_string()))
    }

    async fn verification(
        &self,
        document: DocumentId,
        version: u32,
        opening: ContentOpening,
        proof: Option<BatchProof>,
    ) -> Result<Option<Verification>, ChainError> {
        let verified = RecordClient::new(&self.contract)
            .verify(document, version, opening, proof)
            .endorsed_by([self.holder.clone()])
            .send();
        match verified.await {
            Ok(verification) => Ok(Some(verification)),
            Err(CallError::Contract(HealthError::NotFound)) => Ok(None),
            Err(error) => Err(ChainError(error.to_string())),
        }
    }

    async fn tip(&self) -> Result<LedgerPoint, ChainError> {
        let info = self
            .network
            .chain_info()
            .await
            .map_err(|error| ChainError(error.to_string()))?;
        Ok(LedgerPoint {
            height: info.height,
            hash: header_hash(&info.current_block_hash)?,
        })
    }

    async fn hash_at(&self, height: u64) -> Result<Option<Hash>, ChainError> {
        let tip = self.tip().await?;
        if height >= tip.height {
            return Ok((height == tip.height).then_some(tip.hash));
        }
        // The block after it says it.
        let after = self
            .network
            .block(height)
            .await
            .map_err(|error| ChainError(error.to_string()))?;
        let header = after
            .header
            .ok_or_else(|| ChainError("a block has no header".to_owned()))?;
        header_hash(&header.previous_hash).map(Some)
    }

    async fn anchor_report(&self, report: Hash) -> Result<TxId, ChainError> {
        let anchored = RecordClient::new(&self.contract)
            .anchor_report(report)
            .send()
            .await
            .map_err(|error| ChainError(error.to_string()))?;
        anchored
            .tx_id
            .parse()
            .map_err(|_: HealthError| ChainError("the anchor has no transaction id".to_owned()))
    }
}

impl IndexChain for PeerChain {
    async fn index(&self, tx: &TxId, now: i64, page: u32) -> Result<IndexPage, ChainError> {
        RecordClient::new(&self.contract)
            .index(self.custodian.clone(), tx.clone(), now, page)
            .endorsed_by([self.holder.clone()])
            .send()
            .await
            .map_err(|error| ChainError(error.to_string()))
    }
}

fn header_hash(bytes: &[u8]) -> Result<Hash, ChainError> {
    let bytes = bytes
        .try_into()
        .map_err(|_| ChainError("a block's hash has not 32 bytes".to_owned()))?;
    Ok(Hash::from_bytes(bytes))
}

/// The serialized identity in a transaction's signature header.
fn creator(transaction: &ProcessedTransaction) -> Option<Vec<u8>> {
    let envelope = transaction.transaction_envelope.as_ref()?;
    let header = Payload::decode(envelope.payload.as_slice()).ok()?.header?;
    Some(
        SignatureHeader::decode(header.signature_header.as_slice())
            .ok()?
            .creator,
    )
}
