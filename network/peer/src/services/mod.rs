//! The peer's gRPC services, but the gateway's ([`crate::gateway`]).

mod deliver;
mod endorser;
mod filtered;

pub use deliver::DeliverService;
pub use endorser::EndorserService;
