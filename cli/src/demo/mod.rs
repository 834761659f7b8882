//! `careledger demo`: an emergency, end to end, on an embedded network or on real Fabric.

mod claims;
pub mod report;
mod story;

use std::path::Path;
use std::sync::Arc;

use careledger_api::roles::Role;
use careledger_sdk::vault::VaultClient;
use careledger_sdk::{fhir, wallet};
use careledger_vault::Server;
use careledger_vault::kek::FileKey;
use careledger_vault::store::Store;
use fabric_node::{Network, NetworkSummary};

use self::report::{AuditReport, Narrator, Report};
use self::story::Cast;
use crate::Result;
use crate::args::{DemoArgs, Engine};
use crate::audit::{self, LedgerAudit};
use crate::fabric::{self, bring::Progress};
use crate::health::{self, CLINIC, Gateways, HOSPITAL, Packages};
use crate::output::Output;
use crate::vault::{self, VaultPlan};

/// Plays the story and prints its report. Fails if the story does not hold.
pub async fn run(args: &DemoArgs, output: &Output) -> Result<()> {
    let report = play(args, output).await?;
    output.document(&report.document());
    let broken = report.broken_promises();
    if broken.is_empty() {
        Ok(())
    } else {
        Err(broken.join("; ").into())
    }
}

/// Plays the story and returns what it measured.
pub async fn play(args: &DemoArgs, output: &Output) -> Result<Report> {
    let bundle = match &args.bundle {
        Some(path) => {
            std::fs::read(path).map_err(|e| format!("cannot read the bundle {}: {e}", path.display()))?
        }
        None => fhir::generate(args.patient_seed, &today())
            .to_string()
            .into_bytes(),
    };
    // Refuse a bad bundle before anything is started.
    fhir::parse(&bundle)?;

    match args.engine {
        Engine::Embedded => play_embedded(args, &bundle, output).await,
        Engine::Fabric => play_on_fabric(args, &bundle, output).await,
    }
}

/// On the network in the directory, which goes on running; the vault is this process's.
async fn play_on_fabric(args: &DemoArgs, bundle: &[u8], output: &Output) -> Result<Report> {
    let dir = args.engine.dir(args.dir.as_ref());
    let mut tell = Narrator::new(output);
    tell.chapter(
        "The consortium on Hyperledger Fabric: a peer, keys and a ledger for each of four organisations, and the ordering nodes",
    );
    tell.doing("starting the network");
    let (network, layout) = fabric::start(&dir, !args.no_containers, &mut |progress| match progress {
        Progress::Doing(what) => tell.doing(&what),
        Progress::Done(what) => tell.remark(what),
        Progress::Committed(done) => tell.committed(&done.what, &done.tx_id, done.block),
    })
    .await?;
    tell.remark(format!("it takes transactions; files in {}", dir.display()));
    tell.report.organisations = network.organisations.len();
    let vault_dir = tempfile::Builder::new().prefix("careledger-vault-").tempdir()?;
    perform(
        &network,
        &fabric::layout::packages(&layout)?,
        vault_dir.path(),
        bundle,
        &mut tell,
    )
    .await?;
    verified(&mut tell, audit::verify_network(&dir)).await?;
    output.done();
    Ok(tell.report)
}

async fn play_embedded(args: &DemoArgs, bundle: &[u8], output: &Output) -> Result<Report> {
    let mut tell = Narrator::new(output);
    tell.doing("starting the network");
    let mut config = health::network_config().with_free_ports();
    let temporary = tempfile::Builder::new().prefix("careledger-").tempdir()?;
    let dir = args
        .dir
        .clone()
        .unwrap_or_else(|| temporary.path().join("network"));
    config = config.with_dir(&dir);
    let network = Network::start(config).await?;
    let started = tell.ms();
    tell.chapter(
        "A network of four organisations starts: a peer, keys and a ledger for each, one ordering node",
    );
    tell.remark(format!("ready after {started:.0} ms; files in {}", dir.display()));

    let vault_dir = dir.join("vault");
    tell.report.organisations = network.summary().organisations.len();
    let packages = health::in_process_packages()?;
    let result = perform(network.summary(), &packages, &vault_dir, bundle, &mut tell).await;
    network.stop().await;
    result?;

    verified(&mut tell, audit::verify_dir(&dir)).await?;
    output.done();
    if args.dir.is_some() {
        output.line(format!("\nThe network's files are in {}.", dir.display()));
    }
    Ok(tell.report)
}

/// The auditor's part, as `auditing` finds it.
async fn verified(
    tell: &mut Narrator<'_>,
    auditing: impl Future<Output = Result<Vec<LedgerAudit>>>,
) -> Result<()> {
    tell.chapter("8. An auditor verifies every block of every organisation's ledger");
    tell.doing("verifying");
    let audited = auditing.await?;
    for ledger in &audited {
        tell.remark(ledger.to_string());
    }
    tell.report.audit = AuditReport {
        blocks: audited.iter().map(|l| l.blocks).sum(),
        transactions: audited.iter().map(|l| l.transactions).sum(),
        ok: audited.len() == tell.report.organisations && audited.iter().all(|l| l.problem.is_none()),
    };
    Ok(())
}

async fn perform(
    network: &NetworkSummary,
    packages: &Packages,
    vault_dir: &Path,
    bundle: &[u8],
    tell: &mut Narrator<'_>,
) -> Result<()> {
    let gateways = Gateways::connect(network).await?;
    prepare(&gateways, packages, tell).await?;
    let kek = FileKey::open_or_create(&create(vault_dir)?.join("kek"))?;
    let store = Arc::new(Store::open(vault_dir, Box::new(kek)).await?);
    let server = start_vault(network, &gateways, HOSPITAL, vault_dir, Arc::clone(&store)).await?;
    let vault = vault_client(network, &server)?;
    let identity = |role: Role| gateways.identity(CLINIC, role.as_str());
    let mut cast = Cast::assemble(
        &gateways,
        identity(Role::Clinician)?,
        identity(Role::Emergency)?,
        store,
        vault,
    )?;

    cast.enrol_and_anchor(tell, bundle).await?;
    cast.ask_without_consent(tell).await?;
    let grant = cast.grant_and_read(tell).await?;
    cast.revoke_and_attack(tell, grant).await?;
    cast.break_the_glass(tell).await?;
    claims::settle(&gateways, tell).await?;
    cast.tamper_and_notify(tell).await?;
    server.stop().await;
    Ok(())
}

/// Deploys the chaincode and establishes the consortium with its collections.
async fn prepare(gateways: &Gateways, packages: &Packages, tell: &mut Narrator<'_>) -> Result<()> {
    tell.chapter("The health chaincode is deployed by Fabric's lifecycle, the consortium is established");
    tell.doing("deploying the health chaincode");
    health::establish(gateways, packages, &mut |event| {
        tell.committed(&event.what, &event.tx_id, event.block);
        if !event.together {
            tell.doing("establishing the consortium");
        }
    })
    .await
}

/// Starts a custodian's vault over `store`, on a free port of loopback. `dir` holds its release log.
pub async fn start_vault(
    network: &NetworkSummary,
    gateways: &Gateways,
    msp_id: &str,
    dir: &Path,
    store: Arc<Store>,
) -> Result<Server> {
    let plan = VaultPlan {
        holder: msp_id,
        custodian: msp_id,
        dir,
        store,
        replicas: Vec::new(),
        backups: Vec::new(),
        replication: None,
        address: vault::LOOPBACK,
    };
    vault::start(network, gateways, plan).await
}

/// A client of that vault, trusting the hospital's TLS CA alone.
pub fn vault_client(network: &NetworkSummary, server: &Server) -> Result<VaultClient> {
    vault::client(network, HOSPITAL, server)
}

fn create(dir: &Path) -> Result<&Path> {
    std::fs::create_dir_all(dir)?;
    Ok(dir)
}

fn today() -> String {
    careledger_api::date::Date::from_unix(wallet::unix_now())
        .map_or_else(|_| "2026-01-01".to_owned(), |d| d.to_string())
}
