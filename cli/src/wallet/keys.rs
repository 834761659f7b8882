//! `careledger wallet keys …`: the device keys that act for the patient.

use std::path::PathBuf;

use careledger_api::ids::KeyId;
use careledger_api::keys::{Algorithm, PublicKey};
use careledger_sdk::wallet::{Signed, WalletFile};
use clap::{Args, Subcommand};
use fabric_contract_core::CallError;
use serde_json::json;

use super::args::OwnArgs;
use super::{Patient, Visit, open, witness};
use crate::Result;
use crate::output::Output;
use crate::values::{self, key_text};

/// `careledger wallet keys …`.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// List the keys that act, as the custodian shows them, and compare that with what a second organisation shows.
    List(OwnArgs),
    /// Let another device act, by its key; or make that device's wallet here.
    Add(AddArgs),
    /// Put a fresh key in the place of this wallet's.
    Rotate(RotateArgs),
    /// Take a key away for ever, as when a device is lost.
    Revoke(RevokeArgs),
}

/// `careledger wallet keys add`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("device").required(true),
    after_help = "Examples:\n  careledger wallet keys add --key ed25519:5f0c…        what `wallet join` printed on the other device\n  careledger wallet keys add --new-wallet tablet.json   a wallet for it, made here"
)]
pub struct AddArgs {
    /// The wallet that acts already.
    #[command(flatten)]
    pub own: OwnArgs,
    /// The other device's key, as `wallet join` printed it there.
    #[arg(long, value_name = "KEY", value_parser = values::public_key, group = "device")]
    pub key: Option<PublicKey>,
    /// Make the other device's wallet in this file.
    #[arg(long, value_name = "FILE", group = "device")]
    pub new_wallet: Option<PathBuf>,
    /// Encrypt the new wallet under the passphrase in this file's first line.
    #[arg(long, value_name = "FILE", requires = "new_wallet")]
    pub new_passphrase_file: Option<PathBuf>,
    /// The new wallet's algorithm: p256 or ed25519.
    #[arg(long, value_name = "NAME", default_value = "p256", conflicts_with = "key")]
    pub algorithm: Algorithm,
}

/// `careledger wallet keys rotate`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  careledger wallet keys rotate --algorithm ed25519")]
pub struct RotateArgs {
    /// The wallet.
    #[command(flatten)]
    pub own: OwnArgs,
    /// The fresh key's algorithm: p256 or ed25519.
    #[arg(long, value_name = "NAME", default_value = "p256")]
    pub algorithm: Algorithm,
}

/// `careledger wallet keys revoke`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger wallet keys revoke 8a41…        the key's id, as `wallet keys list` shows it"
)]
pub struct RevokeArgs {
    /// A wallet that acts.
    #[command(flatten)]
    pub own: OwnArgs,
    /// The key's id.
    #[arg(value_name = "ID", value_parser = values::id::<KeyId>)]
    pub key: KeyId,
}

/// Runs one of them.
pub(super) async fn run(command: &KeysCommand, output: &Output) -> Result<()> {
    match command {
        KeysCommand::List(args) => list(args, output).await,
        KeysCommand::Add(args) => add(args, output).await,
        KeysCommand::Rotate(args) => rotate(args, output).await,
        KeysCommand::Revoke(args) => revoke(args, output).await,
    }
}

async fn list(args: &OwnArgs, output: &Output) -> Result<()> {
    let mut patient = Patient::open(&args.wallet)?;
    let (mut rows, mut accounts) = (Vec::new(), Vec::new());
    for custodian in patient.custodians(args.at.as_deref())? {
        finish_rotation(&mut patient, &custodian, args).await?;
        let visit = Visit::open(&patient, custodian, args.carrier.as_deref()).await?;
        let view = visit.account().await?;
        let checked = witness::same(&patient.site, &visit.at, &view).await?;
        let mine = visit.at.public_key().id();
        let keys = view.account.live.iter().map(|key| (key, "acts"));
        for (key, state) in keys.chain(view.account.retired.iter().map(|key| (key, "taken away"))) {
            let whose = if *key == mine { "this wallet" } else { "" };
            rows.push(vec![
                visit.custodian.clone(),
                key.to_string(),
                state.to_owned(),
                whose.to_owned(),
            ]);
        }
        accounts.push(json!({
            "custodian": visit.custodian, "patient": visit.at.id(), "own": mine, "live": view.account.live,
            "retired": view.account.retired, "frozen": view.account.frozen_by.is_some(), "checked": checked,
        }));
    }
    output.table(&["CUSTODIAN", "KEY", "STATE", ""], &rows);
    for account in &accounts {
        let checked = values::list(
            &texts(&account["checked"]),
            "nobody else: no second organisation answers",
        );
        output.line(format!(
            "{}: compared with {checked}",
            account["custodian"].as_str().unwrap_or_default()
        ));
    }
    output.document(&json!({ "accounts": accounts }));
    Ok(())
}

async fn add(args: &AddArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.own.wallet)?;
    let visit = Visit::at_one(&patient, &args.own).await?;
    let key = match (&args.key, &args.new_wallet) {
        (Some(key), _) => key.clone(),
        (None, Some(path)) => {
            let passphrase = open::passphrase(args.new_passphrase_file.as_deref())?;
            // One that an earlier run made and did not come to add is taken up.
            let mut file = if path.exists() {
                WalletFile::open(path, passphrase)?
            } else {
                WalletFile::create(path, passphrase)?
            };
            file.join(&visit.custodian, visit.at.id(), args.algorithm)?
        }
        (None, None) => return Err("name the key with --key, or a file with --new-wallet".into()),
    };
    let Signed { body, intent } = visit.at.add_key(key.clone())?;
    output.doing("adding");
    let identity = visit.portal.identity();
    let done = identity
        .add_key(visit.custodian.clone(), body, intent)
        .send()
        .await?;
    patient.site.settle(&visit.custodian, &done.tx_id).await;
    output.line(format!(
        "key {} ({}) acts at {}",
        key.id(),
        key.algorithm(),
        visit.custodian
    ));
    if let Some(path) = &args.new_wallet {
        output.line(format!("its wallet is {}", path.display()));
    }
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "custodian": visit.custodian, "patient": visit.at.id(), "key": key.id(), "public": key_text(&key),
        "wallet": args.new_wallet, "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

async fn rotate(args: &RotateArgs, output: &Output) -> Result<()> {
    let mut patient = Patient::open(&args.own.wallet)?;
    let custodian = patient.custodian(args.own.at.as_deref())?;
    finish_rotation(&mut patient, &custodian, &args.own).await?;
    let visit = Visit::open(&patient, custodian, args.own.carrier.as_deref()).await?;
    let old = visit.at.public_key().id();
    // In the file before the ledger hears of it.
    let next = patient.file.prepare_key(&visit.custodian, args.algorithm)?;
    let key = next.public_key();
    let Signed { body, intent } = visit.at.rotate_key(key.clone())?;
    output.doing("rotating");
    let identity = visit.portal.identity();
    let done = match identity
        .rotate_key(visit.custodian.clone(), body, intent)
        .send()
        .await
    {
        Ok(done) => done,
        Err(refused @ CallError::Contract(_)) => {
            patient.file.forget_key(&visit.custodian)?;
            return Err(refused.into());
        }
        // It may be committed: the next `list` or `rotate` finds out.
        Err(error) => return Err(error.into()),
    };
    patient.file.adopt_key(&visit.custodian)?;
    patient.site.settle(&visit.custodian, &done.tx_id).await;
    output.line(format!(
        "key {} ({}) acts at {} in the place of {old}; copy the wallet's file again",
        key.id(),
        key.algorithm(),
        visit.custodian
    ));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "custodian": visit.custodian, "patient": visit.at.id(), "key": key.id(), "replaced": old,
        "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

async fn revoke(args: &RevokeArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.own.wallet)?;
    let visit = Visit::at_one(&patient, &args.own).await?;
    let Signed { body, intent } = visit.at.revoke_key(args.key)?;
    output.doing("taking away");
    let identity = visit.portal.identity();
    let done = identity
        .revoke_key(visit.custodian.clone(), body, intent)
        .send()
        .await?;
    patient.site.settle(&visit.custodian, &done.tx_id).await;
    output.line(format!("key {} acts no more at {}", args.key, visit.custodian));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "custodian": visit.custodian, "patient": visit.at.id(), "key": args.key,
        "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

/// Where an earlier rotation ended before it knew what came of it, finds out which of the two keys acts.
async fn finish_rotation(patient: &mut Patient, custodian: &str, args: &OwnArgs) -> Result<()> {
    let Some(next) = patient.file.prepared_key(custodian)? else {
        return Ok(());
    };
    let mut visit = Visit::open(patient, custodian.to_owned(), args.carrier.as_deref()).await?;
    visit.at = visit.at.with_key(next);
    if visit.account().await.is_ok() {
        patient.file.adopt_key(custodian)?;
    }
    Ok(())
}

fn texts(list: &serde_json::Value) -> Vec<String> {
    let items = list.as_array().map_or(&[][..], Vec::as_slice);
    items
        .iter()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}
