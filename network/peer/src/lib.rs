//! A peer: it endorses proposals, validates and commits blocks, and serves clients.
//!
//! ```text
//! client ─ SignedProposal ─▶ endorser ─▶ chaincode host ─▶ simulator          (one snapshot of the ledger)
//!                               │  └─ private data ─▶ other members' peers
//!                               ▼
//!                        ProposalResponse
//!
//! orderer ─ blocks ─▶ committer ─▶ validator ─▶ ledger.commit ─▶ commit statuses, deliver streams, gateway
//! ```
//!
//! One direction, one owner per step: the [`endorser`](Peer::process_proposal) only reads the ledger, the
//! [`committer`](Peer::commit) alone writes it, and everyone else is told afterwards. The rules, codes and texts
//! are those of Hyperledger Fabric 3.1 (`core/endorser`, `core/committer`, `core/chaincode/lifecycle`,
//! `core/scc`, `gossip/privdata`).
//!
//! [`replay`] is for auditors: it does all of the validation again, from the blocks alone.
#![forbid(unsafe_code)]

mod channel;
mod committer;
mod config;
mod directory;
pub mod discovery;
mod endorser;
mod error;
pub mod gateway;
mod ids;
pub mod lifecycle;
mod peer;
mod private;
pub mod replay;
mod services;
mod syscc;
mod validator;

pub use channel::{Channel, CommitStatus, open_ledger, rebuild_ledger};
pub use committer::CommittedBlock;
pub use config::PeerConfig;
pub use directory::{EndpointError, PeerDirectory, PeerInfo, RemoteEndpoint};
pub use endorser::ProposalError;
pub use error::{CommitError, PeerError};
pub use ids::transaction_id;
pub use peer::Peer;
pub use private::{InProcessNetwork, Member, NetworkError, PrivateDataNetwork, Pull, Push};
pub use services::{ClientCertificate, DeliverService, EndorserService, health_server};
pub use syscc::access::{AccessRefused, check_channel as check_access};
pub use syscc::is_system_chaincode;
pub use validator::{BlockRefused, Refusal, ValidationError, block_signatures, verify_block};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
