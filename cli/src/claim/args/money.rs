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
    after_help = "Examples:\n  careledger claim remit --list --as InsurerMSP --with HospitalMSP --since 2026-11-01\n  careledger claim remit 0011… --as InsurerMSP --with HospitalMSP --x12 advice.835 --parties parties.json\n  careledger claim remit --show 0011… --as HospitalMSP --with InsurerMSP --x12 own.835 --parties parties.json --accounts batch.837\nThe last is the provider's own, with the numbers by which its system posts.\nparties.json is {\"sender\": [\"ZZ\", \"INSURER\"], \"receiver\": [\"ZZ\", \"HOSPITAL\"], \"production\": false,\n\"payer\": {\"name\": \"…\", \"tax_number\": \"123456789\", \"telephone\": \"…\", \"address\": {\"street\": \"…\", \"city\": \"…\", \"state\": \"MA\", \"postcode\": \"…\"}},\n\"payee\": {\"name\": \"…\", \"npi\": \"1234567893\"}}, the payee being who bills the claims; \"control\": 1 and \"trace\": \"12345\" may be in it, too."
)]
pub struct RemitArgs {
    /// The claims, 1 to 50: approved, partly approved or denied.
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
    /// List only those that a payment with this reference of the bank's paid.
    #[arg(long, value_name = "TEXT", requires = "list")]
    pub reference: Option<String>,
    /// Write an 835 of what stands of the remittance: without claims that were decided anew or reversed before they were paid.
    #[arg(long, requires = "show", requires = "x12")]
    pub standing: bool,
    /// Write it as X12 835 to this new file.
    #[arg(long, value_name = "FILE", requires = "parties")]
    pub x12: Option<PathBuf>,
    /// Who pays whom and by which numbers: a file of JSON.
    #[arg(long, value_name = "FILE", requires = "x12")]
    pub parties: Option<PathBuf>,
    /// The number of the 835's interchange; without it `control` of --parties, else one that follows from the time. One that was used for another file between
    /// the two is refused.
    #[arg(long, value_name = "NUMBER", requires = "x12", value_parser = clap::value_parser!(u32).range(1..=999_999_999))]
    pub control: Option<u32>,
    /// The payment's number at the bank (TRN02), at most 50 characters; without it the reference by which the remittance is paid, else `trace` of --parties,
    /// else the remittance's id. One that was used for another remittance between the two is refused.
    #[arg(long, value_name = "TEXT", requires = "x12")]
    pub trace: Option<String>,
    /// A file of claims as the provider submitted it: the 835 has its claims' own numbers, and the members' numbers and names. May be repeated. By the
    /// provider alone, who has the files and the secret for ids.
    #[arg(long, value_name = "FILE", requires = "x12", requires = "show")]
    pub accounts: Vec<PathBuf>,
    /// What other numbers in these files stand for, where they were submitted with it.
    #[arg(long, value_name = "FILE", requires = "accounts")]
    pub register: Option<PathBuf>,
    /// The provider's secret for ids, where the files were submitted with it.
    #[arg(long, value_name = "FILE", requires = "accounts")]
    pub secret: Option<PathBuf>,
}

/// A claim, or all of a remittance.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct PaidArgs {
    /// The claim.
    #[arg(value_name = "CLAIM", value_parser = values::id::<ClaimId>, group = "what")]
    pub claim: Option<ClaimId>,
    /// All claims of this remittance that wait for it instead, in one transaction. Repeated, it does nothing twice, and goes on with what is left.
    #[arg(long, value_name = "ID", value_parser = values::id::<RemittanceId>, group = "what")]
    pub remittance: Option<RemittanceId>,
    /// Who settles with whom.
    #[command(flatten)]
    pub between: BetweenArgs,
}

/// `careledger claim pay`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  careledger claim pay --remittance 0011… --as InsurerMSP --with HospitalMSP --reference 'EFT 4711'\n  careledger claim pay 0011… --as InsurerMSP --with HospitalMSP --reference 'TRN 4711'\nWhat is paid of each claim is what the payer's book says; of a remittance, claims that are held or under appeal are left out and told.\n  careledger claim pay --remittance 0011… --as InsurerMSP --with HospitalMSP --reference 'EFT 4712' --set-off 2233…\npays so much less as was paid of the reversed claim 2233…, which is recovered by that. Write the remittance's 835 after that: it has both."
)]
pub struct PayArgs {
    /// What is paid.
    #[command(flatten)]
    pub of: PaidArgs,
    /// The bank's reference: 1 to 64 printable ASCII characters.
    #[arg(long, value_name = "TEXT", value_parser = values::reference)]
    pub reference: String,
    /// A reversed claim whose money comes back by so much less being paid of the remittance; may be repeated.
    #[arg(long, value_name = "CLAIM", value_parser = values::id::<ClaimId>, requires = "remittance")]
    pub set_off: Vec<ClaimId>,
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

/// `careledger claim recover`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger claim recover 0011… --as InsurerMSP --with HospitalMSP --reference 'EFT 90 BACK'\nHow much came back is what the payer's book says: all that was paid of the claim. `claim waiting --step recover` lists what is out; money that\ncomes back by less being paid is `claim pay --remittance … --set-off`."
)]
pub struct RecoverArgs {
    /// The claim, which was reversed.
    #[command(flatten)]
    pub step: StepArgs,
    /// The bank's reference: 1 to 64 printable ASCII characters.
    #[arg(long, value_name = "TEXT", value_parser = values::reference)]
    pub reference: String,
}

/// `careledger claim reverse`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger claim reverse 0011… --as InsurerMSP --with HospitalMSP --reason 'billed twice'\nWhat was paid of it has to come back from then on: `claim recover`, or `claim pay --remittance … --set-off`."
)]
pub struct ReverseArgs {
    /// The claim.
    #[command(flatten)]
    pub step: StepArgs,
    /// Why: up to 2,000 bytes, for payer and provider.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}
