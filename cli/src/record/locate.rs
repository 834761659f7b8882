//! `careledger record locate`: which records there are, for the custodian, or for another organisation as far as the patient's consents show them.

use std::path::PathBuf;

use careledger_api::codes::{Action, Category, Code, Purpose};
use careledger_api::contracts::consent::AccessRequest;
use careledger_api::contracts::identity::PatientQuery;
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::{PatientId, TxId};
use careledger_api::roles::Role;
use careledger_sdk::sealing::KemKeyPair;
use clap::Args;
use serde_json::json;

use crate::Result;
use crate::output::Output;
use crate::site::Site;
use crate::values::{self, list};

/// `careledger record locate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  careledger record locate --at HospitalMSP --patient 1d6f…                                as the hospital\n  careledger record locate --at HospitalMSP --as ClinicMSP --patient 1d6f… --category imaging --code 'loinc|24627-2' \\\n      --data-from 2026-11-07 --data-until 2026-11-21                              is there one already, before it is ordered again"
)]
pub struct LocateArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The custodian, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub at: String,
    /// Whose records: the patient's id at this custodian.
    #[arg(long, value_name = "ID", value_parser = values::id::<PatientId>)]
    pub patient: PatientId,
    /// Ask as this organisation, by MSP id: an access is logged, and what the consents do not permit is not there. Without it, as the custodian.
    #[arg(long = "as", value_name = "MSP")]
    pub asker: Option<String>,
    /// Who asks there: clinician, emergency or researcher.
    #[arg(long, value_name = "ROLE", default_value = "clinician", requires = "asker")]
    pub role: Role,
    /// What for, by code.
    #[arg(long, value_name = "CODE", value_parser = values::purpose, default_value = "TREAT", requires = "asker")]
    pub purpose: Purpose,
    /// Which categories, as in laboratory,imaging; several with commas. Without it, all.
    #[arg(long, value_name = "CATEGORY", value_delimiter = ',', value_parser = values::category, requires = "asker")]
    pub category: Vec<Category>,
    /// Only items with this code: system|code, as in loinc|2345-7.
    #[arg(long, value_name = "SYSTEM|CODE", value_parser = values::code, requires = "asker")]
    pub code: Vec<Code>,
    /// Only items dated from this day on.
    #[arg(long, value_name = "DATE", value_parser = values::date, requires = "data_until", requires = "asker")]
    pub data_from: Option<Date>,
    /// Only items dated up to this day.
    #[arg(long, value_name = "DATE", value_parser = values::date, requires = "data_from")]
    pub data_until: Option<Date>,
}

/// Lists a patient's records.
pub(super) async fn locate(args: &LocateArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    site.require_custodian(&args.at)?;
    match &args.asker {
        Some(asker) => from_elsewhere(args, &site, asker, output).await,
        None => at_home(args, &site, output).await,
    }
}

async fn at_home(args: &LocateArgs, site: &Site, output: &Output) -> Result<()> {
    let client = site.client(&args.at, Role::Custodian).await?;
    let query = PatientQuery {
        patient: args.patient,
    };
    let found = client.records().locate(args.at.clone(), query).send().await?;
    for document in &found {
        let codes: Vec<&str> = document.metadata.codes.iter().map(|c| c.code.as_str()).collect();
        output.line(format!(
            "{} version {} {}: {} {} {}",
            document.head.document,
            document.head.version,
            document.head.status,
            document.metadata.category,
            list(&codes, "no code"),
            dated(document.metadata.date),
        ));
    }
    if found.is_empty() {
        output.line("no record of that patient");
    }
    output.document(&json!({ "custodian": args.at, "documents": found }));
    Ok(())
}

/// An access, and what it shows: the vault's answer has one size, whatever there is.
async fn from_elsewhere(args: &LocateArgs, site: &Site, asker: &str, output: &Output) -> Result<()> {
    let data_period = match (args.data_from, args.data_until) {
        (Some(from), Some(until)) if from > until => return Err("--data-from lies after --data-until".into()),
        (Some(from), Some(until)) => Some(DateRange { from, until }),
        _ => None,
    };
    let client = site.client(asker, args.role).await?;
    let (vault, identity) = (site.vault(&args.at)?, site.identity(asker, args.role)?);
    let request = AccessRequest {
        patient: args.patient,
        purpose: args.purpose,
        action: Action::Access,
        categories: if args.category.is_empty() {
            Category::ALL.to_vec()
        } else {
            args.category.clone()
        },
        labels: None,
        codes: (!args.code.is_empty()).then(|| args.code.clone()),
        data_period,
        authored_by: None,
        documents: None,
        encounter: None,
        // Nothing is sealed to it: no key is asked for.
        kem_key: KemKeyPair::generate().public(),
    };
    output.doing("asking for access");
    let access = client.consents().access(args.at.clone(), request).send().await?;
    let tx: TxId = access.tx_id.parse()?;
    output.doing("asking the vault");
    let found = vault
        .locate(&identity, &args.at, &site.consortium().channel, &tx)
        .await?;
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|entry| {
            vec![
                entry.document.to_string(),
                entry.version.to_string(),
                entry.category.to_string(),
                dated(entry.date),
            ]
        })
        .collect();
    if rows.is_empty() {
        output.line(format!("nothing that {asker} may see"));
    }
    output.table(&["DOCUMENT", "VERSION", "CATEGORY", "DATED"], &rows);
    output.line(format!(
        "the attempt is in the patient's log: transaction {tx} in block {}",
        access.block_number
    ));
    let documents: Vec<_> = found
        .iter()
        .map(|entry| {
            json!({
                "document": entry.document, "version": entry.version, "category": entry.category, "date": entry.date,
            })
        })
        .collect();
    output.document(&json!({
        "custodian": args.at, "asker": asker, "documents": documents, "tx": tx, "block": access.block_number,
    }));
    Ok(())
}

fn dated(date: Option<Date>) -> String {
    date.map_or_else(|| "undated".to_owned(), |date| date.to_string())
}
