//! What a peer offers one transaction, as an object-safe trait, and its value types.

use std::collections::BTreeMap;

use crate::LedgerError;

/// A lazily read sequence of query results. It ends after the first error.
pub type Results<'a, T> = Box<dyn Iterator<Item = Result<T, LedgerError>> + 'a>;

/// What a peer offers one transaction (Fabric's `ChaincodeStubInterface`, fabric-chaincode-go `shim/interfaces.go`).
///
/// Reads see the committed state at the start of the simulation, never the transaction's own writes. Keys are taken as they are:
/// [`crate::ReadContext`] checks them first. All methods take `&self`; implementors keep their own interior mutability.
pub trait Ledger {
    /// The channel of the transaction.
    fn channel_id(&self) -> &str;
    /// The transaction's id: 64 lowercase hex digits.
    fn tx_id(&self) -> &str;
    /// The client's header timestamp. The client chooses it; a peer's time-window filter bounds it.
    fn timestamp(&self) -> Timestamp;
    /// Who signed the proposal.
    fn creator(&self) -> &Creator;
    /// The proposal's transient inputs.
    fn transient(&self) -> &BTreeMap<String, Vec<u8>>;
    /// The name of the chaincode that the client's proposal invokes (of the outermost one, when chaincode calls chaincode).
    fn chaincode(&self) -> &str;

    /// The committed value of a key.
    fn get_state(&self, key: &str) -> Result<Option<Vec<u8>>, LedgerError>;
    /// The committed values of several keys, in their order; in one message where the peer can.
    fn get_states(&self, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, LedgerError> {
        keys.iter().map(|key| self.get_state(key)).collect()
    }
    /// Writes a value. An empty value is a delete to Fabric.
    fn put_state(&self, key: &str, value: &[u8]) -> Result<(), LedgerError>;
    /// Deletes a key.
    fn del_state(&self, key: &str) -> Result<(), LedgerError>;
    /// The key's own endorsement policy.
    fn key_policy(&self, key: &str) -> Result<Option<KeyPolicy>, LedgerError>;
    /// Sets the key's own endorsement policy.
    fn set_key_policy(&self, key: &str, policy: &KeyPolicy) -> Result<(), LedgerError>;
    /// Keys from `start` (inclusive) to `end` (exclusive; empty: to the end) in byte order.
    fn range(&self, start: &str, end: &str) -> Result<Results<'_, KeyValue>, LedgerError>;
    /// One page of a range. Such a transaction may only read.
    fn range_paged(
        &self,
        start: &str,
        end: &str,
        page_size: u32,
        bookmark: &str,
    ) -> Result<Page, LedgerError>;
    /// A rich query, where the state database has them (CouchDB's selector syntax).
    fn query(&self, query: &str) -> Result<Results<'_, KeyValue>, LedgerError>;
    /// One page of a rich query. Such a transaction may only read.
    fn query_paged(&self, query: &str, page_size: u32, bookmark: &str) -> Result<Page, LedgerError>;
    /// The committed changes of a key, newest first. Not protected by the read set.
    fn history(&self, key: &str) -> Result<Results<'_, KeyModification>, LedgerError>;

    /// The value of a private key. An error where this peer's organisation is not a member, or the value has not arrived yet.
    fn private_get(&self, collection: &str, key: &str) -> Result<Option<Vec<u8>>, LedgerError>;
    /// The values of several private keys, in their order; in one message where the peer can. Of a value that has not arrived yet, Fabric says then that
    /// there is none; what was read is wrong, and a transaction on it is invalid.
    fn private_gets(&self, collection: &str, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, LedgerError> {
        keys.iter().map(|key| self.private_get(collection, key)).collect()
    }
    /// SHA-256 of a private value; every peer of the channel has it.
    fn private_hash(&self, collection: &str, key: &str) -> Result<Option<Vec<u8>>, LedgerError>;
    /// Writes a private value.
    fn private_put(&self, collection: &str, key: &str, value: &[u8]) -> Result<(), LedgerError>;
    /// Deletes a private key; its history stays in the members' stores.
    fn private_del(&self, collection: &str, key: &str) -> Result<(), LedgerError>;
    /// Deletes a private key and every earlier value of it (application capability V2_5).
    fn private_purge(&self, collection: &str, key: &str) -> Result<(), LedgerError>;
    /// As [`Ledger::range`], in a collection.
    fn private_range(
        &self,
        collection: &str,
        start: &str,
        end: &str,
    ) -> Result<Results<'_, KeyValue>, LedgerError>;
    /// As [`Ledger::query`], in a collection. Such a transaction may only read.
    fn private_query(&self, collection: &str, query: &str) -> Result<Results<'_, KeyValue>, LedgerError>;
    /// The private key's own endorsement policy.
    fn private_key_policy(&self, collection: &str, key: &str) -> Result<Option<KeyPolicy>, LedgerError>;
    /// Sets the private key's own endorsement policy.
    fn set_private_key_policy(
        &self,
        collection: &str,
        key: &str,
        policy: &KeyPolicy,
    ) -> Result<(), LedgerError>;

    /// Sets the transaction's one event; the last call counts.
    fn set_event(&self, name: &str, payload: &[u8]) -> Result<(), LedgerError>;
    /// Calls another chaincode. On the same channel (or an empty one) it shares this transaction's read-write set, on another
    /// channel it only reads.
    fn invoke_chaincode(
        &self,
        chaincode: &str,
        channel: &str,
        args: &[Vec<u8>],
    ) -> Result<crate::Response, LedgerError>;
}

/// A moment as the client's channel header gives it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Nanoseconds of that second, 0..=999_999_999.
    pub nanos: i32,
}

/// Who signed a proposal (`msp.SerializedIdentity`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Creator {
    /// The membership service provider's id, for example `Org1MSP`.
    pub msp_id: String,
    /// The X.509 certificate in PEM.
    pub certificate_pem: Vec<u8>,
}

/// A key and its committed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: Vec<u8>,
}

/// One committed change of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyModification {
    /// The transaction that made it.
    pub tx_id: String,
    /// The new value, `None` for a delete.
    pub value: Option<Vec<u8>>,
    /// The client's header timestamp of that transaction.
    pub timestamp: Timestamp,
    /// Whether the key was deleted.
    pub is_delete: bool,
}

/// One page of results.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The page's entries, at most as many as were asked for.
    pub items: Vec<KeyValue>,
    /// Hand it in for the next page. Empty after the last one.
    pub bookmark: String,
}

/// A key's own endorsement policy: at least `required` of `principals` have to endorse a change of the key, and nobody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPolicy {
    /// How many signatures, 1..=`principals.len()`.
    pub required: u32,
    /// Who may sign; each identity counts once.
    pub principals: Vec<Principal>,
}

impl KeyPolicy {
    /// Every one of these organisations' peers has to endorse.
    pub fn all_peers<S: Into<String>>(msp_ids: impl IntoIterator<Item = S>) -> Self {
        let principals: Vec<_> = msp_ids
            .into_iter()
            .map(|msp| Principal::new(msp, Role::Peer))
            .collect();
        Self {
            required: u32::try_from(principals.len()).unwrap_or(u32::MAX),
            principals,
        }
    }

    /// A peer of one of these organisations has to endorse.
    pub fn any_peer<S: Into<String>>(msp_ids: impl IntoIterator<Item = S>) -> Self {
        Self {
            required: 1,
            ..Self::all_peers(msp_ids)
        }
    }

    /// Checks that the policy can ever be met.
    ///
    /// # Errors
    /// [`LedgerError::InvalidArgument`] if `required` is 0 or above the number of principals.
    pub fn check(&self) -> Result<(), LedgerError> {
        let possible = usize::try_from(self.required)
            .is_ok_and(|required| (1..=self.principals.len()).contains(&required));
        if possible {
            return Ok(());
        }
        Err(LedgerError::InvalidArgument(format!(
            "a key's endorsement policy asks for {} of {} principals; it must ask for at least 1 and at most all",
            self.required,
            self.principals.len()
        )))
    }
}

/// A role in an organisation (`msp.MSPRole`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The organisation's membership service provider.
    pub msp_id: String,
    /// The role in it.
    pub role: Role,
}

impl Principal {
    /// The members of `msp_id` that have `role`.
    pub fn new(msp_id: impl Into<String>, role: Role) -> Self {
        Self {
            msp_id: msp_id.into(),
            role,
        }
    }
}

/// Roles of Fabric's MSP principals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Anybody of the organisation.
    Member,
    /// Its administrators.
    Admin,
    /// Its clients.
    Client,
    /// Its peers.
    Peer,
    /// Its orderers.
    Orderer,
}
