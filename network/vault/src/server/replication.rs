//! `POST /v1/replication`: a custodian of the organisation asks how the copies elsewhere stand, and has the vault go on with them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use careledger_sdk::vault::{MAX_PROOFS, ReplicationRequest, SignedRequest};

use super::{Shared, is_fresh, now};

pub(super) async fn handle<C: Send + Sync + 'static>(
    State(shared): State<Arc<Shared<C>>>,
    Json(signed): Json<SignedRequest<ReplicationRequest>>,
) -> Response {
    let (service, at) = (&shared.service, now());
    let request = &signed.request;
    let fits = request.custodian == service.scope.custodian
        && request.channel == service.scope.channel
        && is_fresh(request.at, at);
    if !fits || service.members.custodian(&signed, at).is_err() {
        return StatusCode::FORBIDDEN.into_response();
    }
    let Some(replication) = &shared.replication else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if request.proofs.len() > MAX_PROOFS {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    for proven in &request.proofs {
        if let Err(error) = service.store.keep_proof(proven.document, &proven.proof).await {
            tracing::error!(document = %proven.document, %error, "a proof cannot be kept");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    }
    // What was proven just now waits for its next attempt, which may be far.
    if request.retry || !request.proofs.is_empty() {
        replication.retry();
    }
    if request.probe {
        replication.probe();
    }
    Json(replication.report()).into_response()
}
