//! Disclosures made outside the ledger, and receipts of delivered notifications.

use super::access::record_key;
use crate::caller::Caller;
use crate::identity::patient_key;
use crate::state::{Collection, done, registered, tx_id};
use careledger_api::contracts::consent::{Delivery, Disclosure, MAX_DELIVERIES};
use careledger_api::event::EventKind;
use careledger_api::ids::{PatientId, TxId};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::Context;
use serde::{Deserialize, Serialize};

/// The value of `disc~P~T`.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredDisclosure {
    pub(super) tx: TxId,
    pub(super) at: i64,
    pub(super) nanos: i32,
    pub(super) disclosure: Disclosure,
}

/// Prefix of a patient's disclosures.
pub(super) fn disclosures_of(patient: &PatientId) -> String {
    format!("disc~{patient}~")
}

/// Prefix of a patient's receipts of notifications.
pub(super) fn deliveries_of(patient: &PatientId) -> String {
    format!("ack~{patient}~")
}

pub(super) fn disclosure_key(patient: &PatientId, tx: &TxId) -> String {
    format!("{}{tx}", disclosures_of(patient))
}

pub(super) fn record_disclosure(
    ctx: &Context<'_>,
    custodian: &str,
    disclosure: Disclosure,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, &[Role::Custodian])?;
    let care = Collection::care(&consortium, custodian)?;
    disclosure.validate()?;
    if !care.exists(ctx, &patient_key(&disclosure.patient))? {
        return Err(HealthError::NotFound);
    }
    let tx = tx_id(ctx)?;
    let key = disclosure_key(&disclosure.patient, &tx);
    let stored = StoredDisclosure {
        tx,
        at: ctx.timestamp().seconds,
        nanos: ctx.timestamp().nanos,
        disclosure,
    };
    care.put(ctx, &key, &stored)?;
    care.guard(ctx, &key)?;
    done(ctx, EventKind::Access, Some(&care))
}

pub(super) fn ack_notification(
    ctx: &Context<'_>,
    custodian: &str,
    deliveries: Vec<Delivery>,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, &[Role::Notifier])?;
    let care = Collection::care(&consortium, custodian)?;
    if !(1..=MAX_DELIVERIES).contains(&deliveries.len()) {
        return Err(HealthError::Limit(
            "1 to 64 receipts are written at a time".into(),
        ));
    }
    let mut written = false;
    for delivery in &deliveries {
        delivery.salt.require_drawn()?;
        if !care.exists(ctx, &record_key(&delivery.patient, &delivery.subject))? {
            return Err(HealthError::NotFound);
        }
        let key = format!("{}{}", deliveries_of(&delivery.patient), delivery.subject);
        written |= care.write_once(ctx, &key, delivery)?;
    }
    if !written {
        return Err(HealthError::Duplicate(
            "these receipts are written already".into(),
        ));
    }
    done(ctx, EventKind::Access, Some(&care))
}
