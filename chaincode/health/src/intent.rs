//! Signed intents against the ledger: is the key the patient's and live, and does the intent cover this call.

use crate::caller::Caller;
use crate::consent::authority::{Under, standing};
use crate::consent::{counts, is_dead};
use crate::identity::knows_key;
use crate::state::{Collection, Established, registered};
use careledger_api::HealthError;
use careledger_api::consortium::Consortium;
use careledger_api::contracts::consent::Power;
use careledger_api::ids::{KeyId, Nonce, PatientId, Salt, TxId};
use careledger_api::intent::{IntentScope, MAX_QUERY_SECONDS, SignedIntent};
use careledger_api::keys::PublicKey;
use fabric_contract_core::ReadContext;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
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

/// Checks an act of `patient`, signed with the patient's own key, whose only public argument is the custodian. `BAD_INTENT` for an unknown or revoked key as
/// for a bad signature: the answer does not tell whether the patient is known here. `FORBIDDEN` for whoever acts for the patient.
pub(crate) fn check_act(
    ctx: &ReadContext<'_>,
    consortium: &Consortium,
    care: &Collection,
    custodian: &str,
    patient: &PatientId,
    intent: &SignedIntent,
) -> Result<(), HealthError> {
    if intent.intent.authority.is_some() {
        return Err(HealthError::Forbidden(
            "only the patient's own key signs this act".into(),
        ));
    }
    check_act_with(ctx, consortium, care, custodian, patient, intent, &[]).map(drop)
}

/// The custodian's collection, after the checks of an act that the patient's own key signed ([`check_act`]) and any member's client carries. `SALT_MISSING`
/// without a drawn salt.
pub(crate) fn acted(
    ctx: &ReadContext<'_>,
    custodian: &str,
    patient: &PatientId,
    intent: &SignedIntent,
    salt: &Salt,
) -> Result<Collection, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require_member(&consortium)?;
    let care = Collection::care(&consortium, custodian)?;
    salt.require_drawn()?;
    check_act(ctx, &consortium, &care, custodian, patient, intent)?;
    Ok(care)
}

/// What an act starts from that the patient's key, or that of who may act for them, signed.
pub(crate) struct Acting {
    pub(crate) consortium: Established,
    pub(crate) care: Collection,
    /// The authority under which it was signed; none for the patient's own key.
    pub(crate) under: Option<Under>,
}

/// As [`acted`], also for who holds an authority over the patient that gives all these powers. Salts are checked by who calls.
pub(crate) fn acted_with(
    ctx: &ReadContext<'_>,
    custodian: &str,
    patient: &PatientId,
    intent: &SignedIntent,
    powers: &[Power],
) -> Result<Acting, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require_member(&consortium)?;
    let care = Collection::care(&consortium, custodian)?;
    let under = check_act_with(ctx, &consortium, &care, custodian, patient, intent, powers)?;
    Ok(Acting {
        consortium,
        care,
        under,
    })
}

/// As [`check_act`], also for who holds an authority over the patient that gives all these powers: the answer is that authority. `FORBIDDEN` if it
/// does not give them now, `BAD_INTENT` if there is none or it was ended.
pub(crate) fn check_act_with(
    ctx: &ReadContext<'_>,
    consortium: &Consortium,
    care: &Collection,
    custodian: &str,
    patient: &PatientId,
    intent: &SignedIntent,
    powers: &[Power],
) -> Result<Option<Under>, HealthError> {
    let unproven = || HealthError::BadIntent("the signature does not verify with the device key".into());
    if intent.intent.patient != *patient {
        return Err(HealthError::BadIntent("it was signed for another patient".into()));
    }
    let authority = match &intent.intent.authority {
        Some(id) => Some(standing(ctx, care, patient, id)?.ok_or_else(unproven)?),
        None => None,
    };
    // With a patient's death the patient's keys and every authority but an executor's end: as if they had been taken back.
    let alive = match &authority {
        Some(authority) => counts(ctx, care, patient, authority.relation)?,
        None => !is_dead(ctx, care, patient)?,
    };
    let signer = authority.as_ref().map_or(patient, |authority| &authority.holder);
    let key_id = &intent.intent.key;
    let stored: Option<StoredKey> = care.get(ctx, &key_key(signer, key_id))?;
    let revoked = care.exists(ctx, &key_revocation_key(signer, key_id))?;
    let stored = stored.filter(|_| !revoked && alive).ok_or_else(unproven)?;
    let now = ctx.timestamp().seconds;
    intent.verify(
        &scope(ctx, consortium),
        &(custodian,),
        ctx.transient(),
        &stored.key,
        now,
    )?;
    authority
        .map(|authority| authority.require(powers, now))
        .transpose()
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
    short_lived(intent)
}

/// As [`check_act_with`], for a question: nothing is spent, so the intent must be short-lived.
pub(crate) fn check_question_with(
    ctx: &ReadContext<'_>,
    consortium: &Consortium,
    care: &Collection,
    custodian: &str,
    patient: &PatientId,
    intent: &SignedIntent,
    powers: &[Power],
) -> Result<(), HealthError> {
    check_act_with(ctx, consortium, care, custodian, patient, intent, powers)?;
    short_lived(intent)
}

/// After the act's own check, which refused a period whose length overflows.
pub(crate) fn short_lived(intent: &SignedIntent) -> Result<(), HealthError> {
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

/// Whether a stored act is what `signer` signed: the same checks as when it was carried but for the time, which has passed. A key that was revoked since
/// still proves what it signed before, and so does an act that was signed for a channel on which the consortium was before: it was taken over as it lay there.
/// New acts are checked by [`check_act`] alone, which takes none but this channel's.
pub(crate) fn proves<T: Serialize>(
    ctx: &ReadContext<'_>,
    care: &Collection,
    scope: &IntentScope,
    custodian: &str,
    signer: &PatientId,
    (input, value): (&str, &T),
    intent: &SignedIntent,
) -> Result<bool, HealthError> {
    let stored: Option<StoredKey> = care.get(ctx, &key_key(signer, &intent.intent.key))?;
    let Some(stored) = stored else { return Ok(false) };
    if !knows_key(ctx, care, signer, &intent.intent.key)? {
        return Ok(false);
    }
    let inputs = BTreeMap::from([(input.to_owned(), careledger_api::hashing::canonical(value)?)]);
    let at = intent.intent.period.from;
    let mut scope = Cow::Borrowed(scope);
    if intent.intent.scope.channel != scope.channel
        && let Some(moved) = registered(ctx)?.moved_from
        && let Some(signed_for) = moved
            .channels()
            .find(|channel| *channel == intent.intent.scope.channel)
    {
        scope.to_mut().channel = signed_for.to_owned();
    }
    Ok(intent
        .verify(&scope, &(custodian,), &inputs, &stored.key, at)
        .is_ok())
}
