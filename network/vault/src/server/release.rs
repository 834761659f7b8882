//! `POST /v1/release`: keys, sealed to the requester of a committed access.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use careledger_sdk::vault::SignedRequest;

use super::answer::answer;
use super::{Shared, now};
use crate::release::{self, Chain};

pub(super) async fn handle<C: Chain + 'static>(
    State(shared): State<Arc<Shared<C>>>,
    Json(signed): Json<SignedRequest>,
) -> Response {
    let service = &shared.service;
    let decision = release::release(
        &service.scope,
        &service.store,
        &service.served,
        &*service.chain,
        &signed,
        now(),
    );
    answer(&signed.request.tx, decision).await
}
