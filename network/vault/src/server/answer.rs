//! How a decision is told to the requester: what was released, or the one refusal.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use careledger_api::ids::TxId;
use serde::Serialize;

use crate::release::Refusal;

/// Longest handling of one request, the commit of a search's log included.
const HANDLING: Duration = Duration::from_secs(30);

/// Waits for a decision about the transaction `tx` and answers: every refusal is the same 404 without a body; a failure of the vault itself is a 503. The
/// reason goes to this organisation's own log.
pub(super) async fn answer<T: Serialize>(
    tx: &TxId,
    decision: impl Future<Output = Result<T, Refusal>>,
) -> Response {
    match tokio::time::timeout(HANDLING, decision).await {
        Ok(Ok(response)) => {
            tracing::info!(%tx, "released");
            Json(response).into_response()
        }
        Ok(Err(refusal)) if refusal.is_failure() => {
            tracing::error!(%tx, %refusal, "failed to release");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Ok(Err(refusal)) => {
            tracing::info!(%tx, %refusal, "released nothing");
            StatusCode::NOT_FOUND.into_response()
        }
        Err(_) => {
            tracing::error!(%tx, "a decision took too long");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::ChainError;

    async fn bytes(refusal: Refusal) -> (StatusCode, String, Vec<u8>) {
        let tx = "aa".parse().unwrap();
        let response = answer::<()>(&tx, std::future::ready(Err(refusal))).await;
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1_024).await.unwrap();
        (parts.status, format!("{:?}", parts.headers), body.to_vec())
    }

    #[tokio::test]
    async fn every_refusal_is_the_same_bytes() {
        let expected = bytes(Refusal::UnknownAccess).await;
        assert_eq!((expected.0, expected.2.len()), (StatusCode::NOT_FOUND, 0));
        for refusal in [
            Refusal::NotForThisVault,
            Refusal::BadSignature,
            Refusal::NotTheCreator,
            Refusal::NothingPermitted,
            Refusal::BeyondTheAccess,
            Refusal::OverTheLimit,
            Refusal::AlreadyServed,
            Refusal::TooLarge,
            Refusal::BadKemKey,
        ] {
            let text = refusal.to_string();
            assert_eq!(bytes(refusal).await, expected, "{text}");
        }
    }

    #[tokio::test]
    async fn a_failure_says_that_it_is_one_and_nothing_else() {
        let failed = bytes(Refusal::Chain(ChainError("peer 7 of ward 3".into()))).await;
        assert_eq!((failed.0, failed.2.len()), (StatusCode::SERVICE_UNAVAILABLE, 0));
        assert!(!failed.1.contains("ward"));
    }
}
