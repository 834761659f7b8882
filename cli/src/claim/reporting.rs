//! Whether a payer keeps its times.

use std::collections::BTreeMap;

use careledger_api::contracts::claims::{OpenItem, ServiceLevel, ServiceReport};
use serde_json::json;

use super::args::ReportArgs;
use super::day::{Day, Unread, unreadable};
use crate::output::Output;
use crate::{Result, values};

pub(super) async fn report(args: &ReportArgs, output: &Output) -> Result<()> {
    let day = Day::open(&args.desk).await?;
    output.doing("reading");
    let mut reports: BTreeMap<String, ServiceReport> = BTreeMap::new();
    let mut unread = Unread::default();
    for provider in &day.providers {
        match day.desk.report(provider).await {
            Ok(report) => {
                reports.insert(provider.clone(), report);
            }
            Err(error) => unread.add(provider, &error),
        }
    }
    let mut rows = Vec::new();
    for (provider, report) in &reports {
        for (kind, within, level) in [
            ("claims", "7 d", report.claims),
            ("urgent requests", "72 h", report.urgent),
            ("other requests", "7 d", report.standard),
            ("appeals", "30 d", report.appeals),
        ] {
            let ServiceLevel {
                open,
                overdue,
                pended,
                in_time,
                late,
            } = level;
            let mut row = vec![provider.clone(), kind.to_owned(), within.to_owned()];
            row.extend([open, overdue, pended, in_time, late].map(|count| count.to_string()));
            rows.push(row);
        }
    }
    let heads = [
        "PROVIDER", "WHAT", "WITHIN", "OPEN", "OVERDUE", "PENDED", "IN TIME", "LATE",
    ];
    output.table(&heads, &rows);
    for (provider, report) in &reports {
        for overdue in &report.overdue {
            let what = match &overdue.what {
                OpenItem::Claim(claim) => format!("claim {claim}"),
                OpenItem::Authorisation(id) => format!("authorisation {id}"),
                OpenItem::Appeal(claim) => format!("the appeal of claim {claim}"),
            };
            output.line(format!(
                "{provider}: {what} was due {}",
                values::time(overdue.due)
            ));
        }
    }
    for (provider, report) in &reports {
        unreadable(provider, "claim", &report.unreadable, output);
        unreadable(provider, "request", &report.unreadable_requests, output);
    }
    output.document(&json!({ "payer": day.payer, "reports": reports, "unread": unread.0 }));
    match unread.told(output) {
        None => Ok(()),
        Some(unread) => Err(unread.into()),
    }
}
