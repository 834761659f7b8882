//! What an organisation elsewhere learns of a patient's documents, and whether a result is there already.

use super::descriptions::described;
use crate::caller::Caller;
use crate::consent::released;
use crate::state::{Collection, done, registered, tx_id};
use careledger_api::contracts::record::{
    AvoidedOrders, DocumentStatus, DuplicateOrder, IndexEntry, IndexPage, PriorResultQuery,
};
use careledger_api::date::{Date, DateRange};
use careledger_api::event::EventKind;
use careledger_api::ids::{DocumentId, TxId};
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The value of `dup~T`.
#[derive(Serialize, Deserialize)]
struct StoredOrder {
    order: DuplicateOrder,
    at: i64,
}

pub(super) fn index(
    ctx: &ReadContext<'_>,
    custodian: &str,
    tx: &TxId,
    now: i64,
    page: u32,
) -> Result<IndexPage, HealthError> {
    let release = match released(ctx, custodian, tx, now) {
        Ok(release) => release,
        Err(HealthError::NotFound) => return Ok(IndexPage::blank()),
        Err(error) => return Err(error),
    };
    let Some(patient) = release.record.patient() else {
        return Ok(IndexPage::blank());
    };
    let care = Collection::care(&registered(ctx)?.consortium, custodian)?;
    let dates: BTreeMap<DocumentId, Option<Date>> = described(ctx, &care, custodian, &patient)?
        .into_iter()
        .map(|found| (found.metadata.document, found.metadata.date))
        .collect();
    let entries = release
        .documents
        .into_iter()
        .map(|document| IndexEntry {
            document: document.document,
            version: document.version,
            category: document.category,
            date: dates.get(&document.document).copied().flatten(),
        })
        .collect();
    Ok(IndexPage::of(entries, page))
}

pub(super) fn prior_results(
    ctx: &ReadContext<'_>,
    custodian: &str,
    query: &PriorResultQuery,
) -> Result<IndexPage, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, &[Role::Custodian])?;
    let care = Collection::care(&consortium, custodian)?;
    let entries = described(ctx, &care, custodian, &query.patient)?
        .into_iter()
        .filter(|found| {
            found.head.status == DocumentStatus::Current
                && found.metadata.category == query.category
                && found.metadata.codes.contains(&query.code)
                && found
                    .metadata
                    .date
                    .is_some_and(|date| query.window.contains(date))
        })
        .map(|found| IndexEntry {
            document: found.metadata.document,
            version: found.metadata.version,
            category: found.metadata.category,
            date: found.metadata.date,
        })
        .collect();
    Ok(IndexPage::of(entries, 0))
}

pub(super) fn report_duplicate_order(
    ctx: &Context<'_>,
    custodian: &str,
    order: DuplicateOrder,
) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, &[Role::Custodian, Role::Clinician, Role::Emergency])?;
    let care = Collection::care(&consortium, custodian)?;
    order.salt.require_drawn()?;
    let at = ctx.timestamp().seconds;
    care.write_once(ctx, &format!("dup~{}", tx_id(ctx)?), &StoredOrder { order, at })?;
    done(ctx, EventKind::Record, Some(&care))
}

pub(super) fn avoided_orders(
    ctx: &ReadContext<'_>,
    custodian: &str,
    days: &DateRange,
) -> Result<AvoidedOrders, HealthError> {
    let consortium = registered(ctx)?.consortium;
    Caller::of(ctx)?.require(custodian, &[Role::Custodian, Role::Auditor])?;
    let care = Collection::care(&consortium, custodian)?;
    let mut avoided = AvoidedOrders::default();
    for StoredOrder { order, at } in care.list::<StoredOrder>(ctx, "dup~")? {
        if days.contains(Date::from_unix(at)?) {
            avoided.total += 1;
            *avoided.by_category.entry(order.category).or_default() += 1;
        }
    }
    Ok(avoided)
}
