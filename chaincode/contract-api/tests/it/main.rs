//! The shim against a scripted peer, over channels and over sockets.

mod peer;
mod queries;
mod sockets;
mod transactions;
