//! A Fabric ordering node for one machine: it puts messages into signed, durable blocks.
//!
//! ```text
//! Broadcast ─▶ filters ─▶ queue ─▶ cutter ─▶ writer ─▶ block store (synced) ─▶ Deliver
//!              size, expiry,       │  one thread per channel  │
//!              writers' policy     └── CONFIG_UPDATE ▶ CONFIG ┘ swaps the channel's rules
//! ```
//!
//! - [`Orderer`] holds the channels; [`Orderer::service`] is `AtomicBroadcast`, [`Orderer::participation`] the REST API
//!   that `osnadmin` uses.
//! - [`Rejection`] carries Fabric's status and words for a message that is not taken.
//! - [`Cutting`] tells when a block that is not full is cut.
//!
//! There is no consensus: the channel names this node as the one Raft consenter, and past one machine the orderers are
//! Fabric's own. Behaviour follows `orderer/common` of Hyperledger Fabric 3.1.
#![forbid(unsafe_code)]

mod chain;
mod config;
mod cutter;
mod envelope;
mod error;
mod filters;
mod maintenance;
mod orderer;
mod participation;
mod rejection;
mod service;
mod update;
mod writer;

pub use config::{Cutting, OrdererConfig};
pub use error::OrdererError;
pub use orderer::{ChannelInfo, Orderer};
pub use rejection::Rejection;
pub use service::BroadcastService;

#[cfg(test)]
mod tests;
