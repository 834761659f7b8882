//! X12 beside the ledger.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::BetweenArgs;

/// `careledger claim x12 …`.
#[derive(Debug, Subcommand)]
pub enum X12Command {
    /// Say in words what a receiver's 999s and TA1s say of a file that was sent to it, a 277CA of its claims, and an 835 of what was paid. Needs no network.
    Read(X12ReadArgs),
    /// Write claims as an 837 for a payer outside of the ledger, also after the ledger's payer has decided. As the role `provider-billing`.
    Bill(X12BillArgs),
}

/// `careledger claim x12 read`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  careledger claim x12 read batch.999\n  careledger claim x12 read payer.277\n  careledger claim x12 read advice.835\nIt ends with an error where something was not accepted. Reason, remark and status codes are numbers: their texts are licensed."
)]
pub struct X12ReadArgs {
    /// The answer, of one interchange or several.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `careledger claim x12 bill`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger claim x12 bill parties.json --as HospitalMSP --with InsurerMSP --x12 copy.837\nwhere parties.json is {\"sender\": [\"ZZ\", \"HOSPITAL\"], \"receiver\": [\"ZZ\", \"OTHER\"], \"production\": false,\n\"biller\": {\"name\": \"…\", \"tax_number\": \"123456789\", \"telephone\": \"…\", \"payer_name\": \"…\", \"payer_number\": \"…\",\n\"address\": {\"street\": \"…\", \"city\": \"…\", \"state\": \"MA\", \"postcode\": \"…\"}},\n\"claims\": {\"0011…\": {\"number\": \"A-1\", \"member_number\": \"…\", \"last_name\": \"…\", \"first_name\": \"…\", \"born\": \"1980-02-29\", \"sex\": \"female\", \"address\": {…}}}}.\nAn institution's claim has \"institution\" besides: {\"bill\": \"13\", \"admission\": [\"3\", \"\", \"01\"], \"revenue\": {\"1\": \"0450\"}}. With \"before\":\n{\"name\": \"…\", \"number\": \"…\"} the receiver pays after the ledger's payer, and hears what that one decided, and when: on the day that the ledger\nhas, or \"paid\": \"2026-07-01\" says. A claim has \"before\" then: {\"member_number\": \"…\", \"group\": \"…\", \"subscriber\": {\"last_name\": \"…\",\n\"first_name\": \"…\", \"patient\": \"child\"}}, the member's number at the payer before, and, where there are, the group's and\nthe subscriber who is not the patient (the patient is spouse, life-partner, child, employee, other or unknown). Without it the receiver's number and the patient's own name stand there."
)]
pub struct X12BillArgs {
    /// Who bills whom for which claims of which members: a file of JSON.
    #[arg(value_name = "FILE")]
    pub parties: PathBuf,
    /// The provider's claims at the ledger's payer.
    #[command(flatten)]
    pub between: BetweenArgs,
    /// Write the 837P, 837I or 837D to this new file.
    #[arg(long, value_name = "FILE")]
    pub x12: PathBuf,
    /// The file's number, in place of `control` of FILE. Without either, one that follows from the time. A number that was used between the two for
    /// another content is refused: `billed-MSP.json` in the network's directory, MSP being the provider's, has those that were used.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=999_999_999))]
    pub control: Option<u32>,
}
