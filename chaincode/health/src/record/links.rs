//! A patient's ties between its ids at different custodians.

use crate::caller::Caller;
use crate::consent::asked_by_patient;
use crate::identity::spend_nonce;
use crate::intent::{acted, check_act, check_nonce};
use crate::state::{Collection, done, registered};
use careledger_api::consortium::OrganisationRole;
use careledger_api::contracts::consent::{Power, SignedQuery};
use careledger_api::contracts::record::{Link, LinkView, Unlink};
use careledger_api::event::EventKind;
use careledger_api::ids::{Nonce, PatientId};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

/// The value of `link~P~N`.
#[derive(Serialize, Deserialize)]
struct Stored {
    link: Link,
    at: i64,
}

pub(super) fn link(
    ctx: &Context<'_>,
    custodian: &str,
    link: Link,
    intent: &SignedIntent,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require_member(&consortium)?;
    let care = Collection::care(&consortium, custodian)?;
    link.salt.require_drawn()?;
    check_act(ctx, &consortium, &care, custodian, &link.patient, intent)?;
    check_nonce(intent, link.nonce)?;
    if link.other == custodian || !consortium.has_role(&link.other, OrganisationRole::Custodian) {
        return Err(HealthError::InvalidCode(
            "a link leads to another custodian of the consortium".into(),
        ));
    }
    link.verify()?;
    // The nonce is spent, so no link is written under a key that is taken. Not guarded: the patient alone takes a link back, also while only one
    // organisation answers, and a custodian cannot forge the proof inside.
    spend_nonce(ctx, &care, intent, &link.salt)?;
    let key = link_key(&link.patient, &link.nonce);
    let at = ctx.timestamp().seconds;
    care.put(ctx, &key, &Stored { link, at })?;
    done(ctx, EventKind::Record, Some(&care))
}

pub(super) fn unlink(
    ctx: &Context<'_>,
    custodian: &str,
    unlink: &Unlink,
    intent: &SignedIntent,
) -> Result<Receipt, HealthError> {
    let care = acted(ctx, custodian, &unlink.patient, intent, &unlink.salt)?;
    check_nonce(intent, unlink.nonce)?;
    let key = link_key(&unlink.patient, &unlink.link);
    if !care.exists(ctx, &key)? {
        return Err(HealthError::NotFound);
    }
    spend_nonce(ctx, &care, intent, &unlink.salt)?;
    ctx.private_purge(&care.name, &key)?;
    done(ctx, EventKind::Record, Some(&care))
}

pub(super) fn links(
    ctx: &ReadContext<'_>,
    custodian: &str,
    patient: &PatientId,
) -> Result<Vec<LinkView>, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, &[Role::Custodian, Role::Registrar])?;
    list(ctx, &Collection::care(&consortium, custodian)?, patient)
}

pub(super) fn mine(
    ctx: &ReadContext<'_>,
    custodian: &str,
    query: &SignedQuery,
    intent: &SignedIntent,
) -> Result<Vec<LinkView>, HealthError> {
    let care = asked_by_patient(
        ctx,
        custodian,
        (&query.patient, &query.reader),
        intent,
        Power::View,
    )?;
    list(ctx, &care, &query.patient)
}

/// Only what proves itself: an altered peer's invention is left out.
fn list(ctx: &ReadContext<'_>, care: &Collection, patient: &PatientId) -> Result<Vec<LinkView>, HealthError> {
    let stored: Vec<Stored> = care.list(ctx, &format!("link~{patient}~"))?;
    Ok(stored
        .into_iter()
        .filter(|s| s.link.patient == *patient && s.link.verify().is_ok())
        .map(|Stored { link, at }| LinkView {
            link: link.nonce,
            other: link.other,
            other_patient: link.other_patient,
            at,
        })
        .collect())
}

fn link_key(patient: &PatientId, link: &Nonce) -> String {
    format!("link~{patient}~{link}")
}
