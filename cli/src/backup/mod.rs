//! `careledger network backup` and `restore`.
//!
//! ```text
//! embedded:  stopped network ─▶ OUT/network/…  every file but the databases, which are derived from the blocks   ┐ OUT/manifest.json, last:
//! Fabric:    one node after the other is stopped ─▶ OUT/volumes/<node>.tar, OUT/network/… ─▶ started again       ┘ length and SHA-256 of each file
//!
//! restore:   manifest ─▶ every file is what it was ─▶ copied ─▶ every block verified
//! ```
//!
//! Everything in a backup is as secret as the network itself: it has the keys of every organisation that was backed up, private bodies, and the vaults' records with
//! the keys that open them. Files are 0600, directories 0700; put it on an encrypted disk or hand it to a program that encrypts.
//!
//! What was erased after a backup was made does not come back: a peer catches up with the purge, and a vault asks its peer what was erased before it serves.

mod embedded;
mod manifest;
mod volumes;

use std::path::{Path, PathBuf};

use clap::Args;

use crate::Result;
use crate::fabric;
use crate::output::Output;

/// `careledger network backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The network's directory. An embedded network must be stopped; real Fabric's nodes are stopped and started one after the other.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The directory to make. It is as secret as the network: it has all keys.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Of real Fabric: a node by its host name, such as `peer0.hospital.example.com`; may be repeated. Without it, every ordering node, peer and vault.
    #[arg(long, value_name = "HOST")]
    pub node: Vec<String>,
}

/// `careledger network restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// What `network backup` made.
    #[arg(long, value_name = "BACKUP")]
    pub from: PathBuf,
    /// Where to restore to. Of a whole embedded network: a directory that is not there.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// Of a stopped embedded network: the peers and vaults of this organisation alone, by its MSP id, in place of what was lost.
    #[arg(long, value_name = "MSP", conflicts_with = "node")]
    pub organisation: Option<String>,
    /// Of real Fabric: the node whose volume is replaced; may be repeated.
    #[arg(long, value_name = "HOST")]
    pub node: Vec<String>,
    /// Ids of documents that were erased since, one in a line: the vaults destroy them before they serve, even where the ledger was lost, too.
    #[arg(long, value_name = "FILE", conflicts_with = "node")]
    pub erased: Option<PathBuf>,
}

/// Makes a backup.
pub async fn backup(args: &BackupArgs, output: &Output) -> Result<()> {
    refuse_inside(&args.dir, &args.out)?;
    if fabric::is_in(&args.dir) {
        return volumes::backup(args, output).await;
    }
    if !args.node.is_empty() {
        return Err("--node is for networks of real Fabric; an embedded one is one program".into());
    }
    let (args, output) = ((args.dir.clone(), args.out.clone()), output.clone());
    tokio::task::spawn_blocking(move || embedded::backup(&args.0, &args.1, &output)).await?
}

/// A backup inside of what it copies would copy itself.
fn refuse_inside(dir: &Path, out: &Path) -> Result<()> {
    let dir = dir
        .canonicalize()
        .map_err(|error| format!("{}: {error}", dir.display()))?;
    let there = std::path::absolute(out)?;
    // What exists of the way there, with no link left in it.
    let existing = there.ancestors().find_map(|above| above.canonicalize().ok());
    if existing.is_some_and(|existing| existing.starts_with(&dir)) {
        return Err(format!(
            "{} lies in {}, which is to be copied; name a directory elsewhere",
            out.display(),
            dir.display()
        )
        .into());
    }
    Ok(())
}

/// Restores from one.
pub async fn restore(args: &RestoreArgs, output: &Output) -> Result<()> {
    if manifest::Manifest::read(&args.from)?.engine == manifest::Engine::Fabric {
        return volumes::restore(args, output).await;
    }
    if !args.node.is_empty() {
        return Err("--node is for backups of real Fabric; name an --organisation".into());
    }
    embedded::restore(args, output).await
}
