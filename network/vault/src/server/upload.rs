//! `PUT /v1/content/{document}/{version}`: a custodian of the organisation has a version kept.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use careledger_api::ids::DocumentId;
use careledger_sdk::vault::{SealerError, SignedRequest, UploadRequest};
use futures::{Stream, StreamExt};
use tokio_util::io::StreamReader;

use super::files::Files;
use super::{is_fresh, now};
use crate::store::StoreError;

/// The longest media type.
const MAX_MIME: usize = 255;

pub(super) async fn handle(
    State(files): State<Files>,
    Path((document, version)): Path<(DocumentId, u32)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(request) = authorised(&files, &headers, document, version) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let Ok(permit) = Arc::clone(&files.uploads).try_acquire_owned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    // A task of its own: it sees a client that goes away as an error of the body, and removes what came so far.
    let kept = tokio::spawn(async move {
        let _place = permit;
        let UploadRequest { mime, size, .. } = request;
        files
            .store
            .put_sized(document, version, &mime, size, reader(body, files.idle))
            .await
    });
    match kept.await {
        Ok(Ok(opening)) => {
            tracing::info!(%document, version, "kept");
            (StatusCode::CREATED, Json(opening)).into_response()
        }
        Ok(Err(error)) => {
            tracing::warn!(%document, version, %error, "kept nothing");
            status(&error).into_response()
        }
        Err(error) => {
            tracing::error!(%document, version, %error, "an upload ended badly");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// The upload that the request's header authorises: for this vault, this document and version, signed now by a custodian of the organisation.
fn authorised(
    files: &Files,
    headers: &HeaderMap,
    document: DocumentId,
    version: u32,
) -> Option<UploadRequest> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let json = STANDARD.decode(value.strip_prefix("Careledger ")?).ok()?;
    let signed: SignedRequest<UploadRequest> = serde_json::from_slice(&json).ok()?;
    let now = now();
    if let Err(refusal) = files.members.custodian(&signed, now) {
        tracing::info!(%document, version, %refusal, "an upload is refused");
        return None;
    }
    let request = signed.request;
    let fits = request.custodian == files.scope.custodian
        && request.channel == files.scope.channel
        && (request.document, request.version) == (document, version)
        && version > 0
        && request.mime.len() <= MAX_MIME
        && is_fresh(request.at, now);
    fits.then_some(request)
}

/// The body as a reader; a client that sends nothing for `idle` is an error.
fn reader(body: Body, idle: Duration) -> impl tokio::io::AsyncRead + Send + Unpin {
    StreamReader::new(parts(body, idle).boxed())
}

/// The same in parts.
pub(super) fn parts(body: Body, idle: Duration) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    futures::stream::try_unfold(body.into_data_stream(), move |mut parts| async move {
        match tokio::time::timeout(idle, parts.next()).await {
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut)),
            Ok(None) => Ok(None),
            Ok(Some(Err(error))) => Err(std::io::Error::other(error)),
            Ok(Some(Ok(bytes))) => Ok(Some((bytes, parts))),
        }
    })
}

fn status(error: &StoreError) -> StatusCode {
    match error {
        StoreError::Exists(..) => StatusCode::CONFLICT,
        StoreError::Size { .. } | StoreError::Sealer(SealerError::Read(_)) => StatusCode::BAD_REQUEST,
        StoreError::Sealer(SealerError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}
