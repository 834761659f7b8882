//! The payer's day, and lists for both sides.

use std::path::PathBuf;

use careledger_api::contracts::claims::{ClaimStatus, ProviderStep, WaitingStep};
use careledger_api::date::Date;
use careledger_api::ids::CoverageId;
use clap::{Args, ValueEnum};

use crate::values;

/// At whose desk, and for which providers.
#[derive(Debug, Args)]
pub struct DeskArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The payer, by MSP id.
    #[arg(long = "as", value_name = "MSP")]
    pub payer: String,
    /// A provider, by MSP id; may be repeated. Without it, all of them.
    #[arg(long = "with", value_name = "MSP")]
    pub providers: Vec<String>,
    /// Who acts there, where it is not the one person called `payer`.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
}

/// `careledger claim work`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  careledger claim work --as InsurerMSP\n  careledger claim work --as InsurerMSP --with HospitalMSP --remit\nIt may be stopped and started again at any time: what is decided stays decided, and no claim is on two remittances. SIGTERM or Ctrl-C has it\nend what is under way and say what is left; a second one ends it at once."
)]
pub struct WorkArgs {
    /// At whose desk.
    #[command(flatten)]
    pub desk: DeskArgs,
    /// Put what is approved or denied on remittances, afterwards: of what is denied its provider is told.
    #[arg(long, conflicts_with = "receive")]
    pub remit: bool,
    /// Receive what was submitted, and decide nothing yet: its day counts, and the provider learns what its form lacks.
    #[arg(long)]
    pub receive: bool,
    /// Compare the claims' services with those that other payers were asked for: a file of JSON with the members' names by coverage, as for
    /// `claim adjudicate`.
    #[arg(long, value_name = "FILE", conflicts_with = "receive")]
    pub members: Option<PathBuf>,
    /// Claims under way at once; those of one member come one after the other.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub together: u32,
}

/// On whose side, and with whom.
#[derive(Debug, Args)]
pub struct SidesArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The payer or the provider, by MSP id.
    #[arg(long = "as", value_name = "MSP")]
    pub own: String,
    /// One of the other side, by MSP id; may be repeated. Without it, all of them.
    #[arg(long = "with", value_name = "MSP")]
    pub others: Vec<String>,
    /// Who acts there, where it is not the one person called `payer`, `provider-billing` or, at a regulator, `legal`.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
}

/// `careledger claim waiting`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  careledger claim waiting --as InsurerMSP --step appeal\n  careledger claim waiting --as HospitalMSP\n  careledger claim waiting --as RegulatorMSP    appeals at the last level\nA payer's steps are decide, review, appeal, remit, pay, recover and reverse; a provider's answer, correct, appeal, confirm, replace, receipt and give-back.\nWhat cannot be read is told beside, and keeps nothing else from the list."
)]
pub struct WaitingArgs {
    /// Who asks.
    #[command(flatten)]
    pub sides: SidesArgs,
    /// Only what waits for this.
    #[arg(long, value_enum, value_name = "STEP")]
    pub step: Option<Step>,
}

/// `careledger claim list`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  careledger claim list --as HospitalMSP --status DENIED --since 2026-11-01\n  careledger claim list --as InsurerMSP --with HospitalMSP --coverage 0011…"
)]
pub struct ListArgs {
    /// Who asks.
    #[command(flatten)]
    pub sides: SidesArgs,
    /// Only claims that stand there, as in DENIED.
    #[arg(long, value_name = "STATUS", value_parser = status)]
    pub status: Option<ClaimStatus>,
    /// Only claims that were submitted on this day or later.
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    pub since: Option<Date>,
    /// Only claims of this coverage.
    #[arg(long, value_name = "COVERAGE", value_parser = values::id::<CoverageId>)]
    pub coverage: Option<CoverageId>,
}

fn status(text: &str) -> Result<ClaimStatus, String> {
    values::coded(text, ClaimStatus::ALL, ClaimStatus::as_str)
}

/// `careledger claim report`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  careledger claim report --as InsurerMSP")]
pub struct ReportArgs {
    /// At whose desk.
    #[command(flatten)]
    pub desk: DeskArgs,
}

/// What a claim waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// Its adjudication.
    Decide,
    /// It is pended: an answer of the provider, or a ruling of two people.
    Review,
    /// The payer's decision of its appeal; at the provider, an appeal.
    Appeal,
    /// A remittance.
    Remit,
    /// Its payment, on a remittance.
    Pay,
    /// That what was paid of it comes back: it was reversed.
    Recover,
    /// Its reversal: the provider asks for that, or what was paid does not hold by what is known now.
    Reverse,
    /// The provider's answer.
    Answer,
    /// To be submitted anew: the payer's front end rejected it.
    Correct,
    /// That the provider confirms its payment.
    Confirm,
    /// Another in its place: it was reversed.
    Replace,
    /// The payer's receipt of a correction.
    Receipt,
    /// That what was paid of it is given back: it was reversed.
    GiveBack,
}

impl Step {
    /// The payer's step; none for a provider's.
    pub fn of_payer(self) -> Option<WaitingStep> {
        Some(match self {
            Self::Decide => WaitingStep::Decide,
            Self::Review => WaitingStep::Review,
            Self::Appeal => WaitingStep::Appeal,
            Self::Remit => WaitingStep::Remit,
            Self::Pay => WaitingStep::Pay,
            Self::Recover => WaitingStep::Recover,
            Self::Reverse => WaitingStep::Reverse,
            _ => return None,
        })
    }

    /// The provider's step; none for a payer's.
    pub fn of_provider(self) -> Option<ProviderStep> {
        Some(match self {
            Self::Answer => ProviderStep::Answer,
            Self::Correct => ProviderStep::Correct,
            Self::Appeal => ProviderStep::Appeal,
            Self::Confirm => ProviderStep::Confirm,
            Self::Replace => ProviderStep::Replace,
            Self::Receipt => ProviderStep::Receipt,
            Self::GiveBack => ProviderStep::GiveBack,
            _ => return None,
        })
    }

    /// As it is typed.
    pub fn as_str(self) -> &'static str {
        match (self.of_payer(), self.of_provider()) {
            (Some(step), _) => step.as_str(),
            (None, Some(step)) => step.as_str(),
            (None, None) => "",
        }
    }
}
