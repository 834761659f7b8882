//! Signed intents against the ledger: is the key the patient's and live, and does the intent cover this call.

use crate::state::Collection;
use careledger_api::HealthError;
use careledger_api::consortium::Consortium;
use careledger_api::ids::{KeyId, Nonce, PatientId, Salt, TxId};
use careledger_api::intent::{IntentScope, MAX_QUERY_SECONDS, SignedIntent};
use careledger_api::keys::PublicKey;
use fabric_contract_core::ReadContext;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A device key in a care collection.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredKey {
    pub(crate) key: PublicKey,
    pub(crate) added: TxId,
    pub(crate) salt: Salt,
}

pub(crate) fn key_key(patient: &PatientId, key: &KeyId) -> String {
    format!("key~{patient}~{key}")
}

pub(crate) fn key_revocation_key(patient: &PatientId, key: &KeyId) -> String {
    format!("keyrev~{patient}~{key}")
}

/// What an intent for the running function must name.
pub(crate) fn scope(ctx: &ReadContext<'_>, consortium: &Consortium) -> IntentScope {
    IntentScope {
        consortium: consortium.id.clone(),
        channel: ctx.channel_id().to_owned(),
        chaincode: ctx.chaincode().to_owned(),
        contract: ctx.contract().to_owned(),
        function: ctx.function().to_owned(),
    }
}

/// Checks an act of `patient` whose only public argument is the custodian. `BAD_INTENT` for an unknown or revoked key as for a bad signature:
/// the answer does not tell whether the patient is known here.
pub(crate) fn check_act(
    ctx: &ReadContext<'_>,
    consortium: &Consortium,
    care: &Collection,
    custodian: &str,
    patient: &PatientId,
    intent: &SignedIntent,
) -> Result<(), HealthError> {
    if intent.intent.patient != *patient {
        return Err(HealthError::BadIntent("it was signed for another patient".into()));
    }
    let key_id = &intent.intent.key;
    let stored: Option<StoredKey> = care.get(ctx, &key_key(patient, key_id))?;
    let revoked = care.exists(ctx, &key_revocation_key(patient, key_id))?;
    let Some(stored) = stored.filter(|_| !revoked) else {
        return Err(HealthError::BadIntent(
            "the signature does not verify with the device key".into(),
        ));
    };
    intent.verify(
        &scope(ctx, consortium),
        &(custodian,),
        ctx.transient(),
        &stored.key,
        ctx.timestamp().seconds,
    )
}

/// As [`check_act`], for a question: nothing is spent, so the intent must be short-lived.
pub(crate) fn check_question(
    ctx: &ReadContext<'_>,
    consortium: &Consortium,
    care: &Collection,
    custodian: &str,
    patient: &PatientId,
    intent: &SignedIntent,
) -> Result<(), HealthError> {
    check_act(ctx, consortium, care, custodian, patient, intent)?;
    // `check_act` refused a period whose length overflows.
    if intent.intent.period.until - intent.intent.period.from > MAX_QUERY_SECONDS {
        return Err(HealthError::BadIntent(
            "an intent that asks a question lives at most 10 minutes".into(),
        ));
    }
    Ok(())
}

/// The nonce must be what the act prescribes.
pub(crate) fn check_nonce(intent: &SignedIntent, expected: Nonce) -> Result<(), HealthError> {
    if intent.intent.nonce == expected {
        Ok(())
    } else {
        Err(HealthError::BadIntent(
            "its nonce is not that of what it creates".into(),
        ))
    }
}

/// Whether a stored consent is what its patient signed: the same checks as at its grant but for the time, which has passed. A key that was
/// revoked since still proves what it signed before.
pub(crate) fn proves<T: Serialize>(
    ctx: &ReadContext<'_>,
    care: &Collection,
    scope: &IntentScope,
    custodian: &str,
    (input, value): (&str, &T),
    intent: &SignedIntent,
) -> Result<bool, HealthError> {
    let stored: Option<StoredKey> = care.get(ctx, &key_key(&intent.intent.patient, &intent.intent.key))?;
    let Some(stored) = stored else { return Ok(false) };
    let inputs = BTreeMap::from([(input.to_owned(), careledger_api::hashing::canonical(value)?)]);
    let at = intent.intent.period.from;
    Ok(intent
        .verify(scope, &(custodian,), &inputs, &stored.key, at)
        .is_ok())
}
