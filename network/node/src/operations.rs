//! The operations listener: health, version and metrics (`core/operations` of Fabric).

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use fabric_ledger::{Erased, LedgerError};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Channel names and their heights, at the time of the call.
pub(crate) type Heights = Arc<dyn Fn() -> Vec<(String, u64)> + Send + Sync>;

/// Routes of a node whose channels `heights` tells.
pub(crate) fn router(heights: Heights) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/version", get(version))
        .route("/metrics", get(metrics))
        .with_state(heights)
}

/// Removes what was purged on a channel from this peer's files: [`Erased`] once it is done, `None` where the peer has not joined it.
pub(crate) type Eraser =
    Arc<dyn Fn(String) -> BoxFuture<'static, Option<Result<Erased, LedgerError>>> + Send + Sync>;

/// A peer's further route: `POST /erasures/{channel}` answers `{"height": n}` once nothing that blocks below `n` purged is in any file, and 503 where
/// something still reads it. Fabric has no such route.
pub(crate) fn with_erasures(router: Router, eraser: Eraser) -> Router {
    let erasures = Router::new().route("/erasures/{channel}", post(erase));
    router.merge(erasures.with_state(eraser))
}

async fn erase(State(eraser): State<Eraser>, Path(channel): Path<String>) -> Response {
    match eraser(channel).await {
        Some(Ok(Erased::All { height })) => Json(json!({ "height": height })).into_response(),
        Some(Ok(Erased::Partly)) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(Err(error)) => {
            tracing::error!(%error, "purged private data could not be removed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn healthz() -> Json<Value> {
    let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
    Json(json!({ "status": "OK", "time": now }))
}

async fn version() -> Json<Value> {
    Json(json!({ "Version": env!("CARGO_PKG_VERSION"), "CommitSHA": "" }))
}

/// Prometheus text with Fabric's metric names.
async fn metrics(State(heights): State<Heights>) -> impl IntoResponse {
    let mut text = String::from(
        "# HELP ledger_blockchain_height Height of the chain in blocks.\n# TYPE ledger_blockchain_height gauge\n",
    );
    for (channel, height) in heights() {
        // Writing to a string does not fail.
        let _ = writeln!(text, "ledger_blockchain_height{{channel=\"{channel}\"}} {height}");
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}
