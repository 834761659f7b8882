//! The `careledger` command for admins, developers and auditors, as a library; `main.rs` only calls [`main`].
//!
//! ```text
//! args (clap) -> demo | network | audit | bench -> Outcome -> text on a terminal, or one JSON document
//! ```
//!
//! Exit codes: 0 success, 1 a refused or failed action with its reason on stderr, 2 wrong usage.
#![forbid(unsafe_code)]

pub mod args;
