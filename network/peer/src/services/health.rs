//! `grpc.health.v1.Health`: a peer that answers is healthy.

use tonic_health::pb::health_server::{Health, HealthServer};

/// The health service, which says `SERVING` for the server as a whole, as Fabric's nodes do.
pub fn health_server() -> HealthServer<impl Health> {
    tonic_health::server::health_reporter().1
}
