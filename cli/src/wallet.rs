//! `careledger wallet …`: a patient's secret in a file.

use std::path::{Path, PathBuf};

use careledger_api::consortium::OrganisationRole;
use careledger_api::roles::Role;
use careledger_sdk::Wallet;
use careledger_sdk::wallet::{PatientAt, Signed, WalletFile};
use clap::{Args, Subcommand};
use serde_json::json;
use zeroize::Zeroizing;

use crate::Result;
use crate::output::Output;
use crate::site::Site;

/// Names the wallet's file where no option does.
const VARIABLE: &str = "CARELEDGER_WALLET";

/// `careledger wallet …`.
#[derive(Debug, Subcommand)]
pub enum WalletCommand {
    /// Make a wallet with a fresh secret. It is never overwritten; keep a copy.
    New(NewArgs),
    /// Print the patient's id at each custodian and where the wallet is enrolled; never the secret.
    Show(WalletArgs),
    /// Enrol the wallet's device key at a custodian: its registrar has seen who the person is.
    Enrol(EnrolArgs),
}

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

/// `careledger wallet enrol`.
#[derive(Debug, Args)]
pub struct EnrolArgs {
    /// Wallet and network.
    #[command(flatten)]
    pub wallet: WalletArgs,
    /// The custodian, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub at: String,
}

/// Runs one wallet command.
pub async fn run(command: &WalletCommand, output: &Output) -> Result<()> {
    match command {
        WalletCommand::New(args) => new(args, output),
        WalletCommand::Show(args) => show(args, output),
        WalletCommand::Enrol(args) => enrol(args, output).await,
    }
}

/// A wallet's file with the network it is used on.
#[derive(Debug)]
pub struct Patient {
    /// The network.
    pub site: Site,
    file: WalletFile,
    wallet: Wallet,
}

impl Patient {
    /// Opens both.
    pub fn open(args: &WalletArgs) -> Result<Self> {
        let site = Site::open(&args.dir)?;
        let file = WalletFile::open(
            &path(args.wallet.as_deref())?,
            passphrase(args.passphrase_file.as_deref())?,
        )?;
        let wallet = file.wallet(site.consortium().clone())?;
        Ok(Self { site, file, wallet })
    }

    /// The patient at a custodian.
    pub fn at(&self, custodian: &str) -> Result<PatientAt> {
        self.site.require_custodian(custodian)?;
        Ok(self.wallet.at(custodian)?)
    }

    /// The custodians a command is about: the named one, else all at which the wallet is enrolled.
    pub fn custodians(&self, named: Option<&str>) -> Result<Vec<String>> {
        match named {
            Some(custodian) => {
                self.site.require_custodian(custodian)?;
                Ok(vec![custodian.to_owned()])
            }
            None if self.file.enrolled().is_empty() => Err(
                "the wallet is enrolled nowhere: careledger wallet enrol --at MSP, or name a custodian with --at".into(),
            ),
            None => Ok(self.file.enrolled().iter().cloned().collect()),
        }
    }

    /// The one custodian a command is about: the named one, else the only one at which the wallet is enrolled.
    pub fn custodian(&self, named: Option<&str>) -> Result<String> {
        let mut all = self.custodians(named)?;
        match all.pop() {
            Some(only) if all.is_empty() => Ok(only),
            last => {
                all.extend(last);
                Err(format!("the wallet is enrolled at {}: name one with --at", all.join(", ")).into())
            }
        }
    }
}

fn new(args: &NewArgs, output: &Output) -> Result<()> {
    let path = path(args.wallet.as_deref())?;
    let file = WalletFile::create(&path, passphrase(args.passphrase_file.as_deref())?)?;
    let how = if file.is_encrypted() {
        "encrypted under the passphrase"
    } else {
        "not encrypted: who reads the file is the patient"
    };
    output.line(format!(
        "a new wallet is in {}, {how}; keep a copy",
        path.display()
    ));
    output.document(&json!({ "wallet": path, "encrypted": file.is_encrypted() }));
    Ok(())
}

fn show(args: &WalletArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(args)?;
    let mut ids = Vec::new();
    for custodian in patient.site.consortium().with_role(OrganisationRole::Custodian) {
        let id = patient.at(custodian)?.id();
        let enrolled = patient.file.enrolled().contains(custodian);
        let note = if enrolled { "enrolled" } else { "not enrolled" };
        output.line(format!("{custodian:<16} {id} {note}"));
        ids.push(json!({ "custodian": custodian, "patient": id, "enrolled": enrolled }));
    }
    output.document(&json!({ "ids": ids }));
    Ok(())
}

async fn enrol(args: &EnrolArgs, output: &Output) -> Result<()> {
    let mut patient = Patient::open(&args.wallet)?;
    let at = patient.at(&args.at)?;
    let registrar = patient.site.client(&args.at, Role::Registrar).await?;
    let Signed { body, intent } = at.enrol()?;
    output.doing("enrolling");
    let done = registrar
        .identity()
        .enrol(args.at.clone(), body, intent)
        .send()
        .await?;
    patient.file.note_enrolled(&args.at)?;
    output.line(format!(
        "enrolled at {} as {} in block {} (transaction {})",
        args.at,
        at.id(),
        done.block_number,
        done.tx_id
    ));
    output.document(&json!({
        "custodian": args.at, "patient": at.id(), "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

/// Where the wallet is.
fn path(named: Option<&Path>) -> Result<PathBuf> {
    let variable = |name: &str| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    named
        .map(Path::to_owned)
        .or_else(|| variable(VARIABLE))
        .or_else(|| {
            let config = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")))?;
            Some(config.join("careledger").join("wallet.json"))
        })
        .ok_or_else(|| format!("name the wallet's file with --wallet or {VARIABLE}").into())
}

fn passphrase(file: Option<&Path>) -> Result<Option<Zeroizing<String>>> {
    let Some(file) = file else { return Ok(None) };
    let text = Zeroizing::new(
        std::fs::read_to_string(file)
            .map_err(|e| format!("the passphrase's file {}: {e}", file.display()))?,
    );
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(Some(Zeroizing::new(line.to_owned()))),
        None => Err(format!(
            "the first line of {} is empty; it has to be the passphrase",
            file.display()
        )
        .into()),
    }
}
