//! What a provider sends.

use std::path::PathBuf;

use careledger_api::ids::{CoverageId, DocumentId};
use clap::Args;

use super::{BetweenArgs, StepArgs};
use crate::values;

/// `careledger claim submit`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  careledger claim submit claim.json --as HospitalMSP --with InsurerMSP --coverage 00112233445566778899aabbccddeeff\n  careledger claim submit batch.837 --as HospitalMSP --with InsurerMSP --register register.json --acknowledge batch.999\nThe register says what the file's numbers stand for: {\"members\": {\"MI|W000123\": \"00112233445566778899aabbccddeeff\"}, …}; docs/claims-files.md has all of it.\nIt may be stopped and started again with the same file at any time: what is submitted changes nothing then. SIGTERM or Ctrl-C has it end what is under way and\nsay what is left; a second one ends it at once."
)]
pub struct SubmitArgs {
    /// The file and what its numbers stand for.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Read the file and say what would be submitted, and submit nothing.
    #[arg(long)]
    pub check: bool,
    /// Claims under way at once; those of one member come one after the other, and a correction after what it corrects.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub together: u32,
    /// What is answered to the sender of an X12 file.
    #[command(flatten)]
    pub answers: AnswersArgs,
}

/// Claims of a file, between two.
#[derive(Debug, Args)]
pub struct ReadingArgs {
    /// FHIR R4 (a Claim or a Bundle), X12 837P, 837I, 837D or 278 (one interchange or several), or a claim of the ledger's own JSON.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The provider submits to the payer.
    #[command(flatten)]
    pub between: BetweenArgs,
    /// What the numbers in the file stand for: a file of JSON.
    #[arg(long, value_name = "FILE")]
    pub register: Option<PathBuf>,
    /// The coverage of the file's one claim, whatever number of a member and name of a payer it has. FHIR and X12 need this or --register; a claim of the
    /// ledger's own JSON names its coverage itself.
    #[arg(long, value_name = "ID", value_parser = values::id::<CoverageId>)]
    pub coverage: Option<CoverageId>,
    /// The provider's secret for ids; without it, `billing-MSP.secret` in the network's directory, MSP being the provider's, made where there is none; one that is named has to be there. Keep it: with another one, the
    /// same file is other claims.
    #[arg(long, value_name = "FILE")]
    pub secret: Option<PathBuf>,
}

/// X12 answers to an X12 file.
#[derive(Debug, Args)]
pub struct AnswersArgs {
    /// Write to this new file what the X12 file's form is worth: for each interchange a 999, or a TA1 where its envelope is wrong. A run that breaks off writes
    /// neither this file nor the next; the same command then does.
    #[arg(long, value_name = "FILE")]
    pub acknowledge: Option<PathBuf>,
    /// Write to this new file which claims of the X12 file came, and why the others did not: a 277CA.
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    pub acknowledge_claims: Option<PathBuf>,
    /// The number of the first 999, never used before between the two; the others and then the 277CAs have the next. Without it, numbers that follow from the
    /// time; a file of several interchanges needs it.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=999_999_998))]
    pub control: Option<u32>,
}

/// `careledger claim acknowledgement`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger claim acknowledgement batch.837 --as HospitalMSP --with InsurerMSP --register register.json --x12 answer.277\n  careledger claim acknowledgement request.278 --as HospitalMSP --with InsurerMSP --register register.json --x12 answer.278"
)]
pub struct AcknowledgementArgs {
    /// The file as it was submitted.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Write it as X12 to this new file: a 277CA of claims, a 278 of requests; the submitted file is X12 then.
    #[arg(long, value_name = "FILE")]
    pub x12: Option<PathBuf>,
    /// The number of the first answer, never used before between the two. Without it, one that follows from the time; a file of several interchanges needs it.
    #[arg(long, value_name = "NUMBER", requires = "x12", value_parser = clap::value_parser!(u32).range(1..=999_999_999))]
    pub control: Option<u32>,
}

/// `careledger claim inform`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger claim inform 0011… --as HospitalMSP --with InsurerMSP --text answer.txt"
)]
pub struct InformArgs {
    /// The claim.
    #[command(flatten)]
    pub step: StepArgs,
    /// The answer: a file of up to 2,000 bytes of text, or `-` for the standard input.
    #[arg(long, value_name = "FILE")]
    pub text: PathBuf,
    /// A document of the ledger that shows it; may be repeated.
    #[arg(long, value_name = "ID", value_parser = values::id::<DocumentId>)]
    pub document: Vec<DocumentId>,
}

/// `careledger claim attach`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger claim attach 0011… note.pdf --as HospitalMSP --with InsurerMSP --title title.txt\nThe document itself stays where it is: its salted hash goes to the ledger, and FILE.attached keeps what proves that the two belong together."
)]
pub struct AttachArgs {
    /// The claim.
    #[command(flatten)]
    pub step: StepArgs,
    /// The document.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What it is: a file of up to 2,000 bytes of text, or `-` for the standard input.
    #[arg(long, value_name = "FILE")]
    pub title: PathBuf,
    /// The line that it is about; without it, the claim as a whole.
    #[arg(long, value_name = "N")]
    pub line: Option<u16>,
}

/// `careledger claim consent`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger claim consent consent.json --as HospitalMSP --with InsurerMSP\nwhere consent.json is {\"coverage\": \"00112233445566778899aabbccddeeff\", \"given\": true, \"period\": {\"from\": \"2026-01-01\", \"until\": \"2026-12-31\"}}:\nwith \"given\": false it is refused or taken back; \"document\" may name the signed form on the ledger. The newest word counts."
)]
pub struct ConsentArgs {
    /// What the patient said: a file of JSON, or `-` for the standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The provider whom the patient told, and the payer whom it is about.
    #[command(flatten)]
    pub between: BetweenArgs,
}

/// `careledger claim self-paid`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger claim self-paid paid.json --as HospitalMSP\nwhere paid.json is {\"coverage\": \"00112233445566778899aabbccddeeff\", \"services\": [[\"X-0042\", \"2026-11-20\"]], \"restricted\": true}: codes and days\nas they would be claimed; with \"restricted\": false the restriction is lifted. Refused is what a payer has already in a claim that stands: void that first (frequency 8)."
)]
pub struct SelfPaidArgs {
    /// What the patient paid: a file of JSON, or `-` for the standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// The provider, by MSP id.
    #[arg(long = "as", value_name = "MSP")]
    pub provider: String,
}
