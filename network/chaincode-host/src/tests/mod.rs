//! The host against chaincode that speaks raw messages.

mod calls;
mod failures;
mod initialization;
mod ledger;
mod queries;
mod registration;
mod sockets;
mod state;
