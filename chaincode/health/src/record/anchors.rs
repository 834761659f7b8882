//! Public anchors: what begins a document, adds to it and ends it.

use super::{head_key, own_head, version_key};
use crate::caller::Caller;
use crate::state::{done, registered, tx_id};
use careledger_api::consortium::OrganisationRole;
use careledger_api::contracts::record::{
    AnchoredBatch, BatchPlace, DocumentHead, DocumentStatus, DocumentVersion, NewDocument, Relation,
    Successor,
};
use careledger_api::event::EventKind;
use careledger_api::ids::{BatchId, DocumentId, Hash};
use careledger_api::merkle::batch::{BatchProof, MAX_BATCH};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use std::collections::{BTreeMap, BTreeSet};

/// Most documents of one transaction.
pub(super) const MAX_DOCUMENTS: usize = 512;

pub(super) fn anchor_many(ctx: &Context<'_>, documents: Vec<NewDocument>) -> Result<Receipt, HealthError> {
    let caller = keeper(ctx)?;
    let ids: BTreeSet<DocumentId> = documents.iter().map(|d| d.document).collect();
    if !(1..=MAX_DOCUMENTS).contains(&documents.len()) || ids.len() != documents.len() {
        return Err(HealthError::Limit(
            "1 to 512 documents are anchored at a time, each once".into(),
        ));
    }
    let keys: Vec<String> = documents.iter().map(|d| head_key(&d.document)).collect();
    if ctx.get_states(&keys)?.iter().any(Option::is_some) {
        return Err(HealthError::Duplicate(
            "a document id is taken; draw another".into(),
        ));
    }
    let tx = tx_id(ctx)?;
    for NewDocument { document, commitment } in documents {
        ctx.put_json(&head_key(&document), &first_head(document, &caller.organisation))?;
        let version = DocumentVersion {
            document,
            version: 1,
            commitment,
            relation: None,
            tx: tx.clone(),
            batch: None,
        };
        ctx.put_json(&version_key(&document, 1), &version)?;
    }
    done(ctx, EventKind::Record, None)
}

pub(super) fn anchor_batch(
    ctx: &Context<'_>,
    batch: BatchId,
    root: Hash,
    count: u32,
) -> Result<Receipt, HealthError> {
    let caller = keeper(ctx)?;
    if !(1..=MAX_BATCH).contains(&count) {
        return Err(HealthError::Limit("a batch has 1 to 4096 documents".into()));
    }
    let key = batch_key(&batch);
    if ctx.get_state(&key)?.is_some() {
        return Err(HealthError::Duplicate(
            "the batch id is taken; draw another".into(),
        ));
    }
    let anchored = AnchoredBatch {
        batch,
        custodian: caller.organisation,
        root,
        count,
        tx: tx_id(ctx)?,
    };
    ctx.put_json(&key, &anchored)?;
    done(ctx, EventKind::Record, None)
}

pub(super) fn unfold(
    ctx: &Context<'_>,
    document: DocumentId,
    proof: BatchProof,
) -> Result<Receipt, HealthError> {
    let anchored = batch(ctx, &proof.batch)?;
    let head = proven_head(&anchored, &document, &proof).ok_or(HealthError::NotFound)?;
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require_office(
        &consortium,
        &head.custodian,
        &[Role::Custodian, Role::Dpo, Role::Legal],
        &[Role::Dpo, Role::Legal],
    )?;
    if ctx.get_state(&head_key(&document))?.is_some() {
        return Err(HealthError::Duplicate("the document has its own head".into()));
    }
    ctx.put_json(&head_key(&document), &head)?;
    let version = DocumentVersion {
        document,
        version: 1,
        commitment: proof.commitment,
        relation: None,
        tx: anchored.tx,
        batch: Some(BatchPlace {
            batch: proof.batch,
            index: proof.index,
        }),
    };
    ctx.put_json(&version_key(&document, 1), &version)?;
    done(ctx, EventKind::Record, None)
}

/// A new version, by role `custodian`, or by role `dpo` where it redacts.
pub(super) fn add_version(
    ctx: &Context<'_>,
    document: DocumentId,
    version: u32,
    relation: Relation,
    commitment: Hash,
) -> Result<Receipt, HealthError> {
    let redacts = relation == Relation::Redacts;
    let role = if redacts { Role::Dpo } else { Role::Custodian };
    let mut head = own_head(ctx, &document, &[role])?;
    if head.status != DocumentStatus::Current || head.version.checked_add(1) != Some(version) {
        return Err(HealthError::ConflictState(format!(
            "the document is {} at version {}; the next version of a current document is expected",
            head.status, head.version
        )));
    }
    if redacts {
        head.redacted = head.version;
    }
    head.version = version;
    ctx.put_json(&head_key(&document), &head)?;
    let anchored = DocumentVersion {
        document,
        version,
        commitment,
        relation: Some(relation),
        tx: tx_id(ctx)?,
        batch: None,
    };
    ctx.put_json(&version_key(&document, version), &anchored)?;
    done(ctx, EventKind::Record, None)
}

pub(super) fn supersede(
    ctx: &Context<'_>,
    document: DocumentId,
    successor: Successor,
) -> Result<Receipt, HealthError> {
    let mut head = own_head(ctx, &document, &[Role::Custodian])?;
    if successor.document == document {
        return Err(HealthError::InvalidCode(
            "a document does not take its own place; add a version".into(),
        ));
    }
    if head.status != DocumentStatus::Superseded || head.successor != Some(successor) {
        require_current(&head)?;
        let next = own_head(ctx, &successor.document, &[Role::Custodian])?;
        require_current(&next)?;
    }
    head.status = DocumentStatus::Superseded;
    head.successor = Some(successor);
    ctx.put_json(&head_key(&document), &head)?;
    done(ctx, EventKind::Record, None)
}

pub(super) fn mark_error(ctx: &Context<'_>, document: DocumentId) -> Result<Receipt, HealthError> {
    let mut head = own_head(ctx, &document, &[Role::Custodian])?;
    if head.status != DocumentStatus::EnteredInError {
        require_current(&head)?;
    }
    head.status = DocumentStatus::EnteredInError;
    ctx.put_json(&head_key(&document), &head)?;
    done(ctx, EventKind::Record, None)
}

/// `CONFLICT_STATE` unless the newest version of the document counts.
pub(super) fn require_current(head: &DocumentHead) -> Result<(), HealthError> {
    if head.status == DocumentStatus::Current {
        Ok(())
    } else {
        Err(HealthError::ConflictState(format!(
            "the document is {}; a current one is expected",
            head.status
        )))
    }
}

/// A batch's anchor; `NOT_FOUND` without it.
pub(super) fn batch(ctx: &ReadContext<'_>, batch: &BatchId) -> Result<AnchoredBatch, HealthError> {
    ctx.get_json(&batch_key(batch))?.ok_or(HealthError::NotFound)
}

/// The head that a document of a batch has without one in public state; `None` if the proof does not hold.
pub(super) fn proven_head(
    anchored: &AnchoredBatch,
    document: &DocumentId,
    proof: &BatchProof,
) -> Option<DocumentHead> {
    let holds = proof.batch == anchored.batch
        && proof.count == anchored.count
        && proof.verify(document, &anchored.root);
    holds.then(|| first_head(*document, &anchored.custodian))
}

/// The heads of documents, by their own keys or by their batches' proofs; those without either are left out. For no document, and where no batch is to be
/// looked at, a key is read that is not there, so that it takes as long.
pub(crate) fn heads<'d>(
    ctx: &ReadContext<'_>,
    documents: impl Iterator<Item = (&'d DocumentId, Option<&'d BatchProof>)>,
) -> Result<BTreeMap<DocumentId, DocumentHead>, HealthError> {
    let documents: BTreeMap<&DocumentId, Option<&BatchProof>> = documents.collect();
    let mut found = BTreeMap::new();
    let mut keys: Vec<String> = documents.keys().map(|d| head_key(d)).collect();
    if keys.is_empty() {
        keys.push(head_key(&DocumentId::from_bytes([0; 16])));
    }
    for head in ctx.get_states(&keys)?.into_iter().flatten() {
        let head: DocumentHead = parsed(&head)?;
        found.insert(head.document, head);
    }
    let folded: Vec<(&DocumentId, &BatchProof)> = documents
        .into_iter()
        .filter(|(document, _)| !found.contains_key(document))
        .filter_map(|(document, proof)| Some((document, proof?)))
        .collect();
    let mut batches: BTreeSet<BatchId> = folded.iter().map(|(_, proof)| proof.batch).collect();
    if batches.is_empty() {
        batches.insert(BatchId::from_bytes([0; 16]));
    }
    let keys: Vec<String> = batches.iter().map(batch_key).collect();
    let mut anchored = BTreeMap::new();
    for batch in ctx.get_states(&keys)?.into_iter().flatten() {
        let batch: AnchoredBatch = parsed(&batch)?;
        anchored.insert(batch.batch, batch);
    }
    for (document, proof) in folded {
        let head = anchored
            .get(&proof.batch)
            .and_then(|batch| proven_head(batch, document, proof));
        found.extend(head.map(|head| (*document, head)));
    }
    Ok(found)
}

fn parsed<T: serde::de::DeserializeOwned>(value: &[u8]) -> Result<T, HealthError> {
    serde_json::from_slice(value)
        .map_err(|_| HealthError::Ledger("an anchor has another form than expected".into()))
}

/// A client that anchors: role `custodian` of a custodian.
fn keeper(ctx: &ReadContext<'_>) -> Result<Caller, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    caller.require_in(&consortium, OrganisationRole::Custodian, &[Role::Custodian])?;
    Ok(caller)
}

fn first_head(document: DocumentId, custodian: &str) -> DocumentHead {
    DocumentHead {
        document,
        custodian: custodian.to_owned(),
        version: 1,
        status: DocumentStatus::Current,
        redacted: 0,
        successor: None,
    }
}

fn batch_key(batch: &BatchId) -> String {
    format!("batch~{batch}")
}
