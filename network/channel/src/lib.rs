//! Channel configuration: who takes part, under which rules, and how the rules change.
//!
//! ```text
//! ChannelSpec ──genesis_block──▶ block 0 ──Bundle::from_block──▶ Bundle: MSPs, policies, orderer, ACLs, capabilities
//! ConfigEdit ──sign_update──▶ signed update ──Bundle::propose_update──▶ ConfigEnvelope ──apply_update──▶ next Bundle
//! ```
//!
//! Follows Hyperledger Fabric's `common/channelconfig`, `common/configtx`, `common/capabilities` and
//! `internal/configtxgen/encoder`. Differences: only application channels (no system channel, no consortiums), membership rules
//! since 1.4.3, SHA-256 only.
#![forbid(unsafe_code)]

pub mod acl;
pub mod block;
mod bundle;
mod capabilities;
mod duration;
mod edit;
mod error;
mod genesis;
mod keys;
mod orderer;
mod policies;
mod reader;
mod spec;
mod successor;
#[cfg(test)]
mod tests;
mod update;
mod values;

pub use bundle::{ApplicationOrg, Bundle, check_channel_id};
pub use capabilities::Capabilities;
pub use edit::ConfigEdit;
pub use error::ChannelError;
pub use genesis::{anchor_peers, genesis_block};
pub use orderer::{OrdererConfig, OrdererOrg};
pub use spec::{BatchSizeSpec, CapabilitySpec, ChannelSpec, ConsenterSpec, OrdererSpec, OrgSpec};
pub use update::{compute_update, sign_update};
