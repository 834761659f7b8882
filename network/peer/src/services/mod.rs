//! The peer's gRPC services, but the gateway's ([`crate::gateway`]).

mod deliver;
mod endorser;
mod filtered;
mod health;

pub use deliver::DeliverService;
pub use endorser::EndorserService;
pub use health::health_server;
