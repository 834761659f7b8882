//! Guardians count for a year: the patient renews them, and is reminded in time.

use super::account::{RULES, change, lapses, listed, salt_for, tell};
use super::{load_for_stranger, notifying};
use crate::consent::is_dead;
use crate::state::tx_id;
use careledger_api::contracts::identity::{
    AccountStep, IdentityAct, LAPSING_ACCOUNTS, LapsingPage, LapsingQuery, REMINDER_SECONDS,
};
use careledger_api::ids::{PatientId, Salt, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::recovery::Act;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

/// The value of `remind~P~L`, whose L is when the first guardian lapses.
#[derive(Serialize, Deserialize)]
struct Reminder {
    tx: TxId,
    salt: Salt,
}

pub(super) fn renew(
    ctx: &Context<'_>,
    custodian: &str,
    step: &AccountStep,
    intent: &SignedIntent,
) -> Result<Receipt, HealthError> {
    let by = intent.intent.key;
    let act = (Act::Renew { by }, IdentityAct::GuardiansRenewed);
    change(ctx, custodian, step, intent, act)
}

pub(super) fn remind(ctx: &Context<'_>, custodian: &str, step: &AccountStep) -> Result<Receipt, HealthError> {
    let AccountStep { patient, salt } = step;
    let care = notifying(ctx, custodian)?;
    salt.require_drawn()?;
    let now = ctx.timestamp().seconds;
    let account = load_for_stranger(ctx, &care, patient)?
        .account
        .settled(&RULES, now);
    let lapse = lapses(&account)
        .filter(|lapse| is_near(*lapse, now))
        .ok_or_else(|| {
            HealthError::ConflictState("none of the patient's guardians lapses within 30 days".into())
        })?;
    let reminder = Reminder {
        tx: tx_id(ctx)?,
        salt: salt_for(ctx, salt, "reminder")?,
    };
    if !care.write_once(ctx, &reminder_key(patient, lapse), &reminder)? {
        return Err(HealthError::Duplicate("the patient was reminded of this".into()));
    }
    tell(ctx, &care, patient, IdentityAct::GuardiansLapse, salt)
}

pub(super) fn lapsing(
    ctx: &ReadContext<'_>,
    custodian: &str,
    query: &LapsingQuery,
) -> Result<LapsingPage, HealthError> {
    let care = notifying(ctx, custodian)?;
    let now = ctx.timestamp().seconds;
    let accounts = listed(ctx, &care, query.after.as_ref(), LAPSING_ACCOUNTS)?;
    let next = accounts.last().map(|(patient, _)| *patient);
    let next = next.filter(|_| accounts.len() == LAPSING_ACCOUNTS);
    let mut patients = Vec::new();
    for (patient, account) in accounts {
        if let Some(lapse) = lapses(&account).filter(|lapse| is_near(*lapse, now))
            && !care.exists(ctx, &reminder_key(&patient, lapse))?
            && !is_dead(ctx, &care, &patient)?
        {
            patients.push(patient);
        }
    }
    Ok(LapsingPage { patients, next })
}

/// Whether a lapse is near enough to tell of it, or has come.
fn is_near(lapse: i64, now: i64) -> bool {
    now >= lapse.saturating_sub(REMINDER_SECONDS)
}

fn reminder_key(patient: &PatientId, lapse: i64) -> String {
    format!("remind~{patient}~{lapse:016x}")
}
