//! A patient's log, for the patient page by page, and the accounting of disclosures for the custodian.

use super::access::{StoredAccess, records_of};
use super::alert::{StoredAlert, alerts_of};
use super::disclosure::{StoredDisclosure, deliveries_of, disclosures_of};
use super::dispute::{StoredAnswer, StoredDispute, answers_of, disputes_of};
use super::find::{StoredFound, found_of};
use super::mine::asked_by_patient;
use super::questions::{notification, own};
use super::review;
use crate::state::Collection;
use careledger_api::HealthError;
use careledger_api::contracts::consent::{
    ACCOUNTING_SECONDS, AccessEntry, AccessKind, Delivery, DisputeView, LogCursor, LogEntry, LogItem,
    LogKind, LogPage, LogQuery, Outcome, Power,
};
use careledger_api::ids::{PatientId, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use fabric_contract_core::ReadContext;
use std::collections::BTreeMap;

pub(super) fn my_log(
    ctx: &ReadContext<'_>,
    custodian: &str,
    query: &LogQuery,
    intent: &SignedIntent,
) -> Result<LogPage, HealthError> {
    query.validate()?;
    let care = asked_by_patient(
        ctx,
        custodian,
        (&query.patient, &query.reader),
        intent,
        Power::View,
    )?;
    let wanted = |kind: LogKind| query.kinds.is_empty() || query.kinds.contains(&kind);
    let mut found = items(ctx, &care, &query.patient, wanted)?;
    found.retain(|(place, _)| {
        query.since.is_none_or(|since| place.at >= since)
            && query.after.as_ref().is_none_or(|after| place > after)
    });
    let limit = usize::from(query.limit);
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|(place, _)| place.clone());
    let entries = complete(ctx, &care, &query.patient, found)?;
    Ok(LogPage { entries, next })
}

pub(super) fn accounting(
    ctx: &ReadContext<'_>,
    custodian: &str,
    patient: &PatientId,
) -> Result<Vec<LogEntry>, HealthError> {
    let care = own(ctx, custodian, &[Role::Custodian, Role::Dpo])?;
    let since = ctx.timestamp().seconds.saturating_sub(ACCOUNTING_SECONDS);
    let disclosing = |kind| matches!(kind, LogKind::Access | LogKind::Disclosure);
    let mut found = items(ctx, &care, patient, disclosing)?;
    found.retain(|(place, item)| match item {
        LogItem::Disclosure(disclosure) => disclosure.date.days() >= since.div_euclid(86_400),
        // What the patient read is no disclosure, nor is what the custodian's own people read.
        LogItem::Access(entry) => {
            let told = &entry.notification;
            place.at >= since
                && told.outcome == Outcome::Permitted
                && told.kind != AccessKind::Own
                && told.organisation != custodian
        }
        _ => false,
    });
    complete(ctx, &care, patient, found)
}

type Placed = (LogCursor, LogItem);

/// What happened, of the wanted kinds, oldest first; without reviews.
fn items(
    ctx: &ReadContext<'_>,
    care: &Collection,
    patient: &PatientId,
    wanted: impl Fn(LogKind) -> bool,
) -> Result<Vec<Placed>, HealthError> {
    let mut all: Vec<Placed> = Vec::new();
    let mut add = |at, nanos, tx, item| all.push((LogCursor { at, nanos, tx }, item));
    if wanted(LogKind::Access) {
        for stored in care.list::<StoredAccess>(ctx, &records_of(patient))? {
            let StoredAccess { record, nanos } = stored;
            let (at, tx, follows) = (record.at, record.tx.clone(), record.follows.clone());
            let notification = notification(record);
            let entry = AccessEntry {
                notification,
                follows,
                review: None,
            };
            add(at, nanos, tx, LogItem::Access(entry));
        }
    }
    if wanted(LogKind::Disclosure) {
        for stored in care.list::<StoredDisclosure>(ctx, &disclosures_of(patient))? {
            add(
                stored.at,
                stored.nanos,
                stored.tx,
                LogItem::Disclosure(stored.disclosure),
            );
        }
    }
    if wanted(LogKind::Found) {
        for stored in care.list::<StoredFound>(ctx, &found_of(patient))? {
            add(stored.at, stored.nanos, stored.tx, LogItem::Found(stored.entry));
        }
    }
    if wanted(LogKind::Alert) {
        for stored in care.list::<StoredAlert>(ctx, &alerts_of(patient))? {
            add(stored.at, stored.nanos, stored.tx, LogItem::Alert(stored.entry));
        }
    }
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(all)
}

/// Adds to the chosen items their reviews, receipts and disputes.
fn complete(
    ctx: &ReadContext<'_>,
    care: &Collection,
    patient: &PatientId,
    chosen: Vec<Placed>,
) -> Result<Vec<LogEntry>, HealthError> {
    let delivered: BTreeMap<TxId, i64> = care
        .list::<Delivery>(ctx, &deliveries_of(patient))?
        .into_iter()
        .map(|d| (d.subject, d.at))
        .collect();
    let mut disputes = disputes(ctx, care, patient)?;
    let mut entries = Vec::with_capacity(chosen.len());
    for (LogCursor { at, tx, .. }, mut what) in chosen {
        if let LogItem::Access(entry) = &mut what {
            let glass = matches!(
                entry.notification.kind,
                AccessKind::BreakGlass | AccessKind::BreakGlassFull | AccessKind::Offline
            );
            entry.review = if glass {
                Some(review::state(ctx, care, &tx)?)
            } else {
                None
            };
        }
        entries.push(LogEntry {
            at,
            what,
            delivered_at: delivered.get(&tx).copied(),
            dispute: disputes.remove(&tx),
            tx,
        });
    }
    Ok(entries)
}

fn disputes(
    ctx: &ReadContext<'_>,
    care: &Collection,
    patient: &PatientId,
) -> Result<BTreeMap<TxId, DisputeView>, HealthError> {
    let answers = care.list::<StoredAnswer>(ctx, &answers_of(patient))?;
    let mut answers: BTreeMap<TxId, _> = answers
        .into_iter()
        .map(|s| (s.answer.subject, (s.answer.finding, s.answer.text)))
        .collect();
    let view = |stored: StoredDispute| {
        let answer = answers.remove(&stored.dispute.subject);
        let view = DisputeView {
            tx: stored.tx,
            at: stored.at,
            reason: stored.dispute.reason,
            answer,
        };
        (stored.dispute.subject, view)
    };
    let disputes = care.list::<StoredDispute>(ctx, &disputes_of(patient))?;
    Ok(disputes.into_iter().map(view).collect())
}
