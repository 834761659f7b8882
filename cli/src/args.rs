//! The command's interface. It is stable: scripts rely on names, output and exit codes.

use std::net::IpAddr;
use std::path::PathBuf;

use careledger_api::ids::PatientId;
use clap::{Args, Parser, Subcommand, ValueEnum};
use fabric_render::VaultNode;

use crate::audit::args::AuditCommand;
use crate::backup::{BackupArgs, RestoreArgs};
use crate::claim::args::ClaimCommand;
use crate::consent::args::ConsentCommand;
use crate::credential::args::CredentialCommand;
use crate::moving::ExportArgs;
use crate::network::args::{AddOrganisationArgs, CertificatesArgs, RenewArgs, RotateCaArgs};
use crate::notify::NotifyArgs;
use crate::record::args::RecordCommand;
use crate::values;
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

/// A patient of a custodian, where an officer of the custodian acts.
#[derive(Debug, Args)]
pub struct CustodianPatientArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The custodian, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub at: String,
    /// Who it is: the patient's id there.
    #[arg(long, value_name = "ID", value_parser = values::id::<PatientId>)]
    pub patient: PatientId,
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
    /// Credentials: who may ask for patients' data at all.
    #[command(subcommand)]
    Credential(CredentialCommand),
    /// Claims: from a billing system's file to the money.
    #[command(subcommand)]
    Claim(ClaimCommand),
    /// Tell of every access to a custodian's records and of whatever happens to its patients' keys, here or by a webhook; runs until interrupted.
    Notify(NotifyArgs),
    /// Put a load on a network and report throughput and latency.
    Bench(BenchArgs),
}

/// `careledger demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// What to play it on. With `fabric`, the network in `--dir` (or `careledger-fabric`) is brought up if it does not run, and goes on running.
    #[arg(long, value_enum, default_value = "embedded")]
    pub engine: Engine,
    /// A FHIR R4 Bundle (JSON) about one patient; without it a synthetic patient is generated.
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// Keep the embedded network's files here for a look afterwards; without it they are thrown away.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// With `--engine fabric`: the nodes run already, in other ways than this program's containers (Kubernetes, services of the machine).
    #[arg(long)]
    pub no_containers: bool,
    /// Seed of the synthetic patient; a different seed is a different person.
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub patient_seed: u64,
}

/// `careledger network …`.
#[derive(Debug, Subcommand)]
pub enum NetworkCommand {
    /// Start a network; prints `ready` once it takes transactions. The embedded one runs until interrupted, real Fabric's containers go on.
    Up(UpArgs),
    /// Write everything that the containers of real Fabric need: keys, genesis block, settings, packages, compose file. What is there stays.
    Render(RenderArgs),
    /// Have real Fabric's peers run another version of the chaincode, while readers and writers go on.
    Upgrade(UpgradeArgs),
    /// Stop and remove the containers of real Fabric; the ledgers stay in their volumes.
    Down(DownArgs),
    /// Say whether the network in DIR answers, and how far each node of real Fabric is; exits 1 if one does not.
    Status(StatusArgs),
    /// Show what the nodes of real Fabric say.
    Logs(LogsArgs),
    /// Have an organisation join the running network in DIR: its nodes, the channel, the consortium, the chaincode's collections. What is done already is
    /// passed over.
    #[command(visible_alias = "add-org")]
    AddOrganisation(AddOrganisationArgs),
    /// Say when which certificate in DIR expires.
    Certificates(CertificatesArgs),
    /// Replace certificates of nodes and users by new ones of the same CA; nodes take them when they start the next time.
    #[command(visible_alias = "reenroll")]
    Renew(RenewArgs),
    /// Have another CA issue an organisation's identities; both are trusted until `--finish`.
    RotateCa(RotateCaArgs),
    /// Build state, history and indexes of the peers in DIR again from their blocks; the network must be stopped.
    Rebuild(RebuildArgs),
    /// Write what a consortium takes along when it moves to another channel; the network in DIR must be stopped. `network up --from` takes it over.
    Export(ExportArgs),
    /// Copy keys, ledgers and vaults, with the hash of every file.
    Backup(BackupArgs),
    /// Put a backup, an organisation or a node of it back in place, and verify it.
    Restore(RestoreArgs),
}

/// What a network consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Engine {
    /// The nodes of this program, in this process.
    #[default]
    Embedded,
    /// Hyperledger Fabric's own nodes in containers.
    Fabric,
}

/// `careledger network up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// What to start.
    #[arg(long, value_enum, default_value = "embedded")]
    pub engine: Engine,
    /// `health`, `test-network`, or a consortium.toml.
    #[arg(long, value_name = "FILE|health|test-network", default_value = "health")]
    pub consortium: String,
    /// Where keys, ledgers and connection files live. An existing network there is started again. With `--engine fabric`, what
    /// `network render` made; it is rendered where it is missing [default: careledger-network, or careledger-fabric].
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// With `--engine fabric`: the nodes run already, in other ways than this program's containers (Kubernetes, services of the machine).
    #[arg(long)]
    pub no_containers: bool,
    /// Found the consortium with what another one held: what `network export` made. With its keys, its anchors, patients and consents.
    #[arg(long, value_name = "EXPORT")]
    pub from: Option<PathBuf>,
    /// First port of the network's range; 0 takes free ports. Without it, the preset's own ports.
    #[arg(long, value_name = "N")]
    pub base_port: Option<u16>,
    /// Peers of every organisation: peer0, peer1 and so on. Without it, what the consortium says.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=9))]
    pub peers_per_organisation: Option<u16>,
    /// Address to listen on. Anything but loopback opens the network to others.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub listen: IpAddr,
    /// How often the vaults probe the copies of their records at other organisations, as in 30m, 12h or 7d.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = values::duration)]
    pub probe_every: i64,
    /// Make the same keys on every run. For tests only: loopback only, certificates marked INSECURE-TEST.
    #[arg(long, value_name = "SEED")]
    pub seed: Option<String>,
}

impl Engine {
    /// A network's directory: what was given, or the engine's own.
    pub fn dir(self, given: Option<&PathBuf>) -> PathBuf {
        given.cloned().unwrap_or_else(|| match self {
            Self::Embedded => "careledger-network".into(),
            Self::Fabric => FABRIC_DIR.into(),
        })
    }
}

/// Where networks for real Fabric are unless something else is said.
const FABRIC_DIR: &str = "careledger-fabric";

/// `careledger network upgrade`.
#[derive(Debug, Args)]
pub struct UpgradeArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = FABRIC_DIR)]
    pub dir: PathBuf,
    /// The version: that of the image `careledger/chaincode:VERSION`. This program's own without it.
    #[arg(long = "to", value_name = "VERSION", default_value = env!("CARGO_PKG_VERSION"))]
    pub version: String,
    /// The new version's services run already, in other ways than this program's containers, where their packages say.
    #[arg(long)]
    pub no_containers: bool,
}

/// `careledger network down`.
#[derive(Debug, Args)]
pub struct DownArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = FABRIC_DIR)]
    pub dir: PathBuf,
    /// Remove the volumes, too: every ledger and every stored record of this network is gone then. Asks before it does.
    #[arg(long)]
    pub volumes: bool,
    /// Do not ask.
    #[arg(long, requires = "volumes")]
    pub yes: bool,
}

/// `careledger network logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The node's host name, such as `peer0.hospital.example.com`; all without it.
    #[arg(value_name = "NODE")]
    pub node: Option<String>,
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = FABRIC_DIR)]
    pub dir: PathBuf,
    /// Go on until interrupted.
    #[arg(long, short)]
    pub follow: bool,
}

/// `careledger network render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// `health`, or a consortium.toml. One can point to an existing cryptogen tree (`material`) and genesis block.
    #[arg(long, value_name = "FILE|health", default_value = "health")]
    pub consortium: String,
    /// Where to write; made if it is not there. Holds every organisation's keys: give each organisation its own part alone.
    #[arg(long, value_name = "DIR", default_value = "careledger-fabric")]
    pub out: PathBuf,
    /// Ordering nodes: 1, 3, 5, 7 or 9. With three, one may be lost.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub orderers: u16,
    /// A member that runs a vault, with the vault's published port; may be repeated. Of the form MSP:CUSTODIAN=PORT, a vault that holds copies of
    /// another custodian's records; of the form MSP:fingerprints=PORT, one that evaluates fingerprints for payers. The member's user `vault` is its identity. The preset has its own.
    #[arg(long = "vault", value_name = "MSP[:CUSTODIAN]=PORT", value_parser = crate::render::vault)]
    pub vaults: Vec<VaultNode>,
    /// Have the Fabric CAs start with the other containers (`docker compose --profile ca up` starts them too).
    #[arg(long)]
    pub ca: bool,
    /// Write manifests for Kubernetes, too, into `kubernetes/` below the directory.
    #[arg(long)]
    pub kubernetes: bool,
    /// Replace settings that differ from what the consortium needs now. Keys, certificates, packages and the genesis block stay.
    #[arg(long)]
    pub replace_settings: bool,
    /// Refused: keys from a seed are no secret.
    #[arg(long, value_name = "SEED", hide = true)]
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
    /// From a claim's submission over its adjudication to its remittance, each claim of a generated month once.
    Claim,
    /// The adjudication engine alone, without a network: one thread, all of them, and the batch of a generated month with the search for frauds.
    Adjudicate,
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
    /// Measure until this many transactions are done, however long that takes, from the first one on; Ctrl-C ends it and reports how far it came.
    #[arg(long, value_name = "N", conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..))]
    pub transactions: Option<u64>,
    /// Patients that `--mode access` asks about in turn, on the embedded network [default: 1]; members of `--mode claim` (2,000) and `adjudicate` (15,000).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub patients: Option<u32>,
    /// Seed of the month for `--mode claim` and `adjudicate`.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub month_seed: u64,
    /// Work the month of `--mode claim` as one batch: submit all of it, decide all, remit all. With `--transactions`, so many of its claims.
    #[arg(long)]
    pub month: bool,
    /// Organisations of the embedded network; a majority endorses.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=16))]
    pub organisations: u32,
    /// Keys that `--mode update` spreads over, at random.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub keys: u64,
    /// Measure the network that this profile describes instead of an embedded one.
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Measure `--mode claim` on the running health network in DIR instead, as its own people; plan, members and claims stay on its ledger, so that
    /// each run takes another `--month-seed`.
    #[arg(long, value_name = "DIR", conflicts_with = "profile")]
    pub dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_command_is_well_formed() {
        Cli::command().debug_assert();
    }
}
