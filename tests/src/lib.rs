//! What the end-to-end tests share. The tests themselves are in `tests/tests/`, one file per subject.
#![forbid(unsafe_code)]

pub mod administration;
pub mod beside;
pub mod billing;
pub mod command;
pub mod engine;
pub mod envelope;
pub mod forger;
pub mod hospital;
pub mod kv;
pub mod leaks;
pub mod ledgers;
pub mod load;
pub mod members;
pub mod model;
pub mod raw;
pub mod receiver;
pub mod scan;
pub mod script;
pub mod signer;
