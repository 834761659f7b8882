//! The peer's gRPC services, but the gateway's ([`crate::gateway`]) and discovery ([`crate::discovery`]).

mod certificate;
mod deliver;
mod endorser;
mod filtered;
mod health;

pub use certificate::ClientCertificate;
pub use deliver::DeliverService;
pub use endorser::EndorserService;
pub use health::health_server;

pub(crate) use certificate::client_certificate_hash;
