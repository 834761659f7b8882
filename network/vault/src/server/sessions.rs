//! Whether an access still lets its requester read files: asked again for each range of a file, so that what the patient takes back ends downloads that
//! go on under a ticket.

use std::sync::Arc;

use careledger_api::ids::{DocumentId, TxId};
use futures::future::BoxFuture;

use crate::release::{self, Chain, ChainError};

/// Decides on sessions; a trait of its own, so that the content routes need no type of chain.
pub(super) trait Sessions: Send + Sync {
    /// Whether the access of transaction `tx` opens this version at `now` (seconds since 1970).
    fn is_open<'a>(
        &'a self,
        tx: &'a TxId,
        file: (DocumentId, u32),
        now: i64,
    ) -> BoxFuture<'a, Result<bool, ChainError>>;
}

/// As the own peer shows the access now.
pub(super) struct ByLedger<C>(pub(super) Arc<C>);

impl<C: Chain> Sessions for ByLedger<C> {
    fn is_open<'a>(
        &'a self,
        tx: &'a TxId,
        file: (DocumentId, u32),
        now: i64,
    ) -> BoxFuture<'a, Result<bool, ChainError>> {
        Box::pin(release::is_session_open(&*self.0, tx, file, now))
    }
}
