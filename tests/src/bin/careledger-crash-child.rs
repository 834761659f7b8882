//! A network of three organisations with the key-value chaincode, to be killed: `careledger-crash-child DIR`. Says `ready`, and ends with its
//! standard input, so that it never outlives the test that started it.
#![forbid(unsafe_code)]

use std::io::{Read, Write};

use careledger_tests::{kv, members::Members};
use fabric_node::{Network, NetworkConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args_os().nth(1).ok_or("name the network's directory")?;
    let config = NetworkConfig::test_network()
        .with_free_ports()
        .with_dir(dir)
        .with_chaincode(kv::CHAINCODE, kv::in_process());
    let network = Network::start(config).await?;
    Members::connect(network.summary()).await.deploy_kv().await;
    writeln!(std::io::stdout(), "ready")?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    network.stop().await;
    Ok(())
}
