//! The typed health client: what applications of patients, clinicians, hospitals and insurers build on.
//!
//! ```text
//! Wallet  (patient)    -> Signed<Consent>, Signed<Revocation>, …          signed intents
//! HealthClient         -> consents() records() claims() identity() registry()   typed calls; endorsing organisations from the collections
//! fhir::parse, anchor  -> records into the vault and onto the ledger
//! VaultClient          -> released records, decrypted and checked         after a committed access
//! fraud                -> claims that a person should look at, with the reasons; a month of claims to judge a detector by
//! fhir::claims, x12    -> claims in; explanations, acknowledgments and remittances out   numbers stay outside of the ledger
//! fingerprint          -> what two payers recognise one service by, from the regulator's vault, which learns neither
//! claims::desk         -> a payer's day: what waits, decided and remitted, many at once; a provider's claims sent   those of a member in turn
//! Failure              -> what a failed call means: to be mended, or the same again
//! status_list          -> whether an issuer took a credential back, by its signed list
//! notify               -> every access told once, as a stream or by webhooks  across restarts
//! ```
//!
//! Patient, purpose, codes and intents travel as transient input: nothing personal is in an argument, an event or an error.
#![forbid(unsafe_code)]

pub mod anchor;
pub mod claims;
mod client;
pub mod credential;
mod failure;
pub mod fhir;
pub mod fingerprint;
pub mod fraud;
pub mod notify;
pub mod receipt;
mod revocation;
pub mod sealing;
mod session;
pub mod status_list;
mod transport;
pub mod vault;
pub mod wallet;
pub mod x12;

pub use careledger_api as api;
pub use client::{HealthCallError, HealthClient};
pub use failure::Failure;
pub use session::Session;
pub use transport::HealthTransport;
pub use wallet::Wallet;

/// Makes aws-lc-rs the process's TLS provider, once; a provider that the application chose before stays. Every client of this crate calls it; an application
/// that makes an HTTP client of its own calls it before.
pub fn install_crypto_provider() {
    let _already_chosen = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
