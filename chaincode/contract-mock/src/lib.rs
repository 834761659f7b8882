//! A mock network for contracts' unit tests: the real ledger, without peers, orderer, policies or a runtime.
//!
//! ```text
//! test ── typed client ── MockClient ── simulate (twice) on each endorsing organisation's ledger ── Endorsed
//!                         (Transport)      same results? deterministic?                                 │
//! MockLedger: clock, events, last simulation, committed state ◀── one block for each transaction, MVCC ─┘
//! ```
//!
//! Each organisation has a ledger of its own and gets the private data of its collections only, so a function that runs on the wrong
//! organisation fails as it does on real Fabric. Read-write sets, MVCC and phantom checks are the ledger crate's.
//!
//! Not there: endorsement policies (any endorsers will do), access control, several channels. Rich queries need
//! [`MockLedgerBuilder::couchdb`]. [`MockLedgerBuilder::watch`] has every submitted transaction checked for what it shows.
//!
//! ```
//! use fabric_contract_core::{Chaincode, Context, LedgerError, ReadContext, contract};
//! use fabric_contract_mock::{MockLedger, now};
//!
//! #[contract(name = "notes")]
//! trait Notes {
//!     #[submit]
//!     fn write(&self, ctx: &Context<'_>, key: String, text: String) -> Result<(), LedgerError>;
//!     #[evaluate]
//!     fn read(&self, ctx: &ReadContext<'_>, key: String) -> Result<String, LedgerError>;
//! }
//! # struct Store;
//! # impl Notes for Store {
//! #     fn write(&self, ctx: &Context<'_>, key: String, text: String) -> Result<(), LedgerError> {
//! #         ctx.put_state(&key, text.as_bytes())
//! #     }
//! #     fn read(&self, ctx: &ReadContext<'_>, key: String) -> Result<String, LedgerError> {
//! #         Ok(String::from_utf8(ctx.get_state(&key)?.unwrap_or_default()).unwrap())
//! #     }
//! # }
//!
//! let mock = MockLedger::new(Chaincode::new().contract(NotesContract(Store))).unwrap();
//! let clinician = mock.as_client("Org1MSP", [("role", "clinician")]).unwrap();
//! let notes = NotesClient::new(&clinician);
//! now(notes.write("a", "text").send()).unwrap();
//! assert_eq!(now(notes.read("a").send()).unwrap(), "text");
//! ```
#![forbid(unsafe_code)]

mod builder;
mod certificate;
mod client;
mod collections;
mod envelope;
mod error;
mod mock;
mod network;
mod simulation;
mod transaction;
mod watch;

pub use builder::MockLedgerBuilder;
pub use client::MockClient;
pub use collections::MockCollection;
pub use error::MockError;
pub use mock::{CommittedEvent, Endorsed, MockEntry, MockLedger, Outcome};
pub use simulation::{Counts, Event, Simulation};
pub use watch::Submission;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// The result of a call through a [`MockClient`], without a runtime: such calls never wait.
///
/// # Panics
/// If the future waits for anything else.
pub fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => {
            panic!("the future waits for something besides the mock ledger; use a runtime for it")
        }
    }
}
