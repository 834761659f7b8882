//! The health chaincode as a program: a service that peers connect to (CHAINCODE_SERVER_ADDRESS, CHAINCODE_ID) or a client of one peer, as
//! the environment that Fabric sets says. `careledger-chaincode health` asks a running service whether it answers and exits 0 or 1: for containers
//! without a shell.
#![forbid(unsafe_code)]

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let health = std::env::args()
        .nth(1)
        .is_some_and(|argument| argument == "health");
    let (ended, what) = if health {
        (
            fabric_contract_api::check_health().await,
            "the chaincode does not answer",
        )
    } else {
        let running = fabric_contract_api::run(careledger_chaincode::chaincode());
        (running.await, "the chaincode stopped")
    };
    match ended {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "{what}");
            std::process::ExitCode::FAILURE
        }
    }
}
