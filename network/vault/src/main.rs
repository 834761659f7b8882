//! The vault as a program: `careledger-vault` serves as its environment says, `careledger-vault health` asks a running one whether it answers and
//! exits 0 or 1, for containers without a shell. What it logs names no person: ids, addresses and reasons.
#![forbid(unsafe_code)]

use std::io::IsTerminal;
use std::process::ExitCode;

use careledger_vault::program::{Error, Settings};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    match act().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the vault failed");
            ExitCode::FAILURE
        }
    }
}

async fn act() -> Result<(), Error> {
    let settings = Settings::from_environment()?;
    match std::env::args().nth(1).as_deref() {
        None => settings.run().await,
        Some("health") => settings.check_health().await,
        Some(other) => Err(format!("{other:?} is no action; start it without one, or with health").into()),
    }
}
