//! The whole peer: endorse, order, validate, commit, serve.

mod auditing;
mod endorsing;
mod lifecycle;
mod private;
mod streaming;
mod validating;
