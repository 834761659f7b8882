//! Granting a consent, putting another in its place, taking consents back.

use super::authority::write_again;
use super::filing::{Filing, NewGrant, file, salt_of, take_back};
use super::held::{Ended, consent_key, revocation_key};
use crate::caller::Caller;
use crate::identity::spend_nonce;
use crate::intent::{check_act_with, check_nonce};
use crate::state::{Collection, done, registered, tx_id};
use careledger_api::contracts::consent::{Consent, EndedBy, Power, Revocation};
use careledger_api::event::EventKind;
use careledger_api::intent::SignedIntent;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::Context;

pub(super) fn grant(
    ctx: &Context<'_>,
    custodian: &str,
    consent: Consent,
    intent: SignedIntent,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require_member(&consortium)?;
    let care = Collection::care(&consortium, custodian)?;
    consent.validate()?;
    if consent.supersedes.is_some() {
        return Err(HealthError::InvalidCode(
            "a consent that takes another's place is an amendment".into(),
        ));
    }
    let (patient, salt) = (consent.patient, consent.salt);
    let under = check_act_with(
        ctx,
        &consortium,
        &care,
        custodian,
        &patient,
        &intent,
        &[Power::Grant],
    )?;
    check_nonce(&intent, consent.id.nonce())?;
    let new = NewGrant {
        consent,
        intent,
        under,
        answers: None,
    };
    file(
        ctx,
        &consortium,
        &care,
        &patient,
        Filing::Consent(Box::new(new)),
        None,
        &salt,
    )?;
    done(ctx, EventKind::Consent, Some(&care))
}

/// The new consent is filed and the old one's revocation written in one transaction: neither counts beside the other.
pub(super) fn amend(
    ctx: &Context<'_>,
    custodian: &str,
    consent: Consent,
    intent: SignedIntent,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require_member(&consortium)?;
    let care = Collection::care(&consortium, custodian)?;
    consent.validate()?;
    let Some(old) = consent.supersedes else {
        return Err(HealthError::InvalidCode(
            "an amendment names the consent whose place it takes".into(),
        ));
    };
    let (id, patient, salt) = (consent.id, consent.patient, consent.salt);
    let powers = [Power::Grant, Power::Revoke];
    let under = check_act_with(ctx, &consortium, &care, custodian, &patient, &intent, &powers)?;
    check_nonce(&intent, id.nonce())?;
    if !care.exists(ctx, &consent_key(&patient, &old))? {
        return Err(HealthError::NotFound);
    }
    let ended = Ended {
        tx: tx_id(ctx)?,
        at: ctx.timestamp().seconds,
        by: ended_by(&intent),
        reason: None,
        successor: Some(id),
        salt: salt_of(&salt, "supersession", old.as_bytes()),
    };
    let new = NewGrant {
        consent,
        intent,
        under,
        answers: None,
    };
    file(
        ctx,
        &consortium,
        &care,
        &patient,
        Filing::Consent(Box::new(new)),
        Some(old),
        &salt,
    )?;
    if !care.write_once(ctx, &revocation_key(&patient, &old), &ended)? {
        return Err(HealthError::ConflictState(
            "the consent to amend was taken back or has a successor".into(),
        ));
    }
    done(ctx, EventKind::Consent, Some(&care))
}

/// Carried a second time, a revocation changes nothing: the first one stands, and what was granted since is not its business.
pub(super) fn revoke(
    ctx: &Context<'_>,
    custodian: &str,
    revocation: Revocation,
    intent: SignedIntent,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require_member(&consortium)?;
    let care = Collection::care(&consortium, custodian)?;
    revocation.validate()?;
    let Revocation {
        patient,
        taken,
        reason,
        salt,
    } = revocation;
    check_act_with(
        ctx,
        &consortium,
        &care,
        custodian,
        &patient,
        &intent,
        &[Power::Revoke],
    )?;
    match spend_nonce(ctx, &care, &intent, &salt) {
        Ok(()) => take_back(ctx, &care, &patient, &taken, (ended_by(&intent), reason), &salt)?,
        Err(HealthError::Replayed(_)) => write_again(ctx, &care, &salt)?,
        Err(other) => return Err(other),
    }
    done(ctx, EventKind::Consent, Some(&care))
}

pub(super) fn ended_by(intent: &SignedIntent) -> EndedBy {
    intent.intent.authority.map_or(EndedBy::Patient, EndedBy::Holder)
}
