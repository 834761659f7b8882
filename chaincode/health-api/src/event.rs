//! The one chaincode event a transaction may emit: what kind of thing happened, and the transaction's own id.
//!
//! Events are public to the channel. The kinds are coarse, and a refused access emits what a permitted one emits; whoever may know more
//! asks by the id.

use crate::ids::TxId;
use serde::{Deserialize, Serialize};

/// Name of every event of the health chaincode; the payload is an [`Event`] as JSON.
pub const EVENT_NAME: &str = "careledger";

crate::codes::code_enum! {
    /// What an event is about.
    EventKind {
        /// The consortium, its collections or plans.
        Registry = "registry",
        /// A patient's keys.
        Identity = "identity",
        /// A consent was given or taken back.
        Consent = "consent",
        /// An access, refused or not, or a broken glass.
        Access = "access",
        /// A document's anchor or description.
        Record = "record",
        /// A step of a claim.
        Claim = "claim",
        /// A professional's credential.
        Credential = "credential",
    }
}

/// Payload of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What it is about.
    pub kind: EventKind,
    /// The transaction.
    pub tx: TxId,
    /// The collection in which members find the body; none for public acts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub collection: Option<String>,
}
