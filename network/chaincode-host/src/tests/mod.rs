//! The host against chaincode that speaks raw messages.

mod calls;
mod failures;
mod initialization;
mod queries;
mod registration;
mod sockets;
mod state;
