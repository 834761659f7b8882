//! Private data collections of the mock network.

use std::collections::{BTreeMap, BTreeSet};

use fabric_ledger::{Collection, CollectionInfo, LedgerError, QueryExecutor};

const IMPLICIT_PREFIX: &str = "_implicit_org_";

/// A private data collection of the chaincode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MockCollection {
    name: String,
    members: BTreeSet<String>,
    block_to_live: u64,
    member_only_read: bool,
    member_only_write: bool,
}

impl MockCollection {
    /// A collection whose values the members' (MSP ids) ledgers hold. Any client may call functions on it; values never expire.
    pub fn new<S: Into<String>>(name: impl Into<String>, members: impl IntoIterator<Item = S>) -> Self {
        Self {
            name: name.into(),
            members: members.into_iter().map(Into::into).collect(),
            block_to_live: 0,
            member_only_read: false,
            member_only_write: false,
        }
    }

    /// Only clients of members may read.
    #[must_use]
    pub const fn member_only_read(mut self, only: bool) -> Self {
        self.member_only_read = only;
        self
    }

    /// Only clients of members may write.
    #[must_use]
    pub const fn member_only_write(mut self, only: bool) -> Self {
        self.member_only_write = only;
        self
    }

    /// Values expire this many blocks after they were written; 0 for never.
    #[must_use]
    pub const fn block_to_live(mut self, blocks: u64) -> Self {
        self.block_to_live = blocks;
        self
    }
}

/// All collections of the chaincode under test, and every organisation's implicit one.
#[derive(Debug, Default)]
pub(crate) struct Collections(BTreeMap<String, MockCollection>);

impl Collections {
    pub(crate) fn new(collections: Vec<MockCollection>) -> Self {
        Self(
            collections
                .into_iter()
                .map(|collection| (collection.name.clone(), collection))
                .collect(),
        )
    }

    /// Whether an organisation's ledger holds the values.
    pub(crate) fn is_member(&self, collection: &str, msp_id: &str) -> bool {
        match collection.strip_prefix(IMPLICIT_PREFIX) {
            Some(owner) => owner == msp_id,
            None => self
                .0
                .get(collection)
                .is_some_and(|collection| collection.members.contains(msp_id)),
        }
    }

    /// Whether a client of an organisation may read.
    pub(crate) fn may_read(&self, collection: &str, msp_id: &str) -> bool {
        !self
            .0
            .get(collection)
            .is_some_and(|c| c.member_only_read && !c.members.contains(msp_id))
    }

    /// Whether a client of an organisation may write.
    pub(crate) fn may_write(&self, collection: &str, msp_id: &str) -> bool {
        !self
            .0
            .get(collection)
            .is_some_and(|c| c.member_only_write && !c.members.contains(msp_id))
    }
}

impl CollectionInfo for Collections {
    fn collection(&self, _: &QueryExecutor, _: &str, collection: &str) -> Result<Collection, LedgerError> {
        if collection.starts_with(IMPLICIT_PREFIX) {
            return Ok(Collection::Defined { block_to_live: 0 });
        }
        Ok(match self.0.get(collection) {
            Some(found) => Collection::Defined {
                block_to_live: found.block_to_live,
            },
            None if self.0.is_empty() => Collection::NoneDefined,
            None => Collection::Unknown,
        })
    }
}
