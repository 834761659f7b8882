//! `POST /v1/erasures`: a document whose erasure the ledger shows as executed is destroyed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use careledger_sdk::vault::{EraseRequest, SignedRequest};

use super::{Shared, is_fresh, now};
use crate::erase::{self, EraseError, Erasures};

pub(super) async fn handle<C: Erasures + 'static>(
    State(shared): State<Arc<Shared<C>>>,
    Json(signed): Json<SignedRequest<EraseRequest>>,
) -> Response {
    let at = now();
    if !authorised(&shared, &signed, at) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let asked = signed.request;
    let document = asked.document;
    // A task of its own: it goes on when the one who asked goes away.
    let erasing = tokio::spawn(async move {
        let service = &shared.service;
        // One after the other: each makes the peers write their files anew.
        let _one_at_a_time = shared.erasing.lock().await;
        erase::erase(
            &service.scope,
            (&service.store, &service.persons),
            &*service.chain,
            &service.erasing,
            &asked,
            at,
        )
        .await
    });
    match erasing.await {
        Ok(Ok(receipt)) => Json(receipt).into_response(),
        Ok(Err(error @ EraseError::NotErased(_))) => {
            tracing::warn!(%document, %error, "an erasure is refused");
            StatusCode::CONFLICT.into_response()
        }
        Ok(Err(error)) => {
            tracing::error!(%document, %error, "an erasure is not finished");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Err(error) => {
            tracing::error!(%document, %error, "an erasure ended badly");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// Asked for this vault, now, by a custodian of the own organisation or by the vault whose replicas this one holds.
fn authorised<C>(shared: &Shared<C>, signed: &SignedRequest<EraseRequest>, now: i64) -> bool {
    let (service, request) = (&shared.service, &signed.request);
    let own = || service.members.custodian(signed, now).is_ok();
    let holder = service.replica.as_ref();
    let custodian = || holder.is_some_and(|holder| holder.check(signed, now).is_ok());
    request.holder == service.erasing.holder
        && request.custodian == service.scope.custodian
        && request.channel == service.scope.channel
        && is_fresh(request.at, now)
        && (own() || custodian())
}
