//! What a vault compares its files with, and the anchors of its reports.

use super::anchors::heads;
use super::descriptions::metadata_key;
use crate::caller::Caller;
use crate::state::{Collection, done, registered, tx_id};
use careledger_api::contracts::record::{
    AnchoredReport, DocumentMetadata, INVENTORY_PAGE, InventoryItem, InventoryPage, InventoryPlace,
    InventoryQuery,
};
use careledger_api::event::EventKind;
use careledger_api::ids::Hash;
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::{Context, ReadContext};

pub(super) fn inventory(
    ctx: &ReadContext<'_>,
    custodian: &str,
    query: &InventoryQuery,
) -> Result<InventoryPage, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let roles = [Role::Custodian, Role::Vault];
    Caller::of(ctx)?.require_office(&consortium, custodian, &roles, &roles)?;
    let care = Collection::care(&consortium, custodian)?;
    let after = query
        .after
        .map(|place| metadata_key(&place.patient, &place.document));
    let mut described: Vec<DocumentMetadata> =
        care.list_after(ctx, "doc~", after.as_deref(), INVENTORY_PAGE + 1)?;
    let more = described.len() > INVENTORY_PAGE;
    described.truncate(INVENTORY_PAGE);
    let next = described.last().filter(|_| more).map(|last| InventoryPlace {
        patient: last.patient,
        document: last.document,
    });
    let mut heads = heads(ctx, described.iter().map(|m| (&m.document, m.proof.as_ref())))?;
    let item = |metadata: DocumentMetadata| {
        let head = heads
            .remove(&metadata.document)
            .filter(|head| head.custodian == custodian)?;
        Some(InventoryItem {
            document: metadata.document,
            version: head.version,
            status: head.status,
            proof: metadata.proof,
        })
    };
    let documents = described.into_iter().filter_map(item).collect();
    Ok(InventoryPage { documents, next })
}

pub(super) fn anchor_report(ctx: &Context<'_>, report: Hash) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    caller.require_role(&consortium, &[Role::Vault])?;
    let tx = tx_id(ctx)?;
    let key = format!("{}{tx}", reports_of(&caller.organisation));
    let anchored = AnchoredReport {
        organisation: caller.organisation,
        report,
        at: ctx.timestamp().seconds,
        tx,
    };
    ctx.put_json(&key, &anchored)?;
    done(ctx, EventKind::Record, None)
}

pub(super) fn reports(ctx: &ReadContext<'_>, organisation: &str) -> Result<Vec<AnchoredReport>, HealthError> {
    let prefix = reports_of(organisation);
    let mut reports = ctx
        .range(&prefix, &format!("{prefix}~"))?
        .map(|entry| {
            serde_json::from_slice(&entry?.value)
                .map_err(|_| HealthError::Ledger("a report's anchor has another form than expected".into()))
        })
        .collect::<Result<Vec<AnchoredReport>, _>>()?;
    reports.sort_by(|a, b| (a.at, &a.tx).cmp(&(b.at, &b.tx)));
    Ok(reports)
}

fn reports_of(organisation: &str) -> String {
    format!("rpt~{organisation}~")
}
