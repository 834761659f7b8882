//! Telling patients of every access and of whatever happens to their keys: deliveries from block events, exactly one each, as a stream and as webhooks.
//!
//! ```text
//! chaincode events (any number of times) -> Journal: one synced line is both checkpoint and delivery; a transaction in it is not taken twice
//!   -> Notifications: who, when, what, why, read from care_<custodian>; the application acknowledges
//!   -> Outbox:        opaque ids over https, signed, retried, given up on in the end (Webhook, decision 14)
//! ```
//!
//! An event shows a transaction and a collection, no more: granted, refused and emergency accesses look alike in it, and so they do in a webhook.
//! A patient can switch notices of accesses off (`consent.chooseNotifications`): webhooks of them are then not sent. A key added, a recovery begun, guardians
//! changed, an account frozen are told whatever the switch says: who took a key over would use it first.
//!
//! A program can die between doing something about a delivery and acknowledging it. Such a delivery comes again and says so
//! ([`Delivery::redelivered`]); all others come once. An application that looks its redelivered ones up by their id before it acts sees each access exactly
//! once, whenever it is killed.

mod address;
mod feed;
mod journal;
mod outbox;
mod signature;
mod stream;
mod subject;
pub mod testing;
mod webhook;

use std::path::PathBuf;

use fabric_gateway_sdk::{AdminError, EventError};

use crate::client::HealthCallError;

pub use address::is_public;
pub use journal::{DeadLetter, Journal, JournalError};
pub use outbox::{Outbox, RetryPolicy};
pub use signature::{
    DELIVERY_HEADER, SIGNATURE_HEADER, SecretError, TIMESTAMP_HEADER, WebhookSecret, verify,
};
pub use stream::{Delivery, Notifications};
pub use subject::{Told, Topic};
pub use webhook::{AllowedHost, Announcement, NoHost, SendError, Webhook, WebhookError};

/// Why notifications stopped. What was received and not acknowledged comes again after the journal is opened again.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The event stream could not be opened, or ended for a reason that opening it again does not cure.
    #[error("the peer's events stopped: {0}")]
    Events(#[from] EventError),
    /// The peer ended the stream without a reason.
    #[error("the peer ended its event stream; open the notifications again")]
    Ended,
    /// What an access means could not be read. Asking again may succeed.
    #[error("an access cannot be read at the custodian: {0}")]
    Notice(#[from] Box<HealthCallError>),
    /// The block of a transaction could not be read at the gateway's peer. Asking again may succeed.
    #[error("a transaction's block cannot be read at the custodian's peer: {0}")]
    Block(#[from] Box<AdminError>),
    /// A task of this process was ended.
    #[error("the journal {0} cannot be written: the runtime is going down")]
    RuntimeEnds(PathBuf),
}
