//! Remittances, payments, and what is taken back.

use std::path::PathBuf;

use careledger_api::date::Date;
use careledger_api::ids::{ClaimId, RemittanceId};
use clap::Args;

use super::{BetweenArgs, StepArgs};
use crate::values;

/// `careledger claim remit`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true),
    after_help = "Examples:\n  careledger claim remit --list --as InsurerMSP --with HospitalMSP --since 2026-11-01\n  careledger claim remit 0011… --as InsurerMSP --with HospitalMSP --x12 advice.835 --parties parties.json\nwhere parties.json is {\"sender\": [\"ZZ\", \"INSURER\"], \"receiver\": [\"ZZ\", \"HOSPITAL\"], \"control\": 1, \"production\": false, \"trace\": \"12345\",\n\"payer\": {\"name\": \"…\", \"tax_number\": \"123456789\", \"telephone\": \"…\", \"address\": {\"street\": \"…\", \"city\": \"…\", \"state\": \"MA\", \"postcode\": \"…\"}},\n\"payee\": {\"name\": \"…\", \"npi\": \"1234567893\"}}: control is a number never used before between the two."
)]
pub struct RemitArgs {
    /// The claims, 1 to 50.
    #[arg(value_name = "CLAIM", value_parser = values::id::<ClaimId>, group = "what")]
    pub claims: Vec<ClaimId>,
    /// Who settles with whom.
    #[command(flatten)]
    pub between: BetweenArgs,
    /// Show this remittance instead.
    #[arg(long, value_name = "ID", value_parser = values::id::<RemittanceId>, group = "what")]
    pub show: Option<RemittanceId>,
    /// List the remittances between the two instead.
    #[arg(long, group = "what", conflicts_with = "x12")]
    pub list: bool,
    /// List only those of this day and later.
    #[arg(long, value_name = "DATE", value_parser = values::date, requires = "list")]
    pub since: Option<Date>,
    /// Write an 835 of what stands of the remittance: without claims that were decided anew or reversed before they were paid.
    #[arg(long, requires = "show", requires = "x12")]
    pub standing: bool,
    /// Write it as X12 835 to this new file.
    #[arg(long, value_name = "FILE", requires = "parties")]
    pub x12: Option<PathBuf>,
    /// Who pays whom and by which numbers: a file of JSON.
    #[arg(long, value_name = "FILE", requires = "x12")]
    pub parties: Option<PathBuf>,
}

/// A claim, or all of a remittance.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct PaidArgs {
    /// The claim.
    #[arg(value_name = "CLAIM", value_parser = values::id::<ClaimId>, group = "what")]
    pub claim: Option<ClaimId>,
    /// Each claim of this remittance instead. It may be stopped and started again: what is done stays done.
    #[arg(long, value_name = "ID", value_parser = values::id::<RemittanceId>, group = "what")]
    pub remittance: Option<RemittanceId>,
    /// Who settles with whom.
    #[command(flatten)]
    pub between: BetweenArgs,
}

/// `careledger claim pay`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  careledger claim pay --remittance 0011… --as InsurerMSP --with HospitalMSP --reference 'EFT 4711'\n  careledger claim pay 0011… --as InsurerMSP --with HospitalMSP --reference 'TRN 4711'"
)]
pub struct PayArgs {
    /// What is paid.
    #[command(flatten)]
    pub of: PaidArgs,
    /// The bank's reference: 1 to 64 printable ASCII characters.
    #[arg(long, value_name = "TEXT")]
    pub reference: String,
}

/// `careledger claim confirm`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  careledger claim confirm --remittance 0011… --as HospitalMSP --with InsurerMSP\n  careledger claim confirm 0011… --as HospitalMSP --with InsurerMSP"
)]
pub struct ConfirmArgs {
    /// What came.
    #[command(flatten)]
    pub of: PaidArgs,
}

/// `careledger claim reverse`.
#[derive(Debug, Args)]
pub struct ReverseArgs {
    /// The claim.
    #[command(flatten)]
    pub step: StepArgs,
    /// Why: up to 2,000 bytes, for payer and provider.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}
