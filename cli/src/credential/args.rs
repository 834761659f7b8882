//! The interface of `careledger credential …`.

use std::path::PathBuf;

use careledger_api::contracts::credential::CredentialKind;
use careledger_api::date::Date;
use careledger_api::ids::PersonId;
use careledger_api::roles::Role;
use clap::{Args, Subcommand};

use crate::values;

/// `careledger credential …`.
#[derive(Debug, Subcommand)]
pub enum CredentialCommand {
    /// Issue a credential to one of the organisation's people, and file who that is. As the role `issuer`.
    Issue(IssueArgs),
    /// Give a credential its next period, with the details verified again. As the role `issuer`.
    Renew(IssueArgs),
    /// File the details that `issue` or `renew` left unfiled. As the role `issuer`.
    File(FileArgs),
    /// Suspend somebody: the next request is refused, also in an emergency. As the role `issuer` of the person's organisation or of a regulator.
    Suspend(ChangeArgs),
    /// Take a suspension back: an organisation its own, a regulator everybody's.
    Reinstate(ChangeArgs),
    /// End a credential for ever.
    Revoke(ChangeArgs),
    /// Say whether somebody's credential counts; exits 1 unless it does. Anybody may ask.
    Check(CheckArgs),
    /// Say who holds an NPI and how they stand; exits 1 unless somebody's credential counts. As the role `issuer`.
    Standing(StandingArgs),
}

/// Of whom.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct PersonArgs {
    /// The person, as the log names them.
    #[arg(long, value_name = "ID", value_parser = values::id::<PersonId>)]
    pub person: Option<PersonId>,
    /// The person's certificate (PEM).
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// The organisation's person with this role in the network's directory, as in clinician.
    #[arg(long, value_name = "ROLE")]
    pub user: Option<Role>,
}

/// What was verified.
#[derive(Debug, Args)]
pub struct VerifiedArgs {
    /// What: licence, board, dea, education, privilege, insurance or affiliation.
    #[arg(long, value_name = "KIND", default_value = "licence")]
    pub kind: CredentialKind,
    /// For how long it counts, at most three years: 30d, 52w.
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration, default_value = "365d")]
    pub duration: i64,
    /// National Provider Identifier: ten digits with their check digit.
    #[arg(long, value_name = "NPI")]
    pub npi: String,
    /// Who gave the licence, as in US-MA.
    #[arg(long, value_name = "CODE")]
    pub jurisdiction: String,
    /// The licence's number.
    #[arg(long, value_name = "NUMBER")]
    pub licence: String,
    /// The licence's class, as in MD or RN.
    #[arg(long, value_name = "CLASS")]
    pub class: String,
    /// Who was asked whether it holds, as in US-MA-BORIM: the primary source, which confirmed it.
    #[arg(long, value_name = "SOURCE", requires = "verified_on")]
    pub verified_at: Option<String>,
    /// On which day; it may be relied on for 120 days.
    #[arg(long, value_name = "DATE", value_parser = values::date, requires = "verified_at")]
    pub verified_on: Option<Date>,
    /// The credential that the source gave out, an SD-JWT VC or JWT: it must not have been taken back. Its status list's hash is filed with the details.
    #[arg(long, value_name = "FILE", requires_all = ["verified_at", "status_list", "source_key"])]
    pub credential: Option<PathBuf>,
    /// The source's status list, as it lies at the address in the credential (application/statuslist+jwt).
    #[arg(long, value_name = "FILE", requires = "credential")]
    pub status_list: Option<PathBuf>,
    /// The source's public key, a JWK of P-256, by which credential and list are signed.
    #[arg(long, value_name = "FILE", requires = "credential")]
    pub source_key: Option<PathBuf>,
}

/// `careledger credential issue` and `renew`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger credential issue --as ClinicMSP --certificate new-doctor.pem --npi 1234567893 --jurisdiction US-MA --licence 230417 \\\n      --class MD --verified-at US-MA-BORIM --verified-on 2026-11-20 --details new-doctor.details\nThe ledger shows that the holder of that certificate may practise, and nobody's name. Keep the details: only they open that."
)]
pub struct IssueArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The issuing organisation, by MSP id.
    #[arg(long = "as", value_name = "MSP")]
    pub issuer: String,
    /// Of whom.
    #[command(flatten)]
    pub person: PersonArgs,
    /// What was verified.
    #[command(flatten)]
    pub verified: VerifiedArgs,
    /// Where to write the details with their salt; there must be no such file yet.
    #[arg(long, value_name = "FILE")]
    pub details: PathBuf,
}

/// `careledger credential file`.
#[derive(Debug, Args)]
pub struct FileArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The organisation, a custodian, by MSP id.
    #[arg(long = "as", value_name = "MSP")]
    pub issuer: String,
    /// The details that `issue` or `renew` wrote.
    #[arg(long, value_name = "FILE")]
    pub details: PathBuf,
}

/// `careledger credential suspend`, `reinstate` and `revoke`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger credential suspend --as RegulatorMSP --of ClinicMSP --person 77b0…"
)]
pub struct ChangeArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The issuer's organisation, by MSP id.
    #[arg(long = "as", value_name = "MSP")]
    pub issuer: String,
    /// The person's organisation, by MSP id; without it, the issuer's.
    #[arg(long, value_name = "MSP")]
    pub of: Option<String>,
    /// Of whom.
    #[command(flatten)]
    pub person: PersonArgs,
}

/// `careledger credential check`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  careledger credential check --of ClinicMSP --user clinician")]
pub struct CheckArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The person's organisation, by MSP id.
    #[arg(long, value_name = "MSP")]
    pub of: String,
    /// The organisation whose ledger is asked, by MSP id; without it, the person's.
    #[arg(long = "as", value_name = "MSP")]
    pub asker: Option<String>,
    /// Of whom.
    #[command(flatten)]
    pub person: PersonArgs,
}

/// `careledger credential standing`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger credential standing --as HospitalMSP --npi 1234567893 --jurisdiction US-MA --licence 230417"
)]
pub struct StandingArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The asking issuer's organisation, by MSP id.
    #[arg(long = "as", value_name = "MSP")]
    pub issuer: String,
    /// The custodian where it is filed, by MSP id; without it, the asking one.
    #[arg(long, value_name = "MSP")]
    pub at: Option<String>,
    /// National Provider Identifier.
    #[arg(long, value_name = "NPI")]
    pub npi: String,
    /// Compare the licence: who gave it.
    #[arg(long, value_name = "CODE", requires = "licence")]
    pub jurisdiction: Option<String>,
    /// Compare the licence: its number.
    #[arg(long, value_name = "NUMBER", requires = "jurisdiction")]
    pub licence: Option<String>,
}
