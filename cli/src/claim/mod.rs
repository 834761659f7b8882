//! `careledger claim …`: from a billing system's file to the money, with the reason for every cent that is not paid.

pub mod args;
mod deciding;
pub mod fraud;
mod members;
mod money;
mod parties;
mod showing;
mod submission;

use self::args::ClaimCommand;
use crate::Result;
use crate::output::Output;

/// Runs one claim command.
pub async fn run(command: &ClaimCommand, output: &Output) -> Result<()> {
    match command {
        ClaimCommand::Plan(args) => members::plan(args, output).await,
        ClaimCommand::Enrol(args) => members::enrol(args, output).await,
        ClaimCommand::Submit(args) => submission::submit(args, output).await,
        ClaimCommand::Adjudicate(args) => deciding::adjudicate(args, output).await,
        ClaimCommand::Rule(args) => deciding::rule(args, output).await,
        ClaimCommand::Appeal(args) => deciding::appeal(args, output).await,
        ClaimCommand::Decide(args) => deciding::decide(args, output).await,
        ClaimCommand::Show(args) => showing::show(args, output).await,
        ClaimCommand::Explain(args) => showing::explain(args, output).await,
        ClaimCommand::Remit(args) => money::remit(args, output).await,
        ClaimCommand::Pay(args) => money::pay(args, output).await,
        ClaimCommand::Confirm(args) => money::confirm(args, output).await,
        ClaimCommand::FraudReport(args) => fraud::run(args, output).await,
        ClaimCommand::Reverse(args) => money::reverse(args, output).await,
    }
}
