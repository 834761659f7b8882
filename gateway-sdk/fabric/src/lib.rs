//! A client of Hyperledger Fabric networks: transactions through a peer's Gateway service, events, and administration.
//!
//! ```text
//! Endpoint ─▶ Gateway ─▶ Network ─▶ Contract ─▶ Proposal ─endorse─▶ Transaction ─submit─▶ Commit ─▶ Status
//!  (TLS)     (who calls) (channel)  (chaincode)    └─evaluate─▶ result
//!                           ├─▶ chaincode_events, block_events: streams of results, resumable from a Checkpoint
//!                           └─▶ chain_info, block, transaction, config_block
//! PeerAdmin, Lifecycle, deploy: install, approve and commit chaincode
//! OrdererAdmin, ConfigEdit, ChannelUpdate: begin channels and change their rules
//! ```
//!
//! - A [`Contract`] has short forms ([`Contract::evaluate`], [`Contract::submit`]); [`Contract::proposal`] gives all
//!   the rest: transient data, endorsing organisations, deadlines, retries.
//! - Each stage fails with its own error ([`EndorseError`], [`SubmitError`], …), which keeps the gRPC code, the
//!   transaction id and what each endorser said. An error of the contract itself is found with `chaincode_message`.
//! - Every call has a deadline ([`Deadlines`]); dropping a future cancels its call.
//! - Nothing needs the key: each object gives the bytes to sign and takes a signature made elsewhere.
//! - [`Contract`] is a [`Transport`](fabric_contract_core::Transport) for the typed clients that `#[contract]` makes.
//!
//! Follows the gateway client API that Fabric's own SDKs share, and `gateway/gateway.proto`.
#![forbid(unsafe_code)]

mod admin;
mod block;
mod call;
mod code;
mod commit;
mod contract;
mod error;
mod events;
mod gateway;
mod identity;
mod network;
mod offline;
mod proposal;
mod retry;
mod signer;
mod status;
#[cfg(test)]
mod tests;
mod tls;
mod transaction;
mod transport;

pub use admin::{
    AdminError, ChaincodeDefinition, ChaincodePackage, ChaincodeService, ChannelUpdate, CollectionConfig,
    Deployed, Deployer, Lifecycle, OrderedChannel, OrdererAdmin, OrdererAdminEndpoint, OrdererClient,
    PackageError, PeerAdmin, Readiness, deploy, deploy_next,
};
pub use block::{
    DecodedBlock, DecodedTransaction, Endorsement, Identity, InvokedChaincode, KeyRead, KeyWrite,
    NamespaceChanges, PrivateChanges, TransactionKind,
};
pub use code::ValidationCode;
pub use commit::{Commit, Status};
pub use contract::{Contract, Submitted};
pub use error::{Cause, CommitError, CommitStatusError, EndorseError, Error, EvaluateError, SubmitError};
pub use events::{
    BlockEvents, BlockEventsBuilder, BlockEventsRequest, BlockKind, Blocks, ChaincodeEvent, ChaincodeEvents,
    ChaincodeEventsBuilder, ChaincodeEventsRequest, Checkpoint, Checkpointer, EventError, FileCheckpointer,
    Filtered, MemoryCheckpointer, WithPrivateData,
};
pub use fabric_channel::{BatchSizeSpec, ConfigEdit, OrgSpec as ChannelOrganization};
pub use fabric_msp::SigningIdentity;
pub use gateway::{Clock, Deadlines, Gateway, GatewayBuilder};
pub use identity::{CryptogenError, CryptogenOrganization};
pub use network::Network;
pub use offline::RehydrateError;
pub use proposal::{Proposal, ProposalBuilder};
pub use retry::RetryPolicy;
pub use signer::{SignError, Signer};
pub use status::{NodeError, RpcFailure};
pub use tls::{ConnectError, Endpoint};
pub use transaction::Transaction;
