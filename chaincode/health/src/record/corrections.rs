//! Patients' requests to correct a document, and the answers.

use super::descriptions::metadata_key;
use super::text;
use crate::caller::Caller;
use crate::consent::asked_by_patient;
use crate::identity::spend_nonce;
use crate::intent::{acted, check_nonce};
use crate::state::{Collection, done, registered};
use careledger_api::contracts::consent::{Power, SignedQuery};
use careledger_api::contracts::record::{Correction, CorrectionAnswer, CorrectionView};
use careledger_api::event::EventKind;
use careledger_api::ids::{DocumentId, Nonce, PatientId};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

/// Seconds in which a correction is answered: 60 days (45 CFR 164.526(b)(2)).
const ANSWER_SECONDS: i64 = 60 * 86_400;

/// The value of `cor~P~N`.
#[derive(Serialize, Deserialize)]
struct Stored {
    correction: Correction,
    at: i64,
}

pub(super) fn request(
    ctx: &Context<'_>,
    custodian: &str,
    correction: Correction,
    intent: &SignedIntent,
) -> Result<Receipt, HealthError> {
    text(&correction.text)?;
    let care = acted(ctx, custodian, &correction.patient, intent, &correction.salt)?;
    check_nonce(intent, correction.nonce)?;
    if !care.exists(ctx, &metadata_key(&correction.patient, &correction.document))? {
        return Err(HealthError::NotFound);
    }
    spend_nonce(ctx, &care, intent, &correction.salt)?;
    let key = correction_key(&correction.patient, &correction.nonce);
    let at = ctx.timestamp().seconds;
    if !care.write_once(ctx, &key, &Stored { correction, at })? {
        return Err(HealthError::Duplicate("the patient asked for this".into()));
    }
    done(ctx, EventKind::Record, Some(&care))
}

pub(super) fn respond(
    ctx: &Context<'_>,
    custodian: &str,
    answer: &CorrectionAnswer,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, &[Role::Custodian])?;
    let care = Collection::care(&consortium, custodian)?;
    answer.salt.require_drawn()?;
    text(&answer.text)?;
    if !care.exists(ctx, &correction_key(&answer.patient, &answer.correction))? {
        return Err(HealthError::NotFound);
    }
    if !care.write_once(ctx, &answer_key(&answer.patient, &answer.correction), answer)? {
        return Err(HealthError::Duplicate("the correction has its answer".into()));
    }
    done(ctx, EventKind::Record, Some(&care))
}

pub(super) fn corrections(
    ctx: &ReadContext<'_>,
    custodian: &str,
    patient: &PatientId,
) -> Result<Vec<CorrectionView>, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, &[Role::Custodian])?;
    list(ctx, &Collection::care(&consortium, custodian)?, patient)
}

pub(super) fn mine(
    ctx: &ReadContext<'_>,
    custodian: &str,
    query: &SignedQuery,
    intent: &SignedIntent,
) -> Result<Vec<CorrectionView>, HealthError> {
    let care = asked_by_patient(
        ctx,
        custodian,
        (&query.patient, &query.reader),
        intent,
        Power::View,
    )?;
    list(ctx, &care, &query.patient)
}

/// The document that a correction is about.
pub(super) fn of_document(
    ctx: &ReadContext<'_>,
    care: &Collection,
    patient: &PatientId,
    correction: &Nonce,
) -> Result<Option<DocumentId>, HealthError> {
    let stored: Option<Stored> = care.get(ctx, &correction_key(patient, correction))?;
    Ok(stored.map(|s| s.correction.document))
}

pub(super) fn correction_key(patient: &PatientId, correction: &Nonce) -> String {
    format!("cor~{patient}~{correction}")
}

pub(super) fn answer_key(patient: &PatientId, correction: &Nonce) -> String {
    format!("corans~{patient}~{correction}")
}

fn list(
    ctx: &ReadContext<'_>,
    care: &Collection,
    patient: &PatientId,
) -> Result<Vec<CorrectionView>, HealthError> {
    let stored: Vec<Stored> = care.list(ctx, &format!("cor~{patient}~"))?;
    let view = |Stored { correction, at }: Stored| {
        Ok(CorrectionView {
            answer: care.get(ctx, &answer_key(patient, &correction.nonce))?,
            correction,
            at,
            due: at.saturating_add(ANSWER_SECONDS),
        })
    };
    let mut views = stored
        .into_iter()
        .map(view)
        .collect::<Result<Vec<_>, HealthError>>()?;
    views.sort_by_key(|view| (view.at, view.correction.nonce));
    Ok(views)
}
