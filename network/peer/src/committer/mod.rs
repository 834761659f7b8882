//! From the orderer's blocks to the ledger: one direction, one block at a time.
//!
//! ```text
//! puller (Deliver stream) ─▶ verify ─▶ validate ─▶ private data ─▶ ledger.commit (durable) ─▶ waiters, events
//! ```

mod commit;
mod erase;
mod puller;
mod reconcile;
mod waiters;

pub use commit::CommittedBlock;
pub(crate) use commit::{Committer, commit_block, set_codes};
pub(crate) use erase::{Eraser, erase};
pub(crate) use puller::Puller;
pub(crate) use reconcile::{Reconciler, reconcile};
pub(crate) use waiters::StatusWaiters;
