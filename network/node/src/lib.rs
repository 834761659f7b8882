//! The embedded engine: a whole Fabric network in one process.
//!
//! ```text
//! NetworkConfig ─▶ Network::start ─▶ ports ─▶ DIR (lock, format) ─▶ keys, genesis block
//!                                                                        │
//!              ┌─────────────────────────────────────────────────────────┤
//!              ▼                                                         ▼  for each peer of each member
//!   Orderer: AtomicBroadcast (TLS), participation (mutual TLS)   Peer: Gateway, Endorser, Deliver (TLS),
//!            operations (loopback)                                chaincode (TLS), operations (loopback)
//! ```
//!
//! Every member has its own directory, keys, ledger and listeners; members and orderer talk Fabric's protocol over
//! sockets even here. Only private data goes from peer to peer by hand, and only by a collection's membership.
//!
//! ```no_run
//! # async fn example() -> Result<(), fabric_node::NetworkError> {
//! use fabric_node::{Network, NetworkConfig};
//!
//! let network = Network::start(NetworkConfig::health().with_free_ports()).await?;
//! let clerk = network.user("HospitalMSP", "User1")?;
//! let endpoint = network.summary().organisation("HospitalMSP").map(|member| member.endpoint);
//! # let _ = (clerk, endpoint);
//! network.stop().await;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod config;
mod consortium;
mod directory;
mod error;
mod genesis;
mod listeners;
mod material;
mod network;
mod operations;
mod orderer_node;
mod peer_node;
mod server;
mod slot;
mod summary;

pub use config::{BatchConfig, NetworkConfig, OrdererNodeConfig, OrganisationConfig, PeerNodeConfig};
pub use directory::{StoppedNetwork, hold_stopped};
pub use error::NetworkError;
pub use material::copy_tree;
pub use network::Network;
pub use summary::{NetworkSummary, OrdererSummary, OrganisationSummary, PeerSummary, user_directories};

pub use fabric_chaincode_host::InProcess;
pub use fabric_ledger::StateDatabase;
pub use fabric_msp::cryptogen::UserSpec;
pub use fabric_msp::policy::Rule;
pub use fabric_orderer::Cutting;
