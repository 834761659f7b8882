//! The operations listener: health, version and metrics (`core/operations` of Fabric).

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
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
