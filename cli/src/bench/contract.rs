//! The chaincode that is measured: values under keys, and no more, so that the figures are the network's.
//!
//! It runs in the peers' own process on the embedded network. For another network, [`chaincode`] is served as any chaincode is
//! (`fabric_contract_api::run`).

use fabric_contract_api::{Chaincode, Context, LedgerError, ReadContext, contract};
use serde_json::Value;

/// Values under keys.
#[contract(name = "keyvalue", error = LedgerError)]
pub trait KeyValueStore {
    /// Writes a value, whatever was there.
    #[submit]
    fn put(&self, ctx: &Context<'_>, key: String, value: String) -> Result<(), LedgerError>;

    /// Reads a value; an error where there is none, so that a benchmark cannot read nothing and call it fast.
    #[evaluate]
    fn get(&self, ctx: &ReadContext<'_>, key: String) -> Result<String, LedgerError>;

    /// Reads the values under all keys from `start` up to `end`, which is not included, in the order of the keys.
    #[evaluate]
    fn range(&self, ctx: &ReadContext<'_>, start: String, end: String) -> Result<Vec<String>, LedgerError>;

    /// Reads what is there and writes a value in its place, so that two at once conflict.
    #[submit]
    fn update(&self, ctx: &Context<'_>, key: String, value: String) -> Result<(), LedgerError>;

    /// Writes a private value. Only the collection's members get it; the block holds hashes.
    #[submit]
    fn put_private(
        &self,
        ctx: &Context<'_>,
        collection: String,
        key: String,
        #[transient] value: Value,
    ) -> Result<(), LedgerError>;
}

/// [`KeyValueStore`] on the ledger.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyValue;

impl KeyValueStore for KeyValue {
    fn put(&self, ctx: &Context<'_>, key: String, value: String) -> Result<(), LedgerError> {
        ctx.put_state(&key, value.as_bytes())
    }

    fn get(&self, ctx: &ReadContext<'_>, key: String) -> Result<String, LedgerError> {
        let value = ctx
            .get_state(&key)?
            .ok_or_else(|| LedgerError::InvalidArgument("nothing is stored under this key".to_owned()))?;
        text(value)
    }

    fn range(&self, ctx: &ReadContext<'_>, start: String, end: String) -> Result<Vec<String>, LedgerError> {
        ctx.range(&start, &end)?.map(|entry| text(entry?.value)).collect()
    }

    fn update(&self, ctx: &Context<'_>, key: String, value: String) -> Result<(), LedgerError> {
        ctx.get_state(&key)?;
        ctx.put_state(&key, value.as_bytes())
    }

    fn put_private(
        &self,
        ctx: &Context<'_>,
        collection: String,
        key: String,
        value: Value,
    ) -> Result<(), LedgerError> {
        ctx.private_put_json(&collection, &key, &value)
    }
}

fn text(value: Vec<u8>) -> Result<String, LedgerError> {
    String::from_utf8(value).map_err(|_| LedgerError::Decode("UTF-8 text expected".to_owned()))
}

/// The chaincode with its one contract.
pub fn chaincode() -> Chaincode {
    Chaincode::new().contract(KeyValueStoreContract(KeyValue))
}
