//! Guardians, proxies and executors, whom two officers register and dismiss: the list that makes them count.

use super::authority::{Given, StoredAuthority, authority_key, end_authority};
use super::death::Death;
use super::filing::{salt_of, write_epoch};
use crate::state::{Collection, tx_id};
use careledger_api::HealthError;
use careledger_api::contracts::consent::{Guardianship, MAX_GUARDIANS, Power};
use careledger_api::ids::{ActId, AuthorityId, PatientId, Salt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

/// The value of `wards~P`: the patient's guardians, proxies and executors, and whether the patient is dead.
#[derive(Serialize, Deserialize)]
pub(super) struct Wards {
    guardians: Vec<Listed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) death: Option<Death>,
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
    let wards: Option<Wards> = care.get(ctx, &guardians_key(patient))?;
    Ok(wards.is_some_and(|wards| wards.guardians.iter().any(|listed| listed.authority == *id)))
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
    let mut wards = Wards::load(ctx, care, patient)?;
    wards.require_counts(guardianship.relation)?;
    wards.guardians.retain(|listed| listed.until > now);
    if wards.guardians.len() >= MAX_GUARDIANS {
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
    wards.guardians.push(Listed {
        authority: id,
        until: period.until,
    });
    wards.store(ctx, care, patient, salt)
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
    let mut wards = Wards::load(ctx, care, patient)?;
    wards.guardians.retain(|listed| listed.authority != *id);
    wards.store(ctx, care, patient, salt)?;
    end_authority(ctx, care, patient, id, Some(act), salt)?;
    write_epoch(ctx, care, patient, salt)
}

impl Wards {
    /// `NOT_FOUND` for an unknown patient.
    pub(super) fn load(
        ctx: &ReadContext<'_>,
        care: &Collection,
        patient: &PatientId,
    ) -> Result<Self, HealthError> {
        care.get(ctx, &guardians_key(patient))?
            .ok_or(HealthError::NotFound)
    }

    /// Writes it with a fresh salt. Two organisations have to endorse that.
    pub(super) fn store(
        self,
        ctx: &Context<'_>,
        care: &Collection,
        patient: &PatientId,
        salt: &Salt,
    ) -> Result<(), HealthError> {
        let salt = salt_of(salt, "guardians", tx_id(ctx)?.as_str().as_bytes());
        care.put(ctx, &guardians_key(patient), &Self { salt, ..self })
    }
}

/// The empty list of a new patient, guarded from the start.
pub(super) fn open_guardians(
    ctx: &Context<'_>,
    care: &Collection,
    patient: &PatientId,
    salt: &Salt,
) -> Result<(), HealthError> {
    let wards = Wards {
        guardians: Vec::new(),
        death: None,
        salt: *salt,
    };
    wards.store(ctx, care, patient, salt)?;
    care.guard(ctx, &guardians_key(patient))
}
