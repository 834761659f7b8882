//! `careledger claim …`: from a billing system's file to the money, with the reason for every cent that is not paid.

mod acknowledging;
mod advice;
mod answering;
pub mod args;
mod authorising;
mod billing;
pub mod comparing;
mod day;
mod deciding;
mod eligible;
pub mod fraud;
mod given;
mod listing;
mod members;
pub mod mine;
mod money;
mod outdated;
mod parties;
pub mod period;
mod reaching;
mod reading;
mod recovering;
mod replying;
mod reporting;
mod reversing;
mod reviewing;
mod screening;
mod settling;
mod showing;
mod submission;
mod working;
mod x12;
mod x12_answers;

use self::args::ClaimCommand;
use crate::Result;
use crate::output::Output;

/// Runs one claim command.
pub async fn run(command: &ClaimCommand, output: &Output) -> Result<()> {
    match command {
        ClaimCommand::Plan(args) => members::plan(args, output).await,
        ClaimCommand::Enrol(args) => members::enrol(args, output).await,
        ClaimCommand::Amend(args) => members::amend(args, output).await,
        ClaimCommand::End(args) => members::end(args, output).await,
        ClaimCommand::Eligible(args) => eligible::eligible(args, output).await,
        ClaimCommand::Reply(args) => replying::reply(args, output).await,
        ClaimCommand::Fold(args) => members::fold(args, output).await,
        ClaimCommand::Standing(args) => members::standing(args, output).await,
        ClaimCommand::Authorise(command) => authorising::run(command, output).await,
        ClaimCommand::Consent(args) => answering::consent(args, output).await,
        ClaimCommand::SelfPaid(args) => answering::self_paid(args, output).await,
        ClaimCommand::Attach(args) => answering::attach(args, output).await,
        ClaimCommand::Inform(args) => answering::inform(args, output).await,
        ClaimCommand::Waiting(args) => listing::waiting(args, output).await,
        ClaimCommand::List(args) => listing::list(args, output).await,
        ClaimCommand::Work(args) => working::work(args, output).await,
        ClaimCommand::Report(args) => reporting::report(args, output).await,
        ClaimCommand::Flag(args) => screening::flag(args, output).await,
        ClaimCommand::Flags(args) => screening::flags(args, output).await,
        ClaimCommand::Clear(args) => screening::clear(args, output).await,
        ClaimCommand::Feedback(args) => screening::feedback(args, output).await,
        ClaimCommand::Withdraw(args) => answering::withdraw(args, output).await,
        ClaimCommand::Submit(args) => submission::submit(args, output).await,
        ClaimCommand::Acknowledgement(args) => acknowledging::acknowledgement(args, output).await,
        ClaimCommand::X12(command) => x12::run(command, output).await,
        ClaimCommand::Adjudicate(args) => deciding::adjudicate(args, output).await,
        ClaimCommand::Rule(args) => deciding::rule(args, output).await,
        ClaimCommand::Appeal(args) => deciding::appeal(args, output).await,
        ClaimCommand::Decide(args) => deciding::decide(args, output).await,
        ClaimCommand::Show(args) => showing::show(args, output).await,
        ClaimCommand::Explain(args) => showing::explain(args, output).await,
        ClaimCommand::Remit(args) => money::remit(args, output).await,
        ClaimCommand::Pay(args) => money::pay(args, output).await,
        ClaimCommand::Confirm(args) => money::confirm(args, output).await,
        ClaimCommand::Period(command) => period::run(command, output).await,
        ClaimCommand::Mine(args) => mine::mine(args, output).await,
        ClaimCommand::MemberKey(args) => mine::member_key(args, output).await,
        ClaimCommand::FraudReport(args) => fraud::run(args, output).await,
        ClaimCommand::Reverse(args) => money::reverse(args, output).await,
        ClaimCommand::Reversal(command) => reversing::run(command, output).await,
        ClaimCommand::Recover(args) => recovering::recover(args, output).await,
    }
}
