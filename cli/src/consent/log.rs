//! `careledger consent log`.

use careledger_api::codes::Category;
use careledger_api::contracts::consent::{
    AccessKind, LogEntry, LogItem, MAX_LOG_PAGE, Notification, Outcome,
};
use careledger_sdk::wallet::Signed;
use serde_json::json;

use super::args::LogArgs;
use super::visits;
use crate::Result;
use crate::output::Output;
use crate::values::{list, time};
use crate::wallet::Patient;

/// Prints the patient's log at each custodian, oldest entry first.
pub(super) async fn log(args: &LogArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.patient.wallet)?;
    let mut all = Vec::new();
    for visit in visits(&patient, &args.patient).await? {
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
                    "{} at {}: {}; transaction {}",
                    time(entry.at),
                    visit.custodian,
                    sentence(&entry),
                    entry.tx
                ));
                if let Some(dispute) = &entry.dispute {
                    let answer = dispute.answer.as_ref().map_or_else(
                        || "not answered yet".to_owned(),
                        |(finding, text)| format!("{finding}: {text}"),
                    );
                    output.line(format!("  you objected: {}; {answer}", dispute.reason));
                }
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

/// An entry of the log in one line.
pub(super) fn sentence(entry: &LogEntry) -> String {
    match &entry.what {
        LogItem::Access(access) => {
            let n = &access.notification;
            if n.kind == AccessKind::Own {
                return format!(
                    "you read {} at {}'s portal: {}",
                    categories(&n.requested),
                    n.organisation,
                    n.outcome
                );
            }
            let reason = n.reason.map_or_else(String::new, |r| format!(" ({r})"));
            let review = access
                .review
                .map_or_else(String::new, |r| format!("; review {r}"));
            format!(
                "{} of {} asked for {} for {}{reason}: {}{review}",
                n.role,
                n.organisation,
                categories(&n.requested),
                n.purpose,
                opened(n),
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

/// What an access opened. The ledger has what was permitted. What there was to see, and what of it the vault then gave, is on no ledger: whoever reads blocks
/// would see from a transaction about it which access opened something. A ticket is filed with what it opened.
fn opened(told: &Notification) -> String {
    let (outcome, what) = (told.outcome, categories(&told.permitted));
    if outcome == Outcome::Refused || told.kind == AccessKind::Offline {
        format!("{outcome}, saw {what}")
    } else {
        format!("{outcome} to see {what}, if there was any")
    }
}

/// Categories for people: all of them are not told one by one.
fn categories(categories: &[Category]) -> String {
    if categories.len() == Category::ALL.len() {
        "every category".to_owned()
    } else {
        list(categories, "nothing")
    }
}
