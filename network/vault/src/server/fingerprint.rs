//! A vault that evaluates fingerprints and keeps no records.
//!
//! | route | who | what |
//! |---|---|---|
//! | `GET /healthz` | anybody | `ok` |
//! | `POST /v1/fingerprints` | a payer of the consortium, signed | blinded inputs, evaluated with the quarter's key, and a proof |
//! | `POST /v1/fingerprints/key` | the own organisation's role `vault`, signed | a quarter's public key, to open it on the ledger |

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use careledger_sdk::vault::{FingerprintRequest, PeriodKeyAnswer, PeriodKeyRequest, SignedRequest};

use super::{MAX_REQUEST, ServeError, Server, listen, now};
use crate::fingerprint::{Evaluator, FingerprintChain, FingerprintRefusal};

/// Longest handling of one request.
const HANDLING: Duration = Duration::from_secs(30);

impl Server {
    /// As [`start`](Self::start), for a vault that evaluates fingerprints and nothing else.
    pub async fn start_fingerprints<C: FingerprintChain + 'static>(
        address: SocketAddr,
        certificate_pem: &[u8],
        key_pem: &[u8],
        evaluator: Evaluator<C>,
    ) -> Result<Self, ServeError> {
        let router = Router::new()
            .route("/healthz", get(|| async { "ok" }))
            .route("/v1/fingerprints", post(evaluate::<C>))
            .route("/v1/fingerprints/key", post(key::<C>))
            .layer(DefaultBodyLimit::max(MAX_REQUEST))
            .with_state(Arc::new(evaluator));
        listen::listen(address, certificate_pem, key_pem, router).await
    }
}

/// Every refusal is the same 404 without a body, but for a payer beyond its limits: 429, and when to come again (RFC 9110). A failure of the vault itself is a 503.
async fn evaluate<C: FingerprintChain + 'static>(
    State(evaluator): State<Arc<Evaluator<C>>>,
    Json(signed): Json<SignedRequest<FingerprintRequest>>,
) -> Response {
    let period = signed.request.period;
    match tokio::time::timeout(HANDLING, evaluator.evaluate(&signed, now())).await {
        Ok(Ok(evaluation)) => {
            tracing::info!(%period, elements = evaluation.elements.len(), "evaluated");
            Json(evaluation).into_response()
        }
        Ok(Err(refusal)) if refusal.is_failure() => {
            tracing::error!(%period, %refusal, "failed to evaluate");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Ok(Err(refusal @ FingerprintRefusal::OverTheLimit(seconds))) => {
            tracing::warn!(%period, %refusal, "evaluated nothing");
            let after = [(RETRY_AFTER, seconds.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, after).into_response()
        }
        Ok(Err(refusal)) => {
            tracing::info!(%period, %refusal, "evaluated nothing");
            StatusCode::NOT_FOUND.into_response()
        }
        Err(_) => {
            tracing::error!(%period, "an evaluation took too long");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

async fn key<C: Send + Sync + 'static>(
    State(evaluator): State<Arc<Evaluator<C>>>,
    Json(signed): Json<SignedRequest<PeriodKeyRequest>>,
) -> Response {
    match evaluator.key(&signed, now()) {
        Ok(key) => Json(PeriodKeyAnswer { key }).into_response(),
        Err(refusal) => {
            tracing::info!(%refusal, "gave no quarter's key");
            StatusCode::FORBIDDEN.into_response()
        }
    }
}

#[cfg(test)]
mod tests;
