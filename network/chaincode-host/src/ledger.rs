//! What a chaincode may do with the ledger within one transaction.

use std::collections::BTreeMap;

/// Why the ledger refused an access. The text goes to the chaincode as it is.
pub type AccessError = Box<dyn std::error::Error + Send + Sync>;

/// One transaction's view of a channel: the simulator that the endorser opened.
///
/// `namespace` is the chaincode's name. Reads see the committed state of the moment when the transaction
/// began, never the transaction's own writes. Implementations use interior mutability; calls for one
/// transaction come one after the other. Calls may block on the disk for a short time; range reads, queries
/// and history run on blocking threads.
pub trait TransactionLedger: Send + Sync {
    /// Committed value of a public key.
    fn state(&self, namespace: &str, key: &str) -> Result<Option<Vec<u8>>, AccessError>;
    /// Committed values of several public keys, in their order.
    fn states(&self, namespace: &str, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, AccessError> {
        keys.iter().map(|key| self.state(namespace, key)).collect()
    }
    /// Writes a public key.
    fn put_state(&self, namespace: &str, key: &str, value: Vec<u8>) -> Result<(), AccessError>;
    /// Deletes a public key.
    fn delete_state(&self, namespace: &str, key: &str) -> Result<(), AccessError>;
    /// Metadata entries of a public key, such as `VALIDATION_PARAMETER`.
    fn metadata(&self, namespace: &str, key: &str) -> Result<BTreeMap<String, Vec<u8>>, AccessError>;
    /// Replaces the metadata of a public key.
    fn put_metadata(
        &self,
        namespace: &str,
        key: &str,
        metadata: BTreeMap<String, Vec<u8>>,
    ) -> Result<(), AccessError>;
    /// Public keys in `start..end`; an empty bound is open.
    fn range(&self, namespace: &str, start: &str, end: &str) -> Result<Box<dyn Rows>, AccessError>;
    /// Like [`range`](Self::range), at most `page_size` rows; its bookmark is the next page's start.
    fn range_page(
        &self,
        namespace: &str,
        start: &str,
        end: &str,
        page_size: usize,
    ) -> Result<Box<dyn Rows>, AccessError>;
    /// Rows that match a rich query.
    fn query(&self, namespace: &str, query: &str) -> Result<Box<dyn Rows>, AccessError>;
    /// Like [`query`](Self::query), at most `page_size` rows from `bookmark` on.
    fn query_page(
        &self,
        namespace: &str,
        query: &str,
        bookmark: &str,
        page_size: usize,
    ) -> Result<Box<dyn Rows>, AccessError>;
    /// Committed changes of a public key, newest first.
    fn history(&self, namespace: &str, key: &str) -> Result<Box<dyn Rows>, AccessError>;

    /// Value of a private key.
    fn private(&self, namespace: &str, collection: &str, key: &str) -> Result<Option<Vec<u8>>, AccessError>;
    /// Values of several private keys, in their order.
    fn privates(
        &self,
        namespace: &str,
        collection: &str,
        keys: &[String],
    ) -> Result<Vec<Option<Vec<u8>>>, AccessError> {
        keys.iter()
            .map(|key| self.private(namespace, collection, key))
            .collect()
    }
    /// SHA-256 of a private key's value, which every peer of the channel has.
    fn private_hash(
        &self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<Option<Vec<u8>>, AccessError>;
    /// Writes a private key.
    fn put_private(
        &self,
        namespace: &str,
        collection: &str,
        key: &str,
        value: Vec<u8>,
    ) -> Result<(), AccessError>;
    /// Deletes a private key.
    fn delete_private(&self, namespace: &str, collection: &str, key: &str) -> Result<(), AccessError>;
    /// Deletes a private key and its whole history.
    fn purge_private(&self, namespace: &str, collection: &str, key: &str) -> Result<(), AccessError>;
    /// Metadata entries of a private key.
    fn private_metadata(
        &self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<BTreeMap<String, Vec<u8>>, AccessError>;
    /// Replaces the metadata of a private key.
    fn put_private_metadata(
        &self,
        namespace: &str,
        collection: &str,
        key: &str,
        metadata: BTreeMap<String, Vec<u8>>,
    ) -> Result<(), AccessError>;
    /// Private keys in `start..end`; an empty bound is open.
    fn private_range(
        &self,
        namespace: &str,
        collection: &str,
        start: &str,
        end: &str,
    ) -> Result<Box<dyn Rows>, AccessError>;
    /// Private rows that match a rich query.
    fn private_query(
        &self,
        namespace: &str,
        collection: &str,
        query: &str,
    ) -> Result<Box<dyn Rows>, AccessError>;
}

/// Rows of a range, a query or a history. Dropping it closes it.
pub trait Rows: Send {
    /// The next row as the wire carries it: a marshalled `queryresult.KV`, or `queryresult.KeyModification`
    /// for histories. `None` after the last one.
    fn next_row(&mut self) -> Result<Option<Vec<u8>>, AccessError>;
    /// Where the next page starts; empty after the last page and for rows that have no pages.
    fn bookmark(&mut self) -> String {
        String::new()
    }
}
