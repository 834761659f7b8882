//! Disputes: a patient objects to an access or a disclosure, the custodian's data protection officer answers.

use super::access::record_key;
use super::disclosure::disclosure_key;
use crate::caller::Caller;
use crate::identity::spend_nonce;
use crate::intent::{check_act, check_nonce};
use crate::state::{Collection, done, registered, tx_id};
use careledger_api::contracts::consent::{Dispute, DisputeAnswer};
use careledger_api::event::EventKind;
use careledger_api::ids::{PatientId, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::Context;
use serde::{Deserialize, Serialize};

/// The value of `disp~P~S`, S being the transaction objected to.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredDispute {
    pub(super) tx: TxId,
    pub(super) at: i64,
    pub(super) dispute: Dispute,
}

/// The value of `dispans~P~S`.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredAnswer {
    pub(super) answer: DisputeAnswer,
    tx: TxId,
    at: i64,
}

/// Prefix of a patient's disputes.
pub(super) fn disputes_of(patient: &PatientId) -> String {
    format!("disp~{patient}~")
}

/// Prefix of the answers to a patient's disputes.
pub(super) fn answers_of(patient: &PatientId) -> String {
    format!("dispans~{patient}~")
}

pub(super) fn dispute(
    ctx: &Context<'_>,
    custodian: &str,
    dispute: Dispute,
    intent: SignedIntent,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require_member(&consortium)?;
    let care = Collection::care(&consortium, custodian)?;
    dispute.validate()?;
    let patient = dispute.patient;
    check_act(ctx, &consortium, &care, custodian, &patient, &intent)?;
    check_nonce(&intent, dispute.nonce)?;
    spend_nonce(ctx, &care, &intent, &dispute.salt)?;
    let access = care.exists(ctx, &record_key(&patient, &dispute.subject))?;
    let disclosure = care.exists(ctx, &disclosure_key(&patient, &dispute.subject))?;
    if !(access || disclosure) {
        return Err(HealthError::NotFound);
    }
    let key = format!("{}{}", disputes_of(&patient), dispute.subject);
    let stored = StoredDispute {
        tx: tx_id(ctx)?,
        at: ctx.timestamp().seconds,
        dispute,
    };
    if !care.write_once(ctx, &key, &stored)? {
        return Err(HealthError::Duplicate("this act is disputed already".into()));
    }
    done(ctx, EventKind::Access, Some(&care))
}

pub(super) fn answer(
    ctx: &Context<'_>,
    custodian: &str,
    answer: DisputeAnswer,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, &[Role::Dpo])?;
    let care = Collection::care(&consortium, custodian)?;
    answer.validate()?;
    if !care.exists(
        ctx,
        &format!("{}{}", disputes_of(&answer.patient), answer.subject),
    )? {
        return Err(HealthError::NotFound);
    }
    let key = format!("{}{}", answers_of(&answer.patient), answer.subject);
    let stored = StoredAnswer {
        answer,
        tx: tx_id(ctx)?,
        at: ctx.timestamp().seconds,
    };
    if !care.write_once(ctx, &key, &stored)? {
        return Err(HealthError::Duplicate("this dispute is answered already".into()));
    }
    done(ctx, EventKind::Access, Some(&care))
}
