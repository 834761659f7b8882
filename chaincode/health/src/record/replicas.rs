//! Copies of ciphertext at other members of the collection.

use crate::caller::Caller;
use crate::state::{Collection, done, registered, tx_id};
use careledger_api::contracts::record::{MAX_LOCATOR, Probe, ProbeResult, ProbeView, Replica, ReplicaView};
use careledger_api::event::EventKind;
use careledger_api::ids::{DocumentId, ReplicaId, Salt, TxId};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The value of `rep~R`.
#[derive(Serialize, Deserialize)]
struct Stored {
    replica: Replica,
    at: i64,
}

/// The value of `probe~R~T`.
#[derive(Serialize, Deserialize)]
struct StoredProbe {
    probe: ProbeView,
    salt: Salt,
}

/// The value of `lost~R`.
#[derive(Serialize, Deserialize)]
struct Lost {
    tx: TxId,
    salt: Salt,
}

pub(super) fn register(ctx: &Context<'_>, custodian: &str, replica: Replica) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, &[Role::Custodian, Role::Vault])?;
    let care = Collection::care(&consortium, custodian)?;
    replica.salt.require_drawn()?;
    if replica.organisation == custodian || !care.has_member(&replica.organisation) {
        return Err(HealthError::InvalidCode(
            "a replica lies at another member of the custodian's collection".into(),
        ));
    }
    if !(1..=MAX_LOCATOR).contains(&replica.locator.len()) {
        return Err(HealthError::Limit("a locator has 1 to 512 bytes".into()));
    }
    let key = replica_key(&replica.id);
    let at = ctx.timestamp().seconds;
    if !care.write_once(ctx, &key, &Stored { replica, at })? {
        return Err(HealthError::Duplicate(
            "the replica's id is taken; draw another".into(),
        ));
    }
    done(ctx, EventKind::Record, Some(&care))
}

pub(super) fn probe(ctx: &Context<'_>, custodian: &str, probe: &Probe) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    caller.require(custodian, &[Role::Vault, Role::Custodian])?;
    let care = Collection::care(&consortium, custodian)?;
    probe.salt.require_drawn()?;
    if !care.exists(ctx, &replica_key(&probe.replica))? {
        return Err(HealthError::NotFound);
    }
    if care.exists(ctx, &lost_key(&probe.replica))? {
        return Err(HealthError::ConflictState(
            "the replica is lost; register a new one".into(),
        ));
    }
    let (tx, salt) = (tx_id(ctx)?, probe.salt);
    let view = ProbeView {
        result: probe.result,
        at: ctx.timestamp().seconds,
        organisation: caller.organisation,
        tx: tx.clone(),
    };
    let stored = StoredProbe { probe: view, salt };
    care.put(ctx, &format!("{}{tx}", probes_of(&probe.replica)), &stored)?;
    if probe.result == ProbeResult::Lost {
        care.write_once(ctx, &lost_key(&probe.replica), &Lost { tx, salt })?;
    }
    done(ctx, EventKind::Record, Some(&care))
}

pub(super) fn list(ctx: &ReadContext<'_>, custodian: &str) -> Result<Vec<ReplicaView>, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let roles = [Role::Custodian, Role::Vault];
    Caller::of(ctx)?.require_office(&consortium, custodian, &roles, &roles)?;
    all(ctx, &Collection::care(&consortium, custodian)?)
}

/// The organisations that hold a copy of a document, or of all that the custodian keeps, and have not lost it.
pub(super) fn holders(
    ctx: &ReadContext<'_>,
    care: &Collection,
    document: &DocumentId,
) -> Result<BTreeSet<String>, HealthError> {
    let holds = |view: &ReplicaView| !view.lost && view.replica.document.is_none_or(|d| d == *document);
    let views = all(ctx, care)?;
    Ok(views
        .into_iter()
        .filter(holds)
        .map(|view| view.replica.organisation)
        .collect())
}

fn all(ctx: &ReadContext<'_>, care: &Collection) -> Result<Vec<ReplicaView>, HealthError> {
    let stored: Vec<Stored> = care.list(ctx, "rep~")?;
    let view = |Stored { replica, at }: Stored| {
        let probes: Vec<StoredProbe> = care.list(ctx, &probes_of(&replica.id))?;
        let last = probes
            .into_iter()
            .map(|s| s.probe)
            .max_by(|a, b| (a.at, &a.tx).cmp(&(b.at, &b.tx)));
        Ok(ReplicaView {
            lost: care.exists(ctx, &lost_key(&replica.id))?,
            replica,
            registered: at,
            last,
        })
    };
    stored.into_iter().map(view).collect()
}

fn replica_key(replica: &ReplicaId) -> String {
    format!("rep~{replica}")
}

fn probes_of(replica: &ReplicaId) -> String {
    format!("probe~{replica}~")
}

fn lost_key(replica: &ReplicaId) -> String {
    format!("lost~{replica}")
}
