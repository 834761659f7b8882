//! Anchoring: from stored records to public anchors and private descriptions, in two transactions per batch.

use careledger_api::HealthError;
use careledger_api::codes::{Category, Code, Label};
use careledger_api::contracts::record::{DocumentMetadata, NewDocument};
use careledger_api::date::Date;
use careledger_api::ids::{DocumentId, Hash, PatientId};
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
        author: author.to_owned(),
        emergency: category == Category::EmergencySummary,
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
        });
    }
    Ok(anchored)
}

async fn describe(
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
