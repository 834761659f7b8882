//! The vault's view of the ledger: its own organisation's peer, asked through the gateway SDK.

use std::time::Duration;

use careledger_api::HealthError;
use careledger_api::contracts::consent::{ConsentsClient, Release};
use careledger_api::ids::TxId;
use fabric_contract_core::CallError;
use fabric_gateway_sdk::{Contract, Network};
use fabric_protos::common::{Payload, SignatureHeader};
use fabric_protos::peer::ProcessedTransaction;
use prost::Message;

use crate::release::{Chain, ChainError, CommittedAccess};

/// How long the own peer is given to commit a transaction that another peer has committed.
const CATCH_UP: Duration = Duration::from_secs(2);

/// Asks the own peer; the gateway's identity needs the role `vault`.
#[derive(Debug)]
pub struct PeerChain {
    network: Network,
    contract: Contract,
    custodian: String,
}

impl PeerChain {
    /// `network` must be a gateway of the custodian's own peer; `chaincode` is the health chaincode's name.
    pub fn new(network: Network, chaincode: &str, custodian: &str) -> Self {
        let contract = network.contract(chaincode);
        Self {
            network,
            contract,
            custodian: custodian.to_owned(),
        }
    }
}

impl PeerChain {
    async fn release(&self, tx: &TxId, now: i64) -> Result<Option<Release>, ChainError> {
        let client = ConsentsClient::new(&self.contract);
        let asked = client
            .release(self.custodian.clone(), tx.clone(), now)
            .endorsed_by([self.custodian.clone()])
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
        // The private event is only there when the transaction was valid; the block says so itself, and names the creator.
        let (transaction, code) = self
            .network
            .transaction(tx.as_str())
            .await
            .map_err(|e| ChainError(e.to_string()))?;
        let creator =
            creator(&transaction).ok_or_else(|| ChainError("the transaction has no creator".to_owned()))?;
        Ok(code.is_valid().then_some(CommittedAccess { creator, release }))
    }
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
