//! `POST /v1/offline`: the emergency summary for a doctor's signed ticket. And what waits to be filed, from time to time.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use careledger_api::contracts::consent::SignedTicket;
use careledger_api::ids::TxId;

use super::answer::answer;
use super::{Shared, now};
use crate::offline::{AGAIN, Desk, FILING, OfflineChain};

pub(super) async fn handle<C: OfflineChain + 'static>(
    State(shared): State<Arc<Shared<C>>>,
    Json(signed): Json<SignedTicket>,
) -> Response {
    // Who holds copies of another organisation's records cannot file for it.
    let Ok(id) = signed.ticket.id.to_string().parse::<TxId>() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if shared.service.replica.is_some() {
        return StatusCode::NOT_FOUND.into_response();
    }
    answer(&id, desk(&shared).open(&signed, now())).await
}

/// Files what waits for as long as the vault runs.
pub(super) async fn by_itself<C: OfflineChain>(shared: Arc<Shared<C>>) {
    loop {
        if let Err(error) = desk(&shared).file_waiting(now()).await {
            tracing::error!(%error, "the tickets that wait cannot be read");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn desk<C>(shared: &Shared<C>) -> Desk<'_, C> {
    let service = &shared.service;
    Desk {
        scope: &service.scope,
        store: &service.store,
        served: &service.served,
        chain: &service.chain,
        limits: &shared.limits,
        filing: FILING,
    }
}
