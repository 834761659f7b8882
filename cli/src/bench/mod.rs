//! `careledger bench`: load on an embedded network, or on any Fabric network by a profile.
//!
//! ```text
//! embedded (fresh network, chaincode deployed) ─┐
//!                                               ├─▶ Target ─▶ Workers ─▶ load (warm-up, window) ─▶ Recorder ─▶ Report
//! profile (a file describes the network) ───────┘      TLS connections shared       latencies, failures by code
//! ```
//!
//! `--mode adjudicate` needs no network: see `adjudication`. `--mode claim --month` works a batch: see `month`.
//!
//! Clients are spread over the organisations' gateways. Each submits one transaction, waits for its commit status, and only then
//! submits the next. See [`profile`] for the file.

mod adjudication;
mod claims;
pub mod contract;
mod embedded;
mod failure;
mod hospital;
mod load;
mod measure;
mod month;
mod pace;
mod patient;
mod process;
pub mod profile;
mod report;
mod target;
#[cfg(test)]
mod tests;
mod worker;

use std::path::Path;
use std::time::Instant;

use fabric_node::Network;

use self::failure::Failure;
use self::load::Extent;
use self::measure::Recorder;
use self::profile::Profile;
use self::report::{Asked, Engine, Report, Usage};
use self::target::Target;
use crate::Result;
use crate::args::{BenchArgs, BenchMode};
use crate::health::Gateways;
use crate::output::Output;

/// Measures and reports. Fails if nothing could be measured, or not one transaction succeeded.
pub async fn run(args: &BenchArgs, output: &Output) -> Result<()> {
    if args.mode == BenchMode::Adjudicate {
        return adjudication::run(args, output).await;
    }
    if args.month {
        if args.mode != BenchMode::Claim || args.profile.is_some() || args.dir.is_some() {
            return Err("--month is for --mode claim on an embedded network".into());
        }
        return month::run(args, output).await;
    }
    let report = match (&args.profile, &args.dir) {
        (Some(path), _) => of_profile(args, path, output).await?,
        (None, Some(dir)) => of_running(args, dir, output).await?,
        (None, None) => of_embedded(args, output).await?,
    };
    output.done();
    report.tell(output);
    output.document(&report.document());
    report.problem().map_or(Ok(()), |problem| Err(problem.into()))
}

async fn of_profile(args: &BenchArgs, path: &Path, output: &Output) -> Result<Report> {
    let profile = Profile::read(path)?;
    let target = profile.target(args.mode, args.keys)?;
    let measured = measure(args, &target, output).await?;
    Ok(Report::new(
        asked(args, profile.organisations()),
        Engine::Profile,
        &measured.recorder,
        measured.usage,
        None,
    ))
}

/// Claims on the running health network of a directory: what the consortium is, its ledger says.
async fn of_running(args: &BenchArgs, dir: &Path, output: &Output) -> Result<Report> {
    if args.mode != BenchMode::Claim {
        return Err("--dir is for --mode claim; --profile measures the others on a running network".into());
    }
    let network = crate::network::summary(dir)?;
    let gateways = Gateways::connect(&network).await?;
    let target = claims::prepare(&network, &gateways, args, output).await?;
    let measured = measure(args, &target, output).await?;
    let asked = asked(args, network.organisations.len());
    let report = Report::new(asked, Engine::Directory, &measured.recorder, measured.usage, None);
    Ok(report.made_anew(target.made_anew()))
}

async fn of_embedded(args: &BenchArgs, output: &Output) -> Result<Report> {
    let began = Instant::now();
    output.doing("starting the network");
    let config = embedded::network_config(args.mode, args.organisations);
    let asked = asked(args, config.organisations.len());
    let network = Network::start(config).await?;
    let dir = network.summary().dir.clone();
    let measured = async {
        let target = embedded::prepare(&network, args, output).await?;
        let prepared = (began.elapsed(), process::disk_mib(&dir));
        let measured = measure(args, &target, output).await?;
        Result::Ok((prepared, measured, target.made_anew()))
    };
    let measured = measured.await;
    let disk_mib = process::disk_mib(&dir);
    output.doing("stopping the network");
    network.stop().await;
    let (
        (setup, disk_before_mib),
        Measured {
            recorder,
            usage,
            first,
        },
        made_anew,
    ) = measured?;
    let usage = Usage {
        disk_before_mib,
        disk_mib,
        setup_ms: Some(setup.as_secs_f64() * 1_000.0),
        ..usage
    };
    let first_ms = first.saturating_duration_since(began).as_secs_f64() * 1_000.0;
    Ok(Report::new(asked, Engine::Embedded, &recorder, usage, Some(first_ms)).made_anew(made_anew))
}

/// What a run came to.
struct Measured {
    recorder: Recorder,
    usage: Usage,
    /// When the first transaction was committed.
    first: Instant,
}

async fn measure(args: &BenchArgs, target: &Target, output: &Output) -> Result<Measured> {
    output.doing("connecting the clients");
    let mut workers = target.connect(args.clients).await?;
    let worker = workers
        .first_mut()
        .ok_or("a benchmark needs at least one client")?;
    let said = |Failure { code, text }| format!("the first transaction failed: {code}: {text}");
    worker.first().await.map_err(said)?;
    let first = Instant::now();
    worker.prepare().await.map_err(said)?;
    let extent = args
        .transactions
        .map_or(Extent::Seconds(args.seconds), Extent::Transactions);
    let (recorder, usage) = load::run(workers, extent, output).await?;
    Ok(Measured {
        recorder,
        usage,
        first,
    })
}

fn asked(args: &BenchArgs, organisations: usize) -> Asked {
    let mode = match args.mode {
        BenchMode::Put => "put",
        BenchMode::Get => "get",
        BenchMode::Range => "range",
        BenchMode::Update => "update",
        BenchMode::Private => "private",
        BenchMode::Access => "access",
        BenchMode::Fetch => "fetch",
        BenchMode::Emergency => "emergency",
        BenchMode::Claim => "claim",
        BenchMode::Adjudicate => "adjudicate",
    };
    Asked {
        mode,
        clients: args.clients,
        seconds: args.seconds,
        transactions: args.transactions,
        organisations,
    }
}
