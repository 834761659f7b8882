//! Anchoring: from stored records to public anchors and private descriptions, in two transactions per step.
//!
//! [`anchor_records`] gives each document a head of its own. [`RecordBatch`] anchors a bulk of up to 4,096 under one root: what the chain holds for
//! ever is a root for all of them, and a document gets a head when it first changes ([`unfold`]).

use careledger_api::HealthError;
use careledger_api::codes::{Category, Code, Label};
use careledger_api::contracts::record::{DocumentMetadata, NewDocument};
use careledger_api::date::Date;
use careledger_api::ids::{BatchId, DocumentId, Hash, PatientId};
use careledger_api::merkle::batch::{Batch, BatchBuilder, BatchProof};
use fabric_contract_core::Committed;

use crate::client::{HealthCallError, HealthClient};
use crate::fhir;
use crate::wallet::salt;

/// The most documents of one transaction, as the record contract bounds it.
pub const BATCH: usize = 512;
/// How often a description is tried before it is given up: the anchor stands, and `locate` shows no half.
const DESCRIBE_ATTEMPTS: u32 = 5;

/// A document to anchor: its first version is in the vault already.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// A fresh random id.
    pub document: DocumentId,
    /// Commitment of the content.
    pub commitment: Hash,
    /// What consent decisions read.
    pub metadata: DocumentMetadata,
}

/// The transactions that anchored and described a batch.
#[derive(Debug, Clone)]
pub struct Anchored {
    /// The public anchor's transaction and its block.
    pub anchor: (String, u64),
    /// The private description's transaction and its block.
    pub describe: (String, u64),
    /// The transaction that ended the document in whose place this one is, and its block.
    pub superseded: Option<(String, u64)>,
}

/// The private description of a FHIR record, version 1. Fails with `INVALID_CODE` on a label or date that is not one.
pub fn metadata_of(
    record: &fhir::Record,
    patient: PatientId,
    document: DocumentId,
    author: &str,
) -> Result<DocumentMetadata, HealthError> {
    let labels = record
        .labels
        .iter()
        .map(|l| l.parse::<Label>())
        .collect::<Result<_, _>>()?;
    let date = record.date.as_deref().map(str::parse::<Date>).transpose()?;
    let category: Category = record.category.parse()?;
    Ok(DocumentMetadata {
        patient,
        document,
        version: 1,
        category,
        codes: record
            .code
            .iter()
            .map(|c| Code {
                system: c.system.clone(),
                code: c.code.clone(),
            })
            .collect(),
        labels,
        date,
        encounter: None,
        author: author.to_owned(),
        emergency: category == Category::EmergencySummary,
        proof: None,
        salt: salt(),
    })
}

/// Anchors and describes first versions, in batches of at most [`BATCH`]. The client needs the role `custodian` of `custodian`.
///
/// The description is repeated after a failure that may pass; the anchor is not, since its ids are taken once it is committed.
pub async fn anchor_records(
    client: &HealthClient,
    custodian: &str,
    records: Vec<NewRecord>,
) -> Result<Vec<Anchored>, HealthCallError> {
    let mut anchored = Vec::new();
    for batch in records.chunks(BATCH) {
        let documents = batch
            .iter()
            .map(|r| NewDocument {
                document: r.document,
                commitment: r.commitment,
            })
            .collect();
        let anchor = client.records().anchor_many(documents).send().await?;
        let metadata: Vec<DocumentMetadata> = batch.iter().map(|r| r.metadata.clone()).collect();
        let describe = describe(client, custodian, &metadata).await?;
        anchored.push(Anchored {
            anchor: (anchor.tx_id, anchor.block_number),
            describe: (describe.tx_id, describe.block_number),
            superseded: None,
        });
    }
    Ok(anchored)
}

/// A bulk of documents in the making: for each the next id, its content into the vault under that id, then [`push`](Self::push).
#[derive(Debug)]
pub struct RecordBatch {
    builder: BatchBuilder,
    metadata: Vec<DocumentMetadata>,
}

impl Default for RecordBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl RecordBatch {
    /// An empty bulk under a fresh random id.
    pub fn new() -> Self {
        Self {
            builder: BatchBuilder::new(BatchId::from_bytes(rand::random()), salt()),
            metadata: Vec::new(),
        }
    }

    /// The id of the document that is pushed next. Ids of a batch follow from their places in it.
    pub fn next_document(&self) -> DocumentId {
        self.builder.next_document()
    }

    /// Adds the next document's first version. `LIMIT` past 4,096, `INVALID_CODE` if the description is of another document or version.
    pub fn push(&mut self, commitment: Hash, metadata: DocumentMetadata) -> Result<(), HealthError> {
        if (metadata.document, metadata.version) != (self.next_document(), 1) {
            return Err(HealthError::InvalidCode(
                "the description is of another document than the batch's next, or not of version 1".into(),
            ));
        }
        self.builder.push(commitment)?;
        self.metadata.push(metadata);
        Ok(())
    }

    /// Closes the bulk. `LIMIT` if it is empty.
    pub fn finish(self) -> Result<FinishedBatch, HealthError> {
        let batch = self.builder.finish()?;
        let mut metadata = self.metadata;
        for (described, document) in metadata.iter_mut().zip(&batch.documents) {
            described.proof = Some(document.proof.clone());
        }
        Ok(FinishedBatch { batch, metadata })
    }
}

/// A bulk of documents with their proofs, to be anchored and described. Keep it until [`anchor`](Self::anchor) succeeds: the proofs are nowhere else.
#[derive(Debug, Clone)]
pub struct FinishedBatch {
    batch: Batch,
    metadata: Vec<DocumentMetadata>,
}

/// The transactions that anchored and described a bulk.
#[derive(Debug, Clone)]
pub struct AnchoredBulk {
    /// The batch's id.
    pub batch: BatchId,
    /// The public root's transaction and its block; none where an earlier attempt had committed it.
    pub anchor: Option<(String, u64)>,
    /// The private descriptions' transactions and their blocks.
    pub describe: Vec<(String, u64)>,
}

impl FinishedBatch {
    /// The batch with its proofs.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Anchors the root and describes the documents. The client needs the role `custodian` of `custodian`. Calling it again after a failure goes on
    /// where it ended: a root that is anchored already is compared, descriptions are written again.
    pub async fn anchor(
        &self,
        client: &HealthClient,
        custodian: &str,
    ) -> Result<AnchoredBulk, HealthCallError> {
        let Batch {
            batch, root, count, ..
        } = self.batch;
        let anchor = match client.records().anchor_batch(batch, root, count).send().await {
            Ok(committed) => Some((committed.tx_id, committed.block_number)),
            Err(HealthCallError::Contract(HealthError::Duplicate(reason))) => {
                let anchored = client.records().batch(batch).send().await?;
                if (anchored.root, anchored.count) != (root, count) {
                    return Err(HealthCallError::Contract(HealthError::Duplicate(reason)));
                }
                None
            }
            Err(error) => return Err(error),
        };
        let mut committed = Vec::new();
        for metadata in self.metadata.chunks(BATCH) {
            let done = describe(client, custodian, metadata).await?;
            committed.push((done.tx_id, done.block_number));
        }
        Ok(AnchoredBulk {
            batch,
            anchor,
            describe: committed,
        })
    }
}

/// Gives a document of a batch its own head, which every change of it needs first. That it has one already is success.
pub async fn unfold(
    client: &HealthClient,
    document: DocumentId,
    proof: BatchProof,
) -> Result<(), HealthCallError> {
    match client.records().unfold(document, proof).send().await {
        Ok(_) | Err(HealthCallError::Contract(HealthError::Duplicate(_))) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Describes anchored documents, again after a failure that may pass.
pub(crate) async fn describe(
    client: &HealthClient,
    custodian: &str,
    metadata: &[DocumentMetadata],
) -> Result<Committed<careledger_api::Receipt>, HealthCallError> {
    let mut attempt = 1;
    loop {
        let result = client
            .records()
            .describe(custodian.to_owned(), metadata.to_vec())
            .send()
            .await;
        match result {
            // Repeating a description is harmless, also where the first one may have been committed after all.
            Err(HealthCallError::Transport(error)) if attempt < DESCRIBE_ATTEMPTS => {
                tracing::warn!(%error, attempt, "a description was not committed, trying again");
                tokio::time::sleep(std::time::Duration::from_millis(200 << attempt)).await;
                attempt += 1;
            }
            other => return other,
        }
    }
}
