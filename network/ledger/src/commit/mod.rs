//! Turning a block of transactions into state: the checks that need the order of transactions, and the updates.
//!
//! ```text
//! validate ── MVCC and phantoms, transaction by transaction ──▶ ops ──▶ Updates (public, hashed) ──▶ commit hash
//!                                            private sets ──▶ private ──▶ PrivateUpdates, expiry, purges
//! ```

mod ops;
mod private;
mod ranges;
mod updates;
mod validate;
mod view;

pub(crate) use private::{PrivateChanges, PrivateUpdates, late_updates, matching_sets, private_changes};
pub(crate) use updates::{Update, Updates, commit_hash};
pub(crate) use validate::{apply_valid, validate};
pub(crate) use view::View;

use crate::LedgerError;
use crate::db::MAX_KEY;

/// What surrounds namespace, collection and key in the database's longest key.
const KEY_OVERHEAD: usize = 32;

/// Refuses keys that the database can not hold.
pub(crate) fn check_key_length(namespace: &str, collection: &str, length: usize) -> Result<(), LedgerError> {
    let limit = MAX_KEY.saturating_sub(KEY_OVERHEAD + namespace.len() + collection.len());
    if length > limit {
        return Err(LedgerError::KeyTooLong {
            namespace: namespace.to_owned(),
            length,
            limit,
        });
    }
    Ok(())
}
