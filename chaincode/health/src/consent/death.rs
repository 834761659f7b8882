//! A patient's death, which two officers register: from then on nobody acts in the patient's name but an executor.
//!
//! What the patient decided stays as it was signed, until it ends by itself or an executor, who stands in the patient's place (45 CFR 164.502(g)(4)),
//! takes it back. Delegations, guardianships and proxies end with the patient; so do the patient's own keys, whoever holds them now.
//!
//! The mark lies in `wards~P`, which two organisations guard from enrolment on: under a key of its own, one organisation with altered code could write it
//! and silence a patient who lives.

use super::guardians::Wards;
use crate::state::Collection;
use careledger_api::HealthError;
use careledger_api::contracts::consent::Relation;
use careledger_api::date::Date;
use careledger_api::ids::{ActId, PatientId, Salt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

/// A death as it was registered.
#[derive(Serialize, Deserialize)]
pub(super) struct Death {
    on: Date,
    act: ActId,
}

/// Whether a death is registered. Where the body that says so is withheld from this peer, the patient is taken to live: whoever withholds it could
/// otherwise keep the patient from revoking.
pub(crate) fn is_dead(
    ctx: &ReadContext<'_>,
    care: &Collection,
    patient: &PatientId,
) -> Result<bool, HealthError> {
    match Wards::load(ctx, care, patient) {
        Ok(wards) => Ok(wards.death.is_some()),
        Err(HealthError::NotFound | HealthError::Ledger(_)) => Ok(false),
        Err(other) => Err(other),
    }
}

/// Whether an authority of this kind counts: an executor's once the patient is dead, all others until then.
pub(crate) fn counts(
    ctx: &ReadContext<'_>,
    care: &Collection,
    patient: &PatientId,
    relation: Relation,
) -> Result<bool, HealthError> {
    Ok(is_dead(ctx, care, patient)? == (relation == Relation::Executor))
}

impl Wards {
    /// `CONFLICT_STATE` for an executor of somebody who lives, or anybody else for somebody who does not.
    pub(super) fn require_counts(&self, relation: Relation) -> Result<(), HealthError> {
        if self.death.is_some() == (relation == Relation::Executor) {
            Ok(())
        } else {
            Err(HealthError::ConflictState(
                "an executor is registered after the patient's death, and nobody else then".into(),
            ))
        }
    }
}

/// Registers a death. `CONFLICT_STATE` if one is registered, `INVALID_CODE` for a day that has not come.
pub(super) fn register(
    ctx: &Context<'_>,
    care: &Collection,
    patient: &PatientId,
    (on, act): (Date, ActId),
    salt: &Salt,
) -> Result<(), HealthError> {
    // A day begins up to fourteen hours earlier elsewhere than in UTC.
    if on > Date::from_unix(ctx.timestamp().seconds.saturating_add(14 * 3_600))? {
        return Err(HealthError::InvalidCode(
            "the day of a death is not in the future".into(),
        ));
    }
    let mut wards = Wards::load(ctx, care, patient)?;
    if wards.death.replace(Death { on, act }).is_some() {
        return Err(HealthError::ConflictState(
            "the patient's death is registered already".into(),
        ));
    }
    wards.store(ctx, care, patient, salt)
}

/// Takes back a death that was registered by mistake. `NOT_FOUND` without one.
pub(super) fn correct(
    ctx: &Context<'_>,
    care: &Collection,
    patient: &PatientId,
    salt: &Salt,
) -> Result<(), HealthError> {
    let mut wards = Wards::load(ctx, care, patient)?;
    wards.death.take().ok_or(HealthError::NotFound)?;
    wards.store(ctx, care, patient, salt)
}
