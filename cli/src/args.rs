//! The command's interface. It is stable: scripts rely on names, output and exit codes.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::audit::args::AuditCommand;
use crate::consent::args::ConsentCommand;
use crate::notify::NotifyArgs;
use crate::record::args::RecordCommand;
use crate::wallet::WalletCommand;

/// A healthcare consortium ledger: consent, records and claims on Hyperledger Fabric's own protocol.
#[derive(Debug, Parser)]
#[command(name = "careledger", version, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// One JSON document on stdout; logs go to stderr.
    #[arg(long, global = true)]
    pub json: bool,
    /// Log filter for stderr, as in `info` or `fabric_peer=debug`. The environment variable CARELEDGER_LOG does the same.
    #[arg(long, global = true, value_name = "FILTER")]
    pub log: Option<String>,
}

/// The command's first word.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Play an emergency, end to end, on an embedded network.
    Demo(DemoArgs),
    /// Run a network.
    #[command(subcommand)]
    Network(NetworkCommand),
    /// Prove what happened.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// A patient's wallet: the secret from which ids and keys follow.
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// A patient's consents and log.
    #[command(subcommand)]
    Consent(ConsentCommand),
    /// Records: into a vault, onto the ledger, and back.
    #[command(subcommand)]
    Record(RecordCommand),
    /// Tell of every access to a custodian's records, here or by a webhook; runs until interrupted.
    Notify(NotifyArgs),
    /// Put a load on a network and report throughput and latency.
    Bench(BenchArgs),
}

/// `careledger demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// A FHIR R4 Bundle (JSON) about one patient; without it a synthetic patient is generated.
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// Keep the network's files here for a look afterwards; without it they are thrown away.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Seed of the synthetic patient; a different seed is a different person.
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub patient_seed: u64,
}

/// `careledger network …`.
#[derive(Debug, Subcommand)]
pub enum NetworkCommand {
    /// Start the embedded network and run it until interrupted; prints `ready` once it takes transactions.
    Up(UpArgs),
    /// Say whether the network in DIR answers; exits 1 if not.
    Status(StatusArgs),
    /// Build state, history and indexes of the peers in DIR again from their blocks; the network must be stopped.
    Rebuild(RebuildArgs),
}

/// `careledger network up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// `health`, `test-network`, or a consortium.toml.
    #[arg(long, value_name = "FILE|health|test-network", default_value = "health")]
    pub consortium: String,
    /// Where keys, ledgers and connection files live. An existing network there is started again.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// First port of the network's range; 0 takes free ports. Without it, the preset's own ports.
    #[arg(long, value_name = "N")]
    pub base_port: Option<u16>,
    /// Peers of every organisation: peer0, peer1 and so on. Without it, what the consortium says.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=9))]
    pub peers_per_organisation: Option<u16>,
    /// Address to listen on. Anything but loopback opens the network to others.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub listen: IpAddr,
    /// Make the same keys on every run. For tests only: loopback only, certificates marked INSECURE-TEST.
    #[arg(long, value_name = "SEED")]
    pub seed: Option<String>,
}

/// `careledger network status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
}

/// `careledger network rebuild`.
#[derive(Debug, Args)]
pub struct RebuildArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The peers of this organisation alone, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub organisation: Option<String>,
}

/// What one benchmark transaction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchMode {
    /// Submit a 500-byte value to a new key and wait for its commit.
    Put,
    /// Evaluate a read of one key.
    Get,
    /// Evaluate a range of 100 keys.
    Range,
    /// Submit a read of a key and a 500-byte value for it, over `--keys` keys; conflicts count as failures.
    Update,
    /// Submit a 500-byte private value to a collection of two organisations and wait for its commit.
    Private,
    /// Submit an access attempt against the consent contract and wait for its commit.
    Access,
    /// From the request for access to the first verified byte of the record: access, its commit, the key from the vault, the first chunk.
    Fetch,
    /// The same with broken glass for the emergency summary, one client in eight (at least one); the others ask for access meanwhile and do not count.
    Emergency,
}

/// `careledger bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// What each transaction does.
    #[arg(long, value_enum, default_value = "put")]
    pub mode: BenchMode,
    /// Clients that submit concurrently, each waiting for its answer.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub clients: u32,
    /// How long to measure, seconds.
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// Measure until this many transactions are done, however long that takes, from the first one on.
    #[arg(long, value_name = "N", conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..))]
    pub transactions: Option<u64>,
    /// Patients that `--mode access` asks about in turn, on the embedded network.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub patients: u32,
    /// Organisations of the embedded network; a majority endorses.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=16))]
    pub organisations: u32,
    /// Keys that `--mode update` spreads over, at random.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub keys: u64,
    /// Measure the network that this profile describes instead of an embedded one.
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
}
