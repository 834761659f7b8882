//! The vault's view of the ledger: its own organisation's peer, asked through the gateway SDK.

use careledger_api::HealthError;
use careledger_api::contracts::consent::ConsentsClient;
use careledger_api::ids::TxId;
use fabric_contract_core::CallError;
use fabric_gateway_sdk::{Contract, Network};
use fabric_protos::common::{Payload, SignatureHeader};
use fabric_protos::peer::ProcessedTransaction;
use prost::Message;

use crate::release::{Chain, ChainError, CommittedAccess};

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
        Self { network, contract, custodian: custodian.to_owned() }
    }
}

impl Chain for PeerChain {
    async fn access(&self, tx: &TxId, now: i64) -> Result<Option<CommittedAccess>, ChainError> {
        let client = ConsentsClient::new(&self.contract);
        let asked = client.release(self.custodian.clone(), tx.clone(), now).endorsed_by([self.custodian.clone()]).send();
        let release = match asked.await {
            Ok(release) => release,
            Err(CallError::Contract(HealthError::NotFound | HealthError::InvalidCode(_))) => return Ok(None),
            Err(error) => return Err(ChainError(error.to_string())),
        };
        // The private event is only there when the transaction was valid; the block says so itself, and names the creator.
        let (transaction, code) =
            self.network.transaction(tx.as_str()).await.map_err(|e| ChainError(e.to_string()))?;
        let creator = creator(&transaction).ok_or_else(|| ChainError("the transaction has no creator".to_owned()))?;
        Ok(code.is_valid().then_some(CommittedAccess { creator, release }))
    }
}

/// The serialized identity in a transaction's signature header.
fn creator(transaction: &ProcessedTransaction) -> Option<Vec<u8>> {
    let envelope = transaction.transaction_envelope.as_ref()?;
    let header = Payload::decode(envelope.payload.as_slice()).ok()?.header?;
    Some(SignatureHeader::decode(header.signature_header.as_slice()).ok()?.creator)
}
