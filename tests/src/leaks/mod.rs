//! The search for what the health contracts and the vault may show to nobody, after a story that goes every path of them.
//!
//! ```text
//! play   consents, accesses, accounts, records, keeping, vaults: every function, every piece of input remembered --> Story
//!        mistakes: every call again, with each text of its input spoilt                                         --> Story's errors
//! look   blocks, states, events, logs, errors, disks                                                              Needles of all input
//!        hashes of private keys                                                                                   Dictionary of what can be guessed
//! ```

pub mod dictionary;
pub mod ledger;
pub mod log;
mod mistakes;
mod play;
mod story;

pub use play::play;
pub use story::{Story, UNPLAYED};
