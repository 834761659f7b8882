//! A key-value contract, small enough that every fault in a test's result is a fault of the network.

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric_chaincode_host::InProcess;
use fabric_contract_api::{Chaincode, Context, LedgerError, ReadContext, contract};

/// Name of the chaincode.
pub const CHAINCODE: &str = "kv";
/// Its collection of private values: Org1 and Org2, not Org3.
pub const COLLECTION: &str = "pair";
/// Members of [`COLLECTION`].
pub const PAIR: [&str; 2] = ["Org1MSP", "Org2MSP"];

/// Keys and values.
#[contract(name = "kv")]
pub trait KeyValues {
    /// Writes without reading.
    #[submit]
    fn put(&self, ctx: &Context<'_>, key: String, value: String) -> Result<(), LedgerError>;

    /// Adds one to a counter: reads it first, so that rivals conflict. Returns the new count.
    #[submit]
    fn add(&self, ctx: &Context<'_>, key: String) -> Result<u64, LedgerError>;

    /// Writes to [`COLLECTION`].
    #[submit]
    fn put_private(
        &self,
        ctx: &Context<'_>,
        key: String,
        #[transient] value: String,
    ) -> Result<(), LedgerError>;

    /// Calls a function of this chaincode on another channel, and returns its answer.
    #[submit]
    fn through(
        &self,
        ctx: &Context<'_>,
        channel: String,
        function: String,
        key: String,
        value: String,
    ) -> Result<String, LedgerError>;

    /// What no contract may do: puts its transient input into the transaction's event.
    #[submit]
    fn leak(&self, ctx: &Context<'_>, #[transient] value: String) -> Result<(), LedgerError>;

    /// The value of a key.
    #[evaluate]
    fn get(&self, ctx: &ReadContext<'_>, key: String) -> Result<Option<String>, LedgerError>;

    /// All keys with their values.
    #[evaluate]
    fn all(&self, ctx: &ReadContext<'_>) -> Result<BTreeMap<String, String>, LedgerError>;

    /// The results of a rich query.
    #[evaluate]
    fn query(&self, ctx: &ReadContext<'_>, query: String) -> Result<Vec<(String, String)>, LedgerError>;

    /// The keys of one page of a rich query, and the next page's bookmark.
    #[evaluate]
    fn query_page(
        &self,
        ctx: &ReadContext<'_>,
        query: String,
        size: u32,
        bookmark: String,
    ) -> Result<(Vec<String>, String), LedgerError>;

    /// The keys of a rich query's results in [`COLLECTION`].
    #[evaluate]
    fn query_private(&self, ctx: &ReadContext<'_>, query: String) -> Result<Vec<String>, LedgerError>;

    /// Writes how many results a rich query has: they become reads of the transaction.
    #[submit]
    fn count(&self, ctx: &Context<'_>, query: String, key: String) -> Result<usize, LedgerError>;

    /// How often the key was written.
    #[evaluate]
    fn writes(&self, ctx: &ReadContext<'_>, key: String) -> Result<u64, LedgerError>;
}

struct Store;

impl KeyValues for Store {
    fn put(&self, ctx: &Context<'_>, key: String, value: String) -> Result<(), LedgerError> {
        ctx.put_state(&key, value.as_bytes())
    }

    fn add(&self, ctx: &Context<'_>, key: String) -> Result<u64, LedgerError> {
        let before = ctx
            .get_state(&key)?
            .and_then(|v| text(&v).parse::<u64>().ok())
            .unwrap_or(0);
        ctx.put_state(&key, (before + 1).to_string().as_bytes())?;
        Ok(before + 1)
    }

    fn put_private(&self, ctx: &Context<'_>, key: String, value: String) -> Result<(), LedgerError> {
        ctx.private_put(COLLECTION, &key, value.as_bytes())
    }

    fn through(
        &self,
        ctx: &Context<'_>,
        channel: String,
        function: String,
        key: String,
        value: String,
    ) -> Result<String, LedgerError> {
        let mut args = vec![function.into_bytes(), key.into_bytes()];
        if !value.is_empty() {
            args.push(value.into_bytes());
        }
        let answer = ctx.invoke_chaincode(CHAINCODE, &channel, &args)?;
        if answer.status >= 400 {
            return Err(LedgerError::InvalidArgument(answer.message));
        }
        Ok(text(&answer.payload))
    }

    fn leak(&self, ctx: &Context<'_>, value: String) -> Result<(), LedgerError> {
        ctx.put_state("leaked", b"yes")?;
        ctx.set_event("leak", value.as_bytes())
    }

    fn get(&self, ctx: &ReadContext<'_>, key: String) -> Result<Option<String>, LedgerError> {
        Ok(ctx.get_state(&key)?.map(|value| text(&value)))
    }

    fn all(&self, ctx: &ReadContext<'_>) -> Result<BTreeMap<String, String>, LedgerError> {
        ctx.range("", "")?
            .map(|item| item.map(|pair| (pair.key, text(&pair.value))))
            .collect()
    }

    fn query(&self, ctx: &ReadContext<'_>, query: String) -> Result<Vec<(String, String)>, LedgerError> {
        ctx.query(&query)?
            .map(|item| item.map(|pair| (pair.key, text(&pair.value))))
            .collect()
    }

    fn query_page(
        &self,
        ctx: &ReadContext<'_>,
        query: String,
        size: u32,
        bookmark: String,
    ) -> Result<(Vec<String>, String), LedgerError> {
        let page = ctx.query_paged(&query, size, &bookmark)?;
        Ok((
            page.items.into_iter().map(|pair| pair.key).collect(),
            page.bookmark,
        ))
    }

    fn query_private(&self, ctx: &ReadContext<'_>, query: String) -> Result<Vec<String>, LedgerError> {
        ctx.private_query(COLLECTION, &query)?
            .map(|item| item.map(|pair| pair.key))
            .collect()
    }

    fn count(&self, ctx: &Context<'_>, query: String, key: String) -> Result<usize, LedgerError> {
        let mut count = 0;
        for item in ctx.query(&query)? {
            item?;
            count += 1;
        }
        ctx.put_state(&key, count.to_string().as_bytes())?;
        Ok(count)
    }

    fn writes(&self, ctx: &ReadContext<'_>, key: String) -> Result<u64, LedgerError> {
        let mut count = 0;
        for change in ctx.history(&key)? {
            change?;
            count += 1;
        }
        Ok(count)
    }
}

/// The chaincode as the peers of this process run it.
pub fn in_process() -> InProcess {
    let chaincode = Chaincode::new().contract(KeyValuesContract(Store));
    InProcess::new(fabric_contract_api::in_process(Arc::new(chaincode)))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
