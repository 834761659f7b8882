//! `POST /v1/find`: whom a committed search found. `POST /v1/persons`: what identity documents say of a patient.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use careledger_api::contracts::consent::RELEASE_SECONDS;
use careledger_sdk::vault::{FindQuestion, PersonEntry, SignedRequest};

use super::answer::answer;
use super::{Shared, now};
use crate::find::{self, FindChain};

pub(super) async fn handle<C: FindChain + 'static>(
    State(shared): State<Arc<Shared<C>>>,
    Json(signed): Json<SignedRequest<FindQuestion>>,
) -> Response {
    let service = &shared.service;
    let decision = find::find(&service.scope, &service.persons, &*service.chain, &signed, now());
    answer(&signed.request.tx, decision).await
}

pub(super) async fn enter<C: Send + Sync + 'static>(
    State(shared): State<Arc<Shared<C>>>,
    Json(signed): Json<SignedRequest<PersonEntry>>,
) -> Response {
    let (service, entry, now) = (&shared.service, &signed.request, now());
    let ours = entry.custodian == service.scope.custodian && entry.channel == service.scope.channel;
    let fresh = now.abs_diff(entry.at) <= RELEASE_SECONDS.unsigned_abs();
    if let Err(refusal) = service.members.custodian(&signed, now) {
        tracing::info!(%refusal, "took no person");
        return StatusCode::FORBIDDEN.into_response();
    }
    if !(ours && fresh) {
        tracing::info!("took no person: the entry is old or for another vault");
        return StatusCode::FORBIDDEN.into_response();
    }
    match service.persons.enter(entry.patient, entry.person.as_ref()) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
            StatusCode::BAD_REQUEST.into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the index of persons cannot be written");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
