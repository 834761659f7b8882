//! `GET /v1/content/{document}/{version}`: ciphertext in ranges (RFC 9110, one range), for the holder of a ticket, as long as its access is open.
//!
//! The ledger is asked before the first byte of every answer, and again every ten seconds while an answer goes on. So what the patient takes back, and a
//! credential's suspension, ends a download at its next range, and one that is under way ten seconds after the own peer committed it at the latest: what was
//! read from the store until then, two pieces of 4 MiB at most and what the connection holds, may still arrive.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{ACCEPT_RANGES, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use careledger_api::ids::{DocumentId, TxId};
use careledger_sdk::vault::{Source, SourceError};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::files::Files;
use super::now;
use super::sessions::Sessions;
use crate::store::{EncryptedFile, StoreError};

pub(super) async fn handle(
    State(files): State<Files>,
    Path((document, version)): Path<(DocumentId, u32)>,
    headers: HeaderMap,
) -> Response {
    let store = &files.store;
    let ticket = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let now = now();
    let access = ticket.and_then(|ticket| store.tickets().check(ticket, document, version, now));
    let Some(tx) = access else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match files.sessions.is_open(&tx, (document, version), now).await {
        Ok(true) => {}
        Ok(false) => {
            tracing::info!(%tx, "a file is fetched no more: its access is over or taken back");
            return StatusCode::NOT_FOUND.into_response();
        }
        Err(error) => {
            tracing::error!(%tx, %error, "a file's access cannot be looked at");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    }
    let file = match store.file(document, version).await {
        Ok(file) => file,
        Err(StoreError::Missing(..)) => return StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::error!(%tx, %error, "a file cannot be read");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let size = file.size();
    let wanted = match headers.get(RANGE) {
        None => Some(0..size),
        Some(range) => range.to_str().ok().and_then(|range| one_range(range, size)),
    };
    let Some(wanted) = wanted else {
        return (
            StatusCode::RANGE_NOT_SATISFIABLE,
            [(CONTENT_RANGE, format!("bytes */{size}"))],
        )
            .into_response();
    };
    let Ok(permit) = Arc::clone(&files.downloads).try_acquire_owned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    tracing::debug!(%tx, bytes = wanted.end - wanted.start, "sending ciphertext");
    let length = (CONTENT_LENGTH, (wanted.end - wanted.start).to_string());
    let part = format!("bytes {}-{}/{size}", wanted.start, wanted.end.saturating_sub(1));
    let session = Session {
        sessions: Arc::clone(&files.sessions),
        tx,
        file: (document, version),
        again: files.ask_again,
    };
    let body = body(&file, wanted, files.idle, session, permit);
    if headers.contains_key(RANGE) {
        let described = [(CONTENT_RANGE, part), length];
        (StatusCode::PARTIAL_CONTENT, described, body).into_response()
    } else {
        ([(ACCEPT_RANGES, "bytes".to_owned()), length], body).into_response()
    }
}

/// The access under which a response goes on.
struct Session {
    sessions: Arc<dyn Sessions>,
    tx: TxId,
    file: (DocumentId, u32),
    again: Duration,
}

impl Session {
    /// Whether the access is open still. A peer that cannot be asked ends it as well.
    async fn is_open(&self) -> bool {
        let open = self.sessions.is_open(&self.tx, self.file, now()).await;
        if !matches!(open, Ok(true)) {
            tracing::info!(tx = %self.tx, "a file is sent no further: its access is over, taken back or cannot be looked at");
        }
        matches!(open, Ok(true))
    }
}

/// The bytes of a range. A reader that takes nothing for `idle` loses the rest, so that it holds neither memory nor a place for long; and so does one whose
/// access closed meanwhile: no piece is read from the store later than `session.again` after an answer that it is open.
fn body(
    file: &EncryptedFile,
    range: Range<u64>,
    idle: Duration,
    session: Session,
    permit: OwnedSemaphorePermit,
) -> Body {
    let mut bytes = file.read(range);
    let (sender, receiver) = mpsc::channel::<Result<Bytes, SourceError>>(1);
    tokio::spawn(async move {
        let _place = permit;
        let mut asked = Instant::now();
        loop {
            if asked.elapsed() >= session.again {
                if !session.is_open().await {
                    return;
                }
                asked = Instant::now();
            }
            let Some(next) = bytes.next().await else { return };
            if !matches!(tokio::time::timeout(idle, sender.send(next)).await, Ok(Ok(()))) {
                // The body's length was announced: an end before it is an error to the reader.
                return;
            }
        }
    });
    Body::from_stream(futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|next| (next, receiver))
    }))
}

/// `bytes=a-b`, `bytes=a-` or `bytes=-n`, cut to the file; none if it names nothing of it or several parts.
fn one_range(range: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first, last) {
        ("", suffix) => size.saturating_sub(suffix.parse().ok()?)..size,
        (first, "") => first.parse().ok()?..size,
        (first, last) => first.parse().ok()?..last.parse::<u64>().ok()?.saturating_add(1).min(size),
    };
    (range.start < range.end).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_one_range_within_the_file() {
        for (text, expected) in [
            ("bytes=0-0", Some(0..1)),
            ("bytes=5-9", Some(5..10)),
            ("bytes=5-999", Some(5..10)),
            ("bytes=5-18446744073709551615", Some(5..10)),
            ("bytes=7-", Some(7..10)),
            ("bytes=-3", Some(7..10)),
            ("bytes=-30", Some(0..10)),
            ("bytes=10-", None),
            ("bytes=6-5", None),
            ("bytes=-0", None),
            ("bytes=-", None),
            ("bytes=0-1,3-4", None),
            ("lines=0-1", None),
            ("bytes=99999999999999999999-", None),
        ] {
            assert_eq!(one_range(text, 10), expected, "{text}");
        }
    }
}
