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

    /// What no contract may do: puts its transient input into the transaction's event.
    #[submit]
    fn leak(&self, ctx: &Context<'_>, #[transient] value: String) -> Result<(), LedgerError>;

    /// The value of a key.
    #[evaluate]
    fn get(&self, ctx: &ReadContext<'_>, key: String) -> Result<Option<String>, LedgerError>;

    /// All keys with their values.
    #[evaluate]
    fn all(&self, ctx: &ReadContext<'_>) -> Result<BTreeMap<String, String>, LedgerError>;

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
