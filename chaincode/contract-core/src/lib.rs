//! What a Hyperledger Fabric contract in Rust needs, and no more: one trait is the contract, its metadata and its typed client.
//!
//! ```text
//! #[contract(name = "asset")] trait Asset
//!        │
//!        ├─ AssetContract(implementation) ── Chaincode::new().contract(..) ── invoke(&dyn Ledger, args) ── Response
//!        │        reads its arguments and transient inputs,                        ^
//!        │        hands out Context (submit) or ReadContext (evaluate)             └ contract-api (over the peer's stream)
//!        │                                                                           or contract-mock (unit tests)
//!        └─ AssetClient(transport) ── Call ── Transport (the gateway SDK or the mock ledger)
//! ```
//!
//! An evaluate function gets a [`ReadContext`], which has no method that writes. A submit function gets a [`Context`], which has all
//! of them. A contract's error is an enum that implements [`ContractError`]; it arrives at the typed client as that enum.
//!
//! # Wire form
//! Functions are named as in Rust, in lowerCamelCase. Arguments of type `String` and `&str` travel as raw UTF-8, all others as JSON;
//! results likewise, and `()` is an empty payload. Parameters marked `#[transient]` travel as JSON in the transient map under the
//! parameter's Rust name, so they are in no block; keys that no parameter declares are refused.
//!
//! The crate knows no async runtime, no gRPC and no protobuf.
#![forbid(unsafe_code)]

mod chaincode;
mod client;
pub mod composite;
mod context;
mod error;
mod identity;
mod ledger;
mod metadata;
mod transport;
mod wire;

pub use chaincode::{Chaincode, ContractHandler, Response};
pub use client::{Committed, EvaluateRequest, SubmitRequest};
pub use context::{Context, ReadContext};
pub use error::{ContractError, LedgerError, Refusal};
pub use identity::{ClientIdentity, IdentityError};
pub use ledger::{
    Creator, KeyModification, KeyPolicy, KeyValue, Ledger, Page, Principal, Results, Role, Timestamp,
};
pub use metadata::{ContractMetadata, Kind, Parameter, Transaction};
pub use transport::{Call, CallError, Submitted, Transport, TransportError};

/// Turns a trait into a contract: dispatch, metadata and typed client. See the crate's documentation for the wire form.
///
/// ```
/// use fabric_contract_core::{Context, LedgerError, ReadContext, contract};
///
/// /// Keeps one text per key.
/// #[contract(name = "notes")]
/// pub trait Notes {
///     /// Writes a note.
///     #[submit]
///     fn write(&self, ctx: &Context<'_>, key: String, #[transient] text: String) -> Result<(), LedgerError>;
///
///     /// Reads a note; empty where there is none.
///     #[evaluate]
///     fn read(&self, ctx: &ReadContext<'_>, key: &str) -> Result<String, LedgerError>;
/// }
///
/// struct Store;
/// impl Notes for Store {
///     fn write(&self, ctx: &Context<'_>, key: String, text: String) -> Result<(), LedgerError> {
///         ctx.put_state(&key, text.as_bytes())
///     }
///     fn read(&self, ctx: &ReadContext<'_>, key: &str) -> Result<String, LedgerError> {
///         let text = ctx.get_state(key)?.unwrap_or_default();
///         Ok(String::from_utf8_lossy(&text).into_owned())
///     }
/// }
///
/// // NotesContract(Store) is a ContractHandler; NotesClient::new(&transport).write("a", "b".into()).send() calls it.
/// let chaincode = fabric_contract_core::Chaincode::new().contract(NotesContract(Store));
/// assert_eq!(chaincode.metadata()["contracts"]["notes"]["transactions"][0]["name"], "write");
/// ```
pub use fabric_contract_macros::contract;

/// What the generated code calls. Not part of the public interface.
#[doc(hidden)]
pub mod private {
    pub use crate::wire::{
        Encoded, Inputs, decode_json, decode_text, decode_unit, encode_json, encode_optional, encode_text,
        reply_json, reply_text, reply_unit,
    };
    pub use serde_json;
}
