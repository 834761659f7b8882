//! Flags, and what members say.

use std::path::PathBuf;

use careledger_api::ids::{ClaimId, TxId};
use clap::Args;

use super::{BetweenArgs, StepArgs};
use crate::values;

/// `careledger claim flag`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true),
    after_help = "Examples:\n  careledger claim flag 0011… --as InsurerMSP --with HospitalMSP --line 1 --kind upcoding --score 900 --text why.txt\n  careledger claim flag --from flags.json --as InsurerMSP --with HospitalMSP\nwhere flags.json is a list of what careledger_sdk::fraud's Flag::for_ledger gives: [{\"claim\": \"0011…\", \"line\": 1, \"kind\": \"upcoding\", \"score\": 900,\n\"explanation\": \"…\"}, …]. A flag pends an undecided claim, and denies nothing."
)]
pub struct FlagArgs {
    /// The claim.
    #[arg(value_name = "CLAIM", value_parser = values::id::<ClaimId>, group = "what", requires_all = ["kind", "score", "text"])]
    pub claim: Option<ClaimId>,
    /// The payer flags claims of the provider.
    #[command(flatten)]
    pub between: BetweenArgs,
    /// The line; without it, the claim as a whole.
    #[arg(long, value_name = "N", requires = "claim")]
    pub line: Option<u16>,
    /// What was noticed: 1 to 32 lower-case letters, digits or `-`.
    #[arg(long, value_name = "KIND", requires = "claim")]
    pub kind: Option<String>,
    /// How sure that is, up to 1000.
    #[arg(long, value_name = "N", requires = "claim")]
    pub score: Option<u16>,
    /// Why, in words that a person can check: a file of up to 2,000 bytes of text, or `-` for the standard input.
    #[arg(long, value_name = "FILE", requires = "claim")]
    pub text: Option<PathBuf>,
    /// Flags of a screening instead: a file of JSON, or `-` for the standard input.
    #[arg(long, value_name = "FILE", group = "what")]
    pub from: Option<PathBuf>,
}

/// `careledger claim clear`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger claim clear 0011… --flag 4477… --as InsurerMSP --with HospitalMSP --reason reason.txt      `claim flags` shows the flags' ids"
)]
pub struct ClearArgs {
    /// The claim.
    #[command(flatten)]
    pub step: StepArgs,
    /// The flag, by the transaction that raised it.
    #[arg(long, value_name = "TX", value_parser = values::id::<TxId>)]
    pub flag: TxId,
    /// Why: a file of up to 2,000 bytes of text, or `-` for the standard input.
    #[arg(long, value_name = "FILE")]
    pub reason: PathBuf,
}

/// `careledger claim feedback`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("word").required(true),
    after_help = "Example:\n  careledger claim feedback 0011… --as InsurerMSP --with HospitalMSP --line 1 --not-rendered"
)]
pub struct FeedbackArgs {
    /// The claim.
    #[command(flatten)]
    pub step: StepArgs,
    /// The line.
    #[arg(long, value_name = "N")]
    pub line: u16,
    /// The member says that the service was rendered.
    #[arg(long, group = "word")]
    pub rendered: bool,
    /// The member says that it was not: an undecided claim is flagged.
    #[arg(long, group = "word")]
    pub not_rendered: bool,
}
