//! The verified bytes of a content, as they reach the caller.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use careledger_api::ids::DocumentId;
use futures::Stream;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;

use super::content::ContentError;

/// Verified bytes in order, some chunks at a time.
type Segments = mpsc::Receiver<Result<VecDeque<Bytes>, ContentError>>;

/// The verified bytes of a content, as a [`Stream`] and as an [`AsyncRead`]. It ends after the last byte, or with an error: never silently
/// before. A caller that stops reading stops the source; dropping it ends the work.
#[derive(Debug)]
pub struct VerifiedStream {
    segments: Segments,
    ready: VecDeque<Bytes>,
    remaining: u64,
    ended: bool,
    document: DocumentId,
    version: u32,
}

impl VerifiedStream {
    /// `length` bytes of a version, which somebody sends as verified segments.
    pub(super) fn new(segments: Segments, length: u64, document: DocumentId, version: u32) -> Self {
        Self {
            segments,
            ready: VecDeque::new(),
            remaining: length,
            ended: false,
            document,
            version,
        }
    }

    /// Bytes that are still to come.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }
}

impl Stream for VerifiedStream {
    type Item = Result<Bytes, ContentError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                self.remaining = self.remaining.saturating_sub(bytes.len() as u64);
                return Poll::Ready(Some(Ok(bytes)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match ready!(self.segments.poll_recv(cx)) {
                Some(Ok(segment)) => self.ready = segment,
                Some(Err(error)) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.ended = true;
                    // The pump ends after the last byte or with an error; anything else is an end before the end.
                    if self.remaining > 0 {
                        return Poll::Ready(Some(Err(ContentError::Cut {
                            document: self.document,
                            version: self.version,
                        })));
                    }
                }
            }
        }
    }
}

impl AsyncRead for VerifiedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        while buffer.remaining() > 0 {
            match ready!(self.as_mut().poll_next(cx)) {
                None => break,
                Some(Err(error)) => return Poll::Ready(Err(std::io::Error::other(error))),
                Some(Ok(mut bytes)) => {
                    let now = bytes.len().min(buffer.remaining());
                    buffer.put_slice(&bytes[..now]);
                    bytes.advance(now);
                    if !bytes.is_empty() {
                        self.remaining += bytes.len() as u64;
                        self.ready.push_front(bytes);
                    }
                    if now > 0 {
                        break;
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
