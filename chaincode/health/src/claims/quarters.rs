//! The quarters whose services payers compare: which key, in public, and the salt of their marks, which can be purged.
//!
//! `fpq~<quarter>` is public: the regulator's word that the quarter is compared, by which key, and which transaction laid down the salt. It takes the
//! channel's majority, so no organisation with altered code can open a quarter in the regulator's name or stand in its way. The salt is the private value of
//! `fpp~<quarter>~<transaction>` in `log`, which every organisation reads, handed to the regulator. Nobody can be there first, because nobody knows the
//! transaction before it is there; what others write beside it no public word names. The public word comes second: a function that touches a private body
//! writes no public key.

use crate::caller::Caller;
use crate::state::{Collection, Established, done, registered, tx_id};
use careledger_api::consortium::{Consortium, LOG_COLLECTION, OrganisationRole};
use careledger_api::contracts::claims::{FingerprintKey, FingerprintOpening, FingerprintPeriod, Period};
use careledger_api::date::Date;
use careledger_api::event::EventKind;
use careledger_api::ids::{Salt, TxId};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

/// The public value of `fpq~<quarter>`.
#[derive(Serialize, Deserialize)]
struct Announced {
    regulator: String,
    key: FingerprintKey,
    /// The transaction that laid down the salt.
    salted_by: TxId,
    tx: TxId,
}

/// A quarter that is compared.
pub(super) struct Open {
    pub(super) key: FingerprintKey,
    pub(super) salt: Salt,
}

pub(super) fn open(
    ctx: &Context<'_>,
    regulator: &str,
    period: &FingerprintPeriod,
) -> Result<Receipt, HealthError> {
    let consortium = for_regulator(ctx, regulator)?;
    let log = Collection::declared(&consortium, LOG_COLLECTION)?;
    period.salt.require_drawn()?;
    require_compared(ctx, period.period)?;
    let key = salt_key(period.period, &tx_id(ctx)?);
    log.put(ctx, &key, period)?;
    log.hand_to(ctx, &key, regulator)?;
    done(ctx, EventKind::Registry, Some(&log))
}

pub(super) fn announce(ctx: &Context<'_>, opening: FingerprintOpening) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    caller.require_in(&consortium, OrganisationRole::Regulator, &[Role::Vault])?;
    require_compared(ctx, opening.period)?;
    let FingerprintOpening {
        period,
        key,
        salted_by,
        instead_of,
    } = opening;
    if let Some(stands) = announced(ctx, period)? {
        let is_regulator = consortium.has_role(&stands.regulator, OrganisationRole::Regulator);
        if stands.regulator != caller.organisation && is_regulator {
            return Err(HealthError::ConflictState(format!(
                "the quarter is open in the name of {}, which alone changes it",
                stands.regulator
            )));
        }
        if instead_of.as_ref() != Some(&stands.key) {
            return Err(HealthError::Duplicate(format!(
                "the quarter is open with the key {}; if its seed or its salt is lost, say that the new one stands instead of it",
                stands.key
            )));
        }
    }
    let value = Announced {
        regulator: caller.organisation,
        key,
        salted_by,
        tx: tx_id(ctx)?,
    };
    ctx.put_json(&announced_key(period), &value)?;
    done(ctx, EventKind::Registry, None)
}

pub(super) fn close(ctx: &Context<'_>, regulator: &str, period: Period) -> Result<Receipt, HealthError> {
    let consortium = for_regulator(ctx, regulator)?;
    let log = Collection::declared(&consortium, LOG_COLLECTION)?;
    let stands = announced(ctx, period)?.filter(|stands| stands.regulator == regulator);
    let stands = stands.ok_or(HealthError::NotFound)?;
    let key = salt_key(period, &stands.salted_by);
    if !log.exists(ctx, &key)? {
        return Err(HealthError::NotFound);
    }
    if !period.is_over(today(ctx)?)? {
        return Err(HealthError::ConflictState(
            "a quarter is closed two years after its end, when its claims are decided".into(),
        ));
    }
    ctx.private_purge(&log.name, &key)?;
    done(ctx, EventKind::Registry, Some(&log))
}

pub(super) fn key(ctx: &ReadContext<'_>, period: Period) -> Result<FingerprintKey, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    if caller
        .require_in(&consortium, OrganisationRole::Payer, &[Role::Payer])
        .is_err()
    {
        caller.require_in(&consortium, OrganisationRole::Regulator, &[Role::Vault])?;
    }
    let log = Collection::declared(&consortium, LOG_COLLECTION)?;
    let open = opened(ctx, &consortium, &log, period)?;
    Ok(open.ok_or(HealthError::NotFound)?.key)
}

/// A quarter that one of the regulators opened, and that is not over.
pub(super) fn opened(
    ctx: &ReadContext<'_>,
    consortium: &Consortium,
    log: &Collection,
    period: Period,
) -> Result<Option<Open>, HealthError> {
    if period.is_over(today(ctx)?)? {
        return Ok(None);
    }
    let stands = announced(ctx, period)?;
    let stands = stands.filter(|stands| consortium.has_role(&stands.regulator, OrganisationRole::Regulator));
    let Some(Announced { key, salted_by, .. }) = stands else {
        return Ok(None);
    };
    let salted: Option<FingerprintPeriod> = log.get(ctx, &salt_key(period, &salted_by))?;
    Ok(salted.map(|salted| Open {
        key,
        salt: salted.salt,
    }))
}

fn for_regulator(ctx: &ReadContext<'_>, regulator: &str) -> Result<Established, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    caller.require(regulator, &[Role::Vault])?;
    caller.require_in(&consortium, OrganisationRole::Regulator, &[Role::Vault])?;
    Ok(consortium)
}

fn require_compared(ctx: &ReadContext<'_>, period: Period) -> Result<(), HealthError> {
    match period.is_over(today(ctx)?)? {
        false => Ok(()),
        true => Err(HealthError::ConflictState(
            "services of that quarter are not compared any more".into(),
        )),
    }
}

fn today(ctx: &ReadContext<'_>) -> Result<Date, HealthError> {
    Date::from_unix(ctx.timestamp().seconds)
}

fn announced(ctx: &ReadContext<'_>, period: Period) -> Result<Option<Announced>, HealthError> {
    Ok(ctx.get_json(&announced_key(period))?)
}

/// That a quarter is open is no secret.
fn announced_key(period: Period) -> String {
    format!("fpq~{period}")
}

fn salt_key(period: Period, salted_by: &TxId) -> String {
    format!("fpp~{period}~{salted_by}")
}
