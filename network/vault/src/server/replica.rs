//! The routes of a vault that holds another organisation's replicas: its key, taking a copy, proving that it is there.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use careledger_api::ids::DocumentId;
use careledger_sdk::vault::{
    ProbeAnswer, ProbeRequest, ReplicaKey, ReplicaOf, ReplicaRequest, SignedRequest, SourceError,
};
use futures::TryStreamExt;

use super::files::IDLE;
use super::upload::parts;
use super::{Shared, is_fresh, now};
use crate::replica::Anchors;
use crate::store::StoreError;

/// `GET /v1/replicas/key`
pub(super) async fn key<C: Send + Sync + 'static>(State(shared): State<Arc<Shared<C>>>) -> Response {
    match &shared.service.replica {
        Some(holder) => Json(ReplicaKey { key: holder.key() }).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `PUT /v1/replicas/{document}/{version}`
pub(super) async fn take<C: Anchors + 'static>(
    State(shared): State<Arc<Shared<C>>>,
    Path((document, version)): Path<(DocumentId, u32)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(request) = authorised(&shared, &headers, document, version) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let Ok(permit) = Arc::clone(&shared.copies).try_acquire_owned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let kept = tokio::spawn(async move {
        let _place = permit;
        keep(&shared, request, body).await
    });
    match kept.await {
        Ok(status) => status.into_response(),
        Err(error) => {
            tracing::error!(%document, version, %error, "taking a copy ended badly");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

async fn keep<C: Anchors>(shared: &Shared<C>, request: ReplicaRequest, body: Body) -> StatusCode {
    let service = &shared.service;
    let (document, version) = (request.copy.document, request.copy.version);
    let opened = service.replica.as_ref().map(|holder| holder.open(&request));
    let Some(Ok((dek, opening))) = opened else {
        tracing::warn!(%document, version, "a copy's key does not open");
        return StatusCode::CONFLICT;
    };
    let anchored = service
        .chain
        .is_anchored(document, version, opening.clone(), request.proof);
    match anchored.await {
        Ok(true) => {}
        Ok(false) => {
            tracing::warn!(%document, version, "a copy of something that is not anchored is refused");
            return StatusCode::CONFLICT;
        }
        Err(error) => {
            tracing::error!(%document, version, %error, "a copy cannot be checked");
            return StatusCode::SERVICE_UNAVAILABLE;
        }
    }
    match service
        .store
        .put_copy(
            document,
            version,
            &dek,
            &opening,
            request.check,
            parts(body, IDLE).map_err(SourceError::from),
        )
        .await
    {
        Ok(true) => {
            tracing::info!(%document, version, "holds a copy");
            StatusCode::CREATED
        }
        Ok(false) | Err(StoreError::Exists(..)) => StatusCode::OK,
        Err(error) => {
            tracing::warn!(%document, version, %error, "keeps no copy");
            match error {
                StoreError::Content(_) | StoreError::Size { .. } | StoreError::Erased(_) => {
                    StatusCode::CONFLICT
                }
                _ => StatusCode::SERVICE_UNAVAILABLE,
            }
        }
    }
}

/// `POST /v1/probes`
pub(super) async fn probe<C: Send + Sync + 'static>(
    State(shared): State<Arc<Shared<C>>>,
    Json(signed): Json<SignedRequest<ProbeRequest>>,
) -> Response {
    let (service, at) = (&shared.service, now());
    let copy = &signed.request.copy;
    let asked = service
        .replica
        .as_ref()
        .is_some_and(|holder| holder.check(&signed, at).is_ok());
    if !asked || !is_here(&shared, copy) || !is_fresh(signed.request.at, at) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut nonce = [0; 32];
    if hex::decode_to_slice(&signed.request.nonce, &mut nonce).is_err() {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let Ok(_place) = shared.copies.try_acquire() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    match service.store.proof(copy.document, copy.version, &nonce).await {
        Ok(proof) => Json(ProbeAnswer {
            proof: hex::encode(proof),
        })
        .into_response(),
        // A copy that is damaged is none.
        Err(
            StoreError::Missing(..) | StoreError::Damaged(_) | StoreError::Kek(_) | StoreError::Content(_),
        ) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::error!(document = %copy.document, %error, "a copy cannot be probed");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

fn authorised<C>(
    shared: &Shared<C>,
    headers: &HeaderMap,
    document: DocumentId,
    version: u32,
) -> Option<ReplicaRequest> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let json = STANDARD.decode(value.strip_prefix("Careledger ")?).ok()?;
    let signed: SignedRequest<ReplicaRequest> = serde_json::from_slice(&json).ok()?;
    let now = now();
    let holder = shared.service.replica.as_ref()?;
    if let Err(refusal) = holder.check(&signed, now) {
        tracing::info!(%document, version, %refusal, "a copy is refused");
        return None;
    }
    let request = signed.request;
    let fits = is_here(shared, &request.copy)
        && (request.copy.document, request.copy.version) == (document, version)
        && version > 0
        && is_fresh(request.at, now);
    fits.then_some(request)
}

/// Whether the copy's place is this vault.
fn is_here<C>(shared: &Shared<C>, copy: &ReplicaOf) -> bool {
    let service = &shared.service;
    copy.custodian == service.scope.custodian
        && copy.holder == service.erasing.holder
        && copy.channel == service.scope.channel
}
