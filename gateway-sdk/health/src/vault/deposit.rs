//! A content that the vault keeps, on its way onto the ledger: a new document, a new version, or a document in another one's place.

use careledger_api::HealthError;
use careledger_api::contracts::record::{DocumentMetadata, Relation};
use careledger_api::ids::DocumentId;
use careledger_api::merkle::ContentOpening;

use crate::anchor::{Anchored, describe, unfold};
use crate::client::{HealthCallError, HealthClient};

/// A content that the vault keeps, with its description and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deposit {
    /// What opens the commitment.
    pub opening: ContentOpening,
    /// What consent decisions read.
    pub metadata: DocumentMetadata,
    /// Where it belongs.
    pub place: Place,
}

/// Where a content belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A new document.
    New,
    /// The next version of its document, which relates so to the one before. [`Relation::Redacts`] takes the role `dpo`.
    Next(Relation),
    /// A new document in the place of another one, which ends.
    InsteadOf {
        /// The document that ends.
        document: DocumentId,
        /// How the new one relates to it.
        relation: Relation,
    },
}

impl Place {
    /// Whether a content of this version can have this place.
    pub(super) fn takes(&self, version: u32) -> bool {
        match self {
            Self::New | Self::InsteadOf { .. } => version == 1,
            Self::Next(_) => version > 1,
        }
    }
}

impl Deposit {
    /// Anchors, describes and, where another document ends, ends it. What an earlier attempt committed is passed over.
    pub(super) async fn complete(
        &self,
        client: &HealthClient,
        custodian: &str,
    ) -> Result<Anchored, HealthCallError> {
        let anchor = self.anchored(client).await?;
        let described = describe(client, custodian, std::slice::from_ref(&self.metadata)).await?;
        let superseded = match self.place {
            Place::InsteadOf { document, relation } => {
                let by = self.metadata.document;
                // The same again is success.
                let ended = client.records().supersede(document, by, relation).send().await?;
                Some((ended.tx_id, ended.block_number))
            }
            Place::New | Place::Next(_) => None,
        };
        Ok(Anchored {
            anchor,
            describe: (described.tx_id, described.block_number),
            superseded,
        })
    }

    async fn anchored(&self, client: &HealthClient) -> Result<(String, u64), HealthCallError> {
        let DocumentMetadata {
            document,
            version,
            proof,
            ..
        } = &self.metadata;
        let (records, commitment) = (client.records(), self.opening.commitment());
        let sent = match self.place {
            Place::New | Place::InsteadOf { .. } => records.anchor(*document, commitment).send().await,
            Place::Next(relation) => {
                if let Some(proof) = proof {
                    unfold(client, *document, proof.clone()).await?;
                }
                match relation {
                    Relation::Redacts => records.redact(*document, *version, commitment).send().await,
                    relation => {
                        records
                            .add_version(*document, *version, relation, commitment)
                            .send()
                            .await
                    }
                }
            }
        };
        match sent {
            Ok(done) => Ok((done.tx_id, done.block_number)),
            // Perhaps by an attempt before this one.
            Err(HealthCallError::Contract(
                refused @ (HealthError::Duplicate(_) | HealthError::ConflictState(_)),
            )) => self
                .anchored_before(client)
                .await?
                .ok_or(HealthCallError::Contract(refused)),
            Err(error) => Err(error),
        }
    }

    /// The transaction that anchored this very content as this version, if one did.
    async fn anchored_before(&self, client: &HealthClient) -> Result<Option<(String, u64)>, HealthCallError> {
        let DocumentMetadata {
            document, version, ..
        } = &self.metadata;
        let found = match client.records().version(*document, *version).send().await {
            Ok(found) => found,
            Err(HealthCallError::Contract(HealthError::NotFound)) => return Ok(None),
            Err(error) => return Err(error),
        };
        if found.commitment != self.opening.commitment() {
            return Ok(None);
        }
        let committed = client
            .network()
            .commit_status(found.tx.as_str())
            .await
            .map_err(|error| HealthCallError::Transport(error.into()))?;
        Ok(Some((committed.transaction_id, committed.block_number)))
    }
}
