//! The interface of `careledger claim …`.

use std::path::PathBuf;

use careledger_api::adjudication::EditCode;
use careledger_api::ids::{ClaimId, CoverageId, DocumentId, RemittanceId};
use clap::{Args, Subcommand, ValueEnum};

use super::fraud::FraudReportArgs;
use crate::values;

/// `careledger claim …`.
#[derive(Debug, Subcommand)]
pub enum ClaimCommand {
    /// Publish a version of a plan and load its rules. As the role `payer`.
    Plan(PlanArgs),
    /// Cover a member. As the role `payer`.
    Enrol(EnrolArgs),
    /// Submit the claims of a file: FHIR R4, X12 837P or JSON. The same file again changes nothing. As the role `provider-billing`.
    Submit(SubmitArgs),
    /// Decide a submitted claim by its member's plan. As the role `payer`.
    Adjudicate(StepArgs),
    /// Propose to set rules aside that a claim ran into, or confirm what somebody else proposed. As the role `payer`.
    Rule(RuleArgs),
    /// Show a claim: where it stands, and its lines.
    Show(StepArgs),
    /// Say line by line what was paid, what the member owes and why not more.
    Explain(ExplainArgs),
    /// Appeal an adjudication. As the role `provider-billing`.
    Appeal(AppealArgs),
    /// Decide an appeal; nobody decides who decided about the claim before. As the role `payer`; at the last level as the regulator's `legal`.
    Decide(DecideArgs),
    /// Put decided claims on a remittance, or show one. As the role `payer`; a provider shows them, too.
    Remit(RemitArgs),
    /// Record the payment of a claim. As the role `payer`.
    Pay(PayArgs),
    /// Confirm that the money of a claim came. As the role `provider-billing`.
    Confirm(StepArgs),
    /// Take a remittance or payment of a claim back, with what the claim used up. As the role `payer`.
    Reverse(ReverseArgs),
    /// Play a month of claims with planted frauds and say which of them are found, and what is taken for one.
    FraudReport(FraudReportArgs),
}

/// Who settles with whom.
#[derive(Debug, Args)]
pub struct BetweenArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// Whose act it is: the payer or the provider, by MSP id.
    #[arg(long = "as", value_name = "MSP")]
    pub own: String,
    /// The other side, by MSP id.
    #[arg(long = "with", value_name = "MSP")]
    pub other: String,
    /// Who acts there, where it is not the one person called `payer` or `provider-billing`.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
}

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
    after_help = "Example:\n  careledger claim plan plan.json --as InsurerMSP\nwhere plan.json is {\"id\": \"00112233445566778899aabbccddeeff\", \"version\": 1, \"currency\": \"USD\", \"deductible\": 2000, \"copay\": 1000,\n\"coinsurance\": 1000, \"out_of_pocket_maximum\": 200000, \"timely_filing_days\": 90, \"prices\": {\"X-0042\": {\"amount\": 15000, \"max_units\": 1}}}:\namounts in minor units, coinsurance in basis points. docs/claims.md has every rule."
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

/// `careledger claim submit`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  careledger claim submit claim.json --as HospitalMSP --with InsurerMSP --coverage 00112233445566778899aabbccddeeff\n  careledger claim submit batch.837 --as HospitalMSP --with InsurerMSP --register register.json\nThe register says what the file's numbers stand for: {\"members\": {\"MI|W000123\": \"00112233445566778899aabbccddeeff\"}, …}; docs/claims.md has all of it."
)]
pub struct SubmitArgs {
    /// FHIR R4 (a Claim or a Bundle), X12 837P, or a claim of the ledger's own JSON.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The provider submits to the payer.
    #[command(flatten)]
    pub between: BetweenArgs,
    /// What the numbers in the file stand for: a file of JSON.
    #[arg(long, value_name = "FILE")]
    pub register: Option<PathBuf>,
    /// The coverage of the file's one claim, whatever number of a member and name of a payer it has.
    #[arg(long, value_name = "ID", value_parser = values::id::<CoverageId>, required_unless_present = "register")]
    pub coverage: Option<CoverageId>,
    /// The provider's secret for ids; without it, `billing-MSP.secret` in the network's directory, MSP being the provider's, made where there is none. Keep it: with another one, the
    /// same file is other claims.
    #[arg(long, value_name = "FILE")]
    pub secret: Option<PathBuf>,
    /// Read the file and say what would be submitted, and submit nothing.
    #[arg(long)]
    pub check: bool,
}

/// One claim between two.
#[derive(Debug, Args)]
pub struct StepArgs {
    /// The claim.
    #[arg(value_name = "CLAIM", value_parser = values::id::<ClaimId>)]
    pub claim: ClaimId,
    /// Who settles with whom.
    #[command(flatten)]
    pub between: BetweenArgs,
}

/// `careledger claim rule`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("act").required(true).multiple(true),
    after_help = "Examples:\n  careledger claim rule 0011… --as InsurerMSP --with HospitalMSP --set-aside 1:TIMELY_FILING --reason 'the flood of May'\n  careledger claim rule 0011… --as InsurerMSP --with HospitalMSP --confirm      by another person than the one who proposed"
)]
pub struct RuleArgs {
    /// The claim.
    #[command(flatten)]
    pub step: StepArgs,
    /// A line and the rule that is set aside on it; several with commas.
    #[arg(long, value_name = "LINE:RULE", value_delimiter = ',', value_parser = line_and_rule, group = "act", requires = "reason")]
    pub set_aside: Vec<(u16, EditCode)>,
    /// A line and the rule that denies it; several with commas.
    #[arg(long, value_name = "LINE:RULE", value_delimiter = ',', value_parser = line_and_rule, requires = "reason", group = "act")]
    pub uphold: Vec<(u16, EditCode)>,
    /// Why: up to 2,000 bytes, for payer and provider.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Confirm what is proposed.
    #[arg(long, group = "act", conflicts_with_all = ["set_aside", "uphold", "reason"])]
    pub confirm: bool,
}

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

/// `careledger claim appeal`.
#[derive(Debug, Args)]
pub struct AppealArgs {
    /// The claim.
    #[command(flatten)]
    pub step: StepArgs,
    /// What is wrong with the adjudication: a file of up to 2,000 bytes of text, or `-` for the standard input.
    #[arg(long, value_name = "FILE")]
    pub text: PathBuf,
    /// A document of the ledger that shows it; may be repeated.
    #[arg(long, value_name = "ID", value_parser = values::id::<DocumentId>)]
    pub document: Vec<DocumentId>,
}

/// `careledger claim decide`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("act").required(true))]
pub struct DecideArgs {
    /// The claim.
    #[command(flatten)]
    pub step: StepArgs,
    /// What was decided stands.
    #[arg(long, group = "act")]
    pub uphold: bool,
    /// The provider is right: these rules are set aside, each by its line.
    #[arg(long, value_name = "LINE:RULE", value_delimiter = ',', value_parser = line_and_rule, group = "act")]
    pub overturn: Vec<(u16, EditCode)>,
    /// The provider is right in part: these rules are set aside, each by its line.
    #[arg(long, value_name = "LINE:RULE", value_delimiter = ',', value_parser = line_and_rule, group = "act")]
    pub divide: Vec<(u16, EditCode)>,
    /// Why: up to 2,000 bytes, for payer and provider.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// At the last level, which is not the payer's: the regulator whose lawyer decides, by MSP id.
    #[arg(long, value_name = "MSP")]
    pub by: Option<String>,
}

/// `careledger claim reverse`.
#[derive(Debug, Args)]
pub struct ReverseArgs {
    /// The claim.
    #[command(flatten)]
    pub step: StepArgs,
    /// Why: up to 2,000 bytes, for payer and provider.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// `careledger claim remit`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true),
    after_help = "Example:\n  careledger claim remit 0011… --as InsurerMSP --with HospitalMSP --x12 advice.835 --parties parties.json\nwhere parties.json is {\"sender\": [\"ZZ\", \"INSURER\"], \"receiver\": [\"ZZ\", \"HOSPITAL\"], \"control\": 1, \"production\": false, \"trace\": \"12345\",\n\"payer\": {\"name\": \"…\", \"tax_number\": \"123456789\", \"telephone\": \"…\", \"address\": {\"street\": \"…\", \"city\": \"…\", \"state\": \"MA\", \"postcode\": \"…\"}},\n\"payee\": {\"name\": \"…\", \"npi\": \"1234567893\"}}: control is a number never used before between the two."
)]
pub struct RemitArgs {
    /// The claims, 1 to 50.
    #[arg(value_name = "CLAIM", value_parser = values::id::<ClaimId>, group = "what")]
    pub claims: Vec<ClaimId>,
    /// Who settles with whom.
    #[command(flatten)]
    pub between: BetweenArgs,
    /// Show this remittance instead.
    #[arg(long, value_name = "ID", value_parser = values::id::<RemittanceId>, group = "what")]
    pub show: Option<RemittanceId>,
    /// Write it as X12 835 to this new file.
    #[arg(long, value_name = "FILE", requires = "parties")]
    pub x12: Option<PathBuf>,
    /// Who pays whom and by which numbers: a file of JSON.
    #[arg(long, value_name = "FILE", requires = "x12")]
    pub parties: Option<PathBuf>,
}

/// `careledger claim pay`.
#[derive(Debug, Args)]
pub struct PayArgs {
    /// The claim.
    #[command(flatten)]
    pub step: StepArgs,
    /// The bank's reference: 1 to 64 printable ASCII characters.
    #[arg(long, value_name = "TEXT")]
    pub reference: String,
}

fn line_and_rule(text: &str) -> Result<(u16, EditCode), String> {
    let wrong = || {
        let rules: Vec<&str> = EditCode::ALL
            .iter()
            .filter(|rule| rule.may_be_set_aside())
            .map(|rule| rule.as_str())
            .collect();
        format!(
            "{text:?} is no line and rule; write them as in 1:TIMELY_FILING, the rule one of {}",
            rules.join(", ")
        )
    };
    let (line, rule) = text.split_once(':').ok_or_else(wrong)?;
    let line = line.parse().map_err(|_| wrong())?;
    let rule = rule.to_ascii_uppercase();
    let rule = EditCode::ALL.iter().find(|known| known.as_str() == rule);
    Ok((line, *rule.ok_or_else(wrong)?))
}
