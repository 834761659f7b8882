//! `careledger audit …` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `careledger audit …`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Verify every block of every copy of a channel's chain, and the copies against each other.
    Verify(VerifyArgs),
    /// Write evidence for others: blocks, the state at a height, the proof of one transaction.
    #[command(subcommand)]
    Export(ExportCommand),
}

/// `careledger audit export …`.
#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// Verified blocks from the first one on, in one file.
    Blocks(ExportBlocksArgs),
    /// The state after a block, as JSON Lines with a digest.
    State(ExportStateArgs),
    /// A directory that proves to anybody that one transaction is in the chain.
    Proof(ExportProofArgs),
}

/// Where the copies come from, and what is trusted.
#[derive(Debug, Clone, Default, Args)]
pub struct SourceArgs {
    /// The directory of a network that is not running, with every organisation's ledger, or one ledger's directory.
    /// The default, as `careledger-network`.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["file", "network", "connect"])]
    pub dir: Option<PathBuf>,
    /// A file with blocks, by `audit export blocks` or `peer channel fetch`. Given several times, the copies are compared.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["network", "connect"])]
    pub file: Vec<PathBuf>,
    /// The directory of a running network: its nodes are asked.
    #[arg(long, value_name = "DIR", conflicts_with = "connect")]
    pub network: Option<PathBuf>,
    /// A profile of a running network, as for `bench --profile`, with `[[orderers]]`: its nodes are asked.
    #[arg(long, value_name = "FILE")]
    pub connect: Option<PathBuf>,
    /// The channel's genesis block, which is trusted. A network's directory has its own.
    #[arg(long, value_name = "FILE")]
    pub genesis: Option<PathBuf>,
    /// The hash of the genesis block, which is trusted; the block itself then comes from the copies.
    #[arg(long, value_name = "HEX", conflicts_with = "genesis")]
    pub genesis_hash: Option<String>,
}

/// `careledger audit verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The copies.
    #[command(flatten)]
    pub source: SourceArgs,
    /// A proof by `audit export proof` instead of whole copies.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["dir", "file", "network", "connect"])]
    pub proof: Option<PathBuf>,
}

/// `careledger audit export blocks`.
#[derive(Debug, Args)]
pub struct ExportBlocksArgs {
    /// The copies.
    #[command(flatten)]
    pub source: SourceArgs,
    /// The last block; without it, all.
    #[arg(long, value_name = "NUMBER")]
    pub to: Option<u64>,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// `careledger audit export state`.
#[derive(Debug, Args)]
pub struct ExportStateArgs {
    /// The copies.
    #[command(flatten)]
    pub source: SourceArgs,
    /// The block after which; without it, the last one.
    #[arg(long, value_name = "NUMBER")]
    pub block: Option<u64>,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// `careledger audit export proof`.
#[derive(Debug, Args)]
pub struct ExportProofArgs {
    /// The copies.
    #[command(flatten)]
    pub source: SourceArgs,
    /// The transaction's id.
    #[arg(long, value_name = "TXID")]
    pub tx: String,
    /// Add the headers of all blocks before it, so that the genesis block alone needs to be trusted even where the
    /// configuration was changed since.
    #[arg(long)]
    pub chain: bool,
    /// The directory to make.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}
