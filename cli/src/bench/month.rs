//! `--mode claim --month`: a month's claims of a hospital as one batch. All are submitted, then the insurer's desk decides all that wait, then what is approved
//! is put on remittances; each phase has its wall time. `--transactions N` takes the month's first N claims.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use careledger_api::contracts::claims::{ClaimBody, ClaimStatus, WaitingStep};
use careledger_sdk::HealthClient;
use careledger_sdk::claims::desk::{Desk, Task};
use careledger_sdk::wallet::salt;
use fabric_node::Network;
use futures::stream::{self, StreamExt};
use serde::Serialize;

use super::claims::{Parties, Which, established, parties};
use super::failure::Failure;
use super::{embedded, process};
use crate::Result;
use crate::args::BenchArgs;
use crate::health::{HOSPITAL, INSURER};
use crate::output::Output;

/// What was measured. Times are seconds.
#[derive(Debug, Clone, Serialize)]
struct Figures {
    mode: &'static str,
    clients: u32,
    seed: u64,
    /// Claims of the month that were submitted.
    claims: usize,
    /// Submissions that were refused, by code: exact duplicates of the month among them.
    refused: BTreeMap<String, u64>,
    /// Decisions, by status.
    decided: BTreeMap<ClaimStatus, u64>,
    /// Claims that the desk could not decide or remit, by code.
    failed: BTreeMap<String, u64>,
    /// Transactions of the desk that met another one and were made anew.
    conflicts: u64,
    remittances: u64,
    /// Claims on them.
    remitted: u64,
    setup_s: f64,
    submit_s: f64,
    /// Asking the ledger what waits.
    list_s: f64,
    decide_s: f64,
    /// With the list of what is approved.
    remit_s: f64,
    /// From the first submission to the last remittance.
    wall_s: f64,
    cpu_ms: Option<u64>,
    rss_mib: Option<f64>,
    disk_mib: Option<f64>,
}

/// Measures and reports. Fails if the desk refused anything, or nothing could be remitted.
pub async fn run(args: &BenchArgs, output: &Output) -> Result<()> {
    let began = Instant::now();
    output.doing("starting the network");
    let network = Network::start(embedded::network_config(args.mode, args.organisations)).await?;
    let dir = network.summary().dir.clone();
    let measured = measure(&network, args, began, output).await;
    let disk_mib = process::disk_mib(&dir);
    output.doing("stopping the network");
    network.stop().await;
    let figures = Figures {
        disk_mib,
        ..measured?
    };
    output.done();
    figures.tell(output);
    output.document(&serde_json::to_value(&figures)?);
    match (figures.remitted, figures.failed.values().sum::<u64>()) {
        (0, _) => Err("no claim was remitted".into()),
        (_, 0) => Ok(()),
        (_, failed) => Err(format!("{failed} claims were not decided or remitted").into()),
    }
}

async fn measure(network: &Network, args: &BenchArgs, began: Instant, output: &Output) -> Result<Figures> {
    let gateways = established(network).await?;
    let mut parties = parties(network.summary(), &gateways, args, Which::All, output).await?;
    if let Some(most) = args.transactions {
        parties.claims.truncate(usize::try_from(most)?);
    }
    let together = usize::try_from(args.clients)?;
    let cpu_before = process::cpu_ms();
    let setup = began.elapsed();
    let start = Instant::now();
    let refused = submit(&parties, together, output).await?;
    let submitted = start.elapsed();

    let payer = parties
        .payers
        .first()
        .ok_or("a benchmark needs at least one client")?;
    let desk = Desk::new(payer.clone(), INSURER).together(together);
    // Every hospital's submission is at the insurer's peer before its work begins.
    let last = refused.last.as_deref();
    if let Some(tx) = last {
        payer.caught_up(tx).await?;
    }
    let waiting = desk.waiting(HOSPITAL, Some(WaitingStep::Decide)).await?.claims;
    let listed = start.elapsed();
    let (mut decided, mut failed, mut conflicts) = (BTreeMap::new(), BTreeMap::new(), 0u64);
    let total = waiting.len() as u64;
    let mut outcomes = desk.work(waiting.iter().map(|claim| Task::of(HOSPITAL, claim)));
    let mut done = 0;
    while let Some(outcome) = outcomes.next().await {
        done += 1;
        output.advance(done, total, format!("{done} of {total} decided"));
        conflicts += u64::from(outcome.conflicts);
        match outcome.result {
            Ok(claim) => *decided.entry(claim.status).or_insert(0) += 1,
            Err(error) => *failed.entry(Failure::from(error).code).or_insert(0) += 1,
        }
    }
    let worked = start.elapsed();
    let approved = desk.waiting(HOSPITAL, Some(WaitingStep::Remit)).await?.claims;
    let (mut remittances, mut remitted) = (0u64, 0u64);
    let mut batches = desk.remit(HOSPITAL, approved.iter().map(|claim| claim.claim));
    while let Some(batch) = batches.next().await {
        let claims = batch.claims.len() as u64;
        conflicts += u64::from(batch.conflicts);
        match batch.result {
            Ok(_) => (remittances, remitted) = (remittances + 1, remitted + claims),
            Err(error) => *failed.entry(Failure::from(error).code).or_insert(0) += claims,
        }
        output.advance(
            remitted,
            approved.len() as u64,
            format!("{remittances} remittances"),
        );
    }
    let wall = start.elapsed();
    let seconds = |time: Duration| (time.as_secs_f64() * 1_000.0).round() / 1_000.0;
    let cpu_ms = process::cpu_ms().zip(cpu_before);
    Ok(Figures {
        mode: "month",
        clients: args.clients,
        seed: args.month_seed,
        claims: parties.claims.len(),
        refused: refused.codes,
        decided,
        failed,
        conflicts,
        remittances,
        remitted,
        setup_s: seconds(setup),
        submit_s: seconds(submitted),
        list_s: seconds(listed.saturating_sub(submitted)),
        decide_s: seconds(worked.saturating_sub(listed)),
        remit_s: seconds(wall.saturating_sub(worked)),
        wall_s: seconds(wall),
        cpu_ms: cpu_ms.map(|(after, before)| after.saturating_sub(before)),
        rss_mib: process::rss_mib(),
        disk_mib: None,
    })
}

/// Submissions that were refused.
struct Refused {
    codes: BTreeMap<String, u64>,
    /// The transaction of the newest block with a submission.
    last: Option<String>,
}

/// Submits all claims, so many at once.
async fn submit(parties: &Parties, together: usize, output: &Output) -> Result<Refused> {
    let providers = parties.providers().await?;
    let submitting = parties.claims.iter().zip(providers.iter().cycle()).map(
        async |(claim, provider): (_, &HealthClient)| {
            let body = ClaimBody {
                claim: Clone::clone(claim),
                salt: salt(),
            };
            provider
                .claims()
                .submit_claim(INSURER, HOSPITAL, body)
                .send()
                .await
        },
    );
    let mut submitted = stream::iter(submitting).buffer_unordered(together);
    let total = parties.claims.len() as u64;
    let (mut codes, mut newest, mut done) = (BTreeMap::new(), None, 0);
    while let Some(sent) = submitted.next().await {
        done += 1;
        output.advance(done, total, format!("{done} of {total} submitted"));
        match sent {
            Ok(sent) => newest = newest.max(Some((sent.block_number, sent.tx_id))),
            Err(error) => *codes.entry(Failure::from(error).code).or_insert(0) += 1,
        }
    }
    Ok(Refused {
        codes,
        last: newest.map(|(_, tx)| tx),
    })
}

impl Figures {
    fn tell(&self, output: &Output) {
        output.line(format!(
            "a month of {} claims, {} at once: {:.1} s, set up in {:.1} s",
            self.claims, self.clients, self.wall_s, self.setup_s
        ));
        let per = |count: u64, seconds: f64| format!("{:.0}", count as f64 / seconds.max(0.001));
        let decisions: u64 = self.decided.values().sum();
        let row = |phase: &str, count: u64, seconds: f64| {
            vec![
                phase.to_owned(),
                count.to_string(),
                format!("{seconds:.1}"),
                per(count, seconds),
            ]
        };
        output.table(
            &["PHASE", "CLAIMS", "SECONDS", "PER SECOND"],
            &[
                row("submitted", self.claims as u64, self.submit_s),
                row("listed", decisions, self.list_s),
                row("decided", decisions, self.decide_s),
                row("remitted", self.remitted, self.remit_s),
            ],
        );
        for (status, count) in &self.decided {
            output.line(format!("  {count:>8} {status}"));
        }
        output.line(format!(
            "  {:>8} remittances; {} transactions met another one and were made anew",
            self.remittances, self.conflicts
        ));
        for (what, codes) in [("submissions refused", &self.refused), ("failed", &self.failed)] {
            for (code, count) in codes {
                output.line(format!("  {count:>8} {what}: {code}"));
            }
        }
    }
}
