//! Guardians and proxies, whom two officers register and dismiss: the list that makes them count.

use super::authority::{Given, StoredAuthority, authority_key, end_authority};
use super::filing::{salt_of, write_epoch};
use crate::state::{Collection, tx_id};
use careledger_api::HealthError;
use careledger_api::contracts::consent::{Guardianship, MAX_GUARDIANS, Power};
use careledger_api::ids::{ActId, AuthorityId, PatientId, Salt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

/// The value of `wards~P`: the patient's guardians and proxies.
#[derive(Serialize, Deserialize)]
struct Guardians {
    guardians: Vec<Listed>,
    salt: Salt,
}

#[derive(Serialize, Deserialize)]
struct Listed {
    authority: AuthorityId,
    until: i64,
}

fn guardians_key(patient: &PatientId) -> String {
    format!("wards~{patient}")
}

/// Whether the patient's list has this guardian or proxy.
pub(super) fn is_listed(
    ctx: &ReadContext<'_>,
    care: &Collection,
    patient: &PatientId,
    id: &AuthorityId,
) -> Result<bool, HealthError> {
    let list: Option<Guardians> = care.get(ctx, &guardians_key(patient))?;
    Ok(list.is_some_and(|list| list.guardians.iter().any(|listed| listed.authority == *id)))
}

/// Lists a guardian or proxy. Two organisations have to endorse it, since they guard the list.
pub(super) fn appoint(
    ctx: &Context<'_>,
    care: &Collection,
    patient: &PatientId,
    guardianship: &Guardianship,
    act: ActId,
    salt: &Salt,
) -> Result<(), HealthError> {
    let (id, period, now) = (
        guardianship.authority,
        guardianship.period(),
        ctx.timestamp().seconds,
    );
    if period.until <= now {
        return Err(HealthError::Expired("the guardianship's period is over".into()));
    }
    let mut list = listed_guardians(ctx, care, patient)?;
    list.retain(|listed| listed.until > now);
    if list.len() >= MAX_GUARDIANS {
        return Err(HealthError::Limit(
            "a patient has at most eight guardians and proxies".into(),
        ));
    }
    let stored = StoredAuthority {
        id,
        holder: guardianship.holder,
        relation: guardianship.relation,
        powers: Power::ALL.iter().copied().collect(),
        period,
        given: Given::Officers(act),
        tx: tx_id(ctx)?,
        salt: salt_of(salt, "authority", id.as_bytes()),
    };
    if !care.write_once(ctx, &authority_key(patient, &id), &stored)? {
        return Err(HealthError::Duplicate("there is an authority of this id".into()));
    }
    list.push(Listed {
        authority: id,
        until: period.until,
    });
    write_guardians(ctx, care, patient, list, salt)
}

/// Ends an authority, whoever gave it. `NOT_FOUND` if there is none of this id.
pub(super) fn dismiss(
    ctx: &Context<'_>,
    care: &Collection,
    patient: &PatientId,
    id: &AuthorityId,
    act: ActId,
    salt: &Salt,
) -> Result<(), HealthError> {
    if !care.exists(ctx, &authority_key(patient, id))? {
        return Err(HealthError::NotFound);
    }
    let mut list = listed_guardians(ctx, care, patient)?;
    list.retain(|listed| listed.authority != *id);
    write_guardians(ctx, care, patient, list, salt)?;
    end_authority(ctx, care, patient, id, Some(act), salt)?;
    write_epoch(ctx, care, patient, salt)
}

fn listed_guardians(
    ctx: &ReadContext<'_>,
    care: &Collection,
    patient: &PatientId,
) -> Result<Vec<Listed>, HealthError> {
    let list: Option<Guardians> = care.get(ctx, &guardians_key(patient))?;
    Ok(list.ok_or(HealthError::NotFound)?.guardians)
}

/// The empty list of a new patient, guarded from the start.
pub(super) fn open_guardians(
    ctx: &Context<'_>,
    care: &Collection,
    patient: &PatientId,
    salt: &Salt,
) -> Result<(), HealthError> {
    write_guardians(ctx, care, patient, Vec::new(), salt)?;
    care.guard(ctx, &guardians_key(patient))
}

fn write_guardians(
    ctx: &Context<'_>,
    care: &Collection,
    patient: &PatientId,
    guardians: Vec<Listed>,
    salt: &Salt,
) -> Result<(), HealthError> {
    let salt = salt_of(salt, "guardians", tx_id(ctx)?.as_str().as_bytes());
    care.put(ctx, &guardians_key(patient), &Guardians { guardians, salt })
}
