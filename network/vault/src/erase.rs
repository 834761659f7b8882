//! Erasing a document from everything that this organisation keeps, and the receipt for it.
//!
//! ```text
//! custodian: request -> two organisations approve -> execute -> purge       (the ledger; contract `record`)
//! vault:     own peer shows the execution -> key, salt, ciphertext destroyed -> the patient's last record: out of the index of persons
//!            -> replicas' vaults do the same
//!            -> own peers remove what was purged from their files, or say that they committed the purge (Fabric's)
//!            -> confirmed on the ledger -> receipt, signed
//! ```
//!
//! The ledger decides, not who asks: without an executed erasure on the own peer nothing is destroyed. Every step may be repeated, so whoever is
//! interrupted asks again.

mod peers;

use std::time::Duration;

use careledger_api::HealthError;
use careledger_api::contracts::record::{Backup, ErasureConfirmation, ErasureReceipt, MAX_BACKUPS};
use careledger_api::date::Date;
use careledger_api::ids::{DocumentId, PatientId, Salt};
use careledger_sdk::vault::{EraseRequest, SignedRequest, VaultClient, VaultError, VaultReceipt, WireError};
use fabric_gateway_sdk::SigningIdentity;

pub use self::peers::{OwnPeer, PeerDisk, PeerState};
use crate::persons::PersonIndex;
use crate::release::{ChainError, Scope};
use crate::store::{Store, StoreError};

/// Seconds of a day.
const DAY: i64 = 86_400;
/// How often the own peer is asked for an execution that another one has, and the pause in between.
const CATCH_UP: (u32, Duration) = (5, Duration::from_millis(200));

/// What the vault asks and tells its own organisation's peer about erasures.
pub trait Erasures: Send + Sync {
    /// How far the erasure of a document of this custodian is; `None` before it is executed.
    fn erasure(
        &self,
        document: DocumentId,
    ) -> impl Future<Output = Result<Option<ErasureReceipt>, ChainError>> + Send;

    /// Whether the custodian has a record of this patient that is not erased.
    fn has_records(&self, patient: PatientId) -> impl Future<Output = Result<bool, ChainError>> + Send;

    /// Confirms for this organisation. Having confirmed before is success.
    fn confirm(
        &self,
        confirmation: ErasureConfirmation,
    ) -> impl Future<Output = Result<(), ChainError>> + Send;
}

/// What erasing needs besides store and ledger.
#[derive(Debug)]
pub struct Erasing {
    /// MSP id of this vault's organisation.
    pub holder: String,
    /// The vault's identity, which signs receipts.
    pub signer: SigningIdentity,
    /// This organisation's peers.
    pub peers: Vec<OwnPeer>,
    /// The backups that are made of this vault and these peers: each holds what was erased until it expires.
    pub backups: Vec<BackupPlan>,
    /// The vaults that hold replicas of this one's records: MSP id and client.
    pub replicas: Vec<(String, VaultClient)>,
}

/// A kind of backup, and for how long one of it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupPlan {
    /// What it is called; 1 to 128 bytes.
    pub name: String,
    /// Days from its making to its end.
    pub days: u16,
}

/// Why a document was not, or not wholly, erased. What was destroyed is destroyed.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The own peer shows no executed erasure.
    #[error("this organisation's peer shows no executed erasure of document {0}")]
    NotErased(DocumentId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The own peer could not be asked or told.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The index of persons could not be written.
    #[error("the index of persons cannot be written: {0}")]
    Persons(std::io::Error),
    /// A peer did not remove what was purged.
    #[error("peer {host} still holds purged data: {why}")]
    Peer {
        /// The peer.
        host: String,
        /// What it said.
        why: String,
    },
    /// A vault that holds a replica did not erase it.
    #[error("the replica at {holder} is not erased: {source}")]
    Replica {
        /// MSP id of its organisation.
        holder: String,
        /// What happened.
        source: VaultError,
    },
    /// The clock shows no date, or more backups are made than a confirmation names.
    #[error("the backups cannot be named: at most {MAX_BACKUPS}, each with its last day")]
    Backups,
    /// The receipt could not be signed.
    #[error("the receipt cannot be signed: {0}")]
    Sign(String),
}

impl From<WireError> for EraseError {
    fn from(error: WireError) -> Self {
        Self::Sign(error.to_string())
    }
}

/// Destroys a document whose erasure was executed, here and wherever this vault had it copied, has the organisation's peers remove what was purged,
/// confirms it on the ledger, and gives the receipt. Was it the last record of the patient that the request names, the patient is out of the index of
/// persons too. `now` is the vault's own clock, seconds since 1970.
///
/// # Errors
/// [`EraseError`]; asking again goes on.
pub async fn erase<L: Erasures>(
    scope: &Scope,
    (store, persons): (&Store, &PersonIndex),
    ledger: &L,
    erasing: &Erasing,
    asked: &EraseRequest,
    now: i64,
) -> Result<SignedRequest<VaultReceipt>, EraseError> {
    let document = asked.document;
    let erasure = executed(ledger, document).await?;
    let versions = store.erase(document).await?;
    let gone = last_record_of(scope, ledger, erasing, asked).await?;
    if let Some(patient) = gone {
        persons.enter(patient, None).map_err(EraseError::Persons)?;
    }
    let replicas = erase_replicas(scope, erasing, (document, gone), now).await?;
    let backups = backups(&erasing.backups, now)?;
    let mut peers = Vec::with_capacity(erasing.peers.len());
    for peer in &erasing.peers {
        peers.extend(peer.erase(scope, &erasure).await?);
    }
    if erasure
        .confirmations
        .iter()
        .all(|confirmed| confirmed.organisation != erasing.holder)
    {
        let mut salt = [0; 32];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| EraseError::Sign("no randomness".to_owned()))?;
        let confirmation = ErasureConfirmation {
            document,
            backups: backups.clone(),
            salt: Salt::from_bytes(salt),
        };
        ledger.confirm(confirmation).await?;
    }
    tracing::info!(%document, versions = versions.len(), "erased");
    let receipt = VaultReceipt {
        holder: erasing.holder.clone(),
        custodian: scope.custodian.clone(),
        channel: scope.channel.clone(),
        document,
        versions,
        forgotten: gone.is_some(),
        at: now,
        purged: erasure.purged,
        peers,
        backups,
        replicas,
    };
    let signer = &erasing.signer;
    SignedRequest::new(receipt, signer.serialized(), |message| {
        signer
            .sign(message)
            .map_err(|error| EraseError::Sign(error.to_string()))
    })
}

/// Who asks may have seen the execution on a peer that is ahead of ours.
async fn executed<L: Erasures>(ledger: &L, document: DocumentId) -> Result<ErasureReceipt, EraseError> {
    let (attempts, pause) = CATCH_UP;
    for _ in 0..attempts {
        if let Some(erasure) = ledger.erasure(document).await? {
            return Ok(erasure);
        }
        tokio::time::sleep(pause).await;
    }
    Err(EraseError::NotErased(document))
}

/// The patient, if this was the last record. The custodian's vault asks its peer; one that holds replicas takes the custodian's vault's word.
async fn last_record_of<L: Erasures>(
    scope: &Scope,
    ledger: &L,
    erasing: &Erasing,
    asked: &EraseRequest,
) -> Result<Option<PatientId>, ChainError> {
    let Some(patient) = asked.patient else {
        return Ok(None);
    };
    let more = erasing.holder == scope.custodian && ledger.has_records(patient).await?;
    Ok((!more).then_some(patient))
}

async fn erase_replicas(
    scope: &Scope,
    erasing: &Erasing,
    (document, patient): (DocumentId, Option<PatientId>),
    now: i64,
) -> Result<Vec<SignedRequest<VaultReceipt>>, EraseError> {
    let mut receipts = Vec::with_capacity(erasing.replicas.len());
    for (holder, vault) in &erasing.replicas {
        let request = EraseRequest {
            holder: holder.clone(),
            custodian: scope.custodian.clone(),
            channel: scope.channel.clone(),
            document,
            patient,
            at: now,
        };
        let receipt = vault.erase(&erasing.signer, request).await;
        receipts.push(receipt.map_err(|source| EraseError::Replica {
            holder: holder.clone(),
            source,
        })?);
    }
    Ok(receipts)
}

/// What a backup of each kind that was made just now still holds, and until when.
fn backups(plans: &[BackupPlan], now: i64) -> Result<Vec<Backup>, EraseError> {
    let named = plans.iter().map(|plan| {
        let expires = Date::from_unix(now.saturating_add(i64::from(plan.days) * DAY));
        let expires = expires.map_err(|_: HealthError| EraseError::Backups)?;
        let name = plan.name.clone();
        Ok(Backup { name, expires })
    });
    let named: Vec<Backup> = named.collect::<Result<_, EraseError>>()?;
    if named.len() > MAX_BACKUPS {
        return Err(EraseError::Backups);
    }
    Ok(named)
}
