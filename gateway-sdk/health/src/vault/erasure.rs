//! Having a vault destroy what it holds of an erased document, and the receipt it gives.

use std::time::Duration;

use careledger_api::contracts::record::Backup;
use careledger_api::ids::{DocumentId, PatientId, TxId};
use fabric_gateway_sdk::SigningIdentity;
use serde::{Deserialize, Serialize};

use super::client::{VaultClient, signed};
use super::error::VaultError;
use super::wire::{SignedRequest, VaultRequest};

/// The longest wait: vault, its peers' disks and its replicas, one after the other.
const DEADLINE: Duration = Duration::from_secs(300);

/// Asks a vault to destroy what it holds of a document. The vault looks at its own peer: unless the erasure was executed on the ledger, nothing
/// happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EraseRequest {
    /// MSP id of the vault's organisation.
    pub holder: String,
    /// MSP id of the document's custodian: the holder itself, or whose replica it holds.
    pub custodian: String,
    /// The channel.
    pub channel: String,
    /// The document, with all of its versions.
    pub document: DocumentId,
    /// Whose it was: if the custodian has no other record of that patient, the vaults forget what finds the patient as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<PatientId>,
    /// When it was signed, seconds since 1970. A vault takes it for five minutes.
    pub at: i64,
}

impl VaultRequest for EraseRequest {
    const DOMAIN: &'static str = "careledger/v1/erase-request";
}

/// A vault's word on what it destroyed, under the signature of its identity. It holds ids only.
///
/// It speaks of files. What a disk keeps of an unlinked file (spare blocks of an SSD, snapshots of a file system) is ciphertext, and wraps that a
/// rotation of the key-encryption key makes useless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultReceipt {
    /// MSP id of the vault's organisation.
    pub holder: String,
    /// MSP id of the document's custodian.
    pub custodian: String,
    /// The channel.
    pub channel: String,
    /// The document.
    pub document: DocumentId,
    /// The versions whose key, salt and ciphertext are gone from this vault; none where it never held any.
    pub versions: Vec<u32>,
    /// Whether this vault has nothing any more that finds the patient named in the request, whose last record it was.
    pub forgotten: bool,
    /// When that was done, seconds since 1970.
    pub at: i64,
    /// The transaction that purged the document's descriptions from the collection; none as long as that is to come.
    pub purged: Option<TxId>,
    /// What the organisation's peers said of its descriptions. A peer that cannot say anything yet, because nothing is purged, is missing.
    pub peers: Vec<ErasedPeer>,
    /// The backups that still hold ciphertext or wraps, and until when.
    pub backups: Vec<Backup>,
    /// The receipts of the vaults that held replicas.
    pub replicas: Vec<SignedRequest<Self>>,
}

impl VaultRequest for VaultReceipt {
    const DOMAIN: &'static str = "careledger/v1/vault-receipt";
}

/// A peer that has nothing any more of what was purged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasedPeer {
    /// Its host name.
    pub host: String,
    /// Number of blocks it had then: what these purged is gone.
    pub height: u64,
    /// From where it is gone.
    #[serde(default, skip_serializing_if = "GoneFrom::is_files")]
    pub gone_from: GoneFrom,
}

/// From where a peer says that purged data are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoneFrom {
    /// Its files were searched and hold nothing of them.
    #[default]
    Files,
    /// Its state: the peer committed the purge and gives neither value nor hash to anybody. Fabric's own peers remove the values from their files by
    /// themselves, within `ledger.pvtdataStore.purgeInterval` blocks, and cannot be asked whether they did.
    State,
}

impl GoneFrom {
    const fn is_files(&self) -> bool {
        matches!(self, Self::Files)
    }
}

impl VaultClient {
    /// Has a vault destroy what it holds of a document whose erasure was executed, in every file of its own and of its peers, and in its replicas.
    /// Asking again gives a new receipt. `identity` is a custodian of the vault's organisation, or the vault of the custodian whose replica it holds.
    ///
    /// Fails with [`VaultError::NotTaken`] for anybody else, with [`VaultError::NotErased`] where the vault's own peer shows no executed erasure,
    /// and with [`VaultError::Failed`] where something could not be reached: what was destroyed is destroyed, and asking again goes on.
    pub async fn erase(
        &self,
        identity: &SigningIdentity,
        request: EraseRequest,
    ) -> Result<SignedRequest<VaultReceipt>, VaultError> {
        let document = request.document;
        let response = self
            .post("/v1/erasures", DEADLINE, &signed(identity, request)?)
            .await?;
        match response.status().as_u16() {
            200 => {}
            403 => return Err(VaultError::NotTaken),
            409 => return Err(VaultError::NotErased(document)),
            status => return Err(self.failed(status)),
        }
        let receipt: SignedRequest<VaultReceipt> = self.json(response).await?;
        if receipt.request.document != document {
            return Err(VaultError::BadAnswer("it is about another document"));
        }
        Ok(receipt)
    }
}
