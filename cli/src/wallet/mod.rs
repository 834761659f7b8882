//! `careledger wallet …`: a patient's secret in a file, the keys that act for the patient, and who may restore them.
//!
//! ```text
//! args                the interface that all of them share          open       the wallet's file with its network
//! visit               a patient at one custodian, with a carrier    witness    the same account as a second organisation shows it
//! keys  freeze  guardians  recover  code                            one concern each, interface and action together
//! ```

pub mod args;
pub mod code;
pub mod freeze;
pub mod guardians;
pub mod keys;
mod open;
pub mod recover;
mod visit;
mod witness;

pub use open::Patient;
pub use visit::Visit;

use careledger_api::HealthError;
use careledger_api::consortium::OrganisationRole;
use careledger_api::roles::Role;
use careledger_sdk::wallet::{Signed, WalletFile};
use clap::Subcommand;
use fabric_contract_core::CallError;
use serde_json::json;

use self::args::{EnrolArgs, JoinArgs, NewArgs, WalletArgs};
use crate::Result;
use crate::output::Output;
use crate::values::key_text;

/// `careledger wallet …`.
#[derive(Debug, Subcommand)]
pub enum WalletCommand {
    /// Make a wallet with a fresh secret. It is never overwritten; keep a copy.
    New(NewArgs),
    /// Print the patient's id at each custodian and where the wallet is enrolled; never the secret.
    Show(WalletArgs),
    /// Print the patient's id at a custodian and nothing else, for scripts and to pass it on.
    Id(EnrolArgs),
    /// Enrol the wallet's device key at a custodian: its registrar has seen who the person is. The account is then looked at through a second organisation.
    Enrol(EnrolArgs),
    /// Make this wallet another device of a patient: draws a key, and prints it for `wallet keys add`.
    Join(JoinArgs),
    /// The device keys that act for the patient.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Freeze the account: no consent is granted, no key added until it is opened again.
    Freeze(freeze::FreezeArgs),
    /// Open a frozen account: with another device than the one that froze it, or with guardians' approvals.
    Unfreeze(freeze::UnfreezeArgs),
    /// Who may restore the keys, and after how long.
    #[command(subcommand)]
    Guardians(guardians::GuardiansCommand),
    /// Restore lost keys: with guardians, or with two officers of two organisations.
    #[command(subcommand)]
    Recover(recover::args::RecoverCommand),
    /// The code on a card by which the patient is found in an emergency.
    #[command(subcommand)]
    Code(code::CodeCommand),
}

/// Runs one wallet command.
pub async fn run(command: &WalletCommand, output: &Output) -> Result<()> {
    match command {
        WalletCommand::New(args) => new(args, output),
        WalletCommand::Show(args) => show(args, output),
        WalletCommand::Id(args) => id(args, output),
        WalletCommand::Enrol(args) => enrol(args, output).await,
        WalletCommand::Join(args) => join(args, output),
        WalletCommand::Keys(command) => keys::run(command, output).await,
        WalletCommand::Freeze(args) => freeze::freeze(args, output).await,
        WalletCommand::Unfreeze(args) => freeze::unfreeze(args, output).await,
        WalletCommand::Guardians(command) => guardians::run(command, output).await,
        WalletCommand::Recover(command) => recover::run(command, output).await,
        WalletCommand::Code(command) => code::run(command, output).await,
    }
}

fn new(args: &NewArgs, output: &Output) -> Result<()> {
    let path = open::path(args.wallet.as_deref())?;
    let file = WalletFile::create(&path, open::passphrase(args.passphrase_file.as_deref())?)?;
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
        let at = patient.at(custodian)?;
        let (id, key) = (at.id(), at.public_key().id());
        let enrolled = patient.file.enrolled().contains(custodian);
        let note = if enrolled { "enrolled" } else { "not enrolled" };
        output.line(format!("{custodian:<16} {id} {note}"));
        ids.push(json!({ "custodian": custodian, "patient": id, "key": key, "enrolled": enrolled }));
    }
    output.document(&json!({ "ids": ids }));
    Ok(())
}

fn id(args: &EnrolArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.wallet)?;
    let id = patient.at(&args.at)?.id();
    output.line(id.to_string());
    output.document(&json!({ "custodian": args.at, "patient": id }));
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
        .await;
    let done = match done {
        Ok(done) => Some(done),
        // An earlier run was ended before it looked at the account.
        Err(CallError::Contract(HealthError::Duplicate(_))) => None,
        Err(error) => return Err(error.into()),
    };
    output.doing("looking at the account through a second organisation");
    let committed = done.as_ref().map(|done| done.tx_id.as_str());
    let checked = witness::enrolled(&patient.site, &at, committed).await?;
    patient.file.note_enrolled(&args.at)?;
    match &done {
        Some(done) => output.line(format!(
            "enrolled at {} as {} in block {} (transaction {})",
            args.at,
            at.id(),
            done.block_number,
            done.tx_id
        )),
        None => output.line(format!("enrolled at {} before, as {}", args.at, at.id())),
    }
    if checked.is_empty() {
        output.line(format!(
            "not checked: no organisation beside {} answers; `careledger wallet keys list` looks again",
            args.at
        ));
    } else {
        output.line(format!(
            "checked through {}: the account has this wallet's key and no other",
            checked.join(", ")
        ));
    }
    output.document(&json!({
        "custodian": args.at, "patient": at.id(), "checked": checked,
        "tx": done.as_ref().map(|d| &d.tx_id), "block": done.as_ref().map(|d| d.block_number),
    }));
    Ok(())
}

fn join(args: &JoinArgs, output: &Output) -> Result<()> {
    let mut patient = Patient::open(&args.wallet)?;
    patient.site.require_custodian(&args.at)?;
    let key = patient.file.join(&args.at, args.patient, args.algorithm)?;
    let text = key_text(&key);
    output.line(format!("key {} at {}", key.id(), args.at));
    output.line(format!(
        "on a device that acts already: careledger wallet keys add --at {} --key {text}",
        args.at
    ));
    output
        .document(&json!({ "custodian": args.at, "patient": args.patient, "key": key.id(), "public": text }));
    Ok(())
}
