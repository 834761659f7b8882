//! The targets, by what they read.

pub(crate) mod channel;
pub(crate) mod claims;
pub(crate) mod health;
pub(crate) mod identity;
pub(crate) mod messages;
pub(crate) mod package;
pub(crate) mod peer;
pub(crate) mod policy;
pub(crate) mod shim;
pub(crate) mod state;
