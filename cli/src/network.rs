//! `careledger network …`: the embedded network as a program, and the way to real Fabric's.

pub mod args;
pub mod authority;
pub mod certificates;
mod control;
pub mod growth;
pub mod renewal;

use std::path::Path;
use std::pin::pin;
use std::time::{Duration, Instant};

use fabric_ledger::{LedgerOptions, Rebuilt};
use fabric_node::{Network, NetworkConfig, NetworkSummary};
use serde_json::json;

use self::control::Control;
use crate::Result;
use crate::args::{Engine, RebuildArgs, StatusArgs, UpArgs};
use crate::demo::report::milliseconds;
use crate::fabric::{self, bring};
use crate::health::{self, Gateways};
use crate::moving::{self, Export};
use crate::output::Output;
use crate::stopping::Signals;
use crate::vaults::{self, FingerprintSummary, ReplicaSummary, VaultPorts, VaultSettings, Vaults};

/// Starts a network and prints `ready`. The embedded one runs until SIGINT or SIGTERM.
pub async fn up(args: &UpArgs, output: &Output) -> Result<()> {
    match args.engine {
        Engine::Embedded => up_embedded(args, output).await,
        Engine::Fabric => {
            let from = args.from.as_deref().map(Export::read).transpose()?;
            let dir = args.engine.dir(args.dir.as_ref());
            fabric::up(&dir, !args.no_containers, from.as_ref(), output).await
        }
    }
}

async fn up_embedded(args: &UpArgs, output: &Output) -> Result<()> {
    let began = Instant::now();
    let is_health = args.consortium == "health";
    let from = args.from.as_deref().map(Export::read).transpose()?;
    if from.is_some() && !is_health {
        return Err("an export is of a health consortium; leave --consortium out".into());
    }
    if from.is_none() {
        moving::refuse_half(&args.engine.dir(args.dir.as_ref()))?;
    }
    output.doing("starting the network");
    let mut network = Network::start(config(args, from.as_ref())?).await?;
    let mut vaults = None;
    if is_health {
        output.doing("deploying the health chaincode");
        let mut gateways = Gateways::connect(network.summary()).await?;
        let packages = health::in_process_packages_of(gateways.consortium())?;
        match &from {
            None => health::establish(&gateways, &packages, &mut |_| {}).await?,
            Some(export) => {
                let dir = &network.summary().dir;
                moving::begin(dir)?;
                moving::copy_vaults(&export.vaults(), &dir.join("vaults"))?;
                health::deploy_chaincode(&gateways, &packages).await?;
                moving::found(&gateways, export, &mut |done| output.doing(done.what)).await?;
                moving::finish(dir)?;
            }
        }
        gateways.learn_consortium().await;
        // A vault asks its peer what was erased before it serves: one that was restored has to know it by then.
        bring::catch_up(network.summary(), &gateways, &mut |_| {}).await?;
        output.doing("starting the vaults");
        vaults = Some(
            Vaults::start(
                network.summary(),
                &gateways,
                vault_settings(args, network.summary())?,
            )
            .await?,
        );
    }
    output.done();
    let ms = milliseconds(began);
    let summary = network.summary();
    for line in description(summary, ms) {
        output.line(line);
    }
    let found = vaults.as_ref().map(|v| &v.summary.vaults);
    for (msp_id, vault) in found.into_iter().flatten() {
        output.line(format!("  {msp_id:<16} {:<28} {}", "vault", vault.url));
    }
    let replicas = vaults.as_ref().map(|v| &v.summary.replicas);
    for (custodian, replicas) in replicas.into_iter().flatten() {
        for ReplicaSummary { holder, vault } in replicas {
            let what = format!("replicas of {custodian}");
            output.line(format!("  {holder:<16} {what:<28} {}", vault.url));
        }
    }
    let fingerprints = vaults.as_ref().and_then(|v| v.summary.fingerprints.as_ref());
    if let Some(FingerprintSummary { regulator, vault }) = fingerprints {
        output.line(format!("  {regulator:<16} {:<28} {}", "fingerprints", vault.url));
    }
    // Whoever reads `ready` may end it at once.
    let interrupted = interrupted()?;
    output.line("ready");
    output.document(
        &json!({ "ready": true, "ms": ms, "network": summary, "vaults": found, "replicas": replicas, "fingerprints": fingerprints }),
    );
    serve_until(interrupted, &mut network).await;
    output.doing("stopping");
    if let Some(vaults) = vaults {
        vaults.stop().await;
    }
    network.stop().await;
    Ok(())
}

/// Does what other commands ask of the running network.
async fn serve_until(interrupted: impl Future<Output = ()>, network: &mut Network) {
    let mut interrupted = pin!(interrupted);
    let Some(control) = Control::open(network.dir()) else {
        return interrupted.await;
    };
    loop {
        tokio::select! {
            () = &mut interrupted => return,
            request = control.next() => control::serve(network, request).await,
        }
    }
}

/// Asks every node of a network directory whether it is healthy.
pub async fn status(args: &StatusArgs, output: &Output) -> Result<()> {
    if fabric::is_in(&args.dir) {
        return fabric::status(&args.dir, output).await;
    }
    let summary = summary(&args.dir)?;
    careledger_sdk::install_crypto_provider();
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(2))
        .no_proxy()
        .build()?;
    let nodes = std::iter::once((summary.orderer.host.clone(), summary.orderer.operations)).chain(
        summary
            .organisations
            .iter()
            .flat_map(|o| &o.peers)
            .map(|peer| (peer.host.clone(), peer.operations)),
    );
    let mut down = Vec::new();
    for (host, operations) in nodes {
        let answer = http.get(format!("http://{operations}/healthz")).send().await;
        let healthy = answer.is_ok_and(|r| r.status().is_success());
        output.line(format!(
            "{host:<32} {}",
            if healthy { "healthy" } else { "does not answer" }
        ));
        if !healthy {
            down.push(host);
        }
    }
    output.document(&json!({ "healthy": down.is_empty(), "down": down }));
    if down.is_empty() {
        Ok(())
    } else {
        Err(format!("not healthy: {}", down.join(", ")).into())
    }
}

/// Builds the databases of a stopped network's peers again: state, private state, history and indexes, from the blocks and
/// the private data files, which stay as they are. A damaged block is named, with file and offset.
pub async fn rebuild(args: &RebuildArgs, output: &Output) -> Result<()> {
    let summary = summary(&args.dir)?;
    let state_database = NetworkConfig::from_consortium(args.dir.join("consortium.toml"))?.state_database;
    let mut rebuilt = Vec::new();
    for organisation in &summary.organisations {
        let msp_id = &organisation.msp_id;
        if args.organisation.as_ref().is_some_and(|wanted| wanted != msp_id) {
            continue;
        }
        for peer in &organisation.peers {
            let dir = args
                .dir
                .join("peers")
                .join(&peer.host)
                .join("channels")
                .join(&summary.channel);
            let (host, msp_id, progress) = (peer.host.clone(), msp_id.clone(), output.clone());
            let blocks = tokio::task::spawn_blocking(move || {
                let options = LedgerOptions {
                    state_database,
                    ..LedgerOptions::default()
                };
                let mut told = |at: Rebuilt| {
                    progress.advance(at.bytes, at.of_bytes, format!("{host}: block {}", at.blocks));
                };
                fabric_peer::rebuild_ledger(&dir, &msp_id, options, &mut told)
            })
            .await?
            .map_err(|e| format!("{}: {e}", peer.host))?;
            output.line(format!("{:<32} {blocks} blocks", peer.host));
            rebuilt.push(json!({ "peer": peer.host, "blocks": blocks }));
        }
    }
    if rebuilt.is_empty() {
        let known: Vec<&str> = summary.organisations.iter().map(|o| o.msp_id.as_str()).collect();
        return Err(format!("no peer of that organisation; choose one of {}", known.join(", ")).into());
    }
    output.document(&json!({ "rebuilt": rebuilt }));
    Ok(())
}

/// What `network.json` in a network's directory says.
pub fn summary(dir: &Path) -> Result<NetworkSummary> {
    let path = dir.join("network.json");
    let bytes = std::fs::read(&path).map_err(|e| {
        format!(
            "{}: {e}; name a directory that `careledger network up` or `demo --dir` made",
            path.display()
        )
    })?;
    Ok(serde_json::from_slice(&bytes)?)
}

fn config(args: &UpArgs, from: Option<&Export>) -> Result<NetworkConfig> {
    let dir = args.engine.dir(args.dir.as_ref());
    let mut config = match (args.consortium.as_str(), from) {
        ("health", Some(export)) => export.network_config(),
        ("health", None) => on_its_channel(health::network_config(), &dir)?,
        ("test-network", _) => NetworkConfig::test_network(),
        (file, _) => NetworkConfig::from_consortium(file)?,
    };
    if let Some(count) = args.peers_per_organisation {
        config = config.with_peers_per_organisation(count)?;
    }
    config = config.with_joined(&dir)?;
    if let Some(base) = args.base_port {
        config = config.with_base_port(base)?;
    }
    config.listen = args.listen;
    config.seed = args.seed.as_ref().map(|s| s.clone().into_bytes());
    Ok(config.with_dir(dir))
}

/// A consortium that moved has another channel than the preset's: its directory says which.
fn on_its_channel(mut config: NetworkConfig, dir: &Path) -> Result<NetworkConfig> {
    let file = dir.join("consortium.toml");
    if dir.join(vaults::FILE).exists() && file.exists() {
        config.channel = NetworkConfig::from_consortium(file)?.channel;
    }
    Ok(config)
}

/// The vaults listen where the peers do, on ports of the same kind.
fn vault_settings(args: &UpArgs, network: &NetworkSummary) -> Result<VaultSettings> {
    let ports = match args.base_port {
        None => VaultPorts::BesidePeers,
        Some(0) => VaultPorts::Free,
        Some(base) => {
            let peers: usize = network.organisations.iter().map(|o| o.peers.len()).sum();
            // Behind the row of `NetworkConfig::with_base_port`: three for the orderer, three for each peer.
            let first = usize::from(base) + 3 + 3 * peers;
            let first = u16::try_from(first)
                .map_err(|_| "the vaults' ports do not fit below 65536; choose a lower base port")?;
            VaultPorts::From(first)
        }
    };
    Ok(VaultSettings {
        listen: args.listen,
        ports,
        probe_every: Duration::from_secs(args.probe_every.unsigned_abs()),
    })
}

pub(crate) fn description(summary: &NetworkSummary, ms: f64) -> Vec<String> {
    let mut lines = vec![format!(
        "channel {} after {ms:.0} ms; files in {}",
        summary.channel,
        summary.dir.display()
    )];
    for organisation in &summary.organisations {
        for peer in &organisation.peers {
            lines.push(format!(
                "  {:<16} {:<28} {}",
                organisation.msp_id, peer.host, peer.endpoint
            ));
        }
    }
    for orderer in &summary.orderers {
        lines.push(format!(
            "  {:<16} {:<28} {} (admin {})",
            orderer.msp_id, orderer.host, orderer.endpoint, orderer.admin
        ));
    }
    lines
}

/// Done at SIGINT or SIGTERM, also at one that comes between this call and the first wait.
pub(crate) fn interrupted() -> Result<impl Future<Output = ()>> {
    let mut signals = Signals::listen()?;
    Ok(async move {
        signals.next().await;
    })
}
