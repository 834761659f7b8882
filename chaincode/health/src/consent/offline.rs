//! Broken glasses of a time without the network, filed by the custodian that handed the summary out.

use super::access::write_reviewed;
use super::release::emergency;
use crate::caller::Caller;
use crate::credential::is_active;
use crate::identity::patient_key;
use crate::state::{Collection, derived_salt, done, registered, tx_id};
use careledger_api::codes::Category;
use careledger_api::consortium::Consortium;
use careledger_api::contracts::consent::{
    AccessKind, AccessRecord, BACKFILL_SECONDS, Offline, OfflineOpening, OfflineReport, OfflineTicket,
    Outcome, Requester, SignedTicket, TICKET_SKEW_SECONDS,
};
use careledger_api::event::EventKind;
use careledger_api::hashing::{canonical, tagged_hash};
use careledger_api::ids::{Salt, TxId};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};

/// The value of `offl~H`: the ticket as it was signed.
#[derive(Serialize, Deserialize)]
struct StoredTicket {
    signed: SignedTicket,
    tx: TxId,
    salt: Salt,
}

/// The whole ticket is its key, and what came of it: its id was drawn by the device that signed it, and two tickets under one id are two accesses, as are
/// the ticket that was refused and the same one that opened something later.
fn ticket_key(ticket: &OfflineTicket, opened: bool) -> Result<String, HealthError> {
    let hash = tagged_hash("offline-ticket", &[&canonical(ticket)?, &[u8::from(opened)]]);
    Ok(format!("offl~{hash}"))
}

/// What a ticket opens now. That its certificate is the organisation's is checked by the vault, which asks.
pub(super) fn opening(
    ctx: &ReadContext<'_>,
    custodian: &str,
    now: i64,
    signed: &SignedTicket,
) -> Result<OfflineOpening, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, &[Role::Vault])?;
    let care = Collection::care(&consortium, custodian)?;
    let requester = doctor(&consortium, custodian, signed)?;
    let request = &signed.ticket.request;
    if !care.exists(ctx, &patient_key(&request.patient))? {
        return Err(HealthError::NotFound);
    }
    let credentialed = is_active(ctx, &requester.person, &requester.organisation, now)?;
    let documents = if credentialed {
        emergency(
            ctx,
            &consortium,
            &care,
            custodian,
            &requester,
            (request, false),
            now,
        )?
    } else {
        Vec::new()
    };
    Ok(OfflineOpening {
        credentialed,
        documents,
    })
}

/// Who signed a ticket for this custodian: of the role `emergency` of a member.
fn doctor(consortium: &Consortium, custodian: &str, signed: &SignedTicket) -> Result<Requester, HealthError> {
    let ticket = &signed.ticket;
    ticket.request.validate()?;
    if ticket.custodian != custodian || ticket.consortium != consortium.id {
        return Err(HealthError::BadIntent(
            "the ticket was signed for another custodian or consortium".into(),
        ));
    }
    let doctor = Caller::from(&signed.signer()?)?;
    let role = doctor.require_role(consortium, &[Role::Emergency])?;
    Ok(doctor.requester(role))
}

/// What happened is written down, whatever rule it broke: a credential that did not count is marked, and so is a late filing. Refused is only what cannot
/// have happened so: a ticket for somebody else, an unknown patient, a signature that does not hold.
pub(super) fn backfill(
    ctx: &Context<'_>,
    custodian: &str,
    report: OfflineReport,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, &[Role::Vault, Role::Custodian])?;
    let care = Collection::care(&consortium, custodian)?;
    let OfflineReport {
        signed,
        opened,
        at,
        salt,
    } = report;
    salt.require_drawn()?;
    let ticket = &signed.ticket;
    let requester = doctor(&consortium, custodian, &signed)?;
    let now = ctx.timestamp().seconds;
    let apart = |a: i64, b: i64| {
        a.checked_sub(b)
            .is_none_or(|d| !(-TICKET_SKEW_SECONDS..=TICKET_SKEW_SECONDS).contains(&d))
    };
    if apart(at, ticket.at) || at > now.saturating_add(TICKET_SKEW_SECONDS) {
        return Err(HealthError::ClockSkew(
            "what a ticket opens is handed out within five minutes of its signing, and filed afterwards"
                .into(),
        ));
    }
    if !care.exists(ctx, &patient_key(&ticket.request.patient))? {
        return Err(HealthError::NotFound);
    }
    let (tx, secret) = (tx_id(ctx)?, care.secret(ctx)?);
    let record = AccessRecord {
        kind: AccessKind::Offline,
        at: now,
        outcome: if opened {
            Outcome::Permitted
        } else {
            Outcome::Refused
        },
        permitted: opened.then_some(Category::EmergencySummary).into_iter().collect(),
        obligations: Vec::new(),
        basis: Vec::new(),
        // Nothing is released on it any more.
        expires_at: now,
        epoch: None,
        salt: derived_salt(&secret, "access", &tx),
        tx: tx.clone(),
        request: None,
        emergency: Some(ticket.request.clone()),
        follows: None,
        intent: None,
        offline: Some(Offline {
            ticket: ticket.id,
            at,
            late: now.saturating_sub(at) > BACKFILL_SECONDS,
            credentialed: is_active(ctx, &requester.person, &requester.organisation, at)?,
        }),
        requester,
    };
    let (key, reason) = (ticket_key(ticket, opened)?, ticket.request.reason);
    let kept = StoredTicket { signed, tx, salt };
    if !care.write_once(ctx, &key, &kept)? {
        return Err(HealthError::Duplicate("this ticket was filed before".into()));
    }
    write_reviewed(ctx, &care, &secret, record, reason)?;
    done(ctx, EventKind::Access, Some(&care))
}
