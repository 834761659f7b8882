//! What the content routes share: the store, who may write to it, and how much at once.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use tokio::sync::Semaphore;

use super::sessions::Sessions;
use super::{content, upload};
use crate::members::Members;
use crate::release::Scope;
use crate::store::Store;

/// The longest wait for the next bytes of an upload, or for a reader to take the next bytes of a file.
pub(super) const IDLE: Duration = Duration::from_secs(30);
/// For how long an answer that an access is open lets a file be sent on.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// Uploads at once; each holds about 32 MiB.
const UPLOADS: usize = 8;
/// Files sent at once; each holds about 4 MiB.
const DOWNLOADS: usize = 64;

/// The content routes' state.
#[derive(Clone)]
pub(super) struct Files {
    pub(super) scope: Scope,
    pub(super) store: Arc<Store>,
    pub(super) members: Members,
    pub(super) sessions: Arc<dyn Sessions>,
    pub(super) uploads: Arc<Semaphore>,
    pub(super) downloads: Arc<Semaphore>,
    pub(super) idle: Duration,
    pub(super) ask_again: Duration,
}

impl Files {
    pub(super) fn new(
        scope: Scope,
        store: Arc<Store>,
        members: Members,
        sessions: Arc<dyn Sessions>,
    ) -> Self {
        Self {
            scope,
            store,
            members,
            sessions,
            uploads: Arc::new(Semaphore::new(UPLOADS)),
            downloads: Arc::new(Semaphore::new(DOWNLOADS)),
            idle: IDLE,
            ask_again: ASK_AGAIN,
        }
    }

    /// The routes. A body is as long as it is: what bounds an upload is its place among [`UPLOADS`] and the longest content of a version.
    pub(super) fn router(self) -> Router {
        Router::new()
            .route(
                "/v1/content/{document}/{version}",
                get(content::handle).put(upload::handle),
            )
            .layer(DefaultBodyLimit::disable())
            .with_state(self)
    }
}
