//! Erasure: asked for in private, decided in public by two organisations, then purged, confirmed and receipted in private.
//!
//! ```text
//! patient: request_erasure ─> open ─> approve ×2 (distinct organisations) ─> execute: head says erased   (public, channel majority)
//!                              └─> refuse (reason: explain)                    │ LEGAL_HOLD: hold or retention
//! purge_erased (both members) ─> confirm_erasure (each that held bytes) ─> erasure_receipt            (care_<custodian>)
//! ```
//!
//! No organisation erases alone: public state needs the channel's majority and two approvals, the purge is endorsed by custodian and regulator.

use super::corrections::{answer_key, correction_key, of_document};
use super::descriptions::{choice_key, metadata_key, summary_key};
use super::keeping::{keep, keeping, not_kept, taking};
use super::replicas::holders;
use super::{head_key, head_of};
use crate::caller::Caller;
use crate::consent::asked_by_patient;
use crate::identity::spend_nonce;
use crate::intent::{acted, check_nonce};
use crate::state::{Collection, Established, done, registered, tx_id};
use careledger_api::contracts::consent::Power;
use careledger_api::contracts::record::{
    ConfirmedErasure, DocumentHead, DocumentStatus, ERASURE_APPROVALS, EmergencySummary, Erasure,
    ErasureConfirmation, ErasureQuery, ErasureReceipt, ErasureRequest, ErasureRequestView, MAX_BACKUPS,
    MAX_PURGED, Purge, Step,
};
use careledger_api::event::EventKind;
use careledger_api::ids::{DocumentId, PatientId, Salt, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Who decides on an erasure at the custodian, and at a regulator.
const CUSTODIANS: [Role; 2] = [Role::Custodian, Role::Dpo];
const REGULATORS: [Role; 1] = [Role::Dpo];
/// Longest name of a backup, in bytes.
const MAX_BACKUP_NAME: usize = 128;

/// The value of `purged~D`.
#[derive(Serialize, Deserialize)]
struct Purged {
    tx: TxId,
    salt: Salt,
}

/// The value of `cnf~D~<organisation>`.
#[derive(Serialize, Deserialize)]
struct StoredConfirmation {
    confirmed: ConfirmedErasure,
    salt: Salt,
}

pub(super) fn open(ctx: &Context<'_>, document: &DocumentId) -> Result<Receipt, HealthError> {
    let (head, step) = taking(ctx, document, &CUSTODIANS, &REGULATORS)?;
    let mut keeping = keeping(ctx, document)?;
    let open = keeping.erasure.as_ref().is_some_and(|e| e.refused.is_none());
    if open || head.status == DocumentStatus::Erased {
        return Err(HealthError::ConflictState(
            "an erasure of the document is open or done".into(),
        ));
    }
    keeping.erasure = Some(Erasure {
        opened: step.tx,
        approvals: BTreeMap::new(),
        refused: None,
        executed: None,
    });
    keep(ctx, document, &keeping)
}

pub(super) fn approve(ctx: &Context<'_>, document: &DocumentId) -> Result<Receipt, HealthError> {
    on_open(ctx, document, &CUSTODIANS, |erasure, step, _| {
        if erasure.approvals.contains_key(&step.organisation) {
            return Err(HealthError::SodViolation(
                "this organisation approved already; another one is needed".into(),
            ));
        }
        erasure.approvals.insert(step.organisation.clone(), step);
        Ok(())
    })
}

pub(super) fn refuse(ctx: &Context<'_>, document: &DocumentId) -> Result<Receipt, HealthError> {
    on_open(ctx, document, &[Role::Dpo], |erasure, step, _| {
        erasure.refused = Some(step);
        Ok(())
    })
}

pub(super) fn execute(ctx: &Context<'_>, document: &DocumentId) -> Result<Receipt, HealthError> {
    not_kept(ctx, &keeping(ctx, document)?)?;
    on_open(ctx, document, &CUSTODIANS, |erasure, step, mut head| {
        if erasure.approvals.len() < ERASURE_APPROVALS {
            return Err(HealthError::ConflictState(
                "two organisations approve an erasure before it is executed".into(),
            ));
        }
        erasure.executed = Some(step.tx);
        head.status = DocumentStatus::Erased;
        Ok(ctx.put_json(&head_key(&head.document), &head)?)
    })
}

/// A step on an open erasure. `CONFLICT_STATE` if there is none.
fn on_open(
    ctx: &Context<'_>,
    document: &DocumentId,
    of_custodian: &[Role],
    act: impl FnOnce(&mut Erasure, Step, DocumentHead) -> Result<(), HealthError>,
) -> Result<Receipt, HealthError> {
    let (head, step) = taking(ctx, document, of_custodian, &REGULATORS)?;
    let mut keeping = keeping(ctx, document)?;
    let open = keeping
        .erasure
        .as_mut()
        .filter(|e| e.refused.is_none() && e.executed.is_none());
    let erasure =
        open.ok_or_else(|| HealthError::ConflictState("no erasure of the document is open".into()))?;
    act(erasure, step, head)?;
    keep(ctx, document, &keeping)
}

pub(super) fn request(
    ctx: &Context<'_>,
    custodian: &str,
    request: ErasureRequest,
    intent: &SignedIntent,
) -> Result<Receipt, HealthError> {
    let care = acted(ctx, custodian, &request.patient, intent, &request.salt)?;
    check_nonce(intent, request.nonce)?;
    if !care.exists(ctx, &metadata_key(&request.patient, &request.document))? {
        return Err(HealthError::NotFound);
    }
    spend_nonce(ctx, &care, intent, &request.salt)?;
    let key = request_key(&request.patient, &request.document);
    let view = ErasureRequestView {
        request,
        at: ctx.timestamp().seconds,
        tx: tx_id(ctx)?,
    };
    if !care.write_once(ctx, &key, &view)? {
        return Err(HealthError::Duplicate(
            "the patient asked for this erasure".into(),
        ));
    }
    done(ctx, EventKind::Record, Some(&care))
}

pub(super) fn requests(
    ctx: &ReadContext<'_>,
    custodian: &str,
) -> Result<Vec<ErasureRequestView>, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require_office(&consortium, custodian, &CUSTODIANS, &REGULATORS)?;
    let care = Collection::care(&consortium, custodian)?;
    let mut open = Vec::new();
    for view in care.list::<ErasureRequestView>(ctx, "ersreq~")? {
        let head: Option<DocumentHead> = ctx.get_json(&head_key(&view.request.document))?;
        if head.is_none_or(|head| head.status != DocumentStatus::Erased) {
            open.push(view);
        }
    }
    open.sort_by(|a, b| (a.at, &a.tx).cmp(&(b.at, &b.tx)));
    Ok(open)
}

pub(super) fn purge(ctx: &Context<'_>, custodian: &str, purge: &Purge) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require_office(&consortium, custodian, &CUSTODIANS, &REGULATORS)?;
    let care = Collection::care(&consortium, custodian)?;
    purge.salt.require_drawn()?;
    let documents: BTreeSet<DocumentId> = purge.documents.iter().copied().collect();
    let bounds = 1..=MAX_PURGED;
    if !bounds.contains(&documents.len())
        || documents.len() != purge.documents.len()
        || purge.corrections.len() > MAX_PURGED
    {
        return Err(HealthError::Limit(
            "1 to 64 documents are purged at a time, each once".into(),
        ));
    }
    let patient = &purge.patient;
    for document in &documents {
        let head = head_of(ctx, document)?;
        if head.status != DocumentStatus::Erased && head.custodian == custodian {
            return Err(HealthError::ConflictState(
                "only what was erased, or what another custodian accepted, is purged".into(),
            ));
        }
        ctx.private_purge(&care.name, &metadata_key(patient, document))?;
        ctx.private_purge(&care.name, &choice_key(patient, document))?;
        let purged = Purged {
            tx: tx_id(ctx)?,
            salt: purge.salt,
        };
        care.put(ctx, &purged_key(document), &purged)?;
    }
    // A summary that points at one of them goes as a whole, since its earlier values name it as well; the custodian publishes a new one.
    let summary: Option<EmergencySummary> = care.get(ctx, &summary_key(patient))?;
    if summary.is_some_and(|s| s.entries.iter().any(|e| documents.contains(&e.document))) {
        ctx.private_purge(&care.name, &summary_key(patient))?;
    }
    for nonce in &purge.corrections {
        if !of_document(ctx, &care, patient, nonce)?.is_some_and(|document| documents.contains(&document)) {
            return Err(HealthError::NotFound);
        }
        ctx.private_purge(&care.name, &correction_key(patient, nonce))?;
        ctx.private_purge(&care.name, &answer_key(patient, nonce))?;
    }
    done(ctx, EventKind::Record, Some(&care))
}

pub(super) fn confirm(
    ctx: &Context<'_>,
    custodian: &str,
    confirmation: ErasureConfirmation,
) -> Result<Receipt, HealthError> {
    let (consortium, caller) = receipting(ctx, custodian)?;
    let care = Collection::care(&consortium, custodian)?;
    let ErasureConfirmation {
        document,
        backups,
        salt,
    } = confirmation;
    salt.require_drawn()?;
    let named = |name: &String| (1..=MAX_BACKUP_NAME).contains(&name.len());
    if backups.len() > MAX_BACKUPS || !backups.iter().all(|b| named(&b.name)) {
        return Err(HealthError::Limit(
            "at most 16 backups are named, each with 1 to 128 bytes".into(),
        ));
    }
    if head_of(ctx, &document)?.status != DocumentStatus::Erased {
        return Err(HealthError::ConflictState("the document is not erased".into()));
    }
    let stored = StoredConfirmation {
        confirmed: ConfirmedErasure {
            organisation: caller.organisation.clone(),
            at: ctx.timestamp().seconds,
            tx: tx_id(ctx)?,
            backups,
        },
        salt,
    };
    if !care.write_once(ctx, &confirmation_key(&document, &caller.organisation), &stored)? {
        return Err(HealthError::Duplicate("this organisation confirmed".into()));
    }
    done(ctx, EventKind::Record, Some(&care))
}

pub(super) fn receipt(
    ctx: &ReadContext<'_>,
    custodian: &str,
    document: DocumentId,
) -> Result<ErasureReceipt, HealthError> {
    let (consortium, _) = receipting(ctx, custodian)?;
    receipt_of(
        ctx,
        &Collection::care(&consortium, custodian)?,
        custodian,
        document,
    )
}

pub(super) fn my_receipt(
    ctx: &ReadContext<'_>,
    custodian: &str,
    query: &ErasureQuery,
    intent: &SignedIntent,
) -> Result<ErasureReceipt, HealthError> {
    let care = asked_by_patient(
        ctx,
        custodian,
        (&query.patient, &query.reader),
        intent,
        Power::View,
    )?;
    if !care.exists(ctx, &request_key(&query.patient, &query.document))? {
        return Err(HealthError::NotFound);
    }
    receipt_of(ctx, &care, custodian, query.document)
}

fn receipt_of(
    ctx: &ReadContext<'_>,
    care: &Collection,
    custodian: &str,
    document: DocumentId,
) -> Result<ErasureReceipt, HealthError> {
    let erasure = keeping(ctx, &document)?
        .erasure
        .filter(|e| e.executed.is_some())
        .ok_or(HealthError::NotFound)?;
    let purged: Option<Purged> = care.get(ctx, &purged_key(&document))?;
    let stored: Vec<StoredConfirmation> = care.list(ctx, &confirmations_of(&document))?;
    let confirmations: Vec<ConfirmedErasure> = stored.into_iter().map(|s| s.confirmed).collect();
    let mut held = holders(ctx, care, &document)?;
    held.insert(custodian.to_owned());
    held.retain(|member| confirmations.iter().all(|c| c.organisation != *member));
    Ok(ErasureReceipt {
        document,
        erasure,
        purged: purged.map(|p| p.tx),
        confirmations,
        missing: held.into_iter().collect(),
    })
}

/// Who confirms and reads receipts.
fn receipting(ctx: &ReadContext<'_>, custodian: &str) -> Result<(Established, Caller), HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    let roles = [Role::Custodian, Role::Vault, Role::Dpo];
    caller.require_office(&consortium, custodian, &roles, &roles)?;
    Ok((consortium, caller))
}

fn request_key(patient: &PatientId, document: &DocumentId) -> String {
    format!("ersreq~{patient}~{document}")
}

fn purged_key(document: &DocumentId) -> String {
    format!("purged~{document}")
}

fn confirmations_of(document: &DocumentId) -> String {
    format!("cnf~{document}~")
}

fn confirmation_key(document: &DocumentId, organisation: &str) -> String {
    format!("{}{organisation}", confirmations_of(document))
}
