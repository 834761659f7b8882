//! Plans, members, providers' standing: what a payer writes down for itself.

use std::path::PathBuf;

use careledger_api::date::Date;
use careledger_api::ids::CoverageId;
use clap::Args;

use crate::values;

/// What a payer writes down for itself.
#[derive(Debug, Args)]
pub struct PayersFileArgs {
    /// A file of JSON, as below.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The payer, by MSP id.
    #[arg(long = "as", value_name = "MSP")]
    pub payer: String,
}

/// `careledger claim plan`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger claim plan plan.json --as InsurerMSP\nwhere plan.json is {\"id\": \"00112233445566778899aabbccddeeff\", \"version\": 1, \"currency\": \"USD\", \"deductible\": 2000, \"copay\": 1000,\n\"coinsurance\": 1000, \"out_of_pocket_maximum\": 200000, \"timely_filing_days\": 90, \"prices\": {\"X-0042\": {\"amount\": 15000, \"max_units\": 1}}}:\namounts in minor units, coinsurance in basis points. docs/claims-files.md has every rule."
)]
pub struct PlanArgs {
    /// The plan's rules.
    #[command(flatten)]
    pub given: PayersFileArgs,
    /// Where the salted plan is kept, which proves what was published; without it, FILE.salted.
    #[arg(long, value_name = "FILE")]
    pub kept: Option<PathBuf>,
}

/// `careledger claim enrol`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger claim enrol coverage.json --as InsurerMSP\nwhere coverage.json is {\"plan\": \"00112233445566778899aabbccddeeff\", \"plan_version\": 1, \"period\": {\"from\": \"2026-01-01\", \"until\": \"2026-12-31\"},\n\"born\": \"1980-02-29\", \"sex\": \"female\"}: a file, so that nothing about a person is on a command line. Its id is drawn unless it has one."
)]
pub struct EnrolArgs {
    /// The coverage.
    #[command(flatten)]
    pub given: PayersFileArgs,
}

/// `careledger claim amend`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger claim amend 0011… coverage.json --from 2026-07-01 --as InsurerMSP\nwhere coverage.json is all of the coverage as it is from that day of service on, as for enrol: another version of its plan, \"secondary\": true where another\npayer pays first, birth or sex put right (from its first day on). What the member used and paid goes on; what is decided stays so until it is adjudicated\nwith --anew, or reversed; the command names it. A claim with days before and after the change is denied, and claimed apart."
)]
pub struct AmendArgs {
    /// The member's coverage.
    #[arg(value_name = "COVERAGE", value_parser = values::id::<CoverageId>)]
    pub coverage: CoverageId,
    /// The coverage as it is from then on.
    #[command(flatten)]
    pub given: PayersFileArgs,
    /// The first day of service on which it is so; up to the day from which a later version counts.
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    pub from: Date,
}

/// A question or an act of a payer about one member.
#[derive(Debug, Args)]
pub struct MemberArgs {
    /// The member's coverage.
    #[arg(value_name = "COVERAGE", value_parser = values::id::<CoverageId>)]
    pub coverage: CoverageId,
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The payer, by MSP id.
    #[arg(long = "as", value_name = "MSP")]
    pub payer: String,
}

/// `careledger claim end`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger claim end 0011… --as InsurerMSP --last 2026-11-30\nNames the claims that were decided for days after it: those that are on a remittance or paid are reversed, the others adjudicated with --anew."
)]
pub struct EndArgs {
    /// Whose coverage.
    #[command(flatten)]
    pub member: MemberArgs,
    /// The last day on which it holds, within its period; the day before its first, where it never held.
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    pub last: Date,
}

/// `careledger claim fold`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  careledger claim fold 0011… --as InsurerMSP --year 2026")]
pub struct FoldArgs {
    /// Whose sum.
    #[command(flatten)]
    pub member: MemberArgs,
    /// Of which year.
    #[arg(long, value_name = "YEAR")]
    pub year: u16,
}

/// `careledger claim standing`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger claim standing standing.json --as InsurerMSP\nwhere standing.json is {\"npi\": \"1234567893\", \"standing\": {\"active\": {\"from\": \"2026-01-01\", \"until\": \"2026-12-31\"},\n\"network\": {\"from\": \"2026-01-01\", \"until\": \"2026-12-31\"}, \"excluded_from\": \"2026-11-01\"},\n\"bills_for\": [\"HospitalMSP\"]}: network and excluded_from only where they are so. A claim under the number that another organisation than those of\nbills_for sends is denied; without it, whoever knows the number bills under it."
)]
pub struct StandingArgs {
    /// How the provider stands.
    #[command(flatten)]
    pub given: PayersFileArgs,
}
