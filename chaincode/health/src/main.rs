//! The health chaincode as a program: a service that peers connect to (CHAINCODE_SERVER_ADDRESS, CHAINCODE_ID) or a client of one peer, as
//! the environment that Fabric sets says.
#![forbid(unsafe_code)]

use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match fabric_contract_api::run(careledger_chaincode::chaincode()).await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the chaincode stopped");
            std::process::ExitCode::FAILURE
        }
    }
}
