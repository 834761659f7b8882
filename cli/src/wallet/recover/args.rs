//! The interface of `careledger wallet recover …`.

use std::path::PathBuf;

use careledger_api::ids::{KeyId, PatientId, RecoveryId};
use clap::{Args, Subcommand};

use crate::values;
use crate::wallet::args::{OwnArgs, WalletArgs};

/// `careledger wallet recover …`.
#[derive(Debug, Subcommand)]
pub enum RecoverCommand {
    /// Begin with a new wallet: draws the recovery's id; with the first guardian's approval, opens it on the ledger.
    Start(StartArgs),
    /// Approve as a guardian. Ask the person, not the message: whoever holds the key will be the patient.
    Approve(ApproveArgs),
    /// Attest as a recovery officer who the person is, with the new wallet at hand. Two officers of two organisations do.
    Attest(AttestArgs),
    /// Refuse a recovery, with any of the patient's devices, at any stage.
    Veto(VetoArgs),
    /// Take over once the delay is over: the new wallet's key alone acts from then on.
    Execute(ExecuteArgs),
    /// Show how far a recovery is.
    Status(StatusArgs),
}

/// `careledger wallet recover start`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger wallet new --wallet new.json\n  careledger wallet recover start --wallet new.json --at HospitalMSP --patient 1d6f…\n  careledger wallet recover start --wallet new.json --at HospitalMSP --patient 1d6f… --approval first.approval"
)]
pub struct StartArgs {
    /// The new wallet.
    #[command(flatten)]
    pub wallet: WalletArgs,
    /// The custodian, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub at: String,
    /// Whose keys are lost: the patient's id there.
    #[arg(long, value_name = "ID", value_parser = values::id::<PatientId>)]
    pub patient: PatientId,
    /// The first guardian's approval, as `wallet recover approve --out FILE` wrote it: opens the recovery.
    #[arg(long, value_name = "FILE")]
    pub approval: Option<PathBuf>,
    /// Begin another one: the last was vetoed, or has expired.
    #[arg(long, conflicts_with = "approval")]
    pub anew: bool,
    /// The organisation whose portal carries it. Without it, the custodian's own.
    #[arg(long = "as", value_name = "MSP")]
    pub carrier: Option<String>,
}

/// `careledger wallet recover approve`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true).multiple(true),
    after_help = "Examples:\n  careledger wallet recover approve --wallet mine.json --card guardian-1.card --recovery 40c2… --key 8a41… --out first.approval\n  careledger wallet recover approve --wallet mine.json --card guardian-2.card --recovery 40c2… --key 8a41…\n  careledger wallet recover approve --wallet mine.json --card guardian-1.card --unfreeze 0 --out first.approval"
)]
pub struct ApproveArgs {
    /// The guardian's own wallet.
    #[command(flatten)]
    pub wallet: WalletArgs,
    /// The card that the patient gave.
    #[arg(long, value_name = "FILE")]
    pub card: PathBuf,
    /// The recovery's id, as the person with the new wallet tells it.
    #[arg(long, value_name = "ID", value_parser = values::id::<RecoveryId>, group = "what", requires = "key")]
    pub recovery: Option<RecoveryId>,
    /// The new key's id, as that person tells it.
    #[arg(long, value_name = "ID", value_parser = values::id::<KeyId>, requires = "recovery")]
    pub key: Option<KeyId>,
    /// Approve in place of a recovery that the account is opened after its freeze of this number, as `wallet guardians show` tells it.
    #[arg(
        long,
        value_name = "N",
        group = "what",
        conflicts_with = "recovery",
        requires = "out"
    )]
    pub unfreeze: Option<u32>,
    /// Write the approval into this file, for `recover start` or `unfreeze`; without it, it goes to the ledger.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The organisation whose portal carries it. Without it, the custodian's own.
    #[arg(long = "as", value_name = "MSP")]
    pub carrier: Option<String>,
}

/// `careledger wallet recover attest`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example, at the hospital's desk and then at the regulator's:\n  careledger wallet recover attest --wallet new.json --at HospitalMSP --as HospitalMSP --evidence passport.pdf\n  careledger wallet recover attest --wallet new.json --at HospitalMSP --as RegulatorMSP --evidence passport.pdf"
)]
pub struct AttestArgs {
    /// The new wallet, with which `recover start` began.
    #[command(flatten)]
    pub wallet: WalletArgs,
    /// The custodian, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub at: String,
    /// The officer's organisation: the custodian or a regulator, by its MSP id.
    #[arg(long = "as", value_name = "MSP")]
    pub officer: String,
    /// What proves the identity. A salted digest of it goes to the ledger; salt and digest are written to FILE.proof-MSP, which the officer's organisation keeps.
    #[arg(long, value_name = "FILE")]
    pub evidence: PathBuf,
}

/// `careledger wallet recover veto`.
#[derive(Debug, Args)]
pub struct VetoArgs {
    /// A wallet that acts.
    #[command(flatten)]
    pub own: OwnArgs,
    /// Which recovery; without it, the one that is open.
    #[arg(long, value_name = "ID", value_parser = values::id::<RecoveryId>)]
    pub recovery: Option<RecoveryId>,
}

/// `careledger wallet recover execute`.
#[derive(Debug, Args)]
pub struct ExecuteArgs {
    /// The new wallet.
    #[command(flatten)]
    pub wallet: WalletArgs,
    /// The custodian, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub at: String,
    /// The organisation whose portal carries it. Without it, the custodian's own.
    #[arg(long = "as", value_name = "MSP")]
    pub carrier: Option<String>,
}

/// `careledger wallet recover status`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  careledger wallet recover status                                             with a wallet that acts\n  careledger wallet recover status --at HospitalMSP --patient 1d6f…    as the hospital's recovery officer"
)]
pub struct StatusArgs {
    /// A wallet that acts; not needed with --patient.
    #[command(flatten)]
    pub own: OwnArgs,
    /// Ask as the custodian's recovery officer, about the patient with this id there.
    #[arg(long, value_name = "ID", value_parser = values::id::<PatientId>, requires = "at", conflicts_with_all = ["carrier", "wallet"])]
    pub patient: Option<PatientId>,
}
