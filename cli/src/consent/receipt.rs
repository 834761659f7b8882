//! `careledger consent receipt`, `disclose` and `accounting`: what a patient keeps of a consent, and what a custodian accounts for.

use std::path::PathBuf;

use careledger_api::contracts::consent::Disclosure;
use careledger_api::contracts::identity::PatientQuery;
use careledger_api::date::Date;
use careledger_api::ids::{ConsentId, DocumentId, PatientId};
use careledger_api::roles::Role;
use careledger_sdk::receipt::{ConsentReceipt, Controller};
use careledger_sdk::wallet::{Signed, salt, unix_now};
use clap::Args;
use serde_json::json;

use super::args::PatientArgs;
use super::{log, visit};
use crate::Result;
use crate::files;
use crate::output::Output;
use crate::site::Site;
use crate::values::{self, time};
use crate::wallet::Patient;

/// `careledger consent receipt`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger consent receipt 40c2… --out receipt.json --jurisdiction US-MA --policy-url https://hospital.example.com/privacy"
)]
pub struct ReceiptArgs {
    /// Who asks, where.
    #[command(flatten)]
    pub patient: PatientArgs,
    /// The consent.
    #[arg(value_name = "ID", value_parser = values::id::<ConsentId>)]
    pub consent: ConsentId,
    /// Where to write it; there must be no such file yet. It names the patient's id, and opens what the chain commits to.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The custodian's name, as patients know it; without it, its MSP id.
    #[arg(long, value_name = "NAME")]
    pub controller: Option<String>,
    /// Law under which it is given, as in DE or US-CA, where the consent does not say.
    #[arg(long, value_name = "CODE", default_value = "unstated")]
    pub jurisdiction: String,
    /// Language of the receipt (BCP 47).
    #[arg(long, value_name = "TAG", default_value = "en")]
    pub language: String,
    /// Where the custodian's privacy policy is, where the consent does not say.
    #[arg(long, value_name = "URL", default_value = "unstated")]
    pub policy_url: String,
}

/// `careledger consent disclose`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger consent disclose --at HospitalMSP --patient 1d6f… --recipient 'County court' --purpose 'court order 17/2026' \\\n      --description 'discharge letter of May 2026'"
)]
pub struct DiscloseArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The custodian that disclosed, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub at: String,
    /// Whose data: the patient's id there.
    #[arg(long, value_name = "ID", value_parser = values::id::<PatientId>)]
    pub patient: PatientId,
    /// Who received them: up to 256 bytes.
    #[arg(long, value_name = "TEXT")]
    pub recipient: String,
    /// The recipient's address, where known.
    #[arg(long, value_name = "TEXT")]
    pub address: Option<String>,
    /// What was disclosed, briefly: up to 1024 bytes.
    #[arg(long, value_name = "TEXT")]
    pub description: String,
    /// What for: up to 256 bytes.
    #[arg(long, value_name = "TEXT")]
    pub purpose: String,
    /// When; without it, today.
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    pub date: Option<Date>,
    /// Which documents, where they are anchored.
    #[arg(long, value_name = "ID", value_parser = values::id::<DocumentId>)]
    pub document: Vec<DocumentId>,
}

/// `careledger consent accounting`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  careledger consent accounting --at HospitalMSP --patient 1d6f…")]
pub struct AccountingArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The custodian that accounts, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub at: String,
    /// Who asks there: custodian or dpo.
    #[arg(long, value_name = "ROLE", default_value = "custodian")]
    pub role: Role,
    /// For whom: the patient's id there.
    #[arg(long, value_name = "ID", value_parser = values::id::<PatientId>)]
    pub patient: PatientId,
}

/// Writes a consent's receipt.
pub(super) async fn receipt(args: &ReceiptArgs, output: &Output) -> Result<()> {
    let patient = Patient::open(&args.patient.wallet)?;
    let visit = visit(&patient, &args.patient).await?;
    let Signed { body, intent } = visit.at.ask_receipt(args.consent, &visit.reader)?;
    output.doing("asking");
    let consents = visit.portal.consents();
    let basis = consents
        .my_receipt(visit.custodian.clone(), body, intent)
        .send()
        .await?;
    let controller = Controller {
        name: args.controller.clone().unwrap_or_else(|| visit.custodian.clone()),
        msp_id: visit.custodian.clone(),
        jurisdiction: args.jurisdiction.clone(),
        language: args.language.clone(),
        policy_url: args.policy_url.clone(),
    };
    let receipt = ConsentReceipt::issue(basis, controller)?;
    files::write(&args.out, &receipt)?;
    output.line(format!(
        "the receipt of consent {} ({}) is in {}",
        args.consent,
        receipt.state,
        args.out.display()
    ));
    output.line(format!("transaction {} commits to it", receipt.proof.transaction));
    output.document(&json!({ "consent": args.consent, "out": args.out, "receipt": receipt }));
    Ok(())
}

/// Writes down a disclosure that was made outside the ledger.
pub(super) async fn disclose(args: &DiscloseArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    site.require_custodian(&args.at)?;
    let client = site.client(&args.at, Role::Custodian).await?;
    let disclosure = Disclosure {
        patient: args.patient,
        date: match args.date {
            Some(date) => date,
            None => Date::from_unix(unix_now())?,
        },
        recipient: args.recipient.clone(),
        address: args.address.clone(),
        description: args.description.clone(),
        purpose: args.purpose.clone(),
        documents: args.document.clone(),
        salt: salt(),
    };
    output.doing("writing it down");
    let consents = client.consents();
    let done = consents
        .record_disclosure(args.at.clone(), disclosure)
        .send()
        .await?;
    site.settle(&args.at, &done.tx_id).await;
    output.line("the disclosure is in the patient's log and in the accounting");
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({ "custodian": args.at, "tx": done.tx_id, "block": done.block_number }));
    Ok(())
}

/// Prints the accounting of disclosures of the last six years.
pub(super) async fn accounting(args: &AccountingArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    site.require_custodian(&args.at)?;
    let client = site.client(&args.at, args.role).await?;
    let query = PatientQuery {
        patient: args.patient,
    };
    let entries = client
        .consents()
        .accounting(args.at.clone(), query)
        .send()
        .await?;
    for entry in &entries {
        output.line(format!("{}: {}", time(entry.at), log::sentence(entry)));
    }
    if entries.is_empty() {
        output.line("nothing was disclosed");
    }
    output.document(&json!({ "custodian": args.at, "accounting": entries }));
    Ok(())
}
