//! What the ledger has to know about private data collections. It is handed in: the definitions are in the state, but
//! how to read them is the lifecycle's knowledge.

use std::fmt::Debug;

use crate::{LedgerError, QueryExecutor};

/// A collection as the ledger sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collection {
    /// It is defined; its private data expires `block_to_live` blocks after the block that wrote it, or never with 0.
    Defined {
        /// Number of blocks that the data outlives.
        block_to_live: u64,
    },
    /// The chaincode has collections, but not this one.
    Unknown,
    /// The chaincode has no collections.
    NoneDefined,
}

/// Knows the collections of committed chaincode definitions.
pub trait CollectionInfo: Debug + Send + Sync {
    /// Looks a collection up in the definitions as of `state`. Implicit collections count as defined.
    ///
    /// Only public state may be read from `state`: private reads ask this trait again.
    ///
    /// # Errors
    /// What reading `state` failed with.
    fn collection(
        &self,
        state: &QueryExecutor,
        namespace: &str,
        collection: &str,
    ) -> Result<Collection, LedgerError>;
}

/// Every collection exists and never expires: for tools and tests that have no lifecycle.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyCollection;

impl CollectionInfo for AnyCollection {
    fn collection(&self, _: &QueryExecutor, _: &str, _: &str) -> Result<Collection, LedgerError> {
        Ok(Collection::Defined { block_to_live: 0 })
    }
}

/// The first block that no longer has the data of `committed`; `None` when it never expires
/// (`core/ledger/pvtdatapolicy/btlpolicy.go` of Fabric).
pub(crate) fn expiring_block(committed: u64, block_to_live: u64) -> Option<u64> {
    if block_to_live == 0 {
        return None;
    }
    committed.checked_add(block_to_live)?.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_outlives_its_blocks_to_live() {
        assert_eq!(expiring_block(10, 0), None);
        assert_eq!(expiring_block(10, 1), Some(12));
        assert_eq!(expiring_block(10, u64::MAX), None);
        assert_eq!(expiring_block(10, u64::MAX - 10), None);
    }
}
