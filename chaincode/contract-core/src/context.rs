//! What a contract's functions are given: [`ReadContext`] to evaluate, [`Context`] to submit.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::wire::describe;
use crate::{
    ClientIdentity, IdentityError, KeyModification, KeyPolicy, KeyValue, Ledger, LedgerError, Page, Response,
    Results, Timestamp, composite,
};

/// First key of the simple (not composite) keys; replaces an empty start of a range, as in Fabric's shims.
const FIRST_SIMPLE_KEY: &str = "\u{1}";

/// The transaction that an evaluate function runs in. It has no method that writes.
///
/// Reads see the committed state, never the transaction's own writes. Every read that fails gives the [`LedgerError`] of the ledger
/// behind it; an empty key is [`LedgerError::InvalidArgument`].
pub struct ReadContext<'a> {
    ledger: &'a dyn Ledger,
    contract: &'a str,
    function: &'a str,
    args: &'a [Vec<u8>],
    client: OnceCell<Result<ClientIdentity, IdentityError>>,
    bytes_read: Cell<u64>,
}

/// The transaction that a submit function runs in: all of [`ReadContext`] and the methods that write.
#[derive(Debug)]
pub struct Context<'a>(ReadContext<'a>);

impl<'a> ReadContext<'a> {
    /// A context over `ledger` for one call. The generated dispatch makes it; tests of helper functions may.
    pub fn new(ledger: &'a dyn Ledger, contract: &'a str, function: &'a str, args: &'a [Vec<u8>]) -> Self {
        Self {
            ledger,
            contract,
            function,
            args,
            client: OnceCell::new(),
            bytes_read: Cell::new(0),
        }
    }

    /// The channel of the transaction.
    #[must_use]
    pub fn channel_id(&self) -> &str {
        self.ledger.channel_id()
    }

    /// The transaction's id: 64 lowercase hex digits.
    #[must_use]
    pub fn tx_id(&self) -> &str {
        self.ledger.tx_id()
    }

    /// The client's header timestamp. The client chooses it; a peer's time-window filter bounds it.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.ledger.timestamp()
    }

    /// The name of the chaincode that the client's proposal invokes.
    #[must_use]
    pub fn chaincode(&self) -> &str {
        self.ledger.chaincode()
    }

    /// The name of this contract within the chaincode.
    #[must_use]
    pub const fn contract(&self) -> &str {
        self.contract
    }

    /// The wire name of the function that runs.
    #[must_use]
    pub const fn function(&self) -> &str {
        self.function
    }

    /// The call's public arguments as they came, without the function's name.
    #[must_use]
    pub const fn args(&self) -> &[Vec<u8>] {
        self.args
    }

    /// The transient inputs as they came.
    #[must_use]
    pub fn transient(&self) -> &BTreeMap<String, Vec<u8>> {
        self.ledger.transient()
    }

    /// Who signed the proposal; the certificate is read once per transaction.
    ///
    /// # Errors
    /// [`IdentityError`] if the creator's certificate or its attributes cannot be read.
    pub fn client(&self) -> Result<&ClientIdentity, IdentityError> {
        let parse = || ClientIdentity::from_creator(self.ledger.creator());
        self.client.get_or_init(parse).as_ref().map_err(Clone::clone)
    }

    /// Bytes of the values that this call has read one by one or in ranges so far; pages, rich queries and history are not counted. A look over what others
    /// have written stops by it, and says where it goes on, whatever the size of what it meets.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.get()
    }

    fn count(&self, value: &[u8]) {
        let bytes = u64::try_from(value.len()).unwrap_or(u64::MAX);
        self.bytes_read.set(self.bytes_read.get().saturating_add(bytes));
    }

    /// The same value, counted.
    fn counted(&self, value: Option<Vec<u8>>) -> Option<Vec<u8>> {
        value.inspect(|value| self.count(value))
    }

    /// The same values, each counted as it is taken.
    fn counting<'r>(&'r self, rows: Results<'r, KeyValue>) -> Results<'r, KeyValue> {
        Box::new(rows.inspect(|row| {
            if let Ok(row) = row {
                self.count(&row.value);
            }
        }))
    }

    /// The committed value of a key.
    pub fn get_state(&self, key: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        check_key(key)?;
        Ok(self.counted(self.ledger.get_state(key)?))
    }

    /// The committed values of several keys, in their order; in one message where the peer can.
    pub fn get_states<K: AsRef<str>>(&self, keys: &[K]) -> Result<Vec<Option<Vec<u8>>>, LedgerError> {
        let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
        keys.iter().try_for_each(|key| check_key(key))?;
        let values = self.ledger.get_states(&keys)?;
        Ok(values.into_iter().map(|value| self.counted(value)).collect())
    }

    /// The committed value of a key, read as JSON. A value of another form is [`LedgerError::Decode`].
    pub fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, LedgerError> {
        self.get_state(key)?.map(|value| from_json(&value)).transpose()
    }

    /// The key's own endorsement policy.
    pub fn key_policy(&self, key: &str) -> Result<Option<KeyPolicy>, LedgerError> {
        check_key(key)?;
        self.ledger.key_policy(key)
    }

    /// Simple keys from `start` (inclusive; empty: the first) to `end` (exclusive; empty: to the end), in byte order. Composite
    /// keys are never among them.
    pub fn range(&self, start: &str, end: &str) -> Result<Results<'_, KeyValue>, LedgerError> {
        let rows = self.ledger.range(range_start(start, end)?, end)?;
        Ok(self.counting(rows))
    }

    /// One page of [`ReadContext::range`]. A transaction that pages may not write.
    pub fn range_paged(
        &self,
        start: &str,
        end: &str,
        page_size: u32,
        bookmark: &str,
    ) -> Result<Page, LedgerError> {
        self.ledger
            .range_paged(range_start(start, end)?, end, page_size, bookmark)
    }

    /// Composite keys that begin with these parts.
    pub fn composite_range(
        &self,
        object_type: &str,
        attributes: &[&str],
    ) -> Result<Results<'_, KeyValue>, LedgerError> {
        let (start, end) = composite::range(object_type, attributes)?;
        Ok(self.counting(self.ledger.range(&start, &end)?))
    }

    /// One page of [`ReadContext::composite_range`]. A transaction that pages may not write.
    pub fn composite_range_paged(
        &self,
        object_type: &str,
        attributes: &[&str],
        page_size: u32,
        bookmark: &str,
    ) -> Result<Page, LedgerError> {
        let (start, end) = composite::range(object_type, attributes)?;
        self.ledger.range_paged(&start, &end, page_size, bookmark)
    }

    /// A rich query (CouchDB's selector syntax), where the state database has them. Not protected against phantoms.
    pub fn query(&self, query: &str) -> Result<Results<'_, KeyValue>, LedgerError> {
        self.ledger.query(query)
    }

    /// [`ReadContext::query`] with each value read as JSON. A value of another form is [`LedgerError::Decode`].
    pub fn query_json<T: DeserializeOwned>(
        &self,
        query: &str,
    ) -> Result<impl Iterator<Item = Result<(String, T), LedgerError>> + '_, LedgerError> {
        let rows = self.ledger.query(query)?;
        Ok(rows.map(|row| {
            let row = row?;
            from_json(&row.value).map(|value| (row.key, value))
        }))
    }

    /// One page of a rich query. A transaction that pages may not write.
    pub fn query_paged(&self, query: &str, page_size: u32, bookmark: &str) -> Result<Page, LedgerError> {
        self.ledger.query_paged(query, page_size, bookmark)
    }

    /// The committed changes of a key, newest first. Not protected by the read set.
    pub fn history(&self, key: &str) -> Result<Results<'_, KeyModification>, LedgerError> {
        check_key(key)?;
        self.ledger.history(key)
    }

    /// The value of a private key. An error where the peer's organisation is no member of the collection.
    pub fn private_get(&self, collection: &str, key: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        check_private(collection, key)?;
        Ok(self.counted(self.ledger.private_get(collection, key)?))
    }

    /// The value of a private key, read as JSON. A value of another form is [`LedgerError::Decode`].
    pub fn private_get_json<T: DeserializeOwned>(
        &self,
        collection: &str,
        key: &str,
    ) -> Result<Option<T>, LedgerError> {
        self.private_get(collection, key)?
            .map(|value| from_json(&value))
            .transpose()
    }

    /// The values of several private keys, in their order; in one message where the peer can. For transactions: where one of them has not arrived,
    /// and could not be [read alone](ReadContext::private_get), Fabric gives no value here, and the transaction turns out invalid in its block.
    pub fn private_gets<K: AsRef<str>>(
        &self,
        collection: &str,
        keys: &[K],
    ) -> Result<Vec<Option<Vec<u8>>>, LedgerError> {
        let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
        keys.iter().try_for_each(|key| check_private(collection, key))?;
        let values = self.ledger.private_gets(collection, &keys)?;
        Ok(values.into_iter().map(|value| self.counted(value)).collect())
    }

    /// SHA-256 of a private value; every peer of the channel has it.
    pub fn private_hash(&self, collection: &str, key: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        check_private(collection, key)?;
        self.ledger.private_hash(collection, key)
    }

    /// As [`ReadContext::range`], in a collection.
    pub fn private_range(
        &self,
        collection: &str,
        start: &str,
        end: &str,
    ) -> Result<Results<'_, KeyValue>, LedgerError> {
        check_collection(collection)?;
        let start = range_start(start, end)?;
        Ok(self.counting(self.ledger.private_range(collection, start, end)?))
    }

    /// As [`ReadContext::composite_range`], in a collection.
    pub fn private_composite_range(
        &self,
        collection: &str,
        object_type: &str,
        attributes: &[&str],
    ) -> Result<Results<'_, KeyValue>, LedgerError> {
        check_collection(collection)?;
        let (start, end) = composite::range(object_type, attributes)?;
        Ok(self.counting(self.ledger.private_range(collection, &start, &end)?))
    }

    /// A rich query in a collection. Such a transaction may only read.
    pub fn private_query(&self, collection: &str, query: &str) -> Result<Results<'_, KeyValue>, LedgerError> {
        check_collection(collection)?;
        self.ledger.private_query(collection, query)
    }

    /// The private key's own endorsement policy.
    pub fn private_key_policy(&self, collection: &str, key: &str) -> Result<Option<KeyPolicy>, LedgerError> {
        check_private(collection, key)?;
        self.ledger.private_key_policy(collection, key)
    }
}

impl<'a> Context<'a> {
    /// A context over `ledger` for one call. The generated dispatch makes it; tests of helper functions may.
    pub fn new(ledger: &'a dyn Ledger, contract: &'a str, function: &'a str, args: &'a [Vec<u8>]) -> Self {
        Self(ReadContext::new(ledger, contract, function, args))
    }

    /// Writes a value. An empty one is refused, since Fabric takes it for a delete: [`LedgerError::InvalidArgument`].
    pub fn put_state(&self, key: &str, value: &[u8]) -> Result<(), LedgerError> {
        check_key(key)?;
        check_value(value)?;
        self.0.ledger.put_state(key, value)
    }

    /// Writes a value as JSON.
    pub fn put_json<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), LedgerError> {
        self.put_state(key, &to_json(value)?)
    }

    /// Deletes a key.
    pub fn del_state(&self, key: &str) -> Result<(), LedgerError> {
        check_key(key)?;
        self.0.ledger.del_state(key)
    }

    /// Sets the key's own endorsement policy: it alone then decides who endorses a change of the key.
    pub fn set_key_policy(&self, key: &str, policy: &KeyPolicy) -> Result<(), LedgerError> {
        check_key(key)?;
        policy.check()?;
        self.0.ledger.set_key_policy(key, policy)
    }

    /// Writes a private value. An empty one is refused: [`LedgerError::InvalidArgument`].
    pub fn private_put(&self, collection: &str, key: &str, value: &[u8]) -> Result<(), LedgerError> {
        check_private(collection, key)?;
        check_value(value)?;
        self.0.ledger.private_put(collection, key, value)
    }

    /// Writes a private value as JSON. The block holds the SHA-256 of these bytes: put a salt among them.
    pub fn private_put_json<T: Serialize + ?Sized>(
        &self,
        collection: &str,
        key: &str,
        value: &T,
    ) -> Result<(), LedgerError> {
        self.private_put(collection, key, &to_json(value)?)
    }

    /// Deletes a private key; earlier values stay in the members' private stores.
    pub fn private_del(&self, collection: &str, key: &str) -> Result<(), LedgerError> {
        check_private(collection, key)?;
        self.0.ledger.private_del(collection, key)
    }

    /// Deletes a private key and every earlier value of it (application capability V2_5).
    pub fn private_purge(&self, collection: &str, key: &str) -> Result<(), LedgerError> {
        check_private(collection, key)?;
        self.0.ledger.private_purge(collection, key)
    }

    /// Sets the private key's own endorsement policy.
    pub fn set_private_key_policy(
        &self,
        collection: &str,
        key: &str,
        policy: &KeyPolicy,
    ) -> Result<(), LedgerError> {
        check_private(collection, key)?;
        policy.check()?;
        self.0.ledger.set_private_key_policy(collection, key, policy)
    }

    /// Sets the transaction's one event; the last call counts. Everybody on the channel sees its payload.
    pub fn set_event(&self, name: &str, payload: &[u8]) -> Result<(), LedgerError> {
        if name.is_empty() {
            return Err(LedgerError::InvalidArgument(
                "an event's name is empty; name it".to_owned(),
            ));
        }
        self.0.ledger.set_event(name, payload)
    }

    /// Calls another chaincode. On the same channel (or an empty one) it shares this transaction's read-write set, on another
    /// channel it only reads. A refusal of the callee is a response, not an error.
    pub fn invoke_chaincode(
        &self,
        chaincode: &str,
        channel: &str,
        args: &[Vec<u8>],
    ) -> Result<Response, LedgerError> {
        if chaincode.is_empty() {
            return Err(LedgerError::InvalidArgument(
                "the called chaincode's name is empty".to_owned(),
            ));
        }
        self.0.ledger.invoke_chaincode(chaincode, channel, args)
    }
}

impl<'a> Deref for Context<'a> {
    type Target = ReadContext<'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Debug for ReadContext<'_> {
    /// Names the call, without arguments and inputs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadContext")
            .field("contract", &self.contract)
            .field("function", &self.function)
            .field("tx_id", &self.tx_id())
            .finish_non_exhaustive()
    }
}

fn check_key(key: &str) -> Result<(), LedgerError> {
    if key.is_empty() {
        return Err(LedgerError::InvalidArgument(
            "a key is empty; a key has at least one byte".to_owned(),
        ));
    }
    Ok(())
}

fn check_collection(collection: &str) -> Result<(), LedgerError> {
    if collection.is_empty() {
        return Err(LedgerError::InvalidArgument(
            "the private collection's name is empty".to_owned(),
        ));
    }
    Ok(())
}

fn check_private(collection: &str, key: &str) -> Result<(), LedgerError> {
    check_collection(collection)?;
    check_key(key)
}

fn check_value(value: &[u8]) -> Result<(), LedgerError> {
    if value.is_empty() {
        return Err(LedgerError::InvalidArgument(
            "an empty value is a delete to Fabric; delete the key, or write at least one byte".to_owned(),
        ));
    }
    Ok(())
}

/// The start of a simple range, after the check that neither bound is a composite key.
fn range_start<'k>(start: &'k str, end: &str) -> Result<&'k str, LedgerError> {
    if composite::is_composite(start) || composite::is_composite(end) {
        return Err(LedgerError::InvalidArgument(
            "a bound of a range starts with U+0000; use composite_range for composite keys".to_owned(),
        ));
    }
    Ok(if start.is_empty() { FIRST_SIMPLE_KEY } else { start })
}

fn from_json<T: DeserializeOwned>(value: &[u8]) -> Result<T, LedgerError> {
    serde_json::from_slice(value)
        .map_err(|error| LedgerError::Decode(format!("{} expected, {}", short_name::<T>(), describe(&error))))
}

fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, LedgerError> {
    serde_json::to_vec(value).map_err(|error| {
        LedgerError::InvalidArgument(format!(
            "a {} cannot be written as JSON: {}",
            short_name::<T>(),
            describe(&error)
        ))
    })
}

fn short_name<T: ?Sized>() -> &'static str {
    let name = std::any::type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}
