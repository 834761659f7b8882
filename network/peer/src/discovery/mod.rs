//! Service discovery: who is on a channel, how it is configured, and who can endorse a call together.
//!
//! ```text
//! ChaincodeInterest ─policies─▶ principal sets (principals) ─peers─▶ groups and layouts (layouts)
//!                                                                         ├─▶ the gateway's plans
//! SignedRequest ─▶ DiscoveryService ─ checks the signer ─────────────────▶└─▶ EndorsementDescriptor, with
//!                                                                             gossip messages (gossip)
//! ```
//!
//! Follows `discovery` and `common/policies/inquire` of Fabric. It differs in this:
//! - What a collection's own policy demands is never left out of a layout when a call disregards the chaincode's policy.
//! - Of several collections, of keys with the same policy, and of a policy with very many ways to satisfy it, no more is
//!   looked at than a peer can bear.

mod facts;
mod gossip;
mod layouts;
mod principals;
mod service;
#[cfg(test)]
mod tests;

pub use layouts::{ChaincodePolicies, CollectionPolicies, Facts};
pub use service::DiscoveryService;

pub(crate) use facts::{ChannelFacts, satisfies};
pub(crate) use layouts::{Endorsers, endorsers};
