//! A reversal that a provider asks for.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::StepArgs;

/// `careledger claim reversal …`.
#[derive(Debug, Subcommand)]
pub enum ReversalCommand {
    /// Ask the payer to take a paid claim back: to correct or void it, or to return what was paid too much. As the role `provider-billing`.
    Request(RequestReversalArgs),
    /// Say why a claim is not taken back. As the role `payer`; `claim reverse` takes it back.
    Decline(DeclineReversalArgs),
}

/// `careledger claim reversal request`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger claim reversal request 0011… --as HospitalMSP --with InsurerMSP --text why.txt\nThe payer's `claim waiting` lists it as `reverse`, and nothing more is paid of the claim meanwhile. Once it is reversed, `claim waiting` says `replace`: the\ncorrection (frequency 7) is submitted then, or nothing is. If the payer declines, `claim show` says why, and it may be asked once more, four times in all."
)]
pub struct RequestReversalArgs {
    /// The claim: paid, or on a remittance to be paid.
    #[command(flatten)]
    pub step: StepArgs,
    /// Why: a file of up to 2,000 bytes of text, or `-` for the standard input, for payer and provider.
    #[arg(long, value_name = "FILE")]
    pub text: PathBuf,
}

/// `careledger claim reversal decline`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger claim reversal decline 0011… --as InsurerMSP --with HospitalMSP --text why-not.txt"
)]
pub struct DeclineReversalArgs {
    /// The claim.
    #[command(flatten)]
    pub step: StepArgs,
    /// Why not: a file of up to 2,000 bytes of text, or `-` for the standard input, for payer and provider.
    #[arg(long, value_name = "FILE")]
    pub text: PathBuf,
}
