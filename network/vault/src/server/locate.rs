//! `POST /v1/locate`: which documents an access shows. The answer has one size; a refusal is a blank page.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use careledger_api::contracts::record::IndexPage;
use careledger_sdk::vault::{LocateRequest, LocateResponse, SignedRequest};

use super::{Shared, now};
use crate::locate::{self, IndexChain};

/// Longest handling of one request.
const HANDLING: Duration = Duration::from_secs(30);

pub(super) async fn handle<C: IndexChain + 'static>(
    State(shared): State<Arc<Shared<C>>>,
    Json(signed): Json<SignedRequest<LocateRequest>>,
) -> Response {
    let service = &shared.service;
    let located = locate::locate(&service.scope, &*service.chain, &signed, now());
    let page = match tokio::time::timeout(HANDLING, located).await {
        Ok(Ok(page)) => {
            tracing::info!(tx = %signed.request.tx, "located");
            page
        }
        Ok(Err(refusal)) if refusal.is_failure() => {
            tracing::error!(tx = %signed.request.tx, %refusal, "failed to locate");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        Ok(Err(refusal)) => {
            tracing::info!(tx = %signed.request.tx, %refusal, "located nothing");
            IndexPage::blank()
        }
        Err(_) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    Json(LocateResponse { page }).into_response()
}
