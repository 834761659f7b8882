//! The messages and services that Fabric nodes, clients and chaincode exchange.
//!
//! ```text
//! proto/**/*.proto ── build.rs (protox, prost, tonic) ──▶ one module for each protobuf package
//! ```
//!
//! Packages, messages, fields and numbers are those of Hyperledger Fabric's `fabric-protos`, because
//! they are its wire and JSON interface. Module names are package names; Fabric calls the package of
//! the peer `protos`, so it is also here as [`peer`].
//!
//! Maps are `BTreeMap`s: marshalling a message twice gives the same bytes, which endorsement needs.
#![forbid(unsafe_code)]

#[allow(
    missing_docs,
    clippy::doc_lazy_continuation,
    clippy::large_enum_variant,
    clippy::use_self
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/_includes.rs"));
}

pub use generated::{
    common, discovery, etcdraft, gateway, gossip, kvrwset, lifecycle, msp, orderer, protos, queryresult,
    rwset, transientstore,
};

pub use generated::protos as peer;

/// Largest gRPC message in either direction, in bytes (`peer.maxRecvMsgSize` of Fabric's `core.yaml`).
///
/// Every client and server of these services must be built with this as its decoding and encoding
/// limit: the default of 4 MiB is too small for chaincode packages and large blocks.
pub const MAX_MESSAGE_SIZE: usize = 100 * 1024 * 1024;

#[cfg(test)]
mod tests;
