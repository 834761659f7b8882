//! `careledger record replicate` and `record replicas`: a custodian's copies at other organisations.

use std::time::{Duration, Instant};

use careledger_api::contracts::record::{ProbeResult, ReplicaView};
use careledger_api::roles::Role;
use careledger_sdk::vault::{ReplicationReport, ReplicationRequest, VaultError};
use careledger_sdk::wallet::unix_now;
use serde_json::json;

use super::args::{ReplicasArgs, ReplicateArgs};
use crate::Result;
use crate::output::Output;
use crate::site::Site;
use crate::values;

/// How often the vault is asked whether it is done.
const ASK: Duration = Duration::from_millis(250);

/// Has the vault go on with its copies at once, waits for them, and then for a probe where one is wanted.
pub(super) async fn replicate(args: &ReplicateArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    output.doing("copying");
    let until = Instant::now() + Duration::from_secs(args.wait.unsigned_abs());
    let mut report = ask(&site, &args.at, true, false).await?;
    while !is_copied(&report) && Instant::now() < until {
        for holder in &report.holders {
            let total = holder.copied + holder.waiting;
            output.advance(holder.copied, total, format!("versions at {}", holder.holder));
        }
        tokio::time::sleep(ASK).await;
        report = ask(&site, &args.at, false, false).await?;
    }
    let mut complete = is_copied(&report);
    if args.probe && complete {
        output.doing("probing");
        let asked = unix_now();
        report = ask(&site, &args.at, false, true).await?;
        while !is_probed(&report, asked) && Instant::now() < until {
            tokio::time::sleep(ASK).await;
            report = ask(&site, &args.at, false, false).await?;
        }
        complete = is_probed(&report, asked);
    }
    output.done();
    tell(&report, output);
    output.document(&json!({ "custodian": args.at, "complete": complete, "holders": report.holders }));
    if complete {
        Ok(())
    } else {
        Err("not everything is copied, or probed, yet; the vault goes on by itself".into())
    }
}

/// What the vault and the ledger say of the copies.
pub(super) async fn replicas(args: &ReplicasArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    site.require_custodian(&args.at)?;
    output.doing("asking");
    // The ledger answers also where the vault does not, or keeps none.
    let report = match ask(&site, &args.at, false, false).await {
        Ok(report) => report.holders,
        Err(error) => match error.downcast_ref::<VaultError>() {
            Some(VaultError::NoReplicas) => Vec::new(),
            Some(unavailable) if unavailable.is_unavailable() => {
                output.line(format!("{unavailable}"));
                Vec::new()
            }
            _ => return Err(error),
        },
    };
    let client = site.client(&args.at, Role::Custodian).await?;
    let registered = client.records().replicas(args.at.clone()).send().await?;
    output.done();
    let report = ReplicationReport { holders: report };
    tell(&report, output);
    output.table(
        &["on the ledger", "at", "of", "since", "last probe"],
        &registered.iter().map(row).collect::<Vec<_>>(),
    );
    if registered.is_empty() {
        output.line("the ledger names no replica");
    }
    output.document(&json!({ "custodian": args.at, "vault": report.holders, "ledger": registered }));
    Ok(())
}

async fn ask(site: &Site, custodian: &str, retry: bool, probe: bool) -> Result<ReplicationReport> {
    let (vault, identity) = (site.vault(custodian)?, site.identity(custodian, Role::Custodian)?);
    let request = ReplicationRequest {
        custodian: custodian.to_owned(),
        channel: site.consortium().channel.clone(),
        retry,
        probe,
        proofs: Vec::new(),
        at: unix_now(),
    };
    Ok(vault.replication(&identity, request).await?)
}

fn is_copied(report: &ReplicationReport) -> bool {
    report.holders.iter().all(|holder| holder.waiting == 0)
}

/// Whether every holder of something was probed since.
fn is_probed(report: &ReplicationReport, since: i64) -> bool {
    report.holders.iter().all(|holder| {
        let probed = holder.probed.is_some_and(|probed| probed.at >= since);
        probed || holder.copied == 0
    })
}

fn tell(report: &ReplicationReport, output: &Output) {
    let rows: Vec<Vec<String>> = report
        .holders
        .iter()
        .map(|holder| {
            let probed = holder.probed.map_or_else(
                || "none since the vault's start".to_owned(),
                |probed| {
                    format!(
                        "{} of {} at {}",
                        probed.result,
                        probed.sampled,
                        values::time(probed.at)
                    )
                },
            );
            vec![
                holder.holder.clone(),
                holder.copied.to_string(),
                holder.waiting.to_string(),
                holder.failing.to_string(),
                probed,
            ]
        })
        .collect();
    output.table(&["vault", "copied", "waiting", "failing", "probed"], &rows);
    for holder in &report.holders {
        if let Some(trouble) = &holder.trouble {
            output.line(format!("{}: {trouble}", holder.holder));
        }
    }
}

fn row(view: &ReplicaView) -> Vec<String> {
    let probed = match (&view.last, view.lost) {
        (_, true) => ProbeResult::Lost.to_string(),
        (Some(last), false) => format!("{} at {}", last.result, values::time(last.at)),
        (None, false) => "none".to_owned(),
    };
    vec![
        view.replica.organisation.clone(),
        view.replica.locator.clone(),
        view.replica
            .document
            .map_or_else(|| "all records".to_owned(), |document| document.to_string()),
        values::time(view.registered),
        probed,
    ]
}
