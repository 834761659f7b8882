//! The regulator opens and closes the quarters whose services payers compare.

use std::path::PathBuf;

use careledger_api::HealthError;
use careledger_api::contracts::claims::{FingerprintKey, FingerprintOpening, FingerprintPeriod, Period};
use careledger_api::roles::Role;
use careledger_sdk::vault::PeriodKeyRequest;
use careledger_sdk::wallet::{salt, unix_now};
use clap::{Args, Subcommand};
use fabric_contract_core::CallError;
use serde_json::json;

use crate::output::Output;
use crate::site::Site;
use crate::{Result, values};

/// `careledger claim period …`.
#[derive(Debug, Subcommand)]
pub enum PeriodCommand {
    /// Open a quarter: from now on payers compare its services. What is open stays as it is. As the regulator's role `vault`.
    Open(OpenArgs),
    /// Close a quarter that ended more than two years ago: what is left of its comparisons says nothing of anybody any more. As the regulator's role `vault`.
    Close(PeriodArgs),
}

/// A quarter.
#[derive(Debug, Args)]
pub struct PeriodArgs {
    /// The calendar quarter of the days of service, like 2026Q4.
    #[arg(value_name = "QUARTER", value_parser = values::id::<Period>)]
    pub quarter: Period,
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
}

/// `careledger claim period open`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  careledger claim period open 2026Q4")]
pub struct OpenArgs {
    /// Which quarter.
    #[command(flatten)]
    pub of: PeriodArgs,
    /// The key with which it is open, if that one's seed, or the quarter's salt, is lost: what was compared by it is compared with nothing any more.
    #[arg(long, value_name = "KEY", value_parser = values::id::<FingerprintKey>)]
    pub instead_of: Option<FingerprintKey>,
}

pub(super) async fn run(command: &PeriodCommand, output: &Output) -> Result<()> {
    match command {
        PeriodCommand::Open(args) => open(args, output).await,
        PeriodCommand::Close(args) => close(args, output).await,
    }
}

async fn open(given: &OpenArgs, output: &Output) -> Result<()> {
    let args = &given.of;
    let site = Site::open(&args.dir)?;
    let (regulator, vault) = site.fingerprints()?;
    output.doing("asking the vault for the quarter's key");
    let request = PeriodKeyRequest {
        regulator: regulator.to_owned(),
        channel: site.consortium().channel.clone(),
        period: args.quarter,
        at: unix_now(),
    };
    let key = vault
        .period_key(&site.identity(regulator, Role::Vault)?, request)
        .await?;
    let client = site.client(regulator, Role::Vault).await?;
    let claims = client.claims();
    let open = match claims.fingerprint_key(args.quarter).send().await {
        Ok(open) => Some(open),
        Err(CallError::Contract(HealthError::NotFound)) => None,
        // Its salt is not there: the regulator's word is what may change that.
        Err(CallError::Contract(HealthError::Ledger(_))) if given.instead_of.is_some() => None,
        Err(error) => return Err(error.into()),
    };
    match open {
        Some(open) if open == key && given.instead_of.is_none() => {
            output.line(format!(
                "quarter {} is open already; its key is {key}",
                args.quarter
            ));
            output.document(&json!({ "quarter": args.quarter, "key": key }));
            return Ok(());
        }
        Some(open) if given.instead_of.as_ref() != Some(&open) => {
            return Err(format!(
                "the quarter is open with the key {open}, and this vault's is {key}: restore the seed that it was opened with, or, if that is lost, say --instead-of {open}"
            )
            .into());
        }
        _ => {}
    }
    output.doing("laying down the salt of its marks");
    let period = FingerprintPeriod {
        period: args.quarter,
        salt: salt(),
    };
    let salted = claims
        .open_fingerprints(regulator.to_owned(), period)
        .send()
        .await?;
    site.settle_everywhere(&salted.tx_id).await;
    output.doing("opening the quarter");
    let opening = FingerprintOpening {
        period: args.quarter,
        key: key.clone(),
        salted_by: salted.tx_id.parse()?,
        instead_of: given.instead_of.clone(),
    };
    let done = claims.announce_fingerprints(opening).send().await?;
    site.settle_everywhere(&done.tx_id).await;
    output.line(format!("quarter {} is open; its key is {key}", args.quarter));
    output.committed(&done.tx_id, done.block_number);
    output.document(
        &json!({ "quarter": args.quarter, "key": key, "tx": done.tx_id, "block": done.block_number }),
    );
    Ok(())
}

async fn close(args: &PeriodArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    let (regulator, _) = site.fingerprints()?;
    output.doing("closing the quarter");
    let client = site.client(regulator, Role::Vault).await?;
    let done = client
        .claims()
        .close_fingerprints(regulator.to_owned(), args.quarter)
        .send()
        .await?;
    site.settle_everywhere(&done.tx_id).await;
    output.line(format!("quarter {} is closed", args.quarter));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({ "quarter": args.quarter, "tx": done.tx_id, "block": done.block_number }));
    Ok(())
}
