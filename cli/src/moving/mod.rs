//! Moving a consortium to another channel, of real Fabric or of another embedded network.
//!
//! ```text
//! network export --dir OLD ─▶ OUT/blocks          every block of the old channel, verified: the old log, for ever
//!                             OUT/origin.json     what it held, as digests that every organisation finds in its own copy
//!                             OUT/public/         anchors, credentials, plans: the public state
//!                             OUT/bodies/<MSP>/   private bodies, each organisation's from its own peer
//!
//! network up --from OUT ─▶ consortium established ─▶ each organisation declares the origin ─▶ parts taken over, each by its digest
//! ```
//!
//! The contract's rules are in [`careledger_api::contracts::registry`]: a part is taken over once more than half of the organisations declared the digests of all.

mod bundle;
mod export;
mod import;
mod vaults;

pub use bundle::Export;
pub use export::{ExportArgs, export};
pub use import::found;
pub use vaults::{begin, copy_vaults, finish, refuse_half};
