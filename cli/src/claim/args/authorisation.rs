//! Authorisations before a service.

use std::path::PathBuf;

use careledger_api::date::Date;
use careledger_api::ids::{AuthorisationId, DocumentId};
use clap::{Args, Subcommand};

use super::BetweenArgs;
use crate::values;

/// `careledger claim authorise …`.
#[derive(Debug, Subcommand)]
pub enum AuthoriseCommand {
    /// Ask for one. As the role `provider-billing`.
    Request(RequestArgs),
    /// Decide a request, or ask for more. As the role `payer`.
    Decide(GrantArgs),
    /// Answer what the payer asked. As the role `provider-billing`.
    Answer(AnswerArgs),
    /// Take a request back. As the role `provider-billing`.
    Cancel(AnswerArgs),
    /// Show a request and what became of it.
    Show(AuthorisationArgs),
}

/// One request between two.
#[derive(Debug, Args)]
pub struct AuthorisationArgs {
    /// The request.
    #[arg(value_name = "AUTHORISATION", value_parser = values::id::<AuthorisationId>)]
    pub id: AuthorisationId,
    /// Who settles with whom.
    #[command(flatten)]
    pub between: BetweenArgs,
}

/// `careledger claim authorise request`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  careledger claim authorise request request.json --as HospitalMSP --with InsurerMSP\nwhere request.json is {\"coverage\": \"00112233445566778899aabbccddeeff\", \"procedure\": \"X-0042\", \"units\": 6, \"period\": {\"from\": \"2026-12-01\",\n\"until\": \"2027-02-28\"}, \"provider_npi\": \"1234567893\", \"urgent\": false}. Its id is drawn, and kept in FILE.requested: the same file again changes nothing."
)]
pub struct RequestArgs {
    /// What is asked for.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The provider asks the payer.
    #[command(flatten)]
    pub between: BetweenArgs,
}

/// `careledger claim authorise decide`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("act").required(true),
    after_help = "Examples:\n  careledger claim authorise decide 0011… --as InsurerMSP --with HospitalMSP --approve\n  careledger claim authorise decide 0011… --as InsurerMSP --with HospitalMSP --units 3 --from 2026-12-01 --until 2027-01-31 --reason reason.txt\n  careledger claim authorise decide 0011… --as InsurerMSP --with HospitalMSP --deny --reason reason.txt"
)]
pub struct GrantArgs {
    /// The request.
    #[command(flatten)]
    pub of: AuthorisationArgs,
    /// Give what was asked for.
    #[arg(long, group = "act")]
    pub approve: bool,
    /// Give so many units instead.
    #[arg(long, value_name = "N", group = "act", requires_all = ["from", "until", "reason"])]
    pub units: Option<u32>,
    /// Their first day.
    #[arg(long, value_name = "DATE", value_parser = values::date, requires = "units")]
    pub from: Option<Date>,
    /// Their last day.
    #[arg(long, value_name = "DATE", value_parser = values::date, requires = "units")]
    pub until: Option<Date>,
    /// Give nothing; that is never changed.
    #[arg(long, group = "act", requires = "reason")]
    pub deny: bool,
    /// Ask the provider for more.
    #[arg(long, group = "act", requires = "reason")]
    pub ask: bool,
    /// Why, or what is asked, in words that the provider can act on: a file of up to 2,000 bytes of text, or `-` for the standard input.
    #[arg(long, value_name = "FILE")]
    pub reason: Option<PathBuf>,
}

/// `careledger claim authorise answer` and `cancel`.
#[derive(Debug, Args)]
pub struct AnswerArgs {
    /// The request.
    #[command(flatten)]
    pub of: AuthorisationArgs,
    /// The answer, or why it is taken back: a file of up to 2,000 bytes of text, or `-` for the standard input.
    #[arg(long, value_name = "FILE")]
    pub text: PathBuf,
    /// A document of the ledger that shows it; may be repeated.
    #[arg(long, value_name = "ID", value_parser = values::id::<DocumentId>)]
    pub document: Vec<DocumentId>,
}
