//! The `careledger` command for admins, developers and auditors, as a library; `main.rs` only calls [`main`].
//!
//! ```text
//! args (clap) -> demo | network | audit | bench | wallet | consent | record | credential | claim | notify -> Output: text on a terminal, or one JSON document
//! ```
//!
//! Exit codes: 0 success, 1 a refused or failed action with its reason on stderr, 2 wrong usage, 130 and 143 stopped by SIGINT and SIGTERM.
#![forbid(unsafe_code)]

pub mod args;
mod asking;
pub mod audit;
pub mod backup;
pub mod bench;
pub mod claim;
pub mod consent;
pub mod credential;
pub mod credentials;
pub mod demo;
pub mod fabric;
mod files;
pub mod health;
pub mod moving;
pub mod network;
pub mod notify;
pub mod output;
pub mod record;
pub mod render;
pub mod site;
mod stopping;
pub mod values;
pub mod vault;
pub mod vaults;
pub mod wallet;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command, NetworkCommand};
use crate::output::Output;
use crate::stopping::Stopped;

/// What a command fails with: the reason, for a person.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// The outcome of an action.
pub type Result<T> = std::result::Result<T, Error>;

/// Reads the command line, runs it, and gives the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.log.as_deref());
    let output = Output::new(cli.json);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let result = runtime.block_on(run(&cli.command, &output));
    output.done();
    match (result, output.lost()) {
        (Err(error), _) => failed(&error),
        (Ok(()), Some(lost)) => failed(&format!("the results could not be written: {lost}").into()),
        (Ok(()), None) => ExitCode::SUCCESS,
    }
}

/// Runs one command.
pub async fn run(command: &Command, output: &Output) -> Result<()> {
    match command {
        Command::Demo(args) => demo::run(args, output).await,
        Command::Network(NetworkCommand::Up(args)) => network::up(args, output).await,
        Command::Network(NetworkCommand::Render(args)) => render::run(args, output),
        Command::Network(NetworkCommand::Upgrade(args)) => fabric::upgrade::run(args, output).await,
        Command::Network(NetworkCommand::Down(args)) => fabric::down(args, output).await,
        Command::Network(NetworkCommand::Logs(args)) => fabric::logs(args).await,
        Command::Network(NetworkCommand::Status(args)) => network::status(args, output).await,
        Command::Network(NetworkCommand::AddOrganisation(args)) => network::growth::run(args, output).await,
        Command::Network(NetworkCommand::Certificates(args)) => network::certificates::run(args, output),
        Command::Network(NetworkCommand::Renew(args)) => network::renewal::run(args, output).await,
        Command::Network(NetworkCommand::RotateCa(args)) => network::authority::run(args, output).await,
        Command::Network(NetworkCommand::Rebuild(args)) => network::rebuild(args, output).await,
        Command::Network(NetworkCommand::Export(args)) => moving::export(args, output).await,
        Command::Network(NetworkCommand::Backup(args)) => backup::backup(args, output).await,
        Command::Network(NetworkCommand::Restore(args)) => backup::restore(args, output).await,
        Command::Audit(command) => audit::run(command, output).await,
        Command::Consent(command) => consent::run(command, output).await,
        Command::Record(command) => record::run(command, output).await,
        Command::Wallet(command) => wallet::run(command, output).await,
        Command::Credential(command) => credential::run(command, output).await,
        Command::Claim(command) => claim::run(command, output).await,
        Command::Notify(args) => notify::run(args, output).await,
        Command::Bench(args) => bench::run(args, output).await,
    }
}

fn failed(error: &Error) -> ExitCode {
    eprintln!("careledger: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
    Stopped::exit_code(error)
}

fn log_to_stderr(filter: Option<&str>) {
    let filter = filter
        .map(str::to_owned)
        .or_else(|| std::env::var("CARELEDGER_LOG").ok());
    let filter = EnvFilter::new(filter.as_deref().unwrap_or("warn"));
    // Colours are for a terminal, and for who wants them there.
    let colours =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    // A second subscriber in one process (tests) is no reason to stop.
    let _already_set = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(std::io::stderr)
        .try_init();
}
