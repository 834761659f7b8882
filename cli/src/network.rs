//! `careledger network …`: the embedded network as a program.

use std::time::{Duration, Instant};

use fabric_node::{Network, NetworkConfig, NetworkSummary};
use serde_json::json;

use crate::Result;
use crate::args::{StatusArgs, UpArgs};
use crate::demo::report::milliseconds;
use crate::health::{self, Gateways};
use crate::output::Output;

/// Starts a network, prints `ready`, and runs it until SIGINT or SIGTERM.
pub async fn up(args: &UpArgs, output: &Output) -> Result<()> {
    let began = Instant::now();
    let is_health = args.consortium == "health";
    output.doing("starting the network");
    let network = Network::start(config(args)?).await?;
    if is_health {
        output.doing("deploying the health chaincode");
        let gateways = Gateways::connect(&network).await?;
        health::establish(&gateways, &mut |_| {}).await?;
    }
    output.done();
    let ms = milliseconds(began);
    let summary = network.summary();
    for line in description(summary, ms) {
        output.line(line);
    }
    output.line("ready");
    output.document(&json!({ "ready": true, "ms": ms, "network": summary }));
    interrupted().await?;
    output.doing("stopping");
    network.stop().await;
    Ok(())
}

/// Asks every node of a network directory whether it is healthy.
pub async fn status(args: &StatusArgs, output: &Output) -> Result<()> {
    let path = args.dir.join("network.json");
    let bytes = std::fs::read(&path).map_err(|e| {
        format!(
            "{}: {e}; name the directory of a network that `careledger network up` made",
            path.display()
        )
    })?;
    let summary: NetworkSummary = serde_json::from_slice(&bytes)?;
    careledger_sdk::install_crypto_provider();
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(2))
        .no_proxy()
        .build()?;
    let nodes = std::iter::once((summary.orderer.host.clone(), summary.orderer.operations)).chain(
        summary
            .organisations
            .iter()
            .map(|o| (o.host.clone(), o.operations)),
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

fn config(args: &UpArgs) -> Result<NetworkConfig> {
    let mut config = match args.consortium.as_str() {
        "health" => health::network_config(),
        "test-network" => NetworkConfig::test_network(),
        file => NetworkConfig::from_consortium(file)?,
    };
    if let Some(base) = args.base_port {
        config = config.with_base_port(base)?;
    }
    config.listen = args.listen;
    config.seed = args.seed.as_ref().map(|s| s.clone().into_bytes());
    Ok(config.with_dir(&args.dir))
}

fn description(summary: &NetworkSummary, ms: f64) -> Vec<String> {
    let mut lines = vec![format!(
        "channel {} after {ms:.0} ms; files in {}",
        summary.channel,
        summary.dir.display()
    )];
    for organisation in &summary.organisations {
        lines.push(format!(
            "  {:<16} {:<28} {}",
            organisation.msp_id, organisation.host, organisation.endpoint
        ));
    }
    let orderer = &summary.orderer;
    lines.push(format!(
        "  {:<16} {:<28} {} (admin {})",
        orderer.msp_id, orderer.host, orderer.endpoint, orderer.admin
    ));
    lines
}

async fn interrupted() -> Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
