//! `careledger consent guardian …`: guardians, proxies and executors, and what else two officers of two organisations do to a patient's affairs.

use std::path::PathBuf;

use careledger_api::contracts::consent::{Confirmation, Guardianship, Measure, OfficialAct, Relation, Taken};
use careledger_api::date::Date;
use careledger_api::ids::{ActId, AuthorityId, ConsentId, PatientId};
use careledger_api::roles::Role;
use careledger_sdk::wallet::salt;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::Result;
use crate::files;
use crate::output::Output;
use crate::site::Site;
use crate::values::{self, time};

/// `careledger consent guardian …`.
#[derive(Debug, Subcommand)]
pub enum GuardianCommand {
    /// The first officer's part: propose a guardian or proxy of a patient.
    Appoint(AppointArgs),
    /// The first officer's part: propose that one's authority ends.
    Dismiss(DismissArgs),
    /// The first officer's part: propose that consents are taken back, by a court's order or for the patient's protection.
    TakeBack(TakeBackArgs),
    /// The first officer's part: propose that the patient's death is registered, or that one registered by mistake is taken back. An executor may be
    /// appointed afterwards.
    Death(DeathArgs),
    /// The second officer's part, of another organisation: from then on it holds.
    Confirm(ConfirmArgs),
    /// List what waits for its second officer.
    Acts(OfficerArgs),
}

/// An officer, where.
#[derive(Debug, Args)]
pub struct OfficerArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The officer's organisation: the custodian or a regulator, by its MSP id.
    #[arg(long = "as", value_name = "MSP")]
    pub organisation: String,
    /// Who acts there: dpo; to propose, a custodian's registrar or custodian as well.
    #[arg(long, value_name = "ROLE", default_value = "dpo")]
    pub role: Role,
    /// The custodian, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub at: String,
}

/// `careledger consent guardian appoint`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example, a mother until her child's 18th birthday; the regulator's officer then confirms:\n  careledger consent guardian appoint --as HospitalMSP --at HospitalMSP --patient 90de… --holder 1d6f… --relation PRN \\\n      --from 2026-11-21 --until 2032-05-04 --basis birth-certificate.pdf\n  careledger consent guardian confirm 3f0a… --as RegulatorMSP --at HospitalMSP"
)]
pub struct AppointArgs {
    /// The officer.
    #[command(flatten)]
    pub officer: OfficerArgs,
    /// For whom: the patient's id at the custodian.
    #[arg(long, value_name = "ID", value_parser = values::id::<PatientId>)]
    pub patient: PatientId,
    /// Who will act: their id at the custodian, where they are enrolled.
    #[arg(long, value_name = "ID", value_parser = values::id::<PatientId>)]
    pub holder: PatientId,
    /// As what: PRN (parent), GUARD (guardian), HPOWATT (health care proxy), DPOWATT (durable power of attorney) or EXCEST (executor).
    #[arg(long, value_name = "CODE")]
    pub relation: Relation,
    /// From this day on.
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    pub from: Date,
    /// Until this day: of a minor the 18th birthday at the latest.
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    pub until: Date,
    /// The order, deed or form it rests on. A salted hash goes to the ledger; what opens it is written to FILE.basis-ACT, which the officer keeps.
    #[arg(long, value_name = "FILE")]
    pub basis: PathBuf,
}

/// `careledger consent guardian dismiss`.
#[derive(Debug, Args)]
pub struct DismissArgs {
    /// The officer.
    #[command(flatten)]
    pub officer: OfficerArgs,
    /// Whose guardian: the patient's id at the custodian.
    #[arg(long, value_name = "ID", value_parser = values::id::<PatientId>)]
    pub patient: PatientId,
    /// The authority that ends.
    #[arg(long, value_name = "ID", value_parser = values::id::<AuthorityId>)]
    pub authority: AuthorityId,
    /// As for `appoint`.
    #[arg(long, value_name = "FILE")]
    pub basis: PathBuf,
}

/// `careledger consent guardian take-back`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub struct TakeBackArgs {
    /// The officer.
    #[command(flatten)]
    pub officer: OfficerArgs,
    /// Whose consents: the patient's id at the custodian.
    #[arg(long, value_name = "ID", value_parser = values::id::<PatientId>)]
    pub patient: PatientId,
    /// The consents' ids.
    #[arg(value_name = "ID", value_parser = values::id::<ConsentId>, group = "which")]
    pub consents: Vec<ConsentId>,
    /// Everything that is permitted.
    #[arg(long, group = "which")]
    pub all: bool,
    /// As for `appoint`.
    #[arg(long, value_name = "FILE")]
    pub basis: PathBuf,
}

/// `careledger consent guardian death`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct DeathArgs {
    /// The officer.
    #[command(flatten)]
    pub officer: OfficerArgs,
    /// Who died: the patient's id at the custodian.
    #[arg(long, value_name = "ID", value_parser = values::id::<PatientId>)]
    pub patient: PatientId,
    /// On which day.
    #[arg(long, value_name = "DATE", value_parser = values::date, group = "what")]
    pub on: Option<Date>,
    /// Take back what was registered by mistake.
    #[arg(long, group = "what")]
    pub correct: bool,
    /// As for `appoint`.
    #[arg(long, value_name = "FILE")]
    pub basis: PathBuf,
}

/// `careledger consent guardian confirm`.
#[derive(Debug, Args)]
pub struct ConfirmArgs {
    /// The second officer.
    #[command(flatten)]
    pub officer: OfficerArgs,
    /// The act, as `guardian appoint` or `guardian acts` prints it.
    #[arg(value_name = "ACT", value_parser = values::id::<ActId>)]
    pub act: ActId,
}

/// Runs one of them.
pub(super) async fn run(command: &GuardianCommand, output: &Output) -> Result<()> {
    match command {
        GuardianCommand::Appoint(args) => {
            let guardianship = Guardianship {
                authority: AuthorityId::from_bytes(rand::random()),
                holder: args.holder,
                relation: args.relation,
                from: args.from,
                until: args.until,
            };
            let measure = Measure::Appoint(guardianship);
            propose(&args.officer, args.patient, measure, &args.basis, output).await
        }
        GuardianCommand::Dismiss(args) => {
            let measure = Measure::Dismiss(args.authority);
            propose(&args.officer, args.patient, measure, &args.basis, output).await
        }
        GuardianCommand::TakeBack(args) => {
            let taken = if args.all {
                Taken::All
            } else {
                Taken::Consents(args.consents.clone())
            };
            let measure = Measure::Revoke(taken);
            propose(&args.officer, args.patient, measure, &args.basis, output).await
        }
        GuardianCommand::Death(args) => {
            let measure = args.on.map_or(Measure::CorrectDeath, Measure::RegisterDeath);
            propose(&args.officer, args.patient, measure, &args.basis, output).await
        }
        GuardianCommand::Confirm(args) => confirm(args, output).await,
        GuardianCommand::Acts(args) => acts(args, output).await,
    }
}

async fn propose(
    officer: &OfficerArgs,
    patient: PatientId,
    measure: Measure,
    basis: &std::path::Path,
    output: &Output,
) -> Result<()> {
    let site = Site::open(&officer.dir)?;
    site.require_custodian(&officer.at)?;
    let client = site.client(&officer.organisation, officer.role).await?;
    let id = ActId::from_bytes(rand::random());
    let mut act = OfficialAct {
        id,
        patient,
        measure,
        basis: careledger_api::hashing::sha256(&[]),
        salt: salt(),
    };
    // Before anything is written.
    act.validate()?;
    let (basis, kept) = files::digest(basis, "official-basis", &format!("basis-{id}"))?;
    act.basis = basis;
    let authority = match &act.measure {
        Measure::Appoint(guardianship) => Some(guardianship.authority),
        Measure::Dismiss(authority) => Some(*authority),
        _ => None,
    };
    output.doing("proposing");
    let proposed = client
        .consents()
        .propose_act(officer.at.clone(), act)
        .send()
        .await;
    let done = match proposed {
        Ok(done) => done,
        Err(error) => {
            let _of_no_act = std::fs::remove_file(&kept);
            return Err(error.into());
        }
    };
    site.settle(&officer.at, &done.tx_id).await;
    output.line(format!(
        "act {id} at {}: waits 30 days for an officer of another organisation",
        officer.at
    ));
    if let Some(authority) = authority {
        output.line(format!("authority {authority}"));
    }
    output.line(format!(
        "what opens the hash of its basis is in {}",
        kept.display()
    ));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "act": id, "authority": authority, "custodian": officer.at, "patient": patient, "basis": kept,
        "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

async fn confirm(args: &ConfirmArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.officer.dir)?;
    site.require_custodian(&args.officer.at)?;
    let client = site.client(&args.officer.organisation, args.officer.role).await?;
    let confirmation = Confirmation {
        act: args.act,
        salt: salt(),
    };
    output.doing("confirming");
    let consents = client.consents();
    let done = consents
        .confirm_act(args.officer.at.clone(), confirmation)
        .send()
        .await?;
    site.settle(&args.officer.at, &done.tx_id).await;
    output.line(format!("act {} at {} is in force", args.act, args.officer.at));
    output.committed(&done.tx_id, done.block_number);
    output.document(&json!({
        "act": args.act, "custodian": args.officer.at, "tx": done.tx_id, "block": done.block_number,
    }));
    Ok(())
}

async fn acts(args: &OfficerArgs, output: &Output) -> Result<()> {
    let site = Site::open(&args.dir)?;
    site.require_custodian(&args.at)?;
    let client = site.client(&args.organisation, args.role).await?;
    let open = client.consents().open_acts(args.at.clone()).send().await?;
    let rows: Vec<Vec<String>> = open
        .iter()
        .map(|open| {
            vec![
                open.act.id.to_string(),
                what(&open.act.measure),
                open.organisation.clone(),
                time(open.at),
                open.act.patient.to_string(),
            ]
        })
        .collect();
    if rows.is_empty() {
        output.line("nothing waits");
    }
    output.table(&["ACT", "WHAT", "PROPOSED BY", "AT", "PATIENT"], &rows);
    output.document(&json!({ "custodian": args.at, "acts": open }));
    Ok(())
}

fn what(measure: &Measure) -> String {
    match measure {
        Measure::Revoke(_) => "take consents back".to_owned(),
        Measure::Appoint(guardianship) => format!(
            "appoint {} from {} to {}",
            guardianship.relation, guardianship.from, guardianship.until
        ),
        Measure::Dismiss(authority) => format!("dismiss {authority}"),
        Measure::RegisterDeath(day) => format!("register a death on {day}"),
        Measure::CorrectDeath => "take back a death".to_owned(),
    }
}
