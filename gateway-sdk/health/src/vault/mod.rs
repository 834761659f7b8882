//! An organisation's vault, from the outside: the wire form, the file format, the client, and records in one call.
//!
//! ```text
//! custodian:  Archive::anchor(reader) -> VaultClient::upload -> vault;  opening -> public anchor -> private description
//! requester:  Archive::fetch(record)  -> access transaction (committed) -> ReleaseRequest, signed by its creator -> vault
//!   <- for each document: HPKE-sealed {DEK, opening, ticket}, and the file where it is small
//!   opening -> record.verify on the own organisation's peer -> SealedRecord -> VerifiedStream, chunk by chunk
//! ```

mod archive;
pub mod cipher;
mod client;
mod content;
mod deposit;
mod erasure;
mod error;
mod find;
mod fingerprint;
pub mod format;
mod integrity;
mod locate;
mod offline;
mod replica;
mod replication;
mod seal;
mod source;
mod stream;
#[cfg(test)]
mod tests;
mod wire;

pub use archive::{Archive, ArchiveError, NewContent, RecordRequest};
pub use client::{OpenedRecord, ReleasedRecord, VaultClient};
pub use content::{ContentError, SealedRecord, Source, SourceError};
pub use deposit::{Deposit, Place};
pub use erasure::{EraseRequest, ErasedPeer, GoneFrom, VaultReceipt};
pub use error::VaultError;
pub use find::{FindQuestion, FindReply, PersonEntry};
pub use fingerprint::{FingerprintRequest, PeriodKeyAnswer, PeriodKeyRequest};
pub use integrity::{
    CheckAnswer, CheckRequest, Gap, GapKind, IntegrityReport, LedgerPoint, MAX_GAPS, TicketCounts,
};
pub use locate::{LocateRequest, LocateResponse};
pub use replica::{
    ProbeAnswer, ProbeRequest, ReplicaKey, ReplicaOf, ReplicaRequest, SealedCopy, Vaults, open_copy,
    seal_copy,
};
pub use replication::{
    HolderReport, MAX_PROOFS, ProbeReport, ProvenDocument, ReplicationReport, ReplicationRequest,
};
pub use seal::{Sealer, SealerError};
pub use stream::VerifiedStream;
pub use wire::{
    ReleaseRequest, ReleaseResponse, ReleasedItem, SealedContent, SignedRequest, UploadRequest, VaultRequest,
    WireError,
};
