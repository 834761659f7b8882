//! Alerts at the point of care, logged under the access by which the summary was read.

use super::access::{PROFESSIONAL, asker, committed};
use crate::state::{Collection, done, tx_id};
use careledger_api::contracts::consent::{AlertEntry, AlertLog};
use careledger_api::event::EventKind;
use careledger_api::ids::{PatientId, TxId};
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::Context;
use serde::{Deserialize, Serialize};

/// The value of `alert~P~T`.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredAlert {
    pub(super) tx: TxId,
    pub(super) at: i64,
    pub(super) nanos: i32,
    pub(super) entry: AlertEntry,
}

/// Prefix of a patient's alerts.
pub(super) fn alerts_of(patient: &PatientId) -> String {
    format!("alert~{patient}~")
}

/// `NOT_FOUND` for an access that is not there as for another person's. What came of the access is not looked at: a refusal here would tell.
pub(super) fn log_alert(ctx: &Context<'_>, custodian: &str, log: AlertLog) -> Result<Receipt, HealthError> {
    let (consortium, requester) = asker(ctx, PROFESSIONAL)?;
    let care = Collection::care(&consortium, custodian)?;
    log.validate()?;
    let record = committed(ctx, &care, &log.access)?.filter(|r| r.requester.person == requester.person);
    let patient = record.and_then(|r| r.patient()).ok_or(HealthError::NotFound)?;
    let tx = tx_id(ctx)?;
    let key = format!("{}{tx}", alerts_of(&patient));
    let stored = StoredAlert {
        tx,
        at: ctx.timestamp().seconds,
        nanos: ctx.timestamp().nanos,
        entry: AlertEntry {
            organisation: requester.organisation,
            role: requester.role,
            log,
        },
    };
    care.put(ctx, &key, &stored)?;
    care.guard(ctx, &key)?;
    done(ctx, EventKind::Access, Some(&care))
}
