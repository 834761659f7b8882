//! What an organisation's own peers do and say about purged data.

use std::time::Duration;

use careledger_api::contracts::record::{ErasureReceipt, RecordClient};
use careledger_api::ids::TxId;
use careledger_sdk::vault::{ErasedPeer, GoneFrom};
use fabric_gateway_sdk::{AdminError, Network, PeerAdmin};
use fabric_protos::common::BlockchainInfo;
use prost::Message;
use serde::Deserialize;

use super::EraseError;
use crate::release::Scope;

/// How often a peer is asked that is not done yet, and the pause in between.
const ATTEMPTS: (u32, Duration) = (5, Duration::from_secs(1));
/// The longest wait for a peer to remove what was purged.
const REMOVAL: Duration = Duration::from_secs(120);

/// One of the organisation's peers, and how it shows that purged data are gone.
#[derive(Debug, Clone)]
pub enum OwnPeer {
    /// It removes them from its files when asked.
    Disk(PeerDisk),
    /// It says what it committed: Fabric's own peers do nothing else when asked.
    State(PeerState),
}

/// A peer whose operations listener removes purged data from its files when asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerDisk {
    /// Host name, for the receipt.
    pub host: String,
    /// `http://address:port` of the listener, on loopback.
    pub operations: String,
}

/// A peer that is asked for its state, past every gateway's choice of peers.
#[derive(Debug, Clone)]
pub struct PeerState {
    /// Host name, for the receipt.
    pub host: String,
    /// The channel at this very peer, as the vault's identity.
    pub network: Network,
    /// The health chaincode's name.
    pub chaincode: String,
}

impl OwnPeer {
    /// Has the peer say that what `erasure` purged is gone; `None` where that cannot be said, since nothing is purged yet.
    pub(super) async fn erase(
        &self,
        scope: &Scope,
        erasure: &ErasureReceipt,
    ) -> Result<Option<ErasedPeer>, EraseError> {
        match self {
            Self::Disk(peer) => peer.erase(&scope.channel).await.map(Some),
            Self::State(_) if erasure.purged.is_none() => Ok(None),
            Self::State(peer) => peer.shows_purged(scope, erasure).await.map(Some),
        }
    }
}

impl PeerDisk {
    /// Has the peer remove what was purged on a channel from its files.
    async fn erase(&self, channel: &str) -> Result<ErasedPeer, EraseError> {
        #[derive(Deserialize)]
        struct Done {
            height: u64,
        }
        let failed = |why: String| EraseError::Peer {
            host: self.host.clone(),
            why,
        };
        let url = format!("{}/erasures/{channel}", self.operations);
        careledger_sdk::install_crypto_provider();
        // A peer's operations are this machine's own, whatever proxy leads outside.
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let (attempts, pause) = ATTEMPTS;
        for _ in 0..attempts {
            let asked = http.post(&url).timeout(REMOVAL).send();
            let answer = asked.await.map_err(|error| failed(error.to_string()))?;
            match answer.status().as_u16() {
                200 => {
                    let Done { height } = answer.json().await.map_err(|error| failed(error.to_string()))?;
                    return Ok(ErasedPeer {
                        host: self.host.clone(),
                        height,
                        gone_from: GoneFrom::Files,
                    });
                }
                503 => tokio::time::sleep(pause).await,
                status => return Err(failed(format!("it answered {status}"))),
            }
        }
        Err(failed(
            "something reads it all the time; try again later".to_owned(),
        ))
    }
}

impl PeerState {
    /// Waits until the peer shows the purge, which it writes in one step with the removal of the descriptions from its state.
    async fn shows_purged(&self, scope: &Scope, erasure: &ErasureReceipt) -> Result<ErasedPeer, EraseError> {
        let failed = |why: String| EraseError::Peer {
            host: self.host.clone(),
            why,
        };
        let (attempts, pause) = ATTEMPTS;
        let mut why = String::new();
        for attempt in 0..attempts {
            if attempt > 0 {
                tokio::time::sleep(pause).await;
            }
            why = match self.purged(scope, erasure).await {
                Ok(purged) if purged == erasure.purged => {
                    let height = self.height().await.map_err(|error| failed(error.to_string()))?;
                    return Ok(ErasedPeer {
                        host: self.host.clone(),
                        height,
                        gone_from: GoneFrom::State,
                    });
                }
                Ok(_) => "it has not committed the purge yet; try again later".to_owned(),
                Err(why) => why,
            };
        }
        Err(failed(why))
    }

    /// The purge that this peer shows, if it has committed one.
    async fn purged(&self, scope: &Scope, erasure: &ErasureReceipt) -> Result<Option<TxId>, String> {
        let contract = self.network.contract(&self.chaincode);
        let call = RecordClient::new(&contract)
            .erasure_receipt(scope.custodian.clone(), erasure.document)
            .call()
            .clone();
        let answer = self.admin().execute(contract.proposal_of(call)).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let shown: ErasureReceipt =
            serde_json::from_slice(&answer).map_err(|_| "its answer is no erasure's receipt".to_owned())?;
        Ok(shown.purged)
    }

    async fn height(&self) -> Result<u64, AdminError> {
        let call = self
            .network
            .contract("qscc")
            .proposal("GetChainInfo")
            .arg(self.network.name());
        let answer = self.admin().execute(call).await?;
        Ok(BlockchainInfo::decode(answer.as_slice())?.height)
    }

    fn admin(&self) -> PeerAdmin {
        PeerAdmin::new(self.network.gateway().clone())
    }
}
