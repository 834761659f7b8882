//! `careledger record own`: a patient's own records, through any organisation's portal.

use std::path::PathBuf;

use careledger_api::codes::Category;
use careledger_api::contracts::record::Verification;
use careledger_api::ids::TxId;
use careledger_api::roles::Role;
use careledger_sdk::HealthClient;
use careledger_sdk::sealing::KemKeyPair;
use careledger_sdk::vault::{ReleaseRequest, ReleasedRecord, VaultError, Vaults};
use careledger_sdk::wallet::{PatientAt, Signed};
use clap::Args;
use serde_json::json;

use super::fetch::write;
use crate::Result;
use crate::output::Output;
use crate::site::Site;
use crate::values;
use crate::wallet::Patient;
use crate::wallet::args::OwnArgs;

/// `careledger record own`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  careledger record own                                        what there is, at each custodian\n  careledger record own --as ClinicMSP --out my-records/    all of it, read at the clinic"
)]
pub struct OwnRecordArgs {
    /// The patient, where, and at whose portal.
    #[command(flatten)]
    pub own: OwnArgs,
    /// Only these categories, as in laboratory,medication. Without it, all.
    #[arg(long, value_name = "CATEGORY", value_delimiter = ',', value_parser = values::category)]
    pub category: Vec<Category>,
    /// Write the records into this directory, each named by its id and verified; without it, they are listed.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Lists the patient's own records at each custodian, and writes them where a directory is named.
pub(super) async fn own(args: &OwnRecordArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.own.wallet)?;
    let categories = if args.category.is_empty() {
        Category::ALL.to_vec()
    } else {
        args.category.clone()
    };
    if let Some(dir) = &args.out {
        std::fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    }
    let (mut rows, mut records) = (Vec::new(), Vec::new());
    for custodian in patient.custodians(args.own.at.as_deref())? {
        let carrier = args.own.carrier.as_deref().unwrap_or(&custodian);
        let client = patient.site.client(carrier, Role::Portal).await?;
        let at = patient.at(&custodian)?;
        output.doing("asking for the own records");
        let released = released(&patient.site, &client, carrier, &at, &categories).await?;
        for record in &released {
            let mut out = None;
            if let Some(dir) = &args.out {
                output.doing("reading");
                verified(&client, carrier, record).await?;
                let path = dir.join(record.document.to_string());
                write(record, &path).await?;
                out = Some(path);
            }
            let opening = record.content.opening();
            rows.push(vec![
                record.document.to_string(),
                custodian.clone(),
                record.category.to_string(),
                record.version.to_string(),
                opening.size.to_string(),
                opening.mime.clone(),
            ]);
            records.push(json!({
                "document": record.document, "custodian": custodian, "category": record.category, "version": record.version,
                "size": opening.size, "mime": opening.mime, "out": out,
            }));
        }
    }
    if records.is_empty() {
        output.line("no record of these categories");
    }
    output.table(
        &["DOCUMENT", "CUSTODIAN", "CATEGORY", "VERSION", "BYTES", "TYPE"],
        &rows,
    );
    if let Some(dir) = &args.out {
        output.line(format!("{} records in {}", records.len(), dir.display()));
    }
    output.document(&json!({ "records": records }));
    Ok(())
}

/// What the custodian's vault, or a replica, releases to the patient of these categories, for one signed request that `carrier`'s portal carries. Nothing
/// where there is nothing.
pub(super) async fn released(
    site: &Site,
    client: &HealthClient,
    carrier: &str,
    at: &PatientAt,
    categories: &[Category],
) -> Result<Vec<ReleasedRecord>> {
    let custodian = at.custodian();
    let vaults = Vaults::new(site.vault(custodian)?, site.replicas(custodian)?);
    let identity = site.identity(carrier, Role::Portal)?;
    let kem = KemKeyPair::generate();
    let Signed { body, intent } = at.access_own(categories, kem.public())?;
    let done = client
        .consents()
        .access_own(custodian.to_owned(), body, intent)
        .send()
        .await?;
    let tx: TxId = done.tx_id.parse()?;
    let mut all = Vec::new();
    for category in categories {
        let request = ReleaseRequest {
            custodian: custodian.to_owned(),
            channel: client.consortium().channel.clone(),
            tx: tx.clone(),
            categories: vec![*category],
        };
        match vaults.released(&identity, &request, &kem).await {
            Ok(records) => all.extend(records),
            // Nothing of that category.
            Err(VaultError::NotReleased) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(all)
}

/// Compares a released record with its anchor on the carrying organisation's own ledger.
pub(super) async fn verified(client: &HealthClient, carrier: &str, record: &ReleasedRecord) -> Result<()> {
    if compared(client, carrier, record).await? == Verification::Match {
        Ok(())
    } else {
        Err("the vault gave another content than the one anchored".into())
    }
}

/// What the carrying organisation's own ledger says of a released record.
pub(super) async fn compared(
    client: &HealthClient,
    carrier: &str,
    record: &ReleasedRecord,
) -> Result<Verification> {
    let opening = record.content.opening().clone();
    let records = client.records();
    let asked = records.verify(record.document, record.version, opening, record.proof.clone());
    Ok(asked.endorsed_by([carrier]).send().await?)
}
