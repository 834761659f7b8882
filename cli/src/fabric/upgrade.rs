//! Another version of the chaincode, while readers and writers go on.
//!
//! ```text
//! new services beside the old ones ─▶ healthy ─▶ packages installed, approved, committed (sequence + 1) ─▶ answers at every member ─▶ old services end
//! ```
//!
//! The peers call the old services until they commit the new definition, and find the new ones running then. Every step is passed over that is done:
//! an upgrade that broke off is continued by the same command.

use std::path::Path;

use fabric_node::NetworkSummary;
use fabric_render::{ChaincodeRelease, Layout, Services, grow};
use serde_json::json;

use super::bring::{Progress, Tell, deploy};
use super::compose::Compose;
use super::layout;
use crate::Result;
use crate::args::UpgradeArgs;
use crate::demo::report::milliseconds;
use crate::health::Gateways;
use crate::network;
use crate::output::Output;

/// `careledger network upgrade`.
pub async fn run(args: &UpgradeArgs, output: &Output) -> Result<()> {
    let began = std::time::Instant::now();
    let before = layout::read(&args.dir)?.chaincodes;
    upgrade(&args.dir, &args.version, !args.no_containers, &mut |progress| {
        super::tell(output, progress)
    })
    .await?;
    let ms = milliseconds(began);
    output.done();
    output.line(format!(
        "version {} of the chaincode is in force ({:.1} s)",
        args.version,
        ms / 1_000.0
    ));
    output.document(&json!({ "upgraded": true, "from": before, "version": args.version, "ms": ms }));
    Ok(())
}

/// Brings `version` into force on the running network in `dir`. `containers`: whether this machine's Compose runs the services; without, the new ones
/// run already where their packages say.
pub async fn upgrade(dir: &Path, version: &str, containers: bool, tell: Tell<'_>) -> Result<()> {
    careledger_sdk::install_crypto_provider();
    let network = network::summary(dir)?;
    let old = layout::read(dir)?;
    let mut running = match old.chaincodes.as_slice() {
        [] => vec![ChaincodeRelease::first(&Services::health().version)],
        releases => releases.to_vec(),
    };
    let last = running.last().cloned().ok_or("fabric.json names no chaincode")?;
    let new = if last.version == version {
        last
    } else {
        let new = last.next(version);
        running.push(new.clone());
        new
    };
    let changes = running.len() > 1;
    tell(Progress::Doing(format!(
        "making the services of version {version}"
    )));
    let both = rendered(dir, &network, &old, running).await?;
    if containers {
        tell(Progress::Doing(format!(
            "starting version {version} beside the old one"
        )));
        let compose = Compose::find(&both.compose).await?;
        compose.up().await?;
        let hosts: Vec<String> = network
            .organisations
            .iter()
            .map(|member| new.host(&member.domain))
            .collect();
        compose.healthy(&hosts).await?;
        if changes {
            tell(Progress::Done(format!(
                "version {version} runs beside the old one"
            )));
        }
    }
    let gateways = Gateways::connect(&network).await?;
    deploy(&gateways, &layout::packages(&both)?, tell).await?;
    if !changes {
        return Ok(());
    }
    tell(Progress::Doing("ending the old version".to_owned()));
    let left = rendered(dir, &network, &both, vec![new]).await?;
    if containers {
        Compose::find(&left.compose).await?.up().await?;
    }
    Ok(())
}

/// The directory with these versions.
async fn rendered(
    dir: &Path,
    network: &NetworkSummary,
    layout: &Layout,
    releases: Vec<ChaincodeRelease>,
) -> Result<Layout> {
    let config = layout::config(dir)?;
    let services = Services {
        chaincodes: Some(releases),
        ..layout::services(layout, network)?
    };
    let out = dir.to_owned();
    let grown = tokio::task::spawn_blocking(move || grow(&out, &config, &services)).await??;
    Ok(grown.layout)
}
