//! How a custodian's vault gets on with its copies at other organisations, and what it is told about them.
//!
//! The vault copies and probes by itself; this asks how far it is, has it go on at once, and tells it what proves documents of a batch.

use std::time::Duration;

use careledger_api::contracts::record::ProbeResult;
use careledger_api::ids::DocumentId;
use careledger_api::merkle::batch::BatchProof;
use fabric_gateway_sdk::SigningIdentity;
use serde::{Deserialize, Serialize};

use super::client::{VaultClient, signed};
use super::error::VaultError;
use super::wire::VaultRequest;
use crate::wallet::unix_now;

/// The longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(30);
/// The most proofs in one request.
pub const MAX_PROOFS: usize = 32;

/// Asks a custodian's vault about its copies elsewhere. Signed by a custodian of its organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicationRequest {
    /// MSP id of the vault's organisation.
    pub custodian: String,
    /// The channel of the vault.
    pub channel: String,
    /// Whether to try at once what waits for its next attempt.
    pub retry: bool,
    /// Whether to probe now, not at the period's end.
    pub probe: bool,
    /// What proves documents that only their batch anchors: at most [`MAX_PROOFS`].
    pub proofs: Vec<ProvenDocument>,
    /// When it was signed, seconds since 1970. A vault takes it for five minutes.
    pub at: i64,
}

impl VaultRequest for ReplicationRequest {
    const DOMAIN: &'static str = "careledger/v1/replication-request";
}

/// A document of a batch, with what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenDocument {
    /// The document.
    pub document: DocumentId,
    /// Its proof.
    pub proof: BatchProof,
}

/// How the copies of a vault's versions stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicationReport {
    /// Each organisation that is to hold them.
    pub holders: Vec<HolderReport>,
}

/// How the copies at one organisation stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolderReport {
    /// Its MSP id.
    pub holder: String,
    /// Where its vault is reached, as an URL.
    pub locator: String,
    /// Versions that it holds.
    pub copied: u64,
    /// Versions that wait for their copy, those included that are not anchored yet.
    pub waiting: u64,
    /// Those of them that were tried and not taken.
    pub failing: u64,
    /// What stood against the last attempt; none once one succeeded.
    pub trouble: Option<String>,
    /// What the last probe found; none before the first since the vault's start.
    pub probed: Option<ProbeReport>,
}

/// One probe of an organisation's copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// The worst of what was found.
    pub result: ProbeResult,
    /// Versions that were sampled, each in random places.
    pub sampled: u32,
    /// When, seconds since 1970.
    pub at: i64,
}

impl VaultClient {
    /// Asks the organisation's own vault about its copies elsewhere, and tells it what the request says.
    ///
    /// Fails with [`VaultError::NoReplicas`] where it keeps none, with [`VaultError::NotTaken`] unless the identity is a custodian of the vault's
    /// organisation.
    pub async fn replication(
        &self,
        identity: &SigningIdentity,
        request: ReplicationRequest,
    ) -> Result<ReplicationReport, VaultError> {
        let response = self
            .post("/v1/replication", DEADLINE, &signed(identity, request)?)
            .await?;
        match response.status().as_u16() {
            200 => self.json(response).await,
            403 => Err(VaultError::NotTaken),
            404 => Err(VaultError::NoReplicas),
            status => Err(self.failed(status)),
        }
    }

    /// Tells the organisation's own vault what proves the documents of a batch, so that it can have them copied. In requests of [`MAX_PROOFS`];
    /// telling again is harmless. Fails as [`replication`](Self::replication).
    pub async fn prove(
        &self,
        identity: &SigningIdentity,
        custodian: &str,
        channel: &str,
        documents: impl IntoIterator<Item = ProvenDocument>,
    ) -> Result<(), VaultError> {
        let mut documents = documents.into_iter().peekable();
        while documents.peek().is_some() {
            let request = ReplicationRequest {
                custodian: custodian.to_owned(),
                channel: channel.to_owned(),
                retry: false,
                probe: false,
                proofs: documents.by_ref().take(MAX_PROOFS).collect(),
                at: unix_now(),
            };
            self.replication(identity, request).await?;
        }
        Ok(())
    }
}
