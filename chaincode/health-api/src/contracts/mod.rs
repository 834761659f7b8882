//! The contracts: one trait each, with the types their functions carry.
//!
//! A `#[submit]` function is a transaction, an `#[evaluate]` function a question to one peer. `#[transient]` parameters never reach a
//! block. Who must endorse each function is [`placement`](crate::consortium::placement), who may call it is in its comment; roles are those
//! of [`Role`](crate::roles::Role).

pub mod claims;
pub mod consent;
pub mod credential;
pub mod identity;
pub mod record;
pub mod registry;
