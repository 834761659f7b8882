//! The SDK against a scripted peer on a real TLS socket.

mod administration;
mod blocks;
mod events;
mod peer;
mod transactions;
mod typed;
