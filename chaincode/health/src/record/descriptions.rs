//! What `care_<custodian>` says of documents: descriptions, the emergency summary, reasons.

use super::anchors::{MAX_DOCUMENTS, heads};
use super::{head_of, text};
use crate::caller::Caller;
use crate::identity::{patient_key, spend_nonce};
use crate::intent::{acted, check_nonce};
use crate::state::{Collection, done, registered, tx_id};
use careledger_api::contracts::record::{
    DocumentMetadata, DocumentStatus, EmergencyChoice, EmergencySummary, Explanation, ExplanationView,
    LocatedDocument, MAX_SUMMARY,
};
use careledger_api::event::EventKind;
use careledger_api::ids::{DocumentId, PatientId, Salt, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most labels and codes of one document.
const MAX_ATTRIBUTES: usize = 32;
/// Who gives and reads reasons, in every member organisation of the collection.
const EXPLAINERS: [Role; 3] = [Role::Custodian, Role::Dpo, Role::Legal];

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

pub(super) fn describe(
    ctx: &Context<'_>,
    custodian: &str,
    metadata: &[DocumentMetadata],
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, &[Role::Custodian])?;
    let care = Collection::care(&consortium, custodian)?;
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
    let heads = heads(ctx, metadata.iter().map(|m| (&m.document, m.proof.as_ref())))?;
    for described in metadata {
        described.salt.require_drawn()?;
        if described.labels.len().max(described.codes.len()) > MAX_ATTRIBUTES {
            return Err(HealthError::Limit(
                "a document has at most 32 labels and 32 codes".into(),
            ));
        }
        let anchored = heads.get(&described.document).is_some_and(|head| {
            head.custodian == custodian
                && head.status != DocumentStatus::Erased
                && (1..=head.version).contains(&described.version)
        });
        if !anchored {
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

pub(super) fn choose_emergency(
    ctx: &Context<'_>,
    custodian: &str,
    choice: EmergencyChoice,
    intent: &SignedIntent,
) -> Result<Receipt, HealthError> {
    let care = acted(ctx, custodian, &choice.patient, intent, &choice.salt)?;
    check_nonce(intent, choice.nonce)?;
    spend_nonce(ctx, &care, intent, &choice.salt)?;
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
    care.put(ctx, &choice_key(&patient, &document), &stored)?;
    done(ctx, EventKind::Record, Some(&care))
}

pub(super) fn publish_summary(
    ctx: &Context<'_>,
    custodian: &str,
    summary: &EmergencySummary,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, &[Role::Custodian])?;
    let care = Collection::care(&consortium, custodian)?;
    summary.salt.require_drawn()?;
    let documents: BTreeSet<DocumentId> = summary.entries.iter().map(|e| e.document).collect();
    if summary.entries.len() > MAX_SUMMARY || documents.len() != summary.entries.len() {
        return Err(HealthError::Limit(
            "an emergency summary names at most 64 documents, each once".into(),
        ));
    }
    let mut keys = vec![patient_key(&summary.patient)];
    keys.extend(documents.iter().map(|d| metadata_key(&summary.patient, d)));
    for key in keys {
        if !care.exists(ctx, &key)? {
            return Err(HealthError::NotFound);
        }
    }
    care.put(ctx, &summary_key(&summary.patient), summary)?;
    done(ctx, EventKind::Record, Some(&care))
}

pub(super) fn explain(
    ctx: &Context<'_>,
    custodian: &str,
    explanation: Explanation,
) -> Result<Receipt, HealthError> {
    let (care, organisation) = explaining(ctx, custodian)?;
    explanation.salt.require_drawn()?;
    text(&explanation.reason)?;
    head_of(ctx, &explanation.document)?;
    let key = explanation_key(&explanation.act);
    let view = ExplanationView {
        explanation,
        organisation,
        at: ctx.timestamp().seconds,
    };
    if !care.write_once(ctx, &key, &view)? {
        return Err(HealthError::Duplicate("the act has its explanation".into()));
    }
    done(ctx, EventKind::Record, Some(&care))
}

pub(super) fn explanation(
    ctx: &ReadContext<'_>,
    custodian: &str,
    act: &TxId,
) -> Result<ExplanationView, HealthError> {
    let (care, _) = explaining(ctx, custodian)?;
    care.get(ctx, &explanation_key(act))?.ok_or(HealthError::NotFound)
}

pub(super) fn locate(
    ctx: &ReadContext<'_>,
    custodian: &str,
    patient: &PatientId,
) -> Result<Vec<LocatedDocument>, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, &[Role::Custodian, Role::Vault])?;
    let care = Collection::care(&consortium, custodian)?;
    described(ctx, &care, custodian, patient)
}

/// A patient's documents that are anchored and described, with the patient's word on the emergency summary. Halves are left out.
pub(crate) fn described(
    ctx: &ReadContext<'_>,
    care: &Collection,
    custodian: &str,
    patient: &PatientId,
) -> Result<Vec<DescribedDocument>, HealthError> {
    described_where(ctx, care, custodian, patient, |_| true)
}

/// As [`described`], of those documents of which `keep` holds: heads are read of no others.
pub(crate) fn described_where(
    ctx: &ReadContext<'_>,
    care: &Collection,
    custodian: &str,
    patient: &PatientId,
    keep: impl Fn(&DocumentMetadata) -> bool,
) -> Result<Vec<DescribedDocument>, HealthError> {
    let mut metadata: Vec<DocumentMetadata> = care.list(ctx, &format!("doc~{patient}~"))?;
    metadata.retain(keep);
    let choices: Vec<StoredChoice> = care.list(ctx, &format!("emg~{patient}~"))?;
    let choices: BTreeMap<DocumentId, bool> = choices.into_iter().map(|c| (c.document, c.include)).collect();
    let summary: Option<EmergencySummary> = care.get(ctx, &summary_key(patient))?;
    let published: BTreeSet<DocumentId> = summary
        .into_iter()
        .flat_map(|s| s.entries)
        .map(|e| e.document)
        .collect();
    let mut heads = heads(ctx, metadata.iter().map(|m| (&m.document, m.proof.as_ref())))?;
    let join = |metadata: DocumentMetadata| {
        let document = metadata.document;
        let head = heads.remove(&document).filter(|h| h.custodian == custodian)?;
        let emergency = choices
            .get(&document)
            .copied()
            .unwrap_or_else(|| metadata.emergency || published.contains(&document));
        Some(LocatedDocument {
            head,
            metadata,
            emergency,
        })
    };
    Ok(metadata.into_iter().filter_map(join).collect())
}

pub(super) fn metadata_key(patient: &PatientId, document: &DocumentId) -> String {
    format!("doc~{patient}~{document}")
}

pub(super) fn choice_key(patient: &PatientId, document: &DocumentId) -> String {
    format!("emg~{patient}~{document}")
}

pub(super) fn summary_key(patient: &PatientId) -> String {
    format!("sum~{patient}")
}

fn explanation_key(act: &TxId) -> String {
    format!("why~{act}")
}

/// The collection and the caller's organisation, for those who deal with reasons.
fn explaining(ctx: &ReadContext<'_>, custodian: &str) -> Result<(Collection, String), HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    caller.require_office(&consortium, custodian, &EXPLAINERS, &EXPLAINERS)?;
    Ok((Collection::care(&consortium, custodian)?, caller.organisation))
}
