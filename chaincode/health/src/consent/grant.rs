//! Granting a consent, putting another in its place, taking consents back.

use super::authority::write_again;
use super::filing::{Filing, NewGrant, file, salt_of, take_back};
use super::held::{Ended, consent_key, revocation_key};
use crate::identity::spend_nonce;
use crate::intent::{Acting, acted_with, check_nonce};
use crate::state::{done, tx_id};
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
    consent.validate()?;
    if consent.supersedes.is_some() {
        return Err(HealthError::InvalidCode(
            "a consent that takes another's place is an amendment".into(),
        ));
    }
    let (patient, salt) = (consent.patient, consent.salt);
    let Acting {
        consortium,
        care,
        under,
    } = acted_with(ctx, custodian, &patient, &intent, &[Power::Grant])?;
    check_nonce(&intent, consent.id.nonce())?;
    let new = NewGrant {
        consent,
        intent,
        under,
        answers: None,
    };
    let filing = Filing::Consent(Box::new(new));
    file(ctx, &consortium, &care, &patient, filing, &salt)?;
    done(ctx, EventKind::Consent, Some(&care))
}

/// The new consent is filed and the old one's revocation written in one transaction: neither counts beside the other.
pub(super) fn amend(
    ctx: &Context<'_>,
    custodian: &str,
    consent: Consent,
    intent: SignedIntent,
) -> Result<Receipt, HealthError> {
    consent.validate()?;
    let Some(old) = consent.supersedes else {
        return Err(HealthError::InvalidCode(
            "an amendment names the consent whose place it takes".into(),
        ));
    };
    let (id, patient, salt) = (consent.id, consent.patient, consent.salt);
    let powers = [Power::Grant, Power::Revoke];
    let Acting {
        consortium,
        care,
        under,
    } = acted_with(ctx, custodian, &patient, &intent, &powers)?;
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
    let filing = Filing::Consent(Box::new(new));
    file(ctx, &consortium, &care, &patient, filing, &salt)?;
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
    revocation.validate()?;
    let Revocation {
        patient,
        taken,
        reason,
        salt,
    } = revocation;
    let Acting { care, .. } = acted_with(ctx, custodian, &patient, &intent, &[Power::Revoke])?;
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
