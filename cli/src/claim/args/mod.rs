//! The interface of `careledger claim …`, by area.

mod authorisation;
mod day;
mod deciding;
mod eligible;
mod members;
mod money;
mod reversal;
mod screening;
mod showing;
mod submission;
mod x12;

pub use authorisation::{AnswerArgs, AuthorisationArgs, AuthoriseCommand, GrantArgs, RequestArgs};
pub use day::{DeskArgs, ListArgs, ReportArgs, SidesArgs, Step, WaitingArgs, WorkArgs};
pub use deciding::{AppealArgs, DecideArgs, RuleArgs};
pub use eligible::{EligibleArgs, ReplyArgs};
pub use members::{
    AmendArgs, EndArgs, EnrolArgs, FoldArgs, MemberArgs, PayersFileArgs, PlanArgs, StandingArgs,
};
pub use money::{ConfirmArgs, PaidArgs, PayArgs, RecoverArgs, RemitArgs, ReverseArgs};
pub use reversal::{DeclineReversalArgs, RequestReversalArgs, ReversalCommand};
pub use screening::{ClearArgs, FeedbackArgs, FlagArgs};
pub use showing::{ExplainArgs, FhirAnswer};
pub use submission::{
    AcknowledgementArgs, AnswersArgs, AttachArgs, ConsentArgs, InformArgs, ReadingArgs, SelfPaidArgs,
    SubmitArgs,
};
pub use x12::{X12BillArgs, X12Command, X12ReadArgs};

use std::path::PathBuf;

use careledger_api::ids::ClaimId;
use clap::{Args, Subcommand};

use super::comparing::AdjudicateArgs;
use super::fraud::FraudReportArgs;
use super::mine::{MemberKeyArgs, MineArgs};
use super::period::PeriodCommand;
use crate::values;

/// `careledger claim …`.
#[derive(Debug, Subcommand)]
pub enum ClaimCommand {
    /// Publish a version of a plan and load its rules. As the role `payer`.
    Plan(PlanArgs),
    /// Cover a member. As the role `payer`.
    Enrol(EnrolArgs),
    /// Say how a coverage is from a day on: birth, sex, who pays first, version of the plan, period. As the role `payer`.
    Amend(AmendArgs),
    /// End a coverage before its period does. As the role `payer`.
    End(EndArgs),
    /// Say whether a coverage holds on a day, and what is left of it: as the role `payer`; or ask the payer, also what a service would come to, as the role `provider-billing`.
    Eligible(EligibleArgs),
    /// Answer what providers' front desks ask about coverages. As the role `payer`.
    Reply(ReplyArgs),
    /// Add what claims added beside to the sum of what a member has paid in a year. As the role `payer`.
    Fold(FoldArgs),
    /// Say how a provider stands: credential, network, exclusion. As the role `payer`.
    Standing(StandingArgs),
    /// Authorisations before a service: request, decide, answer, cancel, show.
    #[command(subcommand)]
    Authorise(AuthoriseCommand),
    /// Take down whether a patient lets the payer be told of services. As the role `provider-billing`.
    Consent(ConsentArgs),
    /// Keep services that a patient paid in full from the payer, or lift that. As the role `provider-billing`.
    SelfPaid(SelfPaidArgs),
    /// Submit the claims of a file: FHIR R4, X12 837 or JSON. The same file again changes nothing. As the role `provider-billing`.
    Submit(SubmitArgs),
    /// Say of each claim of a submitted file whether the payer has received, accepted or rejected it, and of each request what was decided. As the role
    /// `provider-billing`.
    Acknowledgement(AcknowledgementArgs),
    /// X12 beside the ledger: what a receiver said of a file, and copies of claims for other payers.
    #[command(subcommand)]
    X12(X12Command),
    /// Attach a document to a claim by its hash. As the role `provider-billing`.
    Attach(AttachArgs),
    /// Answer what a pended claim asks. As the role `provider-billing`.
    Inform(InformArgs),
    /// List what waits for the payer, or for the provider: claims by the step that they wait for, and requests for authorisations. As the role `payer` or
    /// `provider-billing`; as a regulator's `legal` the appeals that wait outside of the payers.
    Waiting(WaitingArgs),
    /// List claims by status, day and coverage. As the role `payer` or `provider-billing`.
    List(ListArgs),
    /// Decide everything that waits, many claims at once, those of a member one after the other. As the role `payer`.
    Work(WorkArgs),
    /// Say how the payer keeps its times: 72 hours for what is urgent, 30 days for each level of an appeal, 7 days for all else. As the role `payer`.
    Report(ReportArgs),
    /// Flag undecided claims for a person's look. As the role `payer`.
    Flag(FlagArgs),
    /// Show a claim's flags, what its member said, and other claims on which its services are doubted: `claim flags CLAIM --as InsurerMSP --with HospitalMSP`. As
    /// the role `payer`.
    Flags(StepArgs),
    /// Take a flag away, as a person who has looked. As the role `payer`.
    Clear(ClearArgs),
    /// Take down a member's word on whether a service was rendered. As the role `payer`.
    Feedback(FeedbackArgs),
    /// Decide a submitted claim by its member's plan. As the role `payer`.
    Adjudicate(AdjudicateArgs),
    /// Propose to set rules aside that a claim ran into, or confirm what somebody else proposed. As the role `payer`.
    Rule(RuleArgs),
    /// Show a claim: where it stands, its lines, what was said. As either side; as a regulator's `legal` one whose appeal waits outside of the payer, which both
    /// sides see.
    #[command(
        after_help = "Examples:\n  careledger claim show 0011… --as HospitalMSP --with InsurerMSP\n  careledger claim show 0011… --as RegulatorMSP --with HospitalMSP    an appeal at the last level"
    )]
    Show(StepArgs),
    /// Say line by line what was paid, what the member owes and why not more. As for `show`.
    Explain(ExplainArgs),
    /// Appeal an adjudication, or take an appeal to the next level. As the role `provider-billing`.
    Appeal(AppealArgs),
    /// Take an open appeal back; there is no other one of the claim afterwards. As the role `provider-billing`.
    Withdraw(StepArgs),
    /// Decide an appeal; nobody decides who decided about the claim before. As the role `payer`; at the last level as the regulator's `legal`.
    Decide(DecideArgs),
    /// Put decided claims, denied ones too, on a remittance, show one, or list them. As the role `payer`; a provider shows and lists them, too.
    Remit(RemitArgs),
    /// Record the payment of a claim, or of each claim of a remittance. As the role `payer`.
    Pay(PayArgs),
    /// Confirm that the money of a claim came, or of each claim of a remittance. As the role `provider-billing`.
    Confirm(ConfirmArgs),
    /// Take a remittance or payment of a claim back, with what the claim used up. As the role `payer`.
    Reverse(ReverseArgs),
    /// Ask the payer for such a reversal as the provider, or decline that as the payer.
    #[command(subcommand)]
    Reversal(ReversalCommand),
    /// Say that what was paid of a reversed claim came back. As the role `payer`.
    Recover(RecoverArgs),
    /// Quarters whose services payers compare with each other: open, close. As the regulator.
    #[command(subcommand)]
    Period(PeriodCommand),
    /// List the claims of one's own coverage, or explain one, as the member who holds the wallet. Carried by the payer's role `portal`.
    Mine(MineArgs),
    /// Take down the key with which a member asks about their coverage, or take it away. As the role `payer`.
    MemberKey(MemberKeyArgs),
    /// Play a month of claims with planted frauds and say which of them are found, and what is taken for one.
    FraudReport(FraudReportArgs),
}

/// Who settles with whom.
#[derive(Debug, Args)]
pub struct BetweenArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = "careledger-network")]
    pub dir: PathBuf,
    /// Whose act it is: the payer or the provider, by MSP id; to show, explain or decide a claim whose appeal waits outside of the payer, the regulator.
    #[arg(long = "as", value_name = "MSP")]
    pub own: String,
    /// The other side, by MSP id; for a regulator either side.
    #[arg(long = "with", value_name = "MSP")]
    pub other: String,
    /// Who acts there, where it is not the one person called `payer`, `provider-billing` or, at a regulator, `legal`.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
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
