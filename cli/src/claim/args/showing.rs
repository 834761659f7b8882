//! How claims are shown.

use clap::{Args, ValueEnum};

use super::StepArgs;

/// `careledger claim explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The claim.
    #[command(flatten)]
    pub step: StepArgs,
    /// Write it as FHIR R4 instead.
    #[arg(long, value_enum, value_name = "RESOURCE")]
    pub fhir: Option<FhirAnswer>,
}

/// As what an adjudication is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FhirAnswer {
    /// ClaimResponse.
    ClaimResponse,
    /// ExplanationOfBenefit.
    ExplanationOfBenefit,
}
