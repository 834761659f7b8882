//! Where a requester has the bytes of an encrypted file from: the release's own answer, or the vault's content route.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, RANGE};

use super::content::{Source, SourceError};

/// The longest wait for the next bytes.
const IDLE: Duration = Duration::from_secs(30);

/// A small file that came with its key.
#[derive(Debug)]
pub(super) struct Inline {
    file: Bytes,
}

impl Inline {
    /// The file; none unless it has the length it must have.
    pub(super) fn new(file: Vec<u8>, expected: u64) -> Option<Self> {
        (file.len() as u64 == expected).then(|| Self {
            file: Bytes::from(file),
        })
    }
}

impl Source for Inline {
    fn read(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes, SourceError>> {
        let length = self.file.len();
        let at = |place: u64| usize::try_from(place).map_or(length, |place| place.min(length));
        let part = self.file.slice(at(range.start)..at(range.end));
        futures::stream::iter([Ok(part)]).boxed()
    }
}

/// A file on the vault's content route, read in ranges under a ticket.
pub(super) struct Remote {
    http: reqwest::Client,
    url: String,
    ticket: String,
    file_size: u64,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Why the content route gave nothing usable.
#[derive(Debug, thiserror::Error)]
enum RemoteError {
    #[error(
        "the vault answered {0} where it should have sent a part of the file (206); the ticket may be over: make a new access"
    )]
    Status(StatusCode),
    #[error("the vault sends another part of the file, or a file of another length, than was asked for")]
    Part,
    #[error("the vault sent nothing for {} seconds", IDLE.as_secs())]
    Idle,
}

impl Remote {
    pub(super) fn new(http: reqwest::Client, url: String, ticket: String, file_size: u64) -> Self {
        Self {
            http,
            url,
            ticket,
            file_size,
        }
    }
}

impl Source for Remote {
    fn read(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes, SourceError>> {
        let Some(last) = range.end.checked_sub(1).filter(|last| *last >= range.start) else {
            return futures::stream::empty().boxed();
        };
        let request = self
            .http
            .get(&self.url)
            .bearer_auth(&self.ticket)
            .header(RANGE, format!("bytes={}-{last}", range.start));
        let expected = format!("bytes {}-{last}/{}", range.start, self.file_size);
        let opened = async move {
            let response = tokio::time::timeout(IDLE, request.send())
                .await
                .map_err(|_| RemoteError::Idle)??;
            if response.status() != StatusCode::PARTIAL_CONTENT {
                return Err(RemoteError::Status(response.status()).into());
            }
            let part = response.headers().get(CONTENT_RANGE);
            if part.is_none_or(|part| part.as_bytes() != expected.as_bytes()) {
                return Err(RemoteError::Part.into());
            }
            Ok::<_, SourceError>(futures::stream::try_unfold(response, |mut response| async move {
                let next = tokio::time::timeout(IDLE, response.chunk()).await;
                let next = next.map_err(|_| RemoteError::Idle)??;
                Ok(next.map(|bytes| (bytes, response)))
            }))
        };
        futures::stream::once(opened).try_flatten().boxed()
    }
}
