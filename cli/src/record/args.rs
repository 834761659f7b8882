//! The interface of `careledger record …`.

use std::path::PathBuf;

use careledger_api::codes::{Category, Code, Label, OverrideReason, Purpose};
use careledger_api::contracts::record::Relation;
use careledger_api::date::Date;
use careledger_api::ids::{DocumentId, PatientId};
use careledger_api::roles::Role;
use clap::{Args, Subcommand};

use super::check::CheckArgs;
use super::find::{FindArgs, PersonArgs};
use super::locate::LocateArgs;
use super::own::OwnRecordArgs;
use crate::values;

/// `careledger record …`.
#[derive(Debug, Subcommand)]
pub enum RecordCommand {
    /// Encrypt a file into a custodian's vault, anchor it on the ledger, and describe it for consent decisions. As the role `custodian`.
    Anchor(AnchorArgs),
    /// Ask for access to a record; write the file if the patient's consents permit it. The attempt is logged and the patient told. As the role `clinician`, or as the patient.
    Fetch(FetchArgs),
    /// Compare a file with its anchor on an organisation's own ledger; exits 1 unless it matches.
    Verify(VerifyArgs),
    /// Have a custodian's vault compare its files with the ledger and sign a report, whose hash is anchored; exits 1 unless all fits. As the role `custodian`.
    Check(CheckArgs),
    /// List a patient's records at a custodian: as the role `custodian` all of them, from another organisation those that the patient's consents show.
    Locate(LocateArgs),
    /// List or read one's own records, with the wallet, at any organisation's portal.
    Own(OwnRecordArgs),
    /// Find a patient who cannot say who they are, by the code on a card or by identity documents. As the role `emergency`.
    Find(FindArgs),
    /// Tell the custodian's own vault what identity documents say of a patient, so that they are found by them. As the role `custodian`.
    Person(PersonArgs),
    /// Break the glass and write the patient's emergency summary, from the custodian's vault or a replica. It is logged, told to the patient and reviewed.
    Emergency(EmergencyArgs),
    /// The same on a ticket that the doctor signs, for when the ledger takes nothing: the custodian's vault answers within limits and files the ticket as
    /// soon as it can.
    Offline(EmergencyArgs),
    /// Have a custodian's vault copy to its replicas at once, and wait for it; exits 1 unless all is copied. As the role `custodian`.
    Replicate(ReplicateArgs),
    /// Say which organisations hold copies of a custodian's records, how far they are and what was probed. As the role `custodian`.
    Replicas(ReplicasArgs),
}

/// `careledger record anchor`.
#[derive(Debug, Args)]
pub struct AnchorArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The custodian, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub at: String,
    /// Whose record it is: the patient's id at this custodian.
    #[arg(long, value_name = "ID", value_parser = values::id::<PatientId>)]
    pub patient: PatientId,
    /// Its category, as in laboratory.
    #[arg(long, value_name = "CATEGORY", value_parser = values::category)]
    pub category: Category,
    /// Its clinical codes: system|code, as in loinc|2345-7.
    #[arg(long, value_name = "SYSTEM|CODE", value_parser = values::code)]
    pub code: Vec<Code>,
    /// Its sensitivity and confidentiality labels, as in PSY; several with commas. Without any it says that there are none.
    #[arg(long, value_name = "LABEL", value_delimiter = ',', value_parser = values::label)]
    pub label: Vec<Label>,
    /// Its clinical date.
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    pub date: Option<Date>,
    /// The organisation that wrote it, by MSP id; without it, the custodian.
    #[arg(long, value_name = "MSP")]
    pub author: Option<String>,
    /// The document of which this is the next version; without it, a new document.
    #[arg(long, value_name = "ID", value_parser = values::id::<DocumentId>)]
    pub next_of: Option<DocumentId>,
    /// The document that ends, and in whose place this one is.
    #[arg(long, value_name = "ID", value_parser = values::id::<DocumentId>, conflicts_with = "next_of")]
    pub instead_of: Option<DocumentId>,
    /// How it relates to the version before, or to the document that ends: replaces, transforms, appends or signs.
    #[arg(long, value_name = "RELATION", default_value = "replaces", value_parser = values::relation)]
    pub relation: Relation,
    /// Its media type.
    #[arg(long, value_name = "TYPE", default_value = "application/octet-stream")]
    pub mime: String,
    /// Where to write the opening, which proves later that a file is the anchored one; without it, FILE.opening.
    #[arg(long, value_name = "FILE")]
    pub opening: Option<PathBuf>,
}

/// `careledger record fetch`.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The document.
    #[arg(value_name = "ID", value_parser = values::id::<DocumentId>)]
    pub document: DocumentId,
    /// Where to write it; there must be no such file yet.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The asking organisation, by MSP id; for a patient, the one whose portal carries the question.
    #[arg(long = "as", value_name = "MSP")]
    pub asker: String,
    /// Who asks there: clinician, emergency or researcher.
    #[arg(long, value_name = "ROLE", default_value = "clinician")]
    pub role: Role,
    /// Whose record it is: the patient's id at its custodian.
    #[arg(long, value_name = "ID", value_parser = values::id::<PatientId>, required_unless_present = "own")]
    pub patient: Option<PatientId>,
    /// The record's category.
    #[arg(long, value_name = "CATEGORY", value_parser = values::category)]
    pub category: Category,
    /// What for, by code.
    #[arg(long, value_name = "CODE", value_parser = values::purpose, default_value = "TREAT")]
    pub purpose: Purpose,
    /// Read the own record, with the wallet.
    #[arg(long, conflicts_with_all = ["patient", "role", "purpose"])]
    pub own: bool,
    /// The wallet's file, for --own.
    #[arg(long, value_name = "FILE", requires = "own")]
    pub wallet: Option<PathBuf>,
    /// A file with the wallet's passphrase.
    #[arg(long, value_name = "FILE", requires = "own")]
    pub passphrase_file: Option<PathBuf>,
}

/// `careledger record verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The document.
    #[arg(value_name = "ID", value_parser = values::id::<DocumentId>)]
    pub document: DocumentId,
    /// The file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The opening that `anchor` or `fetch` wrote; without it, FILE.opening.
    #[arg(long, value_name = "FILE")]
    pub opening: Option<PathBuf>,
    /// The organisation whose ledger is asked, by MSP id; without it, the first of the consortium.
    #[arg(long = "as", value_name = "MSP")]
    pub asker: Option<String>,
}

/// `careledger record emergency` and `careledger record offline`.
#[derive(Debug, Args)]
pub struct EmergencyArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// Whose summary: the patient's id at the custodian.
    #[arg(long, value_name = "ID", value_parser = values::id::<PatientId>)]
    pub patient: PatientId,
    /// The custodian, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub at: String,
    /// The asking organisation, by MSP id.
    #[arg(long = "as", value_name = "MSP")]
    pub asker: String,
    /// Who asks there.
    #[arg(long, value_name = "ROLE", default_value = "emergency")]
    pub role: Role,
    /// Why, by code.
    #[arg(long, value_name = "CODE", value_parser = values::override_reason, default_value = "OVRER")]
    pub reason: OverrideReason,
    /// For how many minutes.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub minutes: u16,
    /// You attest that the reason holds; nothing is opened without it.
    #[arg(long, required = true)]
    pub attest: bool,
    /// The directory to write to: a file for each document, named by its id.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// `careledger record replicate`.
#[derive(Debug, Args)]
pub struct ReplicateArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The custodian, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub at: String,
    /// Probe the copies too, and record on the ledger what is found.
    #[arg(long)]
    pub probe: bool,
    /// How long to wait, as in 10m.
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = values::duration)]
    pub wait: i64,
}

/// `careledger record replicas`.
#[derive(Debug, Args)]
pub struct ReplicasArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The custodian, by its MSP id.
    #[arg(long, value_name = "MSP")]
    pub at: String,
}
