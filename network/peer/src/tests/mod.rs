//! The whole peer: endorse, order, validate, commit, serve.

mod auditing;
mod codes;
mod collections;
mod configuring;
mod dissemination;
mod endorsing;
mod indexes;
mod key_level;
mod lifecycle;
mod private;
mod reconciling;
mod rules;
mod streaming;
mod system;
mod validating;
