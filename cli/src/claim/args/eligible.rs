//! Questions about coverages: a payer's own, and a front desk's.

use std::path::PathBuf;

use careledger_api::date::Date;
use careledger_api::ids::{CoverageId, QuestionId};
use clap::Args;

use super::DeskArgs;
use crate::values;

/// `careledger claim eligible`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true),
    after_help = "Examples:\n  careledger claim eligible 0011… --as InsurerMSP --on 2026-11-22\n  careledger claim eligible 0011… --as HospitalMSP --payer InsurerMSP --npi 1234567893 --procedure X-0042\n  careledger claim eligible request.json --as HospitalMSP --payer InsurerMSP --register register.json --fhir\n  careledger claim eligible batch.270 --as HospitalMSP --payer InsurerMSP --register register.json --x12 batch.271\nA provider's question waits for the payer's desk (claim reply, claim work), and so does this command, up to --wait seconds. FILE is a\nCoverageEligibilityRequest of FHIR R4, an X12 270 (with --x12), or a question of the ledger's own JSON: {\"coverage\": \"0011…\", \"on\": \"2026-11-22\", \"purposes\":\n[\"benefits\", \"auth-requirements\"], \"provider_npi\": \"1234567893\", \"currency\": \"USD\", \"services\": [{\"procedure\": \"X-0042\", \"units\": 2,\n\"modifiers\": [\"59\"], \"charge\": 18000}]}. Amounts are an estimate, and no promise."
)]
pub struct EligibleArgs {
    /// The member's coverage, or a provider's file with a question.
    #[arg(value_name = "COVERAGE|FILE", group = "what")]
    pub about: Option<String>,
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// Who asks, by MSP id: the payer itself, or a provider.
    #[arg(long = "as", value_name = "MSP")]
    pub own: String,
    /// The payer whom a provider asks, by MSP id.
    #[arg(long, value_name = "MSP")]
    pub payer: Option<String>,
    /// Who acts there, where it is not the one person called `payer` or `provider-billing`.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// On which day; today unless said. A file says its own.
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    pub on: Option<Date>,
    /// A service that is to be done, by its procedure code; may be repeated. Modifiers, units and charges are a file's.
    #[arg(long, value_name = "CODE", requires_all = ["payer", "npi"])]
    pub procedure: Vec<String>,
    /// NPI of who is to bill the services.
    #[arg(long, value_name = "NPI")]
    pub npi: Option<String>,
    /// Look at a question that was asked before, instead of asking.
    #[arg(long, value_name = "QUESTION", value_parser = values::id::<QuestionId>, group = "what", requires = "payer")]
    pub question: Option<QuestionId>,
    /// Seconds to wait for the answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=3_600))]
    pub wait: u64,
    /// What the numbers in a FHIR file stand for: a file of JSON.
    #[arg(long, value_name = "FILE", requires = "payer")]
    pub register: Option<PathBuf>,
    /// The coverage that a FHIR file is about, whatever number of a member and name of a payer it has.
    #[arg(long, value_name = "ID", value_parser = values::id::<CoverageId>, requires = "payer")]
    pub coverage: Option<CoverageId>,
    /// The provider's secret for ids; without it, `billing-MSP.secret` in the network's directory, as for `claim submit`.
    #[arg(long, value_name = "FILE", requires = "payer")]
    pub secret: Option<PathBuf>,
    /// Write the answer as a CoverageEligibilityResponse of FHIR R4.
    #[arg(long, requires = "payer")]
    pub fhir: bool,
    /// Write the answers to an X12 270 to this new file: a 271.
    #[arg(long, value_name = "FILE", requires = "payer", conflicts_with_all = ["fhir", "question"])]
    pub x12: Option<PathBuf>,
    /// The 271's number, never used before between the two; without it, one that follows from the time.
    #[arg(long, value_name = "NUMBER", requires = "x12", value_parser = clap::value_parser!(u32).range(1..=999_999_999))]
    pub control: Option<u32>,
}

/// `careledger claim reply`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  careledger claim reply --as InsurerMSP\n  careledger claim reply --as InsurerMSP --watch\nThe contract computes each answer from the payer's own plans, coverages and sums. `claim work` answers what waits as well, before anything else."
)]
pub struct ReplyArgs {
    /// At whose desk.
    #[command(flatten)]
    pub desk: DeskArgs,
    /// Go on until a signal ends it: somebody stands at a front desk.
    #[arg(long)]
    pub watch: bool,
}
