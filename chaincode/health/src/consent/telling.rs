//! Whether patients want to be told of accesses (EHDS, recital 16). The log is written whatever they want.

use crate::identity::spend_nonce;
use crate::intent::{acted, check_nonce};
use crate::state::{Collection, done, tx_id};
use careledger_api::contracts::consent::NotificationChoice;
use careledger_api::event::EventKind;
use careledger_api::ids::{PatientId, Salt, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

/// The value of `tell~P`.
#[derive(Serialize, Deserialize)]
struct StoredChoice {
    wanted: bool,
    tx: TxId,
    salt: Salt,
}

pub(super) fn choose_notifications(
    ctx: &Context<'_>,
    custodian: &str,
    choice: NotificationChoice,
    intent: &SignedIntent,
) -> Result<Receipt, HealthError> {
    let care = acted(ctx, custodian, &choice.patient, intent, &choice.salt)?;
    check_nonce(intent, choice.nonce)?;
    spend_nonce(ctx, &care, intent, &choice.salt)?;
    let stored = StoredChoice {
        wanted: choice.wanted,
        tx: tx_id(ctx)?,
        salt: choice.salt,
    };
    care.put(ctx, &choice_key(&choice.patient), &stored)?;
    done(ctx, EventKind::Consent, Some(&care))
}

/// Whether a patient wants to be told: yes, until the patient says no.
pub(super) fn wanted(
    ctx: &ReadContext<'_>,
    care: &Collection,
    patient: &PatientId,
) -> Result<bool, HealthError> {
    let stored: Option<StoredChoice> = care.get(ctx, &choice_key(patient))?;
    Ok(stored.is_none_or(|choice| choice.wanted))
}

fn choice_key(patient: &PatientId) -> String {
    format!("tell~{patient}")
}
