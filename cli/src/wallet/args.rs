//! What the commands of a wallet share.

use std::path::PathBuf;

use careledger_api::ids::PatientId;
use careledger_api::keys::Algorithm;
use clap::Args;

use crate::values;

/// Which wallet, and which network.
#[derive(Debug, Args)]
pub struct WalletArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The wallet's file. Without it, the environment variable CARELEDGER_WALLET, else careledger/wallet.json in the configuration directory (~/.config).
    #[arg(long, value_name = "FILE")]
    pub wallet: Option<PathBuf>,
    /// A file with the passphrase that the wallet is encrypted under; its first line counts.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// The wallet's owner, where, and who carries what they sign.
#[derive(Debug, Args)]
pub struct OwnArgs {
    /// Wallet and network.
    #[command(flatten)]
    pub wallet: WalletArgs,
    /// The custodian it is about, by its MSP id. Without it, where the wallet is enrolled.
    #[arg(long, value_name = "MSP")]
    pub at: Option<String>,
    /// The organisation whose portal carries it. Without it, the custodian's own.
    #[arg(long = "as", value_name = "MSP")]
    pub carrier: Option<String>,
}

/// `careledger wallet new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// Where it is made.
    #[arg(long, value_name = "FILE")]
    pub wallet: Option<PathBuf>,
    /// Encrypt it under the passphrase in this file's first line.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// `careledger wallet enrol` and `id`.
#[derive(Debug, Args)]
pub struct EnrolArgs {
    /// Wallet and network.
    #[command(flatten)]
    pub wallet: WalletArgs,
    /// The custodian, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub at: String,
}

/// `careledger wallet join`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example, on the second device:\n  careledger wallet join --wallet tablet.json --at HospitalMSP --patient 1d6f… --algorithm ed25519"
)]
pub struct JoinArgs {
    /// The second device's wallet, and the network.
    #[command(flatten)]
    pub wallet: WalletArgs,
    /// The custodian, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub at: String,
    /// Whose device it becomes: the patient's id there, as `wallet show` prints it on the first device.
    #[arg(long, value_name = "ID", value_parser = values::id::<PatientId>)]
    pub patient: PatientId,
    /// The key's algorithm: p256 or ed25519.
    #[arg(long, value_name = "NAME", default_value = "p256")]
    pub algorithm: Algorithm,
}
