//! The server side of Fabric's Deliver protocol, shared by orderer and peers.
//!
//! ```text
//! signed Envelope ─▶ request (header, clock, binding) ─▶ session (Readers policy, expiry) ─▶ seek (range)
//!                                                                                               │
//!     Response ◀─ Responder (block, filtered block, block with private data) ◀─ Chain (blocks, height)
//! ```
//!
//! A client sends envelopes that hold a `SeekInfo`; each is answered with blocks and then a status, and
//! the stream ends after the first status that is not `SUCCESS`. What a block looks like on the wire is
//! the [`Responder`]'s business, where blocks come from is the [`Chain`]'s; everything between is here
//! and follows `common/deliver` of Fabric.
#![forbid(unsafe_code)]

mod chain;
mod handler;
mod request;
mod responder;
mod seek;
mod session;

pub use chain::{Chain, ChainError, Chains};
pub use handler::{Deliver, DeliverOptions, ResponseStream};
pub use responder::{Delivery, Responder};

#[cfg(test)]
mod tests;
