//! `POST /v1/checks`: what this vault keeps is compared with the ledger. And the same by itself, from time to time.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use careledger_sdk::vault::{CheckRequest, SignedRequest};

use super::{Shared, is_fresh, now};
use crate::integrity::{Checker, Checks, Inventory};

pub(super) async fn handle<C: Inventory + 'static>(
    State(shared): State<Arc<Shared<C>>>,
    Json(signed): Json<SignedRequest<CheckRequest>>,
) -> Response {
    let (service, request, at) = (&shared.service, &signed.request, now());
    if let Err(refusal) = service.members.custodian(&signed, at) {
        tracing::info!(%refusal, "a check is refused");
        return StatusCode::FORBIDDEN.into_response();
    }
    let ours = request.holder == service.erasing.holder
        && request.custodian == service.scope.custodian
        && request.channel == service.scope.channel;
    if !(ours && is_fresh(request.at, at)) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let Ok(_one_at_a_time) = shared.checking.try_lock() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    match checker(&shared).run(request.chunks).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => {
            tracing::error!(%error, "a check is not finished");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// Checks for as long as the vault runs.
pub(super) async fn by_itself<C: Inventory>(shared: Arc<Shared<C>>, checks: Checks) {
    loop {
        tokio::time::sleep(checks.every).await;
        let _one_at_a_time = shared.checking.lock().await;
        if let Err(error) = checker(&shared).run(checks.chunks).await {
            tracing::error!(%error, "a check is not finished");
        }
    }
}

fn checker<C>(shared: &Shared<C>) -> Checker<'_, C> {
    let service = &shared.service;
    Checker {
        scope: &service.scope,
        holder: &service.erasing.holder,
        signer: &service.erasing.signer,
        store: &service.store,
        ledger: &*service.chain,
        clock: now,
    }
}
