//! The record contract.

use crate::caller::Caller;
use crate::identity::{patient_key, spend_nonce};
use crate::intent::{check_act, check_nonce};
use crate::state::{Collection, done, registered, tx_id};
use careledger_api::consortium::OrganisationRole;
use careledger_api::contracts::identity::PatientQuery;
use careledger_api::contracts::record::{
    DocumentHead, DocumentMetadata, DocumentStatus, DocumentVersion, EmergencyChoice, LocatedDocument,
    NewDocument, Record, Relation, Verification,
};
use careledger_api::event::EventKind;
use careledger_api::ids::{DocumentId, Hash, PatientId, Salt, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::merkle::ContentOpening;
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most documents of one transaction.
const MAX_DOCUMENTS: usize = 512;
/// Most labels and codes of one document.
const MAX_ATTRIBUTES: usize = 32;

pub(crate) struct RecordRules;

/// A described document with its public head.
pub(crate) type DescribedDocument = LocatedDocument;

/// The value of `emg~P~D`.
#[derive(Serialize, Deserialize)]
struct StoredChoice {
    document: DocumentId,
    include: bool,
    tx: TxId,
    salt: Salt,
}

impl Record for RecordRules {
    fn anchor(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        commitment: Hash,
    ) -> Result<Receipt, HealthError> {
        self.anchor_many(ctx, vec![NewDocument { document, commitment }])
    }

    fn anchor_many(&self, ctx: &Context<'_>, documents: Vec<NewDocument>) -> Result<Receipt, HealthError> {
        let consortium = registered(ctx)?.consortium;
        let caller = Caller::of(ctx)?;
        caller.require_in(&consortium, OrganisationRole::Custodian, &[Role::Custodian])?;
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
            let status = DocumentStatus::Current;
            let head = DocumentHead {
                document,
                custodian: caller.organisation.clone(),
                version: 1,
                status,
            };
            ctx.put_json(&head_key(&document), &head)?;
            let version = DocumentVersion {
                document,
                version: 1,
                commitment,
                relation: None,
                tx: tx.clone(),
            };
            ctx.put_json(&version_key(&document, 1), &version)?;
        }
        done(ctx, EventKind::Record, None)
    }

    fn add_version(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        version: u32,
        relation: Relation,
        commitment: Hash,
    ) -> Result<Receipt, HealthError> {
        let mut head = own_head(ctx, &document)?;
        if head.status != DocumentStatus::Current || head.version.checked_add(1) != Some(version) {
            return Err(HealthError::ConflictState(format!(
                "the document is {} at version {}; the next version of a current document is expected",
                head.status, head.version
            )));
        }
        head.version = version;
        ctx.put_json(&head_key(&document), &head)?;
        let tx = tx_id(ctx)?;
        let anchored = DocumentVersion {
            document,
            version,
            commitment,
            relation: Some(relation),
            tx,
        };
        ctx.put_json(&version_key(&document, version), &anchored)?;
        done(ctx, EventKind::Record, None)
    }

    fn mark(
        &self,
        ctx: &Context<'_>,
        document: DocumentId,
        status: DocumentStatus,
    ) -> Result<Receipt, HealthError> {
        let mut head = own_head(ctx, &document)?;
        if head.status != DocumentStatus::Current && head.status != status {
            return Err(HealthError::ConflictState(format!(
                "the document is {} and stays so",
                head.status
            )));
        }
        head.status = status;
        ctx.put_json(&head_key(&document), &head)?;
        done(ctx, EventKind::Record, None)
    }

    fn describe(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        metadata: Vec<DocumentMetadata>,
    ) -> Result<Receipt, HealthError> {
        let consortium = registered(ctx)?.consortium;
        Caller::of(ctx)?.require(&custodian, &[Role::Custodian])?;
        let care = Collection::care(&consortium, &custodian)?;
        if !(1..=MAX_DOCUMENTS).contains(&metadata.len()) {
            return Err(HealthError::Limit(
                "1 to 512 documents are described at a time".into(),
            ));
        }
        let patients: BTreeSet<PatientId> = metadata.iter().map(|m| m.patient).collect();
        for patient in &patients {
            if !care.exists(ctx, &patient_key(patient))? {
                return Err(HealthError::NotFound);
            }
        }
        let heads = heads(ctx, metadata.iter().map(|m| &m.document))?;
        for described in &metadata {
            described.salt.require_drawn()?;
            if described.labels.len().max(described.codes.len()) > MAX_ATTRIBUTES {
                return Err(HealthError::Limit(
                    "a document has at most 32 labels and 32 codes".into(),
                ));
            }
            let anchored = heads
                .get(&described.document)
                .filter(|h| h.custodian == custodian);
            if !anchored.is_some_and(|head| (1..=head.version).contains(&described.version)) {
                return Err(HealthError::NotFound);
            }
            care.put(
                ctx,
                &metadata_key(&described.patient, &described.document),
                described,
            )?;
        }
        done(ctx, EventKind::Record, Some(&care))
    }

    fn choose_emergency(
        &self,
        ctx: &Context<'_>,
        custodian: String,
        choice: EmergencyChoice,
        intent: SignedIntent,
    ) -> Result<Receipt, HealthError> {
        let consortium = registered(ctx)?.consortium;
        Caller::of(ctx)?.require_member(&consortium)?;
        let care = Collection::care(&consortium, &custodian)?;
        choice.salt.require_drawn()?;
        check_act(ctx, &consortium, &care, &custodian, &choice.patient, &intent)?;
        check_nonce(&intent, choice.nonce)?;
        spend_nonce(ctx, &care, &intent, &choice.salt)?;
        let EmergencyChoice {
            patient,
            document,
            include,
            salt,
            ..
        } = choice;
        let stored = StoredChoice {
            document,
            include,
            tx: tx_id(ctx)?,
            salt,
        };
        care.put(ctx, &format!("{}{document}", choices_of(&patient)), &stored)?;
        done(ctx, EventKind::Record, Some(&care))
    }

    fn verify(
        &self,
        ctx: &ReadContext<'_>,
        document: DocumentId,
        version: u32,
        opening: ContentOpening,
    ) -> Result<Verification, HealthError> {
        let anchored = self.version(ctx, document, version)?;
        Ok(if opening.commitment() == anchored.commitment {
            Verification::Match
        } else {
            Verification::Mismatch
        })
    }

    fn head(&self, ctx: &ReadContext<'_>, document: DocumentId) -> Result<DocumentHead, HealthError> {
        ctx.get_json(&head_key(&document))?.ok_or(HealthError::NotFound)
    }

    fn version(
        &self,
        ctx: &ReadContext<'_>,
        document: DocumentId,
        version: u32,
    ) -> Result<DocumentVersion, HealthError> {
        ctx.get_json(&version_key(&document, version))?
            .ok_or(HealthError::NotFound)
    }

    fn locate(
        &self,
        ctx: &ReadContext<'_>,
        custodian: String,
        query: PatientQuery,
    ) -> Result<Vec<LocatedDocument>, HealthError> {
        let consortium = registered(ctx)?.consortium;
        Caller::of(ctx)?.require(&custodian, &[Role::Custodian, Role::Vault])?;
        let care = Collection::care(&consortium, &custodian)?;
        described(ctx, &care, &custodian, &query.patient)
    }
}

/// A patient's documents that are anchored and described, with the patient's word on the emergency summary. Halves are left out.
pub(crate) fn described(
    ctx: &ReadContext<'_>,
    care: &Collection,
    custodian: &str,
    patient: &PatientId,
) -> Result<Vec<DescribedDocument>, HealthError> {
    let metadata: Vec<DocumentMetadata> = care.list(ctx, &format!("doc~{patient}~"))?;
    let choices: Vec<StoredChoice> = care.list(ctx, &choices_of(patient))?;
    let choices: BTreeMap<DocumentId, bool> = choices.into_iter().map(|c| (c.document, c.include)).collect();
    let mut heads = heads(ctx, metadata.iter().map(|m| &m.document))?;
    let join = |metadata: DocumentMetadata| {
        let head = heads
            .remove(&metadata.document)
            .filter(|h| h.custodian == custodian)?;
        let emergency = choices
            .get(&metadata.document)
            .copied()
            .unwrap_or(metadata.emergency);
        Some(LocatedDocument {
            head,
            metadata,
            emergency,
        })
    };
    Ok(metadata.into_iter().filter_map(join).collect())
}

fn heads<'d>(
    ctx: &ReadContext<'_>,
    documents: impl Iterator<Item = &'d DocumentId>,
) -> Result<BTreeMap<DocumentId, DocumentHead>, HealthError> {
    let keys: Vec<String> = documents.map(head_key).collect();
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut found = BTreeMap::new();
    for value in ctx.get_states(&keys)?.into_iter().flatten() {
        let head: DocumentHead = serde_json::from_slice(&value)
            .map_err(|_| HealthError::Ledger("a document's head has another form than expected".into()))?;
        found.insert(head.document, head);
    }
    Ok(found)
}

/// The head of a document that the caller's organisation keeps.
fn own_head(ctx: &ReadContext<'_>, document: &DocumentId) -> Result<DocumentHead, HealthError> {
    let head: DocumentHead = ctx.get_json(&head_key(document))?.ok_or(HealthError::NotFound)?;
    Caller::of(ctx)?.require(&head.custodian, &[Role::Custodian])?;
    Ok(head)
}

fn head_key(document: &DocumentId) -> String {
    format!("doc~{document}")
}

fn version_key(document: &DocumentId, version: u32) -> String {
    format!("ver~{document}~{version}")
}

fn metadata_key(patient: &PatientId, document: &DocumentId) -> String {
    format!("doc~{patient}~{document}")
}

fn choices_of(patient: &PatientId) -> String {
    format!("emg~{patient}~")
}
