//! `careledger consent log`.

use careledger_api::contracts::consent::{AccessKind, LogEntry, LogItem, MAX_LOG_PAGE};
use careledger_sdk::wallet::Signed;
use serde_json::json;

use super::Visit;
use super::args::LogArgs;
use crate::Result;
use crate::output::Output;
use crate::values::{list, time};
use crate::wallet::Patient;

/// Prints the patient's log at each custodian, oldest entry first.
pub(super) async fn log(args: &LogArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.patient.wallet)?;
    let mut all = Vec::new();
    for custodian in patient.custodians(args.patient.at.as_deref())? {
        let visit = Visit::open(&patient, custodian, args.patient.carrier.as_deref()).await?;
        let mut after = None;
        loop {
            let Signed { body, intent } = visit.at.log(&visit.reader, &args.kind, after, MAX_LOG_PAGE)?;
            let page = visit
                .portal
                .consents()
                .my_log(visit.custodian.clone(), body, intent)
                .send()
                .await?;
            for entry in page.entries {
                output.line(format!(
                    "{} at {}: {}",
                    time(entry.at),
                    visit.custodian,
                    sentence(&entry)
                ));
                all.push(json!({ "custodian": visit.custodian, "entry": entry }));
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    if all.is_empty() {
        output.line("nobody asked for anything");
    }
    output.document(&json!({ "log": all }));
    Ok(())
}

fn sentence(entry: &LogEntry) -> String {
    match &entry.what {
        LogItem::Access(access) => {
            let n = &access.notification;
            if n.kind == AccessKind::Own {
                return format!(
                    "you read {} at {}'s portal: {}",
                    list(&n.requested, "nothing"),
                    n.organisation,
                    n.outcome
                );
            }
            let reason = n.reason.map_or_else(String::new, |r| format!(" ({r})"));
            let review = access
                .review
                .map_or_else(String::new, |r| format!("; review {r}"));
            format!(
                "{} of {} asked for {} for {}{reason}: {}, saw {}{review}",
                n.role,
                n.organisation,
                list(&n.requested, "nothing"),
                n.purpose,
                n.outcome,
                list(&n.permitted, "nothing"),
            )
        }
        LogItem::Disclosure(disclosure) => format!(
            "disclosed to {} outside the ledger for {}: {}",
            disclosure.recipient, disclosure.purpose, disclosure.description
        ),
        LogItem::Found(_) => format!("found in an emergency ({})", entry.tx),
        LogItem::Alert(_) => format!("an alert at the point of care ({})", entry.tx),
    }
}
