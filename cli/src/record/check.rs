//! `careledger record check`: a custodian's vault compares its files with the ledger.

use std::path::PathBuf;

use careledger_api::roles::Role;
use careledger_sdk::vault::{CheckAnswer, CheckRequest};
use careledger_sdk::wallet::unix_now;
use clap::Args;
use serde_json::json;

use crate::Result;
use crate::output::Output;
use crate::site::Site;

/// `careledger record check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The custodian, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub at: String,
    /// How many chunks of each file are read and proven, drawn at random.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub chunks: u32,
    /// Read and prove all of every file.
    #[arg(long, conflicts_with = "chunks")]
    pub all: bool,
}

/// Prints the vault's signed report. Fails if anything does not fit.
pub(super) async fn check(args: &CheckArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    site.require_custodian(&args.at)?;
    let (vault, identity) = (site.vault(&args.at)?, site.identity(&args.at, Role::Custodian)?);
    let request = CheckRequest {
        holder: args.at.clone(),
        custodian: args.at.clone(),
        channel: site.consortium().channel.clone(),
        chunks: (!args.all).then_some(args.chunks),
        at: unix_now(),
    };
    output.doing("comparing files and ledger");
    let CheckAnswer {
        report,
        anchor,
        tickets,
    } = vault.check(&identity, request).await?;
    if let Some(anchor) = &anchor {
        site.settle_everywhere(anchor.as_str()).await;
    }
    let found = &report.request;
    let hash = found.hash()?;
    output.line(format!(
        "{} documents on the ledger, {} versions in the vault, {} chunks read and proven",
        found.documents, found.versions, found.chunks
    ));
    if found.unanchored > 0 {
        output.line(format!("{} versions wait for their anchor", found.unanchored));
    }
    for gap in &found.gaps {
        output.line(format!("{} version {}: {}", gap.document, gap.version, gap.what));
    }
    if found.more_gaps > 0 {
        output.line(format!("and {} more", found.more_gaps));
    }
    if !found.consistent {
        output.line("the peer's chain is not the one that the report before saw");
    }
    if tickets.waiting > 0 {
        output.line(format!("{} offline tickets wait to be filed", tickets.waiting));
    }
    if tickets.damaged > 0 {
        output.line(format!(
            "{} offline tickets cannot be read: look into the store's offline-damaged",
            tickets.damaged
        ));
    }
    match &anchor {
        Some(tx) => output.line(format!("report {hash}, anchored by transaction {tx}")),
        None => output.line(format!(
            "report {hash}, not anchored: the ledger takes nothing now"
        )),
    }
    output.document(&json!({
        "custodian": args.at, "clean": found.is_clean(), "hash": hash, "anchor": anchor, "report": report, "tickets": tickets,
    }));
    match (found.is_clean(), tickets.damaged) {
        (false, _) => Err("files and ledger do not agree".into()),
        (true, 0) => Ok(()),
        (true, damaged) => Err(format!("{damaged} offline tickets cannot be filed").into()),
    }
}
