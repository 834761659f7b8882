//! The consortium on real Fabric: its containers, and everything from their start to the first transaction, without one of Fabric's own tools.
//!
//! ```text
//! network render ─▶ DIR (network.json, fabric.json, keys, genesis block, packages) ─▶ compose up ─▶ bring_up ─▶ health.json, `ready`
//! ```

pub mod bring;
pub mod compose;
pub mod layout;
pub mod patience;
pub mod upgrade;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use fabric_node::NetworkSummary;
use fabric_render::{Layout, Services, render};
use serde_json::json;

use self::bring::{Progress, Tell, bring_up_from, orderer_admin};
use self::compose::Compose;
pub use self::layout::is_in;
use crate::Result;
use crate::args::{DownArgs, LogsArgs};
use crate::asking;
use crate::demo::report::milliseconds;
use crate::health::{self, Gateways};
use crate::moving::Export;
use crate::output::Output;
use crate::{moving, network};

/// Brings the network in `dir` up, prints `ready`, and leaves it running. What runs already, or was done before, is passed over.
pub async fn up(dir: &Path, containers: bool, from: Option<&Export>, output: &Output) -> Result<()> {
    let began = Instant::now();
    let (network, layout) = start_from(dir, containers, from, &mut |progress| tell(output, progress)).await?;
    let ms = milliseconds(began);
    output.done();
    for line in network::description(&network, ms) {
        output.line(line);
    }
    for (msp_id, vault) in &layout.vaults {
        output.line(format!("  {msp_id:<16} {:<28} {}", "vault", vault.url));
    }
    if let Some(place) = &layout.fingerprints {
        output.line(format!(
            "  {:<16} {:<28} {}",
            place.holder, "fingerprints", place.vault.url
        ));
    }
    output.line("ready");
    output.document(&json!({
        "ready": true, "ms": ms, "network": network, "vaults": layout.vaults, "fingerprints": layout.fingerprints,
    }));
    Ok(())
}

/// Renders the network where it is missing, starts its containers unless the nodes run otherwise, brings them up to a health consortium, and writes
/// `health.json`.
pub async fn start(dir: &Path, containers: bool, tell: Tell<'_>) -> Result<(NetworkSummary, Layout)> {
    start_from(dir, containers, None, tell).await
}

/// The same, where the consortium is founded with what another ledger held before.
pub async fn start_from(
    dir: &Path,
    containers: bool,
    from: Option<&Export>,
    tell: Tell<'_>,
) -> Result<(NetworkSummary, Layout)> {
    careledger_sdk::install_crypto_provider();
    if from.is_none() {
        moving::refuse_half(dir)?;
    }
    if !is_in(dir) {
        tell(Progress::Doing(
            "making keys, certificates and the genesis block".to_owned(),
        ));
        let out = dir.to_owned();
        let config = match from {
            Some(export) => export.network_config(),
            None => health::network_config(),
        };
        let render = move || render(&out, &config, &Services::health());
        let rendered = tokio::task::spawn_blocking(render).await??;
        tell(Progress::Done(format!(
            "{} files in {}",
            rendered.made,
            dir.display()
        )));
    }
    let layout = layout::read(dir)?;
    if from.is_some() {
        moving::begin(dir)?;
    }
    let network = network::summary(dir)?;
    let packages = layout::packages(&layout)?;
    if containers {
        tell(Progress::Doing("starting the containers".to_owned()));
        Compose::find(&layout.compose).await?.up().await?;
        tell(Progress::Done("the containers run".to_owned()));
    }
    let gateways = bring_up_from(&network, &packages, from, tell).await?;
    if from.is_some() {
        moving::finish(dir)?;
    }
    layout::health(&layout, gateways.consortium().clone()).write(dir)?;
    Ok((network, layout))
}

/// Stops and removes the containers; with `--volumes` the ledgers, too, once somebody confirmed it.
pub async fn down(args: &DownArgs, output: &Output) -> Result<()> {
    let compose = compose(&args.dir).await?;
    if args.volumes && !args.yes && !confirmed(&args.dir)? {
        return Err("nothing was removed".into());
    }
    output.doing("stopping the containers");
    compose.down(args.volumes).await?;
    output.done();
    output.line(if args.volumes {
        "the containers and their volumes are removed"
    } else {
        "the containers are removed; their ledgers stay in the volumes"
    });
    output.document(&json!({ "down": true, "volumes": args.volumes }));
    Ok(())
}

/// Shows what the nodes say.
pub async fn logs(args: &LogsArgs) -> Result<()> {
    let compose = compose(&args.dir).await?;
    compose.logs(args.node.as_deref(), args.follow).await
}

/// Asks every node for its height of the channel: each ordering node by its administration, each peer as its own organisation's administrator.
pub async fn status(dir: &Path, output: &Output) -> Result<()> {
    careledger_sdk::install_crypto_provider();
    let network = network::summary(dir)?;
    let mut heights: BTreeMap<String, Option<u64>> = BTreeMap::new();
    for orderer in &network.orderers {
        let channel = orderer_admin(&network, orderer)?.channel(&network.channel).await;
        heights.insert(orderer.host.clone(), channel.ok().map(|channel| channel.height));
    }
    for organisation in &network.organisations {
        for peer in &organisation.peers {
            let height = peer_height(&network, &organisation.msp_id, &peer.host).await;
            heights.insert(peer.host.clone(), height.ok());
        }
    }
    for (host, height) in &heights {
        let state = height.map_or_else(
            || "does not answer".to_owned(),
            |height| format!("{height} blocks"),
        );
        output.line(format!("{host:<32} {state}"));
    }
    let down: Vec<&str> = heights
        .iter()
        .filter(|(_, height)| height.is_none())
        .map(|(host, _)| host.as_str())
        .collect();
    output.document(&json!({ "healthy": down.is_empty(), "down": down, "heights": heights }));
    if down.is_empty() {
        Ok(())
    } else {
        Err(format!("not healthy: {}", down.join(", ")).into())
    }
}

/// A node's height of the channel; 0 of one that has no ledger, such as a vault, which is not asked.
pub(crate) async fn node_height(network: &NetworkSummary, host: &str) -> Result<u64> {
    if let Some(orderer) = network.orderers.iter().find(|orderer| orderer.host == host) {
        let channel = orderer_admin(network, orderer)?.channel(&network.channel).await?;
        return Ok(channel.height);
    }
    let organisation = network
        .organisations
        .iter()
        .find(|organisation| organisation.peers.iter().any(|peer| peer.host == host));
    match organisation {
        Some(organisation) => peer_height(network, &organisation.msp_id, host).await,
        None => Ok(0),
    }
}

async fn peer_height(network: &NetworkSummary, msp_id: &str, host: &str) -> Result<u64> {
    let gateway = Gateways::at_peer(network, msp_id, host, "Admin").await?;
    let info = gateway.network(network.channel.clone()).chain_info().await?;
    Ok(info.height)
}

async fn compose(dir: &Path) -> Result<Compose> {
    Compose::find(&layout::read(dir)?.compose).await
}

pub(crate) fn tell(output: &Output, progress: Progress) {
    match progress {
        Progress::Doing(what) => output.doing(what),
        Progress::Done(what) => output.line(what),
        Progress::Committed(done) => output.line(format!("{} (block {})", done.what, done.block)),
    }
}

fn confirmed(dir: &Path) -> Result<bool> {
    asking::confirmed(
        &format!(
            "Remove every ledger and stored record of the network in {} for ever?",
            dir.display()
        ),
        "--volumes removes every ledger and stored record for ever",
    )
}
