//! Acts of two officers: an officer of one organisation proposes, one of another confirms.

use super::death;
use super::filing::{salt_of, take_back};
use super::guardians::{appoint, dismiss};
use super::review::require_reviewer;
use crate::caller::Caller;
use crate::identity::patient_key;
use crate::state::{Collection, done, registered, tx_id};
use careledger_api::contracts::consent::{
    Confirmation, EndedBy, Measure, OFFICIAL_ACT_SECONDS, OfficialAct, OpenAct, RevocationReason,
};
use careledger_api::event::EventKind;
use careledger_api::ids::{ActId, Salt, TxId};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

/// The value of `off~A`.
#[derive(Serialize, Deserialize)]
struct Proposed {
    act: OfficialAct,
    organisation: String,
    person: String,
    at: i64,
    tx: TxId,
}

/// The value of `offdone~A`.
#[derive(Serialize, Deserialize)]
struct Confirmed {
    organisation: String,
    person: String,
    tx: TxId,
    salt: Salt,
}

fn proposal_key(id: &ActId) -> String {
    format!("off~{id}")
}

fn confirmation_key(id: &ActId) -> String {
    format!("offdone~{id}")
}

pub(super) fn propose(ctx: &Context<'_>, custodian: &str, act: OfficialAct) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    // Guardians are registered where patients are; to take consents back is for data protection officers alone.
    let registers = !matches!(act.measure, Measure::Revoke(_))
        && caller
            .require(custodian, &[Role::Registrar, Role::Custodian])
            .is_ok();
    if !registers {
        require_reviewer(&consortium, &caller, custodian)?;
    }
    let care = Collection::care(&consortium, custodian)?;
    act.validate()?;
    let key = proposal_key(&act.id);
    let proposed = Proposed {
        act,
        at: ctx.timestamp().seconds,
        tx: tx_id(ctx)?,
        organisation: caller.organisation.clone(),
        person: caller.person().to_owned(),
    };
    if !care.write_once(ctx, &key, &proposed)? {
        return Err(HealthError::Duplicate(
            "there is an official act of this id".into(),
        ));
    }
    done(ctx, EventKind::Consent, Some(&care))
}

pub(super) fn confirm(
    ctx: &Context<'_>,
    custodian: &str,
    confirmation: Confirmation,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    require_reviewer(&consortium, &caller, custodian)?;
    let care = Collection::care(&consortium, custodian)?;
    confirmation.salt.require_drawn()?;
    let Confirmation { act: id, salt } = confirmation;
    let proposed: Option<Proposed> = care.get(ctx, &proposal_key(&id))?;
    let Proposed {
        act,
        organisation,
        at,
        ..
    } = proposed.ok_or(HealthError::NotFound)?;
    if organisation == caller.organisation {
        return Err(HealthError::SodViolation(
            "an officer of another organisation than the proposer's confirms".into(),
        ));
    }
    if at.saturating_add(OFFICIAL_ACT_SECONDS) <= ctx.timestamp().seconds {
        return Err(HealthError::Expired(
            "an official act is confirmed within 30 days; propose it again".into(),
        ));
    }
    let confirmed = Confirmed {
        organisation: caller.organisation.clone(),
        person: caller.person().to_owned(),
        tx: tx_id(ctx)?,
        salt,
    };
    if !care.write_once(ctx, &confirmation_key(&id), &confirmed)? {
        return Err(HealthError::ConflictState(
            "the official act is in force already".into(),
        ));
    }
    let (patient, salt) = (act.patient, salt_of(&salt, "official-act", id.as_bytes()));
    if !care.exists(ctx, &patient_key(&patient))? {
        return Err(HealthError::NotFound);
    }
    match act.measure {
        Measure::Revoke(taken) => {
            let by = (EndedBy::Officers(id), RevocationReason::Order);
            take_back(ctx, &care, &patient, &taken, by, &salt)?;
        }
        Measure::Appoint(guardianship) => {
            if !care.exists(ctx, &patient_key(&guardianship.holder))? {
                return Err(HealthError::NotFound);
            }
            appoint(ctx, &care, &patient, &guardianship, id, &salt)?;
        }
        Measure::Dismiss(authority) => dismiss(ctx, &care, &patient, &authority, id, &salt)?,
        Measure::RegisterDeath(on) => death::register(ctx, &care, &patient, (on, id), &salt)?,
        Measure::CorrectDeath => death::correct(ctx, &care, &patient, &salt)?,
    }
    done(ctx, EventKind::Consent, Some(&care))
}

pub(super) fn open(ctx: &ReadContext<'_>, custodian: &str) -> Result<Vec<OpenAct>, HealthError> {
    let consortium = registered(ctx)?.consortium;
    require_reviewer(&consortium, &Caller::of(ctx)?, custodian)?;
    let care = Collection::care(&consortium, custodian)?;
    let oldest = ctx.timestamp().seconds.saturating_sub(OFFICIAL_ACT_SECONDS);
    let mut open = Vec::new();
    for proposed in care.list::<Proposed>(ctx, "off~")? {
        if proposed.at > oldest && !care.exists(ctx, &confirmation_key(&proposed.act.id))? {
            open.push(OpenAct {
                act: proposed.act,
                organisation: proposed.organisation,
                at: proposed.at,
            });
        }
    }
    open.sort_by_key(|open| (open.at, open.act.id));
    Ok(open)
}
