//! Records in one call each: a custodian's `anchor(reader)`, a requester's `fetch(record)`, an emergency's `break_glass(request)`.

use careledger_api::codes::Category;
use careledger_api::contracts::consent::{AccessRequest, BreakGlassRequest};
use careledger_api::contracts::record::{DocumentMetadata, Relation, Verification};
use careledger_api::ids::{DocumentId, TxId};
use fabric_gateway_sdk::SigningIdentity;
use tokio::io::AsyncRead;

use super::client::{ReleasedRecord, VaultClient};
use super::content::ContentError;
use super::deposit::{Deposit, Place};
use super::error::VaultError;
use super::replica::Vaults;
use super::stream::VerifiedStream;
use super::wire::{ReleaseRequest, UploadRequest};
use crate::anchor::Anchored;
use crate::client::{HealthCallError, HealthClient};
use crate::sealing::KemKeyPair;
use crate::wallet::unix_now;

/// One custodian's records, through its vault and the caller's own organisation's gateway.
///
/// ```no_run
/// # async fn example(health: careledger_sdk::HealthClient, vault: careledger_sdk::vault::VaultClient, identity: fabric_gateway_sdk::SigningIdentity,
/// #     image: tokio::fs::File, metadata: careledger_api::contracts::record::DocumentMetadata, record: careledger_sdk::vault::RecordRequest,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// use careledger_sdk::vault::{Archive, NewContent};
/// let archive = Archive::new(&health, &vault, &identity, "HospitalMSP");
/// // The hospital: encrypted and streamed to its vault, anchored in public, described in private.
/// let deposit = archive.anchor(image, NewContent::of("application/dicom"), metadata).await?;
/// // The clinic: an access is logged, the key released, the opening compared with the clinic's own ledger; then verified bytes.
/// let mut stream = archive.fetch(record).await?;
/// tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Archive<'a> {
    health: &'a HealthClient,
    vault: &'a VaultClient,
    replicas: &'a [VaultClient],
    identity: &'a SigningIdentity,
    custodian: &'a str,
}

/// What is known of a content before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewContent {
    /// Media type.
    pub mime: String,
    /// Bytes, where they are known: the vault refuses another number.
    pub size: Option<u64>,
}

impl NewContent {
    /// A content of a media type and unknown length.
    pub fn of(mime: impl Into<String>) -> Self {
        Self {
            mime: mime.into(),
            size: None,
        }
    }
}

/// A record to fetch: a document of a patient, and the access that is to open it.
#[derive(Debug, Clone)]
pub struct RecordRequest {
    /// The document.
    pub document: DocumentId,
    /// Patient, purpose, the document's category. Its key-exchange key is replaced by a fresh one.
    pub access: AccessRequest,
}

/// Why a record could not be anchored or fetched.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The vault, or what came from it.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The ledger refused or could not be reached.
    #[error(transparent)]
    Ledger(#[from] HealthCallError),
    /// The vault keeps the content, but the ledger did not take anchor and description: [`Archive::complete`] tries again.
    #[error(
        "the vault keeps the content, but it could not be anchored and described; complete the deposit: {source}"
    )]
    NotAnchored {
        /// What the vault keeps.
        deposit: Box<Deposit>,
        /// What the ledger said.
        source: HealthCallError,
    },
    /// A new document has version 1, and only a next version has another one.
    #[error(
        "version {0} does not fit: a new document has version 1, the next version of a document a higher one"
    )]
    Version(u32),
    /// The access transaction has no well-formed id.
    #[error("the gateway gave no transaction id")]
    NoTransaction,
    /// The vault gave another content than the one anchored.
    #[error("document {document} version {version} does not verify on the own ledger: {found}")]
    NotTheAnchored {
        /// The document.
        document: DocumentId,
        /// Its version.
        version: u32,
        /// What the ledger said.
        found: Verification,
    },
}

impl From<ContentError> for ArchiveError {
    fn from(error: ContentError) -> Self {
        Self::Vault(error.into())
    }
}

impl<'a> Archive<'a> {
    /// The records of `custodian` (MSP id) in the vault that `vault` reaches; `identity` is whom `health`'s gateway acts for.
    pub fn new(
        health: &'a HealthClient,
        vault: &'a VaultClient,
        identity: &'a SigningIdentity,
        custodian: &'a str,
    ) -> Self {
        Self {
            health,
            vault,
            replicas: &[],
            identity,
            custodian,
        }
    }

    /// The same with the vaults that hold replicas, in the order in which they are asked for keys when the custodian's own does not answer.
    #[must_use]
    pub fn with_replicas(self, replicas: &'a [VaultClient]) -> Self {
        Self { replicas, ..self }
    }

    /// Streams a first version's content to the vault, anchors it in public and describes it in private. The identity must be a custodian of
    /// the organisation. `metadata` names the document (a fresh random id) and its version 1.
    ///
    /// Fails with [`ArchiveError::Vault`] before anything is kept, and with [`ArchiveError::NotAnchored`] after.
    pub async fn anchor(
        &self,
        content: impl AsyncRead + Send + 'static,
        of: NewContent,
        metadata: DocumentMetadata,
    ) -> Result<(Deposit, Anchored), ArchiveError> {
        self.deposit(content, of, metadata, Place::New).await
    }

    /// As [`anchor`](Self::anchor), of the next version of a document that is current: `metadata` names the document, the version, and describes it anew.
    ///
    /// Fails with [`ArchiveError::NotAnchored`] where that is not the next version, or the document ended.
    pub async fn add_version(
        &self,
        content: impl AsyncRead + Send + 'static,
        of: NewContent,
        metadata: DocumentMetadata,
        relation: Relation,
    ) -> Result<(Deposit, Anchored), ArchiveError> {
        self.deposit(content, of, metadata, Place::Next(relation)).await
    }

    /// As [`anchor`](Self::anchor), of a new document that takes the place of `old`, which ends: a correction under an id of its own.
    ///
    /// Fails with [`ArchiveError::NotAnchored`] where `old` ended otherwise; the new document may be anchored and described then.
    pub async fn replace(
        &self,
        content: impl AsyncRead + Send + 'static,
        of: NewContent,
        metadata: DocumentMetadata,
        old: DocumentId,
        relation: Relation,
    ) -> Result<(Deposit, Anchored), ArchiveError> {
        let place = Place::InsteadOf {
            document: old,
            relation,
        };
        self.deposit(content, of, metadata, place).await
    }

    /// Anchors and describes what the vault keeps already. What an earlier attempt committed is passed over.
    pub async fn complete(&self, deposit: &Deposit) -> Result<Anchored, ArchiveError> {
        let completed = deposit.complete(self.health, self.custodian).await;
        completed.map_err(|source| ArchiveError::NotAnchored {
            deposit: Box::new(deposit.clone()),
            source,
        })
    }

    async fn deposit(
        &self,
        content: impl AsyncRead + Send + 'static,
        of: NewContent,
        metadata: DocumentMetadata,
        place: Place,
    ) -> Result<(Deposit, Anchored), ArchiveError> {
        if !place.takes(metadata.version) {
            return Err(ArchiveError::Version(metadata.version));
        }
        let request = UploadRequest {
            custodian: self.custodian.to_owned(),
            channel: self.health.consortium().channel.clone(),
            document: metadata.document,
            version: metadata.version,
            mime: of.mime,
            size: of.size,
            at: unix_now(),
        };
        let opening = self.vault.upload(self.identity, request, content).await?;
        let deposit = Deposit {
            opening,
            metadata,
            place,
        };
        let anchored = self.complete(&deposit).await?;
        Ok((deposit, anchored))
    }

    /// Makes an access for one document and gives its content, verified: an access transaction, its release, the comparison of the opening
    /// with the own organisation's ledger, then the bytes.
    ///
    /// Fails with [`VaultError::NotReleased`] where nothing is released, whatever the reason.
    pub async fn fetch(&self, record: RecordRequest) -> Result<VerifiedStream, ArchiveError> {
        let access = AccessRequest {
            documents: Some(vec![record.document]),
            ..record.access
        };
        let released = self.open(access).await?;
        let wanted = released.into_iter().find(|r| r.document == record.document);
        Ok(wanted
            .ok_or(ArchiveError::Vault(VaultError::NotReleased))?
            .content
            .stream())
    }

    /// Makes an access and gives whatever it opens, each record's opening compared with the own organisation's ledger. A category of which
    /// nothing is released is left out; [`VaultError::NotReleased`] where that is so for all.
    pub async fn open(&self, access: AccessRequest) -> Result<Vec<ReleasedRecord>, ArchiveError> {
        let kem = KemKeyPair::generate();
        let access = AccessRequest {
            kem_key: kem.public(),
            ..access
        };
        let categories = access.categories.clone();
        let committed = self
            .health
            .consents()
            .access(self.custodian, access)
            .send()
            .await?;
        let released = self.released(&committed.tx_id, categories, &kem).await?;
        if released.is_empty() {
            return Err(VaultError::NotReleased.into());
        }
        Ok(released)
    }

    /// Breaks the glass and gives the emergency summary, as [`open`](Self::open): under the same rule and in the same log, whichever of the
    /// custodian's vault and its replicas answers. The request's key-exchange key is replaced by a fresh one.
    ///
    /// No record at all says that the glass was rightly broken and opens nothing: there is no summary, or none that a broken glass opens. Another one opens
    /// nothing either. Fails with [`VaultError::NotReleased`] where it is not permitted, as for an unknown patient.
    pub async fn break_glass(&self, request: BreakGlassRequest) -> Result<Vec<ReleasedRecord>, ArchiveError> {
        let kem = KemKeyPair::generate();
        let request = BreakGlassRequest {
            kem_key: kem.public(),
            ..request
        };
        let committed = self
            .health
            .consents()
            .break_glass(self.custodian, request)
            .send()
            .await?;
        self.released(&committed.tx_id, vec![Category::EmergencySummary], &kem)
            .await
    }

    /// What a committed access opens, from the first vault that answers, each record's opening compared with the own organisation's ledger. Fails with
    /// [`VaultError::NotReleased`] if every category was refused.
    async fn released(
        &self,
        tx: &str,
        categories: Vec<Category>,
        kem: &KemKeyPair,
    ) -> Result<Vec<ReleasedRecord>, ArchiveError> {
        let tx: TxId = tx.parse().map_err(|_| ArchiveError::NoTransaction)?;
        let vaults = Vaults::new(self.vault.clone(), self.replicas.iter().cloned());
        let (mut released, mut answered) = (Vec::new(), false);
        for category in categories {
            let request = ReleaseRequest {
                custodian: self.custodian.to_owned(),
                channel: self.health.consortium().channel.clone(),
                tx: tx.clone(),
                categories: vec![category],
            };
            match vaults.released(self.identity, &request, kem).await {
                Ok(records) => {
                    answered = true;
                    released.extend(records);
                }
                Err(VaultError::NotReleased) => {}
                Err(other) => return Err(other.into()),
            }
        }
        if !answered {
            return Err(VaultError::NotReleased.into());
        }
        for record in &released {
            self.verify(record).await?;
        }
        Ok(released)
    }

    /// Compares a record's opening with the anchor on the own organisation's peer.
    async fn verify(&self, record: &ReleasedRecord) -> Result<(), ArchiveError> {
        let opening = record.content.opening().clone();
        let found = self
            .health
            .records()
            .verify(record.document, record.version, opening, record.proof.clone())
            .endorsed_by([self.identity.msp_id()])
            .send()
            .await?;
        match found {
            Verification::Match => Ok(()),
            found => Err(ArchiveError::NotTheAnchored {
                document: record.document,
                version: record.version,
                found,
            }),
        }
    }
}
